"""TLS to PostgreSQL: who answers is checked, and what is wrong with a certificate is said."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from foliod.base.errors import DatabaseUnavailableError
from foliod.store import address as address_module
from foliod.store.connection import connect
from foliod.store.database import Database
from live import wait_for
from ports import free_port
from tls_server import Authority, authority, needs_openssl, tls_before

pytestmark = needs_openssl
DEBIAN = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), default=None)


class Certificates(NamedTuple):
    ours: Authority
    good: tuple[Path, Path]
    wrong_host: tuple[Path, Path]
    unknown: tuple[Path, Path]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = authority(folder, "ours"), authority(folder, "theirs")
    return Certificates(
        ours, ours.sign("DNS:localhost", "IP:127.0.0.1"), ours.sign("DNS:db.example"), theirs.sign("DNS:localhost")
    )


@pytest.fixture
def remote(monkeypatch) -> Iterator[None]:
    """Take localhost for a host elsewhere: a test has no other network."""
    monkeypatch.setattr(address_module, "elsewhere", lambda host: host == "localhost")
    address_module.parse.cache_clear()
    yield
    address_module.parse.cache_clear()


def through(dsn: str, port: int, **parameters: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"postgresql://foliod:x@localhost:{port}/{dsn.split('?', maxsplit=1)[0].rpartition('/')[2]}?{query}"


async def test_a_good_certificate_is_trusted_without_a_word_about_tls(dsn, certificates, remote):
    """Naming the authority is all it takes: the pool and plain connections are encrypted and verified."""
    with tls_before(dsn, *certificates.good) as port:
        url = through(dsn, port, sslrootcert=certificates.ours.certificate)
        async with connect(url) as plain, plain.transaction():
            assert await plain.fetchval("SELECT 1") == 1
            assert plain._protocol.is_ssl
        async with Database.open(url) as db:
            await db.ping()


async def test_the_authorities_of_the_system_are_trusted(dsn, certificates, remote, monkeypatch):
    """What the system trusts is trusted when nothing is named; in place of it, here, a store of the test's own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ours.certificate))
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    with tls_before(dsn, *certificates.good) as port:
        for parameters in ({}, {"sslrootcert": "system"}, {"sslmode": "require", "channel_binding": "require"}):
            async with connect(through(dsn, port, **parameters)) as plain:
                assert plain._protocol.is_ssl


@pytest.mark.parametrize(
    ("which", "told"),
    [
        ("wrong_host", r"is not trusted: Hostname mismatch"),
        ("unknown", r"is not trusted: unable to get local issuer certificate.*sslrootcert=FILE"),
        (None, r"offers no TLS.*sslmode=disable"),
    ],
)
@pytest.mark.parametrize("binding", ["", "require"])
async def test_who_can_not_be_verified_is_not_talked_to(dsn, certificates, remote, which, told, binding):
    """Another host's certificate, one of an unknown authority, or none: no login is sent, and the reason is told."""
    pair = getattr(certificates, which) if which else (None, None)
    more = {"channel_binding": binding, "sslmode": "require"} if binding else {}
    with tls_before(dsn, *pair) as port:
        url = through(dsn, port, sslrootcert=certificates.ours.certificate, **more)
        with pytest.raises(DatabaseUnavailableError, match=told):
            async with connect(url):
                pass
        with pytest.raises(DatabaseUnavailableError, match=told):
            async with Database.open(url):
                pass


async def test_what_is_written_holds(dsn, certificates, remote, monkeypatch, tmp_path):
    """sslmode=require encrypts without a check, as libpq does, and disable does not encrypt: both are said to be weak."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with tls_before(dsn, *certificates.unknown) as port:
        for mode, encrypted in (("require", True), ("disable", False)):
            url = through(dsn, port, sslmode=mode)
            async with connect(url) as plain:
                assert plain._protocol.is_ssl is encrypted
            assert mode in address_module.parse(url).weak


# --- a PostgreSQL that has TLS itself ---------------------------------------------------


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def debian_server(folder: Path, certificate: Path, key: Path) -> Iterator[int]:
    """Debian's PostgreSQL with ssl = on; the one that comes with foliod is built without."""
    assert DEBIAN is not None
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    own = folder / "server"
    own.mkdir()
    for source, name in ((certificate, "server.crt"), (key, "server.key")):
        shutil.copy(source, own / name)
        (own / name).chmod(0o600)
    if user:
        entry = pwd.getpwnam("postgres")
        for path in (own, *own.iterdir()):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    port = free_port()
    (password := own.parent / "password").write_text("x\n")
    password.chmod(0o644)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run(
        [str(DEBIAN.parent / "initdb"), "-D", str(own / "data"), "--no-sync", "-U", "foliod", "-A", "scram-sha-256",
         f"--pwfile={password}"], check=True, **quiet, **user,
    )  # fmt: skip
    settings = {
        "ssl": "on", "ssl_cert_file": own / "server.crt", "ssl_key_file": own / "server.key", "port": port,
        "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
    }  # fmt: skip
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    process = subprocess.Popen([str(DEBIAN), "-D", str(own / "data"), *options], **quiet, **user)
    try:
        wait_for(lambda: answers(port) if process.poll() is None else 1 / 0)
        # It listens before it serves; pg_ctl waits for the same word.
        wait_for(lambda: "ready" in (own / "data" / "postmaster.pid").read_text())
        yield port
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.skipif(DEBIAN is None, reason="no PostgreSQL with TLS is installed (Debian: apt-get install postgresql)")
@pytest.mark.parametrize("which", ["good", "wrong_host"])
async def test_a_real_server_with_tls(certificates, remote, short_dir, which):
    """PostgreSQL's own TLS with a password by SCRAM: verified in full, and refused under another name."""
    with debian_server(short_dir, *getattr(certificates, which)) as port:
        url = through("/postgres", port, sslrootcert=certificates.ours.certificate, channel_binding="require")
        if which == "wrong_host":
            with pytest.raises(DatabaseUnavailableError, match="Hostname mismatch"):
                async with connect(url):
                    pass
            return
        async with connect(url) as plain:
            assert await plain.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        with pytest.raises(DatabaseUnavailableError, match="refuses the login"):
            async with connect(url.replace(":x@", ":wrong@")):
                pass
