"""Writes the text of one document: its chunks, their terms, and what the document comes to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pgvector import SparseVector

from foliod.base.model import Chunk, Terms, Verdict
from foliod.store.pages import count_verdicts
from foliod.store.titles import write_titles
from foliod.text.language import DEFAULT
from foliod.text.lexical import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foliod.store.statements import Transaction

FLUSH_CHUNKS = 256
"""Chunks copied at a time: bounds memory, large enough that COPY's overhead vanishes."""

CHUNK_COLUMNS = (
    "id", "document_id", "ordinal", "first_page", "last_page", "start_offset", "end_offset", "tokens",
    "heading", "text", "text_hash",
)  # fmt: skip
TERM_COLUMNS = ("chunk_id", "document_id", "terms", "weights")


class TextWriter:
    """Writes the chunks of one document inside one transaction.

    Until it is finished, which may take minutes, it holds no lock that the writer of another document waits for.
    """

    def __init__(self, tx: Transaction, document: int, terms: Sequence[int], counts: Sequence[int]) -> None:
        """`terms` are those that the document had before, each in so many of its chunks."""
        self.chunks = 0
        self.terms = 0
        """Sum of the chunks' lengths in terms."""
        self._tx = tx
        self._document = document
        self._before = terms, counts
        self._buffer: list[tuple[Chunk, Terms]] = []

    async def add(self, chunk: Chunk, terms: Terms) -> None:
        """Take one chunk; written in groups."""
        self._buffer.append((chunk, terms))
        self.chunks += 1
        self.terms += terms.length
        if len(self._buffer) >= FLUSH_CHUNKS:
            await self._flush()

    async def verdicts(self) -> dict[Verdict, int]:
        """Count the pages of the document by verdict, on the connection that this transaction holds already."""
        return await count_verdicts(self._tx, self._document)

    async def finish(
        self, *, state: str, partial: bool, reason: str | None, trouble: str | None = None, language: str = DEFAULT
    ) -> None:
        """Count the terms and give the document its state; visible when the transaction commits.

        `trouble` is why text may be missing, as the reader said.
        """
        await self._flush()
        await self._tx.execute(
            "text_finished", self._document, state, partial, reason, self.chunks, self.terms, trouble, language
        )
        await write_titles(self._tx, [self._document])
        # What others wait for comes last: the vectors, then the lexicon by term.
        await self._tx.execute("share_vectors")
        await self._tx.execute("lexicon_replace", self._document, *self._before)

    async def _flush(self) -> None:
        if not self._buffer:
            return
        batch, self._buffer = self._buffer, []
        ids = [row["id"] for row in await self._tx.fetch("reserve_chunk_ids", len(batch))]
        await self._tx.copy(
            "chunks",
            CHUNK_COLUMNS,
            (
                (
                    number, self._document, c.ordinal, c.first_page, c.last_page, c.start, c.end, c.tokens,
                    c.heading, c.text, text_hash(c.text),
                )
                for number, (c, _) in zip(ids, batch, strict=True)
            ),
        )  # fmt: skip
        await self._tx.copy(
            "chunk_terms",
            TERM_COLUMNS,
            (
                (
                    number,
                    self._document,
                    list(t.ids),
                    SparseVector(dict(zip(t.ids, t.weights, strict=True)), DIMENSIONS),
                )
                for number, (_, t) in zip(ids, batch, strict=True)
            ),
        )


async def text_writer(tx: Transaction, document: int) -> TextWriter:
    """Take a document's chunks away, and return what writes new ones."""
    before = await tx.fetchrow("terms_of", document)
    assert before is not None
    await tx.execute("drop_chunks", document)
    return TextWriter(tx, document, before["terms"] or [], before["counts"] or [])


def text_hash(text: str) -> bytes:
    """Return the key under which a chunk's vector is stored: SHA-256 of its UTF-8."""
    return hashlib.sha256(text.encode()).digest()
