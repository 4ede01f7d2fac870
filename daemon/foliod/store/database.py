"""The pool of connections to PostgreSQL, and the named queries of sql/queries that run on it.

What can pass by itself is raised as DatabaseUnavailableError; the pool connects anew with the
next query.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, TypeVar

import asyncpg
import structlog

from foliod.base.assets import asset
from foliod.base.errors import DatabaseUnavailableError, SchemaError
from foliod.base.patience import patiently
from foliod.store.connection import (
    NAMED,
    SERVER_TROUBLE,
    TRANSIENT,
    Connection,
    behind_pooler,
    connect,
    connecting,
    lost,
    prepare,
    prepare_pooled,
    read,
    search_path,
    translated,
)
from foliod.store.privileges import lacking
from foliod.store.pulse import Pulse, Use, watched
from foliod.store.statements import Session, Transaction, load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from asyncpg.pool import PoolConnectionProxy

    from foliod.store.statements import Query

log = structlog.get_logger()

T = TypeVar("T")
Isolation: TypeAlias = Literal["read_committed", "repeatable_read", "serializable"]

ACQUIRE_SECONDS: Final = 30.0
"""A query waits so long for a free connection."""
IDLE_IN_TRANSACTION_SECONDS: Final = 60
"""What a host that was cut off has locked is free again so soon: no later than its lease ends."""
STATEMENT_SECONDS: Final = 300.0
"""The server cancels a statement after so long; building a large index is the longest."""
FOR_EVER: Final = 1e7
"""Seconds, some months: asyncpg takes no None here."""
RELEASE_SECONDS: Final = 5.0
"""A connection whose query was broken off is thrown away when the server does not confirm that within so long."""
CLOSE_SECONDS: Final = 3.0
REST_SECONDS: Final = 5.0
"""A connection that nobody used for so long may have been dropped on the way, by who tells nobody: it is tried first."""
TRY_SECONDS: Final = 2.0
"""One that lives answers within so long."""
INDEX: Final = "an index takes as long as it takes"
CONFLICTS: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""The transaction can simply be run again."""


