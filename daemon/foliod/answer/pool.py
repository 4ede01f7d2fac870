"""The sentences of the passages of an answer, each with its place and its terms, and how rare a term is among them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foliod.text.language import DEFAULT, LANGUAGES, spoken
from foliod.text.lexical import K1, MEAN_LENGTH, B, inverse_document_frequency, tokenize
from foliod.text.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from foliod.base.model import Hit

LONGEST = 480
"""Characters of a sentence; tables and lists without punctuation are cut into lines of at most this."""
TYPICAL_TERMS = 20.0
"""Terms of a typical sentence, the `mean length` of BM25."""
COVERED = 0.8
"""What a term still counts that is covered already."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of passage `n` (from 1), verbatim: `text == passage.text[start : start + len(text)]`.

    `place` counts the sentences of the passage from 0; `order` are its terms as they stand there.
    """

    n: int
    place: int
    start: int
    text: str
    order: tuple[str, ...]
    terms: frozenset[str]

    @property
    def length(self) -> int:
        """In terms."""
        return len(self.order)


class Pool:
    """The sentences of some passages; their terms are stemmed as words of the language that most of them are in."""

    def __init__(self, passages: Sequence[Hit]) -> None:
        language = spoken("\n".join(hit.text for hit in passages))
        self.language = language if language in LANGUAGES else DEFAULT
        self.sentences = [s for n, hit in enumerate(passages, start=1) for s in self._sentences(n, hit.text)]
        counts = Counter(term for sentence in self.sentences for term in sentence.terms)
        total = len(self.sentences)
        self._idf = {term: inverse_document_frequency(total, n) for term, n in counts.items()}
        self._unseen = inverse_document_frequency(total, 0)

    def tokenize(self, text: str) -> list[str]:
        """Return the terms of a text, to be compared with those of the sentences."""
        return tokenize(text, self.language)

    def rarity(self, term: str) -> float:
        """Return a term's inverse document frequency, a sentence taken for a document."""
        return self._idf.get(term, self._unseen)

    def overlap(self, terms: Collection[str], sentence: Sentence, covered: Collection[str] = ()) -> float:
        """Return how much of `terms` a sentence holds, by BM25; 0 is nothing."""
        shared = sum(
            self._idf[term] * (COVERED if term in covered else 1.0) for term in terms if term in sentence.terms
        )
        return shared * (K1 + 1) / (1 + K1 * (1 - B + B * sentence.length / TYPICAL_TERMS))

    def best(self, terms: Collection[str], n: int) -> Sentence | None:
        """Return the sentence of passage `n` that holds most of `terms`, the first of equals; None when none holds any."""
        own = [(self.overlap(terms, s), -s.place, s) for s in self.sentences if s.n == n]
        score, _, found = max(own, key=lambda candidate: candidate[:2], default=(0.0, 0, None))
        return found if score > 0 else None

    def _sentences(self, n: int, text: str) -> Iterator[Sentence]:
        place = 0
        for start, end in sentences(text):
            for first, last in _parts(text, start, end):
                order = tuple(self.tokenize(text[first:last]))
                if order:
                    yield Sentence(n, place, first, text[first:last], order, frozenset(order))
                    place += 1


def saturated(order: Sequence[str], idf: Mapping[str, float]) -> float:
    """Return BM25 of a passage's terms for a question's, given how rare these are in the store."""
    counts = Counter(term for term in order if term in idf)
    norm = K1 * (1 - B + B * len(order) / MEAN_LENGTH)
    return sum(idf[term] * n * (K1 + 1) / (n + norm) for term, n in counts.items())


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what is too long for a sentence at line ends, or at spaces when a line is too long itself."""
    start, end = _stripped(text, start, end)
    while end - start > LONGEST:
        cut = text.rfind("\n", start + LONGEST // 2, start + LONGEST + 1)
        if cut < 0:
            spaces = [match.start() for match in re.finditer(r"\s", text[start : start + LONGEST + 1])]
            cut = start + (spaces[-1] if spaces else LONGEST)
        first, last = _stripped(text, start, cut)
        if first < last:
            yield first, last
        start, end = _stripped(text, max(cut, start + 1), end)
    if start < end:
        yield start, end


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())
