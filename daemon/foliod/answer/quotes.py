"""Answers without a language model: the sentences of the best passages that speak to the question.

A sentence is scored by the question's terms that it holds, each weighed by its rarity among
the sentences at hand, with BM25's length normalisation, times the standing of its passage.
The constants are tuned on half of the documents of covidqa (8 passages a question, by BM25). On
the other half one of the quotes holds 70 % of the known answer's words for 55 % of the questions,
the first quote for 40 %; any sentence of those passages does for 71 %.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foliod.text.chunk import sentences
from foliod.text.lexical import K1, B, inverse_document_frequency, query_terms, tokenize

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from foliod.base.model import Hit

MOST_QUOTES = 4
LONGEST = 480
"""Characters of a quote; tables and lists without punctuation are cut into lines of at most this."""
TYPICAL_TERMS = 20.0
"""Terms of a typical sentence, the `mean length` of BM25."""
FEWEST_TERMS = 4
"""A sentence with fewer terms is a heading or a fragment: it repeats the question and answers nothing."""
FRAGMENT = 0.5
"""What a fragment's score is worth."""
STANDING = 0.75
"""How much of a sentence's score hangs on the score of its passage."""
BEFORE = 0.2
"""Share of the score of the sentence before: what is asked about is often named there, and answered here."""
COVERED = 0.8
"""What a term of the question still counts after an earlier quote holds it."""
WORTH = 0.45
"""A further quote needs this share of the best one's score."""
SAME = 0.8
"""Two sentences that share this much of their terms say the same."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of passage `n` (from 1), verbatim, with its terms and its place in the passage (from 0)."""

    n: int
    place: int
    text: str
    terms: frozenset[str]
    length: int


class Pool:
    """The sentences of some passages and how rare each term is among them."""

    def __init__(self, passages: Sequence[Hit]) -> None:
        self.sentences = [s for n, hit in enumerate(passages, start=1) for s in _sentences(n, hit.text)]
        counts = Counter(term for sentence in self.sentences for term in sentence.terms)
        total = len(self.sentences)
        self._idf = {term: inverse_document_frequency(total, n) for term, n in counts.items()}

    def overlap(self, terms: Collection[str], sentence: Sentence, covered: Collection[str] = ()) -> float:
        """Return how much of `terms` a sentence holds; 0 is nothing."""
        shared = sum(
            self._idf[term] * (COVERED if term in covered else 1.0) for term in terms if term in sentence.terms
        )
        return shared * (K1 + 1) / (1 + K1 * (1 - B + B * sentence.length / TYPICAL_TERMS))


def choose(question: str, passages: Sequence[Hit]) -> list[Sentence]:
    """Return the sentences that answer best, in order of relevance; none when no passage holds a term of the question.

    Each further sentence is worth more when it holds what the ones before lack.
    """
    terms = frozenset(query_terms(question).values())
    pool = Pool(passages)
    alone = {(s.n, s.place): pool.overlap(terms, s) for s in pool.sentences}
    best_passage = max((hit.score for hit in passages), default=0.0)
    covered: set[str] = set()

    def worth(sentence: Sentence) -> float:
        score = pool.overlap(terms, sentence, covered)
        score += BEFORE * alone.get((sentence.n, sentence.place - 1), 0.0)
        if len(sentence.terms) < FEWEST_TERMS:
            score *= FRAGMENT
        standing = passages[sentence.n - 1].score / best_passage if best_passage > 0 else 1.0
        return score * (1 - STANDING + STANDING * standing)

    chosen: list[Sentence] = []
    first = 0.0
    left = [s for s in pool.sentences if s.terms & terms]
    while left and len(chosen) < MOST_QUOTES:
        # Equal scores go by the order of the passages.
        score, _, _, sentence = max(((worth(s), -s.n, -s.place, s) for s in left), key=lambda candidate: candidate[:3])
        if score < WORTH * first:
            break
        first = first or score
        chosen.append(sentence)
        covered |= sentence.terms & terms
        left = [s for s in left if not _same(s, sentence)]
    return chosen


def _same(one: Sentence, other: Sentence) -> bool:
    union = len(one.terms | other.terms)
    return union == 0 or len(one.terms & other.terms) / union >= SAME


def _sentences(n: int, text: str) -> Iterator[Sentence]:
    place = 0
    for start, end in sentences(text):
        for part in _parts(text[start:end]):
            terms = tokenize(part)
            if terms:
                yield Sentence(n, place, part, frozenset(terms), len(terms))
                place += 1


def _parts(sentence: str) -> Iterator[str]:
    """Cut what is too long for a quote at line ends, or at spaces when a line is too long itself."""
    sentence = sentence.strip()
    while len(sentence) > LONGEST:
        head = sentence[: LONGEST + 1]
        cut = head.rfind("\n", LONGEST // 2)
        if cut < 0:
            spaces = [match.start() for match in re.finditer(r"\s", head)]
            cut = spaces[-1] if spaces else LONGEST
        if part := sentence[:cut].strip():
            yield part
        sentence = sentence[max(cut, 1) :].strip()
    if sentence:
        yield sentence
