"""Folder events become hints, nothing else: events get lost in many ways, the sweep is the judge.

Whatever breaks ends in a hint to sweep the whole root, a log line and a fresh watch. While there
are no events the root is swept again and again.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

import structlog

from foliod.base.config import Watch
from foliod.base.paths import display
from foliod.watch.mounts import Place, place
from foliod.watch.sight import Sight
from foliod.watch.tree import EventsLostError, RootGoneError, Tree

Hint = Callable[[bytes | None], None]
"""Told the path of what may have changed (a file or a folder), None when that is the whole root."""

STEP_SECONDS: Final = 0.05
DEBOUNCE_SECONDS: Final = 0.4
"""Events are gathered until none came for STEP_SECONDS, at most so long."""
LOOK_SECONDS: Final = 1.0
"""How often is looked whether the root is still the folder that is watched."""
POLL_SECONDS: Final = 2.0
"""Without events, the root is swept so often, less often when that takes long."""
MANY: Final = 256
"""So many changes at once are a hint to sweep the root, which is cheaper."""
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 60.0
STEADY_SECONDS: Final = 10.0
"""A watch that held for so long was a good one: the next wait is short again."""

log = structlog.get_logger()


async def watch(root: Watch, hint: Hint, sight: Sight) -> None:
    """Tell `hint` what may have changed below a root, for ever; a root that is not there is waited for."""
    path = os.fsencode(root.path)
    folder = display(path)
    wait, missing = FIRST_WAIT, False
    while True:
        seen = await asyncio.to_thread(place, path)
        if seen is None:
            if not missing:
                missing = True
                sight.now("sweeps", "the folder is not there")
                log.warning("watch_waiting", root=folder, reason="the folder is not there; it is waited for")
                hint(None)
            await asyncio.sleep(LOOK_SECONDS)
            continue
        missing = False
        if root.poll or seen.remote:
            reason = "poll = true" if root.poll else f"{seen.remote} sends no events for what others do"
            sight.now("polling", reason)
            log.info("watch_polling", root=folder, file_system=seen.remote, seconds=POLL_SECONDS)
            await _poll(path, seen, hint)
            continue
        started = time.monotonic()
        try:
            renewed = await _follow(root, seen, hint, sight)
        except OSError as error:
            wait = FIRST_WAIT if time.monotonic() - started > STEADY_SECONDS else min(wait * 2, LONGEST_WAIT)
            sight.now("sweeps", error.strerror or str(error))
            log.warning("watch_broken", root=folder, reason=sight.reason, seconds=wait)
            await _poll(path, seen, hint, wait)
        else:
            log.info("watch_renewed", root=folder, reason=renewed)
            hint(None)
            await asyncio.sleep(FIRST_WAIT)


async def _follow(root: Watch, seen: Place, hint: Hint, sight: Sight) -> str:
    """Turn events into hints until the watch has to be made anew; return why. Raises OSError when there can be none."""
    path = os.fsencode(root.path)
    started = time.monotonic()
    with Tree(root) as tree:
        await asyncio.to_thread(tree.grow, path)
        sight.doubt.clear()
        sight.now("events", tree.reason())
        # What happened before the watch was in place told nobody.
        hint(None)
        while True:
            try:
                changes = await tree.changes(STEP_SECONDS, DEBOUNCE_SECONDS, LOOK_SECONDS)
            except EventsLostError:
                return "so much happened that events got lost"
            except RootGoneError:
                return "the folder was deleted, moved or unmounted"
            now = await asyncio.to_thread(place, path)
            if now is None or (now.device, now.inode) != (seen.device, seen.inode):
                return "the folder was replaced by another one"
            if now != seen:
                return "something was mounted or unmounted in the folder, or its permissions changed"
            if len(changes) > MANY:
                hint(None)
            else:
                for changed in changes:
                    hint(changed)
            sight.reason = tree.reason()
            if sight.doubt.is_set() and time.monotonic() - started > STEADY_SECONDS:
                return "there were changes that no event told of"


async def _poll(path: bytes, seen: Place, hint: Hint, seconds: float = float("inf")) -> None:
    """Have the root swept again and again, so long at most or until it is not the same folder any more.

    Not by watchfiles' own polling: that reads the whole tree while the event loop waits.
    """
    end = time.monotonic() + seconds
    while await asyncio.to_thread(place, path) == seen:
        hint(None)
        if (left := end - time.monotonic()) <= 0:
            return
        await asyncio.sleep(min(POLL_SECONDS, left))
