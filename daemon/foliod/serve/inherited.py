"""Sockets that a service manager listens on and hands over (sd_listen_fds(3)): nobody is turned away during a restart.

The first descriptor is 3; LISTEN_FDS says how many there are, LISTEN_PID for whom, LISTEN_FDNAMES what
the manager calls them. They stay the manager's: none is removed, or shut down, when the daemon ends.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from foliod.base.errors import ConfigError

FIRST: Final = 3
"""SD_LISTEN_FDS_START."""
VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


@dataclass(frozen=True, slots=True)
class Inherited:
    """Listening sockets by what clients have to bring: nothing at a Unix socket, the token by TCP."""

    unix: tuple[socket.socket, ...] = ()
    tcp: tuple[socket.socket, ...] = ()

    def close(self) -> None:
        """Let go of all; the service manager goes on listening."""
        for listener in (*self.unix, *self.tcp):
            listener.close()


NONE: Final = Inherited()


def inherited(environ: MutableMapping[str, str] = os.environ) -> Inherited:
    """Take over what was handed to this process, once: the variables are removed, so that no child takes them for its own.

    Raises ConfigError for a descriptor that is not a stream socket that listens; says which one.
    """
    given = {name: environ.pop(name, "") for name in VARIABLES}
    if given["LISTEN_PID"] != str(os.getpid()) or not given["LISTEN_FDS"].isdecimal():
        return NONE
    names = given["LISTEN_FDNAMES"].split(":")
    found: list[socket.socket] = []
    try:
        for number in range(int(given["LISTEN_FDS"])):
            name = names[number] if number < len(names) and names[number] else "unnamed"
            found.append(_listener(FIRST + number, name))
    except ConfigError:
        for listener in found:
            listener.close()
        raise
    return Inherited(
        unix=tuple([listener for listener in found if listener.family == socket.AF_UNIX]),
        tcp=tuple([listener for listener in found if listener.family != socket.AF_UNIX]),
    )


def _listener(fd: int, name: str) -> socket.socket:
    what = f"the service manager handed over {name} (descriptor {fd})"
    try:
        os.set_inheritable(fd, False)
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise ConfigError(f"{what}, which is no socket; keep to ListenStream= in the socket unit")
        listener = socket.socket(fileno=fd)
    except OSError as error:
        raise ConfigError(f"{what}, which can't be used: {error.strerror}") from error
    trouble = None
    if listener.type != socket.SOCK_STREAM or listener.family not in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
        trouble = "is neither a Unix socket nor TCP; keep to ListenStream= in the socket unit"
    elif not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        trouble = "does not listen; set Accept=no in the socket unit"
    if trouble is not None:
        listener.close()
        raise ConfigError(f"{what}, which {trouble}")
    return listener
