"""Nobody waits for a server that is gone, and nobody is disturbed while it lives."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from foliod.base.errors import DatabaseUnavailableError
from foliod.store import pulse as pulse_module
from foliod.store.connection import connect
from foliod.store.database import Database
from foliod.store.migrate import migrate
from foliod.store.statements import Query
from proxy import Proxy, proxied
from waiting import PATIENCE, until


@contextlib.asynccontextmanager
async def alive(dsn: str, **more) -> AsyncIterator[Database]:
    """An opened database whose pulse is looked after."""
    async with Database.open(dsn, **more) as db:
        texts = {"one": "SELECT 1", "locked": "SELECT pg_advisory_xact_lock(1)"}
        db.queries = {**db.queries, **{name: Query(name, "for a test", text) for name, text in texts.items()}}
        task = asyncio.create_task(db.pulse.run())
        try:
            yield db
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_a_query_on_a_silent_connection_is_given_up(dsn):
    """When the server falls silent, queries, transactions and those who wait for a connection end soon, with the reason."""
    with proxied(dsn) as proxy:
        async with alive(proxy.url, pool_size=2) as db:
            silent = asyncio.Event()

            async def hold() -> None:
                async with db.transaction() as tx:
                    await tx.fetchval("one")
                    proxy.stall()
                    silent.set()
                    await tx.fetchval("one")

            async with asyncio.timeout(PATIENCE):
                holding = asyncio.create_task(hold())
                await silent.wait()
                others = [asyncio.create_task(db.fetchval("one")) for _ in range(3)]
                results = await asyncio.gather(holding, *others, return_exceptions=True)
            assert [type(result) for result in results] == [DatabaseUnavailableError] * 4
            assert all("PostgreSQL at 127.0.0.1" in str(result) for result in results)
            assert db.pulse.away is not None
            with pytest.raises(DatabaseUnavailableError, match="took too long"):
                # It has nothing to wait for: it ends in its first step.
                db.fetchval("one").send(None)
            proxy.flow()
            async with asyncio.timeout(PATIENCE):
                await db.pulse.pause(0)
            assert await db.fetchval("one") == 1


async def test_a_connection_that_is_being_made_is_given_up(dsn):
    """Who waits for a new connection does not wait for a server that fell silent while it was made ready."""
    with proxied(dsn) as proxy:
        async with alive(proxy.url, pool_size=2) as db:
            asked = False
            # The transaction keeps the one connection that there is, and is given up as well.
            with contextlib.suppress(DatabaseUnavailableError):
                async with db.transaction():
                    # Past the login, and into what each new connection is asked first.
                    proxy.stall_after(300)
                    async with asyncio.timeout(PATIENCE):
                        with pytest.raises(DatabaseUnavailableError):
                            await db.fetchval("one")
                    asked = True
            assert asked
            assert proxy.stalled


@pytest.mark.parametrize("how", ["silence", "reset"])
async def test_a_copy_on_a_dead_connection_is_given_up(dsn, how):
    """Rows that the network does not take hold nobody for ever, whether the server is silent or the connection reset."""
    with proxied(dsn) as proxy:
        async with alive(proxy.url) as db:

            def rows():
                for number in range(2000):
                    if number == 20:
                        proxy.stall()
                    yield 1, number.to_bytes(8, "big"), None, "x" * 20_000

            copying = asyncio.create_task(
                db.copy("embeddings", ("space_id", "text_hash", "embedding", "reason"), rows())
            )
            await until(lambda: proxy.stalled)
            sent = -1
            while sent != (sent := proxy.sent):
                await asyncio.sleep(0.1)
            if how == "reset":
                proxy.cut()
                proxy.flow()
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(DatabaseUnavailableError):
                    await copying


async def test_a_long_query_is_left_alone(dsn, monkeypatch):
    """What takes long on a server that lives is not disturbed, however often it is looked at."""
    monkeypatch.setattr(pulse_module, "SLOW_SECONDS", 0.05)
    monkeypatch.setattr(pulse_module, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(pulse_module, "LOOK_SECONDS", 0.05)
    with proxied(dsn) as proxy:
        async with alive(proxy.url) as db:
            before = proxy.connections
            async with connect(dsn) as other:
                await other.execute("SELECT pg_advisory_lock(1)")
                long = asyncio.create_task(db.execute("locked"))
                await until(lambda: proxy.connections - before > 3)
            await long
            assert db.pulse.away is None


async def test_quick_queries_cost_nothing_more(dsn):
    """While all is well, nothing but the queries themselves goes over the wire."""
    with proxied(dsn) as proxy:
        async with alive(proxy.url) as db:
            await db.fetchval("one")
            before, sent = proxy.connections, proxy.sent
            for _ in range(10):
                await db.fetchval("one")
            assert proxy.connections == before
            # One Bind, Describe, Execute and Sync a query, without a reset of the session after it.
            assert proxy.sent - sent < 10 * 100


async def test_an_error_that_passes_is_no_outage(dsn):
    """Connections that an administrator ends are replaced at once, without an outage being told."""
    with proxied(dsn) as proxy:
        async with alive(proxy.url) as db:
            for _ in range(3):
                asked = db.pulse._asked
                with pytest.raises(DatabaseUnavailableError):
                    async with db.transaction() as tx:
                        proxy.cut()
                        await tx.fetchval("one")
                assert await db.fetchval("one") == 1
                # The next cut would else end the connection by which the pulse finds out.
                await until(lambda asked=asked: db.pulse._asked != asked)
            await asyncio.sleep(2 * pulse_module.LOOK_SECONDS)
            assert db.pulse.away is None


async def test_who_knows_better_is_quoted(dsn):
    """While the server is down, clients are told what its keeper knows, and then nothing more of it."""
    with proxied(dsn) as proxy:
        async with alive(proxy.url) as db:
            proxy.refuse()
            db.pulse.died("PostgreSQL ended (no space left on device)")
            await until(lambda: db.pulse.away is not None)
            with pytest.raises(DatabaseUnavailableError, match="no space left"):
                await db.fetchval("one")
            proxy.accept()
            async with asyncio.timeout(PATIENCE):
                await db.pulse.pause(0)
            assert await db.fetchval("one") == 1
            assert db.pulse.away is None


async def test_a_migration_on_a_silent_connection_is_given_up(empty_dsn, tmp_path):
    """A server that falls silent in the middle of setting up the database does not hold up the start for ever."""
    (tmp_path / "0001_slow.sql").write_text("CREATE TABLE foliod.half (id integer); SELECT pg_advisory_xact_lock(1);")
    with Proxy(empty_dsn) as proxy:
        async with connect(empty_dsn) as other:
            await other.execute("SELECT pg_advisory_lock(1)")
            migrating = asyncio.create_task(migrate(proxy.url, folder=tmp_path))
            waits = (
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            await until(lambda: other.fetchval(waits))
            proxy.stall()
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(DatabaseUnavailableError):
                    await migrating
        proxy.cut()
        proxy.flow()
        assert await migrate(proxy.url, folder=tmp_path) == 1


async def test_the_kernel_looks_after_connections_too(dsn):
    """A connection whose packets get lost while the server lives is given up by the kernel, not after two hours."""
    with proxied(dsn) as proxy:
        async with alive(proxy.url) as db, db.pool.lent() as (connection, _):
            sock = connection._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 30
