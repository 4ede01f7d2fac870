"""Takes from this process the system calls that reading needs not, by a seccomp filter (seccomp(2), bpf(4)).

What a library may try when it looks around is refused with EPERM. What only a taken-over process
would try - to start a program, to reach another process or the network, to make kernel objects
known for their flaws - ends it at once (SIGSYS).
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import NamedTuple

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_EPERM = 1
_ENOSYS = 38
_REFUSE = _ERRNO | _EPERM

_SET_MODE_FILTER = 1
_GET_ACTION_AVAILABLE = 2
_ALL_THREADS = 1

# BPF instructions (linux/bpf_common.h), and where seccomp_data holds what they look at.
_LOAD = 0x20
_AND = 0x54
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_RETURN = 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_X32 = 0x40000000
"""x86-64 kernels take the calls of the x32 ABI under these numbers, past a filter that knows only the others."""
_NEWER = 450
"""Calls from here on are younger than the table: refused as by a kernel that has none of them."""

_EXECUTE, _WRITE_EXECUTE = 0x4, 0x6
_ANONYMOUS = 0x20
_OUT_OF_BAND = 0x1
# Flags of open(2), the same on both architectures: to write, create, truncate, for a temporary file, or only a path.
_OPEN_OTHERWISE = 0x3 | 0x40 | 0x200 | 0x400000 | 0x200000
_THREAD = 0x10000
# CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NAMESPACES = 0x80 | 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000
# PR_SET_NAME, PR_GET_NAME, PR_SET_VMA: names of threads and of memory.
_NAMING = (15, 16, 0x53564D41)
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC. F_SETOWN and F_SETSIG could send the daemon a signal.
_DESCRIPTOR = (0, 1, 2, 3, 1030)
# TCGETS (is it a terminal?), TIOCGWINSZ, FIONBIO, FIONCLEX, FIOCLEX.
_DEVICE = (0x5401, 0x5413, 0x5421, 0x5450, 0x5451)
# TIOCSTI and TIOCLINUX type into a terminal.
_TYPING = (0x5412, 0x541C)


class _Test(NamedTuple):
    """Whether the bits `mask` of half an argument (its lower 32 bits, or its upper) are one of `values`."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    upper: bool = False


class _Clause(NamedTuple):
    """What happens when all tests hold."""

    action: int
    tests: tuple[_Test, ...]


class Machine(NamedTuple):
    """An architecture: its audit number, and the numbers that it gives to the calls."""

    audit: int
    numbers: dict[str, int]


def _numbers(table: str) -> dict[str, int]:
    words = table.split()
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)} | _COMMON


# From 424 on all architectures number alike.
_COMMON = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438, "faccessat2": 439, "mount_setattr": 442,
    "memfd_secret": 447,
}  # fmt: skip

