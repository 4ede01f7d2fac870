"""Who may enter: users of this machine by the Unix socket, holders of the token by the localhost door."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiohttp import hdrs, web

from foliod.base.errors import ForbiddenError, MisdirectedError, TooManyConnectionsError, UnauthorizedError
from foliod.serve.accounts import Accounts
from foliod.serve.browsers import check_page, preflight
from foliod.serve.connection import Connection
from foliod.serve.peers import Peer

if TYPE_CHECKING:
    from foliod.base.config import Settings
    from foliod.serve.bearer import Bearer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks; `ours` are root and the user that the daemon runs as, by the Unix socket."""

    peer: Peer

    @property
    def ours(self) -> bool:
        """Whether they may see and do everything."""
        return self.peer.ours

    @property
    def by_token(self) -> bool:
        """Whether they came by the localhost door."""
        return not self.peer.local


CLIENT = web.RequestKey("client", Client)


class Door:
    """Looks at everybody who asks. Without `bearer` nobody enters by TCP."""

    def __init__(self, accounts: Accounts, bearer: Bearer | None) -> None:
        self._accounts = accounts
        self._bearer = bearer

    async def admit(self, request: web.Request, settings: Settings) -> web.Response | None:
        """Let a request in, and note who asks; return the answer where that is known already.

        Raises ForbiddenError, MisdirectedError, UnauthorizedError, TooManyConnectionsError.
        """
        peer = peer_at(request)
        if isinstance(request.protocol, Connection) and request.protocol.crowded:
            raise TooManyConnectionsError(f"{settings.server.max_connections} connections are open already; close some")
        request[CLIENT] = Client(peer)
        if peer.local:
            await self._by_socket(peer, settings)
            return None
        return self._by_tcp(request, peer, settings)

    async def _by_socket(self, peer: Peer, settings: Settings) -> None:
        lists = await self._accounts.lists(settings)
        if peer.ours or lists.enter.has(peer):
            return
        who = "it can't be told who you are" if peer.uid is None else f"you are user {peer.uid}"
        log.warning("client_refused", reason="not in [server] users or groups", **peer.told())
        raise ForbiddenError(f"you may not ask this foliod ({who}); its [server] users and groups name those who may")

    def _by_tcp(self, request: web.Request, peer: Peer, settings: Settings) -> web.Response | None:
        # A web page elsewhere can point its own name at 127.0.0.1, but not change the Host that a browser sends.
        hosts = {host.lower() for host in settings.server.allowed_hosts}
        if self._bearer is None or _host(request.headers.get(hdrs.HOST, "")) not in hosts:
            # What it was is for clients to choose: such lines would not be summed up.
            log.warning("client_refused", reason="the host asked for is not in [server] allowed_hosts", **peer.told())
            raise MisdirectedError
        try:
            check_page(request, settings.server.allowed_origins)
        except ForbiddenError:
            reason = "a web page whose origin is not in [server] allowed_origins"
            log.warning("client_refused", reason=reason, **peer.told())
            raise
        # A browser asks without the token whether a page may ask with it.
        if (asked := preflight(request)) is not None:
            return asked
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        fits = self._bearer.fits(token.strip())
        if scheme.lower() != "bearer" or not fits:
            log.warning("client_refused", reason="a wrong token" if token else "no token", **peer.told())
            msg = (
                "this address needs the bearer token; it stands in <state_dir>/token, or in the file that [server] token_file"
                " names where that is set (foliod token tells where)"
            )
            raise UnauthorizedError(msg)
        return None


def peer_at(request: web.Request) -> Peer:
    """Return who is at the other end, as it was found out when they connected."""
    peer = request.protocol.peer if isinstance(request.protocol, Connection) else None
    return peer or Peer(address="gone")


def client_of(request: web.Request) -> Client:
    """Return who asks."""
    return request[CLIENT]


def only_ours(request: web.Request, what: str) -> None:
    """Refuse what concerns everybody's documents to all but root and the daemon's own user. Raises ForbiddenError."""
    if not client_of(request).ours:
        msg = f"only root and the user that foliod runs as may {what}, by the Unix socket"
        raise ForbiddenError(msg)


def _host(header: str) -> str:
    return re.sub(r":\d+$", "", header.strip().lower())
