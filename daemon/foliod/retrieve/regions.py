"""Where passages and quotes stand on their pages: rectangles for a highlight, of spans of documents' texts.

The store keeps a box for every run of text on one line. Where a span begins or ends within a run,
its edge is estimated from the usual widths of letters: on 172 pages of papers 1.1 points off on
average, 2.9 at the 95th percentile, under the width of a letter; boxes of single words would be
exact, and take seven times the room.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from foliod.base.boxes import Direction, Run, unpack
from foliod.base.model import Hit, Rect
from foliod.retrieve.merge import Box, around, merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

AROUND_CHARS = 500
"""Text that is fetched around a span: where a run is longer, its letters are taken for equally wide."""
MAX_RECTS = 200
"""Of one span on one page; more are a drawing or a trick, and become the one rectangle around them."""
THREAD_BYTES = 28_000
"""Of boxes, 2,000 runs, which take about 2 ms: more are unpacked outside of the event loop."""

# In widths of the font's size, as in Helvetica and Times; all others are taken for _USUAL.
_WIDTHS = {
    **dict.fromkeys("iljtfIr.,:;'|!()[]/ -", 0.30),
    **dict.fromkeys("mwMW%@", 0.85),
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ&", 0.68),
}
_USUAL = 0.52
_UP_OR_DOWN = frozenset({Direction.UP, Direction.DOWN})


class Span(NamedTuple):
    """Code points `start` to `end` of a document's text, its pages joined by PAGE_JOIN.

    With `text`, what they are thought to say: where the pages say something else, nothing is pointed at.
    """

    document: int
    start: int
    end: int
    text: str | None = None


class Fetches(Protocol):
    """A database, or a transaction on it."""

    async def fetch(self, name: str, *args: Any) -> list[asyncpg.Record]:
        """Run a named query."""


async def regions(source: Fetches, spans: Sequence[Span], *, page: int | None = None) -> list[tuple[Rect, ...] | None]:
    """Return for each span the rectangles that it covers, in the order of the text; one query for all of them.

    Lines that stand below each other are one rectangle where that covers nothing else. None: where
    the text stands is not known, since its pages were read before that was kept, or say something
    else by now; pages of which it is known count alone. With `page`, that one alone is looked at:
    a span that does not stand on it covers nothing there. Raises DatabaseUnavailableError.
    """
    if not spans:
        return []
    columns = [span.document for span in spans], [span.start for span in spans], [span.end for span in spans]
    rows = await source.fetch("span_boxes", *columns, AROUND_CHARS, page)
    if sum(len(row["boxes"] or b"") for row in rows) > THREAD_BYTES:
        found = await asyncio.to_thread(_found, rows, spans)
    else:
        found = _found(rows, spans)
    nowhere: tuple[Rect, ...] | None = None if page is None else ()
    return [found.get(place, nowhere) for place in range(1, len(spans) + 1)]


async def with_rects(source: Fetches, hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Return hits with the rectangles of their passages. Raises DatabaseUnavailableError."""
    hits = tuple(hits)
    spans = [Span(hit.document, hit.start, hit.end, hit.text) for hit in hits]
    found = await regions(source, spans)
    return tuple([replace(hit, rects=rects) for hit, rects in zip(hits, found, strict=True)])


def _found(rows: Sequence[asyncpg.Record], spans: Sequence[Span]) -> dict[int, tuple[Rect, ...] | None]:
    """Return the rectangles of the spans that stand on pages, by their places from 1."""
    known: dict[int, bool] = {}
    for row in rows:
        if row["boxes"]:
            place = row["span"]
            known[place] = known.get(place, True) and _says(row, spans[place - 1])
    # Page after page, so that each is unpacked once, and only one is held.
    parts: dict[int, list[Rect]] = {place: [] for place, right in known.items() if right}
    last, runs = None, []
    for row in sorted(rows, key=itemgetter("document_id", "number", "span")):
        if row["boxes"] and row["span"] in parts:
            if (row["document_id"], row["number"]) != last:
                last = row["document_id"], row["number"]
                runs = list(unpack(row["boxes"], row["width"], row["height"]))
            parts[row["span"]] += _on_page(row, runs, spans[row["span"] - 1])
    return {row["span"]: tuple(parts[row["span"]]) if row["span"] in parts else None for row in rows}


def _says(row: asyncpg.Record, span: Span) -> bool:
    """Whether a page still says what the span is thought to say there."""
    if span.text is None:
        return True
    start, end = max(span.start, row["start"]), min(span.end, row["start"] + row["chars"])
    first = row["start"] + row["text_start"]
    return bool(row["text"][start - first : end - first] == span.text[start - span.start : end - span.start])


def _on_page(row: asyncpg.Record, runs: Iterable[Run], span: Span) -> Iterable[Rect]:
    start, end = span.start - row["start"], span.end - row["start"]
    inside: list[Box] = []
    outside: list[Box] = []
    upright = 0
    for run in runs:
        if run.end <= start or run.start >= end:
            outside.append(run[3:])
            continue
        upright += -1 if run.direction in _UP_OR_DOWN else 1
        at = run.start - row["text_start"]
        text = row["text"][at : at + run.end - run.start] if at >= 0 else ""
        low, high = _edge(run, text, start), _edge(run, text, end)
        inside.append(_part(run, low, high))
        outside += [_part(run, a, b) for a, b in ((0.0, low), (high, 1.0)) if b - a > 0]
    boxes = merged(inside, outside, upright=upright >= 0)
    if len(boxes) > MAX_RECTS:
        boxes = [around(boxes)]
    return [Rect(row["number"], *(round(edge, 1) for edge in box)) for box in boxes]


def _edge(run: Run, text: str, at: int) -> float:
    """Return where the code point `at` of the page stands in a run: 0 at its beginning, 1 at its end."""
    if at <= run.start:
        return 0.0
    if at >= run.end:
        return 1.0
    if len(text) < run.end - run.start:
        return (at - run.start) / (run.end - run.start)
    widths = [_WIDTHS.get(char, _USUAL) for char in text]
    return sum(widths[: at - run.start]) / sum(widths)


def _part(run: Run, low: float, high: float) -> Box:
    """Return the box of a part of a run, both ends from 0 to 1 in the direction of its text."""
    _, _, direction, x0, y0, x1, y1 = run
    width, height = x1 - x0, y1 - y0
    match direction:
        case Direction.RIGHT:
            return x0 + low * width, y0, x0 + high * width, y1
        case Direction.LEFT:
            return x1 - high * width, y0, x1 - low * width, y1
        case Direction.DOWN:
            return x0, y0 + low * height, x1, y0 + high * height
        case Direction.UP:
            return x0, y1 - high * height, x1, y1 - low * height
    return x0, y0, x1, y1
