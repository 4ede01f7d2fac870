"""After a crash PostgreSQL does not know any more what there is to clean up, and foliod sees to it that it is done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from cluster import provide
from foliod.store.database import Database
from foliod.store.embedded import EmbeddedServer
from foliod.store.vacuum import Vacuum

ROUNDS = 3
FILL = """
DELETE FROM foliod.chunks; DELETE FROM foliod.pages;
INSERT INTO foliod.pages (document_id, number, verdict, width, height, rotation, text)
SELECT id, n, 'text', 1, 1, 0, (SELECT string_agg(md5(n::text || i::text), '') FROM generate_series(1, 100) i)
FROM foliod.documents, generate_series(1, 200) n;
INSERT INTO foliod.chunks (document_id, ordinal, first_page, last_page, start_offset, end_offset, tokens, text, text_hash)
SELECT id, n, 1, 1, 0, 1, 1, 'x', sha256('x') FROM foliod.documents, generate_series(1, 1000) n;
INSERT INTO foliod.chunk_terms (chunk_id, document_id, terms, weights)
SELECT id, document_id, ARRAY(SELECT (ordinal * i) % 5000 FROM generate_series(1, 40) i), '{1:1}/1000000000' FROM foliod.chunks;
"""
"""Replaces all that is stored of the only document."""
SIZES = """
SELECT pg_relation_size('foliod.chunk_terms') AS rows, pg_relation_size(reltoastrelid) AS long_texts,
       pg_indexes_size('foliod.chunk_terms') AS indexes FROM pg_class WHERE oid = 'foliod.pages'::regclass
"""
LOST = "SELECT stats_reset FROM pg_stat_wal"
FAILING = """
CREATE FUNCTION failing(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN i; END';
CREATE TABLE failing (i int); INSERT INTO failing SELECT generate_series(1, 10); CREATE INDEX ON failing (failing(i));
CREATE OR REPLACE FUNCTION failing(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN RAISE EXCEPTION 'damaged' USING ERRCODE = '{code}'; END$$;
"""
"""A table whose rows can't be counted."""
VACUUMED = "SELECT last_vacuum IS NOT NULL FROM pg_stat_user_tables WHERE relid = 'foliod.documents'::regclass"


@pytest.fixture
async def server(short_dir: Path) -> AsyncIterator[EmbeddedServer]:
    """A server of the test's own, which it may kill."""
    provide(short_dir / "state")
    async with EmbeddedServer(short_dir / "state", 16, sync=False) as server:
        async with Database.open(server.url) as db, db.transaction() as transaction:
            await transaction.connection.execute("INSERT INTO foliod.documents (sha256, size) VALUES (sha256('x'), 1)")
        yield server


async def kill_server(server: EmbeddedServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait_died()
    await server.restart()


async def kill_backend(server: EmbeddedServer) -> None:
    """One of its processes is enough: the server ends all others and recovers."""
    connection = await asyncpg.connect(server.url)
    before = await connection.fetchval(LOST)
    os.kill(connection.get_server_pid(), signal.SIGKILL)
    connection.terminate()
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                connection = await asyncpg.connect(server.url)
                try:
                    if await connection.fetchval(LOST) != before:
                        return
                finally:
                    connection.terminate()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("crash", [kill_server, kill_backend])
async def test_a_database_that_crashes_again_and_again_does_not_grow(server, crash):
    """Whatever is replaced between two crashes, rows, long texts and indexes take no more room than after the first."""
    found = []
    for _ in range(ROUNDS):
        connection = await asyncpg.connect(server.url)
        await connection.execute(FILL)
        found.append(dict(await connection.fetchrow(SIZES)))
        await connection.close()
        await crash(server)
        async with Database.open(server.url) as db:
            await Vacuum(db).look()
    # The first round replaced nothing.
    allowed = {what: 2.2 * size for what, size in found[0].items()}
    assert {what: size for what, size in found[-1].items() if size > allowed[what]} == {}


async def test_each_crash_is_cleaned_up_after_once(server):
    """Nothing is done without a crash, and after one nothing is done twice, also by a server that stops in order."""
    with capture_logs() as logs:
        async with Database.open(server.url) as db:
            vacuum = Vacuum(db)
            await vacuum.look()
            assert not cleanings(logs)
            for count in (1, 2):
                await kill_server(server)
                await vacuum.look()
                await vacuum.look()
                assert len(cleanings(logs)) == count
    assert "did not know" in cleanings(logs)[0]["reason"]
    assert "longer" not in cleanings(logs)[0]["reason"]


async def test_after_a_stop_in_order_there_is_nothing_to_do(short_dir):
    """A server that was stopped as it should be remembers what there is to clean up."""
    provide(short_dir / "state")
    with capture_logs() as logs:
        for _ in range(2):
            async with EmbeddedServer(short_dir / "state", 16, sync=False) as server, Database.open(server.url) as db:
                await Vacuum(db).look()
    assert not cleanings(logs)


async def test_cleaning_up_that_takes_too_long_is_left_to_autovacuum(server):
    """It ends in time, says so, and is not begun again."""
    await kill_server(server)
    with capture_logs() as logs:
        async with Database.open(server.url) as db:
            vacuum = Vacuum(db, longest_seconds=0.001)
            await vacuum.look()
            await vacuum.look()
            assert await db.fetchval("check_schema") > 0
    [told] = cleanings(logs)
    assert "autovacuum does the rest" in told["reason"]


@pytest.mark.parametrize("code", ["XX001", "XX000"])
async def test_what_cannot_be_cleaned_up_is_told_once_and_ends_nothing(server, code):
    """A damaged table neither ends the daemon nor is tried every few seconds, and what is whole is cleaned up."""
    connection = await asyncpg.connect(server.url)
    await connection.execute(FAILING.format(code=code))
    await connection.close()
    await kill_server(server)
    with capture_logs() as logs:
        async with Database.open(server.url) as db:
            vacuum = Vacuum(db)
            await vacuum.look()
            await vacuum.look()
    assert not cleanings(logs)
    [told] = [entry for entry in logs if entry["event"] == "not_cleaned_up"]
    assert "damaged" in told["reason"]
    connection = await asyncpg.connect(server.url)
    assert await connection.fetchval(VACUUMED)
    await connection.close()


def cleanings(logs: list[dict]) -> list[dict]:
    return [entry for entry in logs if entry["event"] == "cleaned_up"]
