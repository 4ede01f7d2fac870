"""Answers without a language model: the sentences of the best passages that speak to the question.

A sentence is scored by a weighted sum of `MEASURES`: how much of the question it holds, by rarity; the standing of
its passage; whether it has what such a question asks for (a date, an amount, a definition); whether it is
a whole sentence of prose, not a heading, a reference, a line of a table of contents or cut off. The weights are a
conditional logit on half of the articles of covidqa (8 passages a question, hybrid search). On the other half one of
the quotes holds 70 % of the known answer's words for 64 % of the questions, the first quote for 48 %; any
sentence of those passages does for 81 %. The method before this one, BM25 times the passage's score, had 62 and 47 %.

A question that the passages do not answer has no sentence and no passage that hold most of what is rare in it: see `evidence`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from foliod.answer.facts import numbers
from foliod.answer.pool import saturated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foliod.answer.pool import Pool, Sentence
    from foliod.base.model import Hit

MOST_QUOTES = 4
FEWEST_TERMS = 4
"""A sentence with fewer terms is a heading or a fragment: it repeats the question and answers nothing."""
TYPICAL_LENGTH = 20.0
BEST = 3
"""Passages that are among the best."""
WORTH = 3.0
"""A further quote's score may be so much lower than the best one's."""
SAME = 0.8
"""Two sentences that share this much of their terms say the same."""
DOUBTFUL = 1.2
"""Below this evidence (see `evidence`) the passages probably do not answer. On the held half of covidqa it is said of
48 % of the questions when the right document is taken away, and of 5 % of those that a quote answers."""

MEASURES = (
    "overlap", "coverage", "word pairs", "standing", "best passage", "one of the best", "fragment", "length", "new words", "date", "no date",
    "number", "unit", "no number", "definition", "digits", "reference", "heading", "cut off",
)  # fmt: skip
WEIGHTS = (2.9, 2.45, 1.5, 3.15, 0.15, 0.6, -0.9, 1.0, -0.55, 0.8, -0.8, 0.45, 0.95, -0.45, 0.4, 1.8, -0.5, 0.15, -0.45)

_WHEN = re.compile(
    r"^\W*(?:when|wann)\b|\b(?:what|which|welche\w*) (?:year|date|month|day|time|jahr|datum|monat|tag)\b|\bsince when\b",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"\b(?:how (?:many|much|long|old|often|large|big|far|high|tall|fast)|what (?:\w+ )?(?:percent|percentage|proportion|number|rate|age|size|length|dose|"
    r"amount|ratio|duration|prevalence|share|mean|median|average|price|cost|sum|total|rent)|wie ?(?:viele?|lange?|hoch|groß|alt|oft|weit))\b",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(r"\b(?:how (?:many|much)|wie ?viele?)\b", re.IGNORECASE)
"""Words that ask, and that an answer need not hold."""
_WHAT = re.compile(r"^\W*(?:what (?:is|are|was|were)|was (?:ist|sind|war|waren))\b", re.IGNORECASE)
_IS = re.compile(
    r"\b(?:is|are|was|were|called|known as|refers? to|defined as|ist|sind|war|waren|heißt|bezeichnet)\b", re.IGNORECASE
)
_REFERENCE = re.compile(
    r"\bet al\.?(?=\W|$)|\bdoi\b|https?://|\b(?:19|20)\d\d;\s?\d|\bpp\.\s?\d|\bvol\.\s?\d|^\W{0,20}+\d{1,3}[\].]\s+[A-Z][\w-]+,? [A-Z]{1,3}\b|\b[A-Z][a-z]+ [A-Z]{1,2},",
    re.MULTILINE,
)
_CONTENTS = re.compile(r"(?:\.\s?){4,}\s*\d{0,4}\s*$|…\s*\d{1,4}\s*$", re.MULTILINE)
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d\b")
_ENDED = tuple(".!?…。！？:)]”\"'’»")
_CELLS = re.compile(r"[^\S\n]*(?:\||\t| {3,})[^\S\n|]*")


def choose(question: str, passages: Sequence[Hit], pool: Pool) -> list[Sentence]:
    """Return the sentences that answer best, in order of relevance; none when no passage holds a term of the question."""
    terms = frozenset(pool.tokenize(_HOW_MANY.sub(" ", question)))
    candidates = [s for s in pool.sentences if s.terms & terms and _says_something(s)]
    if not candidates:
        return []
    measured = measure(question, passages, pool)
    score = {
        (s.n, s.place): sum(w * v for w, v in zip(WEIGHTS, values, strict=True))
        for s, values in zip(pool.sentences, measured, strict=True)
    }
    chosen: list[Sentence] = []
    # Equal scores go by the order of the passages.
    for sentence in sorted(candidates, key=lambda s: (-score[s.n, s.place], s.n, s.place)):
        if len(chosen) == MOST_QUOTES or (
            chosen and score[sentence.n, sentence.place] < score[chosen[0].n, chosen[0].place] - WORTH
        ):
            break
        if not any(_same(sentence, other) for other in chosen):
            chosen.append(sentence)
    return chosen


def _says_something(sentence: Sentence) -> bool:
    """Whether a sentence is neither a line of a table of contents, nor a running head, a page number or a row of years."""
    if _CONTENTS.search(sentence.text):
        return False
    words = sum(not term.isdigit() for term in sentence.order)
    bare = words == len(sentence.order) and words < FEWEST_TERMS and not sentence.text.rstrip().endswith(_ENDED)
    return bool(words) and not bare


def measure(question: str, passages: Sequence[Hit], pool: Pool) -> list[tuple[float, ...]]:
    """Return the values of `MEASURES` for each sentence of the pool."""
    order = pool.tokenize(_HOW_MANY.sub(" ", question))
    terms = frozenset(order)
    pairs = set(pairwise(order))
    total = sum(map(pool.rarity, terms)) or 1.0
    overlaps = [pool.overlap(terms, s) for s in pool.sentences]
    most = max(overlaps, default=0.0) or 1.0
    best = max((hit.score for hit in passages), default=0.0)
    when, amount, what = (bool(kind.search(question)) for kind in (_WHEN, _AMOUNT, _WHAT))
    asked = {form for number in numbers(question) for form in number.forms}
    headings = [frozenset(pool.tokenize(hit.heading or "")) for hit in passages]
    found: list[tuple[float, ...]] = []
    for s, overlap in zip(pool.sentences, overlaps, strict=True):
        text = s.text
        new = [n for n in numbers(text) if asked.isdisjoint(n.forms)]
        date = bool(_YEAR.search(text)) or any(form.startswith("month") for n in new for form in n.forms)
        cut = text[:1].islower() + (not text.endswith(_ENDED))
        found.append(
            (
                overlap / most,
                sum(pool.rarity(t) for t in terms if t in s.terms) / total,
                sum(pair in pairs for pair in pairwise(s.order)) / max(len(pairs), 1),
                passages[s.n - 1].score / best if best > 0 else 1.0,
                float(s.n == 1),
                float(s.n <= BEST),
                float(len(s.terms) < FEWEST_TERMS),
                min(s.length / TYPICAL_LENGTH, 2.0),
                min(len(s.terms - terms), 30) / TYPICAL_LENGTH,
                float(when and date),
                float(when and not date),
                float(amount and bool(new)),
                float(amount and any(n.unit for n in new)),
                float(amount and not new),
                float(what and bool(_IS.search(text))),
                sum(map(str.isdigit, text)) / len(text),
                float(bool(_REFERENCE.search(text))),
                len(terms & headings[s.n - 1]) / max(len(terms), 1),
                float(cut),
            )
        )
    return found


def evidence(passages: Sequence[Hit], pool: Pool, idf: Mapping[str, float]) -> float:
    """Return how much of a question the passages hold, from 0 to about 2, weighed by `idf`, its terms' rarity in the store.

    The share that the best sentence holds, and BM25 of the best passage divided by the sum of `idf`. What the title,
    the file name or the heading says, no sentence need say.
    """
    total = sum(idf.values())
    if not total:
        return 0.0
    by_passage: dict[int, list[str]] = {}
    named = [frozenset(pool.tokenize(f"{hit.title} {hit.heading or ''} {' '.join(hit.paths[:1])}")) for hit in passages]
    for s in pool.sentences:
        by_passage.setdefault(s.n, []).extend(s.order)
    sentence = max((sum(idf[t] for t in idf if t in s.terms | named[s.n - 1]) for s in pool.sentences), default=0.0)
    passage = max(
        (
            saturated(order, idf) + sum(idf[t] for t in named[n - 1] & idf.keys() - set(order))
            for n, order in by_passage.items()
        ),
        default=0.0,
    )
    return (sentence + passage) / total


def readable(text: str) -> str:
    """Return a quote on one line; the cells of a table's row are told apart."""
    return " ".join(_CELLS.sub(" | ", text).strip(" |").split())


def _same(one: Sentence, other: Sentence) -> bool:
    union = len(one.terms | other.terms)
    return union == 0 or len(one.terms & other.terms) / union >= SAME
