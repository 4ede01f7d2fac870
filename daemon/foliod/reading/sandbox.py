"""Takes from this process what reading a file does not need, so that a hostile one can do no harm."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_NICE = 10
_MIB = 1 << 20

# Landlock, Linux 5.13 and later (linux/landlock.h); the numbers are the same on every architecture.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_ADD_RULE = 445
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_VERSION = 1
_PATH_BENEATH = 1
_READ = 1 << 2 | 1 << 3
_FILE_ACCESS_BY_VERSION = (0, (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1, (1 << 16) - 1)
_NETWORK_ACCESS = 0b11
_SCOPES = 0b11

_libc = ctypes.CDLL(None, use_errno=True)


def begin(keep: int) -> None:
    """Die with the parent, gain no privileges, write no files, and hold no descriptor above 2 but `keep`."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # Another process of the same user can't look into this one; it may hold a secret document.
    _prctl(_PR_SET_DUMPABLE, 0)
    os.closerange(3, keep)
    os.closerange(keep + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    # A terminal and systemd tell the whole group to stop; what is being read then is for the daemon to decide.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(_NICE)


def limit_memory(memory_mb: int, mapped: int) -> None:
    """Let this process have no more than `memory_mb` MiB and `mapped` bytes of mapped files."""
    size = memory_mb * _MIB + mapped
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def forbid_files(readable: Iterable[str] = ()) -> bool:
    """Open no file and no connection from now on, where the kernel has Landlock; return whether it has.

    Python's own libraries and the folders `readable` stay so, since they are loaded when first needed. What is
    open stays open: the socket to the daemon, and the files whose descriptors come through it.
    """
    version = _libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    if version < 1:
        return False
    rules = struct.pack("Q", _FILE_ACCESS_BY_VERSION[min(version, len(_FILE_ACCESS_BY_VERSION) - 1)])
    if version >= 4:
        rules += struct.pack("Q", _NETWORK_ACCESS)
    if version >= 6:
        rules += struct.pack("Q", _SCOPES)
    ruleset = _libc.syscall(_LANDLOCK_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0)
    if ruleset < 0:
        return False
    try:
        for path in filter(None, (*sys.path, *readable)):
            _allow_reading(ruleset, path)
        return bool(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow_reading(ruleset: int, path: str) -> None:
    with contextlib.suppress(OSError):
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = struct.pack("=Qi", _READ, folder)
            _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
        finally:
            os.close(folder)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
