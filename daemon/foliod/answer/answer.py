"""One question from search to the last word: sources, thinking, tokens, and what the answer rests on.

Without a chat model the answer is made of quoted sentences. Events are the objects of
`POST /v1/ask`; errors are raised, and whoever streams tells them.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from foliod.answer.citations import Checker, cite
from foliod.answer.coverage import covered
from foliod.answer.generate import Plan, generate
from foliod.answer.habits import Acquaintances
from foliod.answer.prompt import Turn, compose, search_text, usual_context
from foliod.answer.quoted import quoted
from foliod.answer.rewrite import standalone
from foliod.answer.thinking import without_thinking
from foliod.base.errors import ContextExceededError, OllamaError, OllamaTimeoutError
from foliod.base.model import Filters
from foliod.base.objects import hit_object
from foliod.text.language import spoken

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from foliod.base.config import Settings
    from foliod.base.contract import Mode
    from foliod.base.model import Hit, SearchResult
    from foliod.ingest.embedders import Embedders
    from foliod.ollama.inference import Inference, ModelFacts
    from foliod.retrieve.retrieve import Retriever
    from foliod.store.database import Database

DESCRIBE_SECONDS = 2.0
"""Asking what the chat model can do takes milliseconds; after so long Ollama is not there, and quotes are the answer."""
FAR = 0.3
"""A question of which no passage holds a word, in the passages' language, is not put to the model when no passage is
nearer than this cosine. With all-minilm, questions off the subject of covidqa come to 0.27 at most, those of covidqa to
0.25 and more (0.55 at the median). Questions in another language come to 0.12 and more, so to them it does not apply;
nor does it to models whose cosines are all high, which are asked."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `limit` is how many passages the answer may rest on; None is the configured value."""

    text: str
    history: tuple[Turn, ...] = ()
    limit: int | None = None
    model: str | None = None
    think: bool | None = None
    mode: Mode = "hybrid"
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True, slots=True)
class _Found:
    """What was searched for, what was found, what the chat model can do, and what the hits' documents lack."""

    searched: str
    result: SearchResult
    facts: ModelFacts | OllamaError | None
    """None: no chat model is wanted."""
    coverage: dict[str, Any]


