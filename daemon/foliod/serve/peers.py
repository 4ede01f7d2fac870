"""Who is at the other end of a connection: a user of this machine with groups, by what the kernel says, or an address."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from foliod.base.objects import error_object
from foliod.base.paths import without_paths

if TYPE_CHECKING:
    from aiohttp import web

    from foliod.base.errors import FoliodError

SO_PEERGROUPS: Final = 59
"""asm-generic/socket.h: the supplementary groups of who connected, as numbers (Linux 4.13)."""
FEW_GROUPS: Final = 256
"""What Python's getsockopt takes at most: 1024 bytes."""
MOST_GROUPS: Final = 65536
"""Linux allows no more (NGROUPS_MAX)."""
EVERYBODY: Final = 2**32 - 1
"""How many users a namespace has that has all of them."""
OWN_TROUBLE: Final = 500
"""From this status on an error is of the daemon, not of the request."""
_CREDENTIALS: Final = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who connected. By the Unix socket `address` is None; `uid` is None when the kernel can't tell who it is."""

    uid: int | None = None
    groups: frozenset[int] = frozenset()
    address: str | None = None

    @property
    def local(self) -> bool:
        """Whether they came by the Unix socket."""
        return self.address is None

    @property
    def ours(self) -> bool:
        """Whether it is root or the user that the daemon runs as, who can read all that it keeps anyway."""
        return self.local and self.uid is not None and self.uid in (0, os.geteuid())

    @property
    def key(self) -> str:
        """What they are counted under: this machine has millions of addresses of its own (127.0.0.0/8)."""
        if self.local:
            return f"uid {self.uid}"
        return "this machine" if _of_this_machine(str(self.address)) else f"address {self.address}"

    def told(self) -> dict[str, object]:
        """Return who it is, for the log."""
        return {"uid": self.uid} if self.local else {"peer": self.address}


def peer_of(connected: socket.socket) -> Peer:
    """Return who connected, as they were when they did: what became of them since does not matter."""
    if connected.family != socket.AF_UNIX:
        try:
            return Peer(address=str(connected.getpeername()[0]))
        except OSError:
            return Peer(address="gone")
    packed = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, gid = _CREDENTIALS.unpack(packed)
    groups = {gid, *_supplementary(connected)}
    # Users of other namespaces all look like the overflow user, who then may be anybody and so is nobody.
    return Peer(
        None if uid == _overflow("uid") else uid,
        frozenset(group for group in groups if group != _overflow("gid")),
    )


def is_ours(request: web.Request) -> bool:
    """Say whether a request comes from root or the user that the daemon runs as."""
    peer = getattr(request.protocol, "peer", None)
    return isinstance(peer, Peer) and peer.ours


def told(request: web.Request, error: FoliodError) -> dict[str, str]:
    """Return an error as a client is told of it: of the daemon's own folders only its own people learn."""
    about = error_object(error)
    if error.status >= OWN_TROUBLE and not is_ours(request):
        about["message"] = without_paths(about["message"])
    return about


def _of_this_machine(address: str) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def sees_all_users() -> bool:
    """Whether every user of the machine has a number here: else peers can't be told apart (PrivateUsers= of systemd)."""
    return _overflow("uid") is None


def _supplementary(connected: socket.socket) -> tuple[int, ...]:
    size = struct.calcsize("I")
    try:
        packed = connected.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, FEW_GROUPS * size)
    except OSError as error:
        if error.errno != errno.ERANGE:
            return ()  # an older kernel: the main group is what is known
        packed = _many(connected, MOST_GROUPS * size)
    return struct.unpack(f"{len(packed) // size}I", packed)


def _many(connected: socket.socket, size: int) -> bytes:
    """Ask for more groups than Python's getsockopt has room for."""
    room, length = ctypes.create_string_buffer(size), ctypes.c_uint32(size)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getsockopt(connected.fileno(), socket.SOL_SOCKET, SO_PEERGROUPS, room, ctypes.byref(length)):
        return b""
    return room.raw[: length.value]


@cache
def _overflow(kind: str) -> int | None:
    """Return the number that stands for whom this namespace does not know, None when it knows everybody."""
    try:
        known = sum(int(line.split()[2]) for line in Path(f"/proc/self/{kind}_map").read_text("ascii").splitlines())
        if known >= EVERYBODY:
            return None
        return int(Path(f"/proc/sys/kernel/overflow{kind}").read_text("ascii"))
    except OSError:
        # Without /proc nothing is known of namespaces; 65534 is what Linux takes unless told otherwise.
        return 65534
