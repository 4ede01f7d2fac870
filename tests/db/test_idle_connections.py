"""Connections that were dropped while nobody used them, and servers that have to wake up: no query fails for that."""

from __future__ import annotations

import asyncio

import pytest

from foliod.base.errors import DatabaseUnavailableError
from foliod.store import database as database_module
from foliod.store import pool
from foliod.store.connection import connect
from foliod.store.database import Database
from foliod.store.statements import Query
from proxy import proxied
from waiting import PATIENCE

ENDED = (
    "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    " AND datname = current_database() AND application_name = 'foliod'"
)


async def used(db: Database, count: int) -> None:
    """Have a pool make so many connections, and leave them idle."""
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(db.fetchval("nap"))


async def ask(db: Database) -> None:
    """A query, a statement that changes something, and a transaction."""
    assert await db.fetchval("one") == 1
    await db.execute("share_vectors")
    async with db.transaction() as tx:
        assert await tx.fetchval("one") == 1


@pytest.fixture(autouse=True)
def queries(monkeypatch):
    """Named queries of the tests' own."""
    real = database_module.load_queries
    own = {
        "one": "SELECT 1", "nap": "SELECT pg_sleep(0.2)", "count_up": "UPDATE foliod.lexicon SET chunks = chunks + 1",
    }  # fmt: skip
    extra = {name: Query(name, "for a test", sql) for name, sql in own.items()}
    monkeypatch.setattr(database_module, "load_queries", lambda folder: {**real(folder), **extra})


@pytest.mark.parametrize("pooled", [False, True])
async def test_a_connection_that_was_dropped_silently_is_replaced(dsn, monkeypatch, pooled):
    """A router forgot the idle connections and tells nobody: each is found out before it is used, not by a lost query."""
    monkeypatch.setattr(pool, "REST_SECONDS", 0.0)
    monkeypatch.setattr(pool, "TRY_SECONDS", 0.3)
    with proxied(dsn) as proxy:
        async with Database.open(proxy.url, pool_size=4, pooled=pooled) as db:
            await used(db, 4)
            proxy.drop()
            async with asyncio.timeout(PATIENCE):
                await ask(db)
                # All four at once: one silence is enough to tell of the others.
                await used(db, 4)


@pytest.mark.parametrize("pooled", [False, True])
async def test_connections_that_the_server_ended_while_idle_are_replaced(dsn, pooled):
    """A server that ends what is idle, in whichever moment the next query comes, costs no query."""
    async with Database.open(dsn, pool_size=3, pooled=pooled) as db, connect(dsn) as other:
        for _ in range(10):
            await used(db, 3)
            async with asyncio.TaskGroup() as group:
                group.create_task(other.fetchval(ENDED))
                group.create_task(asyncio.sleep(0.01))
            await ask(db)


async def test_a_look_is_repeated_and_a_change_is_not(dsn):
    """When the answer got lost, what only looks is asked again; what changes something may have been done."""
    with proxied(dsn) as proxy:
        async with Database.open(proxy.url, pool_size=1) as db:
            proxy.lose_answer(b"SELECT 1")
            assert await db.fetchval("one") == 1
            assert proxy.trapped == 1
            proxy.lose_answer(b"chunks + 1")
            with pytest.raises(DatabaseUnavailableError):
                await db.execute("count_up")


async def test_a_server_that_has_to_wake_up_is_waited_for(dsn):
    """A server that stopped because nobody asked takes seconds for the first connection: queries wait, none fails."""
    with proxied(dsn) as proxy:
        async with Database.open(f"{proxy.url}&connect_timeout=40", pool_size=2) as db:
            watch = asyncio.create_task(db.pulse.run())
            await used(db, 2)
            proxy.cold(4)
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(ask(db) for _ in range(4)))
            assert db.pulse.away is None
            watch.cancel()


async def test_connections_that_ended_are_not_remembered(dsn):
    """However many connections were made and lost, no more is known than how long those of now have rested."""
    async with Database.open(dsn, pool_size=2) as db:
        for _ in range(10):
            await db.ping()
            await db.pool._pool.expire_connections()
        assert len(db.pool._rested) <= 2
        await db.ping()
        assert len(db.pool._rested) == 1
