"""Several daemons on one database: the work is shared, nothing is done twice, and who dies is stood in for."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asked import asked
from foliod.ingest.backlog import LEASE_SECONDS
from live import Daemon, wait_for
from made_pdfs import Sheet
from ollama_process import Ollama, ollama_running
from places import temporary_dir
from proxy import Proxy, proxied
from stilled import go_on, readers, stop

SAMPLES = Path(__file__).parents[1] / "samples"
CONFIG = '[database]\nurl = "{url}"\n[ingest]\ngrace_seconds = 0.5\nworkers = 1\npage_seconds = 120\n{more}'
READING = "SELECT count(*) FROM foliod.documents WHERE state = 'reading'"
"""Asked of the database itself: the status may be seconds old, and a reader that stands still is ended after five."""
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.fixture
def ollama() -> Iterator[Ollama]:
    with ollama_running() as running:
        yield running


@contextlib.contextmanager
def daemon_on(
    url: str, ollama: Ollama, *, start: bool = True, more: str = "", kind: type[Daemon] = Daemon
) -> Iterator[Daemon]:
    with temporary_dir() as base:
        daemon = kind(base, config=CONFIG.format(url=url, more=more), ollama=ollama.url)
        try:
            if start:
                daemon.start()
            yield daemon
        except BaseException:
            print(daemon.log_text()[-3000:])
            raise
        finally:
            daemon.end()


@functools.cache
def letter(number: int) -> bytes:
    """A document in words of its own; the same bytes each time."""
    sheet = Sheet()
    for line in range(30):
        sheet.write(
            50, 60 + 20 * line, f"Letter {number} tells in line w{number}x{line} of bee b{number}y{line} at the mill."
        )
    return sheet.bytes()


def started(*daemons: Daemon) -> None:
    """Start daemons at the same moment."""
    for daemon in daemons:
        daemon.start(ready=False)
    for daemon in daemons:
        wait_for(daemon.is_ready, why="the daemon to be ready")


def letters(daemon: Daemon, numbers: range) -> None:
    """Drop so many documents."""
    for number in numbers:
        part = daemon.inbox / f"{number}.part"
        part.write_bytes(letter(number))
        part.rename(daemon.inbox / f"letter{number}.pdf")


def read_by(daemon: Daemon) -> int:
    return daemon.status()["counters"].get("documents_read", 0)


def reader_of(daemon: Daemon) -> int:
    """Return the process that reads for a daemon with one of them."""
    (pid,) = wait_for(lambda: found if len(found := readers(daemon)) == 1 else None, why="its one reader")
    return pid


def between_transactions(cable: Proxy, dsn: str) -> None:
    """Pull a cable while nobody is in a transaction: one that is cut off would lock what it changed for a minute."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    )

    def pulled() -> bool:
        cable.stall()
        # Twice, for what was passed on just before may not have been begun at the first look.
        if not any(asked(dsn, f"{others} AND xact_start IS NOT NULL AND pid <> pg_backend_pid()") for _ in range(2)):
            return True
        cable.flow()
        return False

    wait_for(pulled, why="a moment between two transactions")


