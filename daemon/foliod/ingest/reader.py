"""One process that reads documents, and the socket to it; it can be killed, and is when it is silent or lies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import structlog

from foliod.base.errors import DocumentRefusedError, FoliodError, WorkerDiedError, WorkerTimeoutError
from foliod.base.model import ReadSummary
from foliod.ingest.clock import Clock
from foliod.ingest.death import death_of
from foliod.ingest.job import processor_seconds
from foliod.ingest.process import ended, environment, resident, used_seconds
from foliod.reading import wire
from foliod.reading.decoder import Decoder
from foliod.reading.strict import MalformedError, demand
from foliod.reading.transcript import OnePage, OnePicture, Transcript

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from foliod.ingest.job import ReadEvent, ReadJob
    from foliod.reading.wire import ReadLimits

FILES_A_WORKER = 200
"""A process is replaced after so many files, or when it has grown, lest little leaks add up."""
GROWN_BYTES = 320 * 1024 * 1024
PROCESSOR_DOCUMENTS = 4
"""A process is replaced when it has used the processor time of so many documents."""
START_SECONDS = 60.0
END_SECONDS = 10.0
RECEIVE_BYTES = 256 * 1024
LAST_WORDS_BYTES = 4096
PASSWORD_SECONDS = 0.05
"""What trying one password may take: AES-256 hashes each a hundred times, 10 ms on a slow machine."""
COMMAND = (sys.executable, "-P", "-m", "foliod.reading.worker_main")

log = structlog.get_logger()


class Reader:
    """One process and the socket to it."""

    def __init__(self, size: int, limits: ReadLimits, tessdata: str | None = None, *, urgent: bool = False) -> None:
        self._room = max(size, wire.MAPPED_BYTES)
        self._tessdata = tessdata
        self._memory_mb = limits.memory_mb
        self._processor_end = PROCESSOR_DOCUMENTS * processor_seconds(limits)
        self._files = 0
        self._buffer = bytearray()
        self._decoder = Decoder(0)
        self.fit = False
        """Whether it waits for the next job."""
        self.killed = False
        """Whether somebody else ended it before it had started."""
        try:
            said, says = os.pipe()
        except OSError as error:
            raise _not_started(error) from error
        try:
            self._socket, theirs = socket.socketpair()
        except OSError as error:
            os.close(said)
            os.close(says)
            raise _not_started(error) from error
        self._socket.setblocking(False)
        # Nobody empties this pipe while the process runs; it must not wait when the pipe is full.
        os.set_blocking(says, False)
        os.set_blocking(said, False)
        self._said = said
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*COMMAND, str(theirs.fileno()), *(["urgent"] if urgent else [])],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=says,
                    env=environment(),
                    cwd="/",
                )
            except OSError as error:
                self._socket.close()
                os.close(said)
                raise _not_started(error) from error
            finally:
                os.close(says)

    def suits(self, size: int, limits: ReadLimits, tessdata: str | None = None) -> bool:
        """Whether it is alive, its memory is right for a file of so many bytes, and it may open `tessdata`."""
        return (
            self.fit
            and self._process.poll() is None
            and self._memory_mb == limits.memory_mb
            and self._tessdata == tessdata
            and max(size, wire.MAPPED_BYTES) == self._room
            and self._files < FILES_A_WORKER
            and used_seconds(self._process.pid) + processor_seconds(limits) <= self._processor_end
            and resident(self._process.pid) < GROWN_BYTES
        )

    @property
    def code(self) -> int | None:
        """How it ended: its exit code, the negative number of a signal, None while it lives."""
        return self._process.returncode

    async def begin(self) -> None:
        """Wait until it has started.

        Raises:
            FoliodError: it did not; no document is to blame.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                ready = await self._receive()
                demand(isinstance(ready, wire.Ready), "the first message")
                assert isinstance(ready, wire.Ready)
        except (OSError, EOFError, TimeoutError, MalformedError) as error:
            if isinstance(error, EOFError):
                await ended(self._process, END_SECONDS / 10)
                self.killed = self._process.returncode == -signal.SIGKILL
            await self._stop()
            msg = f"the process that reads PDFs did not start: {self._last_words() or error}; install foliod again"
            raise FoliodError(msg) from None
        if ready.version != wire.VERSION:
            await self._stop()
            msg = f"foliod {ready.version} was installed while {wire.VERSION} runs: restart foliod"
            raise FoliodError(msg)
        log.debug("worker_started", worker=self._process.pid, confinement=ready.confinement)

    async def read(self, job: ReadJob) -> AsyncGenerator[ReadEvent, None]:
        """Yield what it reads; see Workers.read."""
        self.fit = False
        self._files += 1
        limits = job.limits
        transcript = _transcript(job)
        self._decoder = Decoder(max(limits.max_page_chars, wire.CHUNK_CHARS_A_TOKEN * limits.chunk_tokens))
        clock = Clock(limits, PASSWORD_SECONDS * len(job.passwords))
        try:
            self._limit_processor_time(job.processor_seconds)
            async with clock.running():
                await self._send(job)
            async for page in job.stored:
                if isinstance(transcript, Transcript):
                    transcript.know(page)
                async with clock.running():
                    for frame in wire.frames(page):
                        await asyncio.get_running_loop().sock_sendall(self._socket, frame)
                await asyncio.sleep(0)
            while True:
                async with clock.running():
                    event = transcript.admit(await self._receive())
                clock.opened()
                # A reader that is always ahead must not keep the loop to itself.
                await asyncio.sleep(0)
                if isinstance(event, wire.Refused):
                    self.fit = True
                    raise DocumentRefusedError(event.state, event.reason)
                self.fit = isinstance(event, ReadSummary)
                yield event
                if self.fit:
                    return
        except TimeoutError:
            await self._stop()
            msg = f"{job.name}: {clock.verdict}; the process was ended"
            raise WorkerTimeoutError(msg) from None
        except MalformedError as error:
            await self._stop()
            msg = f"{job.name}: the process that read it misbehaved ({error}); it was ended"
            raise WorkerDiedError(msg) from None
        except (OSError, EOFError):
            await self._stop(kill=False)
            raise death_of(job, self._process.returncode, self._last_words(), worker=self._process.pid) from None

    def rest(self, gone: Callable[[], None]) -> None:
        """Wait for the next job; `gone` is called when the process ends, or speaks unasked, before that."""
        asyncio.get_running_loop().add_reader(self._socket, gone)

    def wake(self) -> None:
        """Say that the waiting is over."""
        asyncio.get_running_loop().remove_reader(self._socket)

    async def end(self) -> None:
        """End the process, and wait until it is gone."""
        self.fit = False
        await self._stop()
        self._socket.close()
        if self._said >= 0:
            os.close(self._said)
            self._said = -1

    async def _send(self, job: ReadJob) -> None:
        loop = asyncio.get_running_loop()
        # Names may hold lone surrogates, as file names that are not UTF-8 do.
        name = job.name.encode("utf-8", "replace").decode()
        # The descriptor travels with the first byte.
        frames = b"".join(wire.frames(wire.Job(name, len(job.stored), job.limits, job.passwords, job.ocr, job.draw)))
        socket.send_fds(self._socket, [frames[:1]], [job.fd])
        await loop.sock_sendall(self._socket, frames[1:])

    def _limit_processor_time(self, seconds: float) -> None:
        """Give it so much more processor time; from here, since it can't set its own limits."""
        pid = self._process.pid
        soft = int(used_seconds(pid) + seconds) + 1
        with contextlib.suppress(OSError, ValueError):
            # The soft limit tells why it ended; the hard one also holds a process that ignores the signal.
            resource.prlimit(pid, resource.RLIMIT_CPU, (soft, max(soft, int(self._processor_end) + 1)))

    async def _receive(self) -> wire.Event:
        """Return the next event, of as many messages as it comes in.

        Raises:
            EOFError: the process has closed its end.
            OSError: the connection broke.
            MalformedError: the messages make no sense.
        """
        while True:
            length = int.from_bytes(await self._take(wire.HEADER_BYTES), "big")
            demand(length <= wire.MAX_FRAME, f"a message of {length} bytes")
            event = self._decoder.decode(await self._take(length))
            if event is not None:
                return event
            await asyncio.sleep(0)

    async def _take(self, count: int) -> bytes:
        loop = asyncio.get_running_loop()
        while len(self._buffer) < count:
            part = await loop.sock_recv(self._socket, RECEIVE_BYTES)
            if not part:
                raise EOFError
            self._buffer += part
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _stop(self, *, kill: bool = True) -> None:
        """Wait for the end of the process; it gets a moment to end by itself when not killed."""
        if not kill:
            await ended(self._process, END_SECONDS / 10)
        if self._process.poll() is None:
            self._process.kill()
            await ended(self._process, END_SECONDS)

    def _last_words(self) -> str:
        """Return the last line that it wrote to its standard error, for people who look for the cause."""
        with contextlib.suppress(OSError):
            lines = os.read(self._said, 1 << 16)[-LAST_WORDS_BYTES:].decode("ascii", "replace").split("\n")
            return next(("".join(filter(str.isprintable, line))[:200] for line in reversed(lines) if line.strip()), "")
        return ""


def _transcript(job: ReadJob) -> Transcript | OnePage | OnePicture:
    if job.draw is not None:
        return OnePicture()
    return Transcript(job.limits) if job.ocr is None else OnePage(job.limits, job.ocr.page)


def _not_started(error: OSError) -> FoliodError:
    return FoliodError(f"the process that reads PDFs can't be started: {error.strerror}")
