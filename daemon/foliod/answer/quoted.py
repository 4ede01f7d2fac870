"""An answer made of quotes, and what is said when there are none, or none that seem to answer."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from foliod.answer.citations import Checked
from foliod.answer.quotes import DOUBTFUL, choose, evidence, readable
from foliod.text.lexical import inverse_document_frequency, term_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foliod.answer.citations import Checker
    from foliod.base.model import Coverage, Filters, Hit
    from foliod.store.database import Database

NOT_FOUND = "The documents do not contain an answer to this question."
NO_DOCUMENTS = "No searchable document is there to look into."
NO_MATCH = "No searchable document matches the filter."
_YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d\d(?!\d)")
PROBABLY_NOT = "The documents probably do not answer this question. The closest that they say:\n"


async def quoted(
    db: Database,
    checker: Checker,
    question: str,
    rest: str,
    passages: Sequence[Hit],
    coverage: Coverage,
    filters: Filters,
) -> tuple[Checked, list[str]]:
    """Return an answer made of quotes, checked by its nature, and its text piece by piece.

    Sentences are chosen by the `rest` of the question, without the name of the document that it names: pages are full of
    that, as running heads above all. Each quote is cited, so a number may repeat. Raises DatabaseUnavailableError.
    """
    chosen = await asyncio.to_thread(choose, rest or question, passages, checker.pool)
    if not chosen:
        text = _nothing(coverage, filters)
        return Checked(text, [], [], [], answered=False), [text]
    terms = set(checker.pool.tokenize(question))
    rows = await db.fetch("term_frequencies", [term_id(term) for term in terms])
    frequencies = {row["term"]: row["chunks"] for row in rows}
    corpus = await db.fetchrow("corpus")
    assert corpus is not None
    idf = {term: inverse_document_frequency(corpus["chunks"], frequencies.get(term_id(term), 0)) for term in terms}
    answered = evidence(passages, checker.pool, idf) >= DOUBTFUL and not _of_another_year(question, passages)
    texts = [] if answered else [PROBABLY_NOT]
    texts += [f"{chr(10) if i else ''}“{readable(s.text)}” [{s.n}]" for i, s in enumerate(chosen)]
    return Checked("".join(texts), [(s.n, s) for s in chosen], [], [], answered), texts


def _of_another_year(question: str, passages: Sequence[Hit]) -> bool:
    """Whether a question names years, and no passage or its document any of them."""
    years = set(_YEAR.findall(question))
    said = (f"{hit.title} {hit.heading or ''} {' '.join(hit.paths)} {hit.text}" for hit in passages)
    return bool(years) and not any(year in text for text in said for year in years)


def _nothing(coverage: Coverage, filters: Filters) -> str:
    if coverage.pending:
        return f"{NOT_FOUND} {coverage.pending} of them are still to be read; ask again later."
    if coverage.documents == 0:
        return f"{NOT_FOUND} {NO_MATCH if filters.any else NO_DOCUMENTS}"
    return NOT_FOUND
