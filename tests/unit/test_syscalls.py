"""The filter of system calls decides the same on every machine that it knows, also on those we don't have."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from foliod.reading import syscalls
from foliod.reading.syscalls import MACHINES, program

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
PID = 4711
HEADERS = {"x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "/usr/include/asm-generic/unistd.h"}

# (call, arguments, what has to come of it)
DECISIONS = [
    ("read", (), ALLOW),
    ("exit_group", (), ALLOW),
    ("execve", (), KILL),
    ("ptrace", (), KILL),
    ("socket", (), KILL),
    ("io_uring_setup", (), KILL),
    ("openat", (0, 0, 0), ALLOW),
    ("openat", (0, 0, 0x80000), ALLOW),  # O_CLOEXEC
    ("openat", (0, 0, 1), EPERM),
    ("openat", (0, 0, 2), EPERM),
    ("openat", (0, 0, 0x40), EPERM),
    ("openat", (0, 0, 0x200), EPERM),
    ("openat", (0, 0, 0x200000), EPERM),
    ("openat", (0, 0, 0x410000), EPERM),
    ("mmap", (0, 0, 3, 0x22), ALLOW),
    ("mmap", (0, 0, 5, 2), ALLOW),
    ("mmap", (0, 0, 5, 0x22), EPERM),
    ("mmap", (0, 0, 7, 2), EPERM),
    ("mprotect", (0, 0, 3), ALLOW),
    ("mprotect", (0, 0, 5), EPERM),
    ("clone", (0x3D0F00,), ALLOW),  # what the C library passes for a thread
    ("clone", (17,), KILL),
    ("clone", (0x3D0F00 | 0x10000000,), KILL),
    ("clone3", (), ENOSYS),
    ("tgkill", (PID, 1, 6), ALLOW),
    ("tgkill", (PID + 1, 1, 6), KILL),
    ("prlimit64", (0, 7, 0), ALLOW),
    ("prlimit64", (PID, 7, 0), ALLOW),
    ("prlimit64", (0, 7, 0x1000), EPERM),
    ("prlimit64", (0, 7, 0x1_0000_0000), EPERM),  # a pointer whose lower half is zero
    ("prlimit64", (1, 7, 0), EPERM),
    ("fcntl", (3, 1030), ALLOW),
    ("fcntl", (3, 8), EPERM),
    ("fcntl", (3, 10), EPERM),
    ("fcntl", (3, 0x1_0000_0406), ALLOW),  # the kernel looks at 32 bits of the command
    ("ioctl", (0, 0x5401), ALLOW),
    ("ioctl", (0, 0x5412), KILL),
    ("ioctl", (0, 0x1_0000_5412), KILL),
    ("ioctl", (0, 0x8901), EPERM),
    ("prctl", (15,), ALLOW),
    ("prctl", (1,), EPERM),
    ("sendto", (3, 0, 1, 0x4000), ALLOW),
    ("sendto", (3, 0, 1, 1), EPERM),
    ("recvmsg", (3, 0, 0x40000000), ALLOW),
    ("recvmsg", (3, 0, 1), EPERM),
]


def decide(code: bytes, audit: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Run a filter as the kernel does."""
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, audit, 0, *arguments, *[0] * (6 - len(arguments)))
    at = accumulator = 0
    while True:
        instruction, if_true, if_false, operand = struct.unpack_from("<HBBI", code, 8 * at)
        at += 1
        match instruction:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x54:
                accumulator &= operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x06:
                return operand
            case _:
                raise AssertionError(instruction)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_the_filter_decides(machine):
    """Each kind of call is let through, refused or deadly as it should be, on both machines."""
    audit, numbers = MACHINES[machine]
    code = program(machine, pid=PID, opening=True)
    for name, arguments, expected in DECISIONS:
        assert (name, arguments, decide(code, audit, numbers[name], arguments)) == (name, arguments, expected)
    for name in {*syscalls._DEADLY} & {*numbers}:
        assert decide(code, audit, numbers[name], (PID,)) == KILL, name
    for name in {*syscalls._FREE} & {*numbers}:
        assert decide(code, audit, numbers[name]) == ALLOW, name
    known = set(numbers.values())
    for number in set(range(600)) - known:
        assert decide(code, audit, number) == (ENOSYS if number >= 450 else EPERM), number


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_kind_are_deadly(machine):
    """Who calls by the numbers of another architecture or ABI is ended, whatever the number."""
    code = program(machine, pid=PID, opening=True)
    for audit in (0x40000003, 0x40000028, *(m.audit for name, m in MACHINES.items() if name != machine)):
        assert {decide(code, audit, number) for number in range(500)} == {KILL}
    if machine == "x86_64":
        assert {decide(code, 0xC000003E, 0x40000000 + number) for number in range(600)} == {KILL}


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_is_opened_where_nothing_can_be_told_apart(machine):
    """Without Landlock no file can be opened at all."""
    audit, numbers = MACHINES[machine]
    code = program(machine, pid=PID, opening=False)
    assert decide(code, audit, numbers["openat"], (0, 0, 0)) == EPERM
    assert decide(code, audit, numbers["read"]) == ALLOW


def test_a_machine_that_we_have_no_table_for_is_left_alone():
    """On other architectures there is no filter, and no error."""
    assert not syscalls.available("riscv64")


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_the_kernels(machine):
    """The numbers of the calls are those of the kernel's own headers."""
    try:
        header = Path(HEADERS[machine]).read_text()
    except OSError:
        pytest.skip("the kernel's headers are not installed (linux-libc-dev)")
    pairs = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$", header, re.MULTILINE)
    theirs = {"newfstatat" if name == "fstatat" else name: int(number) for name, number in pairs}
    ours = MACHINES[machine].numbers
    missing = {name for name in ours if name not in theirs and ours[name] >= 424}  # headers older than the call
    assert {name: number for name, number in ours.items() if name not in missing} == {
        name: theirs[name] for name in ours if name not in missing
    }
