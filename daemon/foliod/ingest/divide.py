"""Embeds texts whatever they hold: a refused text never holds back its neighbours, and what is too long goes in parts."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import numpy as np
import structlog

from foliod.base.errors import (
    CloudModelError,
    ContextExceededError,
    ModelBrokenError,
    ModelMissingError,
    OllamaError,
    OllamaUnavailableError,
)
from foliod.text.chunk import estimate_tokens, sentences

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float32]
    Ask = Callable[[Sequence[str]], Awaitable[NDArray[np.float32]]]
    """Embeds texts in one request: shape (n, d). Ollama refuses all of them when it refuses one."""

SHORTEST_PART = 16
"""Characters; a text is not split further."""
PROBE = "a short text that every model takes"

NO_TEXT_IS_TO_BLAME = (OllamaUnavailableError, ModelMissingError, CloudModelError)

log = structlog.get_logger()


async def embed_each(ask: Ask, texts: Sequence[str]) -> list[Vector | str]:
    """Return for each text its vector, or why the model refuses it.

    A refused batch is halved until the refused text stands alone. Raises OllamaUnavailableError
    (ModelBrokenError when every text is refused), ModelMissingError, CloudModelError.
    """
    try:
        return list(await ask(texts))
    except NO_TEXT_IS_TO_BLAME:
        raise
    except OllamaError as error:
        if len(texts) > 1:
            middle = len(texts) // 2
            return await embed_each(ask, texts[:middle]) + await embed_each(ask, texts[middle:])
        if isinstance(error, ContextExceededError):
            return [await _embed_in_parts(ask, texts[0], error)]
    # A crash of the model's process fails whoever is there: only who is refused twice is to blame.
    try:
        return list(await ask(texts))
    except NO_TEXT_IS_TO_BLAME:
        raise
    except OllamaError as error:
        return [await _reason(ask, error)]


async def _embed_in_parts(ask: Ask, text: str, error: OllamaError) -> Vector | str:
    """Return the mean of the parts' vectors, weighted by tokens and of length 1, or why there is none."""
    count = 2
    while len(text) // count >= SHORTEST_PART:
        parts = split(text, count)
        try:
            vectors = await ask(parts)
        except ContextExceededError:
            count *= 2
            continue
        except NO_TEXT_IS_TO_BLAME:
            raise
        except OllamaError as refused:
            return await _reason(ask, refused)
        mean = np.average(vectors, axis=0, weights=[max(1, estimate_tokens(part)) for part in parts])
        if not (length := float(np.linalg.norm(mean))):
            return "the parts of this text point in opposite directions; their mean is no vector"
        log.info("text_embedded_in_parts", parts=len(parts), characters=len(text))
        return (mean / length).astype(np.float32)
    return await _reason(ask, error)


async def _reason(ask: Ask, error: OllamaError) -> str:
    """Return why a text is refused, provided that another text is not."""
    try:
        await ask([PROBE])
    except NO_TEXT_IS_TO_BLAME:
        raise
    except OllamaError as trouble:
        raise ModelBrokenError(f"no text can be embedded: {trouble.message}") from None
    log.warning("text_refused", reason=error.message)
    return error.message


def split(text: str, count: int) -> list[str]:
    """Split a text into at most `count` parts of about one length, between sentences, else between words.

    No part is longer than one and a half times its share; nothing but white space is lost.
    """
    after_sentences = [start for start, _ in sentences(text)]
    after_words = [match.end() for match in re.finditer(r"\s+", text)]
    reach = len(text) / count / 4
    cuts = [0]
    for number in range(1, count):
        wanted = len(text) * number // count
        near = [place for place in after_sentences if abs(place - wanted) <= reach]
        near = near or [place for place in after_words if abs(place - wanted) <= reach]
        cuts.append(min(near, key=lambda place: abs(place - wanted), default=wanted))
    parts = [text[start:end] for start, end in itertools.pairwise([*cuts, len(text)])]
    return [part for part in parts if part.strip()]
