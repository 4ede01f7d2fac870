"""One question to a database, past everything that a test puts before it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg


def asked(dsn: str, sql: str) -> Any:
    """Run a statement on a connection of its own; return the first value of a SELECT, else what the server says."""

    async def ask() -> Any:
        connection = await asyncpg.connect(dsn)
        try:
            return await (connection.fetchval(sql) if sql.startswith("SELECT") else connection.execute(sql))
        finally:
            await connection.close()

    # Under a running loop too.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, ask()).result()
