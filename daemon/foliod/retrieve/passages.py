"""From scored chunks to passages worth showing: one a page, none twice, neighbours in one piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foliod.retrieve.score import Scored

JOINED: Final = 0.85
"""A neighbour is joined when its score is at least this part of the passage's."""
AGAIN: Final = 0.7
"""What the second passage of a page counts, the third that of that again. Measured: 0.9 and more finds fewer pages,
less finds no more (page@10 of covidqa 0.873 without, 0.900 with; of the series 0.787, 0.831)."""
MOST_JOINED: Final = 3
"""Chunks in one passage."""
MOST_COPIES: Final = 5
"""Other places of the same words that are named."""


@dataclass(slots=True)
class Passage:
    """Neighbouring chunks of one document, best first, and where else the same words stand."""

    chunks: list[Scored]
    score: float
    copies: list[Scored] = field(default_factory=list)

    @property
    def best(self) -> Scored:
        """The chunk that the passage is found by."""
        return self.chunks[0]

    def adjoins(self, other: Scored) -> bool:
        """Whether a chunk stands just before or after the passage, on one of its pages."""
        return other.row["document_id"] == self.best.row["document_id"] and any(
            abs(own.row["ordinal"] - other.row["ordinal"]) == 1 and own.row["first_page"] == other.row["first_page"]
            for own in self.chunks
        )


def choose(scored: Sequence[Scored], limit: int) -> list[Passage]:
    """Return up to `limit` passages, best first.

    A further passage of a page counts for less, so that ten hits show more than two pages; the same
    words in another document are no further passage, but named with the first.
    """
    passages: list[Passage] = []
    by_words: dict[bytes, Passage] = {}
    by_page: dict[tuple[int, int], list[Passage]] = {}
    for chunk in scored:
        words = chunk.row["weights"]
        if (same := by_words.get(words)) is not None:
            if len(same.copies) < MOST_COPIES:
                same.copies.append(chunk)
            continue
        on_page = by_page.setdefault((chunk.row["document_id"], chunk.row["first_page"]), [])
        passage = next((passage for passage in on_page if _joins(passage, chunk)), None)
        if passage is None:
            passage = Passage([chunk], chunk.total * AGAIN ** len(on_page) if chunk.total > 0 else chunk.total)
            on_page.append(passage)
            passages.append(passage)
        else:
            passage.chunks.append(chunk)
        by_words[words] = passage
    return sorted(passages, key=lambda passage: -passage.score)[:limit]


def _joins(passage: Passage, chunk: Scored) -> bool:
    return len(passage.chunks) < MOST_JOINED and chunk.total >= JOINED * passage.best.total and passage.adjoins(chunk)
