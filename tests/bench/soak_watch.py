"""Looks at a daemon during a soak: what it holds, seen from outside; every line of its log; and what PostgreSQL grows to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from soak_faults import Excuses, backends

from foliod.base.conform import problems
from live import Daemon
from stilled import command
from watcher import MIB, children_of

LOOK_SECONDS = 1.0
TASKS_SECONDS = 2.0
STORE_SECONDS = 20.0
LOUD = frozenset({"warning", "error", "critical"})
REFUSALS = frozenset({"document_refused"})
"""What is logged of a file that is no good PDF."""

LOST_UNSEEN = "Future exception was never retrieved", "ConnectionDoesNotExistError"
"""What asyncpg leaves when PostgreSQL dies while a query is being cancelled for a client that hung up."""

STORE = """
SELECT pg_database_size(current_database()) AS database,
    (SELECT sum(pg_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'hnsw')
        AS hnsw,
    (SELECT sum(pg_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'gin')
        AS gin,
    (SELECT sum(n_dead_tup)::bigint FROM pg_stat_user_tables) AS dead,
    (SELECT sum(n_live_tup)::bigint FROM pg_stat_user_tables) AS live,
    (SELECT sum(autovacuum_count)::bigint FROM pg_stat_user_tables) AS vacuums,
    (SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()) AS temporary,
    (SELECT sum(size)::bigint FROM pg_ls_waldir()) AS wal,
    (SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '10 s')
        AS stuck,
    (SELECT count(*) FROM foliod.documents) AS documents
"""
TABLES = """
SELECT relname, pg_total_relation_size(relid) AS bytes, n_live_tup AS live, n_dead_tup AS dead
FROM pg_stat_user_tables ORDER BY 2 DESC LIMIT 12
"""


class Looks(threading.Thread):
    """Notes every second what the daemon and its children hold."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(name="looks", daemon=True)
        self.samples: list[dict[str, float]] = []
        """`at` in seconds since the beginning; memory in MiB."""
        self.store: list[dict[str, float]] = []
        self.began = time.monotonic()
        self._daemon = daemon
        self._ended = threading.Event()

    def run(self) -> None:
        tasks_at = store_at = 0.0
        while not self._ended.wait(LOOK_SECONDS):
            now = time.monotonic()
            with contextlib.suppress(OSError):
                sample = look(self._daemon.process.pid)
                if now - tasks_at >= TASKS_SECONDS:
                    tasks_at = now
                    with contextlib.suppress(httpx.HTTPError, KeyError):
                        sample["tasks"] = self._daemon.status()["tasks"]
                self.samples.append({"at": now - self.began} | sample)
            if now - store_at >= STORE_SECONDS and (found := store(self._daemon)):
                store_at = now
                self.store.append({"at": now - self.began} | found)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def look(pid: int) -> dict[str, float]:
    """Return what a daemon holds now.

    `own` is the memory that it has written itself. Pages of programs and libraries do not count, for which of them are
    private changes with who else runs the same Python.

    `files` are open files less the connections to PostgreSQL and to Ollama (`tcp`), which are kept for later use, and
    the two of each reader: they come and go with load.
    """
    memory = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value, *_ = line.split()
        memory[name.rstrip(":")] = int(value) / 1024
    children = children_of(pid)
    readers = [child for child in children if b"worker_main" in command(child)]
    connections = len(backends(pid))
    opened = kinds(pid)
    files, tcp = opened.total(), sum(number for kind, number in opened.items() if kind.startswith("tcp"))
    return {
        "rss": memory["Rss"],
        "own": memory["Private_Dirty"],
        "files_all": files,
        "files": files - connections - tcp - 2 * len(readers),
        "tcp": tcp,
        "connections": connections,
        "readers": len(readers),
        "children": len(children),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "readers_rss": sum(resident(child) for child in readers),
    }


def kinds(pid: int) -> Counter[str]:
    """Return how many files of which kind a process has open: sockets by their state and path, others by their path."""
    sockets = {}
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        sockets[fields[6]] = f"unix {fields[5]} {fields[7] if len(fields) > 7 else ''}"
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        sockets[fields[9]] = f"tcp {fields[3]}"
    found: Counter[str] = Counter()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            kind, _, number = os.readlink(entry.path).partition(":[")
            found[sockets.get(number.rstrip("]"), kind) if kind == "socket" else kind] += 1
    return found


def resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB
    return 0.0


def store(daemon: Daemon, sql: str = STORE) -> Any:
    """Return what the database holds, in bytes and rows; nothing while it is away."""

    async def ask() -> list[dict[str, Any]]:
        host = os.path.realpath(daemon.state / "postgres-run")
        connection = await asyncpg.connect(f"postgresql://foliod@/foliod?host={host}&port=5432", timeout=5)
        try:
            return [dict(row) for row in await connection.fetch(sql, timeout=20)]
        finally:
            await connection.close(timeout=5)

    try:
        rows = asyncio.run(ask())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return None
    if sql is TABLES:
        return rows
    state = sum(path.lstat().st_size for path in daemon.state.rglob("*") if path.is_file() and not path.is_symlink())
    return {key: float(value or 0) for key, value in rows[0].items()} | {"state": float(state)}


# --- the log ----------------------------------------------------------------------------


def accounts(daemon: Daemon, excuses: Excuses, expected: dict[str, frozenset[str]]) -> dict[str, Any]:
    """Account for every line of the log: `{lines, bytes, events, excused, unaccounted}`.

    A warning or an error is explained by a fault of its time, or by the content that it tells of.
    """
    events: Counter[str] = Counter()
    excused: Counter[str] = Counter()
    unaccounted: list[dict[str, Any]] = []
    text = daemon.log_text()
    lines = text.splitlines()
    for line in lines:
        try:
            record = json.loads(line)
            name, at = record["event"], datetime.fromisoformat(record["timestamp"]).timestamp()
        except (ValueError, KeyError, TypeError):
            # A traceback, or a warning of Python's or a library's.
            unaccounted.append({"event": "no record", "line": line[:1000]})
            continue
        events[name] += 1
        if str(record.get("logger")).startswith("foliod.") and (wrong := problems(record)):
            unaccounted.append({"event": "not as in the catalogue", "line": line[:1000], "wrong": wrong})
        elif record["level"] in LOUD or "exception" in record:
            if why := _explained(record, name, at, excuses, expected):
                excused[f"{name}: {why}"] += 1
            else:
                unaccounted.append(record)
    return {
        "lines": len(lines), "bytes": len(text.encode()), "events": dict(events.most_common()),
        "excused": dict(excused.most_common()), "unaccounted": unaccounted,
    }  # fmt: skip


def _explained(
    record: dict[str, Any], name: str, at: float, excuses: Excuses, expected: dict[str, frozenset[str]]
) -> str | None:
    """Return what explains a warning or an error, None when nothing does."""
    since = at
    if name == "repeated":
        # Told when the window of the repeats is over.
        name, since = record["of"], at - record["seconds"]
        record = record["subject"]
    if record.get("code") == "wait_timeout":
        return "did not want to wait for longer"
    if name.startswith(LOST_UNSEEN[0]) and LOST_UNSEEN[1] in name + record.get("exception", ""):
        return "a fault" if excuses.event("lost_unseen", since, at) else None
    sha = record.get("sha256", "?")
    if name in REFUSALS and any(record.get("state") in expected[known] for known in expected if known.startswith(sha)):
        return "as it should"
    return "a fault" if "exception" not in record and excuses.event(name, since, at) else None


# --- what it comes to -------------------------------------------------------------------


def windows(samples: list[dict[str, float]], since: float, count: int) -> list[dict[str, float]]:
    """Return the medians of all that was measured in `count` equal parts of the time after `since`."""
    later = [sample for sample in samples if sample["at"] >= since]
    if not later:
        return []
    span = (later[-1]["at"] - since) / count or 1.0
    parts: list[list[dict[str, float]]] = [[] for _ in range(count)]
    for sample in later:
        parts[min(int((sample["at"] - since) / span), count - 1)].append(sample)
    return [_median(part) for part in parts if part]


def _median(samples: list[dict[str, float]]) -> dict[str, float]:
    names = {name for sample in samples for name in sample}
    return {
        name: statistics.median(sample[name] for sample in samples if name in sample)
        for name in sorted(names)
    }  # fmt: skip


def slope(samples: list[dict[str, float]], name: str, since: float) -> float:
    """Return how much it grows in an hour: the median of the slopes between all pairs (Theil-Sen, robust)."""
    points = [(sample["at"], sample[name]) for sample in samples if sample["at"] >= since and name in sample]
    # Some hundred points are enough, and pairs are many.
    points = points[:: max(1, len(points) // 400)]
    slopes = [(y - b) / (x - a) for i, (a, b) in enumerate(points) for x, y in points[i + 1 :] if x > a]
    return 3600 * statistics.median(slopes) if slopes else 0.0
