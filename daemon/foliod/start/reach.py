"""The way of commands to the store, whether a daemon runs or not.

They ask the database of the running daemon. When none runs, the embedded PostgreSQL is started for them, under the lock
that keeps a daemon out, and stopped again.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foliod.base.errors import FoliodError, StateInUseError
from foliod.start.client import Client
from foliod.start.command import socket_of
from foliod.start.state import known_host, open_state
from foliod.store.embedded import EmbeddedServer, address
from foliod.store.lodging import Lodging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foliod.base.config import Settings


@asynccontextmanager
async def reached(settings: Settings, *, running: bool) -> AsyncIterator[str | None]:
    """Give the address of the database, without a pooler where one is known; None when there is none yet."""
    if not settings.database.embedded:
        yield settings.database.direct
        return
    lodging = Lodging(settings.state)
    if not lodging.data.exists():
        yield None
        return
    theirs = address(await asyncio.to_thread(lodging.socket_link.resolve))
    if running:
        yield theirs
        return
    async with AsyncExitStack() as stack:
        try:
            stack.enter_context(open_state(settings.state, named=False))
        except StateInUseError:
            # A daemon that runs, and does not answer: its database may.
            yield theirs
            return
        server = EmbeddedServer(settings.state, settings.database.shared_buffers_mb)
        yield (await stack.enter_async_context(server)).url


def status_of(settings: Settings) -> dict[str, Any] | None:
    """Return what the running daemon says of itself; None when none answers."""
    try:
        with Client(socket_of(settings)) as client:
            return client.status()
    except FoliodError:
        return None


def host_of(state: Path) -> str:
    """Return this host's name in the store; empty when it has none yet."""
    return known_host(state) or ""
