"""Processes of a daemon that a test has stand still, so that what it waits for stays as it is."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from live import Daemon, wait_for


def command(pid: int) -> bytes:
    """The command line of a process; empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def readers(daemon: Daemon) -> list[int]:
    """The processes that read PDFs for a daemon."""
    return sorted(pid for pid in daemon.look() if b"worker_main" in command(pid))


def servers(daemon: Daemon) -> list[int]:
    """All processes of a daemon's own PostgreSQL."""
    # By its first word: some say `postgres: …`, and readers and shells may name it further on.
    return sorted(pid for pid in daemon.look() if b"postgres" in command(pid).partition(b"\0")[0])


def state_of(pid: int) -> str:
    """One letter for what a process does, as in proc(5); empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def stop(pids: list[int]) -> None:
    """Have processes stand still; returns when they do."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(state_of(pid) in ("T", "Z", "") for pid in pids), why="processes to stand still")


def go_on(pids: list[int]) -> None:
    """Let processes go on, those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def stilled(find: Callable[[], list[int]]) -> Iterator[list[int]]:
    """All processes that `find` finds stand still while the body runs, those too that one of them has just begun."""
    still: list[int] = []
    try:
        while more := [pid for pid in find() if pid not in still]:
            still += more
            stop(more)
        yield still
    finally:
        go_on(still)
