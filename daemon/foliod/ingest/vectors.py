"""Gives stored documents their vectors, batch by batch, each committed at once.

Text is searchable without them, so this waits for Ollama as long as it takes.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from foliod.base.errors import BadVectorError, OllamaError

if TYPE_CHECKING:
    from foliod.base.model import Space
    from foliod.base.telemetry import Counters
    from foliod.ingest.backlog import Backlog
    from foliod.ingest.embed import Embedder, EmbedderFacts
    from foliod.store.store import Store

EMBED_DOCUMENTS = 16
"""Documents whose chunks are embedded together, so that short documents fill batches too."""
EMBED_TEXTS = 256
MOST_DIMENSIONS = 4000
"""An HNSW index of halfvec takes no more (pgvector's README)."""
SURE_SECONDS = 600.0
"""A build of a model has one length of vectors. When it seems to have another for so long, that is believed."""

log = structlog.get_logger()


class Vectors:
    """Embeds what stored documents are missing."""

    def __init__(self, store: Store, backlog: Backlog, embedder: Embedder, counts: Counters) -> None:
        self._store = store
        self._backlog = backlog
        self._embedder = embedder
        self._counts = counts
        self._odd: tuple[int, float] | None = None
        """Vectors of so many numbers, and since when, where this build of the model has given others before."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be embedded now, as far as is known."""
        return self._embedder.outage.reason

    async def space(self) -> Space:
        """Return the space of the configured model, made or put into service when that is due.

        Raises OllamaError when the model can't be asked.
        """
        facts = await self._embedder.facts()
        if facts.dimensions > MOST_DIMENSIONS:
            msg = (
                f"{facts.model} gives vectors of {facts.dimensions} dimensions, and an index of pgvector takes at most "
                f"{MOST_DIMENSIONS}; set [ollama] embed_model to another model"
            )
            raise BadVectorError(msg)
        await self._expect(facts)
        space, switched = await self._store.activate_space(
            facts.model, facts.digest, facts.dimensions, facts.query_prompt, facts.document_prompt
        )
        if switched:
            log.info("space_activated", space=space.id, model=space.model, dimensions=space.dimensions)
        return space

    async def _expect(self, facts: EmbedderFacts) -> None:
        """Raise BadVectorError when a known build suddenly gives vectors of another length, unless that lasts."""
        active = await self._store.active_space()
        known = active is not None and (active.model, active.digest) == (facts.model, facts.digest) and active.digest
        if active is None or not known or active.dimensions == facts.dimensions:
            self._odd = None
            return
        now = time.monotonic()
        if self._odd is None or self._odd[0] != facts.dimensions:
            self._odd = facts.dimensions, now
        if now - self._odd[1] < SURE_SECONDS:
            msg = (
                f"{facts.model} gives vectors of {facts.dimensions} numbers, and those that are stored, by the same build, "
                f"have {active.dimensions}; restart Ollama. If that goes on for {SURE_SECONDS / 60:g} minutes, all is "
                "embedded anew"
            )
            raise BadVectorError(msg)

    async def embed_next(self) -> bool:
        """Embed what some stored documents are missing; False when nothing is missing.

        While Ollama can't go on this waits, a few seconds at a time; vectors committed before stay.
        """
        try:
            return await self._embed_next()
        except OllamaError as error:
            self._embedder.outage.begin(error)
            await self._embedder.outage.pause()
            return True

    async def _embed_next(self) -> bool:
        if self._embedder.outage.reason is not None:
            await self._embedder.check()
        space = await self.space()
        documents = await self._backlog.claim_for_embedding(EMBED_DOCUMENTS)
        if not documents:
            self._embedder.outage.end()
            return False
        started, count, ready = time.monotonic(), 0, list[int]()
        try:
            while texts := await self._store.missing_texts(space, documents, EMBED_TEXTS):
                async for batch in self._embedder.embed_texts([text for _, text in texts]):
                    await self._store.put_vectors(space, [(texts[i][0], vector) for i, vector in batch])
                    count += len(batch)
                    self._counts.add("texts_embedded", len(batch))
                # In every round, so that a large document does not keep the small ones waiting.
                ready += await self._finish_vectors(space, documents)
            ready += await self._finish_vectors(space, documents)
        finally:
            await asyncio.shield(self._backlog.release([d for d in documents if d in self._backlog.held]))
        log.info("documents_ready", documents=ready, texts=count, ms=round((time.monotonic() - started) * 1000))
        return True

    async def _finish_vectors(self, space: Space, documents: list[int]) -> list[int]:
        ready = await self._store.finish_vectors(space, documents)
        self._backlog.done(ready)
        for document in ready:
            documents.remove(document)
        return ready
