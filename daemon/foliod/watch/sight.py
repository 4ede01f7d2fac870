"""How changes of a folder come to notice, and whether that can be trusted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

from foliod.base.paths import numbers
from foliod.watch.walk import Findings

UNTOLD_SECONDS: Final = 5.0
"""A change that is older than this and that no event told of is one that the watch missed."""


@dataclass(slots=True)
class Sight:
    """How changes of a root come to notice now."""

    by: str = "sweeps"
    """`events`, `polling` where none are sent, or `sweeps` when events can't be had."""
    reason: str | None = "the watch is not in place yet"
    """Why there are no events, or not of everything."""
    since: float = 0.0
    """When that began, in seconds of time.time(), as the times of files are."""
    doubt: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there were changes that nobody had told of: the watch is made anew."""

    def now(self, by: str, reason: str | None = None) -> None:
        """Say how changes come to notice from now on."""
        self.by, self.reason, self.since = by, reason, time.time()

    def check(self, found: Findings, told: Container[bytes]) -> None:
        """Doubt the watch when a sweep that only the clock had called for found what no event `told` of."""
        first, last = self.since + 1, time.time() - UNTOLD_SECONDS
        changed = {path: numbers(seen)[2] / 1e9 for path, seen in found.candidates.items() if path not in told}
        if self.by == "events" and (
            any(first < at < last for at in changed.values()) or any(path not in told for path in found.gone)
        ):
            self.doubt.set()
