"""Vectors for questions and for chunks: batches that fit the model and the machine, questions first.

One text that the model refuses never holds back its neighbours, and what a batch brought is
handed over at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import structlog

from foliod.base.errors import OllamaError, OllamaTimeoutError, OllamaUnavailableError
from foliod.ingest.divide import PROBE, embed_each
from foliod.text.chunk import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from numpy.typing import NDArray

    from foliod.base.config import Ollama
    from foliod.ollama.inference import Inference

    Vector = NDArray[np.float32]

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

FIRST_BUDGET = 2000
SMALLEST_BUDGET = 100
LARGEST_BUDGET = 8000
"""Tokens a batch; at least one text goes, however long."""
SURELY_TOO_LONG = 1.5
"""Estimates are on the safe side: most texts of a little more tokens than the context still fit."""
SLOW_SECONDS = 1.0
"""A batch that takes longer is halved, for a question waits behind the batch under way; one that
takes less than half of it lets the next grow by a quarter."""
RETRY_SECONDS = (0.5, 1.0, 2.0)
"""Waits before the tries after a first failure that may pass."""
PATIENCE_SECONDS = 30.0
"""A batch waits for questions so long at most."""
REFRESH_SECONDS = 60.0
"""The model's digest is asked for anew after so long, without loading the model."""
SERVER_CONTEXT = 4096
"""The context that Ollama gives a model on a small graphics card when nobody says otherwise."""
UNKNOWN_CONTEXT = 256
"""The smallest context of the embedding models in use, for one that tells none."""
CACHED_QUESTIONS = 256

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


