"""The log: one JSON object a line, without secrets and content, repeats summed up, libraries' records included."""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any, Protocol, TextIO, runtime_checkable

import structlog
from structlog.stdlib import ProcessorFormatter

from foliod.base.errors import FoliodError
from foliod.base.events import BOUND
from foliod.base.journal import ToJournal, is_journal
from foliod.base.redact import CONTENT_KEYS, SECRET_KEYS, SECRETS, WITHHELD
from foliod.base.repeats import Repeats
from foliod.base.values import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.typing import EventDict, ExceptionTransformer, ExcInfo, Processor, WrappedLogger

    from foliod.base.config_logs import Log

SETTLE_SECONDS = 5.0
"""How often is looked whether repeats are to be summed up though nothing else is logged."""

FIRST = ("timestamp", "level", "event", "logger", *(key for key in BOUND if key not in ("exception", "stack")))
"""What a line begins with."""

OURS = frozenset({"_record", "_from_structlog", "level", "logger", "timestamp"})
"""What nobody else has a say in."""
END_SECONDS = 2.5
"""What is still to be shipped at the end has so long."""

_repeats = Repeats()
_shippers: tuple[Shipper, ...] = ()


@runtime_checkable
class Shipper(Protocol):
    """A handler that sends the log elsewhere."""

    def end(self, seconds: float) -> None:
        """Send what is left, within `seconds`."""

    def report(self) -> dict[str, Any]:
        """Return how it goes."""


def set_up_logs(settings: Log, *, stream: TextIO | None = None, also: Sequence[logging.Handler] = ()) -> None:
    """Route structlog and the libraries' loggers to `stream` (standard error when None).

    Handlers in `also` get every record too, formatted as one JSON object. May be called again.
    """
    global _repeats, _shippers
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
        _without_secrets,
    ]
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[*before, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )

    def formatter(render: Processor) -> ProcessorFormatter:
        return ProcessorFormatter(
            foreign_pre_chain=before, processors=[ProcessorFormatter.remove_processors_meta, _in_order, render]
        )

    as_json = structlog.processors.JSONRenderer(ensure_ascii=False)
    for_people = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24)
    handler = ToJournal(stream) if is_journal(stream) else logging.StreamHandler(stream)
    handler.setFormatter(formatter(for_people if readable else as_json))
    root = logging.getLogger()
    for old in [h for h in root.handlers if getattr(h, "foliod", False)]:
        root.removeHandler(old)
    _repeats, _shippers = Repeats(), tuple(handler for handler in also if isinstance(handler, Shipper))
    for other in also:
        other.setFormatter(formatter(as_json))
    for new in (handler, *also):
        new.foliod = True  # type: ignore[attr-defined]
        new.addFilter(_repeats)
        root.addHandler(new)
    # Libraries tell of every HTTP request and file event at "info".
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("foliod").setLevel(level)


def change_logs(settings: Log) -> None:
    """Write the log in another way from now on; it goes to the same places."""
    _repeats.settle(everything=True)
    handlers = [shipper for shipper in _shippers if isinstance(shipper, logging.Handler)]
    for handler in handlers:
        handler.removeFilter(_repeats)
    set_up_logs(settings, also=handlers)


def report() -> dict[str, Any]:
    """Return what `/v1/status` says of the log, in lines since start: `{summed_up, betterstack}`."""
    return {"summed_up": _repeats.left_out, "betterstack": next((s.report() for s in _shippers), None)}


async def settle_logs() -> None:
    """Sum up repeats for ever, also when nothing else is told; run as a task."""
    while True:
        await asyncio.sleep(SETTLE_SECONDS)
        _repeats.settle()


def end_logs() -> None:
    """Tell what is still to be summed up, and ship what still waits, within END_SECONDS."""
    _repeats.settle(everything=True)
    for shipper in _shippers:
        shipper.end(END_SECONDS)


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put first what is looked for first: when, how bad, what; then the ids, then the rest."""
    return {key: event[key] for key in FIRST if key in event} | dict(event)


# --- what is not told -------------------------------------------------------------------


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if key not in OURS:
            event[key] = HIDDEN if key in SECRET_KEYS and value is not None else SECRETS.value(value)
    return event


def _withhold(*, content: bool) -> Processor:
    def withhold(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if content:
            return event
        for key in CONTENT_KEYS & event.keys():
            event[key] = WITHHELD
        if event.get("logger") == "asyncio":
            # It shows the objects that were at work, an exception's message among them.
            event["event"] = str(event["event"]).partition("\n")[0]
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
