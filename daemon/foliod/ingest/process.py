"""What is known of a reading process from outside: what it may know of ours, what it has used, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sysconfig
import time
from typing import TYPE_CHECKING

from foliod.base.assets import PACKAGE

if TYPE_CHECKING:
    import subprocess


def environment() -> dict[str, str]:
    """Return all that the process may know of ours: where Python finds its packages."""
    environment = {"LC_ALL": "C.UTF-8"}
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    source = str(PACKAGE.parent)
    if source not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *paths}:
        paths.append(source)
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


def used_seconds(pid: int) -> float:
    """Return the processor time that a process has used, 0 when that can't be known."""
    try:
        # clock_getcpuclockid(3): the clock of a process has its number in this form.
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds, 0 when that can't be known."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


async def ended(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the end of a process, for so many seconds at most."""
    if process.poll() is not None:
        return
    try:
        watch = os.pidfd_open(process.pid)
    except OSError:
        # Some sandboxes know no such call.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while process.poll() is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        return
    exited = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(watch, exited.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await exited.wait()
    finally:
        loop.remove_reader(watch)
        os.close(watch)
    process.poll()
