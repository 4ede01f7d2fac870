"""The pool of connections to PostgreSQL: lent for as long as somebody uses them, and tried first after a rest."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import asyncpg

from foliod.base.errors import DatabaseUnavailableError
from foliod.store.connection import TRANSIENT, Connection, connecting, lost, prepare, prepare_pooled, read, translated
from foliod.store.pulse import Pulse, Use

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from asyncpg.pool import PoolConnectionProxy

ACQUIRE_SECONDS: Final = 30.0
"""A query waits so long for a free connection."""
RELEASE_SECONDS: Final = 5.0
"""A connection whose query was broken off is thrown away when the server does not confirm that within so long."""
CLOSE_SECONDS: Final = 3.0
REST_SECONDS: Final = 5.0
"""A connection that nobody used for so long may have been dropped on the way, by who tells nobody: it is tried first."""
TRY_SECONDS: Final = 2.0
"""One that lives answers within so long."""


class Pool:
    """Connections to one address. Make it with `open`."""

    def __init__(
        self, pool: asyncpg.Pool[asyncpg.Record], address: str, pulse: Pulse, rested: dict[int, float]
    ) -> None:
        """`rested` loses what ends."""
        self.address = address
        """Host and database for people: never with a password."""
        self.pulse = pulse
        """Knows whether the server lives, while somebody runs it."""
        self._pool = pool
        self._rested = rested
        """When connections were given back, by the server's process."""
        self._waiting = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, dsn: str, settings: Mapping[str, str], *, size: int, seconds: float, pooled: bool
    ) -> AsyncIterator[Self]:
        """Open up to `size` connections when they are asked for; `settings` hold for each of them.

        `seconds` are the server's time-out of a statement. `pooled` says that a pooler stands before the server.
        Raises ConfigError when the address is not valid.
        """
        address = read(dsn)
        pulse = Pulse(dsn, pooled=pooled)
        rested: dict[int, float] = {}

        async def init(connection: asyncpg.Connection[asyncpg.Record]) -> None:
            connection.add_termination_listener(partial(_forget, rested, connection.get_server_pid()))
            with pulse.preparing(connection):
                await (prepare_pooled if pooled else prepare)(connection, address.keep_alive)

        pool: asyncpg.Pool[asyncpg.Record] = await asyncpg.create_pool(
            # As start-up parameters settings cost nothing.
            **address.arguments(settings),
            # Without a floor asyncpg connects only when somebody asks, and complains to nobody else.
            min_size=0,
            max_size=size,
            timeout=address.connect_seconds,
            init=init,
            # Nothing here changes a session, and asking for a reset would double the round trips.
            reset=_unchanged,
            # The server's own time-out comes first; this one is for a server that went silent.
            command_timeout=seconds + 15,
            # Behind a pooler the next statement may meet another server connection, which was never told of it.
            statement_cache_size=0 if pooled else 100,
        )
        try:
            yield cls(pool, address.shown, pulse, rested)
        finally:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await pool.close()
            except (asyncpg.InterfaceError, *TRANSIENT):
                pool.terminate()

    def counts(self) -> dict[str, int]:
        """Return how many connections are `busy` and `idle`, how many `max` may be, and how many are waited for."""
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        return {"busy": size - idle, "idle": idle, "max": self._pool.get_max_size(), "waiting": self._waiting}

    @asynccontextmanager
    async def lent(self, first: str | None = None) -> AsyncIterator[tuple[Connection, Use]]:
        """Lend a connection of the pool, in whose use the server's silence is noticed; `first` was run on it."""
        async with self.pulse.use() as use:
            use.connection = connection = await self._living(use, first)
            try:
                yield connection, use
            except DatabaseUnavailableError as error:
                if isinstance(error.__cause__, asyncpg.InternalClientError):
                    connection.terminate()
                raise
            finally:
                await self._give_back(connection)

    async def _living(self, use: Use, first: str | None) -> PoolConnectionProxy[asyncpg.Record]:
        """Take a connection on which `first` could be run; one that turns out to be lost is replaced, once."""
        while True:
            use.connection = connection = await self._acquire()
            rested = time.monotonic() - self._rested.pop(connection.get_server_pid(), time.monotonic())
            doubted = rested > REST_SECONDS
            if first is None and not doubted:
                return connection
            try:
                with translated(self.address):
                    await connection.execute(first or "SELECT 1", timeout=TRY_SECONDS if doubted else None)
            except DatabaseUnavailableError as error:
                silent = doubted and isinstance(error.__cause__, TimeoutError)
                # What was made this moment is not stale.
                again = rested > 0 and (silent or lost(error.__cause__))
                if again or lost(error.__cause__):
                    with suppress(asyncpg.InterfaceError):
                        connection.terminate()
                await self._give_back(connection)
                use.connection = None
                if not again or self.pulse.away is not None:
                    raise
                # The others are no younger.
                await self._pool.expire_connections()
                self._rested.clear()
            except BaseException:
                # Interrupted, it may have begun a transaction all the same.
                await undo(connection)
                await self._give_back(connection)
                raise
            else:
                return connection

    async def _give_back(self, connection: PoolConnectionProxy[asyncpg.Record]) -> None:
        with suppress(asyncpg.InterfaceError):
            if not connection.is_closed():
                self._rested[connection.get_server_pid()] = time.monotonic()
        # A connection that can't be reset is closed by the pool; what was done on it is done. One that is lost this
        # very moment is given back by the loss itself, and then asyncpg complains (InternalClientError).
        with suppress(asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresError, OSError):
            await self._pool.release(connection, timeout=RELEASE_SECONDS)

    async def _acquire(self) -> PoolConnectionProxy[asyncpg.Record]:
        with connecting(self.address):
            self._waiting += 1
            try:
                return await self._pool.acquire(timeout=ACQUIRE_SECONDS)
            except TimeoutError:
                if self._pool.get_size() < self._pool.get_max_size() or self._pool.get_idle_size() > 0:
                    raise
                msg = f"all {self._pool.get_size()} connections to PostgreSQL are busy; raise [database] pool_size"
                raise DatabaseUnavailableError(msg) from None
            finally:
                self._waiting -= 1


async def undo(connection: Connection) -> None:
    """End a transaction, if there is one. When this fails the connection is thrown away, which undoes as well."""
    with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
        await connection.execute("ROLLBACK")


def _forget(rested: dict[int, float], server: int, _ended: object) -> None:
    """Forget when a connection that ended was given back."""
    rested.pop(server, None)


async def _unchanged(connection: Connection) -> None:
    """Leave a connection as it is when it goes back to the pool."""
