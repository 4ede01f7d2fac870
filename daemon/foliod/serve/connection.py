"""One connection: who is at the other end, how many there are, and how long a request's head may take to come."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiohttp import web

from foliod.serve.browsers import secure
from foliod.serve.peers import Peer, peer_of
from foliod.serve.stream import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.web_server import Server

HEAD_SECONDS = 15.0
"""A new connection, and each request's first byte, is followed by the whole head of a request within so long."""
SPARE: Final = 32
"""Connections over the limit that are still told so; more are hung up on."""
KEPT: Final = 8
"""Connections, a quarter at most, that only root and the daemon's own user get."""
LINE_BYTES: Final = 16 * 1024
"""The longest first line of a request (a path in the query) and the longest header."""
HEADERS: Final = 64

log = structlog.get_logger()


class Lobby:
    """All connections; `limit` says how many there may be now, of which one client may have three quarters.

    Some are kept for the daemon's own people. Only who was let in counts: whoever knocks without end shuts nobody out.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._clients: Counter[str] = Counter()
        self._ours = 0
        self._told = 0
        """Connections too many, which are told so."""

    def enter(self, peer: Peer) -> bool | None:
        """Count a connection; return whether it may ask, or None when there is not even time to say no."""
        limit = self._limit()
        everybody, kept = self._clients.total(), min(KEPT, limit // 4)
        room = peer.ours or everybody - self._ours < limit - kept
        if room and everybody < limit and self._clients[peer.key] < max(1, limit * 3 // 4):
            self._clients[peer.key] += 1
            self._ours += peer.ours
            return True
        if self._told >= SPARE:
            return None
        self._told += 1
        return False

    def leave(self, peer: Peer, admitted: bool | None) -> None:
        """Count it no more; `admitted` is what `enter` said."""
        if admitted is False:
            self._told -= 1
        elif admitted:
            self._clients[peer.key] -= 1
            self._ours -= peer.ours
            if not self._clients[peer.key]:
                del self._clients[peer.key]


class Connection(web.RequestHandler):
    """A connection that knows its peer."""

    def __init__(self, server: Server, lobby: Lobby, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._lobby = lobby
        self._head_timer: asyncio.TimerHandle | None = None
        self.peer: Peer | None = None
        self._admitted: bool | None = None

    @property
    def crowded(self) -> bool:
        """Whether it is one too many."""
        return self._admitted is False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out who it is."""
        super().connection_made(transport)
        self.peer = peer_of(transport.get_extra_info("socket"))
        self._admitted = self._lobby.enter(self.peer)
        if self._admitted is None:
            log.warning("connection_refused", reason="too many connections are open", **self.peer.told())
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it no more."""
        if self.peer is not None:
            self._lobby.leave(self.peer, self._admitted)
            self.peer = None
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and look whether it was the end of a request's head."""
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._head_came()
        elif self._head_timer is None and self._waiter is not None and not self._messages:
            self._expect_head()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or has too large a head, in the form of all errors; nothing of it is repeated."""
        del request
        told = (
            "the request is not valid HTTP, or its head is too large" if status < 500 else "something went wrong here"
        )
        log.info("request_malformed", status=status, reason=type(exc).__name__ if exc else message)
        code = "bad_request" if status < 500 else "internal"
        answer = web.Response(
            text=dumps({"error": {"code": code, "message": told}}) + "\n",
            status=status,
            content_type="application/json",
        )
        secure(answer)
        answer.force_close()
        return answer

    def _expect_head(self) -> None:
        self._head_timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._late)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        self._head_timer = None
        log.debug("connection_closed", reason=f"no request came within {HEAD_SECONDS:g} s")
        self.force_close()
