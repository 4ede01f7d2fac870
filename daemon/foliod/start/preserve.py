"""How a backup is made and put back: which way to the database, what is refused, what is checked afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from foliod.base.assets import asset
from foliod.base.errors import ConflictError, FoliodError, NotFoundError
from foliod.start.logs import open_error_log
from foliod.start.reach import host_of, reached, status_of
from foliod.start.state import name_host, open_state
from foliod.start.target import atomically, target_of
from foliod.start.terminal import Terminal
from foliod.store import archive
from foliod.store.check import check, snapshot
from foliod.store.connection import behind_pooler, connect
from foliod.store.database import Database
from foliod.store.embedded import EmbeddedServer
from foliod.store.migrate import LOCK, load_migrations, migrate
from foliod.store.privileges import may_not_create, may_not_replace
from foliod.store.statements import load_queries
from foliod.store.tunnel import tunnel

if TYPE_CHECKING:
    from foliod.base.config import Settings
    from foliod.store.archive import Contents

TELL_SECONDS = 2.0
"""Progress is told so often."""
STOPPED = "it was stopped"
LOCK_SECONDS = 10
"""Somebody who still uses the store is waited for so long."""


class Progress:
    """Tells how far it is, and ends the work when that is asked for. Called from a thread."""

    def __init__(self, done: str, *, silent: bool) -> None:
        self._done = done
        self._silent = silent
        self._told = time.monotonic()
        self._stopped = threading.Event()
        self.programs = archive.Programs()

    def stop(self) -> None:
        """Ask for the end, which does not wait for what the programs wait for."""
        self._stopped.set()
        self.programs.end()

    def __call__(self, count: int) -> None:
        """Take note of the bytes that are done; raises ArchiveError when the work is to end."""
        if self._stopped.is_set():
            raise archive.ArchiveError(STOPPED)
        if not self._silent and time.monotonic() - self._told > TELL_SECONDS:
            self._told = time.monotonic()
            Terminal().say(f"{count / 1e6:,.0f} MB {self._done}")


def run(settings: Settings, work: Callable[[], Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
    """Run it; SIGTERM ends it as Ctrl-C does, with nothing left behind."""
    open_error_log(settings)

    async def whole() -> dict[str, Any]:
        task = asyncio.create_task(work())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            raise archive.ArchiveError(STOPPED) from None

    return asyncio.run(whole())


async def save(settings: Settings, file: Path, *, force: bool, progress: Progress) -> dict[str, Any]:
    """Make a backup; return `{file, bytes, seconds, totals, schema}`. Raises FoliodError."""
    started = time.monotonic()
    target = await asyncio.to_thread(target_of, file, force=force)
    status = await asyncio.to_thread(status_of, settings)
    async with reached(settings, running=status is not None) as dsn:
        if dsn is None:
            msg = "nothing is stored yet: there is nothing to save"
            raise NotFoundError(msg)
        await _no_pooler(dsn)
        async with _no_migration(dsn) as allow, snapshot(dsn) as tx, tunnel(dsn) as way:

            def saved(count: int) -> None:
                # Nothing is written before pg_dump has locked all tables.
                allow()
                progress(count)

            totals = dict(await tx.fetchrow("store_totals") or {})
            schema = await tx.fetchval("check_schema")
            name = await tx.connection.fetchval("SELECT pg_export_snapshot()")
            major = tx.connection.get_server_version().major
            with atomically(target, force=force) as (into, finish):
                work = partial(archive.dump, way, major, name, into, saved, progress.programs)
                size = await _in_thread(work, progress)
                await asyncio.to_thread(finish)
    seconds = round(time.monotonic() - started, 1)
    return {"file": str(target), "bytes": size, "seconds": seconds, "totals": totals, "schema": schema}


async def put_back(
    settings: Settings, file: Path, *, replace: bool, host: str | None, progress: Progress
) -> dict[str, Any]:
    """Restore a backup; return `{totals, host, known_host, hosts, findings, seconds, schema}`. Raises FoliodError."""
    started = time.monotonic()
    found = await asyncio.to_thread(archive.contents, Path(file))
    known = {step.number: (step.name, step.sha256) for step in load_migrations(asset("sql/migrations"))}
    archive.fits(found, known, file)
    name = _host(found, host, host_of(settings.state))
    async with _alone(settings) as dsn:
        async with connect(dsn) as connection:
            major = connection.get_server_version().major
            await _refuse(connection, replace=replace)
            first, now = await _beginning(connection)
        async with tunnel(dsn) as way:
            names = found.vector_schema, now
            work = partial(archive.restore, Path(file), way, major, names, first, progress, progress.programs)
            await _in_thread(work, progress)
        # Not before the store is this one: what fails can be repeated as if nothing had been.
        await asyncio.to_thread(name_host, settings.state, name)
        await migrate(dsn)
        async with Database.open(dsn, pool_size=2, pooled=False) as db:
            await db.execute("free_all_claims")
            statements = [row["statement"] for row in await db.fetch("analyze_tables")]
        async with connect(dsn) as connection:
            for statement in statements:
                await connection.execute(statement, timeout=600)
        async with snapshot(dsn) as tx:
            report = await check(tx)
        await _fit_for_the_daemon(settings)
    host_now = host_of(settings.state)
    return {
        "totals": report.totals, "host": host_now, "known_host": host_now in found.hosts, "hosts": list(found.hosts),
        "findings": [asdict(finding) for finding in report.findings if not finding.passing],
        "seconds": round(time.monotonic() - started, 1), "schema": found.migrations[-1][0],
    }  # fmt: skip


@asynccontextmanager
async def _alone(settings: Settings) -> AsyncIterator[str]:
    """Give the address of the database while no daemon of this state folder runs. Raises StateInUseError."""
    async with AsyncExitStack() as stack:
        stack.enter_context(open_state(settings.state, named=False))
        if not settings.database.embedded:
            dsn = settings.database.direct
            await _no_pooler(dsn)
            yield dsn
            return
        server = EmbeddedServer(settings.state, settings.database.shared_buffers_mb)
        yield (await stack.enter_async_context(server)).url


@asynccontextmanager
async def _no_migration(dsn: str) -> AsyncIterator[Callable[[], None]]:
    """Keep migrations out until what is given is called, from any thread: between a snapshot and pg_dump's locks.

    By then the snapshot shows one schema, and pg_dump would describe another. Not for longer, since daemons that
    start wait for it.
    """
    loop = asyncio.get_running_loop()
    async with connect(dsn) as connection:
        await connection.execute(f"SET statement_timeout = 0; SELECT pg_advisory_lock_shared({LOCK})")

        def allow() -> None:
            loop.call_soon_threadsafe(connection.terminate)

        yield allow


async def _no_pooler(dsn: str) -> None:
    if await behind_pooler(dsn):
        msg = (
            "[database] url leads through a pooler, which backups can't use: set [database] direct_url to the address of "
            "the server itself"
        )
        raise ConflictError(msg)


async def _refuse(connection: asyncpg.Connection[asyncpg.Record], *, replace: bool) -> None:
    """Raise ConflictError when others use the store, or when it holds something that is not to be replaced."""
    queries = load_queries(asset("sql/queries"))
    if others := await connection.fetchval(queries["other_daemons"].sql):
        msg = (
            f"foliod still uses this database ({others} connections): stop all daemons that share it first. What a pooler "
            "keeps open for them counts too: it goes when the pooler is told so (PgBouncer: RECONNECT), or after its "
            "server_idle_timeout"
        )
        raise ConflictError(msg)
    if replace or not await connection.fetchval("SELECT to_regclass('foliod.documents') IS NOT NULL"):
        return
    totals = await connection.fetchrow("SELECT count(*) AS documents FROM foliod.documents")
    if totals is not None and totals["documents"]:
        msg = f"the store is not empty ({totals['documents']:,} documents): --replace gives them up for the backup"
        raise ConflictError(msg)


async def _beginning(connection: asyncpg.Connection[asyncpg.Record]) -> tuple[str, str]:
    """Return the statements before those of the archive, and the schema in which pgvector lies or will lie.

    Raises ArchiveError when this role may not empty or make foliod's schema.
    """
    queries = load_queries(asset("sql/queries"))
    found = await connection.fetchrow(queries["restorable"].sql)
    assert found is not None
    if not found["allowed"]:
        raise archive.ArchiveError(
            may_not_replace(found["role"], found["owner"]) if found["owner"] else may_not_create(found["role"])
        )
    lies = found["vector_schema"]
    first = [f"SET lock_timeout = '{LOCK_SECONDS}s';", "SET lock_timeout = 0;"]
    # Who owns a schema need not be allowed to make another one, and what may be done in it by default stays with it.
    first.insert(1, queries["drop_contents"].sql if found["owner"] else "CREATE SCHEMA foliod;")
    if lies is None:
        lies = "public"
        first.insert(0, "CREATE EXTENSION vector SCHEMA public;")
    return "\n".join(first), lies


def _host(found: Contents, asked: str | None, own: str) -> str | None:
    """Return the name to give this state folder, None to leave it as it is. Raises NotFoundError.

    With a name that the backup knows no file is new to it. A state folder that has one keeps it; a new one takes
    the only one that there is, or the only one of a machine of this name.
    """
    if asked is not None:
        if asked not in found.hosts:
            msg = f"the backup knows no host {asked}; it knows: {', '.join(found.hosts) or 'none'}"
            raise NotFoundError(msg)
        return asked
    if own:
        return None
    here: Sequence[str] = found.hosts
    if len(here) > 1:
        # A name is the machine's and twelve digits.
        here = [name for name in here if name.rpartition("-")[0] == os.uname().nodename]
    return here[0] if len(here) == 1 else None


async def _fit_for_the_daemon(settings: Settings) -> None:
    """Raise SchemaError when the daemon's own role may not use what another one restored."""
    if settings.database.direct_url is not None:
        async with Database.open(
            settings.database.url.get_secret_value(), pool_size=2, pooled=settings.database.pooled
        ):
            pass


async def _in_thread(work: Callable[[], Any], progress: Progress) -> Any:
    """Run what blocks; when we are to end, so does that, before we go on."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        progress.stop()
        with contextlib.suppress(FoliodError, OSError):
            await task
        raise
