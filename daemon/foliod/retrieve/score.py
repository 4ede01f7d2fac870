"""How well passages fit a question: words, names and meaning, added up.

A passage is credited for each word of the question with the best of these: the BM25 weight of
the word in the passage itself, some of the weight it has elsewhere on the page and in the
headings above, and what the document's name says, when the question names it: a row of a table
holds neither the company nor the year. A sum of scores keeps how much better a passage is;
fusing ranks throws that away, and measured worse than BM25 alone.

The constants were chosen on all of covidqa and one half of the series (tests/bench); the README
has the figures, also of the other half.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from foliod.text.lexical import query_terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg
    from numpy.typing import NDArray

    from foliod.base.config import Search
    from foliod.retrieve.question import Question

PAGE: Final = 0.3
"""What a word counts that stands elsewhere on the page. From 0.5 on covidqa lost."""
HEADING: Final = 0.6
"""What a word counts that stands in one of the headings above: on the series page@10 rose by 0.01, on covidqa by 0."""
NAME: Final = 1.6
"""The BM25 weight of a word that the name of the document says: near the most that a passage can have (1.9), so that
the page that repeats the name is not the best one for that."""
SURE: Final = 0.6
"""From this score on a name is taken for what the question means; below it falls with the cube."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its scores: BM25 of the passage alone, its document's name (0 to 1), cosine, and the total."""

    row: asyncpg.Record
    total: float
    keyword: float
    name: float
    cosine: float | None


def scored(
    question: Question,
    rows: Sequence[asyncpg.Record],
    names: Mapping[int, Mapping[int, float]],
    settings: Search,
    *,
    mode: str,
) -> list[Scored]:
    """Return candidates with their scores, best first.

    Args:
        question: what is asked.
        rows: of the query `candidates`.
        names: for each document the weights of the question's terms in its names.
        settings: the weights of the parts.
        mode: hybrid, keyword or vector.
    """
    if not rows:
        return []
    documents = {row["document_id"]: question.name_score(names.get(row["document_id"], {})) for row in rows}
    named = np.array([documents[row["document_id"]] for row in rows], np.float32)
    sure = np.minimum(1.0, named / SURE) ** 3
    own = _held(question, rows)
    keyword = own.sum(axis=1)
    filled = own
    if question.words:
        idf = np.array([word.idf for word in question.words], np.float32)
        filled = np.maximum(own, PAGE * _on_the_page(own, rows))
        filled = np.maximum(filled, HEADING * _in_headings(question, rows) * idf)
        said = {
            document: [any(term in names.get(document, {}) for term in word.terms) for word in question.words]
            for document in documents
        }
        filled = np.maximum(
            filled, NAME * sure[:, None] * np.array([said[row["document_id"]] for row in rows], np.float32) * idf
        )
    cosine = np.array([np.nan if row["cosine"] is None else row["cosine"] for row in rows], np.float32)
    if mode == "vector":
        total = np.nan_to_num(cosine)
    else:
        total = settings.keyword_weight * filled.sum(axis=1) / (question.total_idf or 1.0)
        total = total + settings.title_weight * sure * named
        if mode == "hybrid":
            total = total + settings.vector_weight * np.nan_to_num(cosine)
    out = [
        Scored(row, float(t), float(k), float(n * s), None if np.isnan(c) else float(c))
        for row, t, k, n, s, c in zip(rows, total, keyword, named, sure, cosine, strict=True)
    ]
    # The chunk's number breaks ties, so that equal questions get equal answers.
    return sorted(out, key=lambda s: (-s.total, s.row["id"]))


def _in_headings(question: Question, rows: Sequence[asyncpg.Record]) -> NDArray[np.float32]:
    """Return which words stand in the headings above each candidate: shape (rows, words), 0 or 1."""
    out = np.zeros((len(rows), len(question.words)), np.float32)
    for place, row in enumerate(rows):
        if row["heading"]:
            above = _terms(row["heading"], question.languages)
            out[place] = [not above.isdisjoint(word.terms) for word in question.words]
    return out


@lru_cache(maxsize=4096)
def _terms(heading: str, languages: tuple[str, ...]) -> frozenset[int]:
    return frozenset(query_terms(heading, languages))


def _held(question: Question, rows: Sequence[asyncpg.Record]) -> NDArray[np.float32]:
    """Return what each candidate has of each word: shape (rows, words), BM25 weight times idf."""
    out = np.zeros((len(rows), len(question.words)), np.float32)
    terms = np.array(sorted(question.idf), np.int64)
    if not len(terms):
        return out
    idf = np.array([question.idf[int(term)] for term in terms], np.float32)
    counts = [int.from_bytes(row["weights"][4:8], "big") for row in rows]
    # As sparsevec_send writes them: dimensions, count, unused, indices from 0, weights.
    raw = [row["weights"] for row in rows]
    ids = np.frombuffer(b"".join(r[12 : 12 + 4 * n] for r, n in zip(raw, counts, strict=True)), ">i4").astype(np.int64)
    weights = np.frombuffer(b"".join(r[12 + 4 * n :] for r, n in zip(raw, counts, strict=True)), ">f4")
    place = np.searchsorted(terms, ids)
    place[place == len(terms)] = 0
    hit = terms[place] == ids
    found = np.zeros((len(rows), len(terms)), np.float32)
    found[np.repeat(np.arange(len(rows)), counts)[hit], place[hit]] = weights[hit]
    found *= idf
    columns = {int(term): number for number, term in enumerate(terms)}
    for number, word in enumerate(question.words):
        out[:, number] = found[:, [columns[term] for term in word.terms]].max(axis=1)
    return out


def _on_the_page(own: NDArray[np.float32], rows: Sequence[asyncpg.Record]) -> NDArray[np.float32]:
    """Return what the candidates of the same page have of each word together."""
    pages: dict[tuple[int, int], int] = {}
    page = [pages.setdefault((row["document_id"], row["first_page"]), len(pages)) for row in rows]
    most = np.zeros((len(pages), own.shape[1]), np.float32)
    np.maximum.at(most, page, own)
    return most[page]
