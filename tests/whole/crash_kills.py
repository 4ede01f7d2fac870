"""Kills parts of a running daemon, and keeps count of what it did before."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from collections import Counter
from pathlib import Path

import httpx

from live import Daemon
from stilled import command

WAYS = {"daemon": 40, "worker": 20, "backend": 14, "postmaster": 14, "everything": 12}
"""What is killed, and how often compared with the others."""


class Killer:
    """Kill -9 for the daemon, a reading process, PostgreSQL, one of its processes, or all at once."""

    def __init__(self, daemon: Daemon, seed: str) -> None:
        self.daemon = daemon
        self.kills: Counter[str] = Counter()
        self.counters: Counter[str] = Counter()
        """What all daemons counted until they were killed, as far as could be asked."""
        self.ended_by_itself: list[str] = []
        self.uncounted: list[str] = []
        """Kills before which the daemon could not be asked."""
        self.segments: set[Path] = set()
        """The shared memory of the servers that ran."""
        self._dice = random.Random(seed)

    def patience(self) -> int | None:
        """Return how many pages may be read before the next kill; None after a pause in which a start gets nowhere."""
        if self._dice.random() < 0.3:
            time.sleep(self._dice.uniform(0, 1.2))
            return None
        return self._dice.randint(80, 550)

    def aims(self) -> bool:
        """Say whether the next kill waits for a document that is half read."""
        return self._dice.random() < 0.5

    def strike(self) -> None:
        """Kill something that runs; a daemon that is gone is started again."""
        (way,) = self._dice.choices(list(WAYS), list(WAYS.values()))
        self.see_that_it_runs()
        family = self.daemon.look()
        servers = [pid for pid in family if Path(os.fsdecode(command(pid).split(b"\0")[0])).name == "postgres"]
        for pid in servers:
            self.segments |= shared_memory(pid)
        victims = {
            "worker": [pid for pid in family if b"worker_main" in command(pid)],
            "backend": [pid for pid in family if command(pid).startswith(b"postgres: ")],
            "postmaster": servers,
        }.get(way)
        if victims is None:
            self.count()
            if way == "everything":
                for pid in family:
                    kill(pid)
            self.daemon.process.kill()
            self.daemon.process.wait(60)
            time.sleep(self._dice.choice([0, 0, self._dice.uniform(0, 0.5)]))
            self.daemon.start(ready=False)
        elif not victims:
            return
        else:
            kill(self._dice.choice(sorted(victims)))
        self.kills[way] += 1

    def see_that_it_runs(self) -> None:
        """Start it again when it ended, which it should not do by itself."""
        code = self.daemon.process.poll()
        if code is not None:
            self.ended_by_itself.append(f"exit code {code}: {self.daemon.log_text().splitlines()[-3:]}")
            self.daemon.start(ready=False)

    def count(self) -> None:
        """Add what the daemon counted since it started; nothing when its door is not open yet."""
        if not self.daemon.is_alive():
            return
        try:
            with self.daemon.client(timeout=10) as client:
                self.counters.update(client.get("/v1/status").json()["counters"])
        except httpx.TransportError as error:
            self.uncounted.append(repr(error))


def shared_memory(pid: int) -> set[Path]:
    with contextlib.suppress(OSError):
        return {Path(path) for path in re.findall(r"/dev/shm/PostgreSQL\.\d+", Path(f"/proc/{pid}/maps").read_text())}
    return set()


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
