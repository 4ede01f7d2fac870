"""What may take as long as it takes: said by who waits, so that a wait that never ends can be told from one that may.

The watchdog of the daemon takes a task that waits for the very same thing for minutes as stuck; see
`foliod.start.watchdog`. Nearly everything has a time limit of its own far below that. The rest says why it has none.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_reasons: Final[WeakKeyDictionary[asyncio.Task[Any], str]] = WeakKeyDictionary()

FILES: Final = "a file system answers when it can; starting again would not make it quicker"


@contextmanager
def patiently(reason: str) -> Iterator[None]:
    """Run a body in which the current task may wait for ever."""
    task = asyncio.current_task()
    assert task is not None
    before = _reasons.get(task)
    _reasons[task] = reason
    try:
        yield
    finally:
        if before is None:
            del _reasons[task]
        else:
            _reasons[task] = before


@asynccontextmanager
async def alone(lock: asyncio.Lock) -> AsyncIterator[None]:
    """Run a body that holds a lock. It is waited for patiently: who holds it is watched, and its limits add up."""
    with patiently("who holds the lock is watched itself"):
        await lock.acquire()
    try:
        yield
    finally:
        lock.release()


def why_patient(task: asyncio.Task[Any]) -> str | None:
    """Return why a task may wait for ever now, None when it may not."""
    return _reasons.get(task)
