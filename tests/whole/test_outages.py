"""The database goes away in every way it can: the daemon waits, says so, and goes on; searches get a clear 503."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from asked import asked
from foliod.ingest.backlog import LEASE_SECONDS
from live import DEADLINE, Daemon, running, wait_for
from pgbouncer import MISSING, PROGRAM, PgBouncer
from places import temporary_dir
from proxy import Proxy, proxied
from stilled import servers, stilled

SAMPLES = Path(__file__).parents[1] / "samples"
ARTICLES = sorted(SAMPLES.glob("PMC*.pdf"))
LARGE = SAMPLES / "GeoTopo-komprimiert.pdf"
pytestmark = pytest.mark.timeout(500)

SOON = 20.0
"""Far more than the few seconds in which an answer must come, and far less than any time-out of a query."""

ERRORS = re.compile(r"crashed|broken|Traceback")

SOUND = {
    "no lease is left": "SELECT count(*) FROM foliod.documents WHERE lease_owner IS NOT NULL OR lease_until IS NOT NULL",
    "no attempt counts against a document": "SELECT count(*) FROM foliod.documents WHERE deaths > 0 OR state = 'failed'",
    "every page is there once": (
        "SELECT count(*) FROM foliod.documents d WHERE page_count IS DISTINCT FROM "
        "(SELECT nullif(count(*), 0) FROM foliod.pages p WHERE p.document_id = d.id)"
    ),
    "every chunk is counted": (
        "SELECT count(*) FROM foliod.documents d WHERE chunk_count <> "
        "(SELECT count(*) FROM foliod.chunks c JOIN foliod.chunk_terms t ON t.chunk_id = c.id WHERE c.document_id = d.id)"
    ),
    "the lexicon counts what is there": (
        "SELECT count(*) FROM (SELECT term, count(*) n FROM foliod.chunk_terms, unnest(terms) term GROUP BY term) found "
        "FULL JOIN foliod.lexicon known USING (term) WHERE found.n IS DISTINCT FROM known.chunks"
    ),
    "no document without a file": (
        "SELECT count(*) FROM foliod.documents d WHERE NOT EXISTS "
        "(SELECT FROM foliod.files f WHERE f.document_id = d.id AND f.gone_at IS NULL)"
    ),
}


def assert_sound(dsn: str) -> None:
    """Nothing is half there, doubled, or still claimed."""
    assert {name: asked(dsn, sql) for name, sql in SOUND.items()} == dict.fromkeys(SOUND, 0)


@contextlib.contextmanager
def over(url: str, config: str = "", **more: Any) -> Iterator[Daemon]:
    """A daemon whose database is at `url`."""
    with running(f'[database]\nurl = "{url}"\n{config}', **more) as daemon:
        try:
            yield daemon
        except BaseException:
            print(
                *(line for line in daemon.log_text().splitlines() if ERRORS.search(line)),
                daemon.log_text()[-4000:],
                sep="\n",
            )
            raise


def drop_copies(daemon: Daemon, count: int) -> None:
    """Drop articles that differ in their bytes."""
    for number in range(count):
        article = ARTICLES[number % len(ARTICLES)]
        part = daemon.inbox / f"{number}.part"
        part.write_bytes(article.read_bytes() + b"\n%% %d\n" % number)
        part.rename(daemon.inbox / f"{number:03}.pdf")


def assert_refused_soon(daemon: Daemon) -> None:
    """Search, question and list of documents get a 503 in JSON, soon, and so does readiness."""
    for method, path, body in (
        ("POST", "/v1/search", {"query": "virus"}),
        ("POST", "/v1/ask", {"question": "Which virus?"}),
        ("GET", "/v1/documents", None),
        ("GET", "/readyz", None),
    ):
        started = time.monotonic()
        answer = daemon.request(method, path, json=body)
        assert time.monotonic() - started < SOON, path
        assert answer.status_code == 503, (path, answer.text)
        if path == "/readyz":
            assert "PostgreSQL" in answer.json()["reasons"][0]
        else:
            error = answer.json()["error"]
            assert error["code"] == "database_unavailable"
            assert "PostgreSQL" in error["message"]


def assert_told(daemon: Daemon) -> None:
    """The status says that the database is away and that everything waits."""
    status = wait_for(lambda: (s := daemon.status())["database"]["reachable"] is False and s, seconds=SOON)
    assert "PostgreSQL" in status["database"]["error"]
    assert status["state"] == "waiting"
    assert [root["state"] for root in status["roots"]] == ["waiting"]
    wait_for(lambda: daemon.status()["backlog"]["waiting"])
    assert daemon.get("/healthz") == {"status": "alive"}


def assert_goes_on(daemon: Daemon, documents: int) -> None:
    """Searches work again, and everything that was dropped is read."""
    wait_for(lambda: daemon.request("GET", "/readyz").status_code == 200)
    # A claim that the server made, but of which the outage kept us from hearing, is free when its lease runs out; what
    # a transaction that was cut off has locked is so a minute later.
    daemon.wait_states(2 * LEASE_SECONDS + DEADLINE, stored=documents)
    assert daemon.search("virus")["hits"]
    wait_for(lambda: daemon.status()["database"]["error"] is None)


AWAY: dict[str, tuple[Callable[[Proxy], None], Callable[[Proxy], None]]] = {
    "refused": (Proxy.refuse, Proxy.accept),
    "silent": (Proxy.stall, Proxy.flow),
    "silent for good": (Proxy.stall, lambda proxy: (proxy.cut(), proxy.flow())),
}


@pytest.mark.parametrize("how", AWAY)
def test_a_database_that_goes_away_is_waited_for(dsn, how):
    """In the middle of the work the server is gone, or says nothing more: all wait, ask on, and end right."""
    away, back = AWAY[how]
    with proxied(dsn) as proxy, over(proxy.url) as daemon:
        drop_copies(daemon, 9)
        if how == "refused":
            daemon.drop(LARGE)
        wait_for(lambda: daemon.status()["counters"].get("documents_read", 0) >= 2)
        away(proxy)
        assert_refused_soon(daemon)
        assert_told(daemon)
        drop_copies(daemon, 11)
        connections = proxy.connections
        time.sleep(3)
        # With backoff: one who asks, and everybody else waits for it.
        assert proxy.connections - connections < 20
        before = len(daemon.log_text())
        back(proxy)
        assert_goes_on(daemon, 12 if how == "refused" else 11)
        assert_sound(dsn)
        events = [event["event"] for event in daemon.log_events()]
        assert events.count("database_away") == events.count("database_back") == 1
        assert events.count("waiting") < 20, daemon.log_text()[:before]
        assert daemon.stop() == 0


class Asker:
    """Somebody who searches all the time: every answer is hits or a clear 503."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.answers: list[tuple[int, str]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="asker")

    def _ask(self) -> None:
        with self.daemon.client() as client:
            while not self._stop.wait(0.1):
                try:
                    answer = client.post("/v1/search", json={"query": "virus"})
                except httpx.HTTPError as error:
                    self.answers.append((0, repr(error)))
                    return
                code = answer.json()["error"]["code"] if answer.status_code != 200 else ""
                self.answers.append((answer.status_code, code))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        assert set(self.answers) <= {(200, ""), (503, "database_unavailable")}, set(self.answers)


