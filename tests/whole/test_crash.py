"""Kill -9 at random instants while somebody works in the folder: nothing is lost, nothing is done twice.

FOLIOD_CRASH_KILLS sets how often (16 when it is not set), FOLIOD_CRASH_SEED repeats a run as far as
the machine lets it be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import random
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from crash_folder import Folder, contents
from crash_kills import Killer

import plain_http
from foliod.base.config import Ingest
from foliod.base.errors import DatabaseUnavailableError, DocumentRefusedError
from foliod.base.model import Page, ReadSummary
from foliod.ingest.progress import PAGES_A_WRITE
from foliod.ingest.workers import ReadLimits
from foliod.reading import wire, worker_main
from foliod.store.check import Running, check, snapshot
from live import Daemon, running, wait_for
from ollama_process import ollama_at

KILLS = int(os.environ.get("FOLIOD_CRASH_KILLS", "16"))
SEED = os.environ.get("FOLIOD_CRASH_SEED") or secrets.token_hex(4)
EMBED_SECONDS = 0.03
"""Every request to embed takes so long, whatever it holds."""
WASTE = 0.10
WASTE_A_KILL = PAGES_A_WRITE // 2
"""So many pages, and texts, may be done again for each kill: half of those that are stored at once, however little a
slow machine does between two kills."""
SETTLE_SECONDS = 500.0 + KILLS

FED = "SELECT count(*) > 8 FROM foliod.documents WHERE state IN ('queued', 'reading')"
"""Whether there is enough to do."""
LONGEST_WORK = 20.0
HALF_READ = """
SELECT EXISTS (SELECT 1 FROM foliod.documents d JOIN foliod.pages p ON p.document_id = d.id WHERE d.state = 'reading')
"""

CONFIG = """
[ollama]
url = "{url}"
embed_model = "mxbai-embed-large"
chat_model = "deepseek-r1:8b"

[ingest]
workers = 1
sweep_seconds = 2
grace_seconds = 4
max_attempts = 1000
"""

LEDGER = """
CREATE TABLE public.crash_pages (sha256 bytea, number integer);
CREATE TABLE public.crash_vectors (text_hash bytea);
CREATE FUNCTION public.crash_page() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.crash_pages SELECT d.sha256, f.number
    FROM fresh f JOIN foliod.documents d ON d.id = f.document_id; RETURN NULL; END $$;
