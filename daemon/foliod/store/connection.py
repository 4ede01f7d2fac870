"""One connection to PostgreSQL: how it is made, how its types are encoded, how its errors are told.

What can pass by itself (no connection, a restart, a time-out, a deadlock) becomes
DatabaseUnavailableError. No message ever holds a password.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import traceback
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
from pgvector.asyncpg import register_vector

from foliod.base.errors import ConfigError, DatabaseUnavailableError, SchemaError
from foliod.store.address import KEEP_ALIVE, Address, address_of, parse
from foliod.store.tls import distrusted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

CLOSE_SECONDS: Final = 3.0
NAMED: Final = {"application_name": "foliod"}
"""The one setting that every pooler lets through."""
PROBE: Final = "1.25"
"""A value of random_page_cost that nobody else would set."""

SERVER_TROUBLE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutdown, crash, starting up, cancelled by its time-out
    asyncpg.InsufficientResourcesError,  # too many connections, disk or memory full
    asyncpg.PostgresSystemError,  # the disk fails
    asyncpg.DataCorruptedError,
    asyncpg.IndexCorruptedError,
    asyncpg.InsufficientPrivilegeError,  # taken away under us
    asyncpg.TransactionRollbackError,  # serialization, deadlock
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a failover in progress
    asyncpg.TargetServerAttributeNotMatched,  # the same, with several hosts
)
"""What the server says, or its absence, that may go away by itself, or that somebody has to mend: no document is to blame."""
TRANSIENT: Final = (OSError, *SERVER_TROUBLE)
"""The same and what the network says: refused, a vanished socket, a time-out."""
EXTENSION: Final = """
SELECT n.nspname AS schema, CASE WHEN n.nspname <> ALL (current_schemas(true))
       THEN concat_ws(', ', nullif(current_setting('search_path'), ''), quote_ident(n.nspname)) END AS path
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'
"""
REFUSED: Final = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""Login, password or database are wrong, or were changed under us."""
LOST: Final = re.compile(r"released back to the pool|(connection|pool) is clos(ed|ing)")
"""asyncpg has no class of its own for these."""


def read(dsn: str) -> Address:
    """Read an address; raises ConfigError when it is not valid."""
    with connecting(address_of(dsn)):
        return parse(dsn)


async def dial(dsn: str, settings: Mapping[str, str] = NAMED, **more: Any) -> asyncpg.Connection[asyncpg.Record]:
    """Make a connection as the address asks for it; raises what asyncpg raises, and ConfigError."""
    return await asyncpg.connect(**parse(dsn).arguments(settings), statement_cache_size=0, **more)


@asynccontextmanager
async def connect(dsn: str, *, seconds: float | None = None) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Open one plain connection, without pgvector's types, within so many seconds (None: the address tells).

    It may lead through a pooler: queries with arguments or results must stand in a transaction.
    Raises DatabaseUnavailableError, ConfigError when the address is not valid.
    """
    address = address_of(dsn)
    with connecting(address):
        seconds = seconds or parse(dsn).connect_seconds
        connection = await dial(dsn, timeout=seconds)
    try:
        keep_alive(connection, parse(dsn).keep_alive)
        with translated(address, SERVER_TROUBLE):
            yield connection
    finally:
        with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
            await connection.close(timeout=min(seconds, CLOSE_SECONDS))


async def behind_pooler(dsn: str) -> bool:
    """Find out whether a pooler such as PgBouncer stands before the server, so that a connection has no settings.

    Poolers refuse start-up parameters that they don't know, or swallow them. Raises
    DatabaseUnavailableError, ConfigError when the address is not valid.
    """
    with connecting(address_of(dsn)):
        address = parse(dsn)
        if address.pooled is not None:
            return address.pooled
        seconds = address.connect_seconds
        try:
            settings = {**NAMED, "random_page_cost": PROBE}
            connection = await dial(dsn, settings, timeout=seconds, command_timeout=seconds)
        except asyncpg.PostgresError as error:
            if "startup parameter" in str(error):
                return True
            raise
        try:
            async with connection.transaction():
                found = await connection.fetchval("SHOW random_page_cost")
        finally:
            connection.terminate()
    return bool(found != PROBE)


@contextmanager
def translated(address: str, transient: tuple[type[Exception], ...] = TRANSIENT) -> Iterator[None]:
    """Raise what may pass by itself as DatabaseUnavailableError, with its cause."""
    try:
        yield
    except transient as error:
        msg = f"PostgreSQL at {address} could not do it now: {_reason(error)}"
        raise DatabaseUnavailableError(msg) from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, AttributeError) as error:
        if isinstance(error, asyncpg.InterfaceError):
            passes = LOST.search(str(error)) is not None
        else:
            # A server that ends a connection between the two halves of a query puts asyncpg out of step.
            passes = isinstance(error, asyncpg.InternalClientError) or _torn(error)
        if not passes:
            raise
        msg = f"PostgreSQL at {address} could not do it now: the connection was lost"
        raise DatabaseUnavailableError(msg) from error


def _torn(error: AttributeError) -> bool:
    """Whether asyncpg went on with a connection that was terminated under it: that one has no protocol any more."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return error.obj is None and str(frames[-1].f_globals.get("__name__")).startswith("asyncpg.")


