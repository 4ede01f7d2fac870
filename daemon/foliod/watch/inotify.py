"""The kernel's events of folders (inotify(7)), by bytes: one instance, one watch a folder.

By hand, because what wraps it loses what matters here: that the queue overflowed, names that are not
UTF-8, and the interpreter's lock, for as long as it takes to look through a large folder.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

MODIFY: Final = 0x2
ATTRIB: Final = 0x4
CLOSE_WRITE: Final = 0x8
MOVED_FROM: Final = 0x40
MOVED_TO: Final = 0x80
CREATE: Final = 0x100
DELETE: Final = 0x200
DELETE_SELF: Final = 0x400
MOVE_SELF: Final = 0x800
UNMOUNT: Final = 0x2000
OVERFLOW: Final = 0x4000
IGNORED: Final = 0x8000
ONLY_FOLDERS: Final = 0x01000000
NO_LINKS: Final = 0x02000000
NOT_UNLINKED: Final = 0x04000000
FOLDER: Final = 0x40000000
CHANGES: Final = MODIFY | ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF

_HEAD: Final = struct.Struct("iIII")
_ROOM: Final = 64 * 1024
"""Bytes of events read at once: 5 ms of the event loop."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to `name` in a watched folder, or to the folder itself when the name is empty."""

    watch: int
    mask: int
    name: bytes


class Inotify:
    """One instance; `add` may be called in a thread, the rest not. All raise OSError."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), b"inotify")
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            os.close(self.fd)
            self.fd = -1

    def add(self, folder: bytes, *, follow: bool = False) -> int:
        """Watch a folder, which may be reached through a link when `follow`; return the watch's number."""
        mask = CHANGES | ONLY_FOLDERS | NOT_UNLINKED | (0 if follow else NO_LINKS)
        with self._lock:
            if self.fd < 0:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return self._checked(self._libc.inotify_add_watch(self.fd, folder, ctypes.c_uint32(mask)), folder)

    def remove(self, watch: int) -> None:
        """Watch a folder no more; one that is not watched any more is no error."""
        self._libc.inotify_rm_watch(self.fd, watch)

    def read(self) -> Iterator[Event]:
        """Return some of the events that came; none when there are none."""
        try:
            data = os.read(self.fd, _ROOM)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            watch, mask, _, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            yield Event(watch, mask, data[at : at + length].rstrip(b"\0"))
            at += length

    def _checked(self, result: int, path: bytes) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        return result
