"""The private way to the server for PostgreSQL's own programs."""

from __future__ import annotations

import asyncio
from typing import Any

from foliod.store.tunnel import _Relay


async def test_a_way_that_is_closed_while_it_is_used_is_no_error(short_dir):
    """A program that is still connected when the way ends is cut off, and nothing is reported as an error."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    reached = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        relay = _Relay(*server.sockets[0].getsockname(), None, direct=False)
        async with await asyncio.start_unix_server(relay.serve, short_dir / "way"):
            reader, writer = await asyncio.open_unix_connection(short_dir / "way")
            async with asyncio.timeout(20):
                await reached.wait()
                await relay.end()
                assert await reader.read() == b""
            writer.close()
    assert reported == []