CREATE FUNCTION public.crash_vector() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.crash_vectors SELECT text_hash FROM fresh; RETURN NULL; END $$;
CREATE TRIGGER crash_page AFTER INSERT ON foliod.pages REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION public.crash_page();
CREATE TRIGGER crash_vector AFTER INSERT ON foliod.embeddings REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION public.crash_vector();
"""
"""Notes in the same transaction every page and vector that is stored, also of documents that are forgotten later:
what was committed once is what an undisturbed run needs, and what was committed twice is work done again."""


@pytest.fixture
def ollama() -> Iterator[str]:
    """The stand-in for Ollama, in a process of its own, none too quick; yields its address."""
    with ollama_at() as url:
        plain_http.post(f"{url}/_fault", json={"hang": EMBED_SECONDS})
        yield url


@pytest.mark.timeout(900 + 30 * KILLS)
def test_killed_at_any_instant_nothing_is_lost_or_done_twice(ollama, capsys):
    """After kill -9 of daemon, reader and PostgreSQL at random, the store equals the folder, and little was done again."""
    print(f"FOLIOD_CRASH_SEED={SEED} FOLIOD_CRASH_KILLS={KILLS}")
    with running(CONFIG.format(url=ollama), start=False, fresh=True) as daemon:
        killer = Killer(daemon, f"{SEED} kills")
        folder = Folder(daemon.inbox, f"{SEED} folder")
        start_with_kills(killer)
        folder.start()
        try:
            began, checks = time.monotonic(), 0
            while killer.kills.total() < KILLS:
                asyncio.run(work(killer, folder))
                if killer.kills.total() % 3 == 0:
                    checks += check_meanwhile(daemon)
                killer.strike()
        finally:
            folder.stop()
            keep_log(daemon)
        killer.strike()
        worked = time.monotonic() - began
        expected = contents(daemon.inbox)
        settle(killer, expected)
        killer.count()
        figures = compare(daemon, expected)
        figures |= account(daemon, killer, ollama)
        figures |= {"seconds": round(worked), "settled_in": round(time.monotonic() - began - worked), "checks": checks}
        figures |= {
            "uncounted": killer.uncounted,
            "kills": dict(killer.kills),
            "done": dict(sorted(folder.done.items())),
        }
        with capsys.disabled():
            print("\n" + json.dumps(figures))
            keep_log(daemon)
        assert killer.ended_by_itself == []
        assert daemon.stop() == 0
        nothing_is_left(daemon)
        assert {path for path in killer.segments if path.exists()} == set()


# --- the run ----------------------------------------------------------------------------


def start_with_kills(killer: Killer) -> None:
    """The first start is killed in the middle of making the database; then it is let make it."""
    daemon, dice = killer.daemon, random.Random(f"{SEED} start")
    for _ in range(1 + KILLS // 50):
        daemon.start(ready=False)
        time.sleep(dice.uniform(0.3, 2.0))
        killer.daemon.kill()
        killer.kills["first start"] += 1
    daemon.start()
    ask(daemon, LEDGER)


async def work(killer: Killer, folder: Folder) -> None:
    """Let some work be done before the next kill: none, or some hundred pages, and often up to a moment that costs much.

    Measured in pages and not in seconds, so that a slow machine loses no more of its work than a quick one.
    """
    if (pages := killer.patience()) is None:
        return
    end, goal, aimed = time.monotonic() + LONGEST_WORK, None, killer.aims()
    while time.monotonic() < end:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            if not postgres_listens(killer.daemon):
                await asyncio.sleep(0.1)
                continue
            connection = await asyncpg.connect(address(killer.daemon), timeout=5)
            try:
                while time.monotonic() < end:
                    done = await connection.fetchval("SELECT count(*) FROM public.crash_pages")
                    folder.fed = await connection.fetchval(FED)
                    goal = done + pages if goal is None else goal
                    if done >= goal and not (aimed and not await connection.fetchval(HALF_READ)):
                        return
                    await asyncio.sleep(0.02)
            finally:
                await connection.close(timeout=5)


def settle(killer: Killer, expected: dict[Path, str]) -> None:
    """Wait until the store is as the folder; waiting for another attempt is cut short."""
    daemon = killer.daemon
    killer.see_that_it_runs()
    wait_for(daemon.is_ready, why="the daemon to be ready after the last kill")
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        ask(daemon, "UPDATE foliod.documents SET next_attempt_at = now() WHERE next_attempt_at > now() + '5 s'")
        found, busy = stored(daemon)
        if found == {os.fsencode(path): sha256 for path, sha256 in expected.items()} and not busy:
            return
        if time.monotonic() > end:
            ours = {os.fsencode(path): sha256 for path, sha256 in expected.items()}
            wrong = {path for path in found.keys() | ours.keys() if found.get(path) != ours.get(path)}
            raise AssertionError(
                f"not settled: {len(wrong)} files differ {sorted(wrong)[:5]}, busy {busy}\n{tail(daemon)}"
            )
        time.sleep(0.5)


def stored(daemon: Daemon) -> tuple[dict[bytes, str], list[Any]]:
    """Return what the store knows to lie where, and the documents that are not at their end or without a place."""
    files = ask(
        daemon,
        "SELECT f.path, encode(d.sha256, 'hex') AS sha256, f.gone_at, f.reason FROM foliod.files f"
        " LEFT JOIN foliod.documents d ON d.id = f.document_id",
    )
    busy = ask(
        daemon,
        "SELECT id, state, lease_owner, attempts, deaths, unplaced_at FROM foliod.documents d"
        " WHERE state NOT IN ('ready', 'not_pdf')"
        " OR NOT EXISTS (SELECT 1 FROM foliod.files f WHERE f.document_id = d.id)",
    )
    return {row["path"]: row["gone_at"] or row["reason"] or row["sha256"] for row in files}, [dict(row) for row in busy]


# --- what must hold at the end ----------------------------------------------------------


def compare(daemon: Daemon, expected: dict[Path, str]) -> dict[str, Any]:
    """The store holds what an undisturbed reading of the folder gives, to the letter, and no row more."""
    documents = {
        row["sha256"].hex(): row for row in ask(daemon, "SELECT id, sha256, state, page_count FROM foliod.documents")
    }
    assert documents.keys() == set(expected.values())
    texts = pages = 0
    hashes = set()
    for sha256, path in {sha256: path for path, sha256 in expected.items()}.items():
        document = documents[sha256]
        state, read, chunks = undisturbed(path)
        assert document["state"] == state, path
        rows = ask(
            daemon, "SELECT number, verdict, text FROM foliod.pages WHERE document_id = $1 ORDER BY 1", document["id"]
        )
        assert [tuple(row) for row in rows] == [(p.number, str(p.verdict), p.text) for p in read], path
        rows = ask(daemon, "SELECT ordinal, text FROM foliod.chunks WHERE document_id = $1 ORDER BY 1", document["id"])
        assert [row["text"] for row in rows] == chunks, path
        hashes.update(hashlib.sha256(text.encode()).digest() for text in chunks)
        pages, texts = pages + len(read), texts + len(chunks)
    # Vectors that came after their document was forgotten are looked for at every start.
    assert daemon.stop() == 0
    daemon.start()
    wait_for(
        lambda: ask(daemon, "SELECT count(*) FROM foliod.embeddings")[0][0] <= len(hashes), why="vectors to be tidied"
    )
    assert {row["text_hash"] for row in ask(daemon, "SELECT text_hash FROM foliod.embeddings")} == hashes
    report = asyncio.run(checked(daemon))
    assert report.findings == []
    answer = json.loads(daemon.cli("doctor", "--deep", "--json").stdout)
    assert answer["store"]["findings"] == []
    return {"files": len(expected), "documents": len(documents), "pages": pages, "texts": texts}


def undisturbed(path: Path) -> tuple[str, list[Page], list[str]]:
    """Read a file from the first page to the last: its state, its pages and its chunks."""
    settings = Ingest()
    names = {field.name for field in dataclasses.fields(ReadLimits)}
    limits = ReadLimits(
        **{name: getattr(settings, name, None) for name in names} | {"memory_mb": settings.worker_memory_mb}
    )
    fd = os.open(path, os.O_RDONLY)
    try:
        events = list(worker_main.read(fd, wire.Job(str(path), 0, limits), []))
    except DocumentRefusedError as refusal:
        return str(refusal.state), [], []
    finally:
        os.close(fd)
    assert isinstance(events[-1], ReadSummary)
    pages = [event for event in events if isinstance(event, Page)]
    return "ready", pages, [event[0].text for event in events if isinstance(event, tuple)]


def account(daemon: Daemon, killer: Killer, ollama: str) -> dict[str, Any]:
    """What was committed once was not done again, and what was lost on the way is little."""
    pages = Counter(tuple(row) for row in ask(daemon, "SELECT sha256, number FROM public.crash_pages"))
    vectors = Counter(row["text_hash"] for row in ask(daemon, "SELECT text_hash FROM public.crash_vectors"))
    changed = {event["sha256"] for event in daemon.log_events("document_postponed") if "read again" in event["reason"]}
    again = {(sha256.hex()[:12], number) for (sha256, number), count in pages.items() if count > 1}
    assert {page for page in again if page[0] not in changed} == set()
    assert [text for text, count in vectors.items() if count > 1] == []
    parsed, embedded = killer.counters["pages_parsed"], plain_http.get(f"{ollama}/_counts").json()["embedded_texts"]
    resumed = [event for event in daemon.log_events("document_read") if event["resumed_after"]]
    figures = {
        "resumed": len(resumed), "parsed": parsed, "pages_needed": len(pages), "pages_wasted": round(parsed / len(pages) - 1, 3),
        "embedded": embedded, "texts_needed": len(vectors), "texts_wasted": round(embedded / len(vectors) - 1, 3),
    }  # fmt: skip
    least = WASTE_A_KILL * killer.kills.total()
    assert parsed <= len(pages) + max(WASTE * len(pages), least), figures
    assert embedded <= len(vectors) + max(WASTE * len(vectors), least), figures
    return figures


def nothing_is_left(daemon: Daemon) -> None:
    """No process, no server, no lock that is held, no temporary file."""
    wait_for(lambda: not daemon.children(), why="all processes to end")
    assert not [path for path in daemon.inbox.rglob("*") if path.is_file() and path.suffix != ".pdf"]
    there = {path.name for path in daemon.state.iterdir()} - {"host", "lock", "postgres", "postgres.lock", "token"}
    assert {name for name in there if not name.startswith("postgresql-")} == set()
    assert not daemon.socket.exists()
    for name in ("lock", "postgres.lock"):
        with (daemon.state / name).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not (daemon.state / "postgres" / "postmaster.pid").exists()


# --- the store, asked behind the daemon's back ------------------------------------------


def address(daemon: Daemon) -> str:
    return f"postgresql://foliod@/foliod?host={os.path.realpath(daemon.state / 'postgres-run')}&port=5432"


def ask(daemon: Daemon, sql: str, *args: Any) -> list[Any]:
    """Run SQL; while PostgreSQL is away it is waited for."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(address(daemon), timeout=10)
        try:
            return await connection.fetch(sql, *args) if args or ";" not in sql else await connection.execute(sql)
        finally:
            await connection.close(timeout=5)

    def tried() -> tuple[list[Any]] | None:
        if postgres_listens(daemon):
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return (asyncio.run(run()),)
        return None

    return wait_for(tried, why="PostgreSQL to answer")[0]


