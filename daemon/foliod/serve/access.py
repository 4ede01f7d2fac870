"""What a client may see: the folders of this host by the configuration that is in force, those of others by the store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aiohttp import web

from foliod.base.access import Access, Root, columns
from foliod.base.errors import NoDocumentError, NotFoundError
from foliod.serve.accounts import Accounts
from foliod.serve.door import client_of
from foliod.serve.request import SERVICES, STOPPING, needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foliod.base.config import Watch
    from foliod.base.contract import Narrowed
    from foliod.base.model import Filters
    from foliod.serve.accounts import AllowLists
    from foliod.serve.door import Client
    from foliod.serve.services import Services

ACCOUNTS = web.AppKey("accounts", Accounts)


async def access_of(request: web.Request, *, in_outages: bool = False) -> Access | None:
    """Return what a client may see, None when that is everything.

    Looked up for each request: a changed configuration counts at once, and so does, after a second, what another host
    restricts. With `in_outages` what was known last of other hosts will do while the database can't be asked, for who
    is told nothing that stands there. Raises NotReadyError, DatabaseUnavailableError.
    """
    client, services = client_of(request), request.app[SERVICES]()
    if client.ours:
        return None
    settings = services.settings
    roots = needed(services.roots, services)
    here = {os.fsencode(watch.path): watch for watch in settings.watch}
    # What the store says of a folder of ours that is watched now is older than what the configuration says.
    known = await (roots.known_last() if in_outages else roots.known())
    others = [root for root in known if root.host != roots.host or root.path not in here]
    if not any(watch.restricted for watch in settings.watch) and not any(root.restricted for root in others):
        return None
    lists = await request.app[ACCOUNTS].lists(settings)
    found = [Root(roots.host, path, _may_read(client, watch, lists)) for path, watch in here.items()]
    # A folder that was watched before counts as it did then, but not for what lies in one that is watched now.
    found += [
        Root(root.host, root.path, not root.restricted)
        for root in others
        if root.host != roots.host or not any(root.path.startswith(path.rstrip(b"/") + b"/") for path in here)
    ]
    # Searches of who may see everything are quicker.
    return None if all(root.readable for root in found) else Access.of(roots.host, found)


def _may_read(client: Client, watch: Watch, lists: AllowLists) -> bool:
    if not watch.restricted:
        return True
    return watch.token if client.by_token else lists.read[watch.path].has(client.peer)


async def seen(services: Services, document: int, access: Access | None) -> None:
    """Look whether a document is there for a client. Raises NotFoundError, DatabaseUnavailableError.

    Of one that may not be seen the same is said as of one that is not there.
    """
    if not await seen_among(services, [document], access):
        raise NoDocumentError(document)


async def seen_among(services: Services, documents: Sequence[int], access: Access | None) -> list[int]:
    """Return those of some documents that are there for a client."""
    rows = await needed(services.db, services).fetch("seen_documents", documents, *columns(access))
    return [row["id"] for row in rows]


async def ready(request: web.Request, services: Services, asked: Narrowed) -> Filters:
    """Wait for what the client waits for, look whether what it names is there, and return its restrictions.

    Raises NotFoundError, WaitTimeoutError, StoppingError, NotReadyError, DatabaseUnavailableError.
    """
    access = await access_of(request)
    if asked.wait is not None:
        if access is not None and asked.wait != "settled" and not access.reads(os.fsencode(asked.wait)):
            raise NotFoundError(f"{asked.wait} does not lie in a watched folder")
        pipeline = needed(services.pipeline, services)
        async with request.app[STOPPING].interrupts():
            await pipeline.wait(None if asked.wait == "settled" else asked.wait, asked.wait_seconds)
        # What may be seen can have changed meanwhile.
        access = await access_of(request)
    if asked.document is not None:
        await seen(services, asked.document, access)
    return asked.filters(access)
