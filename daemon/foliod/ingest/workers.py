"""Reads documents in processes that can be killed: a hostile PDF hurts only the one that reads it."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import structlog

from foliod.base.errors import DocumentRefusedError, FoliodError, WorkerDiedError, WorkerTimeoutError
from foliod.base.metrics import WORKER_DEATHS, WORKER_STARTS
from foliod.base.model import DocumentState
from foliod.base.patience import patiently
from foliod.ingest.death import cause_of
from foliod.ingest.job import ReadJob
from foliod.ingest.reader import Reader
from foliod.reading import sandbox
from foliod.reading.wire import ReadLimits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from types import TracebackType

    from foliod.ingest.job import ReadEvent

__all__ = ["ReadJob", "ReadLimits", "Workers"]

STARTS = 3
"""A process that is killed while it starts says nothing of the installation: so many are started."""

log = structlog.get_logger()


def tell_sandbox() -> None:
    """Say what holds all such processes, of whichever kind."""
    offer = sandbox.offered()
    if offer.lacks is None:
        log.info("sandbox", confinement=str(offer))
    else:
        log.warning("sandbox_incomplete", confinement=str(offer), a_hostile_pdf_could=offer.lacks)


class Workers:
    """Up to `count` reading processes, started when needed. An async context manager.

    Enter it in the main thread: the kernel ends the processes when the thread that started them ends.
    """

    def __init__(self, count: int, *, urgent: bool = False, keep_seconds: float | None = None) -> None:
        """`urgent` ones have the priority of the daemon; unused for `keep_seconds`, they end (None: never)."""
        self._free = asyncio.Semaphore(count)
        self._urgent = urgent
        self._keep_seconds = keep_seconds
        self._idle: list[Reader] = []
        self._ending: asyncio.TimerHandle | None = None
        self._ends: set[asyncio.Task[None]] = set()
        self.busy = 0
        """Documents being read."""
        self.deaths = 0
        """Processes that died, hung or misbehaved since start."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ending is not None:
            self._ending.cancel()
        await self._end_idle()
        await asyncio.gather(*self._ends)

    async def _end_idle(self) -> None:
        idle, self._idle = self._idle, []
        for worker in idle:
            worker.wake()
        for worker in idle:
            await worker.end()

    def _keep(self, worker: Reader) -> None:
        """Let a process wait for the next job, for as long as that makes sense."""
        self._idle.append(worker)
        worker.rest(partial(self._gone, worker))
        if self._keep_seconds is None:
            return
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(self._keep_seconds, self._end_soon)

    def _gone(self, worker: Reader) -> None:
        """Let go of a process that ended while it had nothing to do: what it holds here is not to wait for the next job."""
        worker.wake()
        self._idle.remove(worker)
        self._soon(worker.end())

    def _end_soon(self) -> None:
        self._soon(self._end_idle())

    def _soon(self, end: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(end, name="end idle workers")
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    async def read(self, job: ReadJob) -> AsyncGenerator[ReadEvent, None]:
        """Yield facts, new pages in order, chunks with their terms, and the summary last.

        Waits for a free process. A reader that is not asked for more waits, and time stands still
        for it. Closing the generator early ends the process.

        Raises:
            DocumentRefusedError: the file can't be read, with the state and why.
            FileChangedError: the file became shorter while it was read.
            WorkerDiedError: the process died or misbehaved; another attempt may succeed.
            WorkerTimeoutError: no page was finished in time, or not the document.
            FoliodError: no process can be started.
        """
        with patiently("the processes read other documents, each of which has its time"):
            await self._free.acquire()
        try:
            self.busy += 1
            worker = None
            try:
                worker = await self._take(job)
                async with aclosing(worker.read(job)) as events:
                    async for event in events:
                        yield event
            except WorkerDiedError as death:
                self.deaths += 1
                cause = cause_of(worker.code if worker else None, timed_out=isinstance(death, WorkerTimeoutError))
                WORKER_DEATHS.labels(_work(job), cause).inc()
                raise
            finally:
                self.busy -= 1
                if worker is not None:
                    if worker.fit:
                        self._keep(worker)
                    else:
                        await worker.end()
        finally:
            self._free.release()

    async def _take(self, job: ReadJob) -> Reader:
        status = os.fstat(job.fd)
        if not stat.S_ISREG(status.st_mode):
            raise DocumentRefusedError(DocumentState.NOT_PDF, "it is no regular file")
        size = status.st_size
        tessdata = None if job.ocr is None else job.ocr.tessdata
        while self._idle:
            worker = self._idle.pop()
            worker.wake()
            if worker.suits(size, job.limits, tessdata):
                return worker
            await worker.end()
        for _ in range(STARTS):
            worker = Reader(size, job.limits, tessdata, urgent=self._urgent)
            try:
                await worker.begin()
            except BaseException as error:
                await worker.end()
                if not (isinstance(error, FoliodError) and worker.killed):
                    raise
                log.warning("worker_killed_at_start")
            else:
                WORKER_STARTS.labels(_work(job)).inc()
                return worker
        msg = "the process that reads PDFs is killed whenever it starts; look for what does that"
        raise FoliodError(msg)


def _work(job: ReadJob) -> str:
    return "ocr" if job.ocr is not None else "picture" if job.draw is not None else "reading"
