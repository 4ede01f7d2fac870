"""Whose the state folder of a service is: what a foliod in the foreground left there becomes the service's.

Who tried `sudo foliod run` first wants its documents to stay. What root and the users that PostgreSQL runs as for it
left is given to the service's user; what is a person's is not taken away, and it is said what to do.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from foliod.base.errors import ConflictError
from foliod.start.service_reach import NAME
from foliod.start.state import check_free
from foliod.store.lodging import USERS, User, user_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from foliod.start.service_steps import Steps

OURS: Final = re.compile(
    r"(?:host(?:\.new)?|lock|postgres(?:-run|\.lock|\.new-\w+)?|postgresql(?:-\d[\w.+]*|\.new-\w+)"
    r"|token|\.token\.[0-9a-f]{12}|foliod\.sock(?:\.lock)?)"
)
"""Names that foliod gives in its state folder: see start/state, store/lodging, store/embedded, serve/bearer, serve/sockets."""
MARKS: Final = ("host", "postgres.lock")
"""A folder with none of these is no state folder, or none in which anything was ever stored."""


def ours(state: Path, watched: Sequence[Path]) -> list[str]:
    """Return the names in a state folder that foliod gave; but for those that somebody's documents lie in."""
    within = [path.resolve() for path in watched]
    return [
        name
        for name in sorted(os.listdir(state))
        if OURS.fullmatch(name) and not any(path.is_relative_to(state / name) for path in within)
    ]


def used(state: Path) -> bool:
    """Whether a daemon ever lived in a folder."""
    return any((state / mark).is_file() for mark in MARKS)


class Inheritance:
    """What foliod left in a state folder and is not yet of the user that the service runs as."""

    def __init__(self, state: Path, watched: Sequence[Path]) -> None:
        """`watched` are folders that are not touched."""
        self._shown = state
        self._state = state.resolve()
        self._closed = False
        """Whether we may not look into it: then all is its owner's."""
        self._names: list[str] = []
        try:
            self._names = ours(self._state, watched) if used(self._state) else []
        except PermissionError:
            self._closed = True

    def check(self, heir: User | None, *, running: bool) -> None:
        """Raise ConflictError, with what to do, where the service's user can't have it.

        `heir` is that user, None while it is not made; `running` says that the service runs.
        """
        if not (others := self._others(heir)):
            return
        name = NAME if heir is None else heir.name
        whose = f"{self._shown} holds data of {_told(others)}, and the service runs as {name}"
        if os.geteuid() != 0 or not others <= _of_the_machine():
            sudo = "" if os.geteuid() == 0 else "sudo "
            raise ConflictError(
                f"{whose}: to give it all to the service, stop the foliod that uses it, and {sudo}chown -R {name}: "
                f"{self._shown}; or set another state_dir"
            )
        for path, _, found in self._entries():
            if found.st_uid in others and _linked(found):
                raise ConflictError(f"{whose}; but {path} is a hard link: replace it by a copy")
        if not running:
            check_free(self._state)

    def give(self, steps: Steps, heir: User | None) -> None:
        """Give it to the service's user, who in a rehearsal may not be made yet."""
        if not (others := self._others(heir)):
            return
        steps.add("give", self._shown, f"data of {_told(others)}, to {NAME}")
        if steps.rehearsal or heir is None:
            return
        for path, folder, found in self._entries():
            if found.st_uid in others and not _linked(found):
                with contextlib.suppress(FileNotFoundError):
                    _chown(path.name, folder, found, heir)

    def _others(self, heir: User | None) -> set[int]:
        """Return the users who own something of it, the folder included, but for the service's."""
        owners = {found.st_uid for _, _, found in self._entries()}
        if owners or self._closed:
            owners.add(self._state.stat().st_uid)
        return owners - ({heir.uid} if heir is not None else set())

    def _entries(self) -> Iterator[tuple[Path, int, os.stat_result]]:
        """Yield all files and folders, each with a descriptor of the folder it lies in: links are not followed."""
        if not self._names:
            return
        for folder, inner, files, descriptor in os.fwalk(self._state):
            if Path(folder) == self._state:
                inner[:], files[:] = ([name for name in names if name in self._names] for names in (inner, files))
            for name in (*inner, *files):
                # What PostgreSQL does not need any more goes at any time.
                with contextlib.suppress(FileNotFoundError):
                    yield Path(folder, name), descriptor, os.stat(name, dir_fd=descriptor, follow_symlinks=False)


def _linked(found: os.stat_result) -> bool:
    """Whether a file lies elsewhere too, and would be given away there as well."""
    return not stat.S_ISDIR(found.st_mode) and found.st_nlink > 1


def _chown(name: str, folder: int, found: os.stat_result, heir: User) -> None:
    """Give away what was `found` at a name; what somebody has put in its place since then is left alone."""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if os.path.samestat(os.fstat(descriptor), found):
            # The kernel takes no such descriptor itself; by this way it is the very same file, also where that is a link.
            os.chown(f"/proc/self/fd/{descriptor}", heir.uid, heir.gid)
    finally:
        os.close(descriptor)


def _of_the_machine() -> set[int]:
    """Return the users that a foliod of root's leaves files of."""
    found = {0}
    for name in USERS:
        with contextlib.suppress(KeyError):
            found.add(pwd.getpwnam(name).pw_uid)
    return found


def _told(users: set[int]) -> str:
    return " and ".join(sorted(f"the user {user_name(uid)}" for uid in users))
