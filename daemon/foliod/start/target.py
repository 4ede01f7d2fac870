"""The file that a backup is written to: a regular file, there as a whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from foliod.base.errors import ConflictError
from foliod.store.archive import ArchiveError

SUFFIX: Final = ".part"


def target_of(file: Path, *, force: bool) -> Path:
    """Return where a file is to come; raises ConflictError when there is something that may not be replaced."""
    target = Path(os.path.abspath(file.expanduser()))
    if os.path.lexists(target) and not force:
        msg = f"{target} exists: name another file, or replace it with --force"
        raise ConflictError(msg)
    _demand_replaceable(target)
    return target


@contextlib.contextmanager
def atomically(target: Path, *, force: bool) -> Iterator[tuple[IO[bytes], Callable[[], None]]]:
    """Give a file to write, and what puts it in its place when it is whole; else nothing of it stays.

    Parts that a killed backup to the same file left are removed. Raises ArchiveError, ConflictError.
    """
    try:
        _clear_parts(target)
        descriptor, part = _part(target)
    except OSError as error:
        raise ArchiveError(f"{target} can't be written: {error.strerror}") from error

    def finish() -> None:
        into.flush()
        os.fsync(into.fileno())
        if force:
            _demand_replaceable(target)
            os.rename(part, target)
            return
        try:
            os.link(part, target)
        except FileExistsError:
            raise ConflictError(f"{target} came to be meanwhile: name another file") from None
        except OSError:
            # File systems without links.
            os.rename(part, target)

    try:
        with os.fdopen(descriptor, "wb") as into:
            yield into, finish
    except OSError as error:
        raise ArchiveError(f"{target} can't be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def _demand_replaceable(target: Path) -> None:
    """Raise ConflictError for a device, a link or a folder: renaming a file over /dev/null would take it away."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(target.lstat().st_mode):
            raise ConflictError(f"{target} is no regular file, and is not replaced: name another file")


def _part(target: Path) -> tuple[int, str]:
    """Make the file that is written to, locked for as long as it is open."""
    while True:
        descriptor, part = tempfile.mkstemp(prefix=f".{target.name}.", suffix=SUFFIX, dir=target.parent)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Another backup may have taken it for a leftover before it was locked.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.lstat(part)):
                return descriptor, part
        os.close(descriptor)


def _clear_parts(target: Path) -> None:
    """Remove what backups to this file left that were killed: of ours, and locked by nobody."""
    name = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}{re.escape(SUFFIX)}")
    for path in target.parent.iterdir():
        if name.fullmatch(path.name) is None:
            continue
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                found = os.fstat(descriptor)
                if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
            finally:
                os.close(descriptor)