def test_connections_cut_at_any_byte_lose_nothing(dsn):
    """Connections reset in the middle of statements, COPY and transactions: everything is done once in the end."""
    random = Random(3)
    with proxied(dsn) as proxy, over(proxy.url) as daemon, Asker(daemon):
        drop_copies(daemon, 9)
        daemon.drop(LARGE)
        for number in range(8):
            proxy.cut_after(int(2 ** random.uniform(8, 18)))
            wait_for(lambda number=number: proxy.cuts > number or daemon.states() == {"stored": 10})
        proxy.cut_after(10**12)
        assert_goes_on(daemon, 10)
        assert proxy.cuts >= 4
        assert_sound(dsn)


def test_a_commit_whose_answer_is_lost_is_not_done_twice(dsn):
    """Whatever was committed without our knowing it is found, not repeated."""
    with proxied(dsn) as proxy, over(proxy.url) as daemon:
        proxy.lose_answer(b"COMMIT")
        drop_copies(daemon, 2)
        daemon.drop(LARGE)
        for number in range(1, 5):
            wait_for(lambda number=number: proxy.trapped == number)
            proxy.lose_answer(b"COMMIT")
        assert_goes_on(daemon, 3)
        assert_sound(dsn)
        assert asked(dsn, "SELECT count(*) FROM foliod.files") == 3


def test_connections_that_an_administrator_ends_are_made_anew(dsn):
    """Terminated backends and cancelled statements, again and again, cost a moment and blame no document."""
    ours = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'foliod'"
    with over(dsn) as daemon, Asker(daemon):
        drop_copies(daemon, 6)
        daemon.drop(LARGE)
        for number in range(8):
            what = "pg_terminate_backend" if number % 2 else "pg_cancel_backend"
            assert asked(dsn, f"SELECT count({what}(pid)) {ours}") >= 0
            time.sleep(0.5)
        assert_goes_on(daemon, 7)
        assert_sound(dsn)
        assert not daemon.log_events("database_away")


