"""Events on their way to a client: NDJSON or SSE, never faster than it reads, always with a last word."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from foliod.base.errors import FoliodError, StoppingError
from foliod.serve.limits import timed
from foliod.serve.peers import told

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

STALL_SECONDS = 60.0
"""A client that takes nothing for so long has its stream cut: the model and the ingestion wait for it."""

LAST_WORD_SECONDS = 1.0
"""When the daemon stops, a client has so long to take the last event."""

NDJSON = "application/x-ndjson"
SSE = "text/event-stream"

REQUEST_ID = web.RequestKey("request_id", str)

log = structlog.get_logger()


class Stopping:
    """Ends what would otherwise hold up the end of the daemon."""

    def __init__(self) -> None:
        self.begun = False
        self._open: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def interrupts(self) -> AsyncIterator[None]:
        """Run a body that is interrupted with StoppingError when the daemon stops."""
        if self.begun:
            raise StoppingError
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._open.add(scope)
                try:
                    yield
                finally:
                    self._open.discard(scope)
        except TimeoutError:
            if scope.expired():
                raise StoppingError from None
            raise

    def begin(self) -> None:
        """Interrupt everything that is open, and whatever is opened from now on."""
        self.begun = True
        now = asyncio.get_running_loop().time()
        for scope in self._open:
            scope.reschedule(now)


def dumps(data: object) -> str:
    """Return JSON on one line; what UTF-8 can't hold is replaced."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def wants_sse(request: web.Request) -> bool:
    """Whether a client asked for server-sent events."""
    return SSE in request.headers.get("Accept", "")


async def stream(
    request: web.Request, events: AsyncGenerator[dict[str, Any], None], stopping: Stopping
) -> web.StreamResponse:
    """Send events as they come; close `events` whatever happens.

    An error before the first event is raised, so that it gets its HTTP status. A later one
    becomes the last event, `{"type": "error", "code", "message"}`.
    """
    sse = wants_sse(request)
    response = web.StreamResponse(
        headers={"Content-Type": SSE if sse else NDJSON, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )

    async def send(event: dict[str, Any], *, seconds: float = STALL_SECONDS) -> None:
        line = dumps(event)
        data = f"event: {event['type']}\ndata: {line}\n\n" if sse else f"{line}\n"
        try:
            async with asyncio.timeout(seconds):
                await response.write(data.encode())
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise _ClientGoneError(f"it took nothing for {seconds:g} s") from None
        except ConnectionError as error:
            raise _ClientGoneError(str(error)) from None

    try:
        last = await _sent(request, response, events, stopping, send)
        if last is not None:
            log.warning("stream_broken", code=last.code, reason=last.message)
            seconds = LAST_WORD_SECONDS if stopping.begun else STALL_SECONDS
            await send({"type": "error", **told(request, last)}, seconds=seconds)
    except _ClientGoneError as gone:
        log.info("client_gone", reason=str(gone))
    else:
        await response.write_eof()
    return response


class _ClientGoneError(Exception):
    """Nobody reads the stream any more."""


async def _sent(
    request: web.Request,
    response: web.StreamResponse,
    events: AsyncGenerator[dict[str, Any], None],
    stopping: Stopping,
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> FoliodError | None:
    """Send all events; return the error that broke them off after the first one."""
    try:
        async with timed(request), aclosing(events), stopping.interrupts():
            async for event in events:
                if not response.prepared:
                    await response.prepare(request)
                await send(event)
    except _ClientGoneError:
        raise
    except FoliodError as error:
        if not response.prepared:
            raise
        return error
    except Exception:
        if not response.prepared:
            raise
        log.exception("stream_failed")
        return FoliodError(f"something went wrong here; the log tells more under request {request[REQUEST_ID]}")
    return None
