"""Takes one file that has been still for long enough: reads it once, for its SHA-256, and writes down what it holds.

Being still is not being finished: a download may pause, and what is written through a memory map does not
change the file's times. So a file that somebody has open for writing waits longer, and so does a PDF that
changed a moment ago and has no end; but not for ever.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final

import structlog

from foliod.base.errors import DatabaseUnavailableError, FileChangedError, FileUnfinishedError, FileUnreadableError
from foliod.base.paths import display, numbers, size_of
from foliod.base.telemetry import Counters
from foliod.store.files import Files, Place, Recorded
from foliod.watch.digest import digest, still_written
from foliod.watch.settle import Settling
from foliod.watch.walk import Stopped

MEGABYTE: Final = 2**20
OPEN_SECONDS: Final = 60.0
"""A file that is open for writing is read all the same when it has been still for so long."""
ENDLESS_TIMES: Final = 10.0
"""A PDF without an end is read when it has been still for so many times `settle_seconds`."""
JUST_NOW_SECONDS: Final = 60.0
"""One that was changed longer ago is not growing any more."""
POSTPONED_SECONDS: Final = (0.2, 5.0)
"""A file that is not finished is looked at again after `settle_seconds`, within these bounds."""

log = structlog.get_logger()


class Taker:
    """Takes the files of one root."""

    def __init__(
        self,
        root: bytes,
        files: Files,
        in_thread: Callable[..., Awaitable[Any]],
        stop: threading.Event,
        counters: Counters,
        *,
        max_bytes: int,
        settle_seconds: float,
    ) -> None:
        """`in_thread` runs a function with arguments away from the event loop; `stop` ends what runs there."""
        self._root = root
        self._files = files
        self._in_thread = in_thread
        self._stop = stop
        self._counters = counters
        self._max_bytes = max_bytes
        self._endless_seconds = ENDLESS_TIMES * settle_seconds
        self._postpone_seconds = min(max(settle_seconds, POSTPONED_SECONDS[0]), POSTPONED_SECONDS[1])
        self.open: dict[bytes, bytes] = {}
        """Files that were read though somebody had them open for writing, with their signatures."""
        self.open_at = math.inf
        """When it is looked whether they are closed."""
        self._odd: dict[bytes, bytes] = {}
        """Files that foliod failed on, with their signatures: told once of each."""

    async def take_due(self, settling: Settling, count: int) -> AsyncIterator[tuple[bytes, bool]]:
        """Take files that have been still for long enough, the small ones first; yield each with what `take` said.

        Files that must be still for longer are put off, and not yielded. Raises DatabaseUnavailableError.
        """
        due = settling.due(time.monotonic(), count)
        for path, waiting in sorted(due, key=lambda file: size_of(file[1].signature)):
            try:
                taken = await self.take(path, waiting.signature, time.monotonic() - waiting.since)
            except FileUnfinishedError as unfinished:
                settling.postpone(path, time.monotonic() + self._postpone_seconds, unfinished.message)
                if unfinished.message != waiting.reason:
                    log.info("file_unfinished", file=display(path), reason=unfinished.message)
                continue
            except (DatabaseUnavailableError, Stopped):
                raise
            except Exception as fault:  # noqa: BLE001 - it is told in the log
                # One odd file must not end the daemon, which would meet it again at every start.
                await self._set_aside(path, waiting.signature, fault)
                taken = True
            yield path, taken

    async def look_at_open(self, settling: Settling) -> None:
        """Have files taken again that somebody wrote while they were read, and has closed since."""
        if time.monotonic() < self.open_at:
            return
        written = await self._in_thread(still_written, list(self.open))
        for path in self.open.keys() - written:
            settling.observe(path, self.open.pop(path), time.monotonic())
        self.open_at = time.monotonic() + OPEN_SECONDS if self.open else math.inf

    async def take(self, path: bytes, seen: bytes, still: float) -> bool:
        """Write down what a file with the signature `seen`, which it has had for `still` seconds, holds.

        Or why it can't be read. Returns False when it does not look like that any more.
        Raises FileUnfinishedError when it must be still for longer, DatabaseUnavailableError.
        """
        if size_of(seen) > self._max_bytes:
            await self._refuse(path, seen, f"it is larger than max_file_mb = {self._max_bytes // MEGABYTE} allows")
            return True
        closed = still < OPEN_SECONDS
        ended = still < self._endless_seconds and time.time() - numbers(seen)[1] / 1e9 < JUST_NOW_SECONDS
        read = partial(digest, closed=closed, ended=ended)
        self.open.pop(path, None)
        try:
            found = await self._in_thread(read, path, self._root, seen, self._stop)
        except FileUnfinishedError:
            raise
        except FileChangedError:
            return False
        except FileUnreadableError as error:
            await self._refuse(path, seen, error.message)
            return True
        self._counters.add("files_hashed")
        self._counters.add("bytes_hashed", size_of(seen))
        await self._tell(path, seen, await self._files.record(path, self._root, seen, found.sha256))
        if found.written:
            self.open[path] = seen
            self.open_at = min(self.open_at, time.monotonic() + OPEN_SECONDS)
        return True

    async def _set_aside(self, path: bytes, seen: bytes, fault: Exception) -> None:
        """Treat a file that foliod failed on as one that can't be read: the next sweep tries it again."""
        if self._odd.get(path) != seen:
            self._odd[path] = seen
            log.error("file_failed", file=display(path), exc_info=fault)
        reason = f"foliod failed on it ({type(fault).__name__}); its log has the details, which are worth a report"
        try:
            await self._refuse(path, seen, reason)
        except DatabaseUnavailableError:
            raise
        except Exception as second:  # noqa: BLE001 - the store can't hold even that; the log has it
            log.warning("file_unread", file=display(path), reason=f"{reason}; {type(second).__name__} in the store")

    async def _refuse(self, path: bytes, seen: bytes, reason: str) -> None:
        if await self._files.refuse(path, self._root, seen, reason):
            log.warning("file_unread", file=display(path), reason=reason)

    async def _tell(self, path: bytes, seen: bytes, recorded: Recorded) -> None:
        """Log what a file turned out to be; one that was moved does not lie any more where it lay."""
        about = {"file": display(path), "document": recorded.document}
        if not recorded.known:
            log.info("file_seen", **about, bytes=size_of(seen))
            return
        if recorded.before == recorded.document:
            log.debug("file_touched", **about)
            return
        there = await self._in_thread(_there, recorded.others)
        identity = numbers(seen)[3:5]
        for place in recorded.others:
            if place.path not in there and (place.inode, place.device) == identity:
                await self._files.moved(place.path, recorded.document)
                log.info("file_moved", **about, moved_from=display(place.path))
                return
        copies = [place.path for place in recorded.others if place.path in there]
        if copies:
            self._counters.add("duplicates")
            log.info("file_duplicate", **about, same_as=display(copies[0]))
        else:
            log.info("file_known", **about)


def _there(places: Iterable[Place]) -> set[bytes]:
    return {place.path for place in places if os.path.lexists(place.path)}