def test_too_few_connections_are_waited_for(empty_dsn):
    """A role that may have no more connections waits for them, with two everything gets done, and no document is to blame."""
    name = urlsplit(empty_dsn).path[1:]
    role = f"few_{name}"
    asked(empty_dsn, "CREATE EXTENSION vector")
    asked(empty_dsn, f"CREATE ROLE {role} LOGIN PASSWORD 'few' CONNECTION LIMIT 2")
    try:
        asked(empty_dsn, f"ALTER DATABASE {name} OWNER TO {role}")
        with proxied(empty_dsn) as proxy, over(proxy.url.replace("foliod@", f"{role}:few@")) as daemon:
            drop_copies(daemon, 2)
            daemon.wait_states(stored=2)
            asked(empty_dsn, f"ALTER ROLE {role} CONNECTION LIMIT 0")
            drop_copies(daemon, 4)

            def all_refused() -> bool:
                """End all connections, those too that were being made just now, and say whether that is told."""
                asked(
                    empty_dsn, f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{role}'"
                )
                told = "too many connections" in (daemon.status()["database"]["error"] or "")
                return told and daemon.request("POST", "/v1/search", json={"query": "x"}).status_code == 503

            wait_for(all_refused)
            asked(empty_dsn, f"ALTER ROLE {role} CONNECTION LIMIT 2")
            assert_goes_on(daemon, 4)
            assert_sound(empty_dsn)
    finally:
        asked(empty_dsn, f"REASSIGN OWNED BY {role} TO CURRENT_USER")
        asked(empty_dsn, f"DROP OWNED BY {role}")
        asked(empty_dsn, f"DROP ROLE {role}")


