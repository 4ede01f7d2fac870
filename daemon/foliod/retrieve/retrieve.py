"""Search: what a question says, candidates by word and by meaning, one score for all, passages worth showing.

Every candidate that either search brings is scored in every way (`score`), so that none is judged by
half. A document that the question names is searched as a whole besides: where hundreds of reports look alike, its
passages would not be among the best of all.
"""

from __future__ import annotations

import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

import structlog
from pgvector import HalfVector, SparseVector

from foliod.base.errors import BadRequestError, OllamaError
from foliod.base.model import Copy, Coverage, Filters, Hit, SearchResult, Space
from foliod.retrieve.passages import choose
from foliod.retrieve.question import Question, Reader
from foliod.retrieve.regions import with_rects
from foliod.retrieve.score import scored
from foliod.text.lexical import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg
    import numpy as np
    from numpy.typing import NDArray

    from foliod.base.config import Search
    from foliod.ingest.embed import Embedder
    from foliod.retrieve.passages import Passage
    from foliod.store.database import Database, Transaction

Mode = Literal["hybrid", "keyword", "vector"]

CANDIDATES = 100
"""Chunks that each search brings before all are scored together."""
WITHIN = 60
"""The same for searches of a few documents as a whole."""
EQUAL_CHUNKS = 4
"""Of one text that many documents hold, so many are candidates."""
EF_SEARCH = 160
"""hnsw.ef_search: larger finds more of the true neighbours and takes longer; at least CANDIDATES."""
SMALL = 5000
"""Chunks of the documents that filters leave: up to so many are all compared, which is quicker than the index."""
CACHE_SECONDS = 2.0
"""How long coverage may lag behind."""

log = structlog.get_logger()


class Retriever:
    """Searches the store; questions are embedded by `embedder`."""

    def __init__(self, db: Database, embedder: Embedder, settings: Search) -> None:
        self._db = db
        self._embedder = embedder
        self._settings = settings
        self._reader = Reader(db)
        self._coverage = (0.0, Coverage(0, 0, 0))

    async def search(
        self, query: str, *, limit: int, mode: Mode = "hybrid", filters: Filters | None = None
    ) -> SearchResult:
        """Return the `limit` best passages.

        Hybrid falls back to keyword when the question can't be embedded; the result says so.
        Raises BadRequestError for an empty query, OllamaError when mode is "vector" and the
        question can't be embedded, DatabaseUnavailableError.
        """
        if not query.strip():
            msg = "the query is empty; ask with at least one word"
            raise BadRequestError(msg)
        filters = filters or Filters()
        started = time.perf_counter()
        within = await self._filtered(filters) if filters.any else None
        documents = None if within is None else [row["id"] for row in within]
        question = await self._reader.understand(query, documents)
        read = time.perf_counter()
        # By meaning the words of the name would find pages that repeat it; which document is meant is known already.
        text = question.rest if mode == "hybrid" else query
        vector, space, note = (None, None, None) if mode == "keyword" else await self._embed(text, mode)
        embedded = time.perf_counter()
        if mode == "hybrid" and vector is None:
            mode = "keyword"

        async with self._db.transaction() as tx:
            hits: tuple[Hit, ...] = ()
            if documents != []:
                few = within is not None and sum(row["chunks"] for row in within) <= SMALL
                search = _Search(tx, question, mode, vector, space)
                rows = await search.candidates(documents, few=few)
                names = await search.names(rows)
                found = scored(question, rows, names, self._settings, mode=mode)
                hits = await self._hits(tx, choose(found, limit))
            coverage = await self._covered(tx, documents)
        return SearchResult(
            mode=mode,
            hits=hits,
            coverage=coverage,
            timings_ms={
                "embed": round((embedded - read) * 1000, 1),
                "retrieve": round((time.perf_counter() - embedded + read - started) * 1000, 1),
            },
            note=note,
        )

    async def _embed(self, query: str, mode: Mode) -> tuple[NDArray[np.float32] | None, Space | None, str | None]:
        try:
            vector, facts = await self._embedder.embed_query(query, seconds=self._settings.embed_seconds)
        except OllamaError as error:
            if mode == "vector":
                raise
            log.info("question_not_embedded", error=error.message)
            return None, None, f"searched by keyword only: {error.message}"
        row = await self._db.fetchrow("active_space")
        # Of equal dimensions is not enough: another model's vectors point elsewhere.
        if row is None or (row["model"], row["digest"]) != (facts.model, facts.digest):
            return None, None, "searched by keyword only: no vectors of this embedding model are stored yet"
        if row["dimensions"] != facts.dimensions:
            note = f"{facts.model} gives vectors of {facts.dimensions} numbers, and the stored ones have {row['dimensions']}"
            return None, None, f"searched by keyword only: {note}"
        return vector, Space(**dict(row)), None

    async def _filtered(self, filters: Filters) -> list[asyncpg.Record]:
        return await self._db.fetch("filter_documents", filters.folder, filters.document, filters.after, filters.before)

    async def _hits(self, tx: Transaction, passages: Sequence[Passage]) -> tuple[Hit, ...]:
        if not passages:
            return ()
        chunks = [s.row["id"] for p in passages for s in (*p.chunks, *p.copies)]
        rows = {row["id"]: row for row in await tx.fetch("hit_details", chunks)}
        joined = [p for p in passages if len(p.chunks) > 1]
        texts = await self._texts(tx, [[rows[s.row["id"]] for s in p.chunks] for p in joined])
        whole = {p.best.row["id"]: text for p, text in zip(joined, texts, strict=True)}
        hits = [
            self._hit(rank, passage, rows, whole.get(passage.best.row["id"]))
            for rank, passage in enumerate(passages, start=1)
        ]
        return await with_rects(tx, hits)

    async def _texts(self, tx: Transaction, joined: Sequence[Sequence[asyncpg.Record]]) -> list[str]:
        """Return the texts of passages of several chunks, with what stands between them."""
        if not joined:
            return []
        documents = [part[0]["document_id"] for part in joined]
        starts = [min(row["start_offset"] for row in part) for part in joined]
        ends = [max(row["end_offset"] for row in part) for part in joined]
        rows = await tx.fetch("passage_texts", documents, starts, ends)
        return [row["text"] for row in rows]

    def _hit(self, rank: int, passage: Passage, rows: dict[int, asyncpg.Record], text: str | None) -> Hit:
        best = passage.best
        row = rows[best.row["id"]]
        parts = [rows[s.row["id"]] for s in passage.chunks]
        return Hit(
            rank=rank,
            score=round(passage.score, 6),
            keyword=round(best.keyword, 6),
            vector=best.cosine,
            title_score=round(best.name, 6),
            chunk=best.row["id"],
            document=row["document_id"],
            sha256=row["sha256"],
            title=_title(row),
            paths=tuple(row["paths"]),
            first_page=min(part["first_page"] for part in parts),
            last_page=max(part["last_page"] for part in parts),
            heading=row["heading"],
            text=row["text"] if text is None else text,
            start=min(part["start_offset"] for part in parts),
            copies=tuple(
                Copy(copy["document_id"], _title(copy), copy["first_page"], copy["last_page"])
                for copy in (rows[s.row["id"]] for s in passage.copies)
            ),
        )

    async def _covered(self, tx: Transaction, documents: list[int] | None) -> Coverage:
        at, coverage = self._coverage
        # While documents wait, the numbers move, and who waited for them wants to see it.
        if documents is None and not coverage.pending and time.monotonic() - at < CACHE_SECONDS:
            return coverage
        row = await tx.fetchrow("coverage", documents)
        assert row is not None
        coverage = Coverage(row["documents"], row["unread_pages"], row["pending"])
        if documents is None:
            self._coverage = (time.monotonic(), coverage)
        return coverage


