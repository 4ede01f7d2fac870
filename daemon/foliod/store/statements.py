"""The named queries of sql/queries, and what runs them: a database, or a transaction on it."""

from __future__ import annotations

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg

from foliod.base.errors import FoliodError
from foliod.store.connection import Connection, noticing_loss, translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")

TURN_SECONDS: Final = 0.002
"""COPY encodes rows for so long before the event loop gets its turn."""
CHANGES: Final = re.compile(
    r"\b(INSERT|UPDATE|DELETE|SHARE|CREATE|DROP|pg_advisory\w*|nextval|set_config)\b", re.IGNORECASE
)
"""What makes a statement more than a look: done twice, it might do something else."""


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

    @property
    def reads(self) -> bool:
        """Whether it only looks, so that it can be asked again when the answer got lost."""
        return CHANGES.search(self.sql) is None


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

    async def _run(self, name: str, named: Mapping[str, int], call: Callable[[Connection, str], Awaitable[T]]) -> T:
        sql = self.queries[name].text(named)
        async with self._connected() as connection:
            with translated(self.address):
                return await call(connection, sql)

    async def fetch(self, name: str, *args: Any, **named: int) -> list[asyncpg.Record]:
        """Run a query; return all rows. `named` fills in placeholders."""
        return await self._run(name, named, lambda connection, sql: connection.fetch(sql, *args))

    async def fetchrow(self, name: str, *args: Any, **named: int) -> asyncpg.Record | None:
        """Run a query; return the first row, None when there is none."""
        return await self._run(name, named, lambda connection, sql: connection.fetchrow(sql, *args))

    async def fetchval(self, name: str, *args: Any, **named: int) -> Any:
        """Run a query; return the first value of the first row, None when there is none."""
        return await self._run(name, named, lambda connection, sql: connection.fetchval(sql, *args))

    async def execute(self, name: str, *args: Any, **named: int) -> str:
        """Run a query; return PostgreSQL's word on it, such as "UPDATE 3"."""
        return await self._run(name, named, lambda connection, sql: connection.execute(sql, *args))

    async def executemany(self, name: str, rows: Iterable[Sequence[Any]], **named: int) -> None:
        """Run a query once for each row of arguments: all or none."""
        await self._run(name, named, lambda connection, sql: connection.executemany(sql, rows))

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
