"""A new configuration for a daemon that runs: read when SIGHUP asks for it, and in force at once as far as can be.

A configuration that is wrong changes nothing: the one that is in force stays, and the log, the status and
the service manager say what is wrong with the other.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from foliod.base.errors import ConfigError
from foliod.base.patience import FILES, patiently
from foliod.serve.services import Configuration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from foliod.base.config import Settings
    from foliod.start.notify import Manager

LIVE: Final = frozenset({"watch", "ollama", "server", "ingest", "search", "log"})
"""Sections that change while the daemon runs, but for FIXED. What is not named here takes a restart."""
FIXED: Final = frozenset({
    ("ollama", "url"), ("ollama", "embed_model"), ("ollama", "connect_seconds"), ("ollama", "silence_seconds"),
    ("server", "socket"), ("server", "http"), ("server", "token_file"),
    ("ingest", "workers"),
})  # fmt: skip
"""Keys that take a restart: open doors and connections, processes, and which model's vectors serve."""

log = structlog.get_logger()


def merged(now: Settings, wanted: Settings) -> tuple[Settings, tuple[str, ...], tuple[str, ...]]:
    """Return the settings that can be in force at once, the keys that change by them, and those that take a restart."""
    changed, waiting = list[str](), list[str]()
    update: dict[str, Any] = {}
    for section in type(wanted).model_fields:
        old, new = getattr(now, section), getattr(wanted, section)
        if old == new:
            continue
        if section == "watch":
            update[section] = new
            changed.append("[[watch]]")
            continue
        if not hasattr(type(new), "model_fields"):
            waiting.append(section)
            continue
        keys = {}
        for key in type(new).model_fields:
            if getattr(old, key) == getattr(new, key):
                continue
            if section in LIVE and (section, key) not in FIXED:
                keys[key] = getattr(new, key)
                changed.append(f"[{section}] {key}")
            else:
                waiting.append(f"[{section}] {key}")
        update[section] = old.model_copy(update=keys)
    return now.model_copy(update=update), tuple(changed), tuple(waiting)


class Reloader:
    """Reads the configuration again whenever `ask` was called: `run` it as a task."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        apply: Callable[[Settings], Awaitable[None]],
        manager: Manager,
    ) -> None:
        """`load` reads it as at start, `apply` puts settings in force."""
        self.settings = settings
        """Those in force."""
        self.configuration = Configuration(now := datetime.now(UTC), now)
        self._load = load
        self._apply = apply
        self._manager = manager
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have the configuration read again."""
        self._asked.set()

    async def run(self) -> None:
        """Read it whenever that is asked for."""
        while True:
            with patiently("nobody asks for it"):
                await self._asked.wait()
            self._asked.clear()
            was_ready = self._manager.ready
            self._manager.reloading()
            try:
                await self._reload()
            finally:
                if was_ready:
                    self._manager.begin()

    async def _reload(self) -> None:
        try:
            with patiently(FILES):
                wanted = await asyncio.to_thread(self._load)
        except ConfigError as error:
            log.error("reload_failed", reason=error.message, why="the old configuration stays in force")  # noqa: TRY400
            before = self.configuration
            self.configuration = Configuration(
                before.loaded_at, datetime.now(UTC), before.restart_needed, error.message
            )
            return
        settings, changed, waiting = merged(self.settings, wanted)
        self.settings = settings
        await self._apply(settings)
        # Only now: who waits for a reload looks at this.
        self.configuration = Configuration(now := datetime.now(UTC), now, waiting)
        log.info("reloaded", keys=changed)
        if waiting:
            log.warning("restart_needed", keys=waiting, reason="these can't change while the daemon runs")

    @property
    def note(self) -> str | None:
        """What people should know of it, in a few words; None when all is in force."""
        if self.configuration.error is not None:
            return f"configuration not reloaded: {self.configuration.error}"
        if self.configuration.restart_needed:
            return f"restart needed for {', '.join(self.configuration.restart_needed)}"
        return None


class Terminal:
    """The terminal that the daemon was started in, if any: when it is closed, SIGHUP means the end."""

    def __init__(self) -> None:
        self._had_one = _reachable()

    @property
    def gone(self) -> bool:
        """Whether there was one that is not there any more (the kernel takes it away from all its processes)."""
        return self._had_one and not _reachable()


def _reachable() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError:
        return False
    return True
