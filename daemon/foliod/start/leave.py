"""How the daemon ends in time, whatever holds it up, and what it says of why it ended."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import structlog

from foliod.base.errors import FoliodError
from foliod.base.logs import end_logs

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAIN_SECONDS = 9.5
"""From the signal to the end: the doors take four of them at most, PostgreSQL usually far less than one."""
LEAVE_SECONDS = 2.0
"""What threads do takes less, unless their file system hangs."""

log = structlog.get_logger()


async def drain(tasks: Sequence[asyncio.Task[Any]], seconds: float) -> BaseException | None:
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


async def leave(code: int) -> None:
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


def told(failure: BaseException) -> int:
    """Log what ended the daemon; return the exit code."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if isinstance(failure, FoliodError):
        log.error("broken", code=failure.code, reason=failure.message)
        return failure.exit_code
    log.error("broken", exc_info=failure)
    return 1
