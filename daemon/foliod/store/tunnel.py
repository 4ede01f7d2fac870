"""A way to PostgreSQL for its own programs, which speak no TLS here: a private socket that leads through ours.

The pg_dump that comes with foliod is built without TLS. So it never meets the network: it connects to a socket
that only we may enter, and what it sends goes on over a connection that is checked as all of foliod's are.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import struct
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from foliod.store.address import KEEP_ALIVE, parse
from foliod.store.connection import connect, keep_socket_alive

PIECE: Final = 65536
PORT: Final = 5432
SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)


@dataclass(frozen=True, slots=True)
class Way:
    """How a program of PostgreSQL's gets to the database: parameters for libpq, and the password for its environment."""

    parameters: dict[str, str]
    password: str | None = field(repr=False)

    @property
    def conninfo(self) -> str:
        """The parameters as libpq reads them; never with the password, for a command line is seen by all."""
        quoted = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in self.parameters.items()}
        return " ".join(f"{name}='{value}'" for name, value in quoted.items())


@asynccontextmanager
async def tunnel(dsn: str) -> AsyncIterator[Way]:
    """Open the way for as long as the body runs. Raises DatabaseUnavailableError, ConfigError."""
    async with connect(dsn) as probe:
        # asyncpg has found out everything: which of several hosts, user and password, also from PGPASSFILE.
        address, params = probe._addr, probe._params  # type: ignore[attr-defined]  # noqa: SLF001 - it tells nobody else
        known = {"user": params.user, "dbname": params.database, "sslmode": "disable", "gssencmode": "disable"}
        if isinstance(address, str):
            folder, _, port = address.rpartition("/.s.PGSQL.")
            yield Way({**known, "host": folder, "port": port}, params.password)
            return
        encrypted = bool(probe._protocol.is_ssl)  # type: ignore[attr-defined]  # noqa: SLF001
        host, number = address
        relay = _Relay(
            host, number, params.ssl if encrypted else None, direct=params.ssl_negotiation == "direct",
            alive=parse(dsn).keep_alive,
        )  # fmt: skip
        private = Path(tempfile.mkdtemp(prefix="foliod-"))
        try:
            server = await asyncio.start_unix_server(relay.serve, private / f".s.PGSQL.{PORT}")
            try:
                yield Way({**known, "host": str(private), "port": str(PORT)}, params.password)
            finally:
                server.close()
                await relay.end()
        finally:
            shutil.rmtree(private, ignore_errors=True)


class _Relay:
    """Passes bytes on; `tls` is what checks the server, None for a connection that is not encrypted."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        *,
        direct: bool,
        alive: Mapping[str, int] = KEEP_ALIVE,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._direct = direct
        self._alive = alive
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            # Only `end` cancels; a task of a server that ends so is an error to Python 3.11.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                up, down = await self._dial()
                try:
                    await _both(_pass(reader, down), _pass(up, writer))
                finally:
                    down.transport.abort()
        finally:
            writer.transport.abort()

    async def end(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        up, down = await asyncio.open_connection(self._host, self._port, ssl=self._tls if self._direct else None)
        try:
            # Who waits for a server that the network has swallowed hears nothing else.
            keep_socket_alive(down.get_extra_info("socket"), self._alive)
            if self._tls is not None and not self._direct:
                await _secure(up, down)
                await down.start_tls(self._tls, server_hostname=self._host)
        except BaseException:
            down.transport.abort()
            raise
        return up, down


async def _secure(up: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
    """Ask the server for TLS. Raises ConnectionResetError."""
    down.write(SSL_REQUEST)
    # Whatever comes with its answer was put there by somebody between, and would be taken for the server's word.
    if await up.read(2) != b"S":
        msg = "the server offers no TLS any more, or somebody speaks in its place"
        raise ConnectionResetError(msg)


async def _both(*works: object) -> None:
    """Run until one of them ends, then end the other."""
    tasks = [asyncio.ensure_future(work) for work in works]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()
    # The other half may still have something to say.
    with contextlib.suppress(OSError, NotImplementedError):
        await writer.drain()
