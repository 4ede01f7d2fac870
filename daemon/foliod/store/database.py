"""The pool of connections to PostgreSQL, and the named queries of sql/queries that run on it.

What can pass by itself is raised as DatabaseUnavailableError; the pool connects anew with the
next query.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, TypeVar

import asyncpg

from foliod.base.assets import asset
from foliod.base.errors import DatabaseUnavailableError, FoliodError
from foliod.store.connection import (
    CONNECT_SECONDS,
    NAMED,
    SERVER_TROUBLE,
    TRANSIENT,
    Connection,
    address_of,
    behind_pooler,
    connecting,
    noticing_loss,
    prepare,
    prepare_pooled,
    translated,
)
from foliod.store.pulse import Pulse, Use

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from asyncpg.pool import PoolConnectionProxy

T = TypeVar("T")
Isolation: TypeAlias = Literal["read_committed", "repeatable_read", "serializable"]

ACQUIRE_SECONDS: Final = 30.0
"""A query waits so long for a free connection."""
STATEMENT_SECONDS: Final = 300.0
"""The server cancels a statement after so long; building a large index is the longest."""
FOR_EVER: Final = 1e7
"""Seconds, some months: asyncpg takes no None here."""
RELEASE_SECONDS: Final = 5.0
"""A connection whose query was broken off is thrown away when the server does not confirm that within so long."""
CLOSE_SECONDS: Final = 3.0
TURN_SECONDS: Final = 0.002
"""COPY encodes rows for so long before the event loop gets its turn."""
CONFLICTS: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""The transaction can simply be run again."""


@dataclass(frozen=True, slots=True)
class Query:
    """A named query: `sql` may hold {placeholders} for numbers that can't be parameters, such as dimensions."""

    name: str
    description: str
    sql: str

    def text(self, named: Mapping[str, int]) -> str:
        """Return the SQL with its placeholders filled in; raises ValueError unless exactly they are given."""
        if named.keys() != self.placeholders:
            msg = f"the query {self.name} takes {sorted(self.placeholders)}, not {sorted(named)}"
            raise ValueError(msg)
        sql = self.sql
        for key, value in named.items():
            sql = sql.replace(f"{{{key}}}", str(int(value)))
        return sql

    @property
    def placeholders(self) -> frozenset[str]:
        """Names of what has to be filled in."""
        return frozenset(re.findall(r"\{([a-z_]+)\}", self.sql))


