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

from foliod.answer.citations import citation, citations
from foliod.answer.prompt import Prompt, Turn, compose, search_text
from foliod.answer.quotes import choose
from foliod.answer.thinking import Part, ThinkingSplitter, without_thinking
from foliod.base.contract import coverage_object, hit_object
from foliod.base.errors import ContextExceededError, GenerationCutError, OllamaError, OllamaTimeoutError
from foliod.base.model import Filters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from foliod.base.config import Settings
    from foliod.base.contract import Mode
    from foliod.base.model import Coverage, Hit, SearchResult
    from foliod.ingest.embedders import Embedders
    from foliod.ollama.inference import Inference, ModelFacts
    from foliod.retrieve.retrieve import Retriever

DESCRIBE_SECONDS = 2.0
"""Asking what the chat model can do takes milliseconds; after so long Ollama is not there, and quotes are the answer."""
MOST_CHARS = {"token": 20_000, "thinking": 200_000}
"""A model that has written so much is going in circles and is stopped."""

NOT_FOUND = "The documents do not contain an answer to this question."

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
class _Plan:
    """What the model will be sent."""

    model: str
    prompt: Prompt
    think: bool | None


class Answerer:
    """Answers questions from what `retriever` finds, by a model when there is one."""

    def __init__(self, retriever: Retriever, inference: Inference, embedder: Embedders, settings: Settings) -> None:
        self._retriever = retriever
        self._inference = inference
        self._embedder = embedder
        self._settings = settings

    async def ask(self, question: Question) -> AsyncGenerator[dict[str, Any], None]:
        """Yield `sources`, then `thinking` and `token` pieces, then `done`.

        Close the generator to stop the model. Raises what the search raises, and OllamaError when
        the model breaks off after its first token; before that, the answer is quoted instead.
        """
        clock = _Clock()
        # Held to the end, so that ingestion does not take the processor from an answer half way.
        async with self._embedder.questions():
            result, facts = await self._look_up(question)
            plan, trouble = await self._plan(question, result.hits, facts)
            passages = result.hits[: plan.prompt.passages] if plan else result.hits
            yield _sources(result, passages)

            answer = ""
            if plan is not None:
                try:
                    async with aclosing(self._generate(plan)) as pieces:
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
                    trouble = None if answer.strip() else f"{plan.model} gave no answer"
            answer = without_thinking(answer)
            by_model = bool(answer)
            if by_model:
                cited = await asyncio.to_thread(citations, answer, question.text, passages)
            else:
                texts, cited = await asyncio.to_thread(_quoted, question, passages, result.coverage)
                for text in texts:
                    clock.token()
                    yield {"type": "token", "text": text}
                answer = "".join(texts)
            yield {
                "type": "done",
                "answer": answer,
                "citations": cited,
                "generator": "ollama" if by_model else "quotes",
                "model": plan.model if plan and by_model else None,
                "mode": result.mode,
                "coverage": coverage_object(result.coverage),
                "timings_ms": clock.timings(result),
                "note": _note(result.note, trouble),
            }

    async def _look_up(self, question: Question) -> tuple[SearchResult, ModelFacts | OllamaError]:
        """Search and ask what the chat model can do, both at once."""
        describing = asyncio.create_task(self._describe(question), name="describe chat model")
        try:
            result = await self._retriever.search(
                search_text(question.text, question.history),
                limit=question.limit or self._settings.search.passages,
                mode=question.mode,
                filters=question.filters,
            )
            return result, await describing
        finally:
            describing.cancel()

    async def _describe(self, question: Question) -> ModelFacts | OllamaError:
        model = question.model or self._settings.ollama.chat_model
        try:
            async with asyncio.timeout(DESCRIBE_SECONDS):
                return await self._inference.describe(model)
        except TimeoutError:
            return OllamaTimeoutError(f"Ollama did not say within {DESCRIBE_SECONDS:g} s what {model} can do")
        except OllamaError as error:
            return error

    async def _plan(
        self, question: Question, hits: Sequence[Hit], facts: ModelFacts | OllamaError
    ) -> tuple[_Plan | None, str | None]:
        """Return what to send, or why the model can't be asked (None when there is nothing to ask about)."""
        if isinstance(facts, OllamaError):
            return None, facts.message
        if not hits:
            return None, None
        wished = self._settings.ollama.think if question.think is None else question.think
        can_think = "thinking" in facts.capabilities
        try:
            prompt = await asyncio.to_thread(
                compose,
                question.text,
                question.history,
                hits,
                context_length=facts.context_length,
                num_ctx=self._settings.ollama.num_ctx,
                thinking=can_think and wished is not False,
            )
        except ContextExceededError as error:
            return None, error.message
        return _Plan(facts.name, prompt, wished if can_think else None), None

    async def _generate(self, plan: _Plan) -> AsyncGenerator[Part, None]:
        """Pass on what the model writes; raises GenerationCutError when it does not come to an end."""
        left = dict(MOST_CHARS)
        splitter = ThinkingSplitter()
        chat = self._inference.chat(plan.model, plan.prompt.messages, num_ctx=plan.prompt.num_ctx, think=plan.think)
        seconds = self._settings.ollama.answer_seconds
        end = asyncio.get_running_loop().time() + seconds
        async with aclosing(chat):
            while True:
                try:
                    async with asyncio.timeout_at(end):
                        piece = await anext(chat, None)
                except TimeoutError:
                    raise GenerationCutError(
                        f"{plan.model} came to no end within {seconds:g} s and was stopped; [ollama] answer_seconds allows more"
                    ) from None
                if piece is None:
                    break
                left[piece.kind] -= len(piece.text)
                if left[piece.kind] < 0:
                    raise GenerationCutError(
                        f"{plan.model} wrote {MOST_CHARS[piece.kind]} characters and came to no end; it was stopped"
                    )
                if piece.kind == "thinking":
                    yield Part("thinking", piece.text)
                else:
                    for part in splitter.feed(piece.text):
                        yield part
        for part in splitter.feed("", last=True):
            yield part


