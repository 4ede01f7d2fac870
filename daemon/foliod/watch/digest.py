"""Opens a file safely and streams it through SHA-256; refuses what changes meanwhile.

Synchronous: it runs in a thread; hashing and reading let go of the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import stat as kinds
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from foliod.base.errors import FileChangedError, FileUnfinishedError, FileUnreadableError
from foliod.base.paths import IDENTITY, below, display, signature, size_of
from foliod.watch.walk import Stopped

PIECE: Final = 2**20
OPEN_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
"""Never through a link, never waiting for the other end of a pipe, never kept by a child."""


HEAD: Final = 1024
"""A PDF says so in its first 1024 bytes (ISO 32000-1, Annex H, note 13)."""
TAIL: Final = 2048
"""Its end mark must stand in the last 1024 bytes; some programs add more."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file holds, by its SHA-256, and whether somebody had it open for writing meanwhile."""

    sha256: bytes
    written: bool


def digest(
    path: bytes, root: bytes, seen: bytes, stop: threading.Event, *, closed: bool = False, ended: bool = False
) -> Digest:
    """Return the SHA-256 of a file that still has the signature `seen`, before and after reading.

    Raises FileChangedError when it does not; FileUnfinishedError when it must be `closed` and somebody has
    it open for writing, or must have `ended` and is a PDF without an end; FileUnreadableError when it can't
    be opened or read or leads out of the watched folder `root`; Stopped when `stop` is set meanwhile.
    """
    with _opened(path, root) as fd:
        _check(path, fd, seen)
        if (written := _open_for_writing(fd)) and closed:
            msg = "somebody is still writing it"
            raise FileUnfinishedError(msg)
        if ended and not _has_ended(path, fd, size_of(seen)):
            msg = "its end is missing, as if it were still growing"
            raise FileUnfinishedError(msg)
        sha256, left = hashlib.sha256(), size_of(seen)
        # Not to the end of the file: one that grows as fast as it is read has none.
        while left > 0 and (piece := _read(path, fd)):
            if stop.is_set():
                raise Stopped
            sha256.update(piece)
            left -= len(piece)
        _check(path, fd, seen)
        return Digest(sha256.digest(), written or _open_for_writing(fd))


def still_written(paths: Iterable[bytes]) -> set[bytes]:
    """Return the files that somebody has open for writing."""
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):
            fd = os.open(os.path.realpath(path), OPEN_FLAGS)
            try:
                if _open_for_writing(fd):
                    found.add(path)
            finally:
                os.close(fd)
    return found


def _open_for_writing(fd: int) -> bool:
    """Say whether a file is open for writing, or mapped so: its times tell nothing of that.

    Linux grants a read lease only on a file that nobody has open for writing (fcntl(2)). Who may not ask
    (only the file's owner may, and root), or asks a file system without leases, learns nothing: False.
    """
    try:
        # Who opens the file for writing now waits until the lease is given back; we are told by a signal,
        # which must not be the usual SIGIO: that would end the daemon.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except (OSError, AttributeError):
        return False
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _has_ended(path: bytes, fd: int, size: int) -> bool:
    """Say whether a file is no PDF, or one with its end mark; one that begins with nothing is still to be filled."""
    try:
        head = os.pread(fd, HEAD, 0)
        if b"%PDF-" not in head:
            return not head.startswith(b"\0")
        return b"%%EOF" in os.pread(fd, TAIL, max(0, size - TAIL))
    except OSError as error:
        raise _unreadable(path, error) from None


@contextlib.contextmanager
def _opened(path: bytes, root: bytes) -> Iterator[int]:
    try:
        real, real_root = os.path.realpath(path, strict=True), os.path.realpath(root, strict=True)
        fd = os.open(real, OPEN_FLAGS)
    except FileNotFoundError:
        msg = f"{display(path)} is not there any more"
        raise FileChangedError(msg) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        # A folder on the way may have been replaced by a link since realpath looked: ask what was really opened.
        with contextlib.suppress(OSError):
            real = os.readlink(b"/proc/self/fd/%d" % fd)
        if not below(real, real_root):
            msg = f"{display(path)} leads out of the watched folder"
            raise FileUnreadableError(msg)
        yield fd
    finally:
        os.close(fd)


def _check(path: bytes, fd: int, seen: bytes) -> None:
    state = os.fstat(fd)
    if not kinds.S_ISREG(state.st_mode) or signature(state, 0)[IDENTITY] != seen[IDENTITY]:
        msg = f"{display(path)} changed; it is read when it is still"
        raise FileChangedError(msg)


def _read(path: bytes, fd: int) -> bytes:
    try:
        return os.read(fd, PIECE)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: bytes, error: OSError) -> FileUnreadableError:
    return FileUnreadableError(f"{display(path)} can't be read: {error.strerror}")