class _Search:
    """One search: its candidates, and what they are scored by."""

    def __init__(
        self, tx: Transaction, question: Question, mode: Mode, vector: NDArray[np.float32] | None, space: Space | None
    ) -> None:
        self._tx = tx
        self._question = question
        self._weights = SparseVector(dict(question.idf), DIMENSIONS) if question.idf and mode != "vector" else None
        self._vector = None if vector is None or mode == "keyword" else HalfVector(vector)
        self._space = {} if space is None else {"space": space.id, "dimensions": space.dimensions}

    async def candidates(self, documents: Sequence[int] | None, *, few: bool) -> list[asyncpg.Record]:
        """Return what may be shown, with all that it is scored by; `few` documents are searched as a whole."""
        ids: set[int] = set()
        if few:
            ids |= await self._within(documents or (), CANDIDATES)
        else:
            if self._weights is not None:
                terms = list(self._question.candidate_terms)
                ids |= _ids(await self._tx.fetch("keyword_search", terms, self._weights, documents, CANDIDATES))
            if self._vector is not None:
                ids |= _ids(await self._nearest(documents))
            if self._question.named and self._weights is not None:
                ids |= await self._within([named.document for named in self._question.named], WITHIN)
        if self._vector is None:
            return await self._tx.fetch("candidates", list(ids))
        return await self._tx.fetch("candidates_in_space", list(ids), self._vector, **self._space)

    async def names(self, rows: Sequence[asyncpg.Record]) -> dict[int, dict[int, float]]:
        """Return for the candidates' documents the weights of the question's terms in their names."""
        if not self._question.names or not rows:
            return {}
        documents = list({row["document_id"] for row in rows})
        found = await self._tx.fetch("titles_of", documents, list(self._question.name_idf))
        return {row["document"]: dict(zip(row["terms"], row["weights"], strict=True)) for row in found}

    async def _within(self, documents: Sequence[int], count: int) -> set[int]:
        ids: set[int] = set()
        if self._weights is not None:
            ids |= _ids(await self._tx.fetch("keyword_within", self._weights, documents, count))
        if self._vector is not None:
            ids |= _ids(await self._tx.fetch("vector_within", self._vector, documents, count, **self._space))
        return ids

    async def _nearest(self, documents: Sequence[int] | None) -> list[asyncpg.Record]:
        await self._tx.connection.execute(f"SET LOCAL hnsw.ef_search = {EF_SEARCH}")
        if documents is None:
            return await self._tx.fetch("vector_search", self._vector, CANDIDATES, EQUAL_CHUNKS, **self._space)
        await self._tx.connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        return await self._tx.fetch("vector_search_filtered", self._vector, CANDIDATES, documents, **self._space)


def _ids(rows: Sequence[asyncpg.Record]) -> set[int]:
    return {row["chunk_id"] for row in rows}


def _title(row: asyncpg.Record) -> str:
    return row["title"] or (PurePath(row["paths"][0]).stem if row["paths"] else row["sha256"][:12])
