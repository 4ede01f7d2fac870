"""Opens a file safely and streams it through SHA-256; refuses what changes meanwhile.

Synchronous: it runs in a thread; hashing and reading let go of the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat as kinds
import threading
from collections.abc import Iterator
from typing import Final

from foliod.base.errors import FileChangedError, FileUnreadableError
from foliod.base.paths import IDENTITY, below, display, signature, size_of
from foliod.watch.walk import Stopped

PIECE: Final = 2**20
OPEN_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
"""Never through a link, never waiting for the other end of a pipe, never kept by a child."""


def digest(path: bytes, root: bytes, seen: bytes, stop: threading.Event) -> bytes:
    """Return the SHA-256 of a file that still has the signature `seen`, before and after reading.

    Raises FileChangedError when it does not, FileUnreadableError when it can't be opened or read
    or leads out of the watched folder `root`, Stopped when `stop` is set meanwhile.
    """
    with _opened(path, root) as fd:
        _check(path, fd, seen)
        sha256, left = hashlib.sha256(), size_of(seen)
        # Not to the end of the file: one that grows as fast as it is read has none.
        while left > 0 and (piece := _read(path, fd)):
            if stop.is_set():
                raise Stopped
            sha256.update(piece)
            left -= len(piece)
        _check(path, fd, seen)
        return sha256.digest()


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
