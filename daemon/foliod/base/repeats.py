"""Repeats in the log: what says the same again and again is told some times, then counted, and the count is told.

Two lines say the same when they have the same event, level and fields; measures (milliseconds, counts) and the id
of the request are left out of that, the document, the file and the reason are not. Nothing is left out silently.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import structlog

from foliod.base.events import ALWAYS, CORRELATION, EVENTS, is_measure
from foliod.base.metrics import LOG_EVENTS

WINDOW_SECONDS = 60.0
MOST_TOLD = 10
"""In a window so many lines that say the same are told; the others are counted."""
MOST_KINDS = 2000
"""So many kinds of lines are kept apart; then the window of the oldest one ends early."""
FAILED_STATUS = 400
MOST_SUBJECT_CHARS = 500

log = structlog.get_logger()


@dataclass(slots=True)
class _Window:
    """What was told and left out of one kind of line since `began`."""

    began: float
    event: str
    level: int
    subject: dict[str, Any]
    told: int = 0
    left_out: int = field(default=0)


class Repeats(logging.Filter):
    """Lets a record pass, or counts it. All handlers of a set-up share one, which judges each record once."""

    def __init__(self) -> None:
        super().__init__()
        self._windows: OrderedDict[tuple[Any, ...], _Window] = OrderedDict()
        self._lock = threading.Lock()
        self.left_out = 0
        """Lines that were only counted since start."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is to be written."""
        passes: bool | None = getattr(record, "foliod_passes", None)
        if passes is None:
            passes = record.foliod_passes = self._passes(record)
            _count(record)
        return passes

    def settle(self, *, everything: bool = False) -> None:
        """Tell how much was left out in windows that are over, or in all."""
        now = time.monotonic()
        with self._lock:
            over = []
            while self._windows:
                window = next(iter(self._windows.values()))
                if not everything and now < window.began + WINDOW_SECONDS:
                    break
                self._windows.popitem(last=False)
                over.append(window)
        for window in over:
            _tell(window, now)

    def _passes(self, record: logging.LogRecord) -> bool:
        fields = record.msg if isinstance(record.msg, dict) else None
        event = str(fields.get("event")) if fields is not None else record.getMessage()
        if event == "repeated" or (fields is not None and _each(event, fields)):
            return True
        self.settle()
        subject = _subject(event, fields or {"logger": record.name})
        failed = None if record.exc_info is None or fields is not None else repr(record.exc_info[0])
        key = (event, record.levelno, failed, *((name, repr(value)) for name, value in sorted(subject.items())))
        with self._lock:
            window = self._windows.get(key)
            if window is None:
                window = self._windows[key] = _Window(time.monotonic(), event, record.levelno, subject)
            oldest = self._windows.popitem(last=False)[1] if len(self._windows) > MOST_KINDS else None
            window.told += 1
            passes = window.told <= MOST_TOLD
            if not passes:
                window.left_out += 1
                self.left_out += 1
        if oldest is not None:
            _tell(oldest, time.monotonic())
        return passes


def _count(record: logging.LogRecord) -> None:
    event = record.msg.get("event") if isinstance(record.msg, dict) else None
    LOG_EVENTS.labels(event if event in EVENTS else "library", record.levelname.lower()).inc()


def _each(event: str, fields: dict[str, Any]) -> bool:
    """Whether every one is told: what a client asked for and got."""
    known = EVENTS.get(event)
    return known is not None and known.each and not int(fields.get("status") or 0) >= FAILED_STATUS


def _subject(event: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what a line is about."""
    known = EVENTS.get(event)
    # Of the lines that tell of a request by itself the id is not what they are about: a flood has as many ids as lines.
    return {
        key: value
        for key, value in fields.items()
        if (key not in ALWAYS or (key == "logger" and known is None))
        and key not in CORRELATION
        and not is_measure(key)
        and not key.startswith("_")
    }


def _tell(window: _Window, now: float) -> None:
    if not window.left_out:
        return
    # Who tells this at random is at work on something else: its ids do not belong here.
    contextvars.Context().run(
        log.log,
        window.level,
        "repeated",
        of=window.event[:MOST_SUBJECT_CHARS],
        times=window.left_out,
        seconds=round(now - window.began, 1),
        subject={key: _short(value) for key, value in window.subject.items()},
    )


def _short(value: Any) -> Any:
    return value[:MOST_SUBJECT_CHARS] if isinstance(value, str) else value
