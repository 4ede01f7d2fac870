"""A question as search understands it: its words with their rarity, and the documents that it names."""

from __future__ import annotations

import math
import re
import time
import unicodedata
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Final

from foliod.retrieve import names as called
from foliod.text.compounds import LANGUAGES as COMPOUNDING
from foliod.text.compounds import splits
from foliod.text.lexical import inverse_document_frequency, term_id, tokenize, words
from foliod.text.names import asked_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from foliod.retrieve.among import Among
    from foliod.store.database import Database

MAX_WORDS: Final = 64
"""Of a question: what a longer one says further on is not searched for."""
MAX_COMPOUNDS: Final = 24
"""Words of a question that are tried to be read as compounds: some 30 ways each."""
MAX_CHARS: Final = 2000
POSTINGS_BUDGET: Final = 2000
"""Chunks scored by BM25 for single terms: candidates hold one of the question's rarest terms, taken until their document
frequencies add up to this. Of common terms, candidates hold two. On covidqa, with a budget of a thirtieth of all
chunks, this finds what scoring all of them finds; without the pairs page@10 is 0.014 lower."""
PAIRS: Final = 3
PAIR_BUDGET: Final = 1000
"""So many pairs of common terms at most, each expected in so many chunks (and cut off at twice as many)."""
COMMON: Final = 4
"""The rarest of the common terms, of which pairs are made."""
TITLES_BUDGET: Final = 2000
"""The same for the names of documents."""
NAMED_DOCUMENTS: Final = 6
NAMED_CHUNKS: Final = 4000
"""Documents that a question names are searched as a whole: so many at most, with so many chunks."""
NAMED: Final = 0.5
"""A document is named when its name holds so much of what the question says of names at all."""
AS_WELL: Final = 0.7
"""Others are named as well when their names hold so much of what the best one's holds."""
NUMBER: Final = 2.0
"""What a number counts for in a name beside a word: years and versions tell the members of a series apart. On half of
the series page@10 rose from 0.879 to 0.894; 4 finds 0.908, and fewer at the first place."""
DOUBT: Final = 3.0
"""Nats of idf added to what the question says of names, so that one common word names nothing."""
DOUBT_AMONG: Final = 0.75
"""Among few documents, where no word is rare: times the logarithm of their number."""
PART: Final = 0.5
"""What a part of a compound word counts beside the whole word."""
FEWEST_LEFT: Final = 3
"""Words that must be left of a question without the name in it."""
CACHE_SECONDS: Final = 2.0
"""How long what is known of the whole corpus may lag behind."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a question: the ids of its terms (one a language) and the largest idf of them."""

    terms: tuple[int, ...]
    idf: float


@dataclass(frozen=True, slots=True)
class Named:
    """A document that the question names, with how well (0 to 1) and how many chunks it has."""

    document: int
    score: float
    chunks: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the scores take it."""

    words: tuple[Word, ...] = ()
    """Those that stand in some document."""
    idf: Mapping[int, float] = field(default_factory=dict)
    """Of all terms of the words."""
    rare: tuple[int, ...] = ()
    """The rarest of them."""
    pairs: tuple[tuple[int, int], ...] = ()
    """Common terms that say something together."""
    names: tuple[Word, ...] = ()
    """What may be part of a name, by its idf among names."""
    name_idf: Mapping[int, float] = field(default_factory=dict)
    doubt: float = DOUBT
    named: tuple[Named, ...] = ()
    """The documents that it names, best first."""
    languages: tuple[str, ...] = ()
    """Those that the documents are in."""
    rest: str = ""
    """The question without the name of the document: what is looked for inside."""

    @property
    def total_idf(self) -> float:
        """What a passage full of all the question's words would come near to."""
        return sum(word.idf for word in self.words)

    def name_score(self, held: Mapping[int, float]) -> float:
        """Return how much of what the question says of names one document's names hold, 0 to 1; `held` by term."""
        best = (max((held.get(t, 0.0) * self.name_idf[t] for t in word.terms), default=0.0) for word in self.names)
        return sum(best) / (sum(word.idf for word in self.names) + self.doubt)


