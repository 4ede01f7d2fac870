"""The database: the named queries of sql/queries, each on a connection of the pool, and transactions.

What can pass by itself is raised as DatabaseUnavailableError; the pool connects anew with the
next query.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, TypeVar

import asyncpg
import structlog

from foliod.base.assets import asset
from foliod.base.errors import DatabaseUnavailableError, SchemaError
from foliod.base.patience import patiently
from foliod.store.connection import (
    NAMED,
    SERVER_TROUBLE,
    Connection,
    behind_pooler,
    connect,
    lost,
    read,
    search_path,
    translated,
)
from foliod.store.pool import Pool, undo
from foliod.store.privileges import lacking
from foliod.store.pulse import watched
from foliod.store.statements import Session, Transaction, load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from foliod.store.statements import Query

log = structlog.get_logger()

T = TypeVar("T")
Isolation: TypeAlias = Literal["read_committed", "repeatable_read", "serializable"]

IDLE_IN_TRANSACTION_SECONDS: Final = 60
"""What a host that was cut off has locked is free again so soon: no later than its lease ends."""
STATEMENT_SECONDS: Final = 300.0
"""The server cancels a statement after so long; building a large index is the longest."""
FOR_EVER: Final = 1e7
"""Seconds, some months: asyncpg takes no None here."""
PATIENT: Final = "an index, or cleaning up, takes as long as it takes"
CONFLICTS: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""The transaction can simply be run again."""


class Database(Session):
    """Runs named queries on its pool. Make it with `open`."""

    def __init__(
        self,
        pool: Pool,
        queries: Mapping[str, Query],
        settings: Mapping[str, str] | None = None,
        direct: str | None = None,
    ) -> None:
        """`settings` are made anew in each transaction, because a pooler stands before the server.

        `direct` is an address of the same database without a pooler, for what takes long.
        """
        self.pool = pool
        self.queries = queries
        self.address = pool.address
        """Host and database for people: never with a password."""
        self.pulse = pool.pulse
        """Knows whether the server lives, while somebody runs it."""
        self._pooled = settings is not None
        self._settings = "".join(f"; SET LOCAL {name} = {value}" for name, value in (settings or {}).items())
        self._direct = direct

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

        With None that is found out. `direct` is another address, for statements that take long.
        Raises DatabaseUnavailableError when it can't be reached now, ConfigError when the address is not valid,
        SchemaError when pgvector is missing.
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
        queries = load_queries(asset("sql/queries"))
        async with Pool.open(
            dsn, NAMED if pooled else NAMED | settings, size=pool_size, seconds=statement_seconds, pooled=pooled
        ) as pool:
            database = cls(pool, queries, anew if pooled else None, direct)
            await database.ping()
            await _demand_privileges(database)
            if address.weak is not None:
                log.warning("database_not_verified", database=address.shown, why=address.weak)
            yield database

    async def ping(self) -> None:
        """Ask the server for a sign of life; raises DatabaseUnavailableError."""
        async with self.pool.lent() as (connection, _):
            with translated(self.address):
                await connection.execute("SELECT 1")

    @asynccontextmanager
    async def transaction(self, *, isolation: Isolation | None = None) -> AsyncIterator[Transaction]:
        """Open a transaction: committed at the end, undone by any exception.

        Raises DatabaseUnavailableError also when only the commit failed: whether it happened is
        then not known, so what is done again must bear to be done twice.
        """
        level = f" ISOLATION LEVEL {isolation.replace('_', ' ').upper()}" if isolation else ""
        async with self.pool.lent(f"BEGIN{level}{self._settings}") as (connection, use):
            use.begun = True
            try:
                with translated(self.address, SERVER_TROUBLE):
                    yield Transaction(connection, self.queries, self.address)
                with translated(self.address):
                    await connection.execute("COMMIT")
            except BaseException:
                await undo(connection)
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
                with patiently(PATIENT):
                    await plain.execute(sql, timeout=FOR_EVER)
            return
        async with self.pool.lent() as (connection, _):
            with translated(self.address), patiently(PATIENT):
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
            async with self.pool.lent() as (connection, _):
                yield connection


async def _demand_privileges(database: Database) -> None:
    """Raise SchemaError when the role may not do what foliod does: better at once than at some later statement."""
    if missing := await database.fetch("missing_privileges"):
        raise SchemaError(lacking(database.address, [row["lacks"] for row in missing]))


async def _path_through(dsn: str) -> str | None:
    """Return the search_path that finds pgvector through a pooler; None when the usual one does."""
    async with connect(dsn) as connection, connection.transaction():
        return await search_path(connection)