def load_queries(folder: Path) -> dict[str, Query]:
    """Read all queries of a folder's .sql files: `-- name: x`, comment lines that describe it, SQL.

    Raises FoliodError for a file that does not keep to that, or a name that appears twice.
    """
    queries: dict[str, Query] = {}
    for path in sorted(folder.glob("*.sql")):
        _, *parts = re.split(r"^-- name:", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for part in parts:
            name, _, rest = (line.strip() for line in part.partition("\n"))
            lines = rest.splitlines()
            length = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
            description = "\n".join(line.removeprefix("--").strip() for line in lines[:length])
            sql = "\n".join(lines[length:]).strip()
            if not (re.fullmatch(r"[a-z][a-z0-9_]*", name) and description and sql) or name in queries:
                msg = f"{path}: the query {name!r} needs a name of its own in snake_case, a description and SQL"
                raise FoliodError(msg)
            queries[name] = Query(name, description, sql)
    return queries


class Session(ABC):
    """What runs named queries: a Database, each on a connection of its own, or a Transaction."""

    queries: Mapping[str, Query]
    address: str

    @abstractmethod
    def _connected(self) -> AbstractAsyncContextManager[Connection]: ...

    async def fetch(self, name: str, *args: Any, **named: int) -> list[asyncpg.Record]:
        """Run a query; return all rows. `named` fills in placeholders."""
        sql = self.queries[name].text(named)
        async with self._connected() as connection:
            with translated(self.address):
                rows: list[asyncpg.Record] = await connection.fetch(sql, *args)
                return rows

    async def fetchrow(self, name: str, *args: Any, **named: int) -> asyncpg.Record | None:
        """Run a query; return the first row, None when there is none."""
        sql = self.queries[name].text(named)
        async with self._connected() as connection:
            with translated(self.address):
                row: asyncpg.Record | None = await connection.fetchrow(sql, *args)
                return row

    async def fetchval(self, name: str, *args: Any, **named: int) -> Any:
        """Run a query; return the first value of the first row, None when there is none."""
        sql = self.queries[name].text(named)
        async with self._connected() as connection:
            with translated(self.address):
                return await connection.fetchval(sql, *args)

    async def execute(self, name: str, *args: Any, **named: int) -> str:
        """Run a query; return PostgreSQL's word on it, such as "UPDATE 3"."""
        sql = self.queries[name].text(named)
        async with self._connected() as connection:
            with translated(self.address):
                return await connection.execute(sql, *args)

    async def executemany(self, name: str, rows: Iterable[Sequence[Any]], **named: int) -> None:
        """Run a query once for each row of arguments: all or none."""
        sql = self.queries[name].text(named)
        async with self._connected() as connection:
            with translated(self.address):
                await connection.executemany(sql, rows)

    async def copy(
        self,
        table: str,
        columns: Sequence[str],
        records: Iterable[Sequence[Any]] | AsyncIterable[Sequence[Any]],
    ) -> int:
        """Append rows to `foliod.<table>` by binary COPY; return how many.

        Encoding takes long (6,000 sparsevecs of 80 terms: 0.8 s), so the event loop gets its turn in between.
        """
        async with self._connected() as connection:
            with translated(self.address):
                async with noticing_loss(connection):
                    status = await connection.copy_records_to_table(
                        table, schema_name="foliod", columns=list(columns), records=_taking_turns(records)
                    )
        return int(status.removeprefix("COPY "))


class Transaction(Session):
    """An open transaction; `connection` is for what is not a named query."""

    def __init__(self, connection: Connection, queries: Mapping[str, Query], address: str) -> None:
        self.connection = connection
        self.queries = queries
        self.address = address

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        yield self.connection


class Database(Session):
    """The pool. Make it with `open`."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        queries: Mapping[str, Query],
        address: str,
        pulse: Pulse,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` are made anew in each transaction, because a pooler stands before the server."""
        self._pool = pool
        self.queries = queries
        self.address = address
        """Host and database for people: never with a password."""
        self.pulse = pulse
        """Knows whether the server lives, while somebody runs it."""
        self._pooled = settings is not None
        self._settings = "".join(f"; SET LOCAL {name} = '{value}'" for name, value in (settings or {}).items())

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
    ) -> AsyncIterator[Self]:
        """Open a pool on a migrated database; `pooled` says that a pooler in transaction mode stands before it.

        With None that is found out. Raises DatabaseUnavailableError when it can't be reached now,
        ConfigError when the address is not valid, SchemaError when pgvector is missing.
        """
        settings = {
            "jit": "off",
            "random_page_cost": "1.1",
            "statement_timeout": f"{round(statement_seconds * 1000)}ms",
            "idle_in_transaction_session_timeout": "300s",
        }
        if pooled is None:
            pooled = await behind_pooler(dsn)
        pulse = Pulse(dsn, pooled=pooled)

        async def init(connection: asyncpg.Connection[asyncpg.Record]) -> None:
            with pulse.preparing(connection):
                await (prepare_pooled if pooled else prepare)(connection)

        pool: asyncpg.Pool[asyncpg.Record] = await asyncpg.create_pool(
            dsn,
            # Without a floor asyncpg connects only when somebody asks, and complains to nobody else.
            min_size=0,
            max_size=pool_size,
            timeout=CONNECT_SECONDS,
            init=init,
            # Nothing here changes a session, and asking for a reset would double the round trips.
            reset=_unchanged,
            # The server's own time-out comes first; this one is for a server that went silent.
            command_timeout=statement_seconds + 15,
            # Behind a pooler the next statement may meet another server connection, which was never told of it.
            statement_cache_size=0 if pooled else 100,
            # As start-up parameters they cost nothing.
            server_settings=NAMED if pooled else NAMED | settings,
        )
        database = cls(pool, load_queries(asset("sql/queries")), address_of(dsn), pulse, settings if pooled else None)
        try:
            await database.ping()
            yield database
        finally:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await pool.close()
            except (asyncpg.InterfaceError, *TRANSIENT):
                pool.terminate()

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
        async with self._lent() as (connection, use):
            with translated(self.address):
                await connection.execute(f"BEGIN{level}{self._settings}")
            use.begun = True
            try:
                with translated(self.address, SERVER_TROUBLE):
                    yield Transaction(connection, self.queries, self.address)
            except BaseException:
                # When this fails too, the connection is thrown away, which undoes as well.
                with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
                    await connection.execute("ROLLBACK")
                raise
            with translated(self.address):
                await connection.execute("COMMIT")

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
        async with self._lent() as (connection, _):
            with translated(self.address):
                if self._pooled:
                    await connection.execute(sql, timeout=FOR_EVER)
                    return
                try:
                    await connection.execute("; ".join(f"SET {key} = '{value}'" for key, value in held.items()))
                    await connection.execute(sql, timeout=FOR_EVER)
                finally:
                    try:
                        await connection.execute("; ".join(f"RESET {key}" for key in held))
                    except BaseException:
                        # The pool makes a new one, which has the settings of all others.
                        connection.terminate()
                        raise

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        if self._pooled:
            async with self.transaction() as transaction:
                yield transaction.connection
        else:
            async with self._lent() as (connection, _):
                yield connection

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[tuple[Connection, Use]]:
        """Lend a connection of the pool, in whose use the server's silence is noticed."""
        async with self.pulse.use() as use:
            use.connection = connection = await self._acquire()
            try:
                yield connection, use
            except DatabaseUnavailableError as error:
                if isinstance(error.__cause__, asyncpg.InternalClientError):
                    connection.terminate()
                raise
            finally:
                # A connection that can't be reset is closed by the pool; what was done on it is done.
                with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
                    await self._pool.release(connection, timeout=RELEASE_SECONDS)

    async def _acquire(self) -> PoolConnectionProxy[asyncpg.Record]:
        with connecting(self.address):
            try:
                return await self._pool.acquire(timeout=ACQUIRE_SECONDS)
            except TimeoutError:
                if self._pool.get_size() < self._pool.get_max_size() or self._pool.get_idle_size() > 0:
                    raise
                msg = f"all {self._pool.get_size()} connections to PostgreSQL are busy; raise [database] pool_size"
                raise DatabaseUnavailableError(msg) from None


async def _unchanged(connection: Connection) -> None:
    """Leave a connection as it is when it goes back to the pool."""


async def _taking_turns(
    records: Iterable[Sequence[Any]] | AsyncIterable[Sequence[Any]],
) -> AsyncIterator[Sequence[Any]]:
    """Pass records on, and let the event loop do other work between them."""
    since = time.perf_counter()
    async for record in records if isinstance(records, AsyncIterable) else _each(records):
        yield record
        if time.perf_counter() - since > TURN_SECONDS:
            await asyncio.sleep(0)
            since = time.perf_counter()


async def _each(records: Iterable[Sequence[Any]]) -> AsyncIterator[Sequence[Any]]:
    for record in records:
        yield record
