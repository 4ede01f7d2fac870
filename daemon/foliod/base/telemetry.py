"""What foliod tells about itself: structured logs, counters since start, the event loop's lag.

Questions and document text reach the log only when `[log] content` is true, whoever logs them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import time
import traceback
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter

from foliod.base.errors import FoliodError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.typing import EventDict, ExceptionTransformer, ExcInfo, Processor, WrappedLogger

    from foliod.base.config import Log

CONTENT_KEYS = frozenset({"answer", "history", "passage", "query", "question", "quote", "text"})
"""Fields that carry what a user asked or what a document says."""
WITHHELD = "(withheld; [log] content = false)"

LAG_SECONDS = 0.05
"""Pause between two measurements of the loop's lag."""
WINDOW_SECONDS = 60.0
"""Lag and rates are told of the last minute."""


# --- logs -------------------------------------------------------------------------------


def set_up_logs(settings: Log, *, stream: TextIO | None = None, also: Sequence[logging.Handler] = ()) -> None:
    """Route structlog and the libraries' loggers to `stream` (standard error when None).

    Handlers in `also` get every record too, as structlog's event dictionary in `record.msg`
    (a shipper of logs hooks in here and formats as it likes). May be called again.
    """
    stream = sys.stderr if stream is None else stream
    readable = stream.isatty() if settings.format == "auto" else settings.format == "text"
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _withhold(content=settings.content),
        structlog.processors.ExceptionRenderer(_exceptions(content=settings.content)),
        structlog.processors.StackInfoRenderer(),
    ]
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[*before, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    render: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24)
        if readable
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=before, processors=[ProcessorFormatter.remove_processors_meta, render])
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if getattr(h, "foliod", False)]:
        root.removeHandler(old)
    for new in (handler, *also):
        new.foliod = True  # type: ignore[attr-defined]
        root.addHandler(new)
    # Libraries tell of every HTTP request and file event at "info".
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("foliod").setLevel(level)


def _withhold(*, content: bool) -> Processor:
    def withhold(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if not content:
            for key in CONTENT_KEYS & event.keys():
                event[key] = WITHHELD
        return event

    return withhold


def _exceptions(*, content: bool) -> ExceptionTransformer:
    """Return a formatter of tracebacks that tells an exception's message only when it is known to be harmless.

    A driver's or a parser's message quotes its input, which may be a question or a document.
    """

    def told(error: BaseException) -> str:
        harmless = isinstance(error, FoliodError | OSError) and not isinstance(error, UnicodeError)
        return str(error) if content or harmless else WITHHELD

    def lines(error: BaseException, seen: set[int]) -> list[str]:
        seen.add(id(error))
        out: list[str] = []
        earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if earlier is not None and id(earlier) not in seen:
            out += [*lines(earlier, seen), "\nwhich led to\n\n"]
        out += traceback.format_tb(error.__traceback__)
        out.append(f"{type(error).__module__}.{type(error).__qualname__}: {told(error)}\n")
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                if id(part) not in seen:
                    out += ["\nwith\n\n", *lines(part, seen)]
        return out

    def formatted(exc_info: ExcInfo) -> str:
        return "".join(lines(exc_info[1], set())).rstrip()

    return formatted


# --- numbers ----------------------------------------------------------------------------


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
            self._seen.append((now, max(0.0, now - due)))

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