class Database(Session):
    """The pool. Make it with `open`."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        queries: Mapping[str, Query],
        address: str,
        pulse: Pulse,
        settings: Mapping[str, str] | None = None,
        direct: str | None = None,
        rested: dict[int, float] | None = None,
    ) -> None:
        """`settings` are made anew in each transaction, because a pooler stands before the server.

        `direct` is an address of the same database without a pooler, for what takes long. `rested` loses what ends.
        """
        self._pool = pool
        self.queries = queries
        self.address = address
        """Host and database for people: never with a password."""
        self.pulse = pulse
        """Knows whether the server lives, while somebody runs it."""
        self._pooled = settings is not None
        self._settings = "".join(f"; SET LOCAL {name} = {value}" for name, value in (settings or {}).items())
        self._direct = direct
        self._rested = {} if rested is None else rested
        """When connections were given back, by the server's process."""
        self._waiting = 0

    def __repr__(self) -> str:
        return f"<Database {self.address}>"

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        dsn: str,
        *,
        pool_size: int = 8,
        statement_seconds: float = STATEMENT_SECONDS,
        pooled: bool | None = False,
        direct: str | None = None,
    ) -> AsyncIterator[Self]:
        """Open a pool on a migrated database; `pooled` says that a pooler in transaction mode stands before it.

        With None that is found out. `direct` is another address, for statements that take long. Raises DatabaseUnavailableError when it can't be reached now,
        ConfigError when the address is not valid, SchemaError when pgvector is missing.
        """
        settings = {
            "jit": "off",
            "random_page_cost": "1.1",
            "statement_timeout": f"{round(statement_seconds * 1000)}ms",
            "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
        }
        address = read(dsn)
        if pooled is None:
            pooled = await behind_pooler(dsn)
        anew = {name: f"'{value}'" for name, value in settings.items()}
        if pooled and (path := await _path_through(dsn)) is not None:
            anew["search_path"] = path
        pulse = Pulse(dsn, pooled=pooled)
        rested: dict[int, float] = {}

        async def init(connection: asyncpg.Connection[asyncpg.Record]) -> None:
            connection.add_termination_listener(partial(_forget, rested, connection.get_server_pid()))
            with pulse.preparing(connection):
                await (prepare_pooled if pooled else prepare)(connection, address.keep_alive)

        pool: asyncpg.Pool[asyncpg.Record] = await asyncpg.create_pool(
            # As start-up parameters settings cost nothing.
            **address.arguments(NAMED if pooled else NAMED | settings),
            # Without a floor asyncpg connects only when somebody asks, and complains to nobody else.
            min_size=0,
            max_size=pool_size,
            timeout=address.connect_seconds,
            init=init,
            # Nothing here changes a session, and asking for a reset would double the round trips.
            reset=_unchanged,
            # The server's own time-out comes first; this one is for a server that went silent.
            command_timeout=statement_seconds + 15,
            # Behind a pooler the next statement may meet another server connection, which was never told of it.
            statement_cache_size=0 if pooled else 100,
        )
        queries = load_queries(asset("sql/queries"))
        database = cls(pool, queries, address.shown, pulse, anew if pooled else None, direct, rested)
        try:
            await database.ping()
            await _demand_privileges(database)
            if address.weak is not None:
                log.warning("database_not_verified", database=address.shown, why=address.weak)
            yield database
        finally:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await pool.close()
            except (asyncpg.InterfaceError, *TRANSIENT):
                pool.terminate()

    def pool_use(self) -> dict[str, int]:
        """Return how many connections are `busy` and `idle`, how many `max` may be, and how many are waited for."""
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        return {"busy": size - idle, "idle": idle, "max": self._pool.get_max_size(), "waiting": self._waiting}

    async def ping(self) -> None:
        """Ask the server for a sign of life; raises DatabaseUnavailableError."""
        async with self._lent() as (connection, _):
            with translated(self.address):
                await connection.execute("SELECT 1")

    @asynccontextmanager
    async def transaction(self, *, isolation: Isolation | None = None) -> AsyncIterator[Transaction]:
        """Open a transaction: committed at the end, undone by any exception.

        Raises DatabaseUnavailableError also when only the commit failed: whether it happened is
        then not known, so what is done again must bear to be done twice.
        """
        level = f" ISOLATION LEVEL {isolation.replace('_', ' ').upper()}" if isolation else ""
        async with self._lent(f"BEGIN{level}{self._settings}") as (connection, use):
            use.begun = True
            try:
                with translated(self.address, SERVER_TROUBLE):
                    yield Transaction(connection, self.queries, self.address)
                with translated(self.address):
                    await connection.execute("COMMIT")
            except BaseException:
                await _undo(connection)
                raise

    async def retrying(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        *,
        isolation: Isolation | None = None,
        attempts: int = 5,
    ) -> T:
        """Run `work` in a transaction, again when it collided with another one; return its result.

        Raises DatabaseUnavailableError when it collided every time.
        """
        for attempt in range(1, attempts):
            try:
                async with self.transaction(isolation=isolation) as transaction:
                    return await work(transaction)
            except DatabaseUnavailableError as error:
                if not isinstance(error.__cause__, CONFLICTS):
                    raise
            # Two that collided must not come back at the same moment.
            await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
        async with self.transaction(isolation=isolation) as transaction:
            return await work(transaction)

    async def alone(self, name: str, settings: Mapping[str, str] | None = None, **named: int) -> None:
        """Run a statement that can't stand in a transaction, such as CREATE INDEX CONCURRENTLY, for as long as it takes.

        `settings` hold for it alone. Behind a pooler, where they would stay with somebody else, they are the server's.
        """
        sql = self.queries[name].text(named)
        held = {"statement_timeout": "0", **(settings or {})}
        setting = "; ".join(f"SET {key} = '{value}'" for key, value in held.items())
        if self._direct is not None:
            async with connect(self._direct) as plain, watched(self._direct, plain, pooled=False):
                if (path := await search_path(plain)) is not None:
                    setting += f"; SET search_path = {path}"
                await plain.execute(setting)
                with patiently(INDEX):
                    await plain.execute(sql, timeout=FOR_EVER)
            return
        async with self._lent() as (connection, _):
            with translated(self.address), patiently(INDEX):
                if self._pooled:
                    await connection.execute(sql, timeout=FOR_EVER)
                    return
                try:
                    await connection.execute(setting)
                    await connection.execute(sql, timeout=FOR_EVER)
                finally:
                    try:
                        await connection.execute("; ".join(f"RESET {key}" for key in held))
                    except BaseException:
                        # The pool makes a new one, which has the settings of all others.
                        connection.terminate()
                        raise

    async def _run(self, name: str, named: Mapping[str, int], call: Callable[[Connection, str], Awaitable[T]]) -> T:
        """Run a query; one that only looks is run once more when its connection got lost."""
        try:
            return await super()._run(name, named, call)
        except DatabaseUnavailableError as error:
            query: Query = self.queries[name]
            if not (query.reads and lost(error.__cause__)):
                raise
        return await super()._run(name, named, call)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        if self._pooled:
            async with self.transaction() as transaction:
                yield transaction.connection
        else:
            async with self._lent() as (connection, _):
                yield connection

    @asynccontextmanager
    async def _lent(self, first: str | None = None) -> AsyncIterator[tuple[Connection, Use]]:
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
                await _undo(connection)
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


async def _undo(connection: Connection) -> None:
    """End a transaction, if there is one. When this fails the connection is thrown away, which undoes as well."""
    with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
        await connection.execute("ROLLBACK")


def _forget(rested: dict[int, float], server: int, _ended: object) -> None:
    """Forget when a connection that ended was given back."""
    rested.pop(server, None)


async def _unchanged(connection: Connection) -> None:
    """Leave a connection as it is when it goes back to the pool."""


async def _demand_privileges(database: Database) -> None:
    """Raise SchemaError when the role may not do what foliod does: better at once than at some later statement."""
    if missing := await database.fetch("missing_privileges"):
        raise SchemaError(lacking(database.address, [row["lacks"] for row in missing]))


async def _path_through(dsn: str) -> str | None:
    """Return the search_path that finds pgvector through a pooler; None when the usual one does."""
    async with connect(dsn) as connection, connection.transaction():
        return await search_path(connection)
