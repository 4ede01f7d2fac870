"""The private way to the server for PostgreSQL's own programs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from foliod.store.tunnel import _Relay
from tls_server import SSL_REQUEST, authority, needs_openssl
from waiting import PATIENCE


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[asyncio.Server, asyncio.Event]]:
    """A server that never says a word, and when somebody has come to it."""
    reached = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        yield server, reached


async def test_a_way_that_is_closed_while_it_is_used_is_no_error(short_dir):
    """A program that is still connected when the way ends is cut off, and nothing is reported as an error."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with silent_server() as (server, reached):
        relay = _Relay(*server.sockets[0].getsockname(), None, direct=False)
        async with await asyncio.start_unix_server(relay.serve, short_dir / "way"):
            reader, writer = await asyncio.open_unix_connection(short_dir / "way")
            async with asyncio.timeout(PATIENCE):
                await reached.wait()
                await relay.end()
                assert await reader.read() == b""
            writer.close()
    assert reported == []


async def test_a_server_that_the_network_swallows_is_not_waited_for_for_ever(short_dir):
    """Signs of life are asked for on the way too: pg_dump, which only listens, would never notice."""
    async with silent_server() as (server, reached):
        port = server.sockets[0].getsockname()[1]
        relay = _Relay("127.0.0.1", port, None, direct=False)
        async with await asyncio.start_unix_server(relay.serve, short_dir / "way"), asyncio.timeout(20):
            _, writer = await asyncio.open_unix_connection(short_dir / "way")
            await reached.wait()
            # The kernel's own list: the address that is connected to, and which timer runs, 2 for signs of life.
            rows = [line.split() for line in Path("/proc/self/net/tcp").read_text("ascii").splitlines()[1:]]
            timers = [row[5].partition(":")[0] for row in rows if row[2] == f"0100007F:{port:04X}" and row[3] == "01"]
            assert timers == ["02"]
            writer.close()
            await relay.end()


@needs_openssl
async def test_what_is_put_in_before_tls_reaches_nobody(short_dir, tmp_path):
    """Bytes that somebody between puts behind the server's yes to TLS are not taken for what the server says in it."""
    certificate, key = (signing := authority(tmp_path, "ca")).sign("DNS:localhost")
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate, key)

    def answer(listener: socket.socket, more: bytes) -> None:
        client, _ = listener.accept()
        with client:
            client.settimeout(20)
            assert client.recv(len(SSL_REQUEST), socket.MSG_WAITALL) == SSL_REQUEST
            client.sendall(b"S" + more)
            with contextlib.suppress(OSError), own.wrap_socket(client, server_side=True) as inside:
                inside.sendall(b"the server")

    trusting = ssl.create_default_context(cafile=str(signing.certificate))
    for more, heard in ((b"", b"the server"), (b"injected", b"")):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(asyncio.to_thread(answer, listener, more))
            relay = _Relay("localhost", listener.getsockname()[1], trusting, direct=False)
            path = short_dir / f"way{len(more)}"
            async with await asyncio.start_unix_server(relay.serve, path), asyncio.timeout(20):
                reader, writer = await asyncio.open_unix_connection(path)
                assert await reader.read() == heard
                writer.close()
                await relay.end()
                await serving
