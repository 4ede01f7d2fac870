"""Documents, pages, chunks and vectors in PostgreSQL: everything of one document at once or not at all."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
from pgvector import HalfVector

from foliod.base.errors import DatabaseUnavailableError, LeaseLostError
from foliod.base.model import DocumentFacts, Page, Space, Verdict
from foliod.store.pages import StoredPages, copy_pages, count_verdicts
from foliod.store.writer import TextWriter, text_writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from foliod.store.database import Database
    from foliod.store.renew import Renewed
    from foliod.store.statements import Transaction

COLLISIONS = 10
"""Tries to store vectors that another daemon stores at the same time."""

VECTOR_COLUMNS = ("space_id", "text_hash", "embedding", "reason")


async def _put_renewed(tx: Transaction, document: int, renewed: Renewed, extractor: str) -> None:
    await renewed.write_boxes(tx, document)
    await tx.execute("drop_some_pages", document, [page.number for page in renewed.changed])
    await copy_pages(tx, document, renewed.changed)
    facts = renewed.facts
    if facts is not None:
        said = facts.pages, facts.title, facts.author, facts.created, facts.modified
        await tx.execute("renewed", document, extractor, *said)


class Store:
    """All writing of documents; every write to a claimed document checks the lease first."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def stored_pages(self, document: int, extractor: str) -> StoredPages:
        """Return the unbroken run of pages, from page 1, that this extractor has stored already."""
        return StoredPages(self._db, document, await self._db.fetchval("count_stored_pages", document, extractor))

    async def pages_so_far(self, document: int) -> StoredPages:
        """Return all stored pages in order, whichever extractor read them, whether or not some are missing between."""
        return StoredPages(self._db, document, sum((await self.verdicts(document)).values()))

    async def pages_without_text(self, document: int) -> StoredPages:
        """Return the pages that the reader gave no text of: recognised ones, and those without any."""
        count = await self._db.fetchval("count_pages_without_text", document)
        return StoredPages(self._db, document, count, "pages_without_text")

    async def put_recognised(self, document: int, owner: str, page: Page) -> None:
        """Replace a stored page by what OCR made of it."""
        async with self._claimed(document, owner) as tx:
            headings = [[h.offset, h.level, h.text] for h in page.headings]
            await tx.execute(
                "put_ocr_page",
                document,
                page.number,
                str(page.verdict),
                page.text,
                headings,
                page.trouble,
                page.boxes,
            )

    async def troubles(self, document: int, *, without_text: bool = False) -> dict[str, list[int]]:
        """Return why text of stored pages, or of those without text alone, may be missing, with the pages' numbers."""
        found: dict[str, list[int]] = {}
        for row in await self._db.fetch("page_troubles", document, without_text):
            found.setdefault(row["trouble"], []).append(row["number"])
        return found

    async def drop_pages(self, document: int, owner: str) -> None:
        """Forget the pages read so far."""
        async with self._claimed(document, owner) as tx:
            await tx.execute("drop_pages", document)

    async def put_facts(self, document: int, owner: str, facts: DocumentFacts, extractor: str) -> None:
        """Store what the PDF says about itself."""
        async with self._claimed(document, owner) as tx:
            await tx.execute(
                "set_facts", document, facts.pages, facts.title, facts.author, facts.created, facts.modified, extractor
            )

    async def put_pages(self, document: int, owner: str, pages: Sequence[Page], lease_seconds: float) -> None:
        """Store pages as they are read, so that a kill does not cost them."""
        try:
            async with self._claimed(document, owner) as tx:
                await copy_pages(tx, document, pages)
                await tx.execute("progress_made", document, lease_seconds)
        except asyncpg.UniqueViolationError:
            # Somebody else stored this page meanwhile: the lease had run out.
            raise LeaseLostError from None

    async def verdicts(self, document: int) -> dict[Verdict, int]:
        """Count the pages of a document by verdict."""
        return await count_verdicts(self._db, document)

    @asynccontextmanager
    async def writing_text(self, document: int, owner: str) -> AsyncIterator[TextWriter]:
        """Open the transaction that makes a document searchable.

        Raises LeaseLostError, also at the end, when another daemon took the document over.
        """
        async with self._claimed(document, owner) as tx:
            # Only a change of extractor or chunker finds old chunks here.
            yield await text_writer(tx, document)

    @asynccontextmanager
    async def replacing_text(
        self, document: int, owner: str, renewed: Renewed, extractor: str
    ) -> AsyncIterator[TextWriter]:
        """Open the transaction that writes what reading a document again has changed; else as `writing_text`."""
        async with self._claimed(document, owner) as tx:
            await _put_renewed(tx, document, renewed, extractor)
            yield await text_writer(tx, document)

    async def put_some_boxes(self, document: int, owner: str, renewed: Renewed) -> None:
        """Store the boxes that are held of pages that are the same; they are right whatever the other pages bring."""
        async with self._claimed(document, owner) as tx:
            await renewed.write_boxes(tx, document)
        renewed.boxes.clear()
        renewed.boxes_bytes = 0

    async def put_boxes(self, document: int, owner: str, renewed: Renewed, extractor: str) -> None:
        """Store what reading a document again has brought when its text is the same, and let go of it."""
        async with self._claimed(document, owner) as tx:
            await _put_renewed(tx, document, renewed, extractor)
            await tx.execute("let_go", document)

    async def missing_texts(self, space: Space, documents: Sequence[int], count: int) -> list[tuple[bytes, str]]:
        """Return up to `count` (hash, text) of chunks that have no vector in `space`."""
        rows = await self._db.fetch("missing_texts", space.id, list(documents), count)
        return [(row["text_hash"], row["text"]) for row in rows]

    async def put_vectors(self, space: Space, vectors: Sequence[tuple[bytes, NDArray[np.float32] | str]]) -> None:
        """Store a batch of vectors, or the reason why the model refuses a text."""
        wanted = list(vectors)
        for _ in range(COLLISIONS):
            rows = [
                (space.id, key, None, value) if isinstance(value, str) else (space.id, key, HalfVector(value), None)
                for key, value in wanted
            ]
            try:
                async with self._db.transaction() as tx:
                    await tx.copy("embeddings", VECTOR_COLUMNS, rows)
            except asyncpg.UniqueViolationError:
                # Another daemon embedded one of these texts meanwhile: rare, so COPY goes first and asks afterwards.
                found = await self._db.fetch("existing_vectors", space.id, [key for key, _ in wanted])
                existing = {row["text_hash"] for row in found}
                wanted = [(key, value) for key, value in wanted if key not in existing]
            else:
                return
        msg = "other daemons keep storing the same vectors; these are asked for again"
        raise DatabaseUnavailableError(msg)

    async def finish_vectors(self, space: Space, documents: Sequence[int]) -> list[int]:
        """Make those documents ready that have all their vectors; return them."""
        return [row["id"] for row in await self._db.fetch("vectors_finished", space.id, list(documents))]

    async def active_space(self) -> Space | None:
        """Return the embedding space that serves, if there is one yet."""
        row = await self._db.fetchrow("active_space")
        return None if row is None else Space(**dict(row))

    async def activate_space(
        self, model: str, digest: str, dimensions: int, query_prompt: str, document_prompt: str
    ) -> tuple[Space, bool]:
        """Return the space that serves, and whether it was just made, of this model, because there was none.

        A change of model is made in `foliod.store.spaces`.
        """
        facts = (model, digest, dimensions, query_prompt, document_prompt)
        async with self._db.transaction() as tx:
            await tx.execute("own_spaces")
            row = await tx.fetchrow("active_space")
            if row is not None:
                return Space(**dict(row)), False
            number = await tx.fetchval("activate_space", *facts)
            await tx.execute("index_space", space=number, dimensions=dimensions)
        return Space(number, *facts), True

    @asynccontextmanager
    async def _claimed(self, document: int, owner: str) -> AsyncIterator[Transaction]:
        async with self._db.transaction() as tx:
            if await tx.fetchrow("lock_claimed", document, owner) is None:
                raise LeaseLostError
            yield tx
