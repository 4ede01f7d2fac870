"""What foliod counts of itself: counters since start, the event loop's lag."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from foliod.base.metrics import LOOP_LAG

LAG_SECONDS = 0.05
"""Pause between two measurements of the loop's lag."""
WINDOW_SECONDS = 60.0
"""Lag and rates are told of the last minute."""


class Counters:
    """Counts since start, by name, and how fast each grew in the last minute."""

    def __init__(self) -> None:
        self._totals: Counter[str] = Counter()
        self._recent: dict[str, deque[tuple[int, int]]] = {}

    def add(self, name: str, n: int = 1) -> None:
        """Count `n` more of `name`."""
        self._totals[name] += n
        second = int(time.monotonic())
        recent = self._recent.setdefault(name, deque(maxlen=int(WINDOW_SECONDS) + 1))
        if recent and recent[-1][0] == second:
            n += recent.pop()[1]
        recent.append((second, n))

    def __getitem__(self, name: str) -> int:
        return self._totals[name]

    def totals(self) -> dict[str, int]:
        """Return all counts."""
        return dict(sorted(self._totals.items()))

    def per_second(self, name: str) -> float:
        """Return the rate over the last minute, or since counting began when that is shorter; 0 when idle."""
        now = time.monotonic()
        recent = [(at, n) for at, n in self._recent.get(name, ()) if at > now - WINDOW_SECONDS]
        if not recent:
            return 0.0
        return sum(n for _, n in recent) / max(1.0, now - recent[0][0])


class LoopLag:
    """How late the event loop wakes a task that slept briefly: what any request has to wait."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=int(WINDOW_SECONDS / LAG_SECONDS))

    async def measure(self) -> None:
        """Measure for ever; run as a task."""
        while True:
            due = time.monotonic() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            now = time.monotonic()
            lag = max(0.0, now - due)
            self._seen.append((now, lag))
            LOOP_LAG.observe(lag)

    def last_minute(self) -> dict[str, float | None]:
        """Return the median, the 99th percentile and the largest lag in ms; None before the first measurement."""
        since = time.monotonic() - WINDOW_SECONDS
        lags = sorted(lag for at, lag in self._seen if at >= since)
        if not lags:
            return {"p50": None, "p99": None, "max": None}

        def at_share(share: float) -> float:
            return round(lags[max(0, math.ceil(share * len(lags)) - 1)] * 1000, 2)

        return {"p50": at_share(0.5), "p99": at_share(0.99), "max": at_share(1.0)}


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The numbers of one daemon."""

    counters: Counters = field(default_factory=Counters)
    lag: LoopLag = field(default_factory=LoopLag)
    started: float = field(default_factory=time.monotonic)

    @property
    def uptime_s(self) -> float:
        """Seconds since start."""
        return time.monotonic() - self.started

    def snapshot(self) -> dict[str, Any]:
        """Return counters, lag, uptime and how many tasks there are, for `/v1/status`; call it on the event loop."""
        return {
            "uptime_s": round(self.uptime_s, 1),
            "tasks": len(asyncio.all_tasks()),
            "loop_lag": self.lag.last_minute(),
            "counters": self.counters.totals(),
        }
