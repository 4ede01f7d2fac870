"""Leaving while a file system hangs: the daemon's process ends all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from foliod.base.assets import PACKAGE
from foliod.start import leave

HUNG = """
import asyncio, os, sys, time
from foliod.start import leave
leave.LEAVE_SECONDS = 0.2
async def main():
    read, write = os.pipe()
    asyncio.get_running_loop().run_in_executor(None, os.read, read, 1)
    await asyncio.to_thread(time.sleep, 0)
    await leave.leave(7)
asyncio.run(main())
"""


def test_a_thread_that_hangs_does_not_keep_the_process():
    """A thread that never returns from a system call does not keep the daemon from ending with its exit code."""
    environment = os.environ | {"PYTHONPATH": str(Path(PACKAGE).parent)}
    assert subprocess.run([sys.executable, "-c", HUNG], env=environment, timeout=60, check=False).returncode == 7


def test_threads_that_wait_for_work_are_not_waited_for():
    """Idle threads end by themselves; only one in the middle of something is named."""
    read, write = os.pipe()
    with ThreadPoolExecutor(1, thread_name_prefix="idle") as idle, ThreadPoolExecutor(1, "busy") as busy:
        idle.submit(int).result()
        future = busy.submit(os.read, read, 1)
        try:
            names = leave._busy_threads()
            assert not [name for name in names if name.startswith("idle")]
        finally:
            os.write(write, b"x")
            future.result()
    os.close(read)
    os.close(write)