def test_two_hosts_share_the_work_and_do_nothing_twice(empty_dsn, ollama):
    """Each document is read once, each text embedded once, wherever its files lie, and stays while one host has it.

    Both are started at the same moment on an empty database.
    """
    with (
        daemon_on(empty_dsn, ollama, start=False) as one,
        daemon_on(empty_dsn, ollama, start=False) as other,
    ):
        letters(one, range(6))
        letters(other, range(4, 10))
        started(one, other)
        wait_for(lambda: one.states() == {"ready": 10}, seconds=120)
        assert read_by(one) + read_by(other) == 10
        assert min(read_by(one), read_by(other)) >= 3
        # Ollama was also asked for one short text by each, to learn what its model makes.
        texts = asked(empty_dsn, "SELECT count(*) FROM foliod.embeddings")
        assert texts <= ollama.counts()["embedded_texts"] <= texts + 2 * 2
        # Both find what the other has read, and know where it lies.
        found = one.get("/v1/documents", q="letter9.pdf")["documents"]
        assert [document["state"] for document in found] == ["ready"]
        # One document, two files: the first that goes changes nothing.
        both = [one.inbox / "letter4.pdf", other.inbox / "letter4.pdf"]
        where = f"SELECT document_id FROM foliod.files WHERE display = '{both[0]}'"
        shared = asked(empty_dsn, where)
        assert asked(empty_dsn, where.replace(str(both[0]), str(both[1]))) == shared
        where = f"SELECT count(*) FROM foliod.files WHERE document_id = {shared}"
        both[0].unlink()
        wait_for(lambda: asked(empty_dsn, where) == 1)
        assert one.states() == {"ready": 10}
        both[1].unlink()
        wait_for(lambda: one.states() == {"ready": 9})


def test_a_host_that_dies_is_stood_in_for(empty_dsn, ollama):
    """Killed while it read and embedded: its claims end with the lease, by the database's clock, and another goes on."""
    with daemon_on(empty_dsn, ollama) as dying, daemon_on(empty_dsn, ollama, start=False) as other:
        letters(dying, range(1))
        wait_for(lambda: dying.states() == {"ready": 1})
        ollama.fault(hang=600)
        letters(dying, range(1, 3))
        wait_for(lambda: dying.states() == {"ready": 1, "stored": 2})
        # Its reader stands still, so that it is killed in the middle of a document.
        stop([reader_of(dying)])
        dying.drop(SAMPLES / "GeoTopo-komprimiert.pdf")
        claimed = "SELECT count(*) FROM foliod.documents WHERE lease_until > now()"
        wait_for(lambda: asked(empty_dsn, READING) == 1 and asked(empty_dsn, claimed) >= 2)
        dying.kill()
        longest = f"SELECT max(lease_until) - now() <= interval '{LEASE_SECONDS} s' FROM foliod.documents"
        assert asked(empty_dsn, longest)
        # However long all this takes here, the leases do not end before it is looked at.
        asked(
            empty_dsn, "UPDATE foliod.documents SET lease_until = now() + interval '1 hour' WHERE lease_until > now()"
        )
        held = asked(empty_dsn, claimed)
        assert held >= 2
        for path in dying.inbox.iterdir():
            shutil.copy(path, other.inbox)
        ollama.fault()
        other.start()
        # It knows all the files, and leaves what is claimed to who claimed it.
        wait_for(lambda: asked(empty_dsn, "SELECT count(*) FROM foliod.files") == 8)
        # It has read and embedded something younger, and so has looked at what is claimed.
        letters(other, range(9, 10))
        wait_for(lambda: [d["state"] for d in other.get("/v1/documents", q="letter9.pdf")["documents"]] == ["ready"])
        host = (dying.state / "host").read_text().strip()
        assert asked(empty_dsn, f"{claimed} AND starts_with(lease_owner, '{host}:')") == held
        # The database's clock comes to the end of the lease.
        asked(empty_dsn, "UPDATE foliod.documents SET lease_until = now() WHERE lease_until IS NOT NULL")
        wait_for(lambda: other.states() == {"ready": 5}, seconds=120)
        assert (
            asked(empty_dsn, "SELECT count(*) FROM foliod.documents WHERE deaths > 0 OR lease_owner IS NOT NULL") == 0
        )


