"""Compares folders with what the store knows of them, by names and signatures, without opening one file.

Synchronous: it runs in a thread. The system calls in between let the event loop have its turns.
"""

from __future__ import annotations

import errno
import os
import stat as kinds
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from foliod.base.paths import FOLDER_DEVICE, IDENTITY, LONGEST, Wanted, below, parents, signature
from foliod.watch.links import elsewhere, inside

STILL: Final = b"\0"
REASON: Final = b"\1"
GONE: Final = b"\2"
"""The last byte of what the store knows of a file: as it was, with a reason against it, or missed."""

CERTAINLY_GONE: Final = (errno.ENOENT, errno.ENOTDIR)
"""Any other error leaves open whether the file is still there."""

LEADS_OUT: Final = "it is a link that leads out of the watched folder"
LINKED: Final = "it lies behind a link to a folder, which is not followed"
KINDS: Final = {
    kinds.S_IFIFO: "it is a named pipe, not a file",
    kinds.S_IFSOCK: "it is a socket, not a file",
    kinds.S_IFCHR: "it is a device, not a file",
    kinds.S_IFBLK: "it is a device, not a file",
    kinds.S_IFDIR: "it is a folder, not a file",
}


class Stopped(Exception):  # noqa: N818 - nothing is wrong
    """The daemon is leaving; the thread gives up."""


@dataclass(slots=True)
class Findings:
    """How folders differ from what the store knows."""

    files: int = 0
    """Wanted files that are there."""
    others: bool = False
    """Whether anything else but folders is there; hidden files don't count, which synchronisers leave behind."""
    candidates: dict[bytes, bytes] = field(default_factory=dict)
    """New and changed files, and those with a reason against them, with their signatures."""
    back: dict[bytes, bytes] = field(default_factory=dict)
    """Files that had been missed and are there again as they were."""
    renumbered: dict[bytes, bytes] = field(default_factory=dict)
    """Files that are the same on a device that has another number now."""
    gone: list[bytes] = field(default_factory=list)
    unmounted: list[bytes] = field(default_factory=list)
    """Known files of a file system that is not there."""
    hidden: list[bytes] = field(default_factory=list)
    """Known files of which can't be said whether they are still there."""
    ignored: dict[bytes, str] = field(default_factory=dict)
    """What has a wanted name but is no file to read, and why."""
    unreadable: dict[bytes, str] = field(default_factory=dict)
    """Folders that can't be listed, and why."""
    links: dict[bytes, bytes] = field(default_factory=dict)
    """Links and the files inside the root that they lead to."""
    folders: list[bytes] = field(default_factory=list)
    """The scopes that are folders."""


def trouble(root: bytes) -> tuple[str, str] | None:
    """Say why a watched folder can't be looked through: a state and a reason; None when it can."""
    try:
        enter(root)
    except FileNotFoundError:
        return "missing", "the folder is not there"
    except NotADirectoryError:
        return "missing", "it is not a folder"
    except OSError as error:
        return "unreadable", f"the folder can't be listed: {error.strerror}"
    return None


def enter(folder: bytes) -> int:
    """Return the device of a folder that can be listed and entered; raises OSError for any other."""
    # The dot asks for the right to enter, without which no file in it can be looked at.
    device = os.stat(folder + b"/.").st_dev
    os.scandir(folder).close()
    return device


def populated(wanted: Wanted, stop: threading.Event) -> bool:
    """Say whether anything but folders and hidden files lies in a watched folder, or a file that is wanted."""
    folders = [wanted.root]
    while folders:
        _go_on(stop)
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if wanted.recursive:
                            folders.append(entry.path)
                    elif not entry.name.startswith(b".") or wanted.file(entry.path):
                        return True
        except OSError:
            continue
    return False


def may_be_folders(paths: Iterable[bytes]) -> list[bytes]:
    """Return the paths that are folders, or not there, and so may have been folders."""
    return [path for path in paths if os.path.isdir(path) or not os.path.lexists(path)]


def compare(wanted: Wanted, scopes: Iterable[bytes], known: dict[bytes, bytes], stop: threading.Event) -> Findings:
    """Compare scopes (files or folders, which may be gone) with `known`, which is used up.

    `known` holds every file that the store knows in these scopes: its signature and one byte of
    STILL, REASON or GONE. Raises Stopped when `stop` is set meanwhile.
    """
    return _Comparison(wanted, known, stop).run(scopes)


