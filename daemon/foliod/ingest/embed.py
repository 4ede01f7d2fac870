"""Vectors for questions and for chunks: batches that fit the model and the machine, questions first.

One text that the model refuses never holds back its neighbours, and what a batch brought is
handed over at once.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Self

import numpy as np
import structlog

from foliod.base.errors import (
    ModelBrokenError,
    OllamaError,
    OllamaLostError,
    OllamaTimeoutError,
    OllamaUnavailableError,
)
from foliod.ingest.batch import BatchSize
from foliod.ingest.divide import NO_TEXT_IS_TO_BLAME, PROBE, embed_each
from foliod.ingest.embedding_model import EmbedderFacts, EmbeddingModel, forget_error
from foliod.ingest.outage import Outage
from foliod.ingest.turn import Turn
from foliod.text.chunk import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from contextlib import AbstractAsyncContextManager

    from numpy.typing import NDArray

    from foliod.ollama.inference import Inference, OllamaHealth

    Vector = NDArray[np.float32]

RETRY_SECONDS = (0.5, 1.0, 2.0)
"""Waits before the tries after a first failure that may pass."""
ALONE_SECONDS = 30.0
"""When a short text has just been embedded, others get so much longer in proportion to their length, and this on top."""
TRIES_ALONE = 3
"""A text that silences Ollama so often, each time just after another text was embedded, is to blame."""
CACHED_QUESTIONS = 256
PROBE_TOKENS = estimate_tokens(PROBE)

log = structlog.get_logger()


class Embedder:
    """Embeds with one model. Leaving its context ends its background tasks."""

    def __init__(self, inference: Inference, model: str, turn: Turn | None = None) -> None:
        self.outage = Outage()
        self.model = model
        self._inference = inference
        self._turn = turn or Turn()
        self._late: asyncio.Task[tuple[Vector, EmbedderFacts]] | None = None
        self._cache: OrderedDict[str, tuple[Vector, EmbedderFacts]] = OrderedDict()
        # A vector of the model as it was before answers nothing.
        self.known = EmbeddingModel(inference, model, self._cache.clear)
        self._size = BatchSize()
        self._suspects: dict[str, int] = {}
        """Texts at which Ollama fell silent though it embedded another one just before, and how often."""
        self._gave_way = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._late is not None:
            self._late.cancel()
            await asyncio.gather(self._late, return_exceptions=True)
        await self.known.end()

    async def facts(self) -> EmbedderFacts:
        """Return what is known of the model; see `EmbeddingModel.facts`."""
        return await self.known.facts()

    async def health(self) -> OllamaHealth:
        """Return whether Ollama answers and, when it does, why chunks wait for their vectors all the same."""
        health = await self._inference.health()
        return dataclasses.replace(health, error=health.error or self.outage.reason)

    async def embed_query(self, text: str, *, seconds: float) -> tuple[Vector, EmbedderFacts]:
        """Return a question's vector, shape (d,), read-only, and the model that made it.

        Raises OllamaTimeoutError after `seconds`, else what `Inference.embed` raises.
        """
        cached = self._cache.get(text)
        if cached is not None:
            self._cache.move_to_end(text)
            return cached
        task = asyncio.create_task(self._embed_question(text), name="embed-question")
        task.add_done_callback(forget_error)
        try:
            async with self._turn.questions():
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
        raise OllamaTimeoutError(f"{self.model} at {self._inference.url} did not embed the question in {seconds:g} s")

    async def embed_texts(
        self, texts: Sequence[str], begun_with: EmbedderFacts | None = None
    ) -> AsyncGenerator[list[tuple[int, Vector | str]], None]:
        """Yield finished batches of (index, vector), or (index, why the model refuses this text).

        All are made by the build that `begun_with` tells of; without it, by the one that makes the first. Raises
        OllamaUnavailableError after some tries, ModelMissingError at once, OllamaError, also when there is another
        build by now.
        """
        start = failures = 0
        while start < len(texts):
            await self._turn.wait()
            batch, tokens, pace = texts[:0], 0, None
            try:
                if failures or self.outage.reason:
                    pace = await self.check()
                facts = await self.facts()
                begun_with = begun_with or facts
                _same_model(begun_with, facts)
                batch, tokens = self._size.cut(texts, start, facts.context_tokens)
                vectors = await self._batch(facts, batch, tokens, pace)
            except _GaveWayError:
                continue
            except OllamaUnavailableError as error:
                self.known.doubt()
                if pace is not None and (refused := self._to_blame(batch, tokens, error)):
                    yield [(start, refused)]
                    start, failures = start + 1, 0
                    continue
                # What lasts is waited for by who called.
                if failures == len(RETRY_SECONDS) or self.outage.reason or isinstance(error, ModelBrokenError):
                    raise
                log.info("embedding_retried", error=error.message, seconds=RETRY_SECONDS[failures])
                await asyncio.sleep(RETRY_SECONDS[failures])
                failures += 1
                continue
            except OllamaError:
                self.known.doubt()
                raise
            self.outage.end()
            self._suspects.clear()
            yield list(enumerate(vectors, start=start))
            start, failures = start + len(batch), 0

    async def check(self) -> float:
        """Embed one short text; return the seconds that it took.

        After a failure this goes before the batches: it costs little when the trouble lasts, and
        what fails after it has itself to blame. Raises ModelBrokenError when the model refuses
        even this text, else what `facts` raises.
        """
        self.known.doubt()
        started = time.monotonic()
        try:
            await self.known.embed_one(lambda facts: facts.document_prompt + PROBE)
        except NO_TEXT_IS_TO_BLAME:
            raise
        except OllamaError as error:
            raise ModelBrokenError(f"no text can be embedded: {error.message}") from None
        return time.monotonic() - started

    def questions(self) -> AbstractAsyncContextManager[None]:
        """Hold while a question is being answered: batches of chunks wait, 30 seconds at most each."""
        return self._turn.questions()

    # --- questions ----------------------------------------------------------------------

    async def _embed_question(self, text: str) -> tuple[Vector, EmbedderFacts]:
        try:
            vectors, facts = await self.known.embed_one(lambda facts: facts.query_prompt + text)
        except OllamaError:
            self.known.doubt()
            raise
        vector: Vector = vectors[0]
        vector.flags.writeable = False
        found = self._cache[text] = vector, facts
        if len(self._cache) > CACHED_QUESTIONS:
            self._cache.popitem(last=False)
        self.outage.worked()
        return found

    # --- batches ------------------------------------------------------------------------

    async def _batch(
        self, facts: EmbedderFacts, texts: Sequence[str], tokens: int, pace: float | None
    ) -> list[Vector | str]:
        """Embed a batch, and learn from the time it takes how large the next may be.

        `pace` is how many seconds PROBE has just taken, None when it was not asked.
        """
        started = time.monotonic()
        seconds = None if pace is None else ALONE_SECONDS + pace * tokens / PROBE_TOKENS
        size_refused = False

        async def ask(part: Sequence[str]) -> NDArray[np.float32]:
            nonlocal size_refused
            try:
                prompted = [facts.document_prompt + text for text in part]
                return await self.known.embed(facts, prompted, seconds)
            except OllamaError as error:
                size_refused |= len(part) > 1 and type(error) is OllamaError
                raise

        try:
            # What gave way once is not broken off again: many questions must not stop everything else.
            async with self._turn.batch(gives_way=not self._gave_way):
                vectors = await embed_each(ask, texts)
        except OllamaTimeoutError:
            self._size.too_much(tokens)
            raise
        except TimeoutError:
            self._gave_way = True
            self._size.too_much(tokens)
            log.info("batch_gave_way", texts=len(texts), seconds=round(time.monotonic() - started, 1))
            raise _GaveWayError from None
        self._gave_way = False
        if size_refused and not any(isinstance(vector, str) for vector in vectors):
            # Each part passed that was refused as a whole, as where the memory is too small for large batches.
            self._size.too_much(tokens)
        else:
            self._size.done(tokens, time.monotonic() - started)
        return vectors

    def _to_blame(self, texts: Sequence[str], tokens: int, error: OllamaUnavailableError) -> str | None:
        """Return why a text is given up that silences Ollama whenever it is sent; None while that is not sure."""
        if not texts or not isinstance(error, OllamaTimeoutError | OllamaLostError):
            return None
        if len(texts) > 1:
            if isinstance(error, OllamaLostError):
                self._size.too_much(tokens)
            return None
        self._suspects[texts[0]] = self._suspects.get(texts[0], 0) + 1
        if self._suspects[texts[0]] < TRIES_ALONE:
            return None
        del self._suspects[texts[0]]
        log.warning("text_refused", reason=error.message)
        return f"Ollama fails at this text, though not at others: {error.message}"


class _GaveWayError(Exception):
    """A batch was broken off for a question."""


def _same_model(begun_with: EmbedderFacts, facts: EmbedderFacts) -> None:
    if (facts.digest, facts.dimensions) != (begun_with.digest, begun_with.dimensions):
        raise OllamaError(f"{facts.model} was replaced by another build; vectors of the two do not mix")
