"""The candidates of a search: the passages that its words and its meaning bring, and what they are scored by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgvector import HalfVector, SparseVector

from foliod.base.metrics import SEARCH_STAGES
from foliod.retrieve.names import held
from foliod.retrieve.question import PAIR_BUDGET
from foliod.text.lexical import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg
    import numpy as np
    from numpy.typing import NDArray

    from foliod.base.contract import Mode
    from foliod.base.model import Space
    from foliod.retrieve.among import Among
    from foliod.retrieve.question import Question
    from foliod.store.database import Database
    from foliod.store.statements import Session, Transaction

CANDIDATES = 100
"""Chunks that each search brings before all are scored together."""
WITHIN = 60
"""The same for searches of a few documents as a whole."""
EQUAL_CHUNKS = 4
"""Of one text that many documents hold, so many are candidates."""
EF_SEARCH = 100
"""hnsw.ef_search: larger finds more of the true neighbours and takes longer; at least CANDIDATES."""


class Candidates:
    """The candidates of one search, and what they are scored by; `among` says to which documents it keeps, None is all."""

    def __init__(self, db: Database, question: Question, among: Among | None) -> None:
        self._db = db
        self._question = question
        self._among = among
        self._ids: set[int] = set()
        self._by_words = False

    async def by_keyword(self, mode: Mode) -> None:
        """Find candidates by their words."""
        if mode == "vector" or not self._question.idf or (self._among and not self._among.documents):
            return
        with SEARCH_STAGES.labels("keyword").time():
            await self._find_words(self._db)
        self._by_words = True

    async def _find_words(self, session: Session) -> None:
        weights, among = SparseVector(dict(self._question.idf), DIMENSIONS), self._among
        found = [] if among and among.few else await self._by_rare_words(session, weights)
        # What is rare in all documents may stand in none of these.
        if among and (among.few or (len(found) < CANDIDATES and not among.alone)):
            found = await session.fetch("keyword_within", weights, among.documents, CANDIDATES, False)
        self._take(found)
        if self._question.named:
            # Of what the question names also what holds none of its words: its headings may.
            self._take(await session.fetch("keyword_within", weights, self._named, WITHIN, True))

    async def _by_rare_words(self, session: Session, weights: SparseVector) -> list[asyncpg.Record]:
        question, bits = self._question, self._among and self._among.bits
        one, other = [a for a, _ in question.pairs], [b for _, b in question.pairs]
        return await session.fetch(
            "keyword_search", question.rare, weights, bits, CANDIDATES, one, other, 2 * PAIR_BUDGET
        )

    async def candidates(
        self, tx: Transaction, vector: NDArray[np.float32] | None, space: Space | None
    ) -> list[asyncpg.Record]:
        """Return what may be shown, with all that it is scored by."""
        rows = await self._scored(tx, vector, space)
        if self._by_words and len(rows) < len(self._ids):
            # While the model worked, a document was written anew: the same words stand in other chunks now.
            await self._find_words(tx)
            rows = await self._scored(tx, vector, space)
        return rows

    async def _scored(
        self, tx: Transaction, vector: NDArray[np.float32] | None, space: Space | None
    ) -> list[asyncpg.Record]:
        if vector is None or space is None:
            return await tx.fetch("candidates", list(self._ids))
        asked, named = HalfVector(vector), {"space": space.id, "dimensions": space.dimensions}
        if self._among and self._among.few:
            self._take(await tx.fetch("vector_within", asked, self._among.documents, CANDIDATES, **named))
        else:
            self._take(await self._nearest(tx, asked, named))
            if self._question.named:
                self._take(await tx.fetch("vector_within", asked, self._named, WITHIN, **named))
        return await tx.fetch("candidates_in_space", list(self._ids), asked, **named)

    async def names(self, tx: Transaction, rows: Sequence[asyncpg.Record]) -> dict[int, dict[int, float]]:
        """Return for the candidates' documents the weights of the question's terms in their names."""
        if not self._question.names or not rows:
            return {}
        return await held(tx, {row["document_id"] for row in rows}, self._question.name_idf, self._among)

    @property
    def _named(self) -> list[int]:
        return [named.document for named in self._question.named]

    async def _nearest(self, tx: Transaction, asked: HalfVector, named: dict[str, int]) -> list[asyncpg.Record]:
        await tx.connection.execute(f"SET LOCAL hnsw.ef_search = {EF_SEARCH}")
        if self._among is None:
            return await tx.fetch("vector_search", asked, CANDIDATES, EQUAL_CHUNKS, **named)
        await tx.connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        found = await tx.fetch("vector_search_filtered", asked, CANDIDATES, self._among.bits, **named)
        if len(found) < CANDIDATES:
            # The scan ends after hnsw.max_scan_tuples; what lies far from the question has not been reached then.
            found = await tx.fetch("vector_within", asked, self._among.documents, CANDIDATES, **named)
        return found

    def _take(self, rows: Sequence[asyncpg.Record]) -> None:
        self._ids.update(row["chunk_id"] for row in rows)
