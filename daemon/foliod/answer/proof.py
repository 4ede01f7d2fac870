"""Looks quotes up in the stored text of their pages: what stands there in these words, and on which page, is verified."""

from __future__ import annotations

import asyncio
import re
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from foliod.base.model import PAGE_JOIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from foliod.base.model import Hit
    from foliod.store.database import Database

AT_ONCE = 16
"""Pages that are fetched at once; one can have a million characters."""
MOST_PAGES = 32
"""Pages of a passage that are looked at."""


class Quote(NamedTuple):
    """What is quoted of a passage: `text == passage.text[at : at + len(text)]`."""

    passage: Hit
    at: int
    text: str


class Proof(NamedTuple):
    """Whether a quote stands on the stored pages, and on which, first and last; those of the passage when it does not."""

    verified: bool
    first_page: int
    last_page: int


async def prove(db: Database, quotes: Sequence[Quote]) -> list[Proof]:
    """Return a proof for each quote. Raises DatabaseUnavailableError."""
    proofs: list[Proof] = []
    for group in _groups(quotes):
        wanted = list(dict.fromkeys((q.passage.document, n) for q in group for n in _pages(q.passage)))
        rows = await db.fetch("page_texts", [document for document, _ in wanted], [number for _, number in wanted])
        texts = {(row["document_id"], row["number"]): row["text"] for row in rows}
        proofs += await asyncio.to_thread(_located, group, texts)
    return proofs


def locate(quote: Quote, texts: dict[tuple[int, int], str]) -> Proof:
    """Find a quote's words, in this order, in the texts of its passage's pages; white space counts as equal."""
    passage = quote.passage
    pages = [n for n in _pages(passage) if (passage.document, n) in texts]
    parts = [texts[passage.document, n] for n in pages]
    text = PAGE_JOIN.join(parts)
    starts = [0, *accumulate(len(part) + len(PAGE_JOIN) for part in parts)]
    # Where the passage stands as it was stored, the quote has its place in it; the same words may stand elsewhere too.
    found = text.find(passage.text)
    start = found + quote.at if found >= 0 else -1
    if start < 0 or text[start : start + len(quote.text)] != quote.text:
        words = quote.text.split()
        match = re.search(r"\s+".join(map(re.escape, words)), text) if words else None
        if match is None:
            return Proof(verified=False, first_page=passage.first_page, last_page=passage.last_page)
        start, end = match.span()
    else:
        end = start + len(quote.text)
    on = [n for n, begin, part in zip(pages, starts, parts, strict=False) if begin < end and start < begin + len(part)]
    return Proof(verified=True, first_page=on[0], last_page=on[-1])


def _located(quotes: Sequence[Quote], texts: dict[tuple[int, int], str]) -> list[Proof]:
    return [locate(quote, texts) for quote in quotes]


def _pages(passage: Hit) -> range:
    return range(passage.first_page, min(passage.last_page, passage.first_page + MOST_PAGES - 1) + 1)


def _groups(quotes: Sequence[Quote]) -> Iterator[list[Quote]]:
    """Yield the quotes in groups that need at most about AT_ONCE pages."""
    group: list[Quote] = []
    pages = 0
    for quote in quotes:
        more = len(_pages(quote.passage))
        if group and pages + more > AT_ONCE:
            yield group
            group, pages = [], 0
        group.append(quote)
        pages += more
    if group:
        yield group
