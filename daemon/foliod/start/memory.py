"""Gives back to the system what the C library keeps of freed memory.

Between small things that stay, large ones come and go: texts of pages, requests, pictures. What they leave free in
the middle of the heap glibc keeps for ever, unless it is asked: 20 of 41 MB after four minutes of steady work, and
more every hour.
"""

from __future__ import annotations

import asyncio
import ctypes
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

GIVE_BACK_SECONDS: Final = 10.0
"""Often, because allocating waits meanwhile: some 1.5 ms for each megabyte that is given back."""


def trimmer() -> Callable[[int], int] | None:
    """Return glibc's `malloc_trim`, None where the C library has no such thing."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return trim


async def give_back(seconds: float = GIVE_BACK_SECONDS) -> None:
    """Give back what is free, again and again, for ever; run as a task."""
    if (trim := trimmer()) is None:
        await asyncio.Event().wait()
        return
    while True:
        await asyncio.sleep(seconds)
        # In a thread, since ctypes lets the event loop go on.
        await asyncio.to_thread(trim, 0)
