"""The folders that are watched now: a sweeper for each, begun and ended while the daemon runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from foliod.base.config import Ingest, Watch
from foliod.base.paths import display
from foliod.watch.sweep import Sweeper

SWEEPING: Final = ("sweep_seconds", "max_file_mb")
"""What of [ingest] a sweeper goes by."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of the folders: their paths, for people."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()


class Folders:
    """Runs the sweepers. `run` it as a task, once; `change` it at any time."""

    def __init__(self, make: Callable[[Watch, Ingest], Sweeper], watched: Sequence[Watch], settings: Ingest) -> None:
        """`make` returns a sweeper for a folder; there is never more than one for the same."""
        self._make = make
        self._settings = settings
        self._sweepers = [make(watch, settings) for watch in watched]
        self._tasks: dict[Sweeper, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    def __iter__(self) -> Iterator[Sweeper]:
        return iter(self._sweepers)

    def __len__(self) -> int:
        return len(self._sweepers)

    @property
    def paths(self) -> list[bytes]:
        """The folders."""
        return [sweeper.path for sweeper in self._sweepers]

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that do the work."""
        return [task for sweeper in self._sweepers for task in sweeper.tasks]

    def at(self, path: bytes) -> Sweeper | None:
        """Return the sweeper of the folder that a path lies in."""
        return next((sweeper for sweeper in self._sweepers if sweeper.covers(path)), None)

    async def run(self) -> None:
        """Run until cancelled; raises what broke one of the sweepers, after ending the others."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for sweeper in self._sweepers:
                self._begin(sweeper)
            await asyncio.Event().wait()

    async def change(self, watched: Sequence[Watch], settings: Ingest) -> Changed:
        """Watch these folders from now on. Those that stay as they are notice nothing.

        What was read of a folder that is watched no more stays in the store.
        """
        everywhere = any(getattr(settings, key) != getattr(self._settings, key) for key in SWEEPING)
        self._settings = settings
        before = {sweeper.root.path: sweeper for sweeper in self._sweepers}
        after = {watch.path: watch for watch in watched}
        ending = [s for path, s in before.items() if everywhere or after.get(path) != s.root]
        # Out of the list first: nobody should be sent to one that ends.
        self._sweepers = [sweeper for sweeper in self._sweepers if sweeper not in ending]
        if tasks := [self._tasks.pop(sweeper) for sweeper in ending if sweeper in self._tasks]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        # Nothing is waited for from here on: while nobody holds a folder, what is missing from it could be forgotten.
        for sweeper in ending:
            sweeper.leave()
        kept = {sweeper.root.path: sweeper for sweeper in self._sweepers}
        self._sweepers = [kept.get(watch.path) or self._make(watch, settings) for watch in watched]
        for sweeper in self._sweepers:
            if sweeper.root.path not in kept:
                self._begin(sweeper)
        changed = Changed(
            added=tuple(display(s.path) for s in self._sweepers if s.root.path not in before),
            removed=tuple(display(s.path) for s in ending if s.root.path not in after),
            restarted=tuple(display(s.path) for s in ending if s.root.path in after),
        )
        if ending or changed.added:
            log.info("roots_changed", added=changed.added, removed=changed.removed, restarted=changed.restarted)
        return changed

    def _begin(self, sweeper: Sweeper) -> None:
        if self._group is not None:
            self._tasks[sweeper] = self._group.create_task(sweeper.run(), name=f"sweep {sweeper.root.path}")
