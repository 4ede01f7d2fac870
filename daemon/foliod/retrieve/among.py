"""The documents that a search keeps to, and how rare words and names are among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from foliod.store.database import Database

SMALL: Final = 5000
"""Chunks of the documents that filters leave: up to so many are all compared, which is quicker than the index."""
COUNTED: Final = 2001
"""In so many chunks a word is common: it is not counted on, but estimated. One more than are scored for single terms."""


class Partly(NamedTuple):
    """A document of which who asks may see some places only."""

    names: Mapping[int, float]
    """The terms of its title and of the names that may be seen, with their weights."""
    chunks: int


@dataclass(frozen=True)
class Among:
    """Some documents, and how many chunks they have."""

    documents: list[int]
    chunks: int
    partly: Mapping[int, Partly] = field(default_factory=dict)
    """Those of which who asks may not see all places: the stored names, which come from all, are not for it."""
    alone: bool = False
    """Whether who asks may see no others: then it counts only how rare a word is among these, since by scores that say
    how rare it is among all a word could be looked for in the others."""

    @property
    def few(self) -> bool:
        """Whether all their chunks can be compared."""
        return self.chunks <= SMALL

    @cached_property
    def bits(self) -> bytes:
        """One bit for each number of a document: what thousands of them are looked up in at once."""
        return _bits(self.documents)

    @cached_property
    def whole_bits(self) -> bytes:
        """The same of those of which all places may be seen."""
        return _bits([d for d in self.documents if d not in self.partly]) if self.partly else self.bits

    async def frequencies(self, db: Database, known: Mapping[int, int], chunks: int) -> dict[int, int]:
        """Return in how many chunks of these words stand that stand anywhere in them.

        `known` has in how many of all `chunks` each stands. Raises DatabaseUnavailableError.
        """
        if not known:
            return {}
        where = ("term_frequencies_within", self.documents) if self.few else ("term_frequencies_among", self.bits)
        rows = await db.fetch(where[0], sorted(known), where[1], COUNTED)
        counted = {row["term"]: row["chunks"] for row in rows}
        share = self.chunks / max(chunks, 1)
        return {
            term: n if n < COUNTED else min(self.chunks, max(n, round(known[term] * share)))
            for term, n in counted.items()
        }


def _bits(documents: Collection[int]) -> bytes:
    present = np.zeros(max(documents, default=-1) + 1, np.bool_)
    present[list(documents)] = True
    return np.packbits(present, bitorder="little").tobytes()
