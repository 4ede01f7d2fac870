"""Folder events become hints, nothing else: events get lost in many ways, the sweep is the judge.

Whatever breaks ends in a hint to sweep the whole root, a log line and a fresh watch. While there
are no events the root is swept again and again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from typing import Final

import structlog
from watchfiles import Change, awatch

from foliod.base.config import Watch
from foliod.base.metrics import WATCH_EVENTS
from foliod.base.paths import display
from foliod.base.patience import FILES, patiently
from foliod.watch.mounts import Place, place
from foliod.watch.sight import Sight

Hint = Callable[[bytes | None], None]
"""Told the path of what may have changed (a file or a folder), None when that is the whole root."""
Look = Callable[[], Awaitable[Place | None]]
"""Tells what the root is now; None when it is not there."""

STEP_MS: Final = 50
DEBOUNCE_MS: Final = 400
"""Events are gathered until none came for STEP_MS, at most so long."""
LOOK_MS: Final = 1000
"""How often is looked whether the root is still the folder that is watched: a deleted one tells nothing any more."""
POLL_SECONDS: Final = 2.0
"""Without events, the root is swept so often, less often when that takes long."""
MANY: Final = 256
"""So many changes at once are a hint to sweep the root: cheaper, and the queue may have overflowed."""
STALL_SECONDS: Final = 1.0
"""When nobody asked for events for so much longer than usual (the daemon was stopped), the queue may have overflowed."""
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 60.0
STEADY_SECONDS: Final = 10.0
"""A watch that held for so long was a good one: the next wait is short again."""
LIMIT_ADVICE: Final = (
    "raise it with sysctl fs.inotify.max_user_watches; until then the folder is looked through instead"
)

log = structlog.get_logger()


async def watch(root: Watch, hint: Hint, sight: Sight) -> None:
    """Tell `hint` what may have changed below a root, for ever; a root that is not there is waited for."""
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    # A thread of its own: a file system that hangs takes none away from anybody else.
    thread = ThreadPoolExecutor(1, thread_name_prefix="watch")
    try:
        await _watch(root, partial(_place, thread, os.fsencode(root.path)), hint, sight)
    finally:
        thread.shutdown(wait=False)


async def _watch(root: Watch, look: Look, hint: Hint, sight: Sight) -> None:
    folder = display(os.fsencode(root.path))
    wait, lenient, missing = FIRST_WAIT, False, False
    while True:
        seen = await look()
        if seen is None:
            if not missing:
                missing = True
                why = await asyncio.to_thread(_unreachable, os.fsencode(root.path))
                sight.now("sweeps", why)
                log.warning("watch_waiting", root=folder, reason=f"{why}; it is waited for")
                hint(None)
            await asyncio.sleep(LOOK_MS / 1000)
            continue
        missing = False
        if root.poll or seen.remote:
            reason = "poll = true" if root.poll else f"{seen.remote} sends no events for what others do"
            sight.now("polling", reason)
            log.info("watch_polling", root=folder, file_system=seen.remote, seconds=POLL_SECONDS)
            await _poll(look, seen, hint)
            continue
        started = time.monotonic()
        try:
            renewed = await _follow(root, look, seen, hint, sight, lenient=lenient)
        except (OSError, RuntimeError, ValueError, ExceptionGroup) as error:
            denied = _denied(error)
            lenient = lenient or denied
            wait = FIRST_WAIT if time.monotonic() - started > STEADY_SECONDS else min(wait * 2, LONGEST_WAIT)
            sight.now("sweeps", _reason(error))
            log.warning("watch_broken", root=folder, reason=sight.reason, seconds=wait)
            await _poll(look, seen, hint, wait)
        else:
            log.info("watch_renewed", root=folder, reason=renewed)
            hint(None)


async def _follow(root: Watch, look: Look, seen: Place, hint: Hint, sight: Sight, *, lenient: bool) -> str:
    """Turn events into hints until the watch has to be made anew; return why. Raises what watchfiles raises.

    `lenient` goes without the subfolders that can't be watched; else one such ends everything.
    """
    deleted = Change.deleted, str(root.path)
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
    sight.doubt.clear()
    started = asked = time.monotonic()
    async with aclosing(events):
        ready = flooded = False
        async for changes in events:
            stalled = time.monotonic() - asked > LOOK_MS / 1000 + STALL_SECONDS
            asked = time.monotonic()
            WATCH_EVENTS.inc(len(changes))
            now = await look()
            # A folder made right after one was deleted may have its inode, which the watch is not on.
            if now is None or deleted in changes or (now.device, now.inode) != (seen.device, seen.inode):
                return "the folder was replaced by another one"
            if now != seen:
                return "something was mounted or unmounted in the folder, or its permissions changed"
            if not ready or stalled or len(changes) > MANY:
                # What happened before the watch was in place told nobody.
                flooded = flooded or stalled or len(changes) > MANY
                if not ready:
                    sight.now("events", "subfolders that can't be read are not watched" if lenient else None)
                ready = True
                hint(None)
                continue
            for _, changed in changes:
                hint(os.fsencode(changed))
            if time.monotonic() - started > STEADY_SECONDS:
                if flooded:
                    # New folders whose events got lost are not watched.
                    return "so much happened that events may have got lost"
                if sight.doubt.is_set():
                    return "there were changes that no event told of"
    return "it ended"


async def _poll(look: Look, seen: Place, hint: Hint, seconds: float = float("inf")) -> None:
    """Have the root swept again and again, so long at most or until it is not the same folder any more.

    Not by watchfiles' own polling: that reads the whole tree while the event loop waits.
    """
    end = time.monotonic() + seconds
    while await look() == seen:
        hint(None)
        if (left := end - time.monotonic()) <= 0:
            return
        await asyncio.sleep(min(POLL_SECONDS, left))


def _unreachable(path: bytes) -> str:
    try:
        os.stat(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        return f"the folder can't be reached: {(error.strerror or 'unknown').lower()}"
    return "the folder is not there"


async def _place(thread: ThreadPoolExecutor, path: bytes) -> Place | None:
    with patiently(FILES):
        return await asyncio.get_running_loop().run_in_executor(thread, place, path)


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
    if "Unable to decode path" in str(error):
        return f"{error}: rename it; as long as it changes, the folder is looked through without events"
    return str(error) or type(error).__name__
