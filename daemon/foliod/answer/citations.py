"""From a finished answer to what it rests on: quotes for its numbers, and the sentences that no source supports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from foliod.answer.claims import claims
from foliod.answer.markers import settle
from foliod.answer.pool import Pool
from foliod.answer.proof import Quote, prove
from foliod.answer.support import Evidence
from foliod.base.errors import DatabaseUnavailableError
from foliod.base.objects import document_object, rect_objects
from foliod.retrieve.regions import Span, regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foliod.answer.claims import Claim
    from foliod.answer.pool import Sentence
    from foliod.base.model import Hit
    from foliod.store.database import Database

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer, checked.

    `text` has its numbers as `[1][2]`, without those that no passage has (`invented`). `quotes` are pairs of a
    passage's number and its sentence, None where none fits. `unsupported` are `{text, start, end, why}`, offsets in
    code points into `text`. `answered` is false when it says that the documents don't hold what was asked for.
    """

    text: str
    quotes: list[tuple[int, Sentence | None]]
    invented: list[int]
    unsupported: list[dict[str, Any]]
    answered: bool


class Checker:
    """Checks an answer against its passages. Making one reads the passages: it can be done while the model writes."""

    def __init__(self, question: str, passages: Sequence[Hit]) -> None:
        self.pool = Pool(passages)
        self._passages = passages
        self._question = question
        self._evidence = Evidence(passages, self.pool, question)

    def check(self, answer: str) -> Checked:
        """Return what holds of an answer by a model."""
        numbered = settle(answer, len(self._passages))
        said = claims(numbered)
        answered = not _denies(said)
        return Checked(
            text=numbered.text,
            quotes=list(self._quotes(said).items()) if answered else [],
            invented=list(numbered.invented),
            unsupported=[
                {"text": numbered.text[c.start : c.end], "start": c.start, "end": c.end, "why": verdict.why}
                for c in said
                if c.claims and not (verdict := self._evidence.judge(c.text, c.named)).supported
            ],
            answered=answered,
        )

    def _quotes(self, said: Sequence[Claim]) -> dict[int, Sentence | None]:
        """Return for each passage that is named the sentence that shares most with what the answer says there.

        The question decides where the answer shares no word (it may be in another language).
        """
        words: dict[int, list[str]] = {}
        for claim in said:
            for n in claim.named:
                words.setdefault(n, []).append(claim.text)
        asked = frozenset(self.pool.tokenize(self._question))
        return {
            n: self.pool.best(frozenset(self.pool.tokenize(" ".join(texts))), n) or self.pool.best(asked, n)
            for n, texts in words.items()
        }


async def cite(
    db: Database, passages: Sequence[Hit], quotes: Sequence[tuple[int, Sentence | None]]
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the citations of quotes, and why they could not be checked, None when they were.

    `{n, document, pages, quote, verified, rects}`: `verified` says whether the quote stands in the stored text of its
    `pages`, null that this could not be looked up; `pages` are those of the quote, of the passage when it was not
    found; `rects` is null where the places are not known.
    """
    known = [(passages[n - 1], sentence) for n, sentence in quotes if sentence is not None]
    try:
        proofs = await prove(db, [Quote(hit, sentence.start, sentence.text) for hit, sentence in known])
        spans = [Span(hit.document, hit.start + s.start, hit.start + s.start + len(s.text), s.text) for hit, s in known]
        places = await regions(db, spans)
        trouble = None
    except DatabaseUnavailableError as error:
        log.warning("citations_not_checked", reason=error.message)
        proofs, places = [], []
        trouble = f"the quotes could not be checked: {error.message}"
    found = iter(zip(proofs, places, strict=True))
    citations = []
    for n, sentence in quotes:
        hit = passages[n - 1]
        proof, rects = next(found, (None, None)) if sentence is not None else (None, None)
        pages = (proof.first_page, proof.last_page) if proof else (hit.first_page, hit.last_page)
        unknown = trouble is not None and sentence is not None
        citations.append(
            {
                "n": n,
                "document": document_object(hit),
                "pages": list(pages),
                "quote": sentence.text if sentence else None,
                "verified": None if unknown else proof is not None and proof.verified,
                "rects": rect_objects(rects),
            }
        )
    return citations, trouble


def _denies(said: Sequence[Claim]) -> bool:
    """Whether an answer says that the documents do not hold the answer, and gives none beside that."""
    if not any(claim.denies for claim in said):
        return False
    return not any(claim.claims and claim.named for claim in said) and (
        said[0].denies or not any(claim.claims for claim in said)
    )
