"""Connections that the server ends while foliod is about to use them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from foliod.base.errors import DatabaseUnavailableError
from foliod.store import pool
from foliod.store.connection import connect, noticing_loss
from foliod.store.database import Database


async def end_backend(dsn: str, pid: int) -> None:
    async with connect(dsn) as other:
        assert await other.fetchval("SELECT pg_terminate_backend($1, 60000)", pid)


def end_backend_aside(dsn: str, pid: int) -> None:
    """End a connection in a thread that our loop waits for.

    The farewell and the end of the connection lie in the socket then, and asyncpg takes in one
    after the other, with turns of the loop in between.
    """
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, end_backend(dsn, pid)).result()


@pytest.mark.parametrize("turns", range(6))
async def test_a_server_that_says_farewell_is_an_outage(dsn, turns):
    """In whichever moment a query meets a connection that the server has just ended, it is an outage that passes."""
    async with Database.open(dsn) as db:
        with pytest.raises(DatabaseUnavailableError):
            async with db.transaction() as tx:
                pid = await tx.connection.fetchval("SELECT pg_backend_pid()")
                end_backend_aside(dsn, pid)
                for _ in range(turns):
                    await asyncio.sleep(0)
                await tx.execute("share_vectors")
        await db.ping()


@pytest.mark.parametrize("turns", range(6))
async def test_a_farewell_to_a_new_connection_is_an_outage_too(dsn, turns, monkeypatch):
    """A connection that the server ends before the pool has prepared it is an outage that passes."""
    real = pool.prepare

    async def prepare(connection, *more):
        if connection not in ended:
            ended.append(connection)
            end_backend_aside(dsn, connection.get_server_pid())
            for _ in range(turns):
                await asyncio.sleep(0)
        await real(connection, *more)

    ended = []
    monkeypatch.setattr(pool, "prepare", prepare)
    with pytest.raises(DatabaseUnavailableError):
        async with Database.open(dsn):
            pass


async def test_a_connection_that_is_lost_as_it_is_given_back_hurts_nobody(dsn):
    """When the server dies in the moment after a query, what was asked is answered, and all goes on."""
    async with Database.open(dsn, pool_size=1) as db:
        async with db._connected() as connection:
            assert await connection.fetchval("SELECT 1") == 1
            # The loss is noticed in the next turn of the loop, before the pool has taken it back.
            connection._transport.abort()
        await db.ping()


async def test_the_end_of_a_connection_that_is_told_after_a_copy_is_no_fault(dsn, caplog):
    """A server that dies right after rows were copied breaks nothing, and nothing is complained of."""
    async with connect(dsn) as connection:
        async with noticing_loss(connection):
            await connection.execute("SELECT 1")
            connection._transport.abort()
            await asyncio.sleep(0)
            while not connection.is_closed():
                await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
    assert "Exception in callback" not in caplog.text


async def test_a_connection_that_is_terminated_in_the_middle_of_a_query_is_an_outage(dsn, monkeypatch):
    """When the server is found to be away while a query is half made, that query meets an outage and no fault of ours."""
    real = asyncpg.Connection._get_statement

    async def torn(connection, *args, **named):
        statement = await real(connection, *args, **named)
        connection.terminate()
        return statement

    async with Database.open(dsn) as db:
        with pytest.raises(DatabaseUnavailableError, match="connection was lost"):
            async with db.transaction() as tx:
                monkeypatch.setattr(asyncpg.Connection, "_get_statement", torn)
                await tx.execute("drop_pages", 1)
        monkeypatch.undo()
        await db.ping()
        with pytest.raises(AttributeError):
            async with db.transaction() as tx:
                _ = None.no_such_thing
