"""Compares watched folders with the store by reading every file: what the sweep judges by signatures, judged by content.

For `foliod doctor --deep`, and on its own feet: it takes nothing from the sweep but which files are wanted.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat as kinds
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from foliod.base.paths import LONGEST, Wanted, below, bounds, display
from foliod.store.check import Finding

if TYPE_CHECKING:
    import asyncpg

    from foliod.base.config import Watch
    from foliod.store.statements import Transaction

PREFETCH: Final = 2000
PIECE: Final = 2**20
BY_ITSELF: Final = "a running foliod takes it in by itself"
SWEEP: Final = "restart foliod: it compares all folders with its store; if that does not help, report it"


@dataclass(frozen=True, slots=True)
class Patience:
    """What is newer than `seconds` may not be known yet; `passing` is whether any difference may be."""

    seconds: float
    passing: bool


async def audit(tx: Transaction, host: str, watch: Watch, patience: Patience) -> AsyncIterator[Finding]:
    """Yield how a folder differs from what the store says of it. A folder that is missing or empty is not judged."""
    root = os.fsencode(watch.path)
    wanted = Wanted(root, watch.include, watch.exclude, recursive=watch.recursive)
    known = {row["path"]: row async for row in _known(tx, host, root)}
    there = 0
    # Entry by entry in a thread: a folder of a network mount may take its time.
    files = _files(wanted)
    while (path := await asyncio.to_thread(next, files, None)) is not None:
        there += 1
        finding = await asyncio.to_thread(_compare, path, known.pop(path, None), patience)
        if finding is not None:
            yield finding
    if not there:
        return
    for path, row in known.items():
        if not row["gone"] and await asyncio.to_thread(_certainly_gone, path, patience):
            message = f"{row['display']}: it is not there, and the store does not know"
            yield _finding("file_not_there", message, row, patience)


async def _known(tx: Transaction, host: str, root: bytes) -> AsyncIterator[asyncpg.Record]:
    sql = tx.queries["check_known_files"].text({})
    async for row in tx.connection.cursor(sql, host, *bounds(root), prefetch=PREFETCH):
        yield row


def _files(wanted: Wanted) -> Iterator[bytes]:
    """Yield the files that are wanted, links to files inside the folder included."""
    real_root = os.path.realpath(wanted.root)
    folders = [wanted.root]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if wanted.recursive and not wanted.excluded(entry.path):
                            folders.append(entry.path)
                    elif len(entry.path) <= LONGEST and wanted.file(entry.path) and _is_file(entry.path, real_root):
                        yield entry.path
        except OSError:
            # What can't be listed can't be compared; the sweep says so.
            continue


def _is_file(path: bytes, real_root: bytes) -> bool:
    real = os.path.realpath(path)
    try:
        return kinds.S_ISREG(os.stat(path).st_mode) and (not os.path.islink(path) or below(real, real_root))
    except OSError:
        return False


def _compare(path: bytes, row: asyncpg.Record | None, patience: Patience) -> Finding | None:
    name = display(path)
    if row is None or row["gone"]:
        if _young(path, patience):
            return None
        state = "the store does not know it" if row is None else "the store takes it for deleted"
        return _finding("file_unknown", f"{name}: {state}", row, patience)
    if row["reason"] is not None or row["sha256"] is None:
        # Why it can't be read stands beside it.
        return None
    try:
        sha256 = _sha256(path)
    except OSError:
        return None
    if sha256 == row["sha256"] or _young(path, patience):
        return None
    return _finding("file_differs", f"{name}: it holds something else than the store says", row, patience)


def _sha256(path: bytes) -> bytes:
    digest = hashlib.sha256()
    fd = os.open(os.path.realpath(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        while piece := os.read(fd, PIECE):
            digest.update(piece)
    finally:
        os.close(fd)
    return digest.digest()


def _young(path: bytes, patience: Patience) -> bool:
    """Say whether a file is gone, or came or changed so lately that the store need not know."""
    try:
        state = os.stat(path)
    except OSError:
        return True
    return state.st_ctime > time.time() - patience.seconds


def _certainly_gone(path: bytes, patience: Patience) -> bool:
    """Say whether a file is not there, and its folder has not changed lately."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        folder = os.path.dirname(path)
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        return not _young(folder, patience)
    except OSError:
        return False
    # A link that leads nowhere now, or something else than a file: the sweep says what.
    return False


def _finding(name: str, message: str, row: asyncpg.Record | None, patience: Patience) -> Finding:
    document, file = (None, None) if row is None else (row["document"], row["display"])
    fix = BY_ITSELF if patience.passing else SWEEP
    return Finding(name, message, fix, document, file, passing=patience.passing)
