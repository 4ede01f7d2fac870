"""A query that is given up in the very moment in which its connection ends."""

from __future__ import annotations

import asyncio
import gc
import logging

import asyncpg
import pytest
from structlog.testing import capture_logs

from asked import asked
from foliod.store.connection import connect
from foliod.store.unseen import unseen


def forget_others(caplog: pytest.LogCaptureFixture) -> None:
    """Have told now what tests before this one left for the garbage collector."""
    gc.collect()
    caplog.clear()


async def test_a_query_given_up_when_its_connection_ends_is_no_error(dsn, caplog):
    """A future of asyncpg's that nobody can ask any more is told at level info, not as an error of the event loop."""
    forget_others(caplog)
    asyncio.get_running_loop().set_exception_handler(unseen)
    async with connect(dsn) as connection:
        query = connection.execute("SELECT pg_sleep(60)")
        query.send(None)  # up to where it waits for the answer
        with capture_logs() as logs, caplog.at_level(logging.ERROR):
            connection.terminate()
            query.close()
            await asyncio.sleep(0)  # asyncpg looks at it once more
            del query
            gc.collect()
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("query_lost", "info")]
    assert not caplog.records


async def test_a_thrown_away_connection_that_has_ended_is_no_error(dsn, caplog):
    """The pool closes a connection when the server has just ended it: nothing is lost, and nothing is an error."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(unseen)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        server = await pool.fetchval("SELECT pg_backend_pid()")
        await pool.expire_connections()
        with capture_logs() as logs, caplog.at_level(logging.ERROR):
            # The event loop does not hear of it before the pool closes the connection.
            asked(dsn, f"SELECT pg_terminate_backend({server}, 10000)")
            assert await pool.fetchval("SELECT 1") == 1
            gc.collect()
    assert [(entry["event"], entry["log_level"]) for entry in logs if entry["log_level"] != "debug"] == [
        ("connection_ended", "info")
    ]
    assert not caplog.records


@pytest.mark.parametrize("kind", [RuntimeError, asyncpg.UniqueViolationError, OSError])
async def test_other_errors_that_nobody_took_stay_errors(kind, caplog):
    """Whatever else is lost, and what a task of ours raises, is told as before."""
    forget_others(caplog)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(unseen)

    async def ours() -> None:
        raise asyncpg.ConnectionDoesNotExistError

    with caplog.at_level(logging.ERROR):
        loop.create_future().set_exception(kind("lost"))
        gc.collect()
        task = asyncio.create_task(ours())
        await asyncio.wait([task])
        del task
        gc.collect()
    assert [record.getMessage().splitlines()[0] for record in caplog.records] == [
        "Future exception was never retrieved",
        "Task exception was never retrieved",
    ]
