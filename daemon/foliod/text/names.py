"""Names of documents as search sees them: titles, file names and folder names, and the names in a question.

What tells the members of a series apart, the company, the year, the version, often stands in
the name only. People write it in many ways, which are brought together here: `ACME_2022_10K`,
`AnnualReport2022-Acme`, `acme/FY22/annual report`, and "Acme's 10-K for fiscal 2022" share the
terms acme, 2022 and 10k.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import combinations, islice, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from foliod.text.language import DEFAULT
from foliod.text.lexical import tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_TERMS: Final = 100
"""Of one name; longer titles are text that somebody pasted."""
JOINED_WORDS: Final = 3
"""So many words of a question may stand joined in a name, as "Harbor Light Energy" in HARBORLIGHTENERGY."""

FEWEST_LETTERS: Final = 6
MOST_LETTERS: Final = 30
"""Of a word that may be several."""

# Versions keep their points; everything but letters and digits separates.
_PART: Final = re.compile(r"[vV]?\d+(?:\.\d+)+|[^\W_]+")
_POSSESSIVE: Final = re.compile(r"(?<=\w)['\u2019]s\b", re.IGNORECASE)
# Between "annual" and "Report", and between "PDF" and "Export".
_HUMP: Final = re.compile(r"(?<=[^\W\d_A-ZÀ-Þ])(?=[A-ZÀ-Þ])|(?<=[A-ZÀ-Þ])(?=[A-ZÀ-Þ][^\W\d_A-ZÀ-Þ]{2})")
_FISCAL_YEAR: Final = re.compile(r"(?:fy|cy|gj|ej)(\d\d)")
_VERSION: Final = re.compile(r"v(\d+)")
_LETTERS_DIGITS: Final = re.compile(r"([^\W\d]{2,})(\d{2,})")
_DIGITS_LETTERS: Final = re.compile(r"(\d{3,})([^\W\d]\w*)")


def name_terms(name: str, languages: Sequence[str]) -> list[str]:
    """Return the distinct terms of a document's name, in order, stemmed in each of `languages`."""
    terms = dict.fromkeys(term for word in _words(name) for term in _terms(word, languages))
    return list(terms)[:MOST_TERMS]


def parts_of(word: str) -> Iterator[tuple[str, ...]]:
    """Yield the ways to read a joined word as several, those of fewest and evenest parts first."""
    for count in range(2, JOINED_WORDS + 1):
        ways = (_cut(word, cuts) for cuts in combinations(range(1, len(word)), count - 1))
        yield from sorted((way for way in ways if min(map(len, way)) > 1), key=lambda way: -min(map(len, way)))


def joined_words(name: str) -> list[str]:
    """Return the words of a name that may be several without a space between, as in HARBORLIGHTENERGY."""
    return [word for word in _words(name) if word.isalpha() and FEWEST_LETTERS <= len(word) <= MOST_LETTERS]


class Asked(NamedTuple):
    """Words of a question that a name may hold: the terms that say so, and the words' places in the question."""

    terms: list[str]
    places: list[tuple[int, int]]


def asked_names(question: str, languages: Sequence[str], *, most: int = MOST_TERMS) -> list[Asked]:
    """Return the first `most` words of a question as names may hold them; neighbours may be one joined word.

    The text is NFKC.
    """
    words = list(islice(_placed(question), most))
    asked = [Asked(_terms(word, languages), [(at, end)]) for word, at, end in words]
    alone = {term for group in asked for term in group.terms}
    for count in range(2, JOINED_WORDS + 1):
        for start in range(len(words) - count + 1):
            group = words[start : start + count]
            terms = _terms("".join(word for word, _, _ in group), [DEFAULT])
            # Of "in 2020" joined, the year is a term too.
            asked.append(Asked([term for term in terms if term not in alone], [(at, end) for _, at, end in group]))
    return [group for group in asked if group.terms]


def _cut(word: str, cuts: Sequence[int]) -> tuple[str, ...]:
    return tuple(word[start:end] for start, end in pairwise((0, *cuts, len(word))))


def _words(name: str) -> Iterator[str]:
    return (word for word, _, _ in _placed(unicodedata.normalize("NFKC", name)))


def _placed(name: str) -> Iterator[tuple[str, int, int]]:
    for part in _PART.finditer(_POSSESSIVE.sub("  ", name)):
        start = part.start()
        for word in _HUMP.split(part[0]):
            yield word.casefold(), start, start + len(word)
            start += len(word)


def _terms(word: str, languages: Sequence[str]) -> list[str]:
    """Return a word's terms; of `fy2022` also 2022, of `2022q3` also both of its parts."""
    if "." in word:
        return [word.lstrip("v")]
    if version := _VERSION.fullmatch(word):
        return [version[1]]
    if year := _FISCAL_YEAR.fullmatch(word):
        return [word, f"20{year[1]}"]
    terms = dict.fromkeys(term for language in languages for term in tokenize(word, language))
    if parts := _LETTERS_DIGITS.fullmatch(word) or _DIGITS_LETTERS.fullmatch(word):
        for part in parts.groups():
            terms |= dict.fromkeys(term for language in languages for term in tokenize(part, language))
    return list(terms)
