"""Runs PostgreSQL from the wheel below the state folder, and never leaves it behind.

The kernel stops the server when foliod dies, the next start ends what an earlier one may have
left, and a lock lets only one server at a time have the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import asyncpg
import structlog

from foliod.base.errors import EmbeddedServerError
from foliod.store.child import Child, start_child
from foliod.store.leftovers import Family, end_leftovers
from foliod.store.lodging import Lodging, user_name

if TYPE_CHECKING:
    from types import TracebackType

MAJOR: Final = "18"
DATABASE: Final = "foliod"
READY_SECONDS: Final = 300.0
"""A server that does not even say for so long that it replays its log, as after a power cut, is not coming up."""
LEFTOVER_SECONDS: Final = 10.0
"""A server whose foliod was killed is stopping already; it is told again only after so long."""
INITDB_SECONDS: Final = 5.0
"""An initdb that was told to end has ended long before; what it left is tidied up at the next start otherwise."""
STARTS: Final = 3
"""A server that is killed at its start, as the kernel does when memory is short, is started so often in all."""
STOP: Final = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 1.0))
"""Fast, immediate, by force: never longer than 8 s together."""

log = structlog.get_logger()


class EmbeddedServer:
    """PostgreSQL below `state_dir`, running for as long as this context is open.

    Enter it in the main thread: the kernel stops the server when the thread that started it ends.
    `sync=False` gives up durability, for tests only. Entering raises StateInUseError when another
    process runs a server here, EmbeddedServerError when the server can't be started.
    """

    def __init__(self, state_dir: Path, shared_buffers_mb: int, *, sync: bool = True) -> None:
        self._lodging = Lodging(state_dir)
        self._data = self._lodging.data
        self._shared_buffers_mb = shared_buffers_mb
        self._sync = sync
        self._cluster = f"foliod-{hashlib.sha256(os.fsencode(self._data)).hexdigest()[:12]}"
        self._program = Path()
        self._child: Child | None = None
        self._latest: Child | None = None
        self._stopping = False

    @property
    def url(self) -> str:
        """Address for asyncpg and psql; says everything, so that PG* variables change nothing."""
        return address(self._lodging.socket_dir)

    @property
    def at_work(self) -> bool:
        """Whether a program of PostgreSQL runs: the server, also while it recovers, or what makes its folder."""
        return self._latest is not None and not self._latest.exited.is_set()

    @property
    def pid(self) -> int | None:
        """Process id of the server while it runs."""
        return None if self._child is None or self._child.exited.is_set() else self._child.pid

    async def __aenter__(self) -> Self:
        self._stopping = False
        try:
            await self._prepare()
            await self._start()
        except BaseException as error:
            await self._stop()
            if isinstance(error, OSError):
                msg = (
                    f"the embedded PostgreSQL could not be started: {error.filename}: {error.strerror}; "
                    f"{self._lodging.state} must belong to the user that runs foliod and have space left"
                )
                raise EmbeddedServerError(msg) from error
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def wait_died(self) -> str:
        """Return how the server ended, once it ends by itself; call `restart` then."""
        assert self._child is not None
        child = self._child
        await child.exited.wait()
        if self._stopping:
            await asyncio.Event().wait()
        return await child.last_words()

    async def restart(self) -> None:
        """Start the server again, under the same address, after it died.

        Raises EmbeddedServerError when it does not come up; may be called again.
        """
        if self._child is not None:
            await self._child.end(STOP)
        await self._end_leftovers(patience=0.0)
        await self._start()

    async def _prepare(self) -> None:
        await asyncio.to_thread(self._lodging.open)
        self._program = await asyncio.to_thread(self._lodging.program, sync=self._sync)
        if self._data.exists():
            self._check_data()
            await self._end_leftovers(patience=LEFTOVER_SECONDS)
        else:
            await self._make_data()
        for unfinished in self._lodging.state.glob("postgres.new-*"):
            # The initdb of a foliod that was just killed may write there for another moment.
            patience = time.monotonic() + INITDB_SECONDS
            while unfinished.exists() and time.monotonic() < patience:
                await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
                await asyncio.sleep(0.05)
        self._lodging.make_socket_dir()

    async def _make_data(self) -> None:
        state = self._lodging.state
        fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=state))
        self._lodging.give(fresh)
        started = time.monotonic()
        child = await self._run(
            "initdb", f"--pgdata={fresh}", "--username=foliod", "--auth-local=trust", "--auth-host=reject",
            "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--data-checksums", *(() if self._sync else ("--no-sync",)),
        )  # fmt: skip
        try:
            await child.exited.wait()
            if child.code != 0:
                msg = f"initdb could not make {self._data}: {await child.last_words()}"
                raise EmbeddedServerError(msg)
        finally:
            await child.end(STOP)
        # initdb has synced its files; a kill before this line leaves nothing that looks finished.
        os.rename(fresh, self._data)
        if self._sync:
            _sync_folder(state)
        log.info("postgres_made", folder=str(self._data), ms=round((time.monotonic() - started) * 1000))

    def _check_data(self) -> None:
        try:
            version = (self._data / "PG_VERSION").read_text().strip()
        except PermissionError:
            msg = (
                f"{self._data} belongs to the user {user_name(self._data.stat().st_uid)}: run foliod as the same user "
                "as before, or set state_dir to another folder"
            )
            raise EmbeddedServerError(msg) from None
        except (FileNotFoundError, NotADirectoryError):
            msg = f"{self._data} is in the way: it is not a folder of PostgreSQL's data; move it elsewhere"
            raise EmbeddedServerError(msg) from None
        if version != MAJOR:
            msg = (
                f"{self._data} holds the data of PostgreSQL {version}, and this foliod brings {MAJOR}: carry it over "
                "with pg_dump and pg_restore, or move the folder away and foliod reads all documents again"
            )
            raise EmbeddedServerError(msg)

    async def _start(self) -> None:
        settings = {
            "listen_addresses": "", "port": 5432, "unix_socket_directories": self._lodging.socket_dir,
            "unix_socket_permissions": "0700", "cluster_name": self._cluster,
            "max_connections": 200, "shared_buffers": f"{self._shared_buffers_mb}MB", "maintenance_work_mem": "128MB",
            "jit": "off", "random_page_cost": 1.1, "timezone": "UTC",
            # Building an index side by side wants more /dev/shm than a container has.
            "max_parallel_maintenance_workers": 0,
            # One server without replicas: bulk loads and new indexes write less log.
            "wal_level": "minimal", "max_wal_senders": 0, "max_logical_replication_workers": 0,
            "checkpoint_timeout": "15min",
            # What is logged must not carry questions or text of documents: no statements, no details.
            "log_min_error_statement": "panic", "log_error_verbosity": "terse", "log_line_prefix": "",
        }  # fmt: skip
        if not self._sync:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        started = time.monotonic()
        try:
            for tries_left in reversed(range(STARTS)):
                self._child = await self._run("postgres", "-D", str(self._data), *options)
                if await self._ready(self._child):
                    break
                await self._tell_end(self._child, tries_left)
        except (OSError, asyncpg.PostgresError, EmbeddedServerError) as error:
            # Running without being of use, it would never be noticed as dead.
            if self._child is not None:
                await self._child.end(STOP)
            if isinstance(error, EmbeddedServerError):
                raise
            msg = f"the embedded PostgreSQL in {self._data} could not be started: {error}"
            raise EmbeddedServerError(msg) from error
        log.info("postgres_started", pid=self.pid, ms=round((time.monotonic() - started) * 1000))

    async def _run(self, program: str, *args: str) -> Child:
        user = self._lodging.user
        ids = None if user is None else (user.uid, user.gid)
        self._latest = await start_child(self._program / "bin" / program, *args, user=ids)
        return self._latest

    async def _ready(self, child: Child) -> bool:
        """Wait until the server takes connections, or has ended: False."""
        heard = time.monotonic()
        while not child.exited.is_set():
            try:
                connection = await asyncpg.connect(self.url, timeout=5)
            except asyncpg.InvalidCatalogNameError:
                await self._make_database()
            except (OSError, asyncpg.PostgresError) as error:
                if isinstance(error, asyncpg.CannotConnectNowError):
                    heard = time.monotonic()
                elif time.monotonic() > heard + READY_SECONDS:
                    msg = f"the embedded PostgreSQL in {self._data} was not ready after {READY_SECONDS:.0f} s: {error}"
                    raise EmbeddedServerError(msg) from error
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.03):
                        await child.exited.wait()
            else:
                await connection.close(timeout=5)
                return True
        return False

    async def _tell_end(self, child: Child, tries_left: int) -> None:
        """Log that somebody killed the server at its start; raises EmbeddedServerError when it ended by itself."""
        how = await child.last_words()
        if not tries_left or not child.killed:
            msg = f"the embedded PostgreSQL in {self._data} ended at its start, {how}"
            raise EmbeddedServerError(msg)
        log.error("postgres_died", how=how)
        await child.end(STOP)
        await self._end_leftovers(patience=0.0)

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self.url, database="postgres", timeout=5)
        try:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close(timeout=5)

    async def _stop(self) -> None:
        self._stopping = True
        try:
            if self._child is not None:
                await self._child.end(STOP)
                await self._end_leftovers(patience=0.0)
        finally:
            self._lodging.close()

    async def _end_leftovers(self, *, patience: float) -> None:
        await end_leftovers(self._family, STOP, patience=patience)

    @property
    def _family(self) -> Family:
        return Family(self._data, self._cluster, self._lodging.owner)


def address(socket_dir: Path) -> str:
    """Return the address of a server whose socket lies in a folder."""
    return f"postgresql://foliod@/{DATABASE}?host={socket_dir}&port=5432&sslmode=disable"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
