"""Waiting for what has to come: how long that takes on a slow machine is no part of what a test shows."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds after which something hangs; below the limit of a test, so that it is told what was waited for."""


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until a condition, which may be a coroutine function, holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.01)
