"""The HTTP server: its doors, who may enter, and what becomes of errors."""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
import socket
import struct
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from foliod.base.contract import error_object
from foliod.base.errors import FoliodError, MisdirectedError, UnauthorizedError
from foliod.serve import api, models, places, sheets
from foliod.serve.inherited import NONE
from foliod.serve.request import SERVICES, STATUS, STOPPING, answer_json
from foliod.serve.sockets import bearer_token, listening
from foliod.serve.status import Status
from foliod.serve.stream import REQUEST_ID, Stopping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from foliod.base.config import Settings
    from foliod.serve.inherited import Inherited
    from foliod.serve.services import Services

KEEPALIVE_SECONDS = 75.0
"""A connection that sends no whole request for so long is closed."""
SHUTDOWN_SECONDS = 2.0
"""Requests under way at the end have so long; aiohttp waits twice, before and after cancelling them."""
QUIET = ("/healthz", "/readyz", "/v1/status", "/metrics")
"""Asked again and again by machines: logged at level debug."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Door:
    """What TCP clients must bring; the Unix socket is guarded by its mode."""

    token: str
    hosts: frozenset[str]


def application(services: Callable[[], Services], *, door: Door | None = None) -> web.Application:
    """Return the application; `services` tells the parts that are there at the time of a request.

    Without `door` nobody enters by TCP.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        _admit(request, door)
        return await handler(request)

    app = web.Application(middlewares=[_told, guarded])
    app[SERVICES] = services
    app[STATUS] = Status(services)
    app[STOPPING] = Stopping()
    app.add_routes(api.routes)
    app.add_routes(places.routes)
    app.add_routes(models.routes)
    app.add_routes(sheets.routes)

    async def name(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Request-Id"] = request[REQUEST_ID]

    async def stop(app: web.Application) -> None:
        app[STOPPING].begin()

    app.on_response_prepare.append(name)
    app.on_shutdown.append(stop)
    return app


@asynccontextmanager
async def serving(
    services: Callable[[], Services], settings: Settings, given: Inherited = NONE
) -> AsyncIterator[list[str]]:
    """Listen until the body ends, then let requests finish for a moment; yields the addresses for people.

    Sockets that were `given` take the place of those of the settings.

    Raises ConfigError, StateInUseError.
    """
    async with AsyncExitStack() as stack:
        listeners = await listening(stack, settings, given)
        door = None
        if any(listener.family != socket.AF_UNIX for listener in listeners):
            door = Door(
                token=await asyncio.to_thread(bearer_token, token_file(settings)),
                hosts=frozenset(host.lower() for host in settings.server.allowed_hosts),
            )
        addresses = await stack.enter_async_context(sites(application(services, door=door), listeners))
        log.info("listening", addresses=addresses)
        yield addresses


@asynccontextmanager
async def sites(app: web.Application, listeners: Sequence[socket.socket]) -> AsyncIterator[list[str]]:
    """Serve an application on bound sockets, our own or inherited ones; yields their addresses."""
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
        lingering_time=1.0,
        # A small compressed body could become a large one on the event loop.
        auto_decompress=False,
    )
    await runner.setup()
    try:
        for listener in listeners:
            await web.SockSite(runner, listener).start()
        yield [_address(listener) for listener in listeners]
    finally:
        await runner.cleanup()


def token_file(settings: Settings) -> Path:
    """Return where the bearer token is kept."""
    return settings.server.token_file or settings.state / "token"


# --- who may enter ----------------------------------------------------------------------


def _admit(request: web.Request, door: Door | None) -> None:
    """Let a request in. Raises MisdirectedError, UnauthorizedError."""
    peer = _socket(request)
    if peer is not None and peer.family == socket.AF_UNIX:
        return
    # A web page elsewhere can point its own name at 127.0.0.1, but not change the Host that a browser sends.
    if door is None or _host(request.headers.get("Host", "")) not in door.hosts:
        raise MisdirectedError
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(token.strip().encode("utf-8", "surrogateescape"), door.token.encode())
    if scheme.lower() != "bearer" or not same:
        msg = (
            "this address needs the bearer token; it stands in <state_dir>/token, or in the file that [server] token_file"
            " names where that is set (foliod config shows both)"
        )
        raise UnauthorizedError(msg)


def _host(header: str) -> str:
    return re.sub(r":\d+$", "", header.strip().lower())


def _socket(request: web.Request) -> socket.socket | None:
    return None if request.transport is None else request.transport.get_extra_info("socket")


def _peer(request: web.Request) -> dict[str, object]:
    """Return who asks: a user id by the Unix socket (SO_PEERCRED), an address by TCP."""
    peer = _socket(request)
    if peer is not None and peer.family == socket.AF_UNIX:
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return {"uid": struct.unpack("3i", credentials)[1]}
    return {"peer": request.remote}


# --- what becomes of requests -----------------------------------------------------------


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give a request its id, turn errors into JSON, log how it went."""
    given = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(6)
    started = time.perf_counter()
    status = 499
    with structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID]):
        try:
            response = await _answered(request, handler)
            status = response.status
        finally:
            # 499, as nginx has it: the client hung up before the answer was complete.
            tell = log.debug if request.path in QUIET and status < 500 else log.info
            tell(
                "request",
                method=request.method,
                path=request.path,
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 1),
                **_peer(request),
            )
        return response


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except FoliodError as error:
        if error.status >= 500:
            log.warning("request_failed", code=error.code, reason=error.message)
        return answer_json({"error": error_object(error)}, status=error.status)
    except web.HTTPException as error:
        reason = error.reason.lower()
        message = f"{request.method} {request.path}: {reason}"
        if isinstance(error, web.HTTPMethodNotAllowed):
            message += f"; allowed: {', '.join(sorted(error.allowed_methods))}"
        answer = answer_json({"error": {"code": reason.replace(" ", "_"), "message": message}}, status=error.status)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except Exception:
        log.exception("request_crashed")
        message = f"something went wrong here; the log tells more under request {request[REQUEST_ID]}"
        return answer_json({"error": {"code": FoliodError.code, "message": message}}, status=500)


def _address(listener: socket.socket) -> str:
    where = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{where}"
    host = f"[{where[0]}]" if listener.family == socket.AF_INET6 else where[0]
    return f"http://{host}:{where[1]}"