def test_a_host_that_is_cut_off_comes_back_and_overwrites_nothing(empty_dsn, ollama):
    """The network of one host goes away while it reads: another takes over, and what the first brings later is dropped."""
    with (
        proxied(empty_dsn) as cable,
        daemon_on(cable.url, ollama, start=False) as cut,
        daemon_on(empty_dsn, ollama, start=False) as other,
    ):
        started(cut, other)
        letters(cut, range(2, 3))
        wait_for(lambda: cut.states() == {"ready": 1})
        # Its reader stands still, so that the cable is pulled in the middle of a document and not of a transaction.
        reader = reader_of(cut)
        stop([reader])
        big = cut.drop(SAMPLES / "GeoTopo-komprimiert.pdf")
        wait_for(lambda: asked(empty_dsn, READING) == 1)
        between_transactions(cable, empty_dsn)
        go_on([reader])
        shutil.copy(big, other.inbox / "part")
        (other.inbox / "part").rename(other.inbox / big.name)
        wait_for(lambda: asked(empty_dsn, "SELECT count(*) FROM foliod.files") == 3)
        asked(empty_dsn, "UPDATE foliod.documents SET lease_until = now() WHERE lease_until IS NOT NULL")
        # Something new has it look at once for what there is to do.
        letters(other, range(1, 2))
        wait_for(lambda: other.states() == {"ready": 3}, seconds=120)
        chunks = asked(empty_dsn, "SELECT max(id) FROM foliod.chunks")
        cable.flow()
        wait_for(lambda: cut.request("GET", "/readyz").status_code == 200)
        letters(cut, range(1))
        wait_for(lambda: cut.states() == {"ready": 4})
        # Written once, by the one that took over.
        assert (
            asked(
                empty_dsn,
                f"SELECT count(*) FROM foliod.chunks c JOIN foliod.documents d ON d.id = c.document_id WHERE c.id > {chunks} AND d.page_count > 50",
            )
            == 0
        )
        assert (
            asked(
                empty_dsn,
                "SELECT count(*) FROM foliod.documents d WHERE chunk_count <> (SELECT count(*) FROM foliod.chunks c WHERE c.document_id = d.id)",
            )
            == 0
        )


class Tomorrow(Daemon):
    """A daemon on a machine whose clock is two days ahead."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "LD_PRELOAD": str(FAKETIME), "FAKETIME": "+2d", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1",
        }  # fmt: skip


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (Debian: apt-get install faketime)")
def test_clocks_may_differ(empty_dsn, ollama):
    """A host whose clock is two days ahead takes nobody's work away, forgets nothing early, and its own is not overdue."""
    with (
        daemon_on(empty_dsn, ollama, start=False) as one,
        daemon_on(empty_dsn, ollama, start=False, kind=Tomorrow) as ahead,
    ):
        started(one, ahead)
        began = next(iter(ahead.log_events("starting")))["timestamp"]
        assert began > time.strftime("%Y-%m-%dT", time.gmtime(time.time() + 86_400)), "the clock is not ahead"
        letters(one, range(4))
        letters(ahead, range(4, 8))
        wait_for(lambda: one.states() == {"ready": 8}, seconds=120)
        assert read_by(one) + read_by(ahead) == 8
        assert not one.log_events("lease_lost") + ahead.log_events("lease_lost")
        # Everything that is written down is by the database's clock.
        for column in ("documents.seen_at", "documents.stored_at", "files.seen_at", "history.at", "hosts.seen_at"):
            table, name = column.split(".")
            assert asked(empty_dsn, f"SELECT max({name}) <= clock_timestamp() FROM foliod.{table}"), column


# --- hosts that go ----------------------------------------------------------------------


def hosts(daemon: Daemon, *args: str) -> tuple[int, Any]:
    done = daemon.cli("hosts", "--json", *args)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr


def of(daemon: Daemon, host: str) -> dict[str, Any]:
    """Return what is told, where `daemon` is, of a host."""
    return next(found for found in hosts(daemon)[1]["hosts"] if found["host"] == host)


