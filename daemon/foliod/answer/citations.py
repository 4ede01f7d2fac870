"""From the numbers in an answer to the sentences they stand for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from foliod.answer.quotes import Pool, Sentence
from foliod.base.contract import document_object
from foliod.text.chunk import sentences
from foliod.text.lexical import tokenize

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from foliod.base.model import Hit

# [1], [1, 2], [1-3], and 【1】 as models write it in Chinese and Japanese.
_MARKER = re.compile(r"[\[【]\s*(\d{1,3}(?:\s*[,;，、–-]\s*\d{1,3})*)\s*[\]】]")
_RANGE = re.compile(r"(\d+)\s*[–-]\s*(\d+)")


def citations(answer: str, question: str, passages: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return a citation for each passage that the answer names, in the order it names them.

    The quote is the passage's sentence that shares most with what the answer says there; the
    question decides where the answer shares no word (it may be in another language); null where
    that shares none either. Numbers that name no passage are not citations.
    """
    claims = _claims(answer, len(passages))
    if not claims:
        return []
    pool = Pool(passages)
    asked = frozenset(tokenize(question))
    found = []
    for n, claim in claims.items():
        own = [s for s in pool.sentences if s.n == n]
        best = _best(pool, frozenset(tokenize(claim)), own) or _best(pool, asked, own)
        found.append(citation(n, passages[n - 1], best.text if best else None))
    return found


def citation(n: int, passage: Hit, quote: str | None) -> dict[str, Any]:
    """Return one citation. `verified` and `rects` are null until quotes are checked against the pages."""
    return {
        "n": n,
        "document": document_object(passage),
        "pages": [passage.first_page, passage.last_page],
        "quote": quote,
        "verified": None,
        "rects": None,
    }


def _best(pool: Pool, terms: Collection[str], own: Sequence[Sentence]) -> Sentence | None:
    scored = [(pool.overlap(terms, sentence), -sentence.place, sentence) for sentence in own]
    score, _, best = max(scored, key=lambda candidate: candidate[:2], default=(0.0, 0, None))
    return best if score > 0 else None


def _claims(answer: str, passages: int) -> dict[int, str]:
    """Return, for each passage that is named, the text of the sentences that name it."""
    claims: dict[int, str] = {}
    before, owed = "", False
    for start, end in sentences(answer):
        sentence = answer[start:end]
        plain = _MARKER.sub("", sentence)
        own = False
        for marker in _MARKER.finditer(sentence):
            # "It rose in 2020. [1] Then it fell.": a number that opens a sentence may belong to the one before.
            opens = not tokenize(_MARKER.sub("", sentence[: marker.start()]))
            earlier = opens and owed
            own = own or not earlier
            for n in _numbers(marker[1]):
                if 1 <= n <= passages:
                    claims[n] = f"{claims.get(n, '')} {before if earlier else plain}"
        if tokenize(plain):
            before, owed = plain, not own
    return claims


def _numbers(marker: str) -> list[int]:
    numbers: list[int] = []
    for part in re.split(r"[,;，、]", marker):
        if (span := _RANGE.search(part)) is not None:
            numbers.extend(range(int(span[1]), int(span[2]) + 1))
        else:
            numbers.append(int(part))
    return numbers
