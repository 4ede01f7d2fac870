"""`foliod backup` and `foliod restore`: the same answers afterwards, nothing read or embedded again, nothing half done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest

from asked import asked
from foliod.start.preserve import _host
from foliod.store.archive import Contents, _complaint
from live import Daemon, running, wait_for
from ollama_process import Ollama, ollama_running
from pgbouncer import MISSING, PROGRAM, PgBouncer
from tls_server import authority, needs_openssl, tls_before

SAMPLES = Path(__file__).parents[1] / "samples"
SMALL = [SAMPLES / name for name in ("PMC7068164.pdf", "PMC7079436.pdf", "pdflatex-4-pages.pdf", "habibi.pdf")]
pytestmark = pytest.mark.timeout(300)
EMBEDS = "\n[search]\nembed_seconds = 60\n"
"""However busy the machine is, questions are answered from vectors too."""
QUESTIONS = ("How long is the incubation period?", "What is a bounded metric space?", "LaTeX example")


@pytest.fixture(scope="module")
def ollama() -> Iterator[Ollama]:
    with ollama_running() as running:
        yield running


def answers(daemon: Daemon) -> list[Any]:
    """What searches and quoted answers say, without what they took."""
    found = []
    for question in QUESTIONS:
        for mode in ("hybrid", "keyword", "vector"):
            answer = daemon.search(question, mode=mode)
            answer.pop("took_ms")
            found.append(answer)
        done = daemon.ask(question)[-1]
        found.append({key: done[key] for key in ("type", "answer", "citations", "coverage", "generator")})
    return found


def told(daemon: Daemon, *args: str, code: int = 0, **more: Any) -> Any:
    done = daemon.cli(*args, "--json", timeout=120, **more)
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout) if code == 0 else done.stderr


def test_a_backup_brings_the_same_answers_and_costs_no_reading(ollama):
    """Saved while foliod runs, put back into an empty state folder: the same answers, nothing read or embedded again."""
    with running(ollama=ollama.url, config=EMBEDS) as daemon:
        for path in SMALL:
            daemon.drop(path)
        daemon.wait_states(ready=len(SMALL))
        before = answers(daemon)
        file = daemon.base / "store.backup"
        saved = told(daemon, "backup", str(file))
        assert saved["totals"]["documents"] == len(SMALL)
        assert saved["bytes"] == file.stat().st_size
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not [path for path in daemon.base.iterdir() if path.name.startswith(".store")]
        # It is not written over, and a daemon that runs is not pulled its store from under it.
        assert "--force" in told(daemon, "backup", str(file), code=1)
        assert "stop it first" in told(daemon, "restore", str(file), code=1)
        host = (daemon.state / "host").read_text()
        daemon.stop()
        assert "--replace" in told(daemon, "restore", str(file), code=1)
        shutil.rmtree(daemon.state)
        restored = told(daemon, "restore", str(file))
        assert restored["totals"] == saved["totals"]
        assert restored["findings"] == []
        assert (daemon.state / "host").read_text() == host
        texts = ollama.counts()["embedded_texts"]
        daemon.start()
        wait_for(lambda: daemon.status()["roots"][0]["state"] == "ok")
        assert daemon.states() == {"ready": len(SMALL)}
        assert "documents_read" not in daemon.status()["counters"]
        assert not [event for event in daemon.log_events("file_seen")][len(SMALL) :]
        assert answers(daemon) == before
        # Only the questions were embedded.
        assert ollama.counts()["embedded_texts"] - texts <= 3 * len(QUESTIONS)


def test_a_backup_in_the_middle_of_the_work_is_whole(ollama):
    """A backup made while documents are read and embedded holds a sound store, which goes on where that was."""
    with running(ollama=ollama.url) as daemon:
        # Read, and not embedded yet: the model says nothing until the backup is there.
        ollama.fault(held=True)
        for path in SMALL:
            daemon.drop(path)
        daemon.wait_states(stored=len(SMALL))
        file = daemon.base / "store.backup"
        saved = told(daemon, "backup", str(file))
        ollama.fault()
        daemon.wait_states(ready=len(SMALL))
        daemon.kill()
        wait_for(lambda: not daemon.children())
        restored = told(daemon, "restore", "--replace", str(file))
        assert restored["totals"] == saved["totals"]
        assert restored["findings"] == []
        daemon.start()
        daemon.wait_states(ready=len(SMALL))
        daemon.stop()
        assert told(daemon, "doctor", "--deep")["store"]["findings"] == []


# --- a server elsewhere -----------------------------------------------------------------


class Filled(NamedTuple):
    """A daemon that does not run, a copy of its store, and the backup of that."""

    daemon: Daemon
    dsn: str
    file: Path

    def told(self, *args: str, url: str = "", code: int = 0, **more: str) -> Any:
        return told(self.daemon, *args, code=code, env={"FOLIOD_DATABASE__URL": url or self.dsn} | more)


@pytest.fixture(scope="module")
def source(postgres_url, ollama, new_dir) -> Iterator[tuple[Daemon, str, Path]]:
    name = f"foliod_test_{os.getpid()}_backup"
    asked(postgres_url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    dsn = urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    try:
        with new_dir() as folder, running(f'[database]\nurl = "{dsn}"\n', ollama=ollama.url) as daemon:
            daemon.drop(SMALL[0])
            daemon.wait_states(ready=1)
            file = folder / "store.backup"
            told(daemon, "backup", str(file))
            other = {"FOLIOD_STATE_DIR": str(folder / "other")}
            assert "stop all daemons" in told(daemon, "restore", "--replace", str(file), code=1, env=other)
            daemon.stop()
            yield daemon, name, file
    finally:
        asked(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def filled(source, make_database) -> AsyncIterator[Filled]:
    daemon, name, file = source
    async with make_database(f"TEMPLATE {name}") as dsn:
        yield Filled(daemon, dsn, file)


@needs_openssl
async def test_through_tls_into_a_database_that_keeps_its_extension_elsewhere(filled, make_database, short_dir):
    """Both go over a connection whose certificate is checked, though pg_dump has no TLS; pgvector may lie elsewhere there."""
    ours = authority(short_dir, "ours")
    async with make_database("TEMPLATE template0 ENCODING 'UTF8'") as target:
        asked(target, "CREATE SCHEMA extensions")
        asked(target, "CREATE EXTENSION vector SCHEMA extensions")
        with tls_before(target, *ours.sign("DNS:localhost"), only=True) as port:
            url = (
                f"postgresql://foliod:x@localhost:{port}/{urlsplit(target).path[1:]}"
                f"?sslmode=verify-full&sslrootcert={ours.certificate}"
            )
            restored = await asyncio.to_thread(filled.told, "restore", str(filled.file), url=url)
            assert restored["totals"]["documents"] == 1
            again = await asyncio.to_thread(filled.told, "backup", str(short_dir / "again"), url=url)
            assert again["totals"] == restored["totals"]
            wrong = url.replace(str(ours.certificate), str(authority(short_dir, "x").certificate))
            error = await asyncio.to_thread(filled.told, "backup", str(short_dir / "third"), code=1, url=wrong)
            assert "is not trusted" in error
        assert asked(target, "SELECT count(*) FROM foliod.embeddings e WHERE e.embedding IS NOT NULL") > 5


def test_what_is_no_backup_or_damaged_changes_nothing(filled, short_dir):
    """Another file, half of one, one of a newer foliod, an unknown host: told, and the store is as it was."""
    dsn, file = filled.dsn, filled.file
    before = asked(dsn, "SELECT sum(hashtextextended(text, 0)) FROM foliod.chunks")
    (other := short_dir / "other.backup").write_bytes(SMALL[0].read_bytes())
    (flipped := short_dir / "flipped.backup").write_bytes(bytes(damaged(file.read_bytes())))
    (half := short_dir / "half.backup").write_bytes(file.read_bytes()[: file.stat().st_size * 3 // 4])
    for path, words in (
        (other, "is not a backup"), (short_dir / "none", "can't be read"), (half, "or is damaged"),
        (flipped, "nothing was changed"),
    ):  # fmt: skip
        assert words in filled.told("restore", "--replace", str(path), code=1)
    unknown = filled.told("restore", "--replace", "--host", "nobody", str(file), code=1)
    assert "the backup knows no host nobody" in unknown
    asked(dsn, "INSERT INTO foliod.migrations VALUES (900, 'of_tomorrow', 'x')")
    newer = subprocess.run(
        [str(pg_dump()), "--format=custom", "--schema=foliod", f"--file={short_dir}/newer", dsn], check=False,
        capture_output=True, env={"PATH": os.defpath},
    )  # fmt: skip
    assert newer.returncode == 0, newer.stderr
    asked(dsn, "DELETE FROM foliod.migrations WHERE number = 900")
    assert "newer foliod (schema 900" in filled.told("restore", "--replace", f"{short_dir}/newer", code=1)
    assert asked(dsn, "SELECT sum(hashtextextended(text, 0)) FROM foliod.chunks") == before


def damaged(content: bytes) -> bytearray:
    """Turn bytes over in the middle of what is compressed."""
    changed = bytearray(content)
    for place in range(len(changed) * 2 // 3, len(changed) * 2 // 3 + 40):
        changed[place] ^= 0x55
    return changed


def pg_dump() -> Path:
    from foliod.store.lodging import installation

    return installation() / "bin/pg_dump"


def command_lines() -> list[bytes]:
    """Return those of all processes that there are; some end meanwhile."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(entry.read_bytes())
    return lines


