"""The judge of one watched folder: compares it with the store and writes down what differs.

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
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import structlog

from foliod.base.config import Ingest, Watch
from foliod.base.errors import DatabaseUnavailableError, NotFoundError
from foliod.base.paths import Wanted, below, display, parents
from foliod.base.patience import FILES, patiently
from foliod.base.telemetry import Counters
from foliod.store.files import Files
from foliod.watch import explain, walk
from foliod.watch.agenda import Agenda
from foliod.watch.confirm import Confirmations
from foliod.watch.links import Links, straight
from foliod.watch.settle import Settling, Waiters
from foliod.watch.sight import Sight
from foliod.watch.take import Taker
from foliod.watch.tell import Teller
from foliod.watch.watch import watch

T = TypeVar("T")

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0
"""Seconds between two tries while the database can't be reached; doubled each time."""
LOOK_AGAIN_SECONDS: Final = 1.0
"""A new folder is looked at once more, at least so much later: what came in before it was watched told nobody."""
COUNT_SECONDS: Final = 1.0
"""The store is asked for the number of files in the root at most so often."""
TAKEN_AT_ONCE: Final = 32
"""Files read before hints and sweeps are looked at again; the small ones first."""
EMPTY: Final = "nothing is removed while it is empty, unless you confirm it with: foliod forget"

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
        self.state = "sweeping"
        """`sweeping` at first, then `ok`; `missing`, `unreadable`, `empty` or `changed` say that nothing is removed."""
        self.reason: str | None = "the folder is being looked through for the first time"
        self._files = files
        self._wake_backlog = wake
        self._wanted = Wanted(self.path, root.include, root.exclude, recursive=root.recursive)
        self._settling = Settling(root.settle_seconds)
        self._waiters = Waiters()
        self._confirmations = Confirmations(self.path, files)
        self._agenda = Agenda(settings.sweep_seconds)
        self._teller = Teller(self.path)
        self._sight = Sight()
        self._links = Links()
        self._shut: set[bytes] = set()
        """Folders that could not be listed."""
        self._awake = asyncio.Event()
        self._known = self._unreadable = 0
        self._count_due, self._count_at = False, 0.0
        self._swept: tuple[datetime, float] | None = None
        self._stop = threading.Event()
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
        at, seconds = self._swept or (None, None)
        return {
            "path": display(self.path),
            "state": self.state,
            "reason": self.reason,
            "files": self._known,
            "settling": self.pending(),
            "unfinished": self._settling.postponed(),
            "unreadable": self._unreadable,
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
                    group.create_task(self._judge(), name=f"judge {name}"),
                ]
        finally:
            self.tasks = []
            self._stop.set()
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _judge(self) -> None:
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
            await self._sweep()
        elif self._agenda.paths_due(now):
            await self._examine()
        async for path, taken in self._taker.take_due(self._settling, TAKEN_AT_ONCE):
            if taken:
                self._settled(path)
                self._count_due = True
                self._wake_backlog()
            else:
                self._settling.renew(path, time.monotonic())
                self.hint(path)
        await self._taker.look_at_open(self._settling)
        if self._count_due and time.monotonic() >= self._count_at:
            await self._count()
        await self._rest()

    def _sweep_at(self) -> float:
        return self._agenda.sweep_at(urgent=bool(self._waiters.unseen((None,))))

    async def _count(self) -> None:
        self._known = await self._files.count_below(self.path)
        self._count_due, self._count_at = False, time.monotonic() + COUNT_SECONDS

    async def _rest(self) -> None:
        """Wait for the next thing to do."""
        self._awake.clear()
        if self._agenda.hints:
            return
        times = [self._sweep_at(), self._taker.open_at, *self._agenda.again.values()]
        if (due := self._settling.next_due()) is not None:
            times.append(due)
        if self._count_due:
            times.append(self._count_at)
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

    # --- judging ------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """Compare the whole root with the store."""
        started = time.monotonic()
        waiters = self._waiters.unseen(None)
        told = self._agenda.begin_sweep()
        found, had = walk.Findings(), 0
        known: dict[bytes, bytes] = {}
        confirmed = self._confirmations.now()
        trouble = await self._in_thread(walk.trouble, self.path)
        if trouble is None or confirmed:
            known = await self._files.known_below(self.path)
            had = sum(old[-1:] != walk.GONE for old in known.values())
        if trouble is None:
            found = await self._in_thread(walk.compare, self._wanted, [self.path], known, self._stop)
            if had and not found.files and not found.others:
                trouble = "empty", f"it held {_files(had)} and has none now; {EMPTY}"
        awaited = set(self._settling)
        self._observe(found, whole=True)
        if confirmed:
            trouble = await self._confirmations.forget(confirmed, trouble, known, found)
        if trouble is None:
            await self._write(found, gone=found.gone)
            self._files.release(self.path)
            if found.unmounted:
                missing = _files(len(found.unmounted))
                trouble = "changed", f"{missing} lay on a file system that is not mounted here now; they are kept"
            if told is not None:
                self._sight.check(found, told | awaited)
            self._opened(self._shut - found.unreadable.keys())
        else:
            self._files.hold(self.path)
        self._unreadable = len(found.unreadable) + len(found.hidden)
        before, (self.state, self.reason) = self.state, trouble or ("ok", None)
        self._teller.state(before, self.state, self.reason)
        self._shut = set(found.unreadable)
        for path in [path for path in self._settling if path not in found.candidates]:
            self._settled(path)
        seconds = time.monotonic() - started
        self._agenda.swept(time.monotonic(), seconds)
        self._swept = datetime.now(UTC), seconds
        self._teller.swept(found, seconds)
        await self._count()
        self._waiters.looked(waiters, self._settling)
        self.first_sweep_done.set()

    async def _examine(self) -> None:
        """Look at hinted paths: files and folders, there or gone."""
        now = time.monotonic()
        scopes, fresh = self._agenda.take_paths(now)
        scopes |= await self._in_thread(straight, scopes, self.path)
        scopes |= self._links.to(scopes)
        waiters = self._waiters.unseen(scopes)
        known = await self._files.known_at(list(scopes))
        for path in await self._in_thread(walk.may_be_folders, scopes - known.keys()):
            known.update(await self._files.known_below(path))
        found = await self._in_thread(walk.compare, self._wanted, scopes, known, self._stop)
        gone = found.gone
        if (
            self.state not in ("ok", "changed")
            or (found.unmounted and self.state == "ok")
            or (gone and not await self._in_thread(walk.populated, self._wanted, self._stop))
        ):
            # Whether files are gone or only the root is, the whole root has to tell.
            gone = []
            self._agenda.hint(None)
        self._observe(found, whole=False)
        await self._write(found, gone=gone)
        for path in fresh.intersection(found.folders):
            self._agenda.again[path] = now + max(LOOK_AGAIN_SECONDS, self.root.settle_seconds)
        for path in [path for path in self._settling if path in scopes and path not in found.candidates]:
            self._settled(path)
        self._count_due = self._count_due or bool(gone or found.back)
        self._opened(self._shut.intersection(found.folders) - found.unreadable.keys())
        self._waiters.looked(waiters, self._settling)

    async def _write(self, found: walk.Findings, *, gone: list[bytes]) -> None:
        """Write down what needs no reading."""
        await self._files.refresh(found.back | found.renumbered)
        await self._files.miss(gone)
        self._teller.changes(found, gone)
        if found.back:
            self._wake_backlog()

    def _opened(self, folders: set[bytes]) -> None:
        """Take note of folders that can be listed again: they are not watched yet."""
        if folders:
            self._shut -= folders
            self._sight.doubt.set()

    def _observe(self, found: walk.Findings, *, whole: bool) -> None:
        """Take note of what is to be read: before anything is written down as gone, which may only have moved there."""
        self._teller.oddities(found, whole=whole)
        self._links.found(found.links, whole=whole)
        now = time.monotonic()
        for path, seen in found.candidates.items():
            self._settling.observe(path, seen, now)

    def _settled(self, path: bytes) -> None:
        self._settling.forget(path)
        self._waiters.written(path)


def _files(count: int) -> str:
    return "one file" if count == 1 else f"{count} files"
