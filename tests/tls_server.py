"""PostgreSQL behind TLS, for tests: certificates made by openssl, and what stands before a server that has no TLS."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@dataclass(frozen=True)
class Authority:
    """One that signs certificates; `certificate` is its own."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def _key(self) -> Path:
        return self.folder / "ca.key"

    def begin(self, name: str) -> Authority:
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", str(self._key), "-out", str(self.certificate),
        )  # fmt: skip
        return self

    def sign(self, *hosts: str) -> tuple[Path, Path]:
        """Return certificate and key for hosts, such as `DNS:localhost` and `IP:127.0.0.1`."""
        name = hosts[0].replace(":", "-")
        key, request, made = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", str(key), "-out", str(request))
        (extra := self.folder / f"{name}.ext").write_text(f"subjectAltName={','.join(hosts)}\n")
        _openssl(
            "x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self._key),
            "-CAcreateserial", "-days", "2", "-extfile", str(extra), "-out", str(made),
        )  # fmt: skip
        key.chmod(0o600)
        return made, key


def _openssl(*args: str) -> None:
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def authority(folder: Path, name: str) -> Authority:
    (made := folder / name).mkdir()
    return Authority(made).begin(name)


@contextlib.contextmanager
def tls_before(dsn: str, certificate: Path | None, key: Path | None, *, only: bool = False) -> Iterator[int]:
    """Answer SSLRequest on a port, as PostgreSQL does, and pass on what is inside; without a certificate, refuse TLS.

    With `only`, who does not ask for TLS is hung up on, as with hostssl in pg_hba.conf.
    """
    parts = urlsplit(dsn)
    folder = parse_qs(parts.query).get("host", [""])[0]
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                first = await reader.readexactly(8)
                if first == SSL_REQUEST:
                    writer.write(b"S" if context else b"N")
                    if context is not None:
                        await writer.start_tls(context)
                    first = b""
                elif only:
                    return
                if folder.startswith("/"):
                    up, down = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{parts.port or 5432}")
                else:
                    up, down = await asyncio.open_connection(parts.hostname, parts.port or 5432)
                try:
                    down.write(first)
                    both = [asyncio.create_task(_pass(reader, down)), asyncio.create_task(_pass(up, writer))]
                    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                    for task in both:
                        task.cancel()
                    await asyncio.gather(*both, return_exceptions=True)
                finally:
                    down.transport.abort()
            finally:
                writer.transport.abort()

    def call(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    async def end() -> None:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, name="tls")
    thread.start()
    server = call(asyncio.start_server(serve, "127.0.0.1", 0))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        call(end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
