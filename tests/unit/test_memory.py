"""Memory that nobody uses any more goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from foliod.start.memory import trimmer

CHILD = """
import asyncio, os
from foliod.start.memory import give_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

async def main():
    large, small = [], []
    for n in range(4000):
        large.append(b"x" * (1000 + n * 7 % 20_000))
        small.append(b"y" * 600)
    del large
    kept = resident()
    task = asyncio.create_task(give_back(0.01))
    for _ in range(2500):
        await asyncio.sleep(0.02)
        if resident() < kept - 25:
            break
    print(kept, resident(), task.done())
    task.cancel()

asyncio.run(main())
"""


@pytest.mark.skipif(trimmer() is None, reason="the C library has no malloc_trim")
def test_what_is_freed_between_things_that_stay_is_given_back():
    """Forty megabytes that are freed between small things that stay do not stay with the process."""
    ran = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=100, check=True)
    kept, left, ended = ran.stdout.split()
    assert float(left) < float(kept) - 25
    assert ended == "False"
