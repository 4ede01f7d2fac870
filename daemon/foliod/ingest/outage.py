"""An outage of Ollama: said once, known to the status, waited for in short steps."""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog

from foliod.base.errors import ModelBrokenError, OllamaError

FIRST_WAIT = 0.5
LONGEST_WAIT = 5.0
"""Seconds between two tries, doubled each time. A try that meets nobody, or no model, costs nothing."""
LONGEST_WAIT_BROKEN = 20.0
"""The same when a try loads a model, only to see it fail."""
REMIND_SECONDS = 1800.0
"""An outage that lasts is told again after so long."""

log = structlog.get_logger()


class Outage:
    """Whether the embedding model can be used; kept by who embeds chunks, looked at by everyone."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why nothing can be embedded; None when something can, as far as is known."""
        self._began = 0.0
        self._told: dict[type[OllamaError], float] = {}
        self._wait = FIRST_WAIT
        self._longest = LONGEST_WAIT
        self._worked = asyncio.Event()

    def begin(self, error: OllamaError) -> None:
        """Note what is wrong. Logged when it is new and every half hour, not at every try."""
        now = time.monotonic()
        if self.reason is None:
            self._began, self._wait, self._told = now, FIRST_WAIT, {}
        self.reason = error.message
        self._longest = LONGEST_WAIT_BROKEN if isinstance(error, ModelBrokenError) else LONGEST_WAIT
        if now - self._told.get(type(error), -REMIND_SECONDS) >= REMIND_SECONDS:
            self._told[type(error)] = now
            log.warning("vectors_wait", reason=error.message, seconds=round(now - self._began))

    def end(self) -> None:
        """Note that chunks can be embedded again."""
        if self.reason is not None:
            self.reason = None
            log.info("vectors_go_on", seconds=round(time.monotonic() - self._began))

    def worked(self) -> None:
        """Note that a question was embedded: whoever waits for the end of the outage may try at once."""
        self._worked.set()

    async def pause(self) -> None:
        """Wait before the next try: longer each time, and no longer than until a question is embedded."""
        self._worked.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._wait):
                await self._worked.wait()
        self._wait = min(self._wait * 2, self._longest)
