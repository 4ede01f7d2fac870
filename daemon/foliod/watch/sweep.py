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
from foliod.base.errors import DatabaseUnavailableError, FileUnreadableError, NotFoundError
from foliod.base.paths import Wanted, below, display, size_of
from foliod.base.telemetry import Counters
from foliod.store.files import Files
from foliod.watch import walk
from foliod.watch.settle import Settling, Waiters
from foliod.watch.take import Taker
from foliod.watch.tell import Teller
from foliod.watch.watch import watch

T = TypeVar("T")

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0
"""Seconds between two tries while the database can't be reached; doubled each time."""
MANY_HINTS: Final = 256
"""More hints than this are better answered by a sweep."""
REST: Final = 4.0
"""A hinted sweep that nobody waits for comes after so many times as long as the last one took."""
LOOK_AGAIN_SECONDS: Final = 1.0
"""A new folder is looked at once more, at least so much later: what came in before it was watched told nobody."""
COUNT_SECONDS: Final = 1.0
"""The store is asked for the number of files in the root at most so often."""
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
        self.state = "sweeping"
        """`sweeping` at first, then `ok`; `missing`, `unreadable`, `empty` or `changed` say that nothing is removed."""
        self.reason: str | None = "the folder is being looked through for the first time"
        self._sweep_seconds = settings.sweep_seconds
        self._files = files
        self._wake_backlog = wake
        self._wanted = Wanted(self.path, root.include, root.exclude, recursive=root.recursive)
        self._settling = Settling(root.settle_seconds)
        self._waiters = Waiters()
        self._confirmed: list[asyncio.Future[int]] = []
        """Those who say that what is missing is not coming back."""
        self._hints: set[bytes] = set()
        self._again: dict[bytes, float] = {}
        """New folders, and when they are looked at once more."""
        self._teller = Teller(self.path)
        self._awake = asyncio.Event()
        self._sweep_hinted = True
        self._sweep_at = self._rested_at = 0.0
        self._known = self._unreadable = 0
        self._count_due, self._count_at = False, 0.0
        self._swept: tuple[datetime, float] | None = None
        self._stop = threading.Event()
        self._taker = Taker(
            self.path, files, self._in_thread, self._stop, counters, max_bytes=settings.max_file_mb * 2**20
        )
        # A thread of its own: a network mount that hangs holds up nobody else.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sweep")
        files.hold(self.path)

    # --- what others ask ----------------------------------------------------------------

    def hint(self, path: bytes | None = None) -> None:
        """Say that a file or folder may have changed, or the whole root."""
        if path is None or path == self.path:
            self._sweep_hinted = True
        elif self.covers(path):
            self._hints.add(path)
            if len(self._hints) > MANY_HINTS:
                self._hints, self._sweep_hinted = set(), True
        self._awake.set()

    def covers(self, path: bytes) -> bool:
        """Say whether a path is the root or lies below it."""
        return path == self.path or below(path, self.path)

    def pending(self) -> int:
        """Return how many files were seen but are not written down yet."""
        return len(self._settling) + len(self._hints)

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

    async def explain(self, path: bytes) -> dict[str, Any] | None:
        """Return what the folder shows at a path, None when it lies outside."""
        if not self.covers(path):
            return None
        settling = path in self._settling
        known = path in await self._files.known_at([path])
        verdict = "settling" if settling else "known" if known else "not_there"
        return {"root": display(self.path), "verdict": verdict, "reason": None, "next": None, "at": None, "stat": None}

    async def forget(self) -> int:
        """Forget what is missing from the root, without grace, and return how many files that were.

        Raises FileUnreadableError when the folder is there but can't be listed.
        """
        confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._confirmed.append(confirmed)
        self.hint()
        return await confirmed

    def report(self) -> dict[str, Any]:
        """Return what the status says about this root."""
        at, seconds = self._swept or (None, None)
        return {
            "path": display(self.path),
            "state": self.state,
            "reason": self.reason,
            "files": self._known,
            "settling": self.pending(),
            "unreadable": self._unreadable,
            "swept_at": None if at is None else at.isoformat(timespec="seconds"),
            "sweep_ms": None if seconds is None else round(seconds * 1000),
        }

    # --- the task -----------------------------------------------------------------------

    async def run(self) -> None:
        """Watch and judge the root until cancelled; waits while the database can't be reached."""
        name = display(self.path)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(watch(self.root, self.hint), name=f"watch {name}")
                group.create_task(self._judge(), name=f"judge {name}")
        finally:
            self._stop.set()
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _judge(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                await self._step()
                wait = FIRST_WAIT
            except DatabaseUnavailableError as outage:
                self._sweep_hinted, self._rested_at = True, 0.0
                log.warning("waiting", task=f"sweep {display(self.path)}", reason=outage.message, seconds=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)

    async def _step(self) -> None:
        now = time.monotonic()
        if now >= self._sweep_time():
            await self._sweep()
        elif self._hints or any(at <= now for at in self._again.values()):
            await self._examine()
        due = self._settling.due(time.monotonic(), TAKEN_AT_ONCE)
        for path, seen in sorted(due, key=lambda file: size_of(file[1])):
            if await self._taker.take(path, seen):
                self._settled(path)
                self._count_due = True
                self._wake_backlog()
            else:
                self._settling.observe(path, b"", time.monotonic())
                self.hint(path)
        if self._count_due and time.monotonic() >= self._count_at:
            await self._count()
        await self._rest()

    def _sweep_time(self) -> float:
        if not self._sweep_hinted:
            return self._sweep_at
        return 0.0 if self._waiters.unseen((None,)) else min(self._sweep_at, self._rested_at)

    async def _count(self) -> None:
        self._known = await self._files.count_below(self.path)
        self._count_due, self._count_at = False, time.monotonic() + COUNT_SECONDS

    async def _rest(self) -> None:
        """Wait for the next thing to do."""
        self._awake.clear()
        if self._hints:
            return
        times = [self._sweep_time(), *self._again.values()]
        if (due := self._settling.next_due()) is not None:
            times.append(due)
        if self._count_due:
            times.append(self._count_at)
        if (pause := min(times) - time.monotonic()) > 0:
            # Not wait_for: up to Python 3.11 it loses a cancellation that comes together with a hint.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._awake.wait()

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        except asyncio.CancelledError:
            self._stop.set()
            raise

    # --- judging ------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """Compare the whole root with the store."""
        started = time.monotonic()
        waiters = self._waiters.unseen(None)
        self._sweep_hinted = False
        self._hints.clear()
        found, had = walk.Findings(), 0
        known: dict[bytes, bytes] = {}
        confirmed = [future for future in self._confirmed if not future.done()]
        trouble = await self._in_thread(walk.trouble, self.path)
        if trouble is None or confirmed:
            known = await self._files.known_below(self.path)
            had = len(known)
        if trouble is None:
            found = await self._in_thread(walk.compare, self._wanted, [self.path], known, self._stop)
            if had and not found.files and not found.others:
                trouble = "empty", f"it held {_files(had)} and has none now; nothing is removed while it is empty"
        if confirmed:
            missed = [path for path, old in known.items() if trouble is not None or old[-1:] == walk.GONE]
            trouble = await self._forget(confirmed, trouble, [*found.gone, *found.unmounted, *missed])
            found.gone, found.unmounted = [], []
        if trouble is None:
            await self._write(found, gone=found.gone)
            self._files.release(self.path)
            if found.unmounted:
                missing = _files(len(found.unmounted))
                trouble = "changed", f"{missing} lay on a file system that is not mounted here now; they are kept"
        else:
            self._files.hold(self.path)
        self._unreadable = len(found.unreadable) + len(found.hidden)
        before, (self.state, self.reason) = self.state, trouble or ("ok", None)
        self._teller.state(before, self.state, self.reason)
        self._observe(found, whole=True)
        for path in [path for path in self._settling if path not in found.candidates]:
            self._settled(path)
        seconds = time.monotonic() - started
        self._rested_at = time.monotonic() + REST * seconds
        self._sweep_at = time.monotonic() + self._sweep_seconds
        self._swept = datetime.now(UTC), seconds
        self._teller.swept(found, seconds)
        await self._count()
        self._waiters.looked(waiters, self._settling)
        self.first_sweep_done.set()

    async def _forget(
        self, confirmed: list[asyncio.Future[int]], trouble: tuple[str, str] | None, missing: list[bytes]
    ) -> tuple[str, str] | None:
        """Forget what is missing, as those who confirmed it want; return what trouble is left."""
        refused = None
        if trouble is not None and trouble[0] == "unreadable":
            refused = FileUnreadableError(f"{display(self.path)}: {trouble[1]}; nothing is forgotten")
        else:
            await self._files.forget_paths(missing)
            log.info("root_forgotten", root=display(self.path), files=len(missing))
            if trouble is not None and trouble[0] == "empty":
                trouble = None
        for future in confirmed:
            self._confirmed.remove(future)
            if not future.done():
                future.set_exception(refused) if refused else future.set_result(len(missing))
        return trouble

    async def _examine(self) -> None:
        """Look at hinted paths: files and folders, there or gone."""
        now = time.monotonic()
        again = {path for path, at in self._again.items() if at <= now}
        scopes, fresh = self._hints | again, self._hints - again
        waiters = self._waiters.unseen(scopes)
        self._hints = set()
        for path in again:
            del self._again[path]
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
            gone, self._sweep_hinted = [], True
        await self._write(found, gone=gone)
        for path in fresh.intersection(found.folders):
            self._again[path] = now + max(LOOK_AGAIN_SECONDS, self.root.settle_seconds)
        self._observe(found, whole=False)
        for path in [path for path in self._settling if path in scopes and path not in found.candidates]:
            self._settled(path)
        self._count_due = self._count_due or bool(gone or found.back)
        self._waiters.looked(waiters, self._settling)

    async def _write(self, found: walk.Findings, *, gone: list[bytes]) -> None:
        """Write down what needs no reading."""
        await self._files.refresh(found.back | found.renumbered)
        await self._files.miss(gone)
        self._teller.changes(found, gone)
        if found.back:
            self._wake_backlog()

    def _observe(self, found: walk.Findings, *, whole: bool) -> None:
        self._teller.oddities(found, whole=whole)
        now = time.monotonic()
        for path, seen in found.candidates.items():
            self._settling.observe(path, seen, now)

    def _settled(self, path: bytes) -> None:
        self._settling.forget(path)
        self._waiters.written(path)


def _files(count: int) -> str:
    return "one file" if count == 1 else f"{count} files"
