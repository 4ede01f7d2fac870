"""The judge of one watched folder: compares it, or some paths of it, with the store and writes down what differs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from foliod.base.paths import Wanted
from foliod.store.files import Files
from foliod.watch import walk
from foliod.watch.agenda import Agenda
from foliod.watch.confirm import Confirmations
from foliod.watch.links import Links, straight
from foliod.watch.settle import Settling, Waiters
from foliod.watch.sight import Sight
from foliod.watch.tell import Teller
from foliod.watch.unread import Unread

LOOK_AGAIN_SECONDS: Final = 1.0
"""A new folder is looked at once more, at least so much later: what came in before it was watched told nobody."""
COUNT_SECONDS: Final = 1.0
"""The store is asked for the number of files in the root at most so often."""
EMPTY: Final = "nothing is removed while it is empty, unless you confirm it with: foliod forget"


class Judge:
    """Judges one root."""

    def __init__(
        self,
        wanted: Wanted,
        files: Files,
        in_thread: Callable[..., Awaitable[Any]],
        stop: threading.Event,
        wake: Callable[[], None],
        *,
        agenda: Agenda,
        settling: Settling,
        waiters: Waiters,
        confirmations: Confirmations,
        sight: Sight,
        settle_seconds: float,
    ) -> None:
        """`in_thread` runs a function with arguments away from the event loop; `stop` ends what runs there.

        `wake` is called when there may be a document to read.
        """
        self.state = "sweeping"
        """`sweeping` at first, then `ok`; `missing`, `unreadable`, `empty` or `changed` say that nothing is removed."""
        self.reason: str | None = "the folder is being looked through for the first time"
        self.swept: tuple[datetime, float] | None = None
        """When the last sweep ended, and how many seconds it took."""
        self.known = 0
        """Files in the root that are written down, as counted last."""
        self.count_at = math.inf
        """When they are to be counted anew."""
        self.unread = Unread()
        """Files and folders that can't be read."""
        self._root = wanted.root
        self._wanted = wanted
        self._files = files
        self._in_thread = in_thread
        self._stop = stop
        self._wake = wake
        self._agenda = agenda
        self._settling = settling
        self._waiters = waiters
        self._confirmations = confirmations
        self._sight = sight
        self._settle_seconds = settle_seconds
        self._teller = Teller(self._root)
        self._links = Links()
        self._counted = 0.0

    async def sweep(self) -> None:
        """Compare the whole root with the store."""
        started = time.monotonic()
        waiters = self._waiters.unseen(None)
        told = self._agenda.begin_sweep()
        found, had = walk.Findings(), 0
        known: dict[bytes, bytes] = {}
        confirmed = self._confirmations.now()
        trouble: tuple[str, str] | None = await self._in_thread(walk.trouble, self._root)
        if trouble is None or confirmed:
            known = await self._files.known_below(self._root)
            had = sum(old[-1:] != walk.GONE for old in known.values())
        if trouble is None:
            found = await self._in_thread(walk.compare, self._wanted, [self._root], known, self._stop)
            if had and not found.files and not found.others and (found.gone or not found.hidden):
                trouble = "empty", f"it held {_files(had)} and has none now; {EMPTY}"
        awaited = set(self._settling)
        self._observe(found, whole=True)
        if confirmed:
            trouble = await self._confirmations.forget(confirmed, trouble, known, found)
        if trouble is None:
            await self._write(found, gone=found.gone)
            self._files.release(self._root)
            if found.unmounted:
                missing = _files(len(found.unmounted))
                trouble = "changed", f"{missing} lay on a file system that is not mounted here now; they are kept"
            if told is not None:
                self._sight.check(found, told | awaited)
        else:
            self._files.hold(self._root)
        self._opened(self.unread.swept(found))
        before, (self.state, self.reason) = self.state, trouble or ("ok", None)
        self._teller.state(before, self.state, self.reason)
        for path in [path for path in self._settling if path not in found.candidates]:
            self._settled(path)
        seconds = time.monotonic() - started
        self._agenda.swept(time.monotonic(), seconds)
        self.swept = datetime.now(UTC), seconds
        self._teller.swept(found, seconds)
        await self.count()
        self._waiters.looked(waiters, self._settling)

    async def examine(self) -> None:
        """Look at hinted paths: files and folders, there or gone."""
        now = time.monotonic()
        scopes, fresh = self._agenda.take_paths(now)
        scopes |= await self._in_thread(straight, scopes, self._root)
        scopes |= self._links.to(scopes)
        waiters = self._waiters.unseen(scopes)
        known = await self._files.known_at(list(scopes))
        for path in await self._in_thread(walk.may_be_folders, scopes - known.keys()):
            known.update(await self._files.known_below(path))
        found: walk.Findings = await self._in_thread(walk.compare, self._wanted, scopes, known, self._stop)
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
            self._agenda.again[path] = now + max(LOOK_AGAIN_SECONDS, self._settle_seconds)
        for path in [path for path in self._settling if path in scopes and path not in found.candidates]:
            self._settled(path)
        if gone or found.back or found.hidden or self.unread.hidden:
            self._count_soon()
        self._opened(self.unread.examined(found, scopes))
        self._waiters.looked(waiters, self._settling)

    def written(self, path: bytes) -> None:
        """Say that a file is written down."""
        self._settled(path)
        self._count_soon()

    async def count(self) -> None:
        """Count the files in the root that are written down, and those of them that can't be read."""
        self.known, refused = await self._files.count_below(self._root)
        hidden = await self._files.known_at(list(self.unread.hidden)) if self.unread.hidden else {}
        # One with a reason against it is among the refused already.
        self.unread.files = refused + sum(old[-1:] == walk.STILL for old in hidden.values())
        self.count_at, self._counted = math.inf, time.monotonic()

    def _count_soon(self) -> None:
        self.count_at = min(self.count_at, self._counted + COUNT_SECONDS)

    async def _write(self, found: walk.Findings, *, gone: list[bytes]) -> None:
        """Write down what needs no reading."""
        await self._files.refresh(found.back | found.renumbered)
        await self._files.miss(gone)
        self._teller.changes(found, gone)
        if found.back:
            self._wake()

    def _opened(self, folders: set[bytes]) -> None:
        """Take note of folders that can be listed again: they are not watched yet."""
        if folders:
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
