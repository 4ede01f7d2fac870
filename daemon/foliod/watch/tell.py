"""What the judge of a folder says in the log: each oddity once, floods summed up."""

from __future__ import annotations

from typing import Final

import structlog

from foliod.base.metrics import SWEEP_SECONDS
from foliod.base.paths import display
from foliod.watch.walk import Findings

ONE_BY_ONE: Final = 50
"""More files than this that are gone at once are summed up."""

log = structlog.get_logger()


class Teller:
    """Tells of one root."""

    def __init__(self, root: bytes) -> None:
        self._root = display(root)
        self._told: dict[bytes, str] = {}
        self._last: tuple[set[bytes], ...] | None = None

    def swept(self, found: Findings, seconds: float) -> None:
        """Tell of a sweep: loudly of the first, and of one that found something else than the one before."""
        SWEEP_SECONDS.observe(seconds)
        counts = {"to_read": len(found.candidates), "gone": len(found.gone), "back": len(found.back)}
        news = set(found.candidates), set(found.gone), set(found.back)
        say = log.info if self._last is None or (any(counts.values()) and news != self._last) else log.debug
        say("swept", root=self._root, files=found.files, **counts, ms=round(seconds * 1000))
        self._last = news

    def changes(self, found: Findings, gone: list[bytes]) -> None:
        """Tell of files that are gone, and of those that are back."""
        for path in found.back:
            log.info("file_back", file=display(path))
        for path in gone[:ONE_BY_ONE]:
            log.info("file_gone", file=display(path))
        if len(gone) > ONE_BY_ONE:
            log.info("files_gone", root=self._root, files=len(gone))

    def oddities(self, found: Findings, *, whole: bool) -> None:
        """Tell once what is no file to read, and which folders can't be listed; `whole` after a whole sweep."""
        for path, reason in self._news(found.ignored):
            log.warning("file_ignored", path=display(path), reason=reason)
        for path, reason in self._news(found.unreadable):
            log.warning("folder_unreadable", path=display(path), reason=reason)
        now = found.ignored | found.unreadable
        self._told = now if whole else self._told | now

    def _news(self, reasons: dict[bytes, str]) -> list[tuple[bytes, str]]:
        return [(path, reason) for path, reason in reasons.items() if self._told.get(path) != reason]

    def state(self, before: str, state: str, reason: str | None) -> None:
        """Tell that the root's state changed."""
        if state != before and (before, state) != ("sweeping", "ok"):
            (log.info if state == "ok" else log.warning)("root_state", root=self._root, state=state, reason=reason)
