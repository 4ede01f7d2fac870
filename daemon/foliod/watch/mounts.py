"""What a watched folder is just now, as far as its watch depends on it: which folder, readable, with what mounted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from foliod.base.paths import below

REMOTE: Final = frozenset(
    "9p afs beegfs ceph cifs fuse.davfs fuse.glusterfs fuse.rclone fuse.s3fs fuse.sshfs glusterfs lustre nfs nfs4 "
    "ncpfs ocfs2 prl_fs smb3 smbfs vboxsf virtiofs".split()
)
"""File systems that others change without an event here."""
MOUNTS: Final = "/proc/self/mountinfo"


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system, as proc(5) tells it."""

    number: bytes
    device: bytes
    point: bytes
    kind: str


@dataclass(frozen=True, slots=True)
class Place:
    """A folder: device and inode, whether it can be listed, what is mounted below it, and what sends no events."""

    device: int
    inode: int
    readable: bool
    mounts: frozenset[Mount]
    remote: str | None
    """The kind of the first file system at or below the folder that others change without an event here."""


def place(path: bytes) -> Place | None:
    """Return what a folder is now; None when it is not there."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    real, device = os.path.realpath(path), b"%d:%d" % (os.major(state.st_dev), os.minor(state.st_dev))
    own, inside = [], set()
    for mount in _mounts():
        if below(mount.point, real):
            inside.add(mount)
        elif mount.device == device:
            own.append(mount)
    remote = (mount.kind for mount in (*own, *sorted(inside, key=lambda m: m.point)) if mount.kind in REMOTE)
    readable = os.access(path, os.R_OK | os.X_OK)
    return Place(state.st_dev, state.st_ino, readable, frozenset(inside), next(remote, None))


def _mounts() -> list[Mount]:
    try:
        with open(MOUNTS, "rb") as table:
            lines = table.readlines()
    except OSError:
        return []
    found = []
    for line in lines:
        before, _, after = line.partition(b" - ")
        fields, kind = before.split(), after.split()
        if len(fields) > 4 and kind:
            found.append(Mount(fields[0], fields[2], _unescaped(fields[4]), kind[0].decode("ascii", "replace")))
    return found


def _unescaped(point: bytes) -> bytes:
    """Return a path of the table as the file system has it: space, tab, newline and backslash are octal there."""
    for escape, char in (rb"\040", b" "), (rb"\011", b"\t"), (rb"\012", b"\n"), (rb"\134", b"\\"):
        point = point.replace(escape, char)
    return point
