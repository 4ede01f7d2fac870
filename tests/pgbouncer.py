"""A real PgBouncer in transaction mode for tests, where it is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

from ports import free_port

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
MISSING = "pgbouncer is not installed (Debian: apt-get install pgbouncer)"


class PgBouncer:
    """Stands before the server at `dsn`, with `pool_size` connections to it; keeps its port when it is started again."""

    def __init__(self, folder: Path, dsn: str, *, pool_size: int, **settings: str) -> None:
        parts = urlsplit(dsn)
        host = parse_qs(parts.query).get("host", [parts.hostname or "localhost"])[0]
        self.port = free_port()
        self.folder = folder
        self.url = f"postgresql://anybody@127.0.0.1:{self.port}{parts.path}"
        self.process: subprocess.Popen[bytes] | None = None
        password = f" password={parts.password}" if parts.password else ""
        # It refuses to run as root, and must get at the server's socket.
        self.user = pwd.getpwuid(os.stat(host).st_uid if host.startswith("/") else 65534).pw_name
        chosen = {
            "listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "", "auth_type": "any",
            "pool_mode": "transaction", "default_pool_size": pool_size, "max_client_conn": 100,
            # Tests do not wait for a quarter of a minute.
            "server_login_retry": 1, **settings,
        }  # fmt: skip
        lines = [f"{name} = {value}" for name, value in chosen.items()]
        database = f"* = host={host} port={parts.port or 5432} user={parts.username or 'foliod'}{password}"
        (folder / "pgbouncer.ini").write_text("\n".join(["[databases]", database, "[pgbouncer]", *lines, ""]))
        (folder / "pgbouncer.ini").chmod(0o644)

    def start(self) -> Self:
        as_user = ["-u", self.user] if os.geteuid() == 0 else []
        with (self.folder / "pgbouncer.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(PROGRAM), *as_user, str(self.folder / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "pgbouncer.log").read_text())
            time.sleep(0.05)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