class _Comparison:
    def __init__(self, wanted: Wanted, known: dict[bytes, bytes], stop: threading.Event) -> None:
        self._wanted = wanted
        self._known = known
        self._stop = stop
        self._found = Findings()
        self._real_root = os.path.realpath(wanted.root)
        self._elsewhere: dict[bytes, bool] = {}
        self._devices: dict[bytes, bytes | None] = {}
        self._renamed_devices: dict[bytes, bytes] = {}

    def run(self, scopes: Iterable[bytes]) -> Findings:
        found, walked = self._found, set[bytes]()
        for scope in sorted(scopes):
            if any(parent in walked for parent in parents(scope)):
                continue
            if self._linked(scope):
                self._look(scope)
                continue
            try:
                # The root itself may be a link; nothing below it is followed into another folder.
                state = os.stat(scope) if scope == self._wanted.root else os.lstat(scope)
            except OSError:
                continue
            if not kinds.S_ISDIR(state.st_mode):
                self._look(scope)
            elif self._wanted.folder(scope):
                walked.add(scope)
                self._walk(scope)
        found.folders = list(walked)
        for path in [path for path, old in self._known.items() if old[-1:] != GONE]:
            _go_on(self._stop)
            self._look(path)
        return found

    def _walk(self, scope: bytes) -> None:
        wanted, found = self._wanted, self._found
        folders = [scope]
        while folders:
            _go_on(self._stop)
            folder = folders.pop()
            try:
                device = os.stat(folder + b"/.").st_dev  # as in `enter`
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if wanted.recursive and not wanted.excluded(entry.path):
                                folders.append(entry.path)
                        elif not wanted.name(entry.name) or wanted.excluded(entry.path):
                            found.others = found.others or not entry.name.startswith(b".")
                        else:
                            self._judge(entry.path, entry, device)
            except OSError as error:
                # What is known below is looked at one by one; an unreadable folder loses nothing.
                found.unreadable[folder] = error.strerror or str(error)

    def _look(self, path: bytes) -> None:
        """Judge one path that no walk came to: hinted, or known and not found."""
        found = self._found
        if self._linked(path):
            # Not even whether it is there is to be learnt by this way.
            found.others = True
            if self._wanted.file(path):
                found.ignored[path] = LINKED
            if path in self._known:
                self._missed(path)
            return
        try:
            os.lstat(path)
            if self._wanted.file(path):
                self._judge(path, None, os.stat(os.path.dirname(path)).st_dev)
            elif path in self._known:
                self._missed(path)
        except OSError as error:
            old = self._known.get(path)
            if old is None or old[-1:] == GONE:
                return
            if error.errno not in CERTAINLY_GONE:
                found.hidden.append(path)
            elif self._mounted(path, old[FOLDER_DEVICE]):
                self._missed(path)
            else:
                found.unmounted.append(path)

    def _linked(self, path: bytes) -> bool:
        """Say whether a path lies behind a link to a folder."""
        if not below(path, self._wanted.root):
            return False
        folder = os.path.dirname(path)
        if (linked := self._elsewhere.get(folder)) is None:
            linked = self._elsewhere[folder] = elsewhere(folder, self._real_root, self._wanted.root)
        return linked

    def _judge(self, path: bytes, entry: os.DirEntry[bytes] | None, device: int) -> None:
        """Compare one file, of which the name is wanted, with what is known of it."""
        found = self._found
        try:
            state = os.lstat(path) if entry is None else entry.stat(follow_symlinks=False)
            refusal = None
            if kinds.S_ISLNK(state.st_mode):
                state, refusal = self._follow(path, state)
            if not refusal and len(path) > LONGEST and path not in self._known:
                refusal = f"its path is longer than {LONGEST} bytes, which is more than the store can hold"
            if not refusal and not kinds.S_ISREG(state.st_mode):
                refusal = KINDS.get(kinds.S_IFMT(state.st_mode), "it is not a file")
        except OSError as error:
            if error.errno in CERTAINLY_GONE:
                return
            if path in self._known:
                del self._known[path]
                found.hidden.append(path)
            found.ignored[path] = error.strerror or str(error)
            return
        if refusal:
            found.others = True
            found.ignored[path] = refusal
            if path in self._known:
                self._missed(path)
            return
        found.files += 1
        seen = signature(state, device)
        old = self._known.pop(path, None)
        if old == seen + STILL:
            return
        if old is None or old[IDENTITY] != seen[IDENTITY] or old[-1:] == REASON:
            found.candidates[path] = seen
            return
        self._renamed_devices[old[FOLDER_DEVICE]] = seen[FOLDER_DEVICE]
        (found.back if old[-1:] == GONE else found.renumbered)[path] = seen

    def _follow(self, path: bytes, link: os.stat_result) -> tuple[os.stat_result, str | None]:
        """Return the state of what a link leads to, or why it is not followed."""
        try:
            real = os.path.realpath(path, strict=True)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return link, "it is a link that leads in a circle"
            if error.errno in CERTAINLY_GONE:
                if not below(target := os.path.realpath(path), self._real_root):
                    # Whether something is there outside is not to be learnt by a link.
                    return link, LEADS_OUT
                self._found.links[path] = inside(target, self._real_root, self._wanted.root)
                return link, "it is a link to nothing"
            raise
        if not below(real, self._real_root):
            return link, LEADS_OUT
        self._found.links[path] = inside(real, self._real_root, self._wanted.root)
        return os.stat(real), None

    def _missed(self, path: bytes) -> None:
        if self._known.pop(path)[-1:] != GONE:
            self._found.gone.append(path)

    def _mounted(self, path: bytes, device: bytes) -> bool:
        """Say whether the file system that a missing file lay on is there.

        The nearest folder that exists must be on the device that the file's folder was on, whatever
        number the device has now. Folders, because a file's device can differ from its folder's (overlays).
        """
        now = self._device_of(os.path.dirname(path))
        return now is not None and (not any(device) or now in (device, self._renamed_devices.get(device)))

    def _device_of(self, folder: bytes) -> bytes | None:
        """Return the device of the nearest folder that exists; None when there is none inside the root."""
        climbed = []
        while folder not in self._devices:
            climbed.append(folder)
            try:
                device = os.stat(folder).st_dev
            except OSError as error:
                if error.errno in CERTAINLY_GONE and folder != self._wanted.root:
                    folder = os.path.dirname(folder)
                    continue
                self._devices[folder] = None
            else:
                self._devices[folder] = device.to_bytes(8, "big")
        for passed in climbed:
            self._devices[passed] = self._devices[folder]
        return self._devices[folder]


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped
