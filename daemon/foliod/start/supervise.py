"""The life of the daemon in one place: open, wire, work, drain.

The doors open first, so that a client is told why it has to wait; then the database, the
pipeline, and `READY=1`. Leaving goes the same way back, within DRAIN_SECONDS.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import sys
import threading
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import structlog

from foliod.answer.answer import Answerer
from foliod.base.errors import DatabaseUnavailableError, EmbeddedServerError, FoliodError
from foliod.base.logs import END_SECONDS, end_logs, settle_logs
from foliod.base.telemetry import Telemetry
from foliod.base.version import __version__
from foliod.ingest.backlog import Backlog
from foliod.ingest.builds import Builds
from foliod.ingest.embedders import Embedders
from foliod.ingest.ingest import Ingest
from foliod.ingest.ocr import Recogniser
from foliod.ingest.original import Originals
from foliod.ingest.passwords import Passwords
from foliod.ingest.reembed import Reembedder
from foliod.ingest.renew import Renewal
from foliod.ingest.tessdata import Tesseract
from foliod.ingest.vectors import Vectors
from foliod.ingest.workers import Workers
from foliod.ollama.inference import Inference
from foliod.retrieve import facsimile
from foliod.retrieve.retrieve import Retriever
from foliod.serve.inherited import inherited
from foliod.serve.serve import serving
from foliod.serve.services import Services
from foliod.start.logs import open_logs
from foliod.start.memory import give_back
from foliod.start.notify import Manager
from foliod.start.pipeline import Pipeline
from foliod.start.state import State, open_state
from foliod.store.connection import behind_pooler
from foliod.store.database import Database
from foliod.store.embedded import EmbeddedServer
from foliod.store.files import Files
from foliod.store.migrate import migrate
from foliod.store.roots import Roots
from foliod.store.spaces import Spaces
from foliod.store.store import Store
from foliod.watch.sweep import Sweeper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foliod.base.config import Settings

DRAIN_SECONDS = 9.5
"""From the signal to the end: the doors take four of them at most, PostgreSQL usually far less than one."""
LEAVE_SECONDS = 2.0
"""What threads do takes less, unless their file system hangs."""
SPARE_CONNECTIONS = 5
"""Each reader may hold a connection while it writes; so many are left for questions, sweeps and vectors."""
INDEX_MEMORY_SHARE = 8
"""Building an index that fits into memory is several times quicker; an eighth holds 300,000 vectors on 8 GB."""
RETRY_SECONDS = 30.0
"""Longest wait between two tries to reach the database."""

log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Run the daemon until SIGTERM or SIGINT; return its exit code."""
    open_logs(settings)
    try:
        return asyncio.run(_Daemon(settings).live())
    except FoliodError as error:
        log.error("stopped", code=error.code, reason=error.message)  # noqa: TRY400 - the message is the story
        return error.exit_code
    finally:
        end_logs()


