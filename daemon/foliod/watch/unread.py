"""What of a watched folder can't be read, kept as soon as it is known: folders that nobody can look into, and files."""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Collection
from typing import Final

from foliod.base.paths import below, display, parents
from foliod.watch import walk

DENIED: Final = (os.strerror(errno.EACCES), os.strerror(errno.EPERM))
"""Reasons that a permission mends."""


def reader() -> str:
    """Return as whom this process reads, for people."""
    try:
        return f"the user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"the user with uid {os.geteuid()}"


def closed(reason: str) -> str:
    """Return what is wrong with a folder that can't be looked into; `reason` is the system's."""
    return f"can't be looked into by {reader()}: {reason}"


def opening(reason: str) -> str | None:
    """Return what to do about such a folder, None when no permission mends it."""
    return (
        f"give {reader()} the right to list and enter it (r and x, with chmod or setfacl)" if reason in DENIED else None
    )


def barrier(root: bytes, path: bytes) -> tuple[bytes, str] | None:
    """Return the first folder on the way from `root` to `path`, or `path` itself, that can't be looked into, and why.

    None when there is none, or when the way ends before: there is nothing then.
    """
    for folder in reversed([path, *(folder for folder in parents(path) if folder == root or below(folder, root))]):
        try:
            walk.enter(folder)
        except OSError as error:
            if error.errno in walk.CERTAINLY_GONE:
                return None
            return folder, error.strerror or str(error)
    return None


class Unread:
    """What of one root can't be read now."""

    def __init__(self) -> None:
        self.folders: dict[bytes, str] = {}
        """Folders that can't be looked into, and the system's reasons."""
        self.hidden: set[bytes] = set()
        """Known files of which can't be said whether they are still there."""
        self.files = 0
        """Files that can't be read, as counted last: these, and those with a reason against them."""

    @property
    def count(self) -> int:
        """How many files and folders can't be read."""
        return self.files + len(self.folders)

    def swept(self, found: walk.Findings) -> set[bytes]:
        """Take note of a sweep; return the folders that are not shut any more."""
        opened = self.folders.keys() - found.unreadable.keys()
        self.folders, self.hidden = dict(found.unreadable), set(found.hidden)
        return opened

    def examined(self, found: walk.Findings, scopes: Collection[bytes]) -> set[bytes]:
        """Take note of a look at some paths and at what lies below them; return the folders that are not shut any more."""
        looked = set(scopes)
        opened = {path for path in self.folders if _within(path, looked) and path not in found.unreadable}
        self.folders = {path: why for path, why in self.folders.items() if path not in opened} | found.unreadable
        self.hidden = {path for path in self.hidden if not _within(path, looked)} | set(found.hidden)
        return opened

    def problem(self, folder: bytes) -> tuple[str, str | None] | None:
        """Return what is wrong with the folders below one, or with itself, and what to do; None when nothing is."""
        found = sorted(path for path in self.folders if path == folder or below(path, folder))
        if not found:
            return None
        reason = self.folders[found[0]]
        more = {1: "", 2: ", and neither can another folder"}.get(
            len(found), f", and neither can {len(found) - 1} other folders"
        )
        return f"{display(found[0])} {closed(reason)}{more}", opening(reason)


def _within(path: bytes, scopes: set[bytes]) -> bool:
    return path in scopes or any(parent in scopes for parent in parents(path))