class Embedder:
    """Embeds with the configured model. Leaving its context ends its background tasks."""

    def __init__(self, inference: Inference, settings: Ollama) -> None:
        self._inference = inference
        self._model = settings.embed_model
        self._facts: EmbedderFacts | None = None
        self._learned_from = ""
        """The address of the server that the facts are from."""
        self._fresh_until = 0.0
        self._learning: asyncio.Task[EmbedderFacts] | None = None
        self._late: asyncio.Task[Vector] | None = None
        self._cache: OrderedDict[str, Vector] = OrderedDict()
        self._budget = FIRST_BUDGET
        self._questions = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [task for task in (self._learning, self._late) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def facts(self) -> EmbedderFacts:
        """Return what is known of the model; learned from the server, cached, refreshed after errors.

        The first call loads the model. Learning goes on when the caller gives up, so that a slow
        start is not begun again by every caller. Raises OllamaError.
        """
        if self._facts and self._learned_from == self._inference.url and time.monotonic() < self._fresh_until:
            return self._facts
        if self._learning is None or self._learning.done():
            self._learning = asyncio.create_task(self._learn(), name="learn-embedding-model")
            self._learning.add_done_callback(_forget_error)
        return await asyncio.shield(self._learning)

    async def embed_query(self, text: str, *, seconds: float) -> Vector:
        """Return a question's vector, shape (d,), read-only.

        Raises OllamaTimeoutError after `seconds`, else what `Inference.embed` raises.
        """
        cached = self._cache.get(text)
        if cached is not None:
            self._cache.move_to_end(text)
            return cached
        task = asyncio.create_task(self._embed_question(text), name="embed-question")
        task.add_done_callback(_forget_error)
        try:
            async with self.questions():
                await asyncio.wait((task,), timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            return task.result()
        # Ollama stops loading a model when who asked hangs up. One late question is let finish,
        # so that the model is there for the next.
        if self._late is None or self._late.done():
            self._late = task
        else:
            task.cancel()
        raise OllamaTimeoutError(f"{self._model} at {self._inference.url} did not embed the question in {seconds:g} s")

    async def embed_texts(self, texts: Sequence[str]) -> AsyncGenerator[list[tuple[int, Vector | str]], None]:
        """Yield finished batches of (index, vector), or (index, why the model refuses this text).

        Raises OllamaUnavailableError after some tries, ModelMissingError at once, OllamaError.
        """
        begun_with: EmbedderFacts | None = None
        start = failures = 0
        while start < len(texts):
            await self._turn()
            try:
                facts = await self.facts()
                begun_with = begun_with or facts
                _same_model(begun_with, facts)
                batch, tokens = self._cut(texts, start, facts.context_tokens)
                vectors = await self._batch(facts, batch, tokens)
            except OllamaUnavailableError as error:
                self._fresh_until = 0.0
                if failures == len(RETRY_SECONDS):
                    raise
                log.info("embedding_retried", error=error.message, seconds=RETRY_SECONDS[failures])
                await asyncio.sleep(RETRY_SECONDS[failures])
                failures += 1
                continue
            except OllamaError:
                self._fresh_until = 0.0
                raise
            yield list(enumerate(vectors, start=start))
            start, failures = start + len(batch), 0

    @contextlib.asynccontextmanager
    async def questions(self) -> AsyncIterator[None]:
        """Hold while a question is being answered: batches of chunks wait, 30 seconds at most each."""
        self._questions += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._questions -= 1
            if not self._questions:
                self._quiet.set()

    # --- the model ----------------------------------------------------------------------

    async def _learn(self) -> EmbedderFacts:
        described = await self._inference.describe(self._model)
        known = self._facts
        if known is None or known.digest != described.digest:
            query_prompt, document_prompt = prompts_of(self._model)
            probe, _ = await self._inference.embed(self._model, [document_prompt + PROBE])
            dimensions = probe.shape[1]
            if described.embedding_length not in (None, dimensions):
                log.warning("dimensions_differ", model=self._model, said=described.embedding_length, real=dimensions)
            known = EmbedderFacts(
                model=self._model,
                digest=described.digest,
                dimensions=dimensions,
                context_tokens=min(
                    described.context_length or UNKNOWN_CONTEXT, described.default_context or SERVER_CONTEXT
                ),
                query_prompt=query_prompt,
                document_prompt=document_prompt,
            )
            self._cache.clear()
            log.info("embedding_model", model=known.model, dimensions=dimensions, context=known.context_tokens)
        self._facts = known
        self._learned_from, self._fresh_until = self._inference.url, time.monotonic() + REFRESH_SECONDS
        return known

    async def _embed_question(self, text: str) -> Vector:
        facts = await self.facts()
        try:
            vectors, _ = await self._inference.embed(facts.model, [facts.query_prompt + text])
        except OllamaError:
            self._fresh_until = 0.0
            raise
        self._check(facts, vectors)
        vector: Vector = vectors[0]
        vector.flags.writeable = False
        self._cache[text] = vector
        if len(self._cache) > CACHED_QUESTIONS:
            self._cache.popitem(last=False)
        return vector

    def _check(self, facts: EmbedderFacts, vectors: NDArray[np.float32]) -> None:
        if vectors.shape[1] != facts.dimensions:
            self._facts = None
            raise OllamaUnavailableError(
                f"{facts.model} at {self._inference.url} gives vectors of {vectors.shape[1]} numbers, "
                f"not of {facts.dimensions} as before; it is looked at anew"
            )
        if self._inference.url != self._learned_from:
            raise OllamaUnavailableError(f"{self._inference.url} took over; its {facts.model} is looked at first")

    # --- batches ------------------------------------------------------------------------

    async def _turn(self) -> None:
        """Let questions go first, but not for ever."""
        if not self._quiet.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._quiet.wait()

    def _cut(self, texts: Sequence[str], start: int, context: int) -> tuple[Sequence[str], int]:
        """Return the batch that begins at `start`, and its tokens; a text that is surely too long goes alone."""
        spent, stop, longest = estimate_tokens(texts[start]), start + 1, context * SURELY_TOO_LONG
        if spent <= longest:
            for text in texts[stop:]:
                tokens = estimate_tokens(text)
                if spent + tokens > self._budget or tokens > longest:
                    break
                spent, stop = spent + tokens, stop + 1
        return texts[start:stop], spent

    async def _batch(self, facts: EmbedderFacts, texts: Sequence[str], tokens: int) -> list[Vector | str]:
        """Embed a batch, and learn from the time it takes how large the next may be."""
        started = time.monotonic()
        smaller = max(SMALLEST_BUDGET, min(tokens, self._budget) // 2)
        try:
            vectors = await embed_each(lambda part: self._ask(facts, part), texts)
        except OllamaTimeoutError:
            self._budget = smaller
            raise
        took = time.monotonic() - started
        if took > SLOW_SECONDS:
            self._budget = smaller
        elif took < SLOW_SECONDS / 2 and tokens > self._budget / 2:
            self._budget = min(LARGEST_BUDGET, self._budget * 5 // 4)
        return vectors

    async def _ask(self, facts: EmbedderFacts, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors, _ = await self._inference.embed(facts.model, [facts.document_prompt + text for text in texts])
        self._check(facts, vectors)
        return vectors


def prompts_of(model: str) -> tuple[str, str]:
    """Return what the model wants before a query and before a document; nothing when it is not known."""
    name = model.lower()
    return next((prompts for family, prompts in PROMPTS.items() if family in name), ("", ""))


def _same_model(begun_with: EmbedderFacts, facts: EmbedderFacts) -> None:
    if (facts.digest, facts.dimensions) != (begun_with.digest, begun_with.dimensions):
        raise OllamaError(f"{facts.model} was replaced by another build; vectors of the two do not mix")


def _forget_error(task: asyncio.Task[Any]) -> None:
    """Mark a task's error as seen: who waits for the task gets it, and nobody may be waiting any more."""
    if not task.cancelled():
        task.exception()