MACHINES = {
    "x86_64": Machine(
        0xC000003E,
        _numbers("""
            read 0 write 1 close 3 stat 4 fstat 5 lstat 6 poll 7 lseek 8 mmap 9 mprotect 10 munmap 11 brk 12
            rt_sigaction 13 rt_sigprocmask 14 rt_sigreturn 15 ioctl 16 pread64 17 readv 19 writev 20 access 21
            select 23 sched_yield 24 mremap 25 madvise 28 dup 32 nanosleep 35 getpid 39 socket 41 connect 42
            accept 43 sendto 44 recvfrom 45 recvmsg 47 bind 49 listen 50 clone 56 fork 57 vfork 58 execve 59
            exit 60 kill 62 uname 63 fcntl 72 getcwd 79 readlink 89 gettimeofday 96 getrlimit 97 getrusage 98
            sysinfo 99 times 100 ptrace 101 getuid 102 getgid 104 geteuid 107 getegid 108 getppid 110
            rt_sigqueueinfo 129 sigaltstack 131 personality 135 modify_ldt 154 pivot_root 155 prctl 157 chroot 161
            mount 165 umount2 166 swapon 167 swapoff 168 reboot 169 iopl 172 ioperm 173 init_module 175
            delete_module 176 gettid 186 tkill 200 time 201 futex 202 sched_getaffinity 204 getdents64 217
            set_tid_address 218 restart_syscall 219 clock_gettime 228 clock_getres 229 clock_nanosleep 230
            exit_group 231 tgkill 234 kexec_load 246 add_key 248 request_key 249 keyctl 250 openat 257
            newfstatat 262 readlinkat 267 faccessat 269 pselect6 270 ppoll 271 unshare 272 set_robust_list 273
            accept4 288 rt_tgsigqueueinfo 297 perf_event_open 298 prlimit64 302 open_by_handle_at 304 setns 308
            getcpu 309 process_vm_readv 310 process_vm_writev 311 kcmp 312 finit_module 313 getrandom 318
            memfd_create 319 kexec_file_load 320 bpf 321 execveat 322 userfaultfd 323 statx 332 rseq 334
        """),
    ),
    "aarch64": Machine(
        0xC00000B7,
        _numbers("""
            getcwd 17 dup 23 fcntl 25 ioctl 29 umount2 39 mount 40 pivot_root 41 faccessat 48 chroot 51 openat 56
            close 57 getdents64 61 lseek 62 read 63 write 64 readv 65 writev 66 pread64 67 pselect6 72 ppoll 73
            readlinkat 78 newfstatat 79 fstat 80 personality 92 exit 93 exit_group 94 set_tid_address 96 unshare 97
            futex 98 set_robust_list 99 nanosleep 101 kexec_load 104 init_module 105 delete_module 106
            clock_gettime 113 clock_getres 114 clock_nanosleep 115 ptrace 117 sched_getaffinity 123
            sched_yield 124 restart_syscall 128 kill 129 tkill 130 tgkill 131 sigaltstack 132 rt_sigaction 134
            rt_sigprocmask 135 rt_sigqueueinfo 138 rt_sigreturn 139 reboot 142 times 153 uname 160 getrlimit 163
            getrusage 165 prctl 167 getcpu 168 gettimeofday 169 getpid 172 getppid 173 getuid 174 geteuid 175
            getgid 176 getegid 177 gettid 178 sysinfo 179 socket 198 bind 200 listen 201 accept 202 connect 203
            sendto 206 recvfrom 207 recvmsg 212 brk 214 munmap 215 mremap 216 add_key 217 request_key 218
            keyctl 219 clone 220 execve 221 mmap 222 swapon 224 swapoff 225 mprotect 226 madvise 233
            rt_tgsigqueueinfo 240 perf_event_open 241 accept4 242 prlimit64 261 open_by_handle_at 265 setns 268
            process_vm_readv 270 process_vm_writev 271 kcmp 272 finit_module 273 getrandom 278 memfd_create 279
            bpf 280 execveat 281 userfaultfd 282 statx 291 rseq 293 kexec_file_load 294
        """),
    ),
}
"""By the name that uname(2) gives to the machine; a call that one of them does not have is left out there."""

# What reading, Python's interpreter and imports, OCR and threads were seen to use, the most frequent first.
_FREE = """
    brk read close newfstatat fstat munmap write futex pread64 lseek mremap madvise readv writev
    clock_gettime getrandom sched_yield rt_sigprocmask rt_sigaction rt_sigreturn sigaltstack restart_syscall
    exit exit_group getpid gettid getppid getuid geteuid getgid getegid uname sysinfo times time gettimeofday
    getrusage getrlimit getcpu sched_getaffinity clock_getres clock_nanosleep nanosleep poll ppoll select pselect6
    set_robust_list set_tid_address rseq dup stat lstat statx access faccessat faccessat2 readlink readlinkat getcwd
    getdents64
""".split()

_DEADLY = """
    execve execveat fork vfork ptrace process_vm_readv process_vm_writev kcmp
    kill tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal pidfd_getfd
    socket connect bind listen accept accept4
    mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr
    unshare setns open_by_handle_at personality
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key
    memfd_create memfd_secret modify_ldt iopl ioperm swapon swapoff reboot
    kexec_load kexec_file_load init_module finit_module delete_module
""".split()


def _clauses(*, pid: int, opening: bool) -> dict[str, list[_Clause]]:
    """Return what happens at the calls that are judged by their arguments; EPERM when no clause holds."""
    in_band = _Clause(_ALLOW, (_Test(3, (0,), _OUT_OF_BAND),))
    only_read = _Clause(_ALLOW, (_Test(2, (0,), _OPEN_OTHERWISE),))
    return {
        # Out-of-band bytes on Unix sockets have been a way into the kernel (CVE-2025-38236).
        "sendto": [in_band],
        "recvfrom": [in_band],
        "recvmsg": [_Clause(_ALLOW, (_Test(2, (0,), _OUT_OF_BAND),))],
        # Code comes from Python's libraries alone, as with systemd's MemoryDenyWriteExecute.
        "mmap": [
            _Clause(_ALLOW, (_Test(2, (0,), _EXECUTE),)),
            _Clause(_ALLOW, (_Test(2, (_EXECUTE,), _WRITE_EXECUTE), _Test(3, (0,), _ANONYMOUS))),
        ],
        "mprotect": [_Clause(_ALLOW, (_Test(2, (0,), _EXECUTE),))],
        "openat": [only_read] if opening else [],
        "fcntl": [_Clause(_ALLOW, (_Test(1, _DESCRIPTOR),))],
        "ioctl": [_Clause(_KILL, (_Test(1, _TYPING),)), _Clause(_ALLOW, (_Test(1, _DEVICE),))],
        "prctl": [_Clause(_ALLOW, (_Test(0, _NAMING),))],
        # Limits may be asked for, of this process, not set.
        "prlimit64": [_Clause(_ALLOW, (_Test(0, (0, pid)), _Test(2, (0,)), _Test(2, (0,), upper=True)))],
        "tgkill": [_Clause(_ALLOW, (_Test(0, (pid,)),)), _Clause(_KILL, ())],
        "clone": [_Clause(_ALLOW, (_Test(0, (_THREAD,), _THREAD | _NAMESPACES),)), _Clause(_KILL, ())],
        # Its flags lie in memory, where no filter can look; the C library falls back on clone.
        "clone3": [_Clause(_ERRNO | _ENOSYS, ())],
    }


