"""The hosts that share a store: which there are, and forgetting one that is gone for good."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from foliod.base.errors import ConflictError, NotFoundError
from foliod.store.files import Files

if TYPE_CHECKING:
    import asyncpg

    from foliod.store.database import Database

ALIVE_SECONDS: Final = 300.0
"""A daemon gives a sign of life three times a minute: one that gave none for so long does not run, or is cut off."""
ROUNDS: Final = 20
"""A document that somebody writes just now is tried again so often, a second apart."""


async def listed(db: Database) -> list[dict[str, Any]]:
    """Return all hosts as people see them: host, version, started_at, seen_at, seconds, left_at, files, only_here, alive.

    `alive` is what the store can tell: a daemon that was killed seems to live for ALIVE_SECONDS.
    """
    rows = await db.fetch("listed_hosts")
    return [{**row, "alive": _alive(row)} for row in rows]


async def forget(db: Database, host: str) -> dict[str, int]:
    """Forget all files of a host, and the documents that lie nowhere else; return how many of each.

    What it had claimed is free again. Should it come back, it finds its files anew.
    Raises NotFoundError, ConflictError for a host whose daemon runs or comes back, or when documents are in use for long.
    """
    async with db.transaction() as tx:
        row = await tx.fetchrow("lock_host", host)
        if row is None:
            known = ", ".join(known["host"] for known in await tx.fetch("listed_hosts")) or "none"
            msg = f"there is no host {host}; there are: {known}"
            raise NotFoundError(msg)
        if _alive(row):
            msg = (
                f"the host {host} gave a sign of life {row['seconds']:.0f} s ago: stop foliod there; if it is gone without "
                f"having been stopped, try again {ALIVE_SECONDS / 60:.0f} minutes later"
            )
            raise ConflictError(msg)
        await tx.execute("release_dead_leases", host, 2**31 - 1)
        await tx.execute("release_space", f"{host}:")
        files = await tx.fetchval("forget_files_of", host)
    theirs = Files(db, host)
    documents = 0
    for _ in range(ROUNDS):
        documents += await theirs.forget_gone(0.0)
        if not (left := await db.fetchval("count_files_of", host)):
            break
        await asyncio.sleep(1.0)
    else:
        msg = f"{left} files of {host} are of documents that are being written; try again later"
        raise ConflictError(msg)
    if not await db.fetchval("drop_host", host, row["seen_at"]):
        msg = f"the host {host} came back while it was forgotten: it stays, and finds its files anew; stop foliod there first"
        raise ConflictError(msg)
    return {"files": files, "documents": documents}


def _alive(row: asyncpg.Record) -> bool:
    """Whether its daemon seems to run: it gave a sign of life, and did not say since that it stopped."""
    return row["left_at"] is None and bool(row["seconds"] < ALIVE_SECONDS)
