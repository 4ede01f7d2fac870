"""Folders of PostgreSQL's data for daemons of tests: made once a process, and copied, which is faster than initdb."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import subprocess
import sys
from pathlib import Path

from foliod.store.embedded import EmbeddedServer
from foliod.store.migrate import migrate
from places import temporary_dir


def provide(state: Path) -> None:
    """Make a state folder as a daemon leaves it that was started once and has seen no file."""
    # PostgreSQL's part may belong to another user, who is kept; its log is mostly holes.
    subprocess.run(["cp", "-a", "--sparse=always", str(template()), str(state)], check=True)


@functools.cache
def template() -> Path:
    """The state folder that is copied; it goes when this process ends."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    state = stack.enter_context(temporary_dir()) / "state"
    # In a process of its own, because a test's loop may run here, and the server says much.
    done = subprocess.run([sys.executable, __file__, str(state)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    (state / "postgres.lock").unlink()
    return state


async def make(state: Path) -> None:
    async with EmbeddedServer(state, 16, sync=False) as server:
        await migrate(server.url)


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
