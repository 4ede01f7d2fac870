"""A service manager for tests: receives what the daemon tells it, and starts it with sockets, as systemd would."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

LAUNCHER = """
import os, sys
given, names, *command = sys.argv[1:]
fds = [int(fd) for fd in given.split(",")]
# First out of the way, for one of them may be 3 already.
spare = [os.dup2(fd, 200 + number) for number, fd in enumerate(fds)]
for number, fd in enumerate(spare):
    os.dup2(fd, 3 + number)
os.closerange(3 + len(fds), 256)
os.environ.update(LISTEN_PID=os.environ.get("TEST_LISTEN_PID", str(os.getpid())), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""
"""Between fork and the daemon, since LISTEN_PID is the daemon's own number, and the first descriptor must be 3."""


class Received:
    """The manager's end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[tuple[float, str]] = []
        """When each line came, and what it says."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._lock = threading.Lock()

    def close(self) -> None:
        self._socket.close()

    def lines(self) -> list[str]:
        """All that was said so far."""
        with self._lock:
            with contextlib.suppress(BlockingIOError):
                while True:
                    message = self._socket.recv(65536).decode()
                    self.messages += [(time.monotonic(), line) for line in message.split("\n")]
            return [line for _, line in self.messages]

    def said(self, line: str) -> int:
        """How often a line was said; a key alone (`WATCHDOG`) stands for all its values."""
        return sum(found == line or found.partition("=")[0] == line for found in self.lines())

    def last(self, key: str) -> str | None:
        """The last value of a key."""
        return next((line.partition("=")[2] for line in reversed(self.lines()) if line.startswith(f"{key}=")), None)


@contextlib.contextmanager
def receiving(folder: Path, *, busy: bool = False) -> Iterator[Received]:
    """A manager that reads all the time, for the kernel keeps ten messages only; a `busy` one reads when it is asked."""
    received = Received(folder / "notify")
    end = threading.Event()

    def read() -> None:
        while not end.wait(0.05):
            received.lines()

    reader = threading.Thread(target=read, name="service manager")
    if not busy:
        reader.start()
    try:
        yield received
    finally:
        end.set()
        if not busy:
            reader.join()
        received.close()


def handed_over(command: list[str], sockets: dict[str, socket.socket]) -> tuple[list[str], tuple[int, ...]]:
    """The command that starts another with sockets by name, and the descriptors that it has to be given."""
    fds = tuple(listener.fileno() for listener in sockets.values())
    return [sys.executable, "-c", LAUNCHER, ",".join(map(str, fds)), ":".join(sockets), *command], fds


def unix_listener(path: Path, mode: int = 0o660) -> socket.socket:
    """A listening Unix socket, as a socket unit makes it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    os.chmod(path, mode)
    listener.listen(128)
    return listener


def open_descriptors(pid: int) -> Sequence[str]:
    """What a process has open."""
    found = []
    # Some end at any time: one that is gone has nothing open.
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(entry))
    return found
