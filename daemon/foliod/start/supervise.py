"""The life of the daemon in one place: open, wire, work, drain.

The doors open first, so that a client is told why it has to wait; then the database, the
pipeline, and `READY=1`. Leaving goes the same way back, within DRAIN_SECONDS.

With a database elsewhere that is away at the start, `READY=1` comes all the same: the doors are open and explain,
what depends on the daemon need not wait for somebody else's outage, and no service manager gives up a daemon
that has nothing wrong with it. `STATUS=` says what it waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import faulthandler
import os
import signal
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import structlog

from foliod.base.errors import DatabaseUnavailableError, EmbeddedServerError, FoliodError
from foliod.base.logs import END_SECONDS, change_logs, end_logs, settle_logs
from foliod.base.patience import FILES, patiently
from foliod.base.telemetry import Telemetry
from foliod.base.version import __version__
from foliod.ingest.embedders import Embedders
from foliod.ollama.inference import Inference
from foliod.serve.accounts import Accounts
from foliod.serve.inherited import inherited
from foliod.serve.serve import serving
from foliod.serve.services import Services
from foliod.start.leave import DRAIN_SECONDS, LEAVE_SECONDS, drain, leave, told
from foliod.start.logs import open_logs
from foliod.start.memory import give_back
from foliod.start.notify import Manager
from foliod.start.reload import Reloader, Terminal
from foliod.start.state import State, open_state
from foliod.start.telling import Telling
from foliod.start.watchdog import Watchdog, limit, use_threads
from foliod.start.wiring import Wiring, readers_of
from foliod.store.connection import behind_pooler
from foliod.store.database import Database
from foliod.store.embedded import EmbeddedServer
from foliod.store.migrate import migrate
from foliod.store.unseen import unseen
from foliod.store.vacuum import Vacuum

if TYPE_CHECKING:
    from collections.abc import Callable

    from foliod.base.config import Settings
    from foliod.start.pipeline import Pipeline

SPARE_CONNECTIONS = 5
"""Each reader may hold a connection while it writes; so many are left for questions, sweeps and vectors."""
RETRY_SECONDS = 30.0
"""Longest wait between two tries to reach the database."""

log = structlog.get_logger()


def run(settings: Settings, load: Callable[[], Settings]) -> int:
    """Run the daemon until SIGTERM or SIGINT; return its exit code.

    `load` reads the settings again, on SIGHUP.
    """
    open_logs(settings)
    # A watchdog ends a loop that hangs with SIGABRT: then the log shows where it hung.
    with contextlib.suppress(RuntimeError, OSError, ValueError, AttributeError):
        faulthandler.enable()
    try:
        return asyncio.run(_Daemon(settings, load).live())
    except FoliodError as error:
        log.error("stopped", code=error.code, reason=error.message)  # noqa: TRY400 - the message is the story
        return error.exit_code
    finally:
        end_logs()


class _Daemon:
    """One run of the daemon."""

    def __init__(self, settings: Settings, load: Callable[[], Settings]) -> None:
        self._manager = manager = Manager.found()
        self._telemetry = Telemetry()
        self._accounts = Accounts()
        self._stop = asyncio.Event()
        self._inference = Inference(settings.ollama)
        self._embedders = Embedders(self._inference, settings.ollama)
        self._wiring: Wiring | None = None
        self._watched: list[asyncio.Task[None]] = []
        """Tasks besides the pipeline's that should get on."""
        self._reloader = Reloader(settings, load, self._configure, manager)
        self._services = Services(
            settings, self._telemetry, self._embedders.health, configuration=lambda: self._reloader.configuration
        )
        self._doing: str | None = "starting"
        """What it does other than its work, for people; None while it works."""
        self._server: EmbeddedServer | None = None
        self._watchdog = Watchdog(
            manager, tasks=self._tasks, outage=self._outage, limit=lambda: limit(self._reloader.settings)
        )
        self._telling = Telling(
            manager,
            lambda: self._services,
            doing=lambda: self._doing,
            notes=self._notes,
            busy=lambda: self._server is None or self._server.at_work,
        )

    @property
    def _settings(self) -> Settings:
        return self._reloader.settings

    async def live(self) -> int:
        """Open everything, work until told to stop or until something breaks, close everything."""
        self._take_signals()
        asyncio.get_running_loop().set_exception_handler(unseen)
        given = inherited()
        log.info("starting", version=__version__, pid=os.getpid(), state_dir=str(self._settings.state))
        async with AsyncExitStack() as stack:
            state = stack.enter_context(open_state(self._settings.state))
            await stack.enter_async_context(self._inference)
            await stack.enter_async_context(self._embedders)
            async with serving(lambda: self._services, self._settings, given, self._accounts):
                self._watched = [
                    asyncio.create_task(self._telling.run(), name="telling"),
                    asyncio.create_task(self._reloader.run(), name="reload"),
                    asyncio.create_task(use_threads(), name="threads"),
                ]
                tasks = [
                    asyncio.create_task(self._telemetry.lag.measure(), name="loop lag"),
                    asyncio.create_task(settle_logs(), name="logs"),
                    asyncio.create_task(give_back(), name="memory"),
                    asyncio.create_task(self._watchdog.run(), name="watchdog"),
                    *self._watched,
                    asyncio.create_task(self._work(state), name="work"),
                    asyncio.create_task(self._stop.wait(), name="stop"),
                ]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                self._services = dataclasses.replace(self._services, trouble="the daemon is stopping")
                self._doing = "stopping"
                self._manager.stopping(DRAIN_SECONDS + LEAVE_SECONDS + END_SECONDS)
                self._manager.say(self._doing)
                if self._stop.is_set():
                    log.info("stopping", counters=self._telemetry.counters.totals())
                started = time.monotonic()
            failure = await drain(tasks, started + DRAIN_SECONDS - time.monotonic())
        code = 0
        if failure is not None:
            code = told(failure)
            log.error("stopped", seconds=round(time.monotonic() - started, 1))
        else:
            log.info("stopped", seconds=round(time.monotonic() - started, 1))
        await leave(code)
        return code

    # --- work ---------------------------------------------------------------------------

    async def _work(self, state: State) -> None:
        """Open the database and run the pipeline until cancelled; what breaks here ends the daemon."""
        database = self._settings.database
        if not database.embedded:
            await self._work_on(database.url.get_secret_value(), state)
            return
        self._doing = "starting PostgreSQL"
        self._server = server = EmbeddedServer(state.folder, database.shared_buffers_mb)
        async with server, asyncio.TaskGroup() as group:
            group.create_task(self._keep(server), name="postgres")
            group.create_task(self._work_on(server.url, state), name="pipeline")

    async def _work_on(self, dsn: str, state: State) -> None:
        async with AsyncExitStack() as stack:
            db = await self._open(stack, dsn)
            s = self._settings
            self._wiring = wiring = await Wiring.open(
                stack, s, db, state, self._inference, self._embedders, self._telemetry.counters,
                watched=lambda: self._services.settings.watch,
            )  # fmt: skip
            self._services = dataclasses.replace(wiring.services(self._services), trouble=None)
            pipeline = wiring.pipeline
            self._doing = None
            log.info("ready", roots=[str(watch.path) for watch in s.watch], database=db.address)
            self._manager.begin()
            asyncio.get_running_loop().add_signal_handler(signal.SIGCONT, self._resumed, pipeline)
            async with asyncio.TaskGroup() as group:
                self._watched.append(group.create_task(db.pulse.run(), name="pulse"))
                if s.database.embedded:
                    self._watched.append(group.create_task(Vacuum(db).run(), name="vacuum"))
                group.create_task(pipeline.run(), name="pipeline")

    async def _open(self, stack: AsyncExitStack, dsn: str) -> Database:
        """Migrate and open the database; wait for it as long as it takes."""
        s = self._settings.database
        size = max(s.pool_size, readers_of(self._settings) + SPARE_CONNECTIONS)
        self._doing = "opening the database"
        wait = 1.0
        while True:
            try:
                pooled = not s.embedded and (await behind_pooler(dsn) if s.pooled is None else s.pooled)
                direct = s.direct if s.direct_url is not None else None
                await migrate(direct or dsn, pooled=pooled and direct is None)
                return await stack.enter_async_context(Database.open(dsn, pool_size=size, pooled=pooled, direct=direct))
            except DatabaseUnavailableError as outage:
                log.warning("waiting", task="database", reason=outage.message, seconds=wait)
                self._doing = f"waiting for the database: {outage.message}; it is tried again"
                if not s.embedded:
                    self._manager.say(self._doing)
                    self._manager.begin()
                self._services = dataclasses.replace(self._services, trouble=f"{outage.message}; it is tried again")
                await asyncio.sleep(wait)
                wait = min(wait * 2, RETRY_SECONDS)

    async def _keep(self, server: EmbeddedServer) -> None:
        """Start the embedded server again whenever it dies."""
        while True:
            how = await server.wait_died()
            log.error("postgres_died", how=how)
            self._down(f"PostgreSQL ended ({how}) and is being started again")
            started, wait = time.monotonic(), 1.0
            while True:
                try:
                    await server.restart()
                    break
                except EmbeddedServerError as error:
                    log.error("postgres_not_restarted", reason=error.message, seconds=wait)  # noqa: TRY400
                    self._down(f"{error.message}; it is tried again")
                await asyncio.sleep(wait)
                wait = min(wait * 2, RETRY_SECONDS)
            log.info("postgres_restarted", ms=round((time.monotonic() - started) * 1000))

    def _down(self, reason: str) -> None:
        """Tell clients what is known of an outage."""
        if self._services.db is not None:
            self._services.db.pulse.died(reason)

    # --- what others ask of it ----------------------------------------------------------

    def _tasks(self) -> list[asyncio.Task[Any]]:
        return [*self._watched, *(() if self._wiring is None else self._wiring.pipeline.tasks())]

    def _outage(self) -> str | None:
        return None if self._services.db is None else self._services.db.pulse.away

    def _notes(self) -> list[str]:
        stuck = self._watchdog.stuck
        return [*([f"stuck: {', '.join(stuck)}"] if stuck else []), *filter(None, [self._reloader.note])]

    async def _configure(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        if settings.log != self._services.settings.log:
            change_logs(settings.log)
        self._inference.configure(settings.ollama)
        self._services = dataclasses.replace(self._services, settings=settings)
        if self._wiring is not None:
            self._services = self._wiring.services(self._services)
            await self._wiring.configure(settings)
        # Names that nobody has are told now, not when somebody asks.
        with patiently(FILES):
            await self._accounts.lists(settings)

    def _resumed(self, pipeline: Pipeline) -> None:
        def unless_stopping() -> None:
            if not self._stop.is_set():
                pipeline.resumed()

        # Service managers send SIGCONT right after SIGTERM, and the kernel may hand that over first.
        asyncio.get_running_loop().call_soon(unless_stopping)

    def _take_signals(self) -> None:
        terminal = Terminal()
        # Under nohup the closed terminal is not to end it.
        may_hang_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

        def stop(number: int) -> None:
            if self._stop.is_set():
                # The kernel takes PostgreSQL and the workers down with us (PR_SET_PDEATHSIG).
                log.warning("stopped_at_once", signal=signal.Signals(number).name)
                os._exit(128 + number)
            self._stop.set()

        def hung_up() -> None:
            if may_hang_up and terminal.gone:
                log.info("terminal_closed")
                self._stop.set()
            else:
                self._reloader.ask()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
        loop.add_signal_handler(signal.SIGHUP, hung_up)