def test_a_database_that_becomes_read_only_is_still_searched(dsn):
    """While nothing can be written, as in a failover, searches go on, the status says why reading waits, and it goes on."""
    name = urlsplit(dsn).path[1:]
    ours = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with over(dsn) as daemon:
        drop_copies(daemon, 2)
        daemon.wait_states(stored=2)
        asked(dsn, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        asked(dsn, ours)
        drop_copies(daemon, 4)
        wait_for(
            lambda: (database := daemon.status()["database"])["reachable"] and "read-only" in (database["error"] or ""),
            why="the status to say that nothing can be written",
        )
        assert daemon.search("virus")["hits"]
        asked(f"{dsn}&options=-c%20default_transaction_read_only%3Doff", f"ALTER DATABASE {name} RESET ALL")
        asked(dsn, ours)
        assert_goes_on(daemon, 4)
        assert_sound(dsn)


def test_locks_that_are_not_given_free_are_waited_for(dsn):
    """With a lock time-out and rows locked by somebody else, reading waits and goes on; no attempt counts."""
    name = urlsplit(dsn).path[1:]
    asked(dsn, f"ALTER DATABASE {name} SET lock_timeout = '100ms'")
    with over(dsn) as daemon:
        with held(dsn, "LOCK TABLE foliod.chunks IN ACCESS EXCLUSIVE MODE"):
            drop_copies(daemon, 3)
            wait_for(lambda: "lock timeout" in (daemon.status()["database"]["error"] or ""))
        assert_goes_on(daemon, 3)
        assert_sound(dsn)


# --- starting ---------------------------------------------------------------------------


def test_a_start_cut_in_the_middle_of_a_migration_is_done_by_the_next(empty_dsn):
    """A connection cut while the schema is made leaves nothing half made; the daemon tries again and is ready."""
    with proxied(empty_dsn) as proxy, over(proxy.url, start=False) as daemon:
        proxy.cut_after(6000)
        daemon.start()
        assert proxy.cuts == 1
        assert daemon.log_events("waiting")[0]["task"] == "database"
        drop_copies(daemon, 1)
        assert_goes_on(daemon, 1)


def test_a_daemon_killed_in_the_middle_of_a_migration_leaves_it_to_the_next(empty_dsn):
    """Kill -9 while the schema is made: the next start makes all of it."""
    with proxied(empty_dsn) as proxy, over(proxy.url, start=False) as daemon:
        proxy.stall_after(6000)
        daemon.start(ready=False)
        wait_for(lambda: proxy.stalled)
        daemon.kill()
        assert asked(empty_dsn, "SELECT to_regclass('foliod.documents')::text") is None
        proxy.cut()
        proxy.flow()
        daemon.start()
        drop_copies(daemon, 1)
        assert_goes_on(daemon, 1)


def test_two_daemons_start_on_one_new_database(empty_dsn):
    """Two daemons started at the same moment set the database up once, and share the work."""
    with over(empty_dsn, start=False) as first, over(empty_dsn, start=False) as second:
        first.start(ready=False)
        second.start(ready=False)
        wait_for(lambda: first.is_ready() and second.is_ready())
        drop_copies(first, 4)
        drop_copies(second, 6)
        first.wait_states(stored=6)
        second.wait_states(stored=6)
        assert_sound(empty_dsn)
        applied = [event["number"] for daemon in (first, second) for event in daemon.log_events("migrated")]
        assert sorted(applied) == list(range(1, len(applied) + 1))


@contextlib.contextmanager
def held(dsn: str, sql: str = "SELECT 1") -> Iterator[None]:
    """Keep a connection in a transaction in which `sql` was run."""
    ready, done = threading.Event(), threading.Event()

    async def hold() -> None:
        connection = await asyncpg.connect(dsn)
        async with connection.transaction():
            # Whatever the database says: an autovacuum gives way after a second.
            await connection.execute("SET LOCAL lock_timeout = 0")
            await connection.execute(sql)
            ready.set()
            await asyncio.to_thread(done.wait)
        await connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(asyncio.run, hold())
        try:
            assert ready.wait(60)
            yield
        finally:
            done.set()
            holding.result()


# --- PgBouncer --------------------------------------------------------------------------


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_everything_works_behind_pgbouncer(empty_dsn, short_dir):
    """Behind PgBouncer in transaction mode documents are read and found, and killing it costs a wait only."""
    with PgBouncer(short_dir, empty_dsn, pool_size=2) as pooler, over(pooler.url) as daemon:
        drop_copies(daemon, 4)
        daemon.wait_states(stored=4)
        found = daemon.search("virus", limit=5)["hits"]
        assert found
        assert daemon.stop() == 0
        daemon.start()
        assert daemon.search("virus", limit=5)["hits"] == found
        with Asker(daemon):
            daemon.drop(LARGE)
            drop_copies(daemon, 8)
            wait_for(lambda: daemon.status()["counters"].get("documents_read", 0) >= 1)
            pooler.kill()
            assert_refused_soon(daemon)
            assert_told(daemon)
            pooler.start()
            assert_goes_on(daemon, 9)
        assert_sound(empty_dsn)


# --- the embedded server ----------------------------------------------------------------


def postmaster(daemon: Daemon) -> int:
    return int((daemon.state / "postgres/postmaster.pid").read_text().split()[0])


def test_the_embedded_server_killed_is_started_again():
    """Kill -9 of PostgreSQL, again and again in the middle of the work: it comes back, and everything ends right."""
    with running() as daemon, Asker(daemon):
        drop_copies(daemon, 9)
        daemon.drop(LARGE)
        for number in range(1, 4):
            wait_for(lambda number=number: daemon.status()["counters"].get("documents_read", 0) >= 2 * number)
            os.kill(postmaster(daemon), signal.SIGKILL)
            wait_for(lambda number=number: len(daemon.log_events("postgres_restarted")) == number)
        assert_goes_on(daemon, 10)
        assert_sound(embedded(daemon))
        # What the crashes left behind is removed, though PostgreSQL forgot how much that is.
        wait_for(lambda: daemon.log_events("cleaned_up"))


def test_a_frozen_server_is_told_and_waited_for():
    """An embedded PostgreSQL that hangs without dying is told like one that is gone."""
    with running() as daemon:
        drop_copies(daemon, 2)
        daemon.wait_states(stored=2)
        with stilled(lambda: servers(daemon)) as still:
            assert still
            assert_refused_soon(daemon)
            assert_told(daemon)
        drop_copies(daemon, 3)
        assert_goes_on(daemon, 3)
        assert_sound(embedded(daemon))


def embedded(daemon: Daemon) -> str:
    return f"postgresql://foliod@/foliod?host={daemon.state / 'postgres-run'}"


# --- the disk ---------------------------------------------------------------------------


class Mounted(Daemon):
    """A daemon that sees mounts of its own, which are gone with it."""

    mounts: str

    def command(self, *args: str) -> list[str]:
        return ["unshare", "-m", "sh", "-c", f'{self.mounts} && exec "$@"', "sh", *super().command(*args)]

    def inside(self, path: Path) -> Path:
        """The same place as the daemon sees it."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{path}")


def can_mount() -> bool:
    probe = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"]
    return (
        os.geteuid() == 0
        and shutil.which("unshare") is not None
        and subprocess.run(probe, check=False, capture_output=True).returncode == 0
    )


mounts = pytest.mark.skipif(not can_mount(), reason="only root with the right to mount can make a small disk")


@contextlib.contextmanager
def mounted(mounts: str, *, start: bool = True) -> Iterator[Mounted]:
    """A daemon for which the shell command `mounts` was run; it may say {state} and {inbox}."""
    with temporary_dir() as base:
        daemon = Mounted(base)
        daemon.state.mkdir()
        daemon.mounts = mounts.format(state=daemon.state, inbox=daemon.inbox)
        try:
            if start:
                daemon.start()
            yield daemon
        except BaseException:
            print(
                *(line for line in daemon.log_text().splitlines() if ERRORS.search(line)),
                daemon.log_text()[-4000:],
                sep="\n",
            )
            raise
        finally:
            daemon.end()


@mounts
def test_a_full_disk_is_told_and_waited_for():
    """When the disk fills up, the daemon stays, says that it is full, and goes on when there is room again."""
    with mounted("mount -t tmpfs -o size=400m,mode=711 none {state}") as daemon:
        drop_copies(daemon, 2)
        daemon.wait_states(stored=2)
        state = daemon.inside(daemon.state)
        fill(state / "filler")
        drop_copies(daemon, 12)
        daemon.drop(LARGE)
        full = "No space left on device"
        wait_for(lambda: full in (daemon.status()["database"]["error"] or ""))
        assert daemon.get("/healthz") == {"status": "alive"}
        # Where its log can't go on, PostgreSQL ends itself, and can't start again.
        server = f"postgresql://foliod@/foliod?host={state / 'postgres-run'}"

        def nothing_goes() -> bool:
            """Fill what a server that tried to start has freed, and say whether clients are told why nothing goes."""
            fill(state / "more")
            with contextlib.suppress(asyncpg.PostgresError, OSError):
                asked(server, "SELECT pg_switch_wal()::text")
            database = daemon.status()["database"]
            answer = daemon.request("POST", "/v1/search", json={"query": "virus"})
            refused = answer.status_code == 503 and full in answer.json()["error"]["message"]
            return refused and not database["reachable"] and full in (database["error"] or "")

        wait_for(nothing_goes)
        wait_for(lambda: daemon.log_events("postgres_not_restarted"))
        (state / "filler").unlink()
        (state / "more").unlink()
        assert_goes_on(daemon, 13)
        assert_sound(server)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        size = 1 << 20
        while size:
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                pass
            size //= 4


@pytest.mark.parametrize(
    "mounts", [pytest.param("", id="mode"), pytest.param("mount -t tmpfs -o ro none {state}", id="mount", marks=mounts)]
)
def test_a_state_folder_that_cannot_be_written_ends_the_start(mounts):
    """Before anything else it is said which folder can't be written and which setting to change, with exit code 2."""
    if not mounts and os.geteuid() == 0:
        pytest.skip("root may write everywhere; run the tests as an ordinary user")
    with mounted(mounts or "true", start=False) if mounts else running(start=False) as daemon:
        daemon.state.mkdir(exist_ok=True)
        daemon.state.chmod(0o711 if mounts else 0o500)
        result = daemon.cli("run", "--config", str(daemon.config))
        assert result.returncode == 2
        assert str(daemon.state) in result.stderr
        assert "set state_dir to a folder that you may write" in result.stderr
        assert "Traceback" not in result.stderr


@mounts
def test_a_read_only_folder_is_watched_like_any_other():
    """Nothing is ever written into a watched folder: one that is mounted read-only is read and found."""
    with mounted("mount --bind {inbox} {inbox} && mount -o remount,bind,ro {inbox}", start=False) as daemon:
        drop_copies(daemon, 2)
        before = sorted((path.name, path.stat().st_mtime_ns) for path in daemon.inbox.iterdir())
        daemon.start()
        with pytest.raises(OSError, match="Read-only"):
            (daemon.inside(daemon.inbox) / "x").touch()
        daemon.wait_states(stored=2)
        assert daemon.search("virus")["hits"]
        assert daemon.status()["roots"][0]["state"] == "ok"
        assert sorted((path.name, path.stat().st_mtime_ns) for path in daemon.inbox.iterdir()) == before
