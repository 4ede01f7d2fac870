"""The addresses that the daemon listens on: a Unix socket that is ours alone, and perhaps a TCP port."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import stat
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from foliod.base.errors import ConfigError, StateInUseError
from foliod.base.sources import SYSTEM_SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AsyncExitStack

    from foliod.base.config import Settings
    from foliod.serve.inherited import Inherited

LONGEST_PATH = 107
"""Bytes of a Unix socket's path on Linux: `sun_path` holds 108 with its final NUL (unix(7))."""
SOCKET_MODE = 0o660

log = structlog.get_logger()


async def listening(stack: AsyncExitStack, settings: Settings, given: Inherited) -> list[socket.socket]:
    """Return the sockets to answer at, closed with `stack`: those handed over, else those of the settings.

    Each kind for itself: with a Unix socket from the service manager, [server] http is bound all the same.
    Raises ConfigError, StateInUseError.
    """
    stack.callback(given.close)
    unix = given.unix or (stack.enter_context(unix_socket(settings.socket)),)
    if given.unix and not {str(settings.socket), str(SYSTEM_SOCKET)}.intersection(map(_name, unix)):
        log.warning(
            "socket_elsewhere",
            addresses=[_name(listener) for listener in unix],
            reason=f"commands look for this daemon at {settings.socket}; set [server] socket to where it listens",
        )
    tcp: Sequence[socket.socket] = given.tcp
    if not tcp and settings.server.http is not None:
        tcp = await asyncio.to_thread(tcp_sockets, settings.server.http)
        for listener in tcp:
            stack.enter_context(listener)
    return [*unix, *tcp]


@contextmanager
def unix_socket(path: Path) -> Iterator[socket.socket]:
    """Bind a Unix socket with mode 0660, replacing one that nobody listens on; remove it at the end.

    Raises ConfigError when there can be no socket at `path`, StateInUseError when somebody listens.
    """
    size = len(os.fsencode(path))
    if size > LONGEST_PATH:
        raise ConfigError(
            f"the socket's path {path} has {size} bytes, Linux allows {LONGEST_PATH}; set [server] socket to a shorter one"
        )
    with ExitStack() as stack:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(_held(path))
            _remove_stale(path)
            bound = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            # Before bind, so that the socket never stands there with a wider mode (unix_bind
            # takes the mode from here, less the umask); after it, in case the umask took too much.
            os.fchmod(bound.fileno(), SOCKET_MODE)
            bound.bind(os.fspath(path))
            ours = _identity(path)
            stack.callback(_remove_ours, path, ours)
            path.chmod(SOCKET_MODE)
        except OSError as error:
            raise ConfigError(f"the socket {path} can't be made: {error.strerror}; set [server] socket") from error
        yield bound


def tcp_sockets(address: str) -> list[socket.socket]:
    """Bind `host:port`, on every address that the host name stands for.

    Raises ConfigError for an unknown host, StateInUseError when the port is taken.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"[server] http: the host {host} is not known ({error.strerror})") from error
    bound: list[socket.socket] = []
    missing: OSError | None = None
    for family, kind, protocol, _, where in dict.fromkeys(found):
        if int(port) == 0 and bound:
            break
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(where)
            # Two sockets may be bound to one address as long as neither listens.
            listener.listen(128)
        except OSError as error:
            listener.close()
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                missing = error
                continue
            for other in bound:
                other.close()
            if error.errno == errno.EADDRINUSE:
                raise StateInUseError(
                    f"another program listens on {address} already; stop it, or choose another port in [server] http"
                ) from None
            raise ConfigError(f"[server] http: {address} can't be used: {error.strerror}") from error
        bound.append(listener)
    if not bound:
        raise ConfigError(f"[server] http: {address} is no address of this machine ({missing})") from missing
    return bound


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold the lock beside a socket: without it, two that start at once could each remove the other's socket."""
    beside = path.with_name(f"{path.name}.lock")
    while True:
        fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise _in_use(path) from None
        except OSError:
            os.close(fd)
            raise
        # Whoever held the lock before may have removed the file between our open and our lock.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(fd), os.stat(beside)):
                break
        os.close(fd)
    try:
        yield
    finally:
        beside.unlink(missing_ok=True)
        os.close(fd)


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"{path} exists and is not a socket; remove it, or set [server] socket to another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Without blocking: a listener with a full queue is a live one too.
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
    raise _in_use(path)


def _remove_ours(path: Path, ours: tuple[int, int]) -> None:
    with contextlib.suppress(FileNotFoundError):
        if _identity(path) == ours:
            path.unlink()


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _name(listener: socket.socket) -> str:
    return os.fsdecode(listener.getsockname())


def _in_use(path: Path) -> StateInUseError:
    return StateInUseError(
        f"another foliod listens on {path} already; stop it first, or give this one its own [server] socket"
    )
