"""Gives stored documents their vectors, batch by batch, each committed at once.

Text is searchable without them, so this waits for Ollama as long as it takes.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from foliod.base.errors import BuildChangedError, OllamaError
from foliod.ingest.builds import check_dimensions

if TYPE_CHECKING:
    from foliod.base.model import Space
    from foliod.base.telemetry import Counters
    from foliod.ingest.backlog import Backlog
    from foliod.ingest.builds import Builds
    from foliod.ingest.embed import Embedder
    from foliod.ingest.embedders import Embedders
    from foliod.ingest.embedding_model import EmbedderFacts
    from foliod.store.spaces import Spaces
    from foliod.store.store import Store

EMBED_DOCUMENTS = 16
"""Documents whose chunks are embedded together, so that short documents fill batches too."""
EMBED_TEXTS = 256
log = structlog.get_logger()


class Vectors:
    """Embeds what stored documents are missing."""

    def __init__(
        self,
        store: Store,
        spaces: Spaces,
        backlog: Backlog,
        embedders: Embedders,
        builds: Builds,
        counts: Counters,
    ) -> None:
        self._store = store
        self._spaces = spaces
        self._backlog = backlog
        self._embedders = embedders
        self._builds = builds
        self._counts = counts

    @property
    def trouble(self) -> str | None:
        """Why nothing can be embedded now, as far as is known."""
        return self._embedder.outage.reason or self._embedders.trouble

    @property
    def _embedder(self) -> Embedder:
        return self._embedders.of(self._embedders.serving)

    async def space(self) -> tuple[Space, EmbedderFacts]:
        """Return the space that serves, and the build whose vectors are of it.

        When there is no space yet, it is made for the model that is asked for.

        Raises BuildChangedError when Ollama has another build of the model by now, OllamaError when it can't be asked.
        """
        plan = await self._spaces.plan()
        space = plan.active
        if space is None:
            self._embedders.serving = self._embedders.configured if plan.request is None else plan.request.model
            facts = await self._embedder.facts()
            check_dimensions(facts)
            space, made = await self._store.activate_space(
                facts.model, facts.digest, facts.dimensions, facts.query_prompt, facts.document_prompt
            )
            if made:
                log.info("space_activated", space=space.id, model=space.model, dimensions=space.dimensions)
        self._embedders.serving = space.model
        return space, await self._builds.maker(space)

    async def embed_next(self) -> bool:
        """Embed what some stored documents are missing; False when nothing is missing, or nothing can be done for it.

        While Ollama can't go on this waits, a few seconds at a time; vectors committed before stay.
        """
        try:
            return await self._embed_next()
        except BuildChangedError as error:
            # Ollama is well, and what is asked of it for another space goes on.
            if self._embedders.trouble is None:
                log.warning("build_changed", reason=error.message)
            self._embedders.trouble = error.message
            return False
        except OllamaError as error:
            self._embedder.outage.begin(error)
            await self._embedder.outage.pause()
            return True

    async def _embed_next(self) -> bool:
        if self._embedder.outage.reason is not None:
            await self._embedder.check()
        space, build = await self.space()
        self._embedders.trouble = None
        embedder = self._embedder
        documents = await self._backlog.claim_for_embedding(EMBED_DOCUMENTS)
        if not documents:
            embedder.outage.end()
            return False
        started, count, ready = time.monotonic(), 0, list[int]()
        bound = structlog.contextvars.bind_contextvars(document_ids=list(documents))
        try:
            while texts := await self._store.missing_texts(space, documents, EMBED_TEXTS):
                async for batch in embedder.embed_texts([text for _, text in texts], build):
                    await self._store.put_vectors(space, [(texts[i][0], vector) for i, vector in batch])
                    count += len(batch)
                    self._counts.add("texts_embedded", len(batch))
                # In every round, so that a large document does not keep the small ones waiting.
                ready += await self._finish_vectors(space, documents)
                if self._embedders.serving != space.model:
                    break
            ready += await self._finish_vectors(space, documents)
        finally:
            await asyncio.shield(self._backlog.release([d for d in documents if d in self._backlog.held]))
            structlog.contextvars.reset_contextvars(**bound)
        log.info("documents_ready", document_ids=ready, texts=count, ms=round((time.monotonic() - started) * 1000))
        return True

    async def _finish_vectors(self, space: Space, documents: list[int]) -> list[int]:
        ready = await self._store.finish_vectors(space, documents)
        self._backlog.done(ready)
        for document in ready:
            documents.remove(document)
        return ready
