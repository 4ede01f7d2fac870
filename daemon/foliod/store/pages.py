"""The pages of one document as they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foliod.base.errors import LeaseLostError
from foliod.base.model import Heading, Page, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import asyncpg

    from foliod.store.database import Database
    from foliod.store.statements import Session, Transaction

FETCH_PAGES = 8
"""Pages fetched at a time; each can have a million characters."""

PAGE_COLUMNS = (
    "document_id", "number", "verdict", "width", "height", "rotation", "text", "headings", "trouble", "boxes",
)  # fmt: skip


class StoredPages:
    """The first pages of a document that were read before, in order, fetched some at a time: together they can be large.

    Iterating raises LeaseLostError when they are dropped meanwhile.
    """

    def __init__(self, db: Database, document: int, count: int, query: str = "stored_pages") -> None:
        self._db = db
        self._document = document
        self._count = count
        self._query = query

    def __len__(self) -> int:
        """How many."""
        return self._count

    async def __aiter__(self) -> AsyncIterator[Page]:
        """Yield page after page; no connection is held in between."""
        last, left = 0, self._count
        while left:
            rows = await self._db.fetch(self._query, self._document, last, min(left, FETCH_PAGES))
            for row in rows:
                yield _page(row)
            if not rows:
                raise LeaseLostError
            last, left = rows[-1]["number"], left - len(rows)


async def count_verdicts(session: Session, document: int) -> dict[Verdict, int]:
    """Count the pages of a document by verdict."""
    return {Verdict(row["verdict"]): row["pages"] for row in await session.fetch("page_verdicts", document)}


async def copy_pages(tx: Transaction, document: int, pages: Sequence[Page]) -> None:
    """Add pages; raises UniqueViolationError when one of them is stored already."""
    await tx.copy(
        "pages",
        PAGE_COLUMNS,
        (
            (
                document, p.number, str(p.verdict), p.width, p.height, p.rotation, p.text,
                [[h.offset, h.level, h.text] for h in p.headings], p.trouble, p.boxes,
            )
            for p in pages
        ),
    )  # fmt: skip


def _page(row: asyncpg.Record) -> Page:
    headings = tuple(Heading(*heading) for heading in row["headings"])
    return Page(
        row["number"], Verdict(row["verdict"]), row["text"], row["width"], row["height"], row["rotation"], headings
    )
