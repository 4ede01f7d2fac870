"""What reading a document again has brought so far: pages that say the same, and pages that don't."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from foliod.base.model import DocumentFacts, Page
    from foliod.store.database import Database
    from foliod.store.statements import Transaction


BOXES_BYTES: Final = 4_000_000
"""Boxes held until they are written; those of one page can have 60,000 bytes, and a document 20,000 pages."""


@dataclass(slots=True)
class Renewed:
    """Of pages that say what is stored only the boxes are kept, some at a time; the others until all are read.

    One transaction writes these.
    """

    facts: DocumentFacts | None = None
    same: int = 0
    """Pages that say what is stored."""
    boxes: dict[int, bytes] = field(default_factory=dict)
    """Where the text of some of them stands, by page, which is not written yet."""
    boxes_bytes: int = 0
    changed: list[Page] = field(default_factory=list)
    changed_chars: int = 0

    async def add(self, db: Database, document: int, page: Page) -> None:
        """Compare a page with what is stored of it."""
        headings = [[h.offset, h.level, h.text] for h in page.headings]
        if await db.fetchval("page_is_same", document, page.number, str(page.verdict), page.text, headings):
            self.same += 1
            self.boxes[page.number] = page.boxes
            self.boxes_bytes += len(page.boxes)
        else:
            self.changed.append(page)
            self.changed_chars += len(page.text)

    async def write_boxes(self, tx: Transaction, document: int) -> None:
        """Write the boxes that are held."""
        await tx.execute("put_boxes", document, list(self.boxes), list(self.boxes.values()))
