"""Search: BM25, vectors, or both combined; every hit with its document, pages and places.

Both scores are computed for every candidate that either search brings, then added:
`keyword_weight * bm25 / (sum of the question's idf) + vector_weight * cosine`. The first is
what the passage has of all that the question's words could bring, so it says nothing when
only common words match. A sum keeps how much better a passage is; fusing ranks throws that
away and measured worse than BM25 alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

import structlog
from pgvector import HalfVector, SparseVector

from foliod.base.errors import BadRequestError, OllamaError
from foliod.base.model import Coverage, Filters, Hit, SearchResult, Space
from foliod.retrieve.regions import with_rects
from foliod.text.lexical import DIMENSIONS, inverse_document_frequency, query_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg
    import numpy as np
    from numpy.typing import NDArray

    from foliod.base.config import Search
    from foliod.ingest.embed import Embedder
    from foliod.store.database import Database, Transaction

Mode = Literal["hybrid", "keyword", "vector"]

CANDIDATES = 100
"""Chunks that each search brings before both are scored together."""
EF_SEARCH = 160
"""hnsw.ef_search: larger finds more of the true neighbours and takes longer; at least CANDIDATES."""
POSTINGS_BUDGET = 20_000
"""Chunks scored by BM25 at most: candidates hold one of the question's rarest terms, taken until
their document frequencies add up to this. What only common words match is not worth scoring."""
MAX_QUERY_TERMS = 64
CACHE_SECONDS = 2.0
"""How long the corpus's size and coverage may lag behind."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Question:
    """A question as the database takes it."""

    candidate_terms: list[int]
    weights: SparseVector | None
    """idf by term id; None when no term of the question stands in any document."""
    idf: float
    """Their sum: what a passage full of all the question's terms would come near to."""
    vector: HalfVector | None
    space: Space | None
    documents: list[int] | None
    """What the filters leave; None is no filter."""


