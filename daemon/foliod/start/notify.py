"""What systemd wants to hear: sd_notify(3) without a library. Silent when nobody listens."""

from __future__ import annotations

import os
import socket


def notify(*states: str) -> bool:
    """Send states such as `READY=1` or `STATUS=…` to the service manager.

    Returns False when there is none (`NOTIFY_SOCKET` is unset) or it does not answer: the
    daemon's work never depends on it.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as s:
            s.connect(address)
            s.sendall("\n".join(states).encode())
    except OSError:
        return False
    return True
