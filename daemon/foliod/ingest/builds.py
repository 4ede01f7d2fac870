"""Whether the model that Ollama has now made the stored vectors: vectors of two builds are never compared.

A model that was pulled anew has another digest, often with the same weights. A few stored texts are
embedded again: when their vectors are the same, the space goes on. Else the change is asked for as
one of model is, once, by the host on which the build changed; a host that never had the build of
the store asks for nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
import structlog

from foliod.base.errors import BadVectorError, BuildChangedError
from foliod.base.patience import alone

if TYPE_CHECKING:
    from foliod.base.model import Space
    from foliod.ingest.embed import Embedder
    from foliod.ingest.embedders import Embedders
    from foliod.ingest.embedding_model import EmbedderFacts
    from foliod.store.plan import Request
    from foliod.store.spaces import Spaces

MOST_DIMENSIONS = 4000
"""An HNSW index of halfvec takes no more (pgvector's README)."""
SURE_SECONDS = 600.0
"""A build of a model has one length of vectors. When it seems to have another for so long, that is believed."""
ALIKE = 0.999
"""Cosine from which on two vectors of one text are the same: processors differ by 1e-4, quantizations by more."""

log = structlog.get_logger()


class Builds:
    """Compares builds for one daemon."""

    def __init__(self, spaces: Spaces, embedders: Embedders) -> None:
        self._spaces = spaces
        self._embedders = embedders
        self._lock = asyncio.Lock()
        self._unlike: set[tuple[int, str]] = set()
        """Spaces and digests that were compared in vain."""
        self._odd: tuple[int, float] | None = None
        """Vectors of so many numbers, and since when, where this build of the model has given others before."""
        self._seen: dict[str, tuple[str, int]] = {}

    async def maker(self, space: Space) -> EmbedderFacts:
        """Return the build that the model of a space has now, whose vectors are of this space.

        Raises BuildChangedError when Ollama has another build by now, BadVectorError when its vectors have suddenly
        another length, OllamaError when the model can't be asked.
        """
        embedder = self._embedders.of(space.model)
        facts = await embedder.facts()
        async with alone(self._lock):
            if space.made_by(facts.digest) and facts.dimensions == space.dimensions:
                self._odd = None
                await self._see(facts)
            elif space.made_by(facts.digest):
                await self._other_length(space, facts)
            elif not await self._alike(space, embedder, facts):
                await self._other_build(space, facts)
        return facts

    async def fits(self, wanted: Request, facts: EmbedderFacts) -> None:
        """Raise BuildChangedError when a build is not the one that is asked for; ask for it if it changed here."""
        if wanted.digest in (None, facts.digest) and wanted.dimensions in (None, facts.dimensions):
            return
        seen = await self._spaces.seen(facts.model)
        if seen == (wanted.digest, wanted.dimensions):
            await self._spaces.ask(facts.model, "build", digest=facts.digest, dimensions=facts.dimensions)
            await self._see(facts)
        msg = f"Ollama has another build of {facts.model} than the one that was asked for; foliod reembed asks for it"
        raise BuildChangedError(msg)

    async def _see(self, facts: EmbedderFacts) -> None:
        now = facts.digest, facts.dimensions
        if self._seen.get(facts.model) != now:
            await self._spaces.see(facts.model, *now)
            self._seen[facts.model] = now

    async def _alike(self, space: Space, embedder: Embedder, facts: EmbedderFacts) -> bool:
        """Return whether a new build makes the vectors that are stored, and take note of it."""
        if facts.dimensions != space.dimensions or (space.id, facts.digest) in self._unlike:
            return False
        sample = await self._spaces.sample(space)
        worst = 1.0
        async for batch in embedder.embed_texts([text for text, _ in sample], facts):
            for place, vector in batch:
                worst = min(worst, 0.0 if isinstance(vector, str) else float(np.dot(vector, sample[place][1])))
        log.info("builds_compared", model=space.model, texts=len(sample), cosine=round(worst, 5), alike=worst >= ALIKE)
        if worst < ALIKE:
            self._unlike.add((space.id, facts.digest))
            return False
        await self._spaces.adopt(space, facts.digest)
        await self._see(facts)
        return True

    async def _other_build(self, space: Space, facts: EmbedderFacts) -> None:
        """Ask for the new build when it was here that it changed. Raises BuildChangedError."""
        check_dimensions(facts)
        seen = await self._spaces.seen(space.model)
        if seen is not None and space.made_by(seen[0]):
            await self._spaces.ask(facts.model, "build", digest=facts.digest, dimensions=facts.dimensions)
            await self._see(facts)
        request = (await self._spaces.plan()).request
        what = (
            f"Ollama has another build of the embedding model {facts.model} than the one that made the stored vectors"
        )
        if request is not None and request.digest == facts.digest:
            raise BuildChangedError(f"{what}; all is embedded anew in the background")
        raise BuildChangedError(f"{what}: pull the same one, or have all embedded anew with foliod reembed")

    async def _other_length(self, space: Space, facts: EmbedderFacts) -> None:
        """Raise BadVectorError: a known build gives vectors of another length. When that lasts, ask for them."""
        now = time.monotonic()
        if self._odd is None or self._odd[0] != facts.dimensions:
            self._odd = facts.dimensions, now
        what = (
            f"{facts.model} gives vectors of {facts.dimensions} numbers, and those that are stored, by the same build, "
            f"have {space.dimensions}"
        )
        if now - self._odd[1] >= SURE_SECONDS:
            check_dimensions(facts)
            seen = await self._spaces.seen(space.model)
            if seen is not None and seen[1] == space.dimensions:
                await self._spaces.ask(facts.model, "build", digest=facts.digest, dimensions=facts.dimensions)
                await self._see(facts)
            raise BuildChangedError(f"{what}; all is embedded anew in the background")
        msg = f"{what}; restart Ollama. If that goes on for {SURE_SECONDS / 60:g} minutes, all is embedded anew"
        raise BadVectorError(msg)


def check_dimensions(facts: EmbedderFacts) -> None:
    """Raise BadVectorError when no index can be made of a model's vectors."""
    if facts.dimensions > MOST_DIMENSIONS:
        msg = (
            f"{facts.model} gives vectors of {facts.dimensions} dimensions, and an index of pgvector takes at most "
            f"{MOST_DIMENSIONS}; name another one, as [ollama] embed_model or with foliod reembed --model"
        )
        raise BadVectorError(msg)
