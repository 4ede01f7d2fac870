"""Brings the database's schema up to date: numbered SQL files, each applied once, one daemon at a time."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from foliod.base.assets import asset
from foliod.base.errors import SchemaError
from foliod.store.address import address_of
from foliod.store.connection import connect, search_path
from foliod.store.privileges import may_not_set_up
from foliod.store.pulse import watched

if TYPE_CHECKING:
    from pathlib import Path

    Connection = asyncpg.Connection[asyncpg.Record]

LOCK: Final = int.from_bytes(hashlib.sha256(b"foliod.migrations").digest()[:8], "big", signed=True)
"""Key of the advisory lock that migrating holds, the same for all daemons on a database."""
POSTGRES: Final = 15
PGVECTOR: Final = (0, 8, 0)
PGVECTOR_SAFE: Final = (0, 8, 4)
"""Before it, vacuuming an HNSW index may damage it (CVE-2026-3172)."""
LEDGER: Final = """
CREATE TABLE foliod.migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL, -- of the file
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `sha256` tells whether the file is still what was applied."""

    number: int
    name: str
    sql: str
    sha256: str


def load_migrations(folder: Path) -> list[Migration]:
    """Read `NNNN_name.sql` files in order; raise SchemaError unless they count up from 1."""
    migrations: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        content = path.read_bytes()
        found = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if found is None or int(found[1]) != len(migrations) + 1:
            msg = f"{path} is not the migration {len(migrations) + 1:04}: the installation is damaged; install it again"
            raise SchemaError(msg)
        digest = hashlib.sha256(content).hexdigest()
        migrations.append(Migration(int(found[1]), found[2], content.decode(), digest))
    return migrations


async def migrate(dsn: str, *, folder: Path | None = None, pooled: bool = False) -> int:
    """Apply the migrations that are missing, perhaps through a pooler; return how many were.

    Other daemons that start at the same time wait. Raises SchemaError when the server or pgvector
    is missing, too old or not ours to change, when the database was made by a newer foliod, or when
    a migration was changed after it was applied; DatabaseUnavailableError, ConfigError.
    """
    migrations = load_migrations(folder or asset("sql/migrations"))
    async with connect(dsn) as connection, watched(dsn, connection, pooled=pooled):
        try:
            await _open(connection, address_of(dsn))
            count = 0
            while await _apply_next(connection, migrations):
                count += 1
        except asyncpg.InsufficientPrivilegeError as error:
            raise SchemaError(may_not_set_up(address_of(dsn), error.args[0])) from error
    return count


async def _check_server(connection: Connection) -> None:
    version = connection.get_server_version()
    if version.major < POSTGRES:
        msg = f"PostgreSQL {version.major} is too old: foliod needs {POSTGRES} or later"
        raise SchemaError(msg)
    if (encoding := await connection.fetchval("SHOW server_encoding")) != "UTF8":
        msg = f"the database's encoding is {encoding}: foliod needs one made with ENCODING 'UTF8'"
        raise SchemaError(msg)


async def _open(connection: Connection, address: str) -> None:
    """Make sure of pgvector and of foliod's own schema."""
    async with connection.transaction():
        await _check_server(connection)
        await _lock(connection)
        installed = await connection.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        if installed is None:
            try:
                await connection.execute("CREATE EXTENSION vector")
            except (asyncpg.UndefinedFileError, asyncpg.FeatureNotSupportedError) as error:
                msg = (
                    f"the server of {address} has no pgvector: install it there (Debian: "
                    f"postgresql-{connection.get_server_version().major}-pgvector), version 0.8 or later"
                )
                raise SchemaError(msg) from error
            installed = await connection.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        version = tuple(int(part) for part in re.findall(r"\d+", installed)[:3])
        if version < PGVECTOR:
            msg = (
                f"pgvector {installed} in {address} is too old: install 0.8 or later on the server, then run "
                "ALTER EXTENSION vector UPDATE in the database"
            )
            raise SchemaError(msg)
        if version < PGVECTOR_SAFE:
            log.warning("pgvector_should_be_updated", version=installed, why="its HNSW vacuum can damage indexes")
        await _find_vector(connection)
        if await connection.fetchval("SELECT to_regtype('halfvec')") is None:
            msg = f"this user may not use the schema in which the extension vector of {address} lies: GRANT USAGE on it"
            raise SchemaError(msg)
        # Asked first, because IF NOT EXISTS wants the right to create even when there is nothing to do.
        if await connection.fetchval("SELECT to_regclass('foliod.migrations')") is None:
            if await connection.fetchval("SELECT to_regnamespace('foliod')") is None:
                await connection.execute("CREATE SCHEMA foliod")
            await connection.execute(LEDGER)


async def _apply_next(connection: Connection, migrations: list[Migration]) -> bool:
    """Apply the first migration that is missing, in one transaction; return False when none is."""
    async with connection.transaction():
        await _lock(connection)
        applied = await connection.fetch("SELECT number, name, sha256 FROM foliod.migrations ORDER BY number")
        _check_applied(applied, migrations)
        if len(applied) == len(migrations):
            return False
        migration = migrations[len(applied)]
        await _find_vector(connection)
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO foliod.migrations (number, name, sha256) VALUES ($1, $2, $3)",
            migration.number, migration.name, migration.sha256,
        )  # fmt: skip
    log.info("migrated", number=migration.number, name=migration.name)
    return True


async def _find_vector(connection: Connection) -> None:
    """Have pgvector found until the transaction ends, wherever a managed service keeps it."""
    if (path := await search_path(connection)) is not None:
        await connection.execute(f"SET LOCAL search_path = {path}")


async def _lock(connection: Connection) -> None:
    # Both hold to the end of the transaction, so that they work behind a connection pooler too. A migration takes as
    # long as it needs, and so do those who wait for it.
    await connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)


def _check_applied(applied: list[asyncpg.Record], migrations: list[Migration]) -> None:
    if len(applied) > len(migrations):
        msg = (
            f"the database was set up by a newer foliod (schema {len(applied)}, this one knows {len(migrations)}): "
            "install that version, or set [database] url or state_dir to another database"
        )
        raise SchemaError(msg)
    for row, migration in zip(applied, migrations, strict=False):
        if row["sha256"] != migration.sha256:
            msg = (
                f"migration {migration.number:04}_{migration.name} is not the one that this database was set up with "
                f"({row['name']}): install the version of foliod that made it, or start with a new database"
            )
            raise SchemaError(msg)
