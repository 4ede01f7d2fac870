"""Checks of the watched folders: that they are there and can be read, with all in them, and that the kernel tells of changes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from foliod.base.config import Watch
from foliod.base.paths import Wanted
from foliod.start.checks import Check
from foliod.start.doctor_daemon import vanished
from foliod.watch import walk
from foliod.watch.unread import Unread, reader

COUNT_SECONDS = 3.0
"""Folders are counted for so long; what is found until then is enough for a warning."""
USUAL_SHARE = 0.8
"""A folder that needs more of the watch limit than this is warned about."""
INOTIFY = Path("/proc/sys/fs/inotify")
MOUNTS = Path("/proc/self/mounts")
SILENT_MOUNTS = re.compile(r"nfs\d?|cifs|smb\d?|fuse\.\S+|9p|virtiofs|vboxsf|afs|ceph|davfs")
"""File systems that do not tell of changes made elsewhere."""


def folders(
    watched: Sequence[Watch], running: dict[str, Any] | None, other: str | None, unread: dict[Path, Check]
) -> Iterator[Check]:
    """Yield a check for each folder, and one where something in it can't be looked into.

    `running` is the status of the daemon that runs, `other` who else was asked whether they can read the folders, and
    `unread` what they can't.
    """
    told = {root["path"]: root for root in (running or {}).get("roots", [])}
    if not watched:
        fix = "name one: foliod run --watch FOLDER, or a [[watch]] section in the configuration"
        yield Check("folders", "warn", "no folder is watched", fix)
    for watch in watched:
        check = vanished(watch.path, running) or _folder(watch)
        if other is not None and check.status != "fail":
            check = unread.get(watch.path) or replace(check, message=f"{check.message} (read by the user {other})")
        yield check
        if check.status != "fail" and (inner := _inside(watch, told.get(str(watch.path)))) is not None:
            yield inner


def _folder(watch: Watch) -> Check:
    name, path = "folder", watch.path
    try:
        with os.scandir(path) as entries:
            next(entries, None)
    except FileNotFoundError:
        return Check(name, "fail", f"{path} does not exist", f"mkdir -p '{path}', or correct its path")
    except NotADirectoryError:
        return Check(name, "fail", f"{path} is not a folder", "name the folder that it lies in")
    except OSError as error:
        return Check(name, "fail", f"{path} can't be read: {error.strerror}", f"give {reader()} the right to read it")
    if not os.access(path, os.X_OK):
        return Check(name, "fail", f"{path} can't be entered", f"give {reader()} the right to enter it (chmod +x)")
    if not watch.poll and (kind := _mount(path)) and SILENT_MOUNTS.fullmatch(kind):
        fix = "set poll = true in its [[watch]] section"
        return Check(name, "warn", f"{path} is a {kind} mount, which does not tell of files that others add", fix)
    return Check(name, "ok", str(path))


def _inside(watch: Watch, root: dict[str, Any] | None) -> Check | None:
    """Say what in a folder can't be looked into: by the daemon, which may be somebody else, when it runs."""
    if root is not None and root.get("swept_at") is not None:
        return Check("folder", "warn", root["problem"], root["fix"]) if root.get("problem") else None
    path = os.fsencode(watch.path)
    wanted = Wanted(path, watch.include, watch.exclude, recursive=watch.recursive)
    unread, end = Unread(), time.monotonic() + COUNT_SECONDS
    left = [path]
    while left and time.monotonic() < end:
        folder = left.pop()
        try:
            walk.enter(folder)
            with os.scandir(folder) as entries:
                inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            if error.errno not in walk.CERTAINLY_GONE:
                unread.folders[folder] = error.strerror or str(error)
            continue
        left += [found for found in inner if watch.recursive and not wanted.excluded(found)]
    problem = unread.problem(path)
    return None if problem is None else Check("folder", "warn", *problem)


def _mount(path: Path) -> str:
    """Return the type of the file system that holds a path; empty when it can't be known."""
    best, kind = -1, ""
    try:
        lines = MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    resolved = path.resolve()
    for line in lines:
        _, point, found, *_ = line.split(" ")
        mounted = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), point))
        if resolved.is_relative_to(mounted) and len(mounted.parts) >= best:
            best, kind = len(mounted.parts), found
    return kind


def inotify(watched: Sequence[Watch]) -> Iterator[Check]:
    """Yield whether the kernel can tell of changes in so many folders; nothing where that can't be known."""
    watches = [watch for watch in watched if not watch.poll]
    if not watches:
        return
    try:
        limit = int((INOTIFY / "max_user_watches").read_text())
    except (OSError, ValueError):
        return
    folders, more = _count([watch.path for watch in watches if watch.recursive])
    needed = f"{'at least ' if more else ''}{folders + len(watches):,} of {limit:,} watches"
    if folders > limit * USUAL_SHARE:
        fix = f"sysctl fs.inotify.max_user_watches={max(2 * folders, 2 * limit)}; until then sweeps find the changes"
        yield Check("inotify", "warn", f"the folders need {needed}", fix)
    else:
        yield Check("inotify", "ok", f"the folders need {needed}")


def _count(roots: list[Path]) -> tuple[int, bool]:
    """Return how many folders lie below the roots, and whether there may be more."""
    end = time.monotonic() + COUNT_SECONDS
    count = 0
    for root in roots:
        for _, folders, _ in os.walk(root):
            count += len(folders)
            if time.monotonic() > end:
                return count, True
    return count, False