class Answerer:
    """Answers questions from what `retriever` finds, by a model when there is one."""

    def __init__(
        self, retriever: Retriever, inference: Inference, embedder: Embedders, settings: Settings, db: Database
    ) -> None:
        self._retriever = retriever
        self._inference = inference
        self._embedder = embedder
        self._settings = settings
        self._db = db
        self._acquaintances = Acquaintances()

    async def ask(self, question: Question) -> AsyncGenerator[dict[str, Any], None]:
        """Yield `sources`, then `thinking` and `token` pieces, then `done`.

        Close the generator to stop the model. Raises what the search raises, and OllamaError when
        the model breaks off after its first token; before that, the answer is quoted instead.
        """
        clock = _Clock()
        # Held to the end, so that ingestion does not take the processor from an answer half way.
        async with self._embedder.questions():
            found = await self._look_up(question)
            result = found.result
            plan, trouble = await self._plan(question, found)
            passages = result.hits[: plan.prompt.passages] if plan else result.hits
            yield _sources(found, passages)

            # The passages are read while the model begins, so that nothing is left to do when it ends but to compare.
            reading = asyncio.create_task(asyncio.to_thread(Checker, found.searched, passages), name="read passages")
            answer = ""
            try:
                if plan is not None:
                    habits = self._acquaintances.of(plan.facts)
                    try:
                        seconds = self._settings.ollama.answer_seconds
                        async with aclosing(generate(self._inference, plan, habits, seconds=seconds)) as pieces:
                            async for piece in pieces:
                                if piece.kind == "token":
                                    clock.token()
                                    answer += piece.text
                                yield {"type": piece.kind, "text": piece.text}
                    except OllamaError as error:
                        if answer:
                            raise
                        trouble = error.message
                    else:
                        trouble = None if answer.strip() else f"{plan.facts.name} gave no answer"
                written = time.perf_counter()
                answer = without_thinking(answer)
                checker = await reading
            finally:
                reading.cancel()
            by_model = bool(answer)
            if by_model:
                checked = await asyncio.to_thread(checker.check, answer)
            else:
                checked, texts = await quoted(
                    self._db, checker, found.searched, result.rest, passages, result.coverage, question.filters
                )
                for text in texts:
                    clock.token()
                    yield {"type": "token", "text": text}
            citations, unchecked = await cite(self._db, passages, checked.quotes)
            yield {
                "type": "done",
                "answer": checked.text,
                "answered": checked.answered,
                "citations": citations,
                "invented": checked.invented,
                "unsupported": checked.unsupported,
                "generator": "ollama" if by_model else "quotes",
                "model": plan.facts.name if plan and by_model else None,
                "mode": result.mode,
                "question": found.searched,
                "coverage": found.coverage,
                "timings_ms": clock.timings(result, written),
                "note": _note(result.note, trouble, unchecked),
            }

    async def _look_up(self, question: Question) -> _Found:
        """Search, and ask what the chat model can do, both at once where the question stands alone."""
        describing = asyncio.create_task(self._describe(question), name="describe chat model")
        try:
            searched = search_text(question.text, question.history)
            seconds = self._settings.ollama.rewrite_seconds
            facts = await describing if searched != question.text and seconds else None
            if facts is not None and not isinstance(facts, OllamaError):
                num_ctx = self._acquaintances.of(facts).num_ctx or self._usual_context(question, facts)
                searched = await standalone(
                    self._inference, facts, question.text, question.history, num_ctx=num_ctx, seconds=seconds
                )
            result = await self._retriever.search(
                searched,
                limit=question.limit or self._settings.search.passages,
                mode=question.mode,
                filters=question.filters,
            )
            coverage = await covered(self._db, result.coverage, result.hits)
            return _Found(searched, result, await describing, coverage)
        finally:
            describing.cancel()

    async def _describe(self, question: Question) -> ModelFacts | OllamaError | None:
        model = question.model or self._settings.ollama.chat_model
        if not model.strip():
            return None
        try:
            async with asyncio.timeout(DESCRIBE_SECONDS):
                return await self._inference.describe(model)
        except TimeoutError:
            return OllamaTimeoutError(f"Ollama did not say within {DESCRIBE_SECONDS:g} s what {model} can do")
        except OllamaError as error:
            return error

    async def _plan(self, question: Question, found: _Found) -> tuple[Plan | None, str | None]:
        """Return what to send, or why the model can't be asked (None when there is nothing to ask about)."""
        facts, hits = found.facts, found.result.hits
        if isinstance(facts, OllamaError):
            return None, facts.message
        if facts is None or not hits or _beside_the_point(found.searched, hits):
            return None, None
        wished = self._wished(question)
        habits = self._acquaintances.of(facts)
        try:
            prompt = await asyncio.to_thread(
                compose,
                question.text,
                question.history,
                hits,
                context_length=facts.context_length,
                num_ctx=self._settings.ollama.num_ctx,
                thinking=self._thinks(question, facts),
                factor=habits.factor,
            )
        except ContextExceededError as error:
            return None, error.message
        can_think = "thinking" in facts.capabilities
        return Plan(facts, prompt, wished if can_think else None, shown=wished is not False), None

    def _wished(self, question: Question) -> bool | None:
        return self._settings.ollama.think if question.think is None else question.think

    def _thinks(self, question: Question, facts: ModelFacts) -> bool:
        can_think = "thinking" in facts.capabilities
        return self._acquaintances.of(facts).opens_thought or (can_think and self._wished(question) is not False)

    def _usual_context(self, question: Question, facts: ModelFacts) -> int:
        """Return the context that the answer will need in all likelihood: with another the model is loaded anew."""
        s = self._settings
        return usual_context(
            (question.limit or s.search.passages) * s.ingest.chunk_tokens,
            context_length=facts.context_length,
            num_ctx=s.ollama.num_ctx,
            thinking=self._thinks(question, facts),
        )


def _beside_the_point(question: str, hits: Sequence[Hit]) -> bool:
    """Whether no passage speaks to the question: no word of it, in the same language, and none near in meaning."""
    if any(hit.keyword or hit.title_score for hit in hits):
        return False
    language = spoken(question)
    if language is None or language != spoken("\n".join(hit.text for hit in hits)):
        return False
    return all((hit.vector or 0.0) < FAR for hit in hits)


class _Clock:
    """The timings of one answer."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._first: float | None = None

    def token(self) -> None:
        self._first = self._first or time.perf_counter()

    def timings(self, result: SearchResult, written: float) -> dict[str, float | None]:
        return {
            "embed": result.timings_ms.get("embed"),
            "retrieve": result.timings_ms.get("retrieve"),
            "first_token": None if self._first is None else round((self._first - self._started) * 1000, 1),
            "check": round((time.perf_counter() - written) * 1000, 1),
            "total": round((time.perf_counter() - self._started) * 1000, 1),
        }


def _note(*reasons: str | None) -> str | None:
    """Return why the answer is less than it could be, each reason once."""
    told: list[str] = []
    for reason in filter(None, reasons):
        if not any(reason in other for other in told):
            told.append(reason)
    return "; ".join(told) or None


def _sources(found: _Found, passages: Sequence[Hit]) -> dict[str, Any]:
    return {
        "type": "sources",
        "mode": found.result.mode,
        "question": found.searched,
        "hits": [{"n": n, **hit_object(hit)} for n, hit in enumerate(passages, start=1)],
        "coverage": found.coverage,
    }
