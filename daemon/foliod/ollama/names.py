"""Looking up a host's name without hanging on it: one look for all who wait, in a thread that nobody has to wait for.

asyncio looks names up in the threads that all else is done in. Where name servers do not answer, as
on a laptop that left its network, each look takes half a minute: a few questions would fill them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from typing import Any

import httpx

FRESH_SECONDS = 30.0
"""A name that was found is not looked up again for so long: the system's own look will not hang either."""


class Names:
    """Makes sure of one host's name."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._look: asyncio.Future[None] | None = None
        self._fresh_until = 0.0

    async def find(self, host: str) -> None:
        """Return when `host` can be connected to. Raises httpx.ConnectError, httpx.ConnectTimeout after `seconds`."""
        loop = asyncio.get_running_loop()
        if _is_address(host) or loop.time() < self._fresh_until:
            return
        if self._look is None or self._look.done():
            self._look = loop.create_future()
            # A daemon thread, because the end of the program waits for all others.
            threading.Thread(target=_look, args=(host, loop, self._look), name=f"look up {host}", daemon=True).start()
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.shield(self._look)
        except TimeoutError:
            raise httpx.ConnectTimeout(f"the name {host} is not found in {self._seconds:g} s") from None
        except OSError as error:
            raise httpx.ConnectError(f"{host}: {error.strerror or error}") from None
        self._fresh_until = loop.time() + FRESH_SECONDS


def _look(host: str, loop: asyncio.AbstractEventLoop, found: asyncio.Future[None]) -> None:
    error: OSError | None = None
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as failure:
        error = failure if isinstance(failure, OSError) else OSError(f"it is no name ({failure})")
    # The loop may have ended meanwhile.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_tell, found, error)


def _tell(found: asyncio.Future[Any], error: OSError | None) -> None:
    if found.cancelled():
        return
    if error is None:
        found.set_result(None)
    else:
        found.set_exception(error)
        found.exception()  # who asked may be gone


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
