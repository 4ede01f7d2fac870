"""A cable to PostgreSQL that tests may cut, squeeze or pull out: it runs in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

from ports import keep_port

T = TypeVar("T")
PIECE = 65536


class Proxy:
    """Passes bytes on between clients and the server at `dsn`; `url` leads through it."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
        folder = query.get("host", [""])[0]
        port = int(parts.port or query.get("port", ["5432"])[0])
        if folder.startswith("/"):
            self._upstream: Callable[[], Coroutine[Any, Any, Any]] = functools.partial(
                asyncio.open_unix_connection, f"{folder}/.s.PGSQL.{port}"
            )
        else:
            self._upstream = functools.partial(asyncio.open_connection, parts.hostname or folder or "localhost", port)
        self._parts = parts
        self._kept = keep_port()
        self.port = self._kept.getsockname()[1]
        self.connections = 0
        """How many were made so far."""
        self.sent = 0
        """Bytes that clients sent so far."""
        self.cuts = 0
        """How often `cut_after` has struck."""
        self._budget: int | None = None
        self._stall_budget: int | None = None
        self._trap = b""
        self.trapped = 0
        """How often `lose_answer` has struck."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.WriteTransport] = set()
        self._loop = asyncio.new_event_loop()
        self._cold_until = 0.0
        self._dropped: set[int] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")

    @property
    def url(self) -> str:
        user = f"{self._parts.netloc.rpartition('@')[0]}@" if "@" in self._parts.netloc else ""
        return f"postgresql://{user}127.0.0.1:{self.port}{self._parts.path}?sslmode=disable"

    # --- what may happen to it ----------------------------------------------------------

    def refuse(self) -> None:
        """Cut everything and refuse new connections, as when the server is gone."""
        self._call(self._listen(on=False))
        self.cut()

    def accept(self) -> None:
        """Take connections again."""
        self._call(self._listen(on=True))

    def cut(self) -> None:
        """Reset all connections; new ones work."""
        self._call(self._cut())

    def stall(self) -> None:
        """Take bytes and pass none on, as when a cable is pulled out: nobody is told."""
        self._call(self._flow(on=False))

    def flow(self) -> None:
        """Pass bytes on again, also those that came meanwhile."""
        self._call(self._flow(on=True))

    def drop(self) -> None:
        """Forget all connections without a word, as routers do with idle ones: what is sent on them goes nowhere."""
        self._dropped = set(range(1, self.connections + 1))

    def cold(self, seconds: float) -> None:
        """End all connections, and let new ones wait until so many seconds have passed, as a server that has to wake up."""
        self._cold_until = time.monotonic() + seconds
        self.cut()

    def cut_after(self, count: int) -> None:
        """Reset all connections once, when clients have sent so many bytes more."""
        self._budget = count

    def stall_after(self, count: int) -> None:
        """Fall silent when clients have sent so many bytes more."""
        self._stall_budget = count

    @property
    def stalled(self) -> bool:
        return not self._flowing.is_set()

    def lose_answer(self, words: bytes) -> None:
        """Let the server do what the next message with these words asks for, but reset the connection instead of answering."""
        self._trap = words

    # --- how it works -------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self.flow()
        self.refuse()
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._kept.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _listen(self, *, on: bool) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if on:
            self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port, reuse_port=True)

    async def _flow(self, *, on: bool) -> None:
        if on:
            self._flowing.set()
        else:
            self._flowing.clear()

    async def _cut(self) -> None:
        for transport in self._open:
            transport.abort()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        if self._server is None:
            # It was taken in the moment in which all were cut.
            writer.transport.abort()
            return
        self._open.add(writer.transport)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._flowing.wait()
            await asyncio.sleep(max(0.0, self._cold_until - time.monotonic()))
            from_server, to_server = await self._upstream()
            self._open.add(to_server.transport)
            lost = asyncio.Event()
            try:
                there = asyncio.create_task(self._send(reader, to_server, lost, number))
                back = asyncio.create_task(self._answer(from_server, writer, lost))
                await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
                there.cancel()
                back.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
            finally:
                to_server.close()
                self._open.discard(to_server.transport)
        writer.close()
        self._open.discard(writer.transport)

    async def _send(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event, number: int
    ) -> None:
        while piece := await reader.read(PIECE):
            if number in self._dropped:
                continue
            await self._flowing.wait()
            self.sent += len(piece)
            if self._trap and self._trap in piece:
                self._trap = b""
                self.trapped += 1
                lost.set()
            if self._stall_budget is not None:
                self._stall_budget -= len(piece)
                if self._stall_budget < 0:
                    self._stall_budget = None
                    self._flowing.clear()
                    await self._flowing.wait()
            if self._budget is not None:
                self._budget -= len(piece)
                if self._budget < 0:
                    writer.write(piece[: self._budget])
                    self._budget = None
                    self.cuts += 1
                    # The server gets the first half of the message.
                    await asyncio.sleep(0.01)
                    await self._cut()
                    return
            writer.write(piece)
            with contextlib.suppress(OSError):
                await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while piece := await reader.read(PIECE):
            await self._flowing.wait()
            if lost.is_set():
                writer.transport.abort()
                return
            writer.write(piece)
            with contextlib.suppress(OSError):
                await writer.drain()


@contextlib.contextmanager
def proxied(dsn: str) -> Iterator[Proxy]:
    with Proxy(dsn) as proxy:
        yield proxy
