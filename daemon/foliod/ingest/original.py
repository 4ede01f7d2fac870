"""The file that a claimed document is read from: the first of its places that still holds what was hashed."""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foliod.base.errors import ChangedWhileReadError, FileChangedError
from foliod.base.model import FileStat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from foliod.ingest.backlog import Claim
    from foliod.store.database import Database


@dataclass(frozen=True, slots=True)
class Original:
    """An open file with a claimed document's content."""

    fd: int
    path: bytes
    display: str
    paths: tuple[bytes, ...]
    """All places of the document on this host."""
    before: FileStat
    """What the file looked like when it was opened."""
    claim: Claim


class Originals:
    """Opens the files of claimed documents. `changed` is told the path of a file that is not what the store says."""

    def __init__(self, db: Database, host: str, changed: Callable[[bytes], None]) -> None:
        self._db = db
        self._host = host
        self._changed = changed

    @asynccontextmanager
    async def open(self, claim: Claim) -> AsyncIterator[Original]:
        """Open the first place that still holds what was hashed.

        Raises:
            FileChangedError: there is none on this host.
        """
        places = await self._db.fetch("document_places", claim.document, self._host)
        reason = "no file of this document is left on this host"
        for place in places:
            try:
                fd = await asyncio.to_thread(_open_regular, place["path"])
            except OSError as error:
                reason = f"{place['display']} can't be opened: {error.strerror}"
                self._changed(place["path"])
                continue
            known = FileStat(place["size"], place["mtime_ns"], place["ctime_ns"], place["inode"], place["device"])
            try:
                found = FileStat.of(os.fstat(fd))
                if found == known or (found.size == known.size and await _holds(fd, claim)):
                    paths = tuple([other["path"] for other in places])
                    yield Original(fd, place["path"], place["display"], paths, found, claim)
                    return
            finally:
                os.close(fd)
            reason = f"{place['display']} changed since it was seen; it is looked at again"
            self._changed(place["path"])
        raise FileChangedError(reason)

    async def verify(self, original: Original) -> None:
        """Refuse what was read when the file changed under the reader.

        Raises:
            ChangedWhileReadError: it holds something else now.
        """
        if FileStat.of(os.fstat(original.fd)) != original.before and not await _holds(original.fd, original.claim):
            self._changed(original.path)
            msg = f"{original.display} changed while it was read; it is read again when it is still"
            raise ChangedWhileReadError(msg)


async def _holds(fd: int, claim: Claim) -> bool:
    """Whether a file still holds the claimed content: a move or chmod changes its times, not its bytes."""
    try:
        return await asyncio.to_thread(_sha256, fd) == claim.sha256
    except OSError:
        # What can't be read (a failing disk, a folder by now) does not hold it as far as we can tell.
        return False


def _sha256(fd: int) -> str:
    digest, offset = hashlib.sha256(), 0
    while piece := os.pread(fd, 1 << 20, offset):
        digest.update(piece)
        offset += len(piece)
    return digest.hexdigest()


def _open_regular(path: bytes) -> int:
    return os.open(os.path.realpath(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
