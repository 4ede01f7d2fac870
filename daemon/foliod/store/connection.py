"""One connection to PostgreSQL: how it is made, how its types are encoded, how its errors are told.

What can pass by itself (no connection, a restart, a time-out, a deadlock) becomes
DatabaseUnavailableError. No message ever holds a password.
"""

from __future__ import annotations

import json
import re
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
REFUSED: Final = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""Login, password or database are wrong, or were changed under us."""
LOST: Final = re.compile(r"released back to the pool|(connection|pool) is clos(ed|ing)")
"""asyncpg has no class of its own for these."""


@asynccontextmanager
async def connect(dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Open one plain connection, without pgvector's types, on which statements may take as long as they need.

    Raises DatabaseUnavailableError, ConfigError when the address is not valid.
    """
    settings = {"application_name": "foliod", "statement_timeout": "0", "lock_timeout": "0"}
    address = address_of(dsn)
    with connecting(address):
        connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS, server_settings=settings)
    try:
        with translated(address, SERVER_TROUBLE):
            yield connection
    finally:
        with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
            await connection.close(timeout=CLOSE_SECONDS)


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
            msg = f"{address} is a connection pooler; set [database] url to the direct address of PostgreSQL"
            raise ConfigError(msg) from error
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


async def prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Teach a new connection pgvector's types and jsonb; raises SchemaError without pgvector."""
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
