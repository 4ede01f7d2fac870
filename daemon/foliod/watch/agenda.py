"""When a folder is swept, and which paths are looked at before that. Times in seconds of a steady clock."""

from __future__ import annotations

from typing import Final

MANY_HINTS: Final = 256
"""More hints than this are better answered by a sweep."""
REST: Final = 4.0
"""A hinted sweep that nobody waits for comes after so many times as long as the last one took."""


class Agenda:
    """What there is to look at in one root."""

    def __init__(self, sweep_seconds: float) -> None:
        self._sweep_seconds = sweep_seconds
        self.hints: set[bytes] = set()
        self.again: dict[bytes, float] = {}
        """New folders, and when they are looked at once more."""
        self.sweep_hinted = True
        self._sweep_at = self._rested_at = 0.0

    def hint(self, path: bytes | None) -> None:
        """Say that something may have changed: a path, or None for anything."""
        if path is None:
            self.sweep_hinted = True
            return
        self.hints.add(path)
        if len(self.hints) > MANY_HINTS:
            self.hints, self.sweep_hinted = set(), True

    def sweep_at(self, *, urgent: bool) -> float:
        """Return when the next sweep is due; `urgent` when somebody waits for one that was hinted at."""
        if not self.sweep_hinted:
            return self._sweep_at
        return 0.0 if urgent else min(self._sweep_at, self._rested_at)

    def begin_sweep(self) -> set[bytes] | None:
        """Start a sweep; return the paths that were hinted at, None when the sweep itself was."""
        told = None if self.sweep_hinted else self.hints
        self.sweep_hinted, self.hints = False, set()
        return told

    def swept(self, now: float, seconds: float) -> None:
        """Say that a sweep ended, and how long it took."""
        self._rested_at = now + REST * seconds
        self._sweep_at = now + self._sweep_seconds

    def interrupted(self) -> None:
        """Say that something could not be brought to its end: the whole root is swept as soon as may be."""
        self.sweep_hinted, self._rested_at = True, 0.0

    def paths_due(self, now: float) -> bool:
        """Say whether there are paths to look at."""
        return bool(self.hints) or any(at <= now for at in self.again.values())

    def take_paths(self, now: float) -> tuple[set[bytes], set[bytes]]:
        """Return the paths to look at now, and those of them that are looked at for the first time."""
        again = {path for path, at in self.again.items() if at <= now}
        for path in again:
            del self.again[path]
        fresh, self.hints = self.hints - again, set()
        return fresh | again, fresh

    def covers(self, path: bytes, folders: list[bytes]) -> bool:
        """Say whether a path, which lies in `folders`, will be looked at without waiting for the next sweep."""
        return self.sweep_hinted or path in self.hints or any(folder in self.hints for folder in folders)
