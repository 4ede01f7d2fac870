"""Finds what an earlier embedded PostgreSQL left running on the same folder, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from foliod.base.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterable

log = structlog.get_logger()


@dataclass(frozen=True)
class Family:
    """What the processes of a server are known by: its folder, the name of its cluster, and its user."""

    data: Path
    cluster: str
    owner: int

    def running(self) -> tuple[list[int], list[int]]:
        """Return the pids of servers on the folder, and those of their children, also orphaned ones.

        Told by command line and owner, which /proc shows to everybody; working folder and program
        it hides from a root without CAP_SYS_PTRACE, as in most containers.
        """
        server = (b"-D", os.fsencode(self.data))
        child = f"postgres: {self.cluster}: ".encode()
        servers, children = [], []
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                command = Path(entry.path, "cmdline").read_bytes()
                name, *args = command.split(b"\0")
                if entry.stat().st_uid != self.owner:
                    continue
                if os.path.basename(name) == b"postgres" and tuple(args[:2]) == server:
                    servers.append(int(entry.name))
                elif command.startswith(child):
                    children.append(int(entry.name))
        return servers, children


async def end_leftovers(family: Family, steps: Iterable[tuple[signal.Signals, float]], *, patience: float) -> None:
    """End whatever still runs on the folder after `patience` seconds; the caller holds its lock, so nobody wants it.

    Each of `steps` is a signal and the seconds to wait after it. Then the pid file, if one is left, is
    stale: its number may be another program's by now. Raises EmbeddedServerError when something stays.
    """
    for number, seconds in ((None, patience), *steps):
        servers, others = family.running()
        # SIGINT means something else to a server's children, and orphans notice by themselves.
        for pid in servers if number is signal.SIGINT else servers + others:
            if number is not None:
                log.warning("postgres_leftover_stopped", pid=pid, signal=number.name)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        deadline = time.monotonic() + (seconds if servers or number is not signal.SIGINT else 0.5)
        while any(family.running()):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        else:
            (family.data / "postmaster.pid").unlink(missing_ok=True)
            return
    msg = f"an older PostgreSQL still runs on {family.data} and can't be stopped: pid {servers + others}"
    raise EmbeddedServerError(msg)
