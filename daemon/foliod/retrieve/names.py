"""What documents are called, for who asks: by all their names, or by those alone that a client may see.

The stored terms come from all places of a document. Where a client may not see them all, they are made anew of the title
and the places that it sees: so a search finds and scores what it would if there were no hidden ones.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from foliod.store.titles import MOST_NAMES, name_weights

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from foliod.base.access import Access
    from foliod.retrieve.among import Among
    from foliod.store.database import Database
    from foliod.store.statements import Session

MOST_KEPT: Final = 20_000
"""Documents whose visible names are kept taken in, some 2 kB each: making them takes a look at the document's text."""


class Found(NamedTuple):
    """A document whose names hold some of a question, the sum of what they hold, and how many chunks it has."""

    document: int
    score: float
    chunks: int


class VisibleNames:
    """Takes in the names that clients see of documents that also lie where they may not look."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: OrderedDict[tuple[object, ...], dict[int, float]] = OrderedDict()

    async def of(self, documents: Sequence[int], access: Access) -> dict[int, dict[int, float]]:
        """Return for each document the terms of its title and visible names, with their weights as the store has them.

        Raises DatabaseUnavailableError.
        """
        if not documents:
            return {}
        found = {}
        for row in await self._db.fetch("names_of", documents, MOST_NAMES, *access.columns):
            key = (row["id"], row["title"], row["language"], row["stored_at"], *row["names"])
            terms = self._kept.get(key)
            if terms is None:
                weights = await name_weights(self._db, row)
                terms = {term: float(np.float32(weight)) for term, weight in weights.items()}
                self._kept[key] = terms
            self._kept.move_to_end(key)
            found[row["id"]] = terms
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return found


async def frequencies(db: Database, terms: Collection[int], among: Among | None) -> dict[int, int]:
    """Return in the names of how many documents each term stands that stands in any."""
    if not terms:
        return {}
    alone = among if among and among.alone else None
    rows = await db.fetch("title_frequencies", list(terms), alone and alone.whole_bits)
    counts = {row["term"]: row["documents"] for row in rows}
    for part in alone.partly.values() if alone else ():
        for term in part.names.keys() & terms:
            counts[term] = counts.get(term, 0) + 1
    return counts


async def search(
    db: Database,
    candidates: Sequence[int],
    words: Sequence[Sequence[int]],
    idf: Mapping[int, float],
    among: Among | None,
    most: int,
) -> list[Found]:
    """Return the `most` documents whose names hold most of a question, best first.

    Args:
        db: where names are stored.
        candidates: documents hold one of these terms.
        words: for each word of the question its terms.
        idf: of all terms.
        among: to which documents to keep, None is all.
        most: how many.
    """
    pairs = [(term, number) for number, word in enumerate(words) for term in word]
    rows = await db.fetch(
        "title_search",
        candidates,
        [term for term, _ in pairs],
        [number for _, number in pairs],
        [idf[term] for term, _ in pairs],
        among and among.whole_bits,
        most,
    )
    found = [Found(row["document"], row["score"], row["chunks"]) for row in rows]
    for document, part in among.partly.items() if among else ():
        if not part.names.keys().isdisjoint(candidates):
            found.append(Found(document, _sum(part.names, words, idf), part.chunks))
    return sorted(found, key=lambda f: (-f.score, f.document))[:most]


async def held(
    session: Session, documents: Collection[int], terms: Collection[int], among: Among | None
) -> dict[int, dict[int, float]]:
    """Return which of the terms stand in the names of some documents, with their weights."""
    partly = among.partly if among else {}
    rows = await session.fetch("titles_of", [d for d in documents if d not in partly], list(terms))
    found = {row["document"]: dict(zip(row["terms"], row["weights"], strict=True)) for row in rows}
    for document in partly.keys() & documents:
        names = partly[document].names
        found[document] = {term: names[term] for term in names.keys() & terms}
    return found


def _sum(names: Mapping[int, float], words: Sequence[Sequence[int]], idf: Mapping[int, float]) -> float:
    """Return the sum over words of the best of each word's terms, in the numbers that the store reckons with."""
    best = np.zeros(len(words), np.float32)
    for number, word in enumerate(words):
        for term in word:
            best[number] = max(best[number], np.float32(names.get(term, 0.0)) * np.float32(idf[term]))
    total = np.float32(0)
    for score in best:
        total += score
    return float(total)
