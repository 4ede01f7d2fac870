"""What the service manager wants to hear: sd_notify(3) without a library. Silent when nobody listens."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final, Self

VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
STATUS_CHARS: Final = 400
"""What people read on one line, with room to spare."""
SECOND: Final = 1_000_000
"""In microseconds, which is what the service manager counts in."""


class Manager:
    """The service manager, if there is one: systemd, or whatever else speaks its protocol.

    The daemon's work never depends on it: what it does not take now is sent again with the next message,
    except what would be out of date by then.
    """

    def __init__(self, address: str = "", *, watchdog_seconds: float | None = None) -> None:
        """`address` is NOTIFY_SOCKET, empty when there is no manager."""
        self.watchdog_seconds = watchdog_seconds
        """It restarts the daemon when it hears nothing for so long; None when it does not watch."""
        self.ready = False
        """Whether it was told that the daemon is ready, and not since that it reads its configuration."""
        self.told = False
        """Whether it was ever told so."""
        self.status = ""
        self._stopping = False
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._owed: list[str] = []

    @classmethod
    def found(cls, environ: MutableMapping[str, str] = os.environ) -> Self:
        """Return the manager that started this process. Its variables are removed: children have none."""
        given = {name: environ.pop(name, "") for name in VARIABLES}
        seconds = None
        # A watchdog may be meant for another process, such as a wrapper around this one.
        if given["WATCHDOG_USEC"].isdecimal() and given["WATCHDOG_PID"] in ("", str(os.getpid())):
            seconds = int(given["WATCHDOG_USEC"]) / SECOND or None
        return cls(given["NOTIFY_SOCKET"], watchdog_seconds=seconds)

    @property
    def listens(self) -> bool:
        """Whether there is one."""
        return bool(self._address)

    def say(self, status: str) -> None:
        """Tell people in one line what the daemon does; the same twice is sent once."""
        status = " ".join(status.split())[:STATUS_CHARS]
        if (status != self.status or self._owed) and self._send([f"STATUS={status}"]):
            self.status = status

    def begin(self) -> None:
        """Say that the daemon is ready; once, until the next `reloading`."""
        if not self.ready and not self._stopping:
            self.ready = self.told = True
            self._must("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again; `begin` says that it was."""
        if self.ready:
            self.ready = False
            self._must(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, seconds: float) -> None:
        """Say that the daemon ends, and that it may take so long; it is not said to be ready any more after that."""
        self._stopping = True
        self._must(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={round(seconds * SECOND)}")

    def extend(self, seconds: float) -> None:
        """Ask for so much time from now until it starts or stops, if less is left of what the unit file gives."""
        self._send([f"EXTEND_TIMEOUT_USEC={round(seconds * SECOND)}"])

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send(["WATCHDOG=1"])

    def _must(self, message: str) -> None:
        if not self._send([message]):
            self._owed.append(message)

    def _send(self, messages: list[str]) -> bool:
        """Send what is still owed, then `messages`; False when the manager does not take them now."""
        if not self._address:
            return True
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as s:
            # A manager that is busy must not hold up the event loop.
            s.setblocking(False)
            s.connect(self._address)
            while self._owed:
                s.send(self._owed[0].encode())
                del self._owed[0]
            for message in messages:
                s.send(message.encode())
            return True
        return False
