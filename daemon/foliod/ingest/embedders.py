"""The embedders of a daemon, one for each model in use.

There are two while a change of model is under way: one for questions, one for the new vectors.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Self

from foliod.ingest.embed import Embedder
from foliod.ingest.turn import Turn
from foliod.ollama.inference import full_name

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from foliod.base.config import Ollama
    from foliod.ingest.embed import Vector
    from foliod.ingest.embedding_model import EmbedderFacts
    from foliod.ollama.inference import Inference, OllamaHealth


class Embedders:
    """Makes an embedder for each model when it is asked for. Leaving its context ends their background tasks."""

    def __init__(self, inference: Inference, settings: Ollama) -> None:
        self.configured = settings.embed_model
        self.serving = settings.embed_model
        """The model of the space that serves: until that is known, the configured one."""
        self.trouble: str | None = None
        """Why the model that serves makes no vectors for its space, though it answers; None when it does."""
        self._inference = inference
        self._turn = Turn()
        self._by_name: dict[str, Embedder] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.gather(*(embedder.__aexit__(*exc) for embedder in self._by_name.values()))

    def of(self, model: str) -> Embedder:
        """Return the embedder of a model, by any of the names that Ollama takes for it."""
        name = full_name(model)
        if name not in self._by_name:
            self._by_name[name] = Embedder(self._inference, model, self._turn)
        return self._by_name[name]

    async def facts(self) -> EmbedderFacts:
        """Return what is known of the model that serves. Raises OllamaError."""
        return await self.of(self.serving).facts()

    async def embed_query(self, text: str, *, seconds: float, model: str | None = None) -> tuple[Vector, EmbedderFacts]:
        """Return a question's vector by a model (None is the one that serves); see `Embedder.embed_query`."""
        return await self.of(model or self.serving).embed_query(text, seconds=seconds)

    def questions(self) -> AbstractAsyncContextManager[None]:
        """Hold while a question is being answered: the batches of all models wait."""
        return self._turn.questions()

    async def health(self) -> OllamaHealth:
        """Return whether Ollama answers and, when it does, why chunks wait for their vectors all the same."""
        health = await self.of(self.serving).health()
        return dataclasses.replace(health, error=health.error or self.trouble)
