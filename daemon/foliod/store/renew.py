"""What reading a document again has brought so far: pages that say the same, and pages that don't."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foliod.base.model import DocumentFacts, Page
    from foliod.store.database import Database


@dataclass(slots=True)
class Renewed:
    """Of pages that say what is stored only their boxes are kept; the others wait for the transaction that writes them."""

    facts: DocumentFacts | None = None
    same: dict[int, bytes] = field(default_factory=dict)
    changed: list[Page] = field(default_factory=list)
    changed_chars: int = 0

    async def add(self, db: Database, document: int, page: Page) -> None:
        """Compare a page with what is stored of it."""
        headings = [[h.offset, h.level, h.text] for h in page.headings]
        if await db.fetchval("page_is_same", document, page.number, str(page.verdict), page.text, headings):
            self.same[page.number] = page.boxes
        else:
            self.changed.append(page)
            self.changed_chars += len(page.text)
