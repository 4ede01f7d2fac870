"""Keeps one watched folder and the store alike, as long as the folder is watched.

All in one task, one step after the other: a sweep of the whole root when it is due or hinted at,
hinted paths, then files that have been still for long enough. What an outage interrupts is judged
again by the next sweep.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import structlog

from foliod.base.config import Ingest, Watch
from foliod.base.errors import DatabaseUnavailableError, NotFoundError
from foliod.base.paths import Wanted, below, display, parents
from foliod.base.patience import FILES, patiently
from foliod.base.telemetry import Counters
from foliod.store.files import Files
from foliod.watch import explain
from foliod.watch.agenda import Agenda
from foliod.watch.confirm import Confirmations
from foliod.watch.judge import Judge
from foliod.watch.settle import Settling, Waiters
from foliod.watch.sight import Sight
from foliod.watch.take import Taker
from foliod.watch.watch import watch

T = TypeVar("T")

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0
"""Seconds between two tries while the database can't be reached; doubled each time."""
TAKEN_AT_ONCE: Final = 32
"""Files read before hints and sweeps are looked at again; the small ones first."""

log = structlog.get_logger()


class Sweeper:
    """Keeps one root and the store alike: `run` it as a task, once."""

    def __init__(
        self, root: Watch, settings: Ingest, files: Files, wake: Callable[[], None], counters: Counters
    ) -> None:
        """`wake` is called when there may be a document to read."""
        self.root = root
        self.path = os.fsencode(root.path)
        self.first_sweep_done = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        """Those that do the work while it runs."""
        self._files = files
        self._wake_backlog = wake
        self._wanted = Wanted(self.path, root.include, root.exclude, recursive=root.recursive)
        self._settling = Settling(root.settle_seconds)
        self._waiters = Waiters()
        self._confirmations = Confirmations(self.path, files)
        self._agenda = Agenda(settings.sweep_seconds)
        self._sight = Sight()
        self._awake = asyncio.Event()
        self._stop = threading.Event()
        self._judge = Judge(
            self._wanted,
            files,
            self._in_thread,
            self._stop,
            wake,
            agenda=self._agenda,
            settling=self._settling,
            waiters=self._waiters,
            confirmations=self._confirmations,
            sight=self._sight,
            settle_seconds=root.settle_seconds,
        )
        self._taker = Taker(
            self.path,
            files,
            self._in_thread,
            self._stop,
            counters,
            max_bytes=settings.max_file_mb * 2**20,
            settle_seconds=root.settle_seconds,
        )
        # A thread of its own: a network mount that hangs holds up nobody else.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sweep")
        files.hold(self.path)
        files.expect(self.path, lambda: self._settling.sizes() if self.first_sweep_done.is_set() else None)

    # --- what others ask ----------------------------------------------------------------

    @property
    def state(self) -> str:
        """How the root is; see `Judge.state`."""
        return self._judge.state

    def hint(self, path: bytes | None = None) -> None:
        """Say that a file or folder may have changed, or the whole root."""
        if path is None or self.covers(path):
            self._agenda.hint(None if path == self.path else path)
            self._awake.set()

    def resumed(self) -> None:
        """Say that the daemon was stopped: events may have got lost."""
        self._sight.doubt.set()
        self.hint()

    def leave(self) -> None:
        """Let go of the root, which is watched no more, or by another sweeper; whoever waits is told."""
        self._files.leave(self.path)
        gone = NotFoundError(f"{display(self.path)} is not watched any more, or in another way; ask again")
        self._waiters.end(gone)
        self._confirmations.end(gone)

    def covers(self, path: bytes) -> bool:
        """Say whether a path is the root or lies below it."""
        return path == self.path or below(path, self.path)

    def pending(self) -> int:
        """Return how many files were seen but are not written down yet."""
        return len(self._settling) + len(self._agenda.hints)

    async def wait_settled(self, path: bytes | None = None) -> int | None:
        """Look at a path now, or at everything, and return when what is there is written down.

        Returns the document that the path holds; None when it holds none, or for no path.
        Raises NotFoundError for a path outside the root, DatabaseUnavailableError.
        """
        if path is not None and not self.covers(path):
            msg = f"{display(path)} does not lie in {display(self.path)}"
            raise NotFoundError(msg)
        self.hint(path)
        await self._waiters.wait(None if path == self.path else path)
        return None if path is None else await self._files.document_at(path)

    async def forget(self) -> int:
        """Forget what is missing from the root, without grace, and return how many files that were.

        Raises FileUnreadableError when the folder is there but can't be listed.
        """
        self.hint()
        return await self._confirmations.answer()

    def report(self) -> dict[str, Any]:
        """Return what the status says about this root."""
        judge = self._judge
        at, seconds = judge.swept or (None, None)
        problem, fix = judge.unread.problem(self.path) or (None, None)
        return {
            "path": display(self.path),
            "state": judge.state,
            "reason": judge.reason,
            "files": judge.known,
            "settling": self.pending(),
            "unfinished": self._settling.postponed(),
            "unreadable": judge.unread.count,
            "problem": problem,
            "fix": fix,
            "swept_at": None if at is None else at.isoformat(timespec="seconds"),
            "sweep_ms": None if seconds is None else round(seconds * 1000),
            "noticed_by": self._sight.by,
            "noticed_reason": self._sight.reason,
        }

    async def explain(self, path: bytes) -> dict[str, Any] | None:
        """Return what is known here of a path and what happens to it next, as `explain.explain` has it.

        None when the path lies outside the root. Changes nothing. Raises DatabaseUnavailableError.
        """
        if not self.covers(path):
            return None
        known = await self._files.known_at([path])
        # Who asks may hang up; that must not be taken for the end of the sweeper.
        found = await asyncio.shield(self._in_thread(explain.look, self._wanted, path, known.get(path), self._stop))
        now = time.monotonic()
        return explain.explain(
            found,
            shut=self._judge.unread.problem(path),
            root=display(self.path),
            now=now,
            waiting=self._settling.look(path),
            noticed=self._agenda.covers(path, list(parents(path))),
            written=path in self._taker.open,
            next_sweep=max(now, self._sweep_at()),
        )

    # --- the task -----------------------------------------------------------------------

    async def run(self) -> None:
        """Watch and judge the root until cancelled; waits while the database can't be reached."""
        name = display(self.path)
        try:
            async with asyncio.TaskGroup() as group:
                self.tasks = [
                    group.create_task(watch(self.root, self.hint, self._sight), name=f"watch {name}"),
                    group.create_task(self._work(), name=f"judge {name}"),
                ]
        finally:
            self.tasks = []
            self._stop.set()
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                await self._step()
                wait = FIRST_WAIT
            except DatabaseUnavailableError as outage:
                self._agenda.interrupted()
                log.warning("waiting", task=f"sweep {display(self.path)}", reason=outage.message, seconds=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)

    async def _step(self) -> None:
        now = time.monotonic()
        if now >= self._sweep_at():
            await self._judge.sweep()
            self.first_sweep_done.set()
        elif self._agenda.paths_due(now):
            await self._judge.examine()
        async for path, taken in self._taker.take_due(self._settling, TAKEN_AT_ONCE):
            if taken:
                self._judge.written(path)
                self._wake_backlog()
            else:
                self._settling.renew(path, time.monotonic())
                self.hint(path)
        await self._taker.look_at_open(self._settling)
        if time.monotonic() >= self._judge.count_at:
            await self._judge.count()
        await self._rest()

    def _sweep_at(self) -> float:
        return self._agenda.sweep_at(urgent=bool(self._waiters.unseen((None,))))

    async def _rest(self) -> None:
        """Wait for the next thing to do."""
        self._awake.clear()
        if self._agenda.hints:
            return
        times = [self._sweep_at(), self._taker.open_at, self._judge.count_at, *self._agenda.again.values()]
        if (due := self._settling.next_due()) is not None:
            times.append(due)
        if (pause := min(times) - time.monotonic()) > 0:
            # Not wait_for: up to Python 3.11 it loses a cancellation that comes together with a hint.
            with patiently("nothing is due before that"), contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._awake.wait()

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        try:
            with patiently(FILES):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        except asyncio.CancelledError:
            self._stop.set()
            raise