def postgres_listens(daemon: Daemon) -> bool:
    # Asked with a plain socket, because asyncpg leaks the one that was refused.
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(f"{os.path.realpath(daemon.state / 'postgres-run')}/.s.PGSQL.5432") == 0


def check_meanwhile(daemon: Daemon) -> bool:
    """At every instant the store is sound, if PostgreSQL can be asked; say whether it could."""
    if not postgres_listens(daemon):
        return False
    try:
        report = asyncio.run(checked(daemon))
    except (DatabaseUnavailableError, OSError, httpx.TransportError):
        return False
    assert [finding for finding in report.findings if not finding.passing] == [], tail(daemon)
    return True


async def checked(daemon: Daemon) -> Any:
    """Check the store; claims of dead daemons too, once the one that runs has freed them."""
    running = None
    if daemon.is_alive() and daemon.request("GET", "/readyz").status_code == 200:
        host = (daemon.state / "host").read_text().strip()
        running = Running(host, daemon.process.pid, 60.0)
    async with snapshot(address(daemon)) as tx:
        return await check(tx, running=running)


def keep_log(daemon: Daemon) -> None:
    if path := os.environ.get("FOLIOD_CRASH_LOG"):
        Path(path).write_text(daemon.log_text())


def tail(daemon: Daemon) -> str:
    return daemon.log_text()[-3000:]
