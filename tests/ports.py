"""Ports of this machine that stay free until the test that asked for them takes them."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_ours: list[socket.socket] = []
"""Names that are held as long as this process lives, so that other tests' processes choose other ports."""


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens, and which the kernel gives to no outgoing connection.

    What it chooses by itself, for port 0 and for who connects somewhere, lies in ip_local_port_range: a port from there
    may be taken by anybody before the test listens on it.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(10_000, max(first, 20_000)), 1000):
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0foliod-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            name.close()
            continue
        _ours.append(name)
        return port
    msg = "no port is free"
    raise RuntimeError(msg)


def keep_port() -> socket.socket:
    """Return a socket that keeps a port of 127.0.0.1 until it is closed, for a server of this process that goes and comes back.

    It listens with `reuse_port`. While it does not, connections are refused, and nobody else can have the port.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    kept.bind(("127.0.0.1", 0))
    return kept
