"""Search: what a question says, candidates by word and by meaning, one score for all, passages worth showing.

Every candidate that either search brings is scored in every way (`score`), so that none is judged by
half. A document that the question names is searched as a whole besides: where hundreds of reports look alike, its
passages would not be among the best of all.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

import structlog

from foliod.base.access import columns
from foliod.base.errors import BadRequestError, OllamaError
from foliod.base.metrics import SEARCH_SECONDS, SEARCH_STAGES
from foliod.base.model import Copy, Coverage, Filters, Hit, SearchResult, Space
from foliod.retrieve.among import Among, Partly
from foliod.retrieve.candidates import Candidates
from foliod.retrieve.names import VisibleNames
from foliod.retrieve.passages import choose
from foliod.retrieve.question import Reader
from foliod.retrieve.regions import with_rects
from foliod.retrieve.score import scored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import asyncpg
    import numpy as np
    from numpy.typing import NDArray

    from foliod.base.access import Access
    from foliod.base.config import Search
    from foliod.ingest.embedders import Embedders
    from foliod.retrieve.passages import Passage
    from foliod.store.database import Database
    from foliod.store.statements import Transaction

Mode = Literal["hybrid", "keyword", "vector"]

MOST_PATHS = 20
"""Of one document that a hit names; how many there are is told besides."""
CACHE_SECONDS = 2.0
"""How long coverage may lag behind."""

log = structlog.get_logger()


class Retriever:
    """Searches the store; questions are embedded by `embedder`."""

    def __init__(
        self,
        db: Database,
        embedder: Embedders,
        settings: Search,
        *,
        arriving: Callable[[Access | None], int] = lambda _: 0,
        host: str | None = None,
    ) -> None:
        """`arriving` tells how many files were seen, of those that a client may see, that the store does not know yet.

        `host` is this one's name: of places elsewhere the hits say where.
        """
        self._db = db
        self._embedder = embedder
        self._settings = settings
        self._reader = Reader(db, names=settings.title_weight > 0)
        self._visible = VisibleNames(db)
        self._arriving = arriving
        self._host = host
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
        access = filters.access
        with _stage("understand"):
            among = await self._among(filters)
            question = await self._reader.understand(query, among)
        read = time.perf_counter()
        # By meaning the words of the name would find pages that repeat it; which document is meant is known already.
        text = question.rest if mode == "hybrid" else query
        search = Candidates(self._db, question, among)
        # While the model works, the words are searched for.
        (vector, space, note), _ = await asyncio.gather(self._embed(text, mode), search.by_keyword(mode))
        embedded = time.perf_counter()
        if mode == "hybrid" and vector is None:
            mode = "keyword"

        # One view of the store: a document that is removed meanwhile is found as a whole, or not at all.
        async with self._db.transaction(isolation="repeatable_read") as tx:
            hits: tuple[Hit, ...] = ()
            if among is None or among.documents:
                with _stage("candidates"):
                    rows = await search.candidates(tx, vector, space)
                    names = await search.names(tx, rows)
                with _stage("score"):
                    chosen = choose(scored(question, rows, names, self._settings, mode=mode), limit)
                with _stage("load"):
                    hits = await self._hits(tx, chosen, filters)
            coverage = await self._covered(tx, among.documents if among else None, access)
        # By now the connection serves others: what is left takes its time in computing.
        with _stage("rects"):
            hits = await with_rects(self._db, hits)
        SEARCH_SECONDS.labels(mode).observe(time.perf_counter() - started)
        return SearchResult(
            mode=mode,
            hits=hits,
            coverage=replace(coverage, pending=coverage.pending + self._arriving(access)),
            timings_ms={
                "embed": round((embedded - read) * 1000, 1),
                "retrieve": round((time.perf_counter() - embedded + read - started) * 1000, 1),
            },
            note=note,
            rest=question.rest,
        )

    async def _embed(self, query: str, mode: Mode) -> tuple[NDArray[np.float32] | None, Space | None, str | None]:
        if mode == "keyword":
            return None, None, None
        row = await self._db.fetchrow("active_space")
        space = None if row is None else Space(**dict(row))
        try:
            # By the model of the vectors that serve, which need not be the configured one.
            with _stage("embed"):
                vector, facts = await self._embedder.embed_query(
                    query, seconds=self._settings.embed_seconds, model=None if space is None else space.model
                )
        except OllamaError as error:
            if mode == "vector":
                raise
            log.info("question_not_embedded", error=error.message)
            return None, None, f"searched by keyword only: {error.message}"
        if space is None:
            return None, None, "searched by keyword only: no vectors are stored yet"
        # Of equal dimensions is not enough: another build's vectors point elsewhere.
        if not space.made_by(facts.digest):
            note = f"Ollama has another build of the embedding model {facts.model} than the one that made the stored vectors"
            return None, None, f"searched by keyword only: {note}"
        if space.dimensions != facts.dimensions:
            note = f"{facts.model} gives vectors of {facts.dimensions} numbers, and the stored ones have {space.dimensions}"
            return None, None, f"searched by keyword only: {note}"
        return vector, space, None

    async def _among(self, filters: Filters) -> Among | None:
        """Return the documents that filters and rights leave, None for all."""
        asked, access = (filters.folder, filters.document, filters.after, filters.before), filters.access
        if access is not None:
            rows = await self._db.fetch("filter_readable", *asked, *access.columns)
        elif filters.any:
            rows = await self._db.fetch("filter_documents", *asked)
        else:
            return None
        documents, chunks = [row["id"] for row in rows], sum(row["chunks"] for row in rows)
        if access is None:
            return Among(documents, chunks)
        partly = {row["id"]: row["chunks"] for row in rows if not row["whole"]}
        names = await self._visible.of(list(partly), access)
        return Among(documents, chunks, {d: Partly(names.get(d, {}), n) for d, n in partly.items()}, alone=True)

    async def _hits(self, tx: Transaction, passages: Sequence[Passage], filters: Filters) -> tuple[Hit, ...]:
        if not passages:
            return ()
        chunks = [s.row["id"] for p in passages for s in (*p.chunks, *p.copies)]
        details = await tx.fetch("hit_details", chunks, MOST_PATHS, filters.folder, *columns(filters.access))
        rows = {row["id"]: row for row in details}
        joined = [p for p in passages if len(p.chunks) > 1]
        texts = await self._texts(tx, [[rows[s.row["id"]] for s in p.chunks] for p in joined])
        whole = {p.best.row["id"]: text for p, text in zip(joined, texts, strict=True)}
        hits = [
            self._hit(rank, passage, rows, whole.get(passage.best.row["id"]))
            for rank, passage in enumerate(passages, start=1)
        ]
        return tuple(hits)

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
            host=None if row["host"] == self._host else row["host"],
            places=row["places"],
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

    async def _covered(self, tx: Transaction, documents: list[int] | None, access: Access | None) -> Coverage:
        at, coverage = self._coverage
        # While documents wait, the numbers move, and who waited for them wants to see it.
        if documents is None and not coverage.pending and time.monotonic() - at < CACHE_SECONDS:
            return coverage
        row = await tx.fetchrow("coverage", documents, *columns(access))
        assert row is not None
        coverage = Coverage(row["documents"], row["unread_pages"], row["pending"], row["pages"])
        if documents is None:
            self._coverage = (time.monotonic(), coverage)
        return coverage


def _title(row: asyncpg.Record) -> str:
    return row["title"] or (PurePath(row["paths"][0]).stem if row["paths"] else row["sha256"][:12])


def _stage(name: str) -> AbstractContextManager[object]:
    return SEARCH_STAGES.labels(name).time()