class Retriever:
    """Searches the store; questions are embedded by `embedder`."""

    def __init__(self, db: Database, embedder: Embedder, settings: Search) -> None:
        self._db = db
        self._embedder = embedder
        self._settings = settings
        self._chunks = (0.0, 0)
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
        vector, space, note = (None, None, None) if mode == "keyword" else await self._embed(query, mode)
        embedded = time.perf_counter()
        if mode == "hybrid" and vector is None:
            mode = "keyword"

        documents = await self._filtered(filters) if filters.any else None
        async with self._db.transaction() as tx:
            question = await self._question(tx, query, vector, space, documents)
            scored = [] if documents == [] else await self._candidates(tx, question, mode)
            hits = await self._hits(tx, scored[:limit])
            coverage = await self._covered(tx, documents)
        return SearchResult(
            mode=mode,
            hits=hits,
            coverage=coverage,
            timings_ms={
                "embed": round((embedded - started) * 1000, 1),
                "retrieve": round((time.perf_counter() - embedded) * 1000, 1),
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

    async def _filtered(self, filters: Filters) -> list[int]:
        rows = await self._db.fetch("filter_documents", filters.folder, filters.document, filters.after, filters.before)
        return [row["id"] for row in rows]

    async def _question(
        self,
        tx: Transaction,
        query: str,
        vector: NDArray[np.float32] | None,
        space: Space | None,
        documents: list[int] | None,
    ) -> _Question:
        frequencies: dict[int, int] = {}
        if terms := list(query_terms(query))[:MAX_QUERY_TERMS]:
            rows = await tx.fetch("term_frequencies", terms)
            frequencies = {row["term"]: row["chunks"] for row in rows}
        total = await self._corpus(tx)
        idf = {term: inverse_document_frequency(total, n) for term, n in frequencies.items()}
        candidates: list[int] = []
        budget = POSTINGS_BUDGET
        for term in sorted(frequencies, key=frequencies.__getitem__):
            if candidates and frequencies[term] > budget:
                break
            candidates.append(term)
            budget -= frequencies[term]
        return _Question(
            candidate_terms=candidates,
            weights=SparseVector(idf, DIMENSIONS) if idf else None,
            idf=sum(idf.values()),
            vector=None if vector is None else HalfVector(vector),
            space=space,
            documents=documents,
        )

    async def _candidates(self, tx: Transaction, question: _Question, mode: Mode) -> list[_Scored]:
        """Return all candidates with both scores where they can be known, best first."""
        keyword: dict[int, float] = {}
        cosine: dict[int, float] = {}
        if question.weights is not None and mode != "vector":
            rows = await tx.fetch(
                "keyword_search", question.candidate_terms, question.weights, question.documents, CANDIDATES
            )
            keyword = _scores(rows, "bm25")
        if question.vector is not None and question.space is not None and mode != "keyword":
            cosine = await self._nearest(tx, question, question.space)
        ids = list(keyword.keys() | cosine.keys())
        if mode == "hybrid":
            if question.weights is not None and (unscored := [i for i in ids if i not in keyword]):
                keyword |= _scores(await tx.fetch("score_keyword", unscored, question.weights), "bm25")
            if question.space is not None and (unscored := [i for i in ids if i not in cosine]):
                named = {"space": question.space.id, "dimensions": question.space.dimensions}
                cosine |= _scores(await tx.fetch("score_vector", unscored, question.vector, **named), "cosine")
        return self._combined(question, ids, keyword, cosine, mode)

    async def _nearest(self, tx: Transaction, question: _Question, space: Space) -> dict[int, float]:
        named = {"space": space.id, "dimensions": space.dimensions}
        await tx.connection.execute(f"SET LOCAL hnsw.ef_search = {EF_SEARCH}")
        if question.documents is None:
            rows = await tx.fetch("vector_search", question.vector, CANDIDATES, **named)
        else:
            await tx.connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
            rows = await tx.fetch("vector_search_filtered", question.vector, CANDIDATES, question.documents, **named)
        return _scores(rows, "cosine")

    def _combined(
        self,
        question: _Question,
        ids: Iterable[int],
        keyword: dict[int, float],
        cosine: dict[int, float],
        mode: Mode,
    ) -> list[_Scored]:
        def total(chunk: int) -> float:
            if mode == "keyword":
                return keyword[chunk]
            if mode == "vector":
                return cosine[chunk]
            by_word = keyword.get(chunk, 0.0) / question.idf if question.idf > 0 else 0.0
            by_meaning = cosine.get(chunk, 0.0)
            return self._settings.keyword_weight * by_word + self._settings.vector_weight * by_meaning

        scored = [_Scored(chunk, total(chunk), keyword.get(chunk), cosine.get(chunk)) for chunk in ids]
        # The chunk's number breaks ties, so that equal questions get equal answers.
        return sorted(scored, key=lambda s: (-s.score, s.chunk))

    async def _hits(self, tx: Transaction, scored: Sequence[_Scored]) -> tuple[Hit, ...]:
        if not scored:
            return ()
        rows = {row["id"]: row for row in await tx.fetch("hit_details", [s.chunk for s in scored])}
        found = [(s, rows[s.chunk]) for s in scored if s.chunk in rows]
        hits = tuple(
            Hit(
                rank=rank,
                score=round(s.score, 6),
                keyword=s.keyword,
                vector=s.vector,
                title_score=None,
                chunk=s.chunk,
                document=row["document_id"],
                sha256=row["sha256"],
                title=row["title"] or (PurePath(row["paths"][0]).stem if row["paths"] else row["sha256"][:12]),
                paths=tuple(row["paths"]),
                first_page=row["first_page"],
                last_page=row["last_page"],
                heading=row["heading"],
                text=row["text"],
                start=row["start_offset"],
            )
            for rank, (s, row) in enumerate(found, start=1)
        )
        return await with_rects(tx, hits)

    async def _corpus(self, tx: Transaction) -> int:
        at, chunks = self._chunks
        if time.monotonic() - at > CACHE_SECONDS or not chunks:
            chunks = await tx.fetchval("corpus_size")
            self._chunks = (time.monotonic(), chunks)
        return chunks

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


@dataclass(frozen=True, slots=True)
class _Scored:
    chunk: int
    score: float
    keyword: float | None
    vector: float | None


def _scores(rows: Iterable[asyncpg.Record], column: str) -> dict[int, float]:
    return {row["chunk_id"]: float(row[column]) for row in rows}
