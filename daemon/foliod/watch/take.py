"""Takes one file that has been still for long enough: reads it once, for its SHA-256, and writes down what it holds."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import structlog

from foliod.base.errors import FileChangedError, FileUnreadableError
from foliod.base.paths import display, numbers, size_of
from foliod.base.telemetry import Counters
from foliod.store.files import Files, Place, Recorded
from foliod.watch.digest import digest

MEGABYTE: Final = 2**20

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
    ) -> None:
        """`in_thread` runs a function with arguments away from the event loop; `stop` ends what runs there."""
        self._root = root
        self._files = files
        self._in_thread = in_thread
        self._stop = stop
        self._counters = counters
        self._max_bytes = max_bytes

    async def take(self, path: bytes, seen: bytes) -> bool:
        """Write down what a file with the signature `seen` holds, or why it can't be read.

        Returns False when it does not look like that any more. Raises DatabaseUnavailableError.
        """
        if size_of(seen) > self._max_bytes:
            await self._refuse(path, seen, f"it is larger than max_file_mb = {self._max_bytes // MEGABYTE} allows")
            return True
        try:
            sha256 = await self._in_thread(digest, path, self._root, seen, self._stop)
        except FileChangedError:
            return False
        except FileUnreadableError as error:
            await self._refuse(path, seen, error.message)
            return True
        self._counters.add("files_hashed")
        self._counters.add("bytes_hashed", size_of(seen))
        await self._tell(path, seen, await self._files.record(path, self._root, seen, sha256))
        return True

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
