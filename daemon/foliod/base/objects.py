"""What answers of version 1 of the HTTP interface look like: documents, hits, rectangles, coverage, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foliod.base.errors import FoliodError
    from foliod.base.model import Coverage, Hit, Rect


def document_object(hit: Hit) -> dict[str, Any]:
    """Return what a hit says about its document; of `places` many places, `paths` are the first ones.

    `host` names the other host on which `path` lies; null is this one.
    """
    return {
        "id": hit.document,
        "sha256": hit.sha256,
        "title": hit.title,
        "path": hit.paths[0] if hit.paths else None,
        "paths": list(hit.paths),
        "places": hit.places,
        "host": hit.host,
    }


def hit_object(hit: Hit) -> dict[str, Any]:
    """Return a hit as searches and the sources of answers show it.

    `start` and `end` are code points of the document's text, its pages joined by a line end. `rects`
    is null where it is not known.
    """
    return {
        "rank": hit.rank,
        "score": hit.score,
        "scores": {"keyword": hit.keyword, "vector": hit.vector, "title": hit.title_score},
        "document": document_object(hit),
        "pages": [hit.first_page, hit.last_page],
        "heading": hit.heading,
        "text": hit.text,
        "start": hit.start,
        "end": hit.end,
        "rects": rect_objects(hit.rects),
        "chunk": hit.chunk,
        "copies": [
            {"document": copy.document, "title": copy.title, "pages": [copy.first_page, copy.last_page]}
            for copy in hit.copies
        ],
    }


def rect_objects(rects: Iterable[Rect] | None) -> list[dict[str, Any]] | None:
    """Return rectangles as answers show them: page from 1, points from the top left of the page as displayed."""
    return None if rects is None else [rect._asdict() for rect in rects]


def coverage_object(coverage: Coverage) -> dict[str, int]:
    """Return what an answer could see: searchable documents, all their pages, those of them that could not be read."""
    return {
        "documents": coverage.documents,
        "pages": coverage.pages,
        "unread_pages": coverage.unread_pages,
        "pending": coverage.pending,
    }


def error_object(error: FoliodError) -> dict[str, str]:
    """Return an error's code and message."""
    return {"code": error.code, "message": error.message}
