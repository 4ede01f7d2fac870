"""What takes some effort to gather, kept for a while, for all who ask."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EFFORT = 20
MOST_SECONDS = 10.0
"""What took long to gather is kept for EFFORT times as long, at most MOST_SECONDS."""
OLD_SECONDS = 30.0
"""What is older is not told any more, not even while it is gathered anew."""

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """A value that is gathered again when it is old; those who ask meanwhile wait for the same one.

    With `old_meanwhile` they get the old one instead, so that what is slow to gather holds up nobody who asks often.
    """

    def __init__(self, gather: Callable[[], Awaitable[Value]], seconds: float, *, old_meanwhile: bool = False) -> None:
        self._gather = gather
        self._seconds = seconds
        self._old_meanwhile = old_meanwhile
        self._task: asyncio.Task[Value] | None = None
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._outdated = False
        self._value: Value | None = None

    @property
    def last(self) -> Value | None:
        """The value, however old; None when there was none yet."""
        return self._value

    def outdate(self) -> None:
        """Let nobody who asks from now on get what was gathered, or begun to be gathered, before."""
        self._until = 0.0
        self._outdated = True

    async def get(self) -> Value:
        """Return the value; raises what gathering raises."""
        if self._old_meanwhile and self._value is not None and time.monotonic() < self._until + OLD_SECONDS:
            if time.monotonic() >= self._until and (self._task is None or self._task.done()):
                self._task = asyncio.create_task(self._fresh(), name="refresh status")
            return self._value
        return await self._fresh()

    async def _fresh(self) -> Value:
        async with self._lock:
            while self._value is None or time.monotonic() >= self._until:
                self._outdated = False
                started = time.monotonic()
                self._value = await self._gather()
                now = time.monotonic()
                if self._outdated:
                    continue
                self._until = now + max(self._seconds, min(EFFORT * (now - started), MOST_SECONDS))
                break
            return self._value
