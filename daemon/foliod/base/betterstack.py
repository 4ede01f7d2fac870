"""Ships the log to Better Stack by logtail-python, within bounds that the library itself does not keep.

The library has a thread of its own, a queue, and the wire format. Added here: the thread never holds up the end of the
process; nothing is dropped without being counted; an endpoint that is down, slow, busy or refuses is waited for with
the same lines, interruptibly, for a while; lines are bounded in length.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import random
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Literal

import msgpack
import requests
import structlog
from logtail import LogtailHandler
from logtail.flusher import FlushWorker
from logtail.uploader import Uploader

if TYPE_CHECKING:
    from collections.abc import Callable

    from foliod.base.config_logs import Betterstack

QUEUED_LINES: Final = 1000
"""So many lines wait at most; as many again may be on their way."""
MOST_CHARS: Final = 4000
"""Longer texts of a line are cut: a traceback is the longest."""
MOST_DEPTH: Final = 4
CONNECT_SECONDS: Final = 3.05
ANSWER_SECONDS: Final = 10.0
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 60.0
"""Seconds between two tries; doubled each time, unless the endpoint says in Retry-After how long."""
KEEP_SECONDS: Final = 300.0
"""Lines that could not be delivered for so long are given up: newer ones wait behind them."""
SETTLE_SECONDS: Final = 1.0
"""Lines are collected for so long before they are sent together."""
WRONG_ADDRESS: Final = (401, 403, 404)
"""Wrong tokens and hosts stay wrong: they are not tried every second."""
BUSY: Final = (408, 425, 429)
DELIVERED: Final = 202

Cause = Literal["queue_full", "refused", "given_up", "malformed", "at_the_end"]

log = structlog.get_logger()


class Shipper(LogtailHandler):
    """The handler. Emitting costs the caller some tenths of a millisecond, and never waits."""

    def __init__(self, settings: Betterstack, host: Callable[[], str | None] = lambda: None) -> None:
        """`settings` have a token; `host` names this daemon among others, None while its name is not made yet."""
        assert settings.token is not None
        level = logging.getLevelNamesMapping()[settings.level.upper()]
        super().__init__(
            settings.token.get_secret_value(),
            host=settings.url,
            buffer_capacity=QUEUED_LINES,
            flush_interval=SETTLE_SECONDS,
            level=level,
        )
        self.shipping = Shipping()
        self.pipe = _Lines(self.shipping)
        self._look_up = host
        self._known: str | None = None
        self.uploader = _Upload(self.source_token, self.host, (CONNECT_SECONDS, ANSWER_SECONDS), self.shipping)
        # The library's thread ends with the one that starts it, which may not be one of a pool.
        self.ensure_flush_thread_alive()

    def ensure_flush_thread_alive(self) -> None:
        """Start the library's thread so that the end of the process does not wait for it."""
        if self.flush_thread is None or not self.flush_thread.is_alive():
            self.flush_thread = FlushWorker(
                self.uploader, self.pipe, self.buffer_capacity, self.flush_interval, self.check_interval
            )
            self.flush_thread.name = "betterstack"
            self.flush_thread.daemon = True
            self.flush_thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line: its event as the message, its fields and the daemon's `host` under `foliod`."""
        try:
            self._known = self._known or self._look_up()
            fields = bounded(json.loads(self.format(record))) | {"host": self._known or os.uname().nodename}
            line = logging.LogRecord(
                record.name, record.levelno, record.pathname, record.lineno, str(fields.pop("event", "")), (), None
            )
            line.created, line.thread, line.threadName = record.created, record.thread, record.threadName
            line.foliod = fields
            formatter, self.formatter = self.formatter, None
            try:
                super().emit(line)
            finally:
                self.formatter = formatter
            self.shipping.dropped["queue_full"] = self.dropcount
        except Exception:  # noqa: BLE001 - a line that can't be shipped is written elsewhere all the same
            self.shipping.drop("malformed", 1)

    def flush(self) -> None:
        """Do nothing: lines go by themselves, and `end` sees to the last ones."""

    def end(self, seconds: float) -> None:
        """Send what is left, within `seconds`; count and tell what can't be."""
        self.shipping.ending.set()
        if self.flush_thread is not None and self.flush_thread.is_alive():
            self.flush_thread.flush(timeout=seconds)
        lost = self.pipe.qsize() + self.shipping.in_hand
        self.shipping.over = True
        self.shipping.drop("at_the_end", lost)
        self.shipping.tell_dropped()

    def close(self) -> None:
        """Queue nothing any more."""
        self.shipping.ending.set()
        super().close()

    def report(self) -> dict[str, Any]:
        """Return what `/v1/status` says: `{shipped, waiting, dropped, causes, error}`, in lines since start."""
        return {
            "shipped": self.shipping.shipped,
            "waiting": self.pipe.qsize() + self.shipping.in_hand,
            "dropped": sum(self.shipping.dropped.values()),
            "causes": dict(self.shipping.dropped),
            "error": self.shipping.trouble,
        }