class Reader:
    """Reads questions with what the store knows of words and, if so wanted, of names."""

    def __init__(self, db: Database, *, names: bool) -> None:
        self._db = db
        self._names = names
        self._corpus: tuple[float, int, int, tuple[str, ...]] = (0.0, 0, 0, ())

    async def understand(self, query: str, among: Among | None) -> Question:
        """Return what a question says to documents, None is all; only they can be named. Raises DatabaseUnavailableError."""
        text = unicodedata.normalize("NFKC", query[:MAX_CHARS])
        total, chunks, languages = await self._known()
        groups = _words(text, languages)
        compounds = _compounds(text, languages)
        ids = {term for group in groups for term in group}
        parts = {part for ways in compounds for way in ways for part in way}
        rows = await self._db.fetch("term_frequencies", sorted(ids | parts)) if ids else []
        known = {row["term"]: row["chunks"] for row in rows}
        if among is not None and among.alone:
            known = await among.frequencies(self._db, known, chunks)
            total, chunks = len(among.documents), among.chunks
        apart = [part for ways in compounds for part in _likeliest(ways, known) if part not in ids]
        groups += [(part,) for part in dict.fromkeys(apart)]
        frequencies = {term: n for term, n in known.items() if term in ids or term in apart}
        idf = {
            term: inverse_document_frequency(chunks, n) * (1 if term in ids else PART)
            for term, n in frequencies.items()
        }
        rare = _rarest(frequencies, POSTINGS_BUDGET)
        question = Question(
            words=_known_words(groups, idf),
            idf=idf,
            rare=rare,
            pairs=_pairs(frequencies, rare, chunks),
            languages=languages,
            rest=query,
        )
        return await self._named(question, text, total, languages, among)

    async def _named(
        self, question: Question, text: str, total: int, languages: Sequence[str], among: Among | None
    ) -> Question:
        asked = asked_names(text, languages, most=MAX_WORDS) if self._names else []
        ids = {term_id(term) for group in asked for term in group.terms}
        frequencies = await called.frequencies(self._db, ids, among)
        if not frequencies:
            return question
        numbers = {term_id(term) for group in asked for term in group.terms if term[0].isdigit()}
        idf = {
            term: inverse_document_frequency(total, n) * (NUMBER if term in numbers else 1)
            for term, n in frequencies.items()
        }
        groups = [tuple(dict.fromkeys(term_id(term) for term in group.terms)) for group in asked]
        names = _known_words(dict.fromkeys(groups), idf)
        candidates = _rarest(frequencies, TITLES_BUDGET) or sorted(frequencies, key=frequencies.__getitem__)[:1]
        best = await called.search(self._db, candidates, [word.terms for word in names], idf, among, NAMED_DOCUMENTS)
        doubt = min(DOUBT, DOUBT_AMONG * math.log(total + 1))
        most = sum(word.idf for word in names) + doubt
        found = [Named(document, score / most, chunks) for document, score, chunks in best]
        named = _named(found)
        rest = question.rest
        if named:
            covered = (await called.held(self._db, [named[0].document], idf, among)).get(named[0].document, {}).keys()
            places = [
                place
                for ids_of, group in zip(groups, asked, strict=True)
                if not covered.isdisjoint(ids_of)
                for place in group.places
            ]
            rest = _without(text, places)
        return replace(question, names=names, name_idf=idf, doubt=doubt, named=named, rest=rest)

    async def _known(self) -> tuple[int, int, tuple[str, ...]]:
        """Return how many documents and chunks there are, and their languages."""
        at, documents, chunks, languages = self._corpus
        if time.monotonic() - at > CACHE_SECONDS or not chunks:
            row = await self._db.fetchrow("corpus")
            assert row is not None
            documents, chunks, languages = row["documents"], row["chunks"], tuple(sorted(row["languages"]))
            self._corpus = (time.monotonic(), documents, chunks, languages)
        return documents, chunks, languages


