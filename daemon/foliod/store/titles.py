"""What documents are called: the terms of their titles, file names and folder names, for search.

Triggers note which documents got, lost or changed a name; here that is made up for.
"""

from __future__ import annotations

import asyncio
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from foliod.base.access import UNRESTRICTED
from foliod.text.language import DEFAULT
from foliod.text.lexical import term_id, tokenize
from foliod.text.names import joined_words, name_terms, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import asyncpg

    from foliod.store.database import Database
    from foliod.store.statements import Session, Transaction

AT_ONCE: Final = 50
"""Documents in one transaction."""
MOST_NAMES: Final = 20
"""Places of one document whose names are taken in."""
MOST_WORDS: Final = 200
"""Words of a document's names that may be several; a path can have a thousand."""
MOST_SPLIT: Final = 5
"""Of these, the longest that its text does not have are looked for in parts; there are 435 in one of 30 letters."""
TITLE_COLUMNS: Final = ("document_id", "term", "weight")
SHORT_NAME: Final = 5
"""Terms of a name that identifies; each term of a longer one tells less of the document and more of its subject."""


async def catch_up(db: Database) -> bool:
    """Take in the names of some documents that changed; return whether there were any."""
    if await db.retrying(_write_renamed):
        return True
    await db.execute("forget_renamed")
    return False


async def _write_renamed(tx: Transaction) -> int:
    documents = [row["id"] for row in await tx.fetch("renamed_documents", AT_ONCE)]
    if documents:
        await write_titles(tx, documents)
    return len(documents)


async def write_titles(tx: Transaction, documents: Sequence[int]) -> None:
    """Take in the names of documents, which this transaction has locked."""
    rows = await tx.fetch("names_of", documents, MOST_NAMES, *UNRESTRICTED)
    await tx.execute("drop_titles", documents)
    await tx.copy(
        "titles",
        TITLE_COLUMNS,
        [(row["id"], term, weight) for row in rows for term, weight in (await name_weights(tx, row)).items()],
    )
    await tx.execute("names_taken", [change for row in rows for change in row["seen"]])


async def name_weights(session: Session, row: asyncpg.Record) -> dict[int, float]:
    """Return the terms of a document's names with their weights; `row` is of the query `names_of`."""
    languages = sorted({DEFAULT, row["language"] or DEFAULT})
    names = (row["title"] or "", *map(_stem, row["names"]))
    # Long names take long, and everybody else waits for what is not done in a thread.
    weights, joined = await asyncio.to_thread(_whole, names, languages)
    if joined:
        for term, word in (await _parts(session, row["id"], list(joined), languages)).items():
            weights[term] = max(joined[word], weights.get(term, 0.0))
    return weights


def _whole(names: Iterable[str], languages: Sequence[str]) -> tuple[dict[int, float], dict[str, float]]:
    """Return the terms that stand in names, and the words that may be several, with their weights."""
    weights: dict[int, float] = {}
    joined: dict[str, float] = {}
    for name in names:
        terms = name_terms(name, languages)
        weight = min(1.0, SHORT_NAME / max(1, len(terms)))
        for term in map(term_id, terms):
            weights[term] = max(weight, weights.get(term, 0.0))
        joined |= dict.fromkeys(joined_words(name), weight)
    return weights, joined


def _stem(name: str) -> str:
    """Return a path without the ending of its file."""
    path = PurePath(name)
    return str(path.with_suffix("")) if path.suffix.lower() == ".pdf" else name


async def _parts(session: Session, document: int, words: Sequence[str], languages: Sequence[str]) -> dict[int, str]:
    """Return the terms of joined words' parts, which the document's text tells: all parts of a word stand in it."""
    ids = await asyncio.to_thread(_ids, words[:MOST_WORDS], languages)
    known = await _known(session, document, ids)
    words = sorted((word for word in ids if known.isdisjoint(ids[word])), key=len, reverse=True)[:MOST_SPLIT]
    pieces = {word[a:b] for word in words for a in range(len(word)) for b in range(a + 2, len(word) + 1)}
    ids = await asyncio.to_thread(_ids, pieces, languages)
    known = await _known(session, document, ids)
    return await asyncio.to_thread(_apart, words, ids, known)


async def _known(session: Session, document: int, ids: Mapping[str, set[int]]) -> set[int]:
    rows = await session.fetch("terms_within", document, sorted(set().union(*ids.values())))
    return {row["term"] for row in rows}


def _apart(words: Iterable[str], ids: Mapping[str, set[int]], known: set[int]) -> dict[int, str]:
    """Return the terms of the best way to read each word as several, with the word."""
    terms: dict[int, str] = {}
    for word in words:
        # Function words have no terms, and stand in every text.
        for parts in parts_of(word):
            if all(not ids[part] or not known.isdisjoint(ids[part]) for part in parts):
                terms |= {i: word for part in parts for i in ids[part]}
                break
    return terms


def _ids(words: Iterable[str], languages: Iterable[str]) -> dict[str, set[int]]:
    """Return the ids of each word's terms."""
    return {word: {term_id(term) for language in languages for term in tokenize(word, language)} for word in words}
