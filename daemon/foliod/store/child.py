"""A child process that the kernel stops when foliod dies, with its last lines for error messages."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LINE_BYTES: Final = 8192
"""A longer line is taken in parts."""

# A process of its own between fork and the program: code that runs in a forked copy of a threaded
# interpreter (preexec_fn) can hang. setuid clears the death signal, so it is set afterwards; a parent
# that died before that is noticed by its pid.
LAUNCHER: Final = """
import ctypes, os, signal, sys
parent, uid, gid, *command = sys.argv[1:]
if uid:
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
os.umask(0o077)
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGINT))
if os.getppid() != int(parent):
    sys.exit("the process that started this one is gone")
try:
    os.execv(command[0], command)
except OSError as error:
    sys.exit(f"{command[0]} can't be run: {error.strerror}")
"""

log = structlog.get_logger()


class Child(asyncio.SubprocessProtocol):
    """A running program. Its output is read as it comes, so that it never waits for us."""

    def __init__(self, program: str) -> None:
        self.exited = asyncio.Event()
        """Set as soon as the process has ended, even while others keep its output open."""
        self._transport: asyncio.SubprocessTransport
        self._program = program
        self._lines: deque[str] = deque(maxlen=12)
        self._rest = b""
        self._closed = asyncio.Event()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._transport.get_pid()

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._transport.get_returncode()

    @property
    def killed(self) -> bool:
        """Whether a signal ended it."""
        return (self.code or 0) < 0

    async def last_words(self) -> str:
        """Return how it ended and the end of its output."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._closed.wait()
        how = f"killed by {signal.Signals(-(self.code or 0)).name}" if self.killed else f"exit code {self.code}"
        return f"{how}: {' | '.join(self._lines) or 'it said nothing'}"

    async def end(self, steps: Iterable[tuple[signal.Signals, float]]) -> None:
        """Send each signal and wait so many seconds for the end, until it has ended."""
        for number, seconds in steps:
            if self.exited.is_set():
                break
            with contextlib.suppress(ProcessLookupError):
                self._transport.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.exited.wait()
        self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002
        """Take output (asyncio calls this)."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            text = line[:LINE_BYTES].decode(errors="replace").strip()
            if not text or (self._lines and text == self._lines[-1]):
                continue
            self._lines.append(text)
            log.debug("child_said", program=self._program, pid=self.pid, line=text)

    def process_exited(self) -> None:
        """Note the end (asyncio calls this)."""
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Note the end of the output (asyncio calls this)."""
        self._closed.set()


async def start_child(program: Path, *args: str, user: tuple[int, int] | None = None) -> Child:
    """Start a program with a clean environment, in its own session, as another user if given (uid, gid).

    The kernel sends it SIGINT when the calling thread ends: call from the main thread.
    """
    uid, gid = user or ("", "")
    _, child = await asyncio.get_running_loop().subprocess_exec(
        lambda: Child(program.name),
        *(sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), str(uid), str(gid)),
        *(str(program), *args),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        # Ctrl-C in the terminal must not reach it before foliod has let go of it.
        start_new_session=True,
        # The user's PG* variables and locale must not change what it does.
        env={"PATH": os.defpath, "LC_ALL": "C"},
    )
    return child