class _Clock:
    """The timings of one answer."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._first: float | None = None

    def token(self) -> None:
        self._first = self._first or time.perf_counter()

    def timings(self, result: SearchResult) -> dict[str, float | None]:
        return {
            "embed": result.timings_ms.get("embed"),
            "retrieve": result.timings_ms.get("retrieve"),
            "first_token": None if self._first is None else round((self._first - self._started) * 1000, 1),
            "total": round((time.perf_counter() - self._started) * 1000, 1),
        }


def _note(search: str | None, model: str | None) -> str | None:
    """Return why the answer is less than it could be, each reason once."""
    if search and model and model in search:
        return search
    return "; ".join(filter(None, (search, model))) or None


def _sources(result: SearchResult, passages: Sequence[Hit]) -> dict[str, Any]:
    return {
        "type": "sources",
        "mode": result.mode,
        "hits": [{"n": n, **hit_object(hit)} for n, hit in enumerate(passages, start=1)],
        "coverage": coverage_object(result.coverage),
    }


def _quoted(question: Question, passages: Sequence[Hit], coverage: Coverage) -> tuple[list[str], list[dict[str, Any]]]:
    """Return an answer made of quotes, piece by piece, with a citation for each quote (so a number may repeat)."""
    chosen = choose(search_text(question.text, question.history), passages)
    if not chosen:
        return [_nothing(coverage)], []
    texts = [
        # A quote is verbatim but for its line breaks, which are the page's.
        f"{chr(10) if i else ''}“{' '.join(sentence.text.split())}” [{sentence.n}]"
        for i, sentence in enumerate(chosen)
    ]
    return texts, [citation(s.n, passages[s.n - 1], s.text) for s in chosen]


def _nothing(coverage: Coverage) -> str:
    if coverage.documents == 0 and coverage.pending == 0:
        return f"{NOT_FOUND} No searchable document is there to look into."
    if coverage.pending:
        return f"{NOT_FOUND} {coverage.pending} of them are still to be read; ask again later."
    return NOT_FOUND
