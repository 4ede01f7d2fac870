"""One connection to PostgreSQL: how it is made, how its types are encoded, how its errors are told.

What can pass by itself (no connection, a restart, a time-out, a deadlock) becomes
DatabaseUnavailableError. No message ever holds a password.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg
from pgvector.asyncpg import register_vector

from foliod.base.errors import ConfigError, DatabaseUnavailableError, SchemaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

CONNECT_SECONDS: Final = 10.0
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
KEEP_ALIVE: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
"""A connection of which nothing is heard is given up within 30 s (tcp(7); seconds, a count, milliseconds)."""
REFUSED: Final = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""Login, password or database are wrong, or were changed under us."""
LOST: Final = re.compile(r"released back to the pool|(connection|pool) is clos(ed|ing)")
"""asyncpg has no class of its own for these."""


@asynccontextmanager
async def connect(dsn: str, *, seconds: float = CONNECT_SECONDS) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Open one plain connection, without pgvector's types, within so many seconds.

    It may lead through a pooler: queries with arguments or results must stand in a transaction.
    Raises DatabaseUnavailableError, ConfigError when the address is not valid.
    """
    address = address_of(dsn)
    with connecting(address):
        connection = await asyncpg.connect(dsn, timeout=seconds, server_settings=NAMED, statement_cache_size=0)
    try:
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
    address = address_of(dsn)
    with connecting(address):
        try:
            connection = await asyncpg.connect(
                dsn, timeout=CONNECT_SECONDS, command_timeout=CONNECT_SECONDS, statement_cache_size=0,
                server_settings=NAMED | {"random_page_cost": PROBE},
            )  # fmt: skip
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
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        # A server that ends a connection between the two halves of a query puts asyncpg out of step.
        if not (isinstance(error, asyncpg.InternalClientError) or LOST.search(str(error))):
            raise
        msg = f"PostgreSQL at {address} could not do it now: the connection was lost"
        raise DatabaseUnavailableError(msg) from error


@asynccontextmanager
async def noticing_loss(connection: Connection) -> AsyncIterator[None]:
    """Run a COPY; raises ConnectionDoesNotExistError when the connection is lost.

    asyncpg would wait for ever to send what the lost connection had not taken yet.
    """
    loop = asyncio.get_running_loop()
    scope = asyncio.timeout(None)

    def lost(_: object) -> None:
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
    except (asyncpg.ClientConfigurationError, ValueError) as error:
        if "root certificate file" in str(error):
            msg = f"[database] url asks for a certificate check: {error.args[0]}; name it with sslrootcert"
            raise ConfigError(msg) from error
        # All others may quote the password.
        msg = (
            "[database] url is not a valid address: write postgresql://user:password@host:port/database, with "
            "special characters in the password as %XX"
        )
        raise ConfigError(msg) from None
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
        msg = f"PostgreSQL at {address} can't be reached: {_reason(error)}; it is tried again"
        raise DatabaseUnavailableError(msg) from error


def address_of(dsn: str) -> str:
    """Return hosts and database of an address for people, without user and password."""
    with suppress(ValueError):
        parts = urlsplit(dsn)
        # An unescaped "/", "?" or "#" in a password cuts the address in the wrong place.
        if "@" not in parts.path + parts.query + parts.fragment:
            host = parts.netloc.rpartition("@")[2] or ", ".join(parse_qs(parts.query).get("host", ["localhost"]))
            return f"{host}{parts.path}"
    return "the address in [database] url"


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncpg.QueryCanceledError | TimeoutError):
        return "it took too long"
    if isinstance(error, asyncpg.PostgresError):
        return str(error.args[0])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _keep_alive(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Let the kernel give up a TCP connection on which the network swallows everything, though the server lives."""
    sock = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # noqa: SLF001 - asyncpg has no other way to it
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEP_ALIVE.items():
            # Not every system has all of them.
            if (option := getattr(socket, name, None)) is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Teach a new connection pgvector's types and jsonb; raises SchemaError without pgvector."""
    _keep_alive(connection)
    schema = await connection.fetchval(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'"
    )
    if schema is None:
        msg = "the extension vector is missing in this database: restart foliod, which creates it"
        raise SchemaError(msg)
    await register_vector(connection, schema=schema)
    # In the binary format, as COPY needs it: a version byte, then text.
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + json.dumps(value, allow_nan=False).encode(),
        decoder=lambda data: json.loads(bytes(data[1:])),
    )


async def prepare_pooled(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Do the same through a pooler, which may change the server connection after each transaction."""
    async with connection.transaction():
        await prepare(connection)
