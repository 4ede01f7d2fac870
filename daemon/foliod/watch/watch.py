"""Folder events become hints, nothing else: events get lost in many ways, the sweep is the judge.

Whatever breaks ends in a hint to sweep the whole root, a log line and a fresh watch.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import structlog
from watchfiles import awatch

from foliod.base.config import Watch
from foliod.base.paths import display

Hint = Callable[[bytes | None], None]
"""Told the path of what may have changed (a file or a folder), None when that is the whole root."""

STEP_MS: Final = 50
DEBOUNCE_MS: Final = 400
"""Events are gathered until none came for STEP_MS, at most so long."""
LOOK_MS: Final = 1000
"""How often is looked whether the root is still the folder that is watched: a deleted one tells nothing any more."""
POLL_SECONDS: Final = 2.0
"""Without events, the root is swept so often, less often when that takes long."""
MANY: Final = 256
"""So many changes at once are a hint to sweep the root: cheaper, and the queue may have overflowed."""
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 60.0
STEADY_SECONDS: Final = 10.0
"""A watch that held for so long was a good one: the next wait is short again."""
REMOTE: Final = frozenset(
    "9p afs beegfs ceph cifs fuse.davfs fuse.glusterfs fuse.rclone fuse.s3fs fuse.sshfs glusterfs lustre nfs nfs4 "
    "ncpfs ocfs2 prl_fs smb3 smbfs vboxsf virtiofs".split()
)
"""File systems that others change without an event here."""
LIMIT_ADVICE: Final = "raise it with sysctl fs.inotify.max_user_watches; until then the folder is only swept"

log = structlog.get_logger()


async def watch(root: Watch, hint: Hint) -> None:
    """Tell `hint` what may have changed below a root, for ever; a root that is not there is waited for."""
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    path = os.fsencode(root.path)
    folder = display(path)
    wait, lenient, missing = FIRST_WAIT, False, False
    while True:
        identity = await asyncio.to_thread(_identity, path)
        if identity is None:
            if not missing:
                missing = True
                log.warning("watch_waiting", root=folder, reason="the folder is not there; it is waited for")
                hint(None)
            await asyncio.sleep(LOOK_MS / 1000)
            continue
        missing = False
        remote = None if root.poll else await asyncio.to_thread(_remote, path)
        if root.poll or remote:
            log.info("watch_polling", root=folder, file_system=remote, seconds=POLL_SECONDS)
            await _poll(path, identity, hint)
            continue
        started = time.monotonic()
        try:
            await _follow(root, identity, hint, lenient=lenient)
        except (OSError, RuntimeError, ValueError, ExceptionGroup) as error:
            lenient = lenient or _denied(error)
            wait = FIRST_WAIT if time.monotonic() - started > STEADY_SECONDS else min(wait * 2, LONGEST_WAIT)
            log.warning("watch_broken", root=folder, reason=_reason(error), seconds=wait)
            hint(None)
            await asyncio.sleep(wait)
        else:
            log.warning("watch_renewed", root=folder, reason="the folder was replaced by another one")
            hint(None)


async def _follow(root: Watch, identity: tuple[int, int], hint: Hint, *, lenient: bool) -> None:
    """Turn events into hints until the root is not the same folder any more; raises what watchfiles raises.

    `lenient` goes without the subfolders that can't be watched; else one such ends everything.
    """
    path = os.fsencode(root.path)
    events = awatch(
        root.path,
        watch_filter=None,
        step=STEP_MS,
        debounce=DEBOUNCE_MS,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
        force_polling=False,
        recursive=root.recursive,
        ignore_permission_denied=lenient,
    )
    async with aclosing(events):
        ready = False
        async for changes in events:
            if await asyncio.to_thread(_identity, path) != identity:
                return
            if not ready or len(changes) > MANY:
                # What happened before the watch was in place told nobody.
                ready = True
                hint(None)
            else:
                for _, changed in changes:
                    hint(os.fsencode(changed))


async def _poll(path: bytes, identity: tuple[int, int], hint: Hint) -> None:
    """Have the root swept again and again until it is not the same folder any more.

    Not by watchfiles' own polling: that reads the whole tree while the event loop waits.
    """
    while await asyncio.to_thread(_identity, path) == identity:
        hint(None)
        await asyncio.sleep(POLL_SECONDS)


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _remote(path: bytes) -> str | None:
    """Return the kind of the file system that a folder lies on when it sends no events for what others do."""
    try:
        device = os.stat(path).st_dev
        with open("/proc/self/mountinfo", "rb") as mounts:
            for line in mounts:
                before, _, after = line.partition(b" - ")
                if before.split()[2] == b"%d:%d" % (os.major(device), os.minor(device)):
                    kind = after.split()[0].decode()
                    return kind if kind in REMOTE else None
    except (OSError, IndexError):
        pass
    return None


def _denied(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_denied(part) for part in error.exceptions)
    return isinstance(error, PermissionError) or "ermission denied" in str(error)


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, PermissionError):
        return f"{error}; subfolders that can't be read are swept but not watched"
    if "limit reached" in str(error):
        return f"{error}: {LIMIT_ADVICE}"
    return str(error) or type(error).__name__
