"""A parser that a PDF has taken over: a real reading process, confined as ever, that does what attackers would.

    python -P tests/parasite.py reader NAME PLACES FD     instead of foliod.reading.worker_main
    python -P tests/parasite.py each PLACES               one forked and confined process for each deadly attempt

PLACES is a JSON object of paths, ports and process ids to attack.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

from foliod.base.model import DocumentFacts, Page, ReadSummary, Verdict
from foliod.base.version import EXTRACTOR
from foliod.reading import sandbox, syscalls, worker_main

libc = ctypes.CDLL(None, use_errno=True)
P: dict = {}
kept: list = []
X86 = platform.machine() == "x86_64"


def call(name: str, *args) -> int:
    """Make a system call by name; raise OSError when it is refused."""
    return checked(libc.syscall(NUMBERS[name], *[ctypes.c_long(a) if isinstance(a, int) else a for a in args]))


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


NUMBERS = syscalls.MACHINES.get(platform.machine(), syscalls.MACHINES["x86_64"]).numbers | (
    {"sendmsg": 46, "setsockopt": 54, "setuid": 105, "setpriority": 141, "timer_create": 222, "prctl": 157}
    if X86
    else {"sendmsg": 211, "setsockopt": 208, "setuid": 146, "setpriority": 140, "timer_create": 107, "prctl": 167}
)


def prepared_code(code: bytes) -> Callable[[], int]:
    """Return machine code as a function. To be made before the confinement, which forbids it."""
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    kept.append(memory)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)


# --- refused: attempts that fail while the process goes on ----------------------------------


def read_file(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def write_file(path: str) -> None:
    with open(path, "wb") as file:
        file.write(b"x")


def map_code(prot: int, flags: int) -> None:
    libc.mmap.restype = ctypes.c_void_p
    if libc.mmap(None, ctypes.c_size_t(4096), prot, flags, -1, ctypes.c_long(0)) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "refused")


def make_code() -> None:
    memory = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    checked(libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(4096), 5))


def own_signal(fd: int, command: int, value: int) -> None:
    fcntl.fcntl(fd, command, value)


def refused(document: int, daemon: socket.socket) -> dict[str, Callable[[], object]]:
    """Return the attempts by name; it has its own document and the socket to the daemon."""
    parent, wire = os.getppid(), daemon.fileno()
    return {
        "read /etc/passwd": lambda: read_file("/etc/passwd"),
        "read /etc/shadow": lambda: read_file("/etc/shadow"),
        "read another document": lambda: read_file(P["document"]),
        "read the token": lambda: read_file(P["token"]),
        "list the state folder": lambda: os.listdir(P["state"]),
        "list the root": lambda: os.listdir("/"),
        "read the daemon's memory": lambda: read_file(f"/proc/{parent}/mem"),
        "read the daemon's environment": lambda: read_file(f"/proc/{parent}/environ"),
        "read the daemon's descriptors": lambda: os.listdir(f"/proc/{parent}/fd"),
        "read its own memory": lambda: read_file("/proc/self/mem"),
        "a path alone": lambda: os.open("/etc/passwd", os.O_PATH),
        "write a file": lambda: write_file(P["new"]),
        "write beside the document": lambda: write_file(P["document"] + ".new"),
        "overwrite a document": lambda: os.open(P["document"], os.O_WRONLY),
        "truncate a document": lambda: os.truncate(P["document"], 0),
        "append to a library": lambda: os.open(sandbox.__file__, os.O_WRONLY | os.O_APPEND),
        "a temporary file": lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR),
        "make a folder": lambda: os.mkdir(P["new"]),
        "make a link": lambda: os.symlink("/etc/passwd", P["new"]),
        "make a hard link": lambda: os.link(P["document"], P["new"]),
        "make a pipe": lambda: os.mkfifo(P["new"]),
        "rename a document": lambda: os.rename(P["document"], P["new"]),
        "delete a document": lambda: os.unlink(P["document"]),
        "change a document's mode": lambda: os.chmod(P["document"], 0o777),
        "change a document's owner": lambda: os.chown(P["document"], 1, 1),
        "change a document's times": lambda: os.utime(P["document"], (1, 1)),
        "change its own document's mode": lambda: os.fchmod(document, 0o777),
        "write its own document": lambda: os.write(document, b"x"),
        "truncate its own document": lambda: os.ftruncate(document, 0),
        "lock its own document": lambda: fcntl.flock(document, fcntl.LOCK_SH),
        "change the folder": lambda: os.chdir("/tmp"),
        "more memory": lambda: resource.prlimit(0, resource.RLIMIT_AS, (-1, -1)),
        "more processor time": lambda: resource.prlimit(0, resource.RLIMIT_CPU, (10**6, 10**6)),
        "the daemon's limits": lambda: resource.prlimit(parent, resource.RLIMIT_AS),
        "outlive the daemon": lambda: checked(libc.prctl(1, ctypes.c_ulong(0), 0, 0, 0)),
        "be looked into": lambda: checked(libc.prctl(4, ctypes.c_ulong(1), 0, 0, 0)),
        "be root": lambda: call("setuid", 0),
        "go first": lambda: call("setpriority", 0, 0, -20),
        "a signal by way of a descriptor": lambda: own_signal(wire, fcntl.F_SETOWN, parent),
        "a deadly signal by way of a descriptor": lambda: own_signal(wire, 10, signal.SIGKILL),
        "a signal by way of a device call": lambda: fcntl.ioctl(wire, 0x8901, struct.pack("i", parent)),
        "writable code": lambda: map_code(7, 0x22),
        "anonymous code": lambda: map_code(5, 0x22),
        "make code": make_code,
        "hand over a descriptor": lambda: socket.send_fds(daemon, [b"x"], [document]),
        "out-of-band bytes": lambda: daemon.send(b"x", socket.MSG_OOB),
        "know the daemon by its socket": lambda: daemon.getsockopt(socket.SOL_SOCKET, 77, 4),
        "clone3": clone_in_another_way,
    }


def clone_in_another_way() -> None:
    arguments = ctypes.create_string_buffer(struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0))
    if call("clone3", arguments, 88) == 0:
        os._exit(0)


def allowed() -> dict[str, Callable[[], object]]:
    """Return what has to go on working."""

    def thread() -> None:
        done = []
        it = threading.Thread(target=done.append, args=(1,))
        it.start()
        it.join()
        assert done

    return {
        "threads": thread,
        "a library": lambda: __import__("colorsys"),
        "a compiled library": lambda: __import__("_bisect" if "_heapq" in sys.modules else "_heapq"),
        "time": lambda: (time.time(), time.sleep(0.001), time.process_time()),
        "chance": lambda: os.urandom(8),
        "memory": lambda: bytearray(50 << 20),
        "its own limits": lambda: resource.getrlimit(resource.RLIMIT_AS),
    }


# --- deadly: attempts that end the process ---------------------------------------------------


def deadly() -> dict[str, Callable[[], object]]:
    """Return the attempts by name. Signals are 0, which harms nobody where the filter is broken."""
    parent = os.getppid()
    shell = b"/bin/sh\0"

    def connect(family: int, where) -> None:
        socket.socket(family).connect(where)

    attempts: dict[str, Callable[[], object]] = {
        "run a shell": lambda: os.execv("/bin/sh", ["sh", "-c", "true"]),
        "run a shell by descriptor": lambda: call("execveat", -100, shell, 0, 0, 0),
        "fork": os.fork,
        "start a program": lambda: os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}),
        "clone a process": lambda: call("clone", signal.SIGCHLD, 0, 0, 0, 0),
        "clone into a namespace": lambda: call("clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0),
        "trace the daemon": lambda: call("ptrace", 16, parent, 0, 0),
        "be traced": lambda: call("ptrace", 0, 0, 0, 0),
        "read the daemon's memory by call": lambda: call("process_vm_readv", parent, 0, 0, 0, 0, 0),
        "write the daemon's memory by call": lambda: call("process_vm_writev", parent, 0, 0, 0, 0, 0),
        "kill the daemon": lambda: os.kill(parent, 0),
        "kill the group": lambda: os.kill(0, 0),
        "kill a thread of the daemon": lambda: call("tgkill", parent, parent, 0),
        "kill a thread, the old way": lambda: call("tkill", parent, 0),
        "queue a signal": lambda: call("rt_sigqueueinfo", parent, 0, 0),
        "a handle of the daemon": lambda: os.pidfd_open(parent),
        "a signal by handle": lambda: call("pidfd_send_signal", 0, 0, 0, 0),
        "a descriptor of the daemon": lambda: call("pidfd_getfd", 0, 0, 0),
        "connect to a port": lambda: connect(socket.AF_INET, ("127.0.0.1", P["port"])),
        "connect to the daemon": lambda: connect(socket.AF_UNIX, P["socket"]),
        "connect to PostgreSQL": lambda: connect(socket.AF_UNIX, P["postgres"]),
        "send a datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
        "a raw socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
        "talk to the kernel": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "listen": lambda: socket.create_server(("127.0.0.1", 0)),
        "mount": lambda: call("mount", 0, 0, 0, 0, 0),
        "change the root": lambda: os.chroot("/"),
        "leave its namespaces": lambda: call("unshare", 0x10000000),
        "enter a namespace": lambda: call("setns", 0, 0),
        "open by handle": lambda: call("open_by_handle_at", -100, 0, 0),
        "bpf": lambda: call("bpf", 0, 0, 0),
        "perf": lambda: call("perf_event_open", 0, 0, -1, -1, 0),
        "userfaultfd": lambda: call("userfaultfd", 0),
        "io_uring": lambda: call("io_uring_setup", 1, 0),
        "keys": lambda: call("keyctl", 0, 0, 0, 0, 0),
        "a file in memory": lambda: os.memfd_create("x"),
        "another personality": lambda: call("personality", 0x400000),
        "type into a terminal": lambda: fcntl.ioctl(0, 0x5412, b"x"),
        "load a module": lambda: call("finit_module", 0, 0, 0),
    }
    if X86:
        attempts |= {
            "a call of another ABI": lambda: checked(libc.syscall(0x40000000 + 39)),
            "a call of another architecture": old_getpid,
            "vfork": lambda: call("vfork"),
        }
    return attempts


if X86:
    old_getpid = prepared_code(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret: getpid of i386


# --- the two ways to run ---------------------------------------------------------------------


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, ValueError, ImportError, AssertionError, MemoryError) as error:
        return type(error).__name__
    return "done"


class Huge:
    """A document with more text than there is room for, each page as long as allowed, and no sentence in it."""

    pages = 500
    repaired = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read_page(self, number: int, max_chars: int) -> Page:
        return Page(number, Verdict.TEXT, "word 😀 sentence. " * (max_chars // 17), 1, 1, 0)

    def facts(self, first) -> DocumentFacts:
        return DocumentFacts(pages=self.pages)

    def count_pages(self) -> int:
        return self.pages

    def trouble(self) -> None:
        return None


def as_reader(name: str, fd: int) -> None:
    """Read as ever, but for what is done once the document is there."""
    daemon = socket.socket(fileno=fd)
    if name == "huge":
        worker_main.open_document = lambda *_: Huge()
        worker_main.main(fd)
        return

    def read(document: int, job, stored):
        yield DocumentFacts(pages=1 if name != "flood" else 10_000)
        for number in range(1, 60 if name == "flood" else 1):
            yield Page(number, Verdict.TEXT, "x" * job.limits.max_page_chars, 1, 1, 0)
        if name == "refused":
            found = {what: outcome(attempt) for what, attempt in refused(document, daemon).items()}
            found |= {f"may: {what}": outcome(attempt) for what, attempt in allowed().items()}
            yield Page(1, Verdict.TEXT, json.dumps(found), 1, 1, 0)
        elif name in {"deaf", "busy"}:
            yield Page(1, Verdict.TEXT, "one page", 1, 1, 0)
            for number in range(1, 65 if name == "deaf" else 1):
                with contextlib.suppress(OSError, ValueError):
                    signal.signal(number, signal.SIG_IGN)
            while True:
                pass
        else:
            outcome(deadly()[name])
            yield Page(1, Verdict.TEXT, "still here", 1, 1, 0)
        yield ReadSummary(1, None, EXTRACTOR)

    worker_main.read = read
    worker_main.main(fd)
    daemon.detach()


def each() -> None:
    """Print a JSON object of attempt and end: a signal's number, or what came of it."""
    results = {}
    for name, attempt in deadly().items():
        sys.stdout.flush()
        said, says = os.pipe()
        if not (child := os.fork()):
            with contextlib.suppress(BaseException):
                sandbox.begin(keep=says)
                sandbox.limit_memory(1024, 0)
                sandbox.confine()
                os.write(says, b"confined, then ")
                os.write(says, outcome(attempt).encode())
            os._exit(7)
        os.close(says)
        status = os.waitpid(child, 0)[1]
        with open(said, "rb") as file:
            results[name] = f"{file.read().decode()}{os.waitstatus_to_exitcode(status)}"
    print(json.dumps(results))


if __name__ == "__main__":
    if sys.argv[1] == "each":
        P |= json.loads(sys.argv[2])
        each()
    else:
        P |= json.loads(sys.argv[3])
        as_reader(sys.argv[2], int(sys.argv[4]))
