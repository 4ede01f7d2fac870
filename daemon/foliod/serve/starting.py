"""Questions that come before the parts are there that answer them: they wait instead of being turned away.

With socket activation it is the first question that starts the daemon; it should be answered, not told to
come again. Who asks during an outage is told of it at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from foliod.serve.request import SERVICES, STOPPING

if TYPE_CHECKING:
    from aiohttp import web

    from foliod.serve.services import Services

WAIT_SECONDS: Final = 60.0
"""PostgreSQL starts within a second, after a power cut within a minute; then a client is told why it waited in vain."""
LOOK_SECONDS: Final = 0.02


async def when_started(request: web.Request) -> Services:
    """Return the parts of the daemon: while it starts, and nothing is wrong, not before they are all there.

    Raises StoppingError. Whether they are there is for the caller to look at: after WAIT_SECONDS, or when
    something is known to be wrong, they may not be.
    """
    services = request.app[SERVICES]
    if services().answerer is None and services().trouble is None:
        async with request.app[STOPPING].interrupts():
            until = asyncio.get_running_loop().time() + WAIT_SECONDS
            while services().answerer is None and services().trouble is None:
                if asyncio.get_running_loop().time() > until:
                    break
                await asyncio.sleep(LOOK_SECONDS)
    return services()
