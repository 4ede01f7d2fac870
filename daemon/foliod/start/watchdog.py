"""Whether the daemon still gets on with its work: while it does, the service manager is told so.

Sent from the event loop itself, so that a loop that hangs sends nothing. And not sent any more when a task of
the pipeline is stuck, that is, waits for the very same thing for longer than anything there may take. What waits
for the database or for Ollama tries again and again, each time anew, and a statement that somebody else's lock
holds up ends by its own time limit: outages are no reason to start again, which would not end them.
"""

from __future__ import annotations

import asyncio
import linecache
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from foliod.base.patience import why_patient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from foliod.base.config import Settings
    from foliod.start.notify import Manager

LOOK_SECONDS: Final = 10.0
"""How often is looked without a service manager's watchdog; with one, twice in its time at least."""
LONGEST_SECONDS: Final = 315.0
"""The longest limit that can't be configured: of a statement in the database."""
MARGIN_SECONDS: Final = 60.0
DEEPEST: Final = 60
"""Frames of a stack that are told."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Wait:
    """What a task waits for, held so that it is not taken for another one, and since when."""

    what: tuple[object, ...]
    since: float
    told: bool = False


def limit(settings: Settings) -> float:
    """Return how many seconds a task may wait for one thing: longer than each of the limits that there are.

    Processes that read have limits of their own, and are waited for patiently.
    """
    return max(LONGEST_SECONDS, settings.ollama.silence_seconds) + MARGIN_SECONDS


async def use_threads() -> None:
    """Use one of the event loop's own threads now and then, for ever: when all of them hang, this is stuck."""
    while True:
        await asyncio.to_thread(lambda: None)
        await asyncio.sleep(LOOK_SECONDS)


class Watchdog:
    """Looks after the tasks that the daemon can't do without: `run` it as a task."""

    def __init__(
        self,
        manager: Manager,
        *,
        tasks: Callable[[], Iterable[asyncio.Task[Any]]],
        outage: Callable[[], str | None],
        limit: Callable[[], float],
    ) -> None:
        """`tasks` are those to look after now; during an `outage` of the database they all may wait."""
        self._manager = manager
        self._tasks = tasks
        self._outage = outage
        self._limit = limit
        self._waits: dict[asyncio.Task[Any], _Wait] = {}
        watched = manager.watchdog_seconds
        self._seconds = LOOK_SECONDS if watched is None else min(watched / 2, LOOK_SECONDS)
        self._looked = time.monotonic()

    @property
    def stuck(self) -> list[str]:
        """The names of the tasks that are stuck."""
        return sorted(task.get_name() for task, wait in self._waits.items() if wait.told)

    async def run(self) -> None:
        """Look again and again, and tell the service manager while all is well."""
        while True:
            self.look()
            if not self.stuck:
                self._manager.alive()
            await asyncio.sleep(self._seconds)

    def look(self) -> None:
        """See which tasks got on since the last look."""
        now = time.monotonic()
        # While the whole process was stopped nobody could get on.
        slept = max(0.0, now - self._looked - 2 * self._seconds)
        self._looked = now
        outage = self._outage() is not None
        before, self._waits = self._waits, {}
        for task in self._tasks():
            what = _waits_for(task)
            wait = before.get(task)
            if what is None or wait is None or outage or not _same(wait.what, what):
                if wait is not None and wait.told:
                    log.info("task_moves_again", task=task.get_name(), seconds=round(now - wait.since))
                wait = _Wait(what or (), now)
            elif slept:
                wait.since += slept
            self._waits[task] = wait
            if what is not None and not wait.told and now - wait.since > self._limit():
                wait.told = True
                log.error(
                    "task_stuck",
                    task=task.get_name(),
                    seconds=round(now - wait.since),
                    stack="\n".join(stack_of(task)),
                    why="the service manager restarts foliod"
                    if self._manager.watchdog_seconds
                    else "no service manager restarts foliod: do so yourself",
                )


def _waits_for(task: asyncio.Task[Any]) -> tuple[object, ...] | None:
    """Return what a task waits for, itself and what that waits for; None when it runs, or may wait for ever."""
    found: list[object] = []
    waiter: object = task
    while isinstance(waiter, asyncio.Task) and waiter not in found:
        if waiter.done() or why_patient(waiter) is not None:
            return None
        found.append(waiter)
        # What a task waits for is a new object each time; asyncio has no other way to know it.
        waiter = getattr(waiter, "_fut_waiter", None)
        if waiter is None:
            return None
    innermost = next(reversed(list(_frames(task))), None)
    # Who sleeps wakes up by itself.
    return None if innermost is not None and innermost.f_code is asyncio.sleep.__code__ else (*found, waiter)


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def stack_of(task: asyncio.Task[Any]) -> list[str]:
    """Return where a task waits: file, line, function and source of each frame, the innermost last."""
    found = []
    for frame in _frames(task):
        file, number, code = frame.f_code.co_filename, frame.f_lineno, frame.f_code
        found.append(f"{file}:{number} in {code.co_qualname}: {linecache.getline(file, number).strip()}")
    return found


def _frames(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """Yield the frames of a task that waits, the innermost last.

    An asynchronous generator that is asked for more hides behind an object without a frame: there it ends.
    """
    awaited: Any = task.get_coro()
    for _ in range(DEEPEST):
        for kind in ("cr", "ag", "gi"):
            if (frame := getattr(awaited, f"{kind}_frame", None)) is not None:
                yield frame
                awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await", None)
                break
        else:
            return