def program(machine: str, *, pid: int, opening: bool) -> bytes:
    """Return the filter for a machine as an array of struct sock_filter.

    Args:
        machine: a key of MACHINES.
        pid: the process that it is for; it may signal itself.
        opening: whether files may be opened to be read, for Landlock to decide which.
    """
    audit, numbers = MACHINES[machine]
    code = [
        _instruction(_LOAD, _ARCHITECTURE),
        *_unless(audit, _KILL),
        _instruction(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        code += [_instruction(_JUMP_AT_LEAST, _X32, 0, 1), _instruction(_RETURN, _KILL)]
    judged = _clauses(pid=pid, opening=opening)
    always = dict.fromkeys(_FREE, _ALLOW) | dict.fromkeys(_DEADLY, _KILL)
    actions = judged | {name: [_Clause(action, ())] for name, action in always.items()}
    for name, clauses in actions.items():
        if name in numbers:
            body = [instruction for clause in clauses for instruction in _clause(clause)]
            body.append(_instruction(_RETURN, _REFUSE))
            code += [_instruction(_JUMP_EQUAL, numbers[name], 0, len(body)), *body]
    code += [
        _instruction(_JUMP_AT_LEAST, _NEWER, 0, 1),
        _instruction(_RETURN, _ERRNO | _ENOSYS),
        _instruction(_RETURN, _REFUSE),
    ]
    return b"".join(code)


def available(machine: str | None = None) -> bool:
    """Whether this kernel takes filters that end a process, and the machine is one we know."""
    action = ctypes.c_uint32(_KILL)
    number = _seccomp_number(machine)
    return number > 0 and _libc.syscall(number, _GET_ACTION_AVAILABLE, 0, ctypes.byref(action)) == 0


def forbid_calls(*, opening: bool) -> None:
    """Let this process, all its threads, make no system call but those that reading needs.

    Needs PR_SET_NO_NEW_PRIVS. Cannot be undone.

    Raises:
        OSError: the kernel refused it.
    """
    code = program(os.uname().machine, pid=os.getpid(), opening=opening)
    buffer = ctypes.create_string_buffer(code, len(code))
    argument = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    if (done := _libc.syscall(_seccomp_number(None), _SET_MODE_FILTER, _ALL_THREADS, argument)) != 0:
        number = ctypes.get_errno() if done < 0 else 0
        msg = os.strerror(number) if number else f"thread {done} can't be held by the filter"
        raise OSError(number, msg)


_libc = ctypes.CDLL(None, use_errno=True)


def _seccomp_number(machine: str | None) -> int:
    """Return the number of seccomp(2), 0 where we have no table for the machine."""
    if struct.calcsize("P") != 8:
        return 0
    return {"x86_64": 317, "aarch64": 277}.get(machine or os.uname().machine, 0)


def _clause(clause: _Clause) -> list[bytes]:
    code: list[bytes] = [_instruction(_RETURN, clause.action)]
    # From the last test to the first, since each jumps over what follows it.
    for test in reversed(clause.tests):
        where = _ARGUMENTS + 8 * test.argument + 4 * test.upper
        ask = [_instruction(_LOAD, where)]
        if test.mask != 0xFFFFFFFF:
            ask.append(_instruction(_AND, test.mask))
        last = len(test.values) - 1
        for i, value in enumerate(test.values):
            ask.append(_instruction(_JUMP_EQUAL, value, last - i, len(code) if i == last else 0))
        code = ask + code
    return code


def _unless(value: int, action: int) -> list[bytes]:
    return [_instruction(_JUMP_EQUAL, value, 1, 0), _instruction(_RETURN, action)]


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, operand)
