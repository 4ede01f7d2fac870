"""Errors of asyncpg that nobody can take: they are told as what they are, not as a fault of foliod."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import structlog

log = structlog.get_logger()


def unseen(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Take what the event loop could not tell anybody, as `loop.set_exception_handler` hands it over.

    When a connection ends whose query was given up, asyncpg's future keeps the end of the connection, and nobody is left
    to ask for it. Its mark: it is no task, and the error was never raised anywhere, so it has no traceback. A task of
    ours that failed is something else, and so is any other error.

    A connection that a pool throws away is closed by a task of asyncpg's own, which fails when the server has just ended.
    """
    future, error = context.get("future"), context.get("exception")
    if isinstance(error, OSError) and isinstance(future, asyncio.Task) and _closes(future):
        log.info("connection_ended", reason=type(error).__name__)
        return
    if (
        isinstance(error, asyncpg.PostgresConnectionError)
        and isinstance(future, asyncio.Future)
        and not isinstance(future, asyncio.Task)
        and error.__traceback__ is None
    ):
        log.info("query_lost", reason=type(error).__name__)
        return
    loop.default_exception_handler(context)


def _closes(task: asyncio.Task[Any]) -> bool:
    """Whether a task does nothing but close a connection."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is asyncpg.Connection.close.__code__
