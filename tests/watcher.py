"""Looks at a daemon under fire: what searches take meanwhile, what memory it and its readers need, when all is done."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any, Self

from live import Daemon
from stilled import command

MIB = 2**20


class Watcher(threading.Thread):
    """Asks all the time, as people do, and notes what it took, and what memory daemon and readers needed at most."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self.took: list[float] = []
        self.troubles: list[str] = []
        self.daemon_bytes = self.worker_bytes = 0
        self._daemon = daemon
        self._enough = threading.Event()

    def run(self) -> None:
        with self._daemon.client() as client:
            while not self._enough.wait(0.05):
                begun = time.perf_counter()
                answer = client.post("/v1/search", json={"query": "ordinary sentence of the book"})
                self.took.append(time.perf_counter() - begun)
                if answer.status_code != 200:
                    self.troubles.append(answer.text)
                self._look()

    def _look(self) -> None:
        pid = self._daemon.process.pid
        self.daemon_bytes = max(self.daemon_bytes, peak(pid))
        for child in children_of(pid):
            if b"worker_main" in command(child):
                self.worker_bytes = max(self.worker_bytes, peak(child))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self.join(60)

    def p95_ms(self) -> float:
        return sorted(self.took)[int(0.95 * len(self.took))] * 1000


def peak(pid: int) -> int:
    """The most memory that a process held so far, in bytes."""
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/status").read_text().splitlines():
            if entry.startswith("VmHWM:"):
                return int(entry.split()[1]) * 1024
    return 0


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def settled(daemon: Daemon, files: int) -> bool:
    """Whether so many files were taken, and no document waits any more."""
    status = daemon.status()
    busy = {state: n for state, n in status["documents"].items() if state in ("queued", "reading") and n}
    return status["files"] == files and not busy and not any(root["settling"] for root in status["roots"])


def documents(daemon: Daemon) -> dict[str, dict[str, Any]]:
    """All documents by each of their paths."""
    found: dict[str, dict[str, Any]] = {}
    cursor: dict[str, Any] = {}
    while True:
        page = daemon.get("/v1/documents", limit=100, **cursor)
        for document in page["documents"]:
            found.update(dict.fromkeys(document["paths"], document))
        if not page.get("cursor"):
            return found
        cursor = {"cursor": page["cursor"]}
