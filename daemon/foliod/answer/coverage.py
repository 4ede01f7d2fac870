"""What an answer could see, and what could not be read of the documents it touches."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from foliod.base.objects import coverage_object, document_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from foliod.base.model import Coverage, Hit
    from foliod.store.database import Database

REASONS = {
    "needs_ocr": "a picture of text that was not recognised",
    "failed": "could not be read",
    "garbage": "its letters can't be decoded",
}
MOST_RUNS = 100
"""Runs of pages that are named of a document for one reason."""


async def covered(db: Database, coverage: Coverage, hits: Sequence[Hit]) -> dict[str, Any]:
    """Return an answer's `coverage`: of all that was searched the numbers, of the hits' documents what is missing.

    `unread` holds `{document: {id, title, path}, pages: [[first, last], …], reason}` for each document and reason;
    without pages when it is not known where text is missing. Raises DatabaseUnavailableError.
    """
    documents = {hit.document: hit for hit in reversed(hits)}
    if not documents:
        return {**coverage_object(coverage), "unread": []}
    pages = await db.fetch("unread_of", list(documents))
    partial = {row["id"]: row["reason"] for row in await db.fetch("partial_of", list(documents))}
    by_document: dict[int, dict[str, list[int]]] = {}
    for row in pages:
        by_document.setdefault(row["document_id"], {}).setdefault(_reason(row), []).append(row["number"])
    for document, reason in partial.items():
        if document not in by_document:
            by_document[document] = {reason or "some of its text is missing": []}
    return {
        **coverage_object(coverage),
        "unread": [
            {"document": _named(documents[document]), "pages": runs(numbers)[:MOST_RUNS], "reason": reason}
            for document in sorted(by_document, key=lambda d: documents[d].rank)
            for reason, numbers in by_document[document].items()
        ],
    }


def runs(numbers: Iterable[int]) -> list[list[int]]:
    """Return rising numbers as runs of first and last."""
    found = []
    for _, run in groupby(enumerate(numbers), key=lambda item: item[1] - item[0]):
        pages = [number for _, number in run]
        found.append([pages[0], pages[-1]])
    return found


def _named(hit: Hit) -> dict[str, Any]:
    document = document_object(hit)
    return {key: document[key] for key in ("id", "title", "path")}


def _reason(row: asyncpg.Record) -> str:
    return REASONS.get(row["verdict"]) or str(row["trouble"])
