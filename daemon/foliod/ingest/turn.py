"""Whose turn it is at Ollama: questions go before batches of chunks, whichever model embeds them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_SECONDS = 30.0
"""A batch waits for questions so long at most."""
GRACE_SECONDS = 1.0
"""A batch that is still under way so long after a question came is given up for it, and sent again afterwards."""


class Turn:
    """Shared by all who ask for vectors."""

    def __init__(self) -> None:
        self.under_way: set[asyncio.Timeout] = set()
        """The batches that a question may break off."""
        self._questions = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @contextlib.asynccontextmanager
    async def questions(self) -> AsyncIterator[None]:
        """Hold while a question is being answered: batches of chunks wait, 30 seconds at most each."""
        self._questions += 1
        self._quiet.clear()
        self._hurry(GRACE_SECONDS)
        try:
            yield
        finally:
            self._questions -= 1
            if not self._questions:
                self._quiet.set()
                self._hurry(None)

    async def wait(self) -> None:
        """Let questions go first, but not for ever."""
        if not self._quiet.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._quiet.wait()

    @contextlib.asynccontextmanager
    async def batch(self, *, gives_way: bool) -> AsyncIterator[None]:
        """Hold while a batch is under way; raises TimeoutError when it `gives_way` and a question breaks it off."""
        async with asyncio.timeout(None) as scope:
            if gives_way:
                self.under_way.add(scope)
            try:
                yield
            finally:
                self.under_way.discard(scope)

    def _hurry(self, seconds: float | None) -> None:
        """Give the batches under way so long to come to their end; None is for ever."""
        for scope in self.under_way:
            if not scope.expired() and (seconds is None or scope.when() is None):
                scope.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)
