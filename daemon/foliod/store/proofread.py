"""Compares the chunks of all documents with the pages that they were cut from, in one pass over both.

A document's text is its pages joined by PAGE_JOIN. Held in memory is a page and a chunk, however
long the document is.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from foliod.base.model import PAGE_JOIN
from foliod.base.version import EXTRACTOR
from foliod.text.lexical import weigh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from foliod.store.statements import Transaction

    Difference = tuple[str, int, str]
    """The name of what is wrong, the document, and what was found, for people."""

PREFETCH: Final = 64
TURN_SECONDS: Final = 0.01
WEIGHT_ERROR: Final = 1e-5
"""Weights are stored as 32-bit floats."""


async def proofread(tx: Transaction) -> AsyncIterator[Difference]:
    """Yield how chunks, their terms and their offsets differ from the stored pages."""
    connection = tx.connection
    pages = _Rows(connection.cursor(tx.queries["check_page_texts"].text({}), prefetch=PREFETCH).__aiter__())
    chunks = _Rows(connection.cursor(tx.queries["check_chunk_texts"].text({}), prefetch=PREFETCH).__aiter__())
    since = time.monotonic()
    while (first := await pages.peek()) or await chunks.peek():
        other = await chunks.peek()
        document = min(row["document_id"] for row in (first, other) if row is not None)
        async for difference in _Document(document, pages, chunks).differences():
            yield difference
        if time.monotonic() - since > TURN_SECONDS:
            await asyncio.sleep(0)
            since = time.monotonic()


class _Rows:
    """Rows of a cursor, with a look at the next one."""

    def __init__(self, rows: AsyncIterator[asyncpg.Record]) -> None:
        self._rows = rows
        self._next: deque[asyncpg.Record | None] = deque()

    async def peek(self) -> asyncpg.Record | None:
        if not self._next:
            self._next.append(await anext(self._rows, None))
        return self._next[0]

    async def take(self, document: int) -> asyncpg.Record | None:
        """Return the next row when it is this document's."""
        row = await self.peek()
        if row is None or row["document_id"] != document:
            return None
        self._next.clear()
        return row


class _Document:
    """One document: a window over the text of its pages moves on with the chunks."""

    def __init__(self, document: int, pages: _Rows, chunks: _Rows) -> None:
        self._document = document
        self._pages = pages
        self._chunks = chunks
        self._text = ""
        self._begins = 0
        """Offset of the window in the document's text."""
        self._starts: deque[tuple[int, int]] = deque()
        """Where the pages of the window start, and their numbers."""
        self._count = 0

    async def differences(self) -> AsyncIterator[Difference]:
        before: asyncpg.Record | None = None
        covered = terms = ordinal = 0
        while (chunk := await self._chunks.take(self._document)) is not None:
            start, end = chunk["start_offset"], chunk["end_offset"]
            if chunk["ordinal"] != ordinal or not self._in_order(before, start, end):
                yield self._found(
                    "chunk_order", f"chunk {chunk['ordinal']} from {start} to {end} comes as number {ordinal}"
                )
            ordinal, before = ordinal + 1, chunk
            await self._read_to(end)
            if start >= self._begins and (why := self._differs(chunk)) is not None:
                yield self._found("chunk_text", f"chunk {chunk['ordinal']} {why}")
            if start > covered and (lost := self._between(covered, start)).strip():
                yield self._found("left_out", f"{len(lost)} characters before chunk {chunk['ordinal']}")
            covered = max(covered, end)
            self._forget(min(start + 1, covered))
            if chunk["text_hash"] != hashlib.sha256(chunk["text"].encode()).digest():
                yield self._found("chunk_hash", f"chunk {chunk['ordinal']}")
            if chunk["extractor"] == EXTRACTOR and chunk["terms"] is not None:
                expected = weigh(chunk["text"], chunk["language"])
                terms += expected.length
                if not _same_terms(chunk, dict(zip(expected.ids, expected.weights, strict=True))):
                    yield self._found("chunk_terms", f"chunk {chunk['ordinal']}")
        async for lost in self._rest(covered):
            if lost.strip():
                yield self._found("left_out", f"{len(lost)} characters after the last chunk")
        if before is not None and before["extractor"] == EXTRACTOR and before["term_count"] != terms:
            yield self._found("term_count", f"{terms} terms, and it says {before['term_count']}")

    def _found(self, name: str, what: str) -> Difference:
        return name, self._document, what

    @staticmethod
    def _in_order(before: asyncpg.Record | None, start: int, end: int) -> bool:
        if before is None:
            return 0 <= start < end
        return bool(before["start_offset"] < start < end and before["end_offset"] < end)

    def _differs(self, chunk: asyncpg.Record) -> str | None:
        start, end = chunk["start_offset"], chunk["end_offset"]
        if end > self._begins + len(self._text):
            return f"ends at {end}, after the text"
        if self._between(start, end) != chunk["text"]:
            return f"is not the text from {start} to {end}"
        pages = self._page_at(start), self._page_at(end - 1)
        if (chunk["first_page"], chunk["last_page"]) != pages:
            return f"lies on the pages {pages[0]} to {pages[1]}, and says {chunk['first_page']} to {chunk['last_page']}"
        return None

    def _between(self, start: int, end: int) -> str:
        return self._text[max(0, start - self._begins) : max(0, end - self._begins)]

    def _page_at(self, offset: int) -> int:
        return max((number for start, number in self._starts if start <= offset), default=1)

    async def _read_to(self, end: int) -> None:
        parts = [self._text]
        reach = self._begins + len(self._text)
        while reach < end and (page := await self._pages.take(self._document)) is not None:
            joined = (PAGE_JOIN if self._count else "") + page["text"]
            self._count += 1
            self._starts.append((reach + len(joined) - len(page["text"]), page["number"]))
            parts.append(joined)
            reach += len(joined)
        self._text = "".join(parts)

    def _forget(self, offset: int) -> None:
        """Let go of the text before an offset."""
        self._text, self._begins = self._text[max(0, offset - self._begins) :], max(self._begins, offset)
        while len(self._starts) > 1 and self._starts[1][0] <= self._begins:
            self._starts.popleft()

    async def _rest(self, covered: int) -> AsyncIterator[str]:
        """Yield what follows the last chunk, and come to the end of the pages."""
        yield self._text[max(0, covered - self._begins) :]
        while (page := await self._pages.take(self._document)) is not None:
            yield page["text"]


def _same_terms(chunk: asyncpg.Record, expected: dict[int, float]) -> bool:
    stored = dict(zip(chunk["weights"].indices(), chunk["weights"].values(), strict=True))
    ids = chunk["terms"]
    if len(ids) != len(expected) or set(ids) != expected.keys() or stored.keys() != expected.keys():
        return False
    numbers = sorted(expected)
    return bool(
        np.allclose([stored[n] for n in numbers], [expected[n] for n in numbers], rtol=WEIGHT_ERROR, atol=WEIGHT_ERROR)
    )
