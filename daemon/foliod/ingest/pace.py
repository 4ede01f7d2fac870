"""How fast texts get their vectors in a space that is filled, whoever embeds them."""

from __future__ import annotations

import time
from collections import deque

PACE_SECONDS = 60.0
"""Speed is told of so long."""


class Pace:
    """Knows what was seen in the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()
        """When how many texts had a vector, and in which space."""

    def forget(self) -> None:
        """Begin anew."""
        self._seen.clear()

    def rate(self, space: int, have: int) -> float | None:
        """Return texts a second, whoever embeds them; None while that is not known."""
        now = time.monotonic()
        if self._seen and self._seen[-1][2] != space:
            self._seen.clear()
        self._seen.append((now, have, space))
        while self._seen[0][0] < now - PACE_SECONDS:
            self._seen.popleft()
        then, had, _ = self._seen[0]
        return (have - had) / (now - then) if now > then else None