class _Daemon:
    """One run of the daemon."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._manager = Manager.found()
        self._telemetry = Telemetry()
        self._stop = asyncio.Event()
        self._readers = settings.ingest.workers or max(1, (os.cpu_count() or 1) - 1)
        self._inference = Inference(settings.ollama)
        self._embedders = Embedders(self._inference, settings.ollama)
        self._services = Services(settings, self._telemetry, self._embedders.health)

    async def live(self) -> int:
        """Open everything, work until told to stop or until something breaks, close everything."""
        self._take_signals()
        given = inherited()
        log.info("starting", version=__version__, pid=os.getpid(), state_dir=str(self._settings.state))
        async with AsyncExitStack() as stack:
            state = stack.enter_context(open_state(self._settings.state))
            await stack.enter_async_context(self._inference)
            await stack.enter_async_context(self._embedders)
            async with serving(lambda: self._services, self._settings, given):
                tasks = [
                    asyncio.create_task(self._telemetry.lag.measure(), name="loop lag"),
                    asyncio.create_task(settle_logs(), name="logs"),
                    asyncio.create_task(give_back(), name="memory"),
                    asyncio.create_task(self._work(state), name="work"),
                    asyncio.create_task(self._stop.wait(), name="stop"),
                ]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                self._services = dataclasses.replace(self._services, trouble="the daemon is stopping")
                self._manager.stopping(DRAIN_SECONDS + LEAVE_SECONDS + END_SECONDS)
                self._manager.say("stopping")
                log.info("stopping", counters=self._telemetry.counters.totals())
                started = time.monotonic()
            failure = await _drain(tasks, started + DRAIN_SECONDS - time.monotonic())
        code = 0
        if failure is not None:
            code = _told(failure)
        else:
            log.info("stopped", seconds=round(time.monotonic() - started, 1))
        await _leave(code)
        return code

    # --- work ---------------------------------------------------------------------------

    async def _work(self, state: State) -> None:
        """Open the database and run the pipeline until cancelled; what breaks here ends the daemon."""
        database = self._settings.database
        if not database.embedded:
            await self._work_on(database.url.get_secret_value(), state)
            return
        self._manager.say("starting PostgreSQL")
        async with EmbeddedServer(state.folder, database.shared_buffers_mb) as server, asyncio.TaskGroup() as group:
            group.create_task(self._keep(server), name="postgres")
            group.create_task(self._work_on(server.url, state), name="pipeline")

    async def _work_on(self, dsn: str, state: State) -> None:
        s = self._settings
        async with AsyncExitStack() as stack:
            db = await self._open(stack, dsn)
            workers = await stack.enter_async_context(Workers(self._readers))
            recognisers = await stack.enter_async_context(Workers(1))
            drawers = await stack.enter_async_context(
                Workers(facsimile.PROCESSES, urgent=True, keep_seconds=facsimile.KEEP_SECONDS)
            )
            pipeline, facsimiles = self._wire(db, state, workers, recognisers, drawers)
            retriever = Retriever(db, self._embedders, s.search, arriving=pipeline.arriving)
            answerer = Answerer(retriever, self._inference, self._embedders, s, db)
            self._services = dataclasses.replace(
                self._services,
                db=db,
                retriever=retriever,
                answerer=answerer,
                pipeline=pipeline,
                reembedder=pipeline.reembedder,
                facsimiles=facsimiles,
                roots=pipeline.shared_roots,
                trouble=None,
            )
            log.info("ready", roots=[str(watch.path) for watch in s.watch], database=db.address)
            self._manager.begin()
            self._manager.say("watching")
            asyncio.get_running_loop().add_signal_handler(signal.SIGCONT, pipeline.resumed)
            async with asyncio.TaskGroup() as group:
                group.create_task(db.pulse.run(), name="pulse")
                group.create_task(pipeline.run(), name="pipeline")

    def _wire(
        self, db: Database, state: State, workers: Workers, recognisers: Workers, drawers: Workers
    ) -> tuple[Pipeline, facsimile.Facsimiles]:
        s = self._settings
        counters = self._telemetry.counters
        owner = f"{state.host}:{os.getpid()}-{time.time_ns()}"
        backlog = Backlog(db, host=state.host, owner=owner, max_deaths=s.ingest.max_attempts)
        files = Files(db, state.host)
        sweepers = [Sweeper(watch, s.ingest, files, backlog.wake, counters) for watch in s.watch]

        def changed(path: bytes) -> None:
            for sweeper in sweepers:
                sweeper.hint(path)

        store = Store(db)
        originals = Originals(db, state.host, changed)
        passwords = Passwords(db, backlog, s)
        tesseract = Tesseract(s.ingest)
        ingest = Ingest(store, backlog, workers, self._embedders, originals, passwords, tesseract, s.ingest, counters)
        spaces = Spaces(db, state.host)
        builds = Builds(spaces, self._embedders)
        vectors = Vectors(store, spaces, backlog, self._embedders, builds, counters)
        reembedder = Reembedder(
            spaces, store, backlog, self._embedders, builds, counters,
            index_memory_mb=_index_memory_mb() if s.database.embedded else None,
        )  # fmt: skip
        recogniser = Recogniser(
            db, store, backlog, ingest, originals, passwords, tesseract, workers, recognisers, s.ingest, counters
        )
        renewal = Renewal(db, store, backlog, ingest, originals, passwords, tesseract, workers, counters)
        facsimiles = facsimile.Facsimiles(db, originals, passwords, drawers, s.ingest)
        pipeline = Pipeline(
            db,
            files,
            backlog,
            ingest,
            vectors,
            reembedder,
            sweepers,
            passwords,
            recogniser,
            renewal,
            Roots(db, state.host),
            watched=lambda: self._services.settings.watch,
            readers=self._readers,
            grace_seconds=s.ingest.grace_seconds,
        )
        return pipeline, facsimiles

    async def _open(self, stack: AsyncExitStack, dsn: str) -> Database:
        """Migrate and open the database; wait for it as long as it takes."""
        s = self._settings.database
        size = max(s.pool_size, self._readers + SPARE_CONNECTIONS)
        wait = 1.0
        while True:
            try:
                pooled = not s.embedded and (await behind_pooler(dsn) if s.pooled is None else s.pooled)
                direct = s.direct if s.direct_url is not None else None
                await migrate(direct or dsn, pooled=pooled and direct is None)
                return await stack.enter_async_context(Database.open(dsn, pool_size=size, pooled=pooled, direct=direct))
            except DatabaseUnavailableError as outage:
                log.warning("waiting", task="database", reason=outage.message, seconds=wait)
                self._manager.say(f"waiting for the database: {outage.message}")
                self._services = dataclasses.replace(self._services, trouble=outage.message)
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

    def _take_signals(self) -> None:
        def stop(number: int) -> None:
            if self._stop.is_set():
                # The kernel takes PostgreSQL and the workers down with us (PR_SET_PDEATHSIG).
                log.warning("stopped_at_once", signal=signal.Signals(number).name)
                os._exit(128 + number)
            self._stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop, number)


def _index_memory_mb() -> int:
    """Return how much of this machine's memory PostgreSQL may take to build an index."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 // INDEX_MEMORY_SHARE


