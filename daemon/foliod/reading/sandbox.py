"""Takes from this process what reading a file does not need, so that a hostile one can do no harm.

`begin` comes first and asks nothing of the kernel that old ones lack; `confine` comes before the
first file: Landlock decides what can be opened, `syscalls` what can be done at all.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foliod.reading import syscalls

if TYPE_CHECKING:
    from collections.abc import Iterable

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITY_BYTES = 24
"""Two halves of what is effective, permitted and inheritable (capget(2))."""
_MOST_CAPABILITIES = 64
_NICE = 10
# ioprio_set(2) of this process: the last of the levels that everybody has.
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_BEST_EFFORT_7 = 2 << 13 | 7
_FILES = 64
"""Descriptors that a process may have: its socket, its file, and libraries while they are loaded."""
_MIB = 1 << 20

# Landlock, Linux 5.13 and later (linux/landlock.h); the numbers are the same on every architecture.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_ADD_RULE = 445
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_FILE_ACCESS_BY_VERSION = (0, (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1, (1 << 16) - 1)
_NETWORK_ACCESS = 0b11
_SCOPES = 0b11

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds a reading process: the version of Landlock, 0 where there is none, and whether seccomp does."""

    landlock: int
    seccomp: bool

    def __str__(self) -> str:
        """Name it, for a log."""
        landlock = f"Landlock {self.landlock}" if self.landlock else ""
        return " and ".join(filter(None, [landlock, "seccomp" if self.seccomp else ""])) or "limits alone"

    @property
    def lacks(self) -> str | None:
        """What a PDF that takes over its reader could still do, None when nothing."""
        if self.landlock and self.seccomp:
            return None
        if self.landlock:
            return "try more of the kernel than reading needs"
        if self.seccomp:
            return "read other files, where OCR has to open its own"
        return "read other files, open network connections and start programs"


def offered() -> Confinement:
    """Return what this kernel can hold a process with; changes nothing."""
    version = _libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    return Confinement(max(0, version), syscalls.available())


def begin(keep: int, *, gives_way: bool = True) -> None:
    """Die with the parent, gain no privileges, write no files, and hold no descriptor above 2 but `keep`.

    A process that `gives_way` lets questions go first.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # When memory runs out, the kernel ends a reader, not the daemon or PostgreSQL.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")
    # Another process of the same user can't look into this one; it may hold a secret document.
    _prctl(_PR_SET_DUMPABLE, 0)
    _drop_capabilities()
    os.closerange(3, keep)
    os.closerange(keep + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    for limit, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, _FILES)):
        resource.setrlimit(limit, (most, most))
    # A terminal and systemd tell the whole group to stop; what is being read then is for the daemon to decide.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if not gives_way:
        return
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    if (ioprio_set := _IOPRIO_SET.get(os.uname().machine)) is not None:
        _libc.syscall(ioprio_set, 1, 0, _BEST_EFFORT_7)


def limit_memory(memory_mb: int, mapped: int) -> None:
    """Let this process have no more than `memory_mb` MiB and `mapped` bytes of mapped files."""
    size = memory_mb * _MIB + mapped
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def confine(readable: Iterable[str] = (), offer: Confinement | None = None) -> Confinement:
    """Open no file and no connection from now on, and make no system call that reading does not need.

    What is open stays open: the socket to the daemon, and the files whose descriptors come through
    it. Python's own libraries stay readable, since they are loaded when first needed; where there is
    no Landlock to keep to them, nothing can be opened but when something `readable` is named.

    Args:
        readable: folders and files that can be read all the same.
        offer: what the kernel has, when it was asked before.

    Raises:
        OSError: what the kernel has can't be used.
    """
    offer = offer or offered()
    readable = list(readable)
    if offer.landlock:
        _forbid_files(offer.landlock, readable)
    if offer.seccomp:
        syscalls.forbid_calls(opening=bool(offer.landlock or readable))
    return offer


def _forbid_files(version: int, readable: Iterable[str]) -> None:
    rules = struct.pack("Q", _FILE_ACCESS_BY_VERSION[min(version, len(_FILE_ACCESS_BY_VERSION) - 1)])
    if version >= 4:
        rules += struct.pack("Q", _NETWORK_ACCESS)
    if version >= 6:
        rules += struct.pack("Q", _SCOPES)
    ruleset = _checked(_libc.syscall(_LANDLOCK_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0))
    try:
        for path in [*_library_folders(), *readable]:
            _allow_reading(ruleset, path)
        _checked(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _library_folders() -> list[str]:
    """Return where Python looks for modules and has found some: a path that only might hold any stays closed."""
    loaded = [file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]
    return [path for path in sys.path if path and any(file.startswith(path.rstrip("/") + "/") for file in loaded)]


def _allow_reading(ruleset: int, path: str) -> None:
    with contextlib.suppress(OSError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            access = _READ_FILE | (_READ_FOLDER if os.path.isdir(path) else 0)
            _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", access, place), 0)
        finally:
            os.close(place)


def _drop_capabilities() -> None:
    """Hold none of root's powers, for ever; the uid stays, so that libraries in root's own folders can be read."""
    for capability in range(_MOST_CAPABILITIES):
        # Only who holds CAP_SETPCAP may and needs to: without it, and with no privileges to gain, the set is empty talk.
        _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
    _libc.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    header, held = struct.pack("Ii", _CAPABILITY_VERSION_3, 0), ctypes.create_string_buffer(_CAPABILITY_BYTES)
    _checked(_libc.capget(header, held))
    # A service manager's filter may refuse the call also to who has nothing to give away.
    if any(held.raw):
        _checked(_libc.capset(header, bytes(_CAPABILITY_BYTES)))


def _prctl(option: int, value: int) -> None:
    _checked(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
