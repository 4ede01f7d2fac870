"""An embedding model as the server has it: learned from the server, and looked at anew when it may be another one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from foliod.base.errors import OllamaUnavailableError
from foliod.ingest.divide import PROBE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from foliod.ollama.inference import Inference

_RELEVANT = "Represent this sentence for searching relevant passages: "
PROMPTS: dict[str, tuple[str, str]] = {
    "mxbai-embed-large": (_RELEVANT, ""),
    "snowflake-arctic-embed2": ("query: ", ""),
    "snowflake-arctic-embed": (_RELEVANT, ""),
    "bge-large": (_RELEVANT, ""),
    "nomic-embed-text": ("search_query: ", "search_document: "),
    "embeddinggemma": ("task: search result | query: ", "title: none | text: "),
    "qwen3-embedding": (
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
        "",
    ),
    "multilingual-e5": ("query: ", "passage: "),
}
"""What the models' cards tell to write before a query and before a document, by a part of the model's name."""

REFRESH_SECONDS = 15.0
"""The model's digest is asked for anew after so long, without loading the model."""
SERVER_CONTEXT = 4096
"""The context that Ollama gives a model on a small graphics card when nobody says otherwise."""
UNKNOWN_CONTEXT = 256
"""The smallest context of the embedding models in use, for one that tells none."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EmbedderFacts:
    """The embedding model as the server has it.

    `context_tokens` is what one request's text may have, its prompt and special tokens included.
    """

    model: str
    digest: str
    dimensions: int
    context_tokens: int
    query_prompt: str
    document_prompt: str


class EmbeddingModel:
    """What is known of one model, and the way to it: no vector comes from a model that is not the known one."""

    def __init__(self, inference: Inference, name: str, changed: Callable[[], None]) -> None:
        """`changed` is called when the model is learned for the first time, or turns out to be another build."""
        self._inference = inference
        self._name = name
        self._changed = changed
        self._facts: EmbedderFacts | None = None
        self._learned_from = ""
        """The address of the server that the facts are from."""
        self._fresh_until = 0.0
        self._learning: asyncio.Task[EmbedderFacts] | None = None

    async def end(self) -> None:
        """End the learning that nobody waits for any more."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.gather(self._learning, return_exceptions=True)

    def doubt(self) -> None:
        """Say that something went wrong: the model is looked at anew when it is wanted next."""
        self._fresh_until = 0.0

    async def facts(self) -> EmbedderFacts:
        """Return what is known of the model; learned from the server, cached, refreshed after errors.

        The first call loads the model. Learning goes on when the caller gives up, so that a slow
        start is not begun again by every caller. Raises OllamaError.
        """
        if self._facts and self._learned_from == self._inference.url and time.monotonic() < self._fresh_until:
            return self._facts
        if self._learning is None or self._learning.done():
            self._learning = asyncio.create_task(self._learn(), name="learn-embedding-model")
            self._learning.add_done_callback(forget_error)
        return await asyncio.shield(self._learning)

    async def embed(
        self, facts: EmbedderFacts, texts: Sequence[str], seconds: float | None = None
    ) -> NDArray[np.float32]:
        """Return one vector a text, shape (n, d), of the model that `facts` tell of; `seconds` bound the call.

        Raises OllamaUnavailableError when the server has another one by now, else what `Inference.embed` raises.
        """
        vectors, _ = await self._inference.embed(facts.model, texts, timeout=seconds)
        self._check(facts, vectors)
        return vectors

    async def embed_one(self, text: Callable[[EmbedderFacts], str]) -> tuple[NDArray[np.float32], EmbedderFacts]:
        """Embed one text, and once more when the model turns out not to be the one that was known."""
        for last in (False, True):
            facts = await self.facts()
            vectors, _ = await self._inference.embed(facts.model, [text(facts)])
            try:
                self._check(facts, vectors)
            except OllamaUnavailableError:
                if last:
                    raise
            else:
                break
        return vectors, facts

    def _check(self, facts: EmbedderFacts, vectors: NDArray[np.float32]) -> None:
        if vectors.shape[1] != facts.dimensions:
            self._facts = None
            raise OllamaUnavailableError(
                f"{facts.model} at {self._inference.url} gives vectors of {vectors.shape[1]} numbers, "
                f"not of {facts.dimensions} as before; it is looked at anew"
            )
        if self._inference.url != self._learned_from:
            raise OllamaUnavailableError(f"{self._inference.url} took over; its {facts.model} is looked at first")

    async def _learn(self) -> EmbedderFacts:
        described = await self._inference.describe(self._name)
        where = self._inference.url
        known = self._facts
        if known is None or known.digest != described.digest:
            query_prompt, document_prompt = prompts_of(self._name)
            probe, _ = await self._inference.embed(self._name, [document_prompt + PROBE])
            if self._inference.url != where:
                raise OllamaUnavailableError(f"{self._inference.url} took over from {where}; it is asked anew")
            dimensions = probe.shape[1]
            if described.embedding_length not in (None, dimensions):
                log.warning(
                    "dimensions_differ",
                    model=self._name,
                    described=described.embedding_length,
                    dimensions=dimensions,
                )
            known = EmbedderFacts(
                model=self._name,
                digest=described.digest,
                dimensions=dimensions,
                context_tokens=min(
                    described.context_length or UNKNOWN_CONTEXT, described.default_context or SERVER_CONTEXT
                ),
                query_prompt=query_prompt,
                document_prompt=document_prompt,
            )
            self._changed()
            log.info("embedding_model", model=known.model, dimensions=dimensions, context=known.context_tokens)
        self._facts = known
        self._learned_from, self._fresh_until = where, time.monotonic() + REFRESH_SECONDS
        return known


def prompts_of(model: str) -> tuple[str, str]:
    """Return what the model wants before a query and before a document; nothing when it is not known."""
    name = model.lower()
    return next((prompts for family, prompts in PROMPTS.items() if family in name), ("", ""))


def forget_error(task: asyncio.Task[Any]) -> None:
    """Mark a task's error as seen: who waits for the task gets it, and nobody may be waiting any more."""
    if not task.cancelled():
        task.exception()
