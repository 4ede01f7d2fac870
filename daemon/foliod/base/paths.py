"""What can be known of a path without opening the file: how to show it, whether it is wanted, its signature.

Paths are bytes, as the file system has them: a name need not be UTF-8.
"""

from __future__ import annotations

import fnmatch
import os
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

IDENTITY: Final = slice(0, 32)
"""The part of a signature that says whether a file is still the same: size, times and inode.

Not the device: its number may change when the machine starts again.
"""
LONGEST: Final = 2500
"""Bytes of the longest path that the store can hold: an entry of its index by host and path has 2704 (PostgreSQL)."""
FOLDER_DEVICE: Final = slice(40, 48)
_PATH: Final = re.compile(r"(?<![\w:/.)])/(?!/)[^\s;,()'\"]*[^\s;,()'\".:]")
"""An absolute path in a sentence; what follows the host of an address is none."""
_SIGNATURE: Final = struct.Struct(">6Q")
_64_BITS: Final = 2**64 - 1


def display(path: bytes) -> str:
    """Return a path for people: what is not UTF-8 is replaced."""
    return path.decode("utf-8", "replace")


def bounds(folder: bytes) -> tuple[bytes, bytes]:
    """Return what all paths below a folder lie between, both ends excluded."""
    folder = folder.rstrip(b"/")
    return folder + b"/", folder + b"0"


def without_paths(text: str) -> str:
    """Return what went wrong without the paths in it: for those who have no business in the daemon's folders."""
    return _PATH.sub("(a path)", text)


def below(path: bytes, folder: bytes) -> bool:
    """Say whether a path lies below a folder."""
    return path.startswith(bounds(folder)[0])


def parents(path: bytes) -> Iterator[bytes]:
    """Yield the folders that a path lies in, the nearest first."""
    while path != (path := os.path.dirname(path)):
        yield path


def signature(stat: os.stat_result, folder_device: int) -> bytes:
    """Return 48 bytes: size, mtime and ctime in ns, inode, device, and the device of the folder it lies in."""
    return _SIGNATURE.pack(
        stat.st_size,
        stat.st_mtime_ns & _64_BITS,  # before 1970, or after 2262
        stat.st_ctime_ns & _64_BITS,
        stat.st_ino,
        stat.st_dev & _64_BITS,
        folder_device & _64_BITS,
    )


def numbers(signature: bytes) -> tuple[int, ...]:
    """Return the six numbers of a signature as signed 64 bits, as PostgreSQL has them."""
    return struct.unpack(">6q", signature)


def size_of(signature: bytes) -> int:
    """Return the size in bytes that a signature holds."""
    return int.from_bytes(signature[:8], "big")


class Wanted:
    """Which files of a watched folder are wanted. Patterns are shell patterns, upper and lower case alike."""

    def __init__(self, root: bytes, include: Sequence[str], exclude: Sequence[str], *, recursive: bool) -> None:
        self.root = root
        self.recursive = recursive
        self._include = _compiled(include)
        self._exclude = _compiled(pattern.strip("/") for pattern in exclude) if exclude else None
        self._start = len(bounds(root)[0])

    def name(self, name: bytes) -> bool:
        """Say whether a file name matches `include`."""
        return self._include.match(_text(name)) is not None

    def excluded(self, path: bytes) -> bool:
        """Say whether a file or folder matches `exclude`, by its name or its path below the root."""
        if self._exclude is None:
            return False
        inner = _text(path[self._start :])
        return self._exclude.match(inner) is not None or self._exclude.match(inner.rpartition("/")[2]) is not None

    def out_of_reach(self, folder: bytes) -> bool:
        """Say whether a folder is a subfolder of a root that is watched without them."""
        return not self.recursive and folder != self.root

    def file(self, path: bytes) -> bool:
        """Say whether a walk through the root would come to a file and want it."""
        if not below(path, self.root) or not self.name(os.path.basename(path)) or self.excluded(path):
            return False
        return self.folder(os.path.dirname(path))

    def folder(self, path: bytes) -> bool:
        """Say whether a walk through the root would come to a folder."""
        if path == self.root:
            return True
        if not self.recursive or not below(path, self.root):
            return False
        while len(path) > self._start:
            if self.excluded(path):
                return False
            path = os.path.dirname(path)
        return True


def _compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns), re.IGNORECASE)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
