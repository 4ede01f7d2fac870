"""The snapshot that a backup is taken of."""

from __future__ import annotations

import asyncio

import asyncpg

from foliod.store.check import snapshot


async def test_a_server_that_ends_idle_transactions_does_not_end_a_backup(db, dsn):
    """Managed servers end what idles for minutes, and the snapshot idles for as long as pg_dump reads in it."""
    async with db.transaction() as tx:
        name = await tx.connection.fetchval("SELECT current_database()")
        for limit in ("idle_in_transaction_session_timeout", "statement_timeout"):
            await tx.connection.execute(f"ALTER DATABASE \"{name}\" SET {limit} = '1s'")
        if tx.connection.get_server_version().major >= 17:
            await tx.connection.execute(f"ALTER DATABASE \"{name}\" SET transaction_timeout = '2s'")
    strict = await asyncpg.connect(dsn)
    try:
        assert await strict.fetchval("SHOW idle_in_transaction_session_timeout") == "1s"
    finally:
        await strict.close()
    async with snapshot(dsn) as tx:
        await asyncio.sleep(1.5)
        await tx.connection.execute("SELECT pg_sleep(1.2)")
        assert await tx.fetchval("check_schema")
