"""The HTTP server: its addresses, what every request goes through, and what becomes of errors."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from foliod.base.errors import (
    FoliodError,
    ForbiddenError,
    MisdirectedError,
    StartingError,
    TooManyConnectionsError,
    TooManyRequestsError,
    UnauthorizedError,
    WaitTimeoutError,
)
from foliod.base.metrics import HTTP_OPEN
from foliod.base.trace import trace_of
from foliod.serve import api, metrics, models, places, sheets
from foliod.serve.access import ACCOUNTS
from foliod.serve.accounts import Accounts
from foliod.serve.bearer import Bearer, token_file
from foliod.serve.browsers import secure, share
from foliod.serve.connection import HEADERS, LINE_BYTES, Connection, Lobby
from foliod.serve.door import Door, peer_at
from foliod.serve.inherited import NONE
from foliod.serve.limits import BEGUN, UNCOUNTED, Crowd, within
from foliod.serve.metrics import observe_request
from foliod.serve.peers import told
from foliod.serve.request import SERVICES, STATUS, STOPPING, answer_json
from foliod.serve.sockets import listening
from foliod.serve.status import Status
from foliod.serve.stream import REQUEST_ID, Stopping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from aiohttp.typedefs import Handler

    from foliod.base.config import Settings
    from foliod.serve.inherited import Inherited
    from foliod.serve.services import Services

KEEPALIVE_SECONDS = 75.0
"""A connection that sends no whole request for so long is closed."""
SHUTDOWN_SECONDS = 2.0
"""Requests under way at the end have so long; aiohttp waits twice, before and after cancelling them."""
TURNED_AWAY = (TooManyConnectionsError, UnauthorizedError, ForbiddenError, MisdirectedError)
"""Errors after which a connection is closed."""
QUIET = ("/healthz", "/readyz", "/v1/status", "/metrics")
"""Asked again and again by machines: logged at level debug."""

HUNG_UP = 499
"""As nginx has it: the client hung up before the answer was complete."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

log = structlog.get_logger()


def application(
    services: Callable[[], Services], *, bearer: Bearer | None = None, accounts: Accounts | None = None
) -> web.Application:
    """Return the application; `services` tells the parts that are there at the time of a request.

    Without `bearer` nobody enters by TCP.
    """
    accounts, crowd = accounts or Accounts(), Crowd()
    door = Door(accounts, bearer)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        settings = services().settings
        if (answer := await door.admit(request, settings)) is not None:
            return answer
        if request.path in UNCOUNTED:
            return await handler(request)
        with crowd.admitted(peer_at(request), settings.server):
            async with within(request, settings.server.request_seconds):
                return await handler(request)

    app = web.Application(middlewares=[_told, guarded])
    app[SERVICES] = services
    app[STATUS] = Status(services)
    app[metrics.REPORT] = metrics.reporting(app[STATUS])
    app[STOPPING] = Stopping()
    app[ACCOUNTS] = accounts
    app.add_routes(api.routes)
    app.add_routes(places.routes)
    app.add_routes(models.routes)
    app.add_routes(sheets.routes)
    app.add_routes(metrics.routes)

    async def name(request: web.Request, response: web.StreamResponse) -> None:
        request[BEGUN] = True
        response.headers["X-Request-Id"] = request[REQUEST_ID]
        secure(response)
        if not peer_at(request).local:
            share(request, response, services().settings.server.allowed_origins)

    async def begin(_app: web.Application) -> None:
        # Names that nobody has are told before anybody asks.
        await accounts.lists(services().settings)

    async def stop(app: web.Application) -> None:
        app[STOPPING].begin()

    app.on_response_prepare.append(name)
    app.on_startup.append(begin)
    app.on_shutdown.append(stop)
    return app


@asynccontextmanager
async def serving(
    services: Callable[[], Services], settings: Settings, given: Inherited = NONE, accounts: Accounts | None = None
) -> AsyncIterator[list[str]]:
    """Listen until the body ends, then let requests finish for a moment; yields the addresses for people.

    Sockets that were `given` take the place of those of the settings. `accounts` are asked who may enter.

    Raises ConfigError, StateInUseError.
    """
    async with AsyncExitStack() as stack:
        listeners = await listening(stack, settings, given)
        bearer = None
        if any(listener.family != socket.AF_UNIX for listener in listeners):
            bearer = await asyncio.to_thread(Bearer, token_file(settings))
        addresses = await stack.enter_async_context(
            sites(application(services, bearer=bearer, accounts=accounts), listeners)
        )
        log.info("listening", addresses=addresses)
        yield addresses


@asynccontextmanager
async def sites(app: web.Application, listeners: Sequence[socket.socket]) -> AsyncIterator[list[str]]:
    """Serve an application on bound sockets, our own or inherited ones; yields their addresses."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    server = runner.server
    assert server is not None
    lobby = Lobby(lambda: app[SERVICES]().settings.server.max_connections)

    def connection() -> Connection:
        return Connection(
            server,
            lobby,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=1.0,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            max_headers=HEADERS,
            # A small compressed body could become a large one on the event loop.
            auto_decompress=False,
        )

    async with AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        for listener in listeners:
            stack.callback((await asyncio.get_running_loop().create_server(connection, sock=listener)).close)
        yield [_address(listener) for listener in listeners]


# --- what becomes of requests -----------------------------------------------------------


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give a request its id, turn errors into JSON, log how it went."""
    given = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(6)
    started = time.perf_counter()
    status = HUNG_UP
    HTTP_OPEN.inc()
    trace = trace_of(request.headers.getall("traceparent", []))
    with structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID], **trace):
        try:
            response = await _answered(request, handler)
            status = response.status
        finally:
            HTTP_OPEN.dec()
            observe_request(request, status, time.perf_counter() - started)
            tell = log.debug if request.path in QUIET and status < 500 else log.info
            tell(
                "request",
                method=request.method,
                path=_path(request),
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 1),
                **peer_at(request).told(),
            )
        return response


def _path(request: web.Request) -> str:
    """Return what was asked for, for the log; what is none of our addresses may be anything, a question too."""
    return request.path if request.match_info.http_exception is None else "(none of ours)"


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except FoliodError as error:
        if error.status >= 500 and not isinstance(error, TooManyRequestsError):
            # How long is waited the client chose.
            complain = log.info if isinstance(error, WaitTimeoutError) else log.warning
            complain("request_failed", code=error.code, reason=error.message)
        answer = answer_json({"error": told(request, error)}, status=error.status)
        if isinstance(error, TooManyRequestsError | StartingError):
            answer.headers["Retry-After"] = str(error.retry_after_s)
        if isinstance(error, TURNED_AWAY):
            # A connection held open is one that others don't get.
            answer.force_close()
        return answer
    except web.HTTPException as error:
        reason = error.reason.lower()
        message = f"{request.method} {request.path}: {reason}"
        if isinstance(error, web.HTTPMethodNotAllowed):
            message += f"; allowed: {', '.join(sorted(error.allowed_methods))}"
        answer = answer_json({"error": {"code": reason.replace(" ", "_"), "message": message}}, status=error.status)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            # The client hung up just when the answer was to begin; aiohttp notices that it can't be sent.
            return web.Response(status=HUNG_UP)
        log.exception("request_crashed")
        message = f"something went wrong here; the log tells more under request {request[REQUEST_ID]}"
        return answer_json({"error": {"code": FoliodError.code, "message": message}}, status=500)


def _address(listener: socket.socket) -> str:
    where = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{where}"
    host = f"[{where[0]}]" if listener.family == socket.AF_INET6 else where[0]
    return f"http://{host}:{where[1]}"