async def _drain(tasks: Sequence[asyncio.Task[Any]], seconds: float) -> BaseException | None:
    """End all tasks: what is under way is given back; return what broke one of them, None when nothing did."""
    failure = next((task.exception() for task in tasks if task.done() and task.exception()), None)
    for task in tasks:
        task.cancel()
    _, late = await asyncio.wait(tasks, timeout=max(seconds, 1.0))
    if late:
        log.error("not_drained", tasks=sorted(task.get_name() for task in late), seconds=DRAIN_SECONDS)
        end_logs()
        os._exit(1)
    return failure


async def _leave(code: int) -> None:
    """End the process when threads hang in a file system that does not answer: Python would wait for them for ever."""
    until = time.monotonic() + LEAVE_SECONDS
    while (busy := _busy_threads()) and time.monotonic() < until:  # noqa: ASYNC110 - no thread tells when it is done
        await asyncio.sleep(0.05)
    if busy:
        log.warning("threads_left", threads=sorted(busy))
        end_logs()
        logging.shutdown()
        os._exit(code)


def _busy_threads() -> list[str]:
    """Return the threads that are in the middle of something; those that wait for work end by themselves."""
    frames = sys._current_frames()  # noqa: SLF001 - documented, for debugging and this
    return [
        thread.name
        for thread in threading.enumerate()
        if thread is not threading.main_thread()
        and not thread.daemon
        and (frame := frames.get(thread.ident or 0)) is not None
        # A thread that waits for work is in its executor's `_worker`, or waits for a lock or a queue.
        and frame.f_code.co_name != "_worker"
        and os.path.basename(frame.f_code.co_filename) not in ("threading.py", "queue.py")
    ]


def _told(failure: BaseException) -> int:
    """Log what ended the daemon; return the exit code."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if isinstance(failure, FoliodError):
        log.error("broken", code=failure.code, reason=failure.message)
        return failure.exit_code
    log.error("broken", exc_info=failure)
    return 1
