"""Documents that are read again because somebody asks for it: they become as if they had never been read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from foliod.base.paths import bounds

if TYPE_CHECKING:
    from foliod.store.database import Database
    from foliod.store.statements import Transaction

AT_ONCE: Final = 500
"""Documents in one transaction."""


async def begin_again(db: Database, documents: Sequence[int]) -> list[int]:
    """Let documents be read anew, from the first page; return those that will be.

    Left out are those that somebody reads this moment. Vectors stay: equal text is not embedded again, unless
    the model refused it.
    """
    begun: list[int] = []
    for start in range(0, len(documents), AT_ONCE):
        begun += await db.retrying(partial(_begin_again, documents=documents[start : start + AT_ONCE]))
    return begun


async def ended_badly(db: Database, host: str, folder: bytes | None = None) -> list[int]:
    """Return all documents that can't be found or wait for another attempt: those with a file below `folder`, or all."""
    low, high = (None, None) if folder is None else bounds(folder)
    found: list[int] = []
    while rows := await db.fetch("ended_badly", host, low, high, found[-1] if found else 0, AT_ONCE):
        found += [row["id"] for row in rows]
    return found


async def _begin_again(tx: Transaction, documents: Sequence[int]) -> list[int]:
    # Locks in the order that all writers keep: the documents' rows, then the lexicon by term.
    rows = await tx.fetch("lock_free", list(documents))
    await tx.execute("unready_refused", [row["id"] for row in rows])
    await tx.execute("drop_refusals", [row["id"] for row in rows])
    await tx.execute("lexicon_lock", [row["id"] for row in rows if row["searchable"]])
    for row in rows:
        if row["searchable"]:
            await tx.execute("lexicon_subtract", row["id"])
            await tx.execute("lexicon_drop_unused", row["id"])
            await tx.execute("drop_chunks", row["id"])
    ids = [row["id"] for row in rows]
    await tx.execute("drop_pages_of", ids)
    await tx.execute("begin_again", ids)
    return ids
