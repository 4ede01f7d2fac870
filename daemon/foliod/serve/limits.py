"""How much is done at once: requests of all and of each client, and how long one may take."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from foliod.base.errors import RequestTimeoutError, TooManyRequestsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from foliod.base.config import Server
    from foliod.serve.peers import Peer

UNCOUNTED = ("/healthz", "/readyz", "/metrics")
"""What watches over the daemon is answered however much it has to do."""
LAST_WORD_SECONDS = 5.0
"""A stream ends itself with a word when its time is over; what has not ended then is cut."""

LIMIT = web.RequestKey("limit", asyncio.Timeout)
"""When a request must be done."""
BEGUN = web.RequestKey("begun", bool)
"""Whether its answer is on the way."""


class Crowd:
    """Who has how many requests under way."""

    def __init__(self) -> None:
        self._clients: Counter[str] = Counter()

    @contextmanager
    def admitted(self, peer: Peer, limits: Server) -> Iterator[None]:
        """Count a request while it is under way. Raises TooManyRequestsError.

        The daemon's own people are bound by what one client may have only: others do not shut them out.
        """
        client = peer.key
        if self._clients[client] >= limits.max_client_requests:
            many = limits.max_client_requests
            raise TooManyRequestsError(f"{many} requests of yours are under way already; ask again when one is done")
        if not peer.ours and self._clients.total() >= limits.max_requests:
            raise TooManyRequestsError(f"{limits.max_requests} requests are under way already; ask again in a moment")
        self._clients[client] += 1
        try:
            yield
        finally:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]


@asynccontextmanager
async def within(request: web.Request, seconds: float) -> AsyncIterator[None]:
    """End a request that takes too long, with RequestTimeoutError; one that is being answered is cut off."""
    request[LIMIT] = scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        if request.get(BEGUN) and request.transport is not None:
            request.transport.abort()
        raise RequestTimeoutError(f"the request was not done after {seconds:g} s ([server] request_seconds)") from None


@asynccontextmanager
async def timed(request: web.Request) -> AsyncIterator[None]:
    """End a stream when its request's time is over, with RequestTimeoutError, and leave it time for a last word."""
    limit = request.get(LIMIT)
    until = None if limit is None else limit.when()
    if limit is not None and until is not None:
        limit.reschedule(until + LAST_WORD_SECONDS)
    scope = asyncio.timeout_at(until)
    try:
        async with scope:
            yield
    except TimeoutError:
        if scope.expired():
            raise RequestTimeoutError from None
        raise
