"""An unprivileged thread, so that permissions bite even when the tests run as root."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor

NOBODY = 65534


def drop_privileges() -> None:
    """Make this one thread see files as nobody does; nothing to do for an ordinary user."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        libc.setfsgid(NOBODY)
        libc.setfsuid(NOBODY)


def unprivileged(work, *args):
    """Run a function in a thread that may do what an ordinary user may."""
    with ThreadPoolExecutor(1, initializer=drop_privileges) as pool:
        return pool.submit(work, *args).result()


def hand_over(*paths) -> None:
    """Give files to the user of the unprivileged thread."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, NOBODY, NOBODY)