@pytest.mark.parametrize("what", ["backup", "restore"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_stopped_in_the_middle_nothing_is_half_there(filled, short_dir, what, how):
    """Ended while it waits for a lock: no half file, the old store stays, and nobody could read the password meanwhile."""
    daemon, dsn, file = filled
    secret = dsn.replace("foliod@", "foliod:hunter2@")
    holder = await asyncpg.connect(dsn)
    lock = holder.transaction()
    await lock.start()
    await holder.execute("LOCK TABLE foliod.history IN ACCESS EXCLUSIVE MODE")
    target = short_dir / "out" / "store.backup"
    target.parent.mkdir()
    args = ["backup", str(target)] if what == "backup" else ["restore", "--replace", str(file)]
    process = subprocess.Popen(
        daemon.command(*args, "--config", str(daemon.config)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env=daemon.environment | {"FOLIOD_DATABASE__URL": secret},
    )  # fmt: skip
    waits = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'foliod backup'"
    )
    other = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(100):
            while not await other.fetchval(waits):
                await asyncio.sleep(0.02)
        lines = command_lines()
        assert any(b"pg_dump" in line or b"psql" in line for line in lines)
        assert not any(b"hunter2" in line for line in lines)
        process.send_signal(how)
        # Before the lock is given back, or it may be done before it has looked at the signal.
        await asyncio.to_thread(process.wait, 60)
        await lock.rollback()
        async with asyncio.timeout(60):
            while await other.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'foliod backup'"
            ):
                await asyncio.sleep(0.02)
        assert await other.fetchval("SELECT count(*) FROM foliod.pages") > 2
        assert not target.exists()
        if how == signal.SIGTERM:
            assert list(target.parent.iterdir()) == []
            assert process.returncode == 1
    finally:
        await holder.close()
        await other.close()


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_behind_a_pooler_a_direct_address_is_asked_for(filled, short_dir):
    """A backup through PgBouncer is refused with the setting that helps, and works with it."""
    (folder := short_dir / "pgbouncer").mkdir()
    folder.chmod(0o755)
    with PgBouncer(folder, filled.dsn, pool_size=2) as pooler:
        assert "direct_url" in filled.told("backup", str(short_dir / "b"), code=1, url=pooler.url)
        direct = {"FOLIOD_DATABASE__DIRECT_URL": filled.dsn}
        assert filled.told("backup", str(short_dir / "b"), url=pooler.url, **direct)["totals"]["documents"] == 1


@pytest.mark.parametrize(
    ("hosts", "own", "asked_for", "chosen"),
    [
        (["vm-1"], "", None, "vm-1"),
        (["elsewhere-1"], "", None, "elsewhere-1"),
        (["here-1", "elsewhere-1"], "", None, "here-1"),
        (["here-1", "here-2"], "", None, None),
        ([], "", None, None),
        (["here-1"], "here-9", None, None),
        (["here-1", "here-2"], "here-9", "here-2", "here-2"),
    ],
)
def test_whose_files_they_are(hosts, own, asked_for, chosen, monkeypatch):
    """A new state folder becomes the only host, or the only one of this machine's name; one that has a name keeps it."""
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "here", "", "", "")))
    assert _host(Contents(((1, "a", "b"),), tuple(hosts), "public"), asked_for, own) == chosen


def test_of_what_psql_says_the_error_is_told():
    """Notes on the way do not hide why a restore failed."""
    said = b"""psql:<stdin>:3: NOTICE:  drop cascades to 21 other objects
DETAIL:  drop cascades to table foliod.migrations
psql:<stdin>:30: ERROR:  permission denied for database foliod
LINE 1: CREATE SCHEMA foliod
"""
    assert _complaint(said) == "ERROR:  permission denied for database foliod | LINE 1: CREATE SCHEMA foliod"
    assert _complaint(b"warning: one\npg_restore: error: could not read") == "pg_restore: error: could not read"
    assert _complaint(b"Segmentation fault\n") == "Segmentation fault"
