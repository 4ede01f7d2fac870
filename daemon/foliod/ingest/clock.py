"""How long a process that reads is waited for: for each thing that it says, and in total."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from foliod.base.patience import patiently

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from foliod.reading.wire import ReadLimits


class Clock:
    """Measures the time that a reader is waited for: per event, and in total."""

    def __init__(self, limits: ReadLimits, opening: float) -> None:
        """`opening` seconds come on top until the file is open."""
        self._limits = limits
        self._opening = opening
        self._left = limits.document_seconds + opening

    def opened(self) -> None:
        """Say that the first event is there."""
        self._opening = 0.0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Run; raises TimeoutError when the time is up."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            # Which may be many minutes: for OCR that gives way to all other work, or with thousands of passwords.
            with patiently("the process has its time, and is ended then"):
                async with asyncio.timeout(max(0.0, min(self._limits.page_seconds + self._opening, self._left))):
                    yield
        finally:
            self._left -= loop.time() - started

    @property
    def verdict(self) -> str:
        """Which time is up."""
        if self._left <= 0:
            return f"reading it took longer than {self._limits.document_seconds:g} s"
        return f"no page of it was finished in {self._limits.page_seconds:g} s"