@asynccontextmanager
async def noticing_loss(connection: Connection) -> AsyncIterator[None]:
    """Run a COPY; raises ConnectionDoesNotExistError when the connection is lost.

    asyncpg would wait for ever to send what the lost connection had not taken yet.
    """
    loop = asyncio.get_running_loop()
    scope = asyncio.timeout(None)

    def lost(_: object) -> None:
        # Told a moment later, when all may be over.
        with suppress(RuntimeError):
            scope.reschedule(loop.time())

    connection.add_termination_listener(lost)
    try:
        async with scope:
            yield
    except Exception:
        # Interrupted, asyncpg may also stumble over the connection that is not there any more.
        if not scope.expired():
            raise
        msg = "the connection was lost"
        raise asyncpg.ConnectionDoesNotExistError(msg) from None
    finally:
        with suppress(asyncpg.InterfaceError):
            connection.remove_termination_listener(lost)


@contextmanager
def connecting(address: str) -> Iterator[None]:
    """Raise what goes wrong while connecting as DatabaseUnavailableError, or as ConfigError."""
    try:
        yield
    except REFUSED as error:
        msg = f"PostgreSQL at {address} refuses the login: {_reason(error)}; check [database] url"
        raise DatabaseUnavailableError(msg) from error
    except (ssl.SSLError, ConnectionError) as error:
        msg = distrusted(address, error) or f"PostgreSQL at {address} can't be reached: {_reason(error)}"
        raise DatabaseUnavailableError(msg) from error
    except (asyncpg.ClientConfigurationError, ValueError):
        # All others may quote the password.
        msg = (
            "[database] url is not a valid address: write postgresql://user:password@host:port/database, with "
            "special characters in the password as %XX"
        )
        raise ConfigError(msg) from None
    except asyncpg.UndefinedObjectError as error:
        msg = f"PostgreSQL at {address} refuses a parameter of [database] url: {_reason(error)}; leave it out"
        raise ConfigError(msg) from error
    except asyncpg.InterfaceError as error:
        if not LOST.search(str(error)):
            raise
        msg = f"PostgreSQL at {address} can't be asked: foliod is stopping"
        raise DatabaseUnavailableError(msg) from error
    except (*TRANSIENT, asyncpg.InternalClientError) as error:
        if "startup parameter" in str(error):
            # Found out at the start, unless it came later or [database] pooled says otherwise.
            msg = f"{address} is a connection pooler: set [database] pooled = true, or start foliod again"
            raise DatabaseUnavailableError(msg) from error
        msg = f"PostgreSQL at {address} can't be reached: {_reason(error)}"
        raise DatabaseUnavailableError(msg) from error


def lost(error: BaseException | None) -> bool:
    """Whether an error says that the connection is gone, and nothing of the server or of what was asked."""
    if isinstance(error, asyncpg.InterfaceError):
        return LOST.search(str(error)) is not None
    return isinstance(
        error,
        ConnectionError | asyncpg.PostgresConnectionError | asyncpg.AdminShutdownError | asyncpg.InternalClientError,
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncpg.QueryCanceledError | TimeoutError):
        return "it took too long"
    if isinstance(error, asyncpg.PostgresError):
        return str(error.args[0])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def keep_alive(connection: asyncpg.Connection[asyncpg.Record], options: Mapping[str, int]) -> None:
    """Let the kernel give up a TCP connection on which the network swallows everything, though the server lives."""
    # asyncpg has no other way to it.
    keep_socket_alive(connection._transport.get_extra_info("socket"), options)  # type: ignore[attr-defined]  # noqa: SLF001


def keep_socket_alive(sock: Any, options: Mapping[str, int]) -> None:
    """Do the same for a socket; a Unix socket needs nothing."""
    if options and sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            # Not every system has all of them.
            if (option := getattr(socket, name, None)) is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def search_path(connection: Connection) -> str | None:
    """Return a search_path, as SET takes it, with which pgvector is found; None when the session's own does.

    Managed services keep extensions in a schema of their own. Raises SchemaError without pgvector.
    """
    row = await connection.fetchrow(EXTENSION)
    if row is None:
        msg = "the extension vector is missing in this database: restart foliod, which creates it"
        raise SchemaError(msg)
    path: str | None = row["path"]
    return path


async def prepare(connection: asyncpg.Connection[asyncpg.Record], options: Mapping[str, int] = KEEP_ALIVE) -> None:
    """Teach a new connection pgvector's types and jsonb; raises SchemaError without pgvector."""
    keep_alive(connection, options)
    row = await connection.fetchrow(EXTENSION)
    if row is None:
        msg = "the extension vector is missing in this database: restart foliod, which creates it"
        raise SchemaError(msg)
    if row["path"] is not None:
        await connection.execute(f"SET search_path = {row['path']}")
    await register_vector(connection, schema=row["schema"])
    # In the binary format, as COPY needs it: a version byte, then text.
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + json.dumps(value, allow_nan=False).encode(),
        decoder=lambda data: json.loads(bytes(data[1:])),
    )


async def prepare_pooled(
    connection: asyncpg.Connection[asyncpg.Record], options: Mapping[str, int] = KEEP_ALIVE
) -> None:
    """Do the same through a pooler, which may change the server connection after each transaction."""
    async with connection.transaction():
        await prepare(connection, options)
