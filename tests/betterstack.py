"""A stand-in for Better Stack's ingesting host: decodes the real wire format, and fails as it is told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgpack

from ports import free_port

TOKEN = "source-token-of-tests"


class Receiver(ThreadingHTTPServer):
    """Listens on a port of 127.0.0.1; `answers` are the next statuses, then all is taken."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.lines: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.answers: list[int] = []
        self.always: int | None = None
        self.retry_after: str | None = None
        self.delay = 0.0
        self.asked: list[float] = []
        self.wrong: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def messages(self) -> list[str]:
        return [line["message"] for line in list(self.lines)]

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        server.asked.append(time.monotonic())
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(401)
            return
        if self.headers["Content-Type"] != "application/msgpack" or self.path != "/":
            server.wrong.append(f"{self.path} {self.headers['Content-Type']}")
        time.sleep(server.delay)
        status = server.answers.pop(0) if server.answers else server.always or 202
        if status < 300:
            lines = msgpack.unpackb(data, raw=False)
            server.batches.append(len(lines))
            server.lines += lines
        self._answer(status)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if self.server.retry_after is not None:
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on the tests' output."""


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver that runs while the body does."""
    server = Receiver(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def black_hole() -> Iterator[str]:
    """An address at which connections are taken and nothing is ever answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def nobody() -> str:
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"