def _words(text: str, languages: Sequence[str]) -> list[tuple[int, ...]]:
    """Return for each word its terms in all languages; a word without spaces inside is several."""
    groups: dict[tuple[int, ...], None] = {}
    for word in words(text)[: MAX_WORDS * 2]:
        readings = [tokenize(word, language) for language in languages]
        if len({len(reading) for reading in readings}) == 1:
            parts = [dict.fromkeys(map(term_id, terms)) for terms in zip(*readings, strict=True)]
        else:
            parts = [{term_id(term): None} for reading in readings for term in reading]
        groups |= dict.fromkeys(tuple(part) for part in parts)
    return list(groups)[:MAX_WORDS]


def _compounds(text: str, languages: Sequence[str]) -> list[list[tuple[int, int]]]:
    """Return for each word that may be a compound the terms of the ways to read it as two words."""
    found = []
    for language in COMPOUNDING.intersection(languages):
        for word in words(text)[:MAX_COMPOUNDS]:
            ways = ((tokenize(left, language), tokenize(right, language)) for left, right in splits(word))
            read = [
                (term_id(one), term_id(other)) for [one], [other] in (w for w in ways if all(len(p) == 1 for p in w))
            ]
            if read:
                found.append(read)
    return found


def _likeliest(ways: Sequence[tuple[int, int]], known: Mapping[int, int]) -> tuple[int, ...]:
    """Return the parts of the way that is the commonest: both of its parts stand in documents by themselves."""
    best = max(ways, key=lambda way: known.get(way[0], 0) * known.get(way[1], 0))
    return best if all(part in known for part in best) else ()


def _known_words(groups: Iterable[tuple[int, ...]], idf: Mapping[int, float]) -> tuple[Word, ...]:
    known = (tuple(term for term in group if term in idf) for group in groups)
    return tuple(Word(terms, max(idf[term] for term in terms)) for terms in known if terms)


def _rarest(frequencies: Mapping[int, int], budget: int) -> tuple[int, ...]:
    """Return the rarest terms that together stand in at most `budget` places; a single term however common it is."""
    taken: list[int] = []
    for term in sorted(frequencies, key=lambda t: (frequencies[t], t)):
        budget -= frequencies[term]
        if budget < 0 and len(frequencies) > 1:
            break
        taken.append(term)
    return tuple(taken)


def _pairs(frequencies: Mapping[int, int], rare: Sequence[int], chunks: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs of terms that are not rare by themselves, but expected to be so together."""
    common = sorted((term for term in frequencies if term not in rare), key=lambda t: (frequencies[t], t))[:COMMON]
    if len(common) == 1:
        # A term with itself: some of its chunks, since nothing tells which.
        return ((common[0], common[0]),)
    expected = sorted((frequencies[a] * frequencies[b] / chunks, a, b) for a, b in combinations(common, 2))
    # Without a rare term, what stands together is all there is to go by.
    return tuple((a, b) for n, a, b in expected[:PAIRS] if n <= PAIR_BUDGET or not rare)


def _named(found: Sequence[Named]) -> tuple[Named, ...]:
    named: list[Named] = []
    chunks = 0
    for document in found:
        chunks += document.chunks
        if document.score < max(NAMED, AS_WELL * found[0].score) or (named and chunks > NAMED_CHUNKS):
            break
        named.append(document)
    return tuple(named)


def _without(text: str, places: Sequence[tuple[int, int]]) -> str:
    """Return a text without some of its words, or the whole text when little would be left."""
    kept = list(text)
    for start, end in places:
        kept[start:end] = "\0" * (end - start)
    left = []
    for match in re.finditer(r"\S+", text):
        token = "".join(kept[match.start() : match.end()])
        if "\0" not in token:
            left.append(token)
        elif any(c.isalnum() for c in re.sub(r"['\u2019]s\b", "", token)):
            left.append(token.replace("\0", ""))
    return " ".join(left) if len(left) >= FEWEST_LEFT else text
