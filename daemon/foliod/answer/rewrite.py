"""A question within a conversation, rewritten by the chat model so that it can be searched for by itself."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from typing import TYPE_CHECKING

import structlog

from foliod.answer.prompt import MESSAGE_TOKENS, search_text
from foliod.answer.thinking import without_thinking
from foliod.base.errors import FoliodError
from foliod.text.chunk import estimate_tokens
from foliod.text.lexical import tokenize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foliod.answer.prompt import Turn
    from foliod.ollama.inference import Inference, ModelFacts

RULES = """\
You rewrite the last question of a conversation so that it can be understood without the conversation: replace words such \
as "it", "they", "there" and what was left out by what they stand for. Keep its language, its meaning, its names and \
numbers. Do not answer it. If it can be understood by itself, repeat it unchanged. Write the question only, on one line."""

TURNS = 6
"""Earlier messages that are shown, the newest."""
TURN_CHARS = 600
MOST_TOKENS = 120
"""Tokens of a rewritten question."""
LONGEST = 500
"""Characters of one; what is longer is no question."""

_LABEL = re.compile(
    r"^\W*(?:(?:the )?(?:rewritten|standalone|stand-alone|new|last)\s+)?(?:question|frage)\s*:\s*", re.IGNORECASE
)

log = structlog.get_logger()


async def standalone(
    inference: Inference, facts: ModelFacts, question: str, history: Sequence[Turn], *, num_ctx: int, seconds: float
) -> str:
    """Return what to search for: the question by itself, or joined to the one before when it can't be rewritten.

    The model has `seconds`; 0 does not ask it. Its context is `num_ctx`, so that it need not be loaded anew for the answer.
    """
    joined = search_text(question, history)
    if joined == question or seconds <= 0:
        return joined
    messages = _messages(question, history)
    if sum(estimate_tokens(m["content"]) + MESSAGE_TOKENS for m in messages) + MOST_TOKENS > num_ctx:
        return joined
    written = ""
    try:
        async with asyncio.timeout(seconds):
            chat = inference.chat(
                facts.name,
                messages,
                num_ctx=num_ctx,
                think=False if "thinking" in facts.capabilities else None,
                options={"num_predict": MOST_TOKENS, "temperature": 0},
            )
            async with aclosing(chat):
                async for piece in chat:
                    if piece.kind == "token":
                        written += piece.text
                        if len(written) > 4 * LONGEST:
                            break
    except (FoliodError, TimeoutError) as error:
        log.info("question_not_rewritten", reason=str(error) or f"not within {seconds:g} s")
        return joined
    return _accepted(written, question, history) or joined


def _messages(question: str, history: Sequence[Turn]) -> list[dict[str, str]]:
    said = [f"{turn.role}: {_shown(turn)}" for turn in history[-TURNS:] if _shown(turn)]
    asked = "\n".join(
        ["Conversation:", *said, "", f"Last question: {' '.join(question.split())}", "", "Rewritten question:"]
    )
    return [{"role": "system", "content": RULES}, {"role": "user", "content": asked}]


def _shown(turn: Turn) -> str:
    content = without_thinking(turn.content) if turn.role == "assistant" else turn.content
    return " ".join(content.split())[:TURN_CHARS]


def _accepted(written: str, question: str, history: Sequence[Turn]) -> str | None:
    """Return what a model wrote if it can be the question: one line, and no word from elsewhere alone."""
    lines = [line.strip() for line in without_thinking(written).splitlines() if line.strip()]
    if not lines:
        return None
    found = _LABEL.sub("", lines[0]).strip(" \"'“”„*`")
    if not found or len(found) > max(LONGEST, 2 * len(question)):
        return None
    asked = set(tokenize(question))
    known = asked | {term for turn in history[-TURNS:] for term in tokenize(_shown(turn))}
    terms = set(tokenize(found))
    # An answer, or another question altogether: it drops what was asked, or is mostly of words that nobody said.
    if (asked and not asked & terms) or len(terms & known) * 2 < len(terms):
        return None
    return found