class Shipping:
    """How it goes: read by other threads, written by the library's."""

    def __init__(self) -> None:
        self.shipped = 0
        self.in_hand = 0
        """Lines that are being sent."""
        self.dropped: dict[Cause, int] = dict.fromkeys(
            ("queue_full", "refused", "given_up", "malformed", "at_the_end"), 0
        )
        self.trouble: str | None = None
        """Why lines wait; None while they are delivered."""
        self.ending = threading.Event()
        self.over = False
        self.futile = False
        """Whether lines are refused or given up: of what is told of that no other upload is to come."""
        self.told = 0
        """Lines of which was told that they were dropped."""

    def drop(self, cause: Cause, lines: int) -> None:
        """Count lines that will not arrive."""
        self.dropped[cause] += lines

    def tell_dropped(self) -> None:
        """Tell how many lines were dropped since this was told last."""
        total = sum(self.dropped.values())
        new, self.told = total - self.told, total
        if new:
            log.warning("logs_dropped", lines=new, causes={cause: n for cause, n in self.dropped.items() if n})


class _Lines(queue.Queue[dict[str, Any]]):
    """What waits to be sent.

    The library's thread drops what it told itself where nothing else waits. What we tell of outages is to arrive.
    """

    def __init__(self, shipping: Shipping) -> None:
        super().__init__(QUEUED_LINES)
        self._shipping = shipping

    def put(self, item: dict[str, Any], block: bool = True, timeout: float | None = None) -> None:
        """Take a line; raises queue.Full."""
        ours = str(item.get("foliod", {}).get("logger")).startswith("foliod")
        super().put(dict(item) if ours and not self._shipping.futile else item, block, timeout)


class _Upload(Uploader):
    """Delivers lines or counts them as dropped; what it returns makes the library neither wait nor complain."""

    def __init__(self, token: str, host: str, timeout: tuple[float, float], shipping: Shipping) -> None:
        super().__init__(token, host, timeout)
        self._shipping = shipping

    def __call__(self, frame: list[dict[str, Any]]) -> Any:
        state = self._shipping
        state.in_hand = len(frame)
        try:
            data = msgpack.packb(frame, use_bin_type=True)
        except (TypeError, ValueError, OverflowError):
            self._lost("malformed", len(frame))
            return _Done
        until, wait = time.monotonic() + KEEP_SECONDS, FIRST_WAIT
        while True:
            ending = state.ending.is_set()
            status, asked = self._post(data)
            if status is not None and 200 <= status < 300:
                state.shipped += len(frame)
                state.in_hand = 0
                self._well()
                return _Done
            if state.futile:
                self._lost("refused", len(frame))
                if status in WRONG_ADDRESS:
                    state.ending.wait(LONGEST_WAIT)
                return _Done
            if ending or time.monotonic() > until:
                self._lost("at_the_end" if ending else "given_up", len(frame))
                return _Done
            # Many daemons must not come back at the same moment.
            state.ending.wait(min(asked or wait * random.uniform(0.8, 1.2), LONGEST_WAIT))  # noqa: S311
            wait = min(wait * 2, LONGEST_WAIT)

    def _post(self, data: bytes) -> tuple[int | None, float | None]:
        """Send once; return the status and how long the endpoint asks to wait, None for what there is not."""
        self._shipping.futile = False
        try:
            with self.session.post(
                self.host, data=data, headers=self.headers, timeout=self.timeout, allow_redirects=False, stream=True
            ) as answer:
                # So much as lets the connection be used again; nobody reads it.
                answer.raw.read(4096)
                self._shipping.futile = 400 <= answer.status_code < 500 and answer.status_code not in BUSY
                self._trouble(answer.status_code, f"it answered {answer.status_code} {answer.reason}")
                return answer.status_code, _seconds(answer.headers.get("Retry-After", ""))
        except requests.RequestException as error:
            self._trouble(None, _why(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread goes on
            self._trouble(None, type(error).__name__)
        return None, None

    def _trouble(self, status: int | None, what: str) -> None:
        if status is not None and 200 <= status < 300:
            return
        first = self._shipping.trouble is None
        self._shipping.trouble = f"{self.host}: {what}"
        if first:
            log.warning("logs_wait", reason=self._shipping.trouble)

    def _well(self) -> None:
        self._shipping.tell_dropped()
        if self._shipping.trouble is not None:
            self._shipping.trouble = None
            log.info("logs_go_on", lines=self._shipping.shipped)

    def _lost(self, cause: Cause, lines: int) -> None:
        state = self._shipping
        state.in_hand, state.futile = 0, True
        if not state.over:
            state.drop(cause, lines)
            if cause != "at_the_end":
                state.tell_dropped()


class _Done:
    """What the library takes for a delivery."""

    status_code = DELIVERED


def bounded(value: Any, depth: int = 0) -> Any:
    """Return a line's field, short enough, and as UTF-8 can hold it."""
    if isinstance(value, str):
        text = value if len(value) <= MOST_CHARS else f"{value[:MOST_CHARS]}… ({len(value)} characters)"
        return text.encode("utf-8", "replace").decode()
    if isinstance(value, dict | list) and depth >= MOST_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {bounded(str(key)): bounded(part, depth + 1) for key, part in list(value.items())[:100]}
    if isinstance(value, list):
        return [bounded(part, depth + 1) for part in value[:100]]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value


def _why(error: requests.RequestException) -> str:
    """Return why nothing was answered: what the system says, else the kind of the error; never the library's text."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not to be trusted (SSLError)"
    if isinstance(error, requests.Timeout):
        return f"no answer in time ({type(error).__name__})"
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, socket.gaierror):
            return "its name is not known (ConnectionError)"
        if isinstance(below, OSError) and below.strerror:
            return f"{below.strerror.lower()} (ConnectionError)"
        reason = getattr(below.args[0] if below.args else None, "reason", None)
        below = below.__cause__ or below.__context__ or (reason if isinstance(reason, BaseException) else None)
    return type(error).__name__


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
