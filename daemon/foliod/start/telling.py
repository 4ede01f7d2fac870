"""One line on what the daemon does, for `systemctl status`; and, while it starts, that it needs more time.

More time is asked for only while something is seen to go on, and not for ever.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from foliod.base.access import UNRESTRICTED
from foliod.base.errors import FoliodError
from foliod.base.model import DocumentState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from foliod.serve.services import Services
    from foliod.start.notify import Manager

LOOK_SECONDS: Final = 2.0
COUNT_SECONDS: Final = 10.0
"""What takes longer to count is not told this time."""
EFFORT: Final = 20
"""What took long to count is counted again after EFFORT times as long."""
QUIET_SECONDS: Final = 30.0
"""Without anything done here, what other daemons did to the store is noticed so late."""
EXTEND_SECONDS: Final = 60.0
"""Asked for again and again while the daemon starts: what goes on is seen to go on every LOOK_SECONDS."""
MOST_SECONDS: Final = 3600.0
"""A start that takes longer is one that will not come to its end."""


class Telling:
    """Keeps the service manager informed: `run` it as a task."""

    def __init__(
        self,
        manager: Manager,
        services: Callable[[], Services],
        *,
        doing: Callable[[], str | None],
        notes: Callable[[], list[str]],
        busy: Callable[[], bool],
    ) -> None:
        """`doing` says what goes on other than work, None while that goes on; `busy`, whether a start goes on."""
        self._manager = manager
        self._services = services
        self._doing = doing
        self._notes = notes
        self._busy = busy
        self._counts: dict[str, int] = {}
        self._done: dict[str, int] | None = None
        self._counted = self._again = 0.0

    async def run(self) -> None:
        """Tell what changes, for ever."""
        began = time.monotonic()
        while True:
            if not self._manager.told and self._busy() and time.monotonic() - began < MOST_SECONDS:
                self._manager.extend(EXTEND_SECONDS)
            if self._manager.listens:
                self._manager.say("; ".join([await self._line(), *self._notes()]))
            await asyncio.sleep(LOOK_SECONDS)

    async def _line(self) -> str:
        if (doing := self._doing()) is not None:
            return doing
        services = self._services()
        assert services.db is not None
        assert services.pipeline is not None
        if (away := services.db.pulse.away) is not None:
            return f"waiting for the database: {away}"
        await self._count(services)
        return line(
            self._counts,
            folders=len(services.settings.watch),
            pages_per_s=services.telemetry.counters.per_second("pages_read"),
            troubles={task: why for task in ("reader", "embedder") if (why := services.pipeline.trouble(task))},
        )

    async def _count(self, services: Services) -> None:
        """Count documents when something was done since the last time: a large store is not counted for nothing."""
        done, now = services.telemetry.counters.totals(), time.monotonic()
        if now < self._again or (done == self._done and now - self._counted < QUIET_SECONDS):
            return
        try:
            assert services.db is not None
            async with asyncio.timeout(COUNT_SECONDS):
                rows = await services.db.fetch("document_counts", *UNRESTRICTED)
        except (FoliodError, TimeoutError):
            return
        self._counts = {row["state"]: row["documents"] for row in rows}
        # What was done while they were counted shows the next time.
        self._done, self._counted = done, now
        self._again = now + EFFORT * (time.monotonic() - now)


def line(counts: Mapping[str, int], *, folders: int, pages_per_s: float, troubles: Mapping[str, str]) -> str:
    """Return what goes on: documents by state, and why readers or the embedder can't go on."""
    total = sum(counts.values())
    unread = counts.get(DocumentState.QUEUED, 0) + counts.get(DocumentState.READING, 0)
    stored = counts.get(DocumentState.STORED, 0)
    where = _counted(folders, "folder")
    if unread and "reader" in troubles:
        return f"{unread:,} of {_counted(total, 'document')} wait to be read: {troubles['reader']}; {where}"
    if unread:
        return f"reading {unread:,} of {_counted(total, 'document')}, {pages_per_s:.1f} pages/s; {where}"
    if stored and "embedder" in troubles:
        return f"{stored:,} of {_counted(total, 'document')} wait for their vectors: {troubles['embedder']}; {where}"
    if stored:
        return f"embedding {stored:,} of {_counted(total, 'document')}; {where}"
    return f"watching {where}, {_counted(total, 'document')}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