def test_a_host_that_is_gone_for_good_is_forgotten(empty_dsn, ollama):
    """`foliod hosts` shows who shares the store; a dead host is forgotten with what only it had, one that lives is not."""
    with daemon_on(empty_dsn, ollama) as staying:
        letters(staying, range(2))
        with daemon_on(empty_dsn, ollama) as going:
            letters(going, range(1, 4))
            wait_for(lambda: staying.states() == {"ready": 4})
            gone = (going.state / "host").read_text().strip()
            code, told = hosts(staying, "--forget", gone)
            assert code == 1
            assert "gave a sign of life" in told
            # Of what lies elsewhere it is said where, and only of that.
            found = {h["document"]["path"]: h["document"]["host"] for h in staying.search("letter", limit=50)["hits"]}
            assert found[str(going.inbox / "letter3.pdf")] == gone
            assert found[str(staying.inbox / "letter0.pdf")] is None
            assert f"{gone}: {going.inbox}/letter3.pdf" in "".join(staying.cli("search", "w3x1").stdout.split("\n   "))
            going.kill()
            # It was seen just now, and still its own machine knows better.
            wait_for(lambda: not of(going, gone)["alive"])
            assert f"{gone} (this one): does not run, last seen 2" in going.cli("hosts").stdout
        assert of(staying, gone)["alive"], "elsewhere it is known only when it was seen"
        assert "gave a sign of life" in hosts(staying, "--forget", gone)[1], "it ended without a word"
        assert "is this host" in hosts(staying, "--forget", (staying.state / "host").read_text().strip())[1]
        assert "there is no host nobody" in hosts(staying, "--forget", "nobody")[1]
        asked(empty_dsn, f"UPDATE foliod.hosts SET seen_at = now() - interval '1 hour' WHERE host = '{gone}'")
        found = {host["host"]: host for host in hosts(staying)[1]["hosts"]}
        assert [found[gone][key] for key in ("alive", "this", "files", "only_here")] == [False, False, 3, 2]
        assert hosts(staying, "--forget", gone) == (0, {"host": gone, "files": 3, "documents": 2})
        wait_for(lambda: staying.states() == {"ready": 2})
        assert len(hosts(staying)[1]["hosts"]) == 1
        left = "SELECT count(*) FROM (SELECT host FROM foliod.files UNION ALL SELECT host FROM foliod.host_configurations) h WHERE host = "
        assert asked(empty_dsn, f"{left} '{gone}'") == 0
        done = staying.cli("doctor", "--deep", "--json")
        assert json.loads(done.stdout)["store"]["findings"] == []


def test_a_host_that_was_stopped_is_forgotten_at_once(empty_dsn, ollama):
    """A host that stopped says so: `foliod hosts` tells since when, and it can be forgotten; one that started again runs."""
    with daemon_on(empty_dsn, ollama) as staying, daemon_on(empty_dsn, ollama) as going:
        letters(going, range(1))
        wait_for(lambda: staying.states() == {"ready": 1})
        gone = (going.state / "host").read_text().strip()
        assert going.stop() == 0
        assert f"{gone}: stopped at 2" in staying.cli("hosts").stdout
        going.start()
        shown = staying.cli("hosts").stdout
        assert re.search(rf"^{gone}: seen \d+ s ago, foliod", shown, re.MULTILINE), "it may have died since"
        assert re.search(r" \(this one\): runs, foliod", shown)
        assert "stop foliod there" in hosts(staying, "--forget", gone)[1]
        assert going.stop() == 0
        assert hosts(staying, "--forget", gone) == (0, {"host": gone, "files": 1, "documents": 1})


def test_an_older_foliod_refuses_a_newer_schema(empty_dsn, ollama):
    """After another host brought a newer foliod, an older one says so at its start, and changes nothing."""
    with daemon_on(empty_dsn, ollama) as daemon:
        assert daemon.stop() == 0
        asked(empty_dsn, "INSERT INTO foliod.migrations VALUES (900, 'of_tomorrow', 'x')")
        told = daemon.cli("run", "--config", str(daemon.config))
        assert told.returncode == 1
        assert "was set up by a newer foliod (schema" in told.stderr
        assert "install that version" in told.stderr
