"""Checks the database for `foliod doctor`: server, pgvector, TLS, poolers, rights. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from foliod.base.assets import asset
from foliod.base.errors import ConfigError, EmbeddedServerError, FoliodError
from foliod.start.checks import Check
from foliod.store.address import Address
from foliod.store.connection import behind_pooler, connect, read
from foliod.store.lodging import installation
from foliod.store.migrate import PGVECTOR, PGVECTOR_SAFE, POSTGRES
from foliod.store.privileges import SCRIPT, summary
from foliod.store.statements import load_queries

if TYPE_CHECKING:
    from foliod.base.config import Settings

NAME = "database"
IDENTITY = "SELECT current_database() || pg_postmaster_start_time()"
"""The same on all ways to one database."""


async def examine_database(settings: Settings, status: dict[str, Any] | None) -> AsyncIterator[Check]:
    """Yield the checks; `status` is that of the running daemon."""
    if status is not None and not status["database"]["reachable"]:
        yield Check(NAME, "fail", str(status["database"]["error"]), "the log of the daemon tells more")
        return
    if settings.database.embedded:
        try:
            installation()
        except EmbeddedServerError as error:
            yield Check(NAME, "fail", error.message, None)
            return
        yield Check(NAME, "ok", "PostgreSQL with pgvector comes with foliod" + (", and runs" if status else ""))
        return
    dsn = settings.database.url.get_secret_value()
    try:
        address = read(dsn)
        async with connect(dsn) as connection, connection.transaction():
            server = connection.get_server_version()
            row = await connection.fetchrow(
                "SELECT a.installed_version, a.default_version, e.extnamespace::regnamespace::text AS schema "
                "FROM pg_available_extensions a LEFT JOIN pg_extension e ON e.extname = a.name WHERE a.name = 'vector'"
            )
            lacks = [r["lacks"] for r in await connection.fetch(_query("missing_privileges"))]
            undone = [r["lacks"] for r in await connection.fetch(_query("missing_set_up"))]
            identity = await connection.fetchval(IDENTITY)
    except FoliodError as error:
        yield Check(NAME, "fail", error.message.removesuffix("; check [database] url"), _fix(error, "url"))
        return
    where = f"PostgreSQL {server.major}.{server.minor} at {address.shown}"
    yield _server(where, server.major, row)
    if undone and settings.database.direct_url is None:
        fix = f"run {SCRIPT}, and `foliod migrate` with the owner's URL, as it says"
        yield Check("database rights", "fail", f"foliod's role may not set up the database: {summary(undone)}", fix)
    elif lacks and not undone:
        yield Check("database rights", "fail", f"foliod's role lacks something: {summary(lacks)}", f"run {SCRIPT}")
    if address.remote:
        yield await _tls(dsn, address)
    async for check in _ways(settings, dsn, identity):
        yield check


def _server(where: str, major: int, row: Any) -> Check:
    if major < POSTGRES:
        return Check(NAME, "fail", f"{where} is too old", f"foliod needs PostgreSQL {POSTGRES} or later")
    if row is None:
        fix = f"install it on the server (Debian: postgresql-{major}-pgvector)"
        return Check(NAME, "fail", f"{where} has no pgvector", fix)
    version = row["installed_version"] or row["default_version"]
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    found = f"{where} with pgvector {version}"
    if row["schema"] not in (None, "public"):
        found += f" in the schema {row['schema']}"
    if numbers < PGVECTOR:
        fix = "install 0.8 or later on the server, then run ALTER EXTENSION vector UPDATE in the database"
        return Check(NAME, "fail", f"{found}, which is too old", fix)
    if numbers < PGVECTOR_SAFE:
        return Check(NAME, "warn", f"{found}, whose vacuum can damage indexes", "update pgvector to 0.8.4 or later")
    return Check(NAME, "ok", found)


async def _tls(dsn: str, address: Address) -> Check:
    """Say whether who answers was checked; where it was not, whether it could be."""
    name = "database TLS"
    if address.weak is None:
        notes = "".join(f"; {note}" for note in address.notes)
        return Check(name, "ok", f"encrypted, the certificate of {address.shown} is checked{notes}")
    parts = urlsplit(dsn)
    kept = [(key, value) for key, value in parse_qsl(parts.query) if key not in ("sslmode", "channel_binding", "ssl")]
    try:
        async with connect(parts._replace(query=urlencode([*kept, ("sslmode", "verify-full")])).geturl()):
            fix = "leave sslmode out of [database] url: the certificate of this server can be checked"
    except FoliodError as error:
        fix = f"leave sslmode out of [database] url; that needs something first: {error.message}"
    return Check(name, "warn", address.weak, fix)


async def _ways(settings: Settings, dsn: str, identity: str) -> AsyncIterator[Check]:
    """Say what leads through a pooler, and whether the direct address is one, of the same database."""
    name, s = "database pooler", settings.database
    try:
        pooled = await behind_pooler(dsn) if s.pooled is None else s.pooled
        if s.direct_url is None:
            if pooled:
                fix = "set [database] direct_url to the address of the server itself"
                if "-pooler." in read(dsn).shown:
                    fix += " (the same host without -pooler)"
                told = (
                    "url leads through a pooler: backups need a direct address, and long statements may meet its limits"
                )
                yield Check(name, "warn", told, fix)
            return
        direct = s.direct_url.get_secret_value()
        async with connect(direct) as connection, connection.transaction():
            same = await connection.fetchval(IDENTITY) == identity
        if not same:
            yield Check(name, "fail", "direct_url leads to another database than url", "correct one of them")
        elif await behind_pooler(direct):
            yield Check(name, "fail", "direct_url leads through a pooler too", "name the server itself")
        else:
            yield Check(
                name, "ok", f"direct_url leads past {'the pooler' if pooled else 'nothing'} to the same database"
            )
    except FoliodError as error:
        message = f"the direct_url can't be used: {error.message.removesuffix('; check [database] url')}"
        yield Check(name, "fail", message, _fix(error, "direct_url"))


def _fix(error: FoliodError, key: str) -> str:
    """Return what to do about an address that could not be used."""
    match error.__cause__:
        case asyncpg.InvalidCatalogNameError():
            return (
                f"make the database (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0), or correct [database] {key}"
            )
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"the server runs: correct user and password in [database] {key}, or let the server accept them"
    if isinstance(error, ConfigError):
        return f"correct [database] {key}"
    return f"check [database] {key}, and that the server runs"


def _query(name: str) -> str:
    return load_queries(asset("sql/queries"))[name].sql
