"""The file that a claimed document is read from: the first of its places that still holds what was hashed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from foliod.base.errors import ChangedWhileReadError, FileChangedError, FileGoneError
from foliod.base.model import FileStat
from foliod.base.paths import below
from foliod.base.patience import FILES, patiently

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import asyncpg

    from foliod.ingest.backlog import Claim
    from foliod.store.database import Database


T = TypeVar("T")

OPEN_SECONDS = 20.0
LOOK_SECONDS = 5.0
HASH_SECONDS = 600.0
"""What takes longer lies on a file system that hangs."""
MOST_THREADS = 32


@dataclass(frozen=True, slots=True)
class Original:
    """An open file with a claimed document's content."""

    fd: int
    path: bytes
    display: str
    root: str
    """The watched folder that it lies in, for people."""
    paths: tuple[bytes, ...]
    """All places of the document on this host."""
    before: FileStat
    """What the file looked like when it was opened."""
    claim: Claim


class Originals:
    """Opens the files of claimed documents. `changed` is told the path of a file that is not what the store says.

    A file system that hangs is given up after a while, and not touched again until it answers.
    """

    def __init__(self, db: Database, host: str, changed: Callable[[bytes], None]) -> None:
        self._db = db
        self._host = host
        self._changed = changed
        # Threads of its own: those that hang are missed by nobody else.
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="originals")
        self._hanging: dict[str, asyncio.Future[Any]] = {}
        """What a root was asked, and has not answered."""

    @asynccontextmanager
    async def open(self, claim: Claim, *, within: Sequence[bytes] | None = None) -> AsyncIterator[Original]:
        """Open the first place that still holds what was hashed; only `within` some folders, where they are given.

        Raises:
            FileGoneError: there is none on this host that can be opened.
            FileChangedError: what there is holds something else.
        """
        places = await self._db.fetch("document_places", claim.document, self._host)
        gone = "no file of this document is left on this host"
        if within is not None:
            # Not named: where else it lies may be nobody's business.
            gone = "no file of this document is left in a folder that is watched here"
        why: FileChangedError = FileGoneError(gone)
        for place in places:
            root = _root_of(place) if within is None else _longest(within, place["path"])
            if root is None:
                continue
            try:
                fd = await self._ask(place["root"], OPEN_SECONDS, _open_inside, place["path"], root)
            except TimeoutError:
                why = FileGoneError(f"{place['display']} can't be opened: its file system does not answer")
                continue
            except OSError as error:
                why = FileGoneError(f"{place['display']} can't be opened: {error.strerror}")
                self._changed(place["path"])
                continue
            known = FileStat(place["size"], place["mtime_ns"], place["ctime_ns"], place["inode"], place["device"])
            try:
                found = FileStat.of(os.fstat(fd))
                if found == known or (found.size == known.size and await self._holds(fd, claim, place["root"])):
                    paths = tuple([other["path"] for other in places])
                    yield Original(fd, place["path"], place["display"], place["root"], paths, found, claim)
                    return
            finally:
                os.close(fd)
            why = FileChangedError(f"{place['display']} changed since it was seen; it is looked at again")
            self._changed(place["path"])
        raise why

    async def readable(self, document: int) -> bool:
        """Say whether a document lies on this host in a file that may be read, and whose file system answers."""
        for place in await self._db.fetch("document_places", document, self._host):
            with contextlib.suppress(TimeoutError):
                if await self._ask(place["root"], LOOK_SECONDS, os.access, place["path"], os.R_OK):
                    return True
        return False

    async def verify(self, original: Original) -> None:
        """Refuse what was read when the file changed under the reader.

        Raises:
            ChangedWhileReadError: it holds something else now.
        """
        if FileStat.of(os.fstat(original.fd)) != original.before and not await self._holds(
            original.fd, original.claim, original.root
        ):
            self._changed(original.path)
            msg = f"{original.display} changed while it was read; it is read again when it is still"
            raise ChangedWhileReadError(msg)

    async def read(self, original: Original, offset: int, count: int) -> bytes:
        """Return some bytes of an open file. Raises OSError, TimeoutError when its file system does not answer."""
        copy = self._copy(original.root, original.fd)
        return await self._ask(original.root, OPEN_SECONDS, _read, copy, offset, count)

    async def _holds(self, fd: int, claim: Claim, root: str) -> bool:
        """Whether a file still holds the claimed content: a move or chmod changes its times, not its bytes."""
        try:
            return bool(await self._ask(root, HASH_SECONDS, _sha256, self._copy(root, fd)) == claim.sha256)
        except (OSError, TimeoutError):
            # What can't be read (a failing disk, a folder by now) does not hold it as far as we can tell.
            return False

    def _copy(self, root: str, fd: int) -> int:
        """Return a descriptor of a thread's own, which may go on when nobody waits for it any more; as `_ask` raises."""
        self._refuse_hanging(root)
        return os.dup(fd)

    def _refuse_hanging(self, root: str) -> None:
        hanging = self._hanging.get(root)
        if hanging is not None and not hanging.done():
            raise TimeoutError

    async def _ask(self, root: str, seconds: float, work: Callable[..., T], *args: Any) -> T:
        """Run `work` in a thread; raises TimeoutError when the root does not answer, or has not answered before."""
        self._refuse_hanging(root)
        future = asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        try:
            with patiently(FILES):
                await asyncio.wait([future], timeout=seconds)
        except asyncio.CancelledError:
            # A client that hung up: what comes of it is closed by nobody else, nor is what comes too late.
            future.add_done_callback(_forget)
            raise
        if not future.done():
            self._hanging[root] = future
            future.add_done_callback(_forget)
            raise TimeoutError
        return future.result()


def _forget(late: asyncio.Future[Any]) -> None:
    """Close a descriptor that came too late; not the number of a truth value."""
    if not late.cancelled() and late.exception() is None and type(late.result()) is int:
        os.close(late.result())


def _read(fd: int, offset: int, count: int) -> bytes:
    """Read from a file, and close it."""
    try:
        return os.pread(fd, count, offset)
    finally:
        os.close(fd)


def _sha256(fd: int) -> str:
    """Hash a file from its start, and close it."""
    digest, offset = hashlib.sha256(), 0
    try:
        while piece := os.pread(fd, 1 << 20, offset):
            digest.update(piece)
            offset += len(piece)
    finally:
        os.close(fd)
    return digest.hexdigest()


def _longest(folders: Sequence[bytes], path: bytes) -> bytes | None:
    return max((folder for folder in folders if below(path, folder)), key=len, default=None)


def _root_of(place: asyncpg.Record) -> bytes:
    """Return the root that a file was found in, of which the store has only how it is shown: it has as many parts."""
    path: bytes = place["path"]
    return b"/".join(path.split(b"/")[: place["root"].rstrip("/").count("/") + 1]) or b"/"


def _open_inside(path: bytes, root: bytes) -> int:
    """Open a file that lies in its root now: neither it nor a folder on the way is a link that leads out."""
    fd = os.open(os.path.realpath(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY)
    # Of the links that realpath followed one may have changed since: what was really opened is asked.
    real = os.path.realpath(path)
    with contextlib.suppress(OSError):
        real = os.readlink(b"/proc/self/fd/%d" % fd)
    if not below(real, os.path.realpath(root)):
        os.close(fd)
        raise OSError(errno.EXDEV, "it leads out of the watched folder")
    return fd
