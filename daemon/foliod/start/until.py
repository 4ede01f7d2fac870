"""Waits until a file, or everything that lies in the watched folders, is searchable or at its end."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from foliod.base.errors import NotFoundError, WaitTimeoutError
from foliod.base.paths import display

if TYPE_CHECKING:
    from foliod.store.database import Database
    from foliod.watch.folders import Folders
    from foliod.watch.sweep import Sweeper

LOOK_SECONDS = 0.1
"""How often a question that waits looks whether its documents are searchable."""


async def until_searchable(db: Database, host: str, folders: Folders, path: str | None, seconds: float) -> None:
    """Return when `path`, or everything that lies in the folders now, is searchable or at its end.

    Raises WaitTimeoutError after `seconds`, NotFoundError for a path outside the watched folders, or where nothing is.
    """
    try:
        async with asyncio.timeout(seconds):
            if path is None:
                await asyncio.gather(*(sweeper.wait_settled() for sweeper in folders))
                await _until_read(db, host, None)
                return
            name = os.fsencode(path)
            sweeper = folders.at(name)
            if sweeper is None:
                msg = f"{path} does not lie in a watched folder"
                raise NotFoundError(msg)
            document = await sweeper.wait_settled(name)
            if document is not None:
                await _until_read(db, host, document)
            elif not await _there(db, host, name, sweeper):
                msg = f"{path} can't be waited for: no such file is there"
                raise NotFoundError(msg)
    except TimeoutError:
        msg = f"{path or 'what lies in the folders'} is not searchable after {seconds:g} s; ask again later"
        raise WaitTimeoutError(msg) from None


async def _there(db: Database, host: str, path: bytes, sweeper: Sweeper) -> bool:
    """Whether something is at a path, or is known to have been."""
    shown = display(path)
    # A name that is not UTF-8 may have come as people see it, by which the file system knows nothing.
    if "\N{REPLACEMENT CHARACTER}" in shown or await db.fetchrow("file_at", host, path, shown):
        return True
    seen = await sweeper.explain(path)
    return seen is not None and seen["stat"] is not None


async def _until_read(db: Database, host: str, document: int | None) -> None:
    """Return when a document, or every document of `host`, is neither queued nor being read."""
    # Asked of the store, since another daemon may be the one that reads it.
    while await db.fetchval("waiting_documents", host, document):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)
