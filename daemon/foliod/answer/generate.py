"""A model's answer as it is written: thinking apart, and stopped when it comes to no end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foliod.answer.loops import LoopGuard
from foliod.answer.thinking import CLOSE, OPEN, Part, ThinkingSplitter
from foliod.base.errors import GenerationCutError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from foliod.answer.habits import Habits
    from foliod.answer.prompt import Prompt
    from foliod.ollama.inference import Inference, ModelFacts

MOST_CHARS = {"token": 20_000, "thinking": 200_000}
"""A model that has written so much is going in circles and is stopped."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a model will be sent. `think` is None where it is not sent; without `shown` thoughts are kept back."""

    facts: ModelFacts
    prompt: Prompt
    think: bool | None
    shown: bool


async def generate(inference: Inference, plan: Plan, habits: Habits, *, seconds: float) -> AsyncGenerator[Part, None]:
    """Yield what the model writes; raises GenerationCutError when it does not come to an end, else OllamaError."""
    name = plan.facts.name
    left = dict(MOST_CHARS)
    guards = {kind: LoopGuard() for kind in left}
    splitter = ThinkingSplitter(opened=habits.opens_thought)
    habits.num_ctx = plan.prompt.num_ctx
    answer = ""
    chat = inference.chat(
        name,
        plan.prompt.messages,
        num_ctx=plan.prompt.num_ctx,
        think=plan.think,
        used=lambda tokens: habits.counted(tokens, plan.prompt.tokens),
    )
    end = asyncio.get_running_loop().time() + seconds
    async with aclosing(chat):
        while True:
            try:
                async with asyncio.timeout_at(end):
                    piece = await anext(chat, None)
            except TimeoutError:
                raise GenerationCutError(
                    f"{name} came to no end within {seconds:g} s and was stopped; [ollama] answer_seconds allows more"
                ) from None
            if piece is None:
                break
            left[piece.kind] -= len(piece.text)
            if left[piece.kind] < 0:
                raise GenerationCutError(
                    f"{name} wrote {MOST_CHARS[piece.kind]} characters and came to no end; it was stopped"
                )
            if guards[piece.kind].feed(piece.text):
                raise GenerationCutError(f"{name} repeated itself and came to no end; it was stopped")
            parts = [Part("thinking", piece.text)] if piece.kind == "thinking" else splitter.feed(piece.text)
            for part in parts:
                answer += part.text if part.kind == "token" else ""
                if part.kind == "token" or plan.shown:
                    yield part
    for part in splitter.feed("", last=True):
        answer += part.text if part.kind == "token" else ""
        if part.kind == "token" or plan.shown:
            yield part
    if CLOSE in answer and OPEN not in answer:
        # Its thought was streamed as if it were the answer; the next one will not be.
        habits.opens_thought = True
    elif splitter.unclosed and not plan.facts.opens_thought:
        # It did not think this time, so all of it was the answer.
        habits.opens_thought = False
        yield Part("token", splitter.unclosed)
