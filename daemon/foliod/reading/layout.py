"""Puts the lines of a page into reading order: rows, columns, page header and footer.

The order in which a PDF draws is the author's reading order in most files, and knows tables
better than geometry does; only where it plainly runs against the page is it replaced by a
recursive cut along the white space (Nagy, Seth and Viswanathan, 1992).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from foliod.reading.lines import Line, read_leftwards

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_DEPTH = 40
_MOST_UNITS = 500
"""A page in more parts is a map or a drawing; to put it in order would take long and gain nothing."""
_MARKER = re.compile(r"(?:\S|\[?\(?\w{1,4}[.)\]]?)$")


class Unit:
    """Lines that stay together when a page is put in order, and the box around them."""

    __slots__ = ("bottom", "chars", "lines", "right", "top", "x0", "x1", "y0", "y1")

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.x0 = min(line.x0 for line in lines)
        self.y0 = min(line.y0 for line in lines)
        self.x1 = max(line.x1 for line in lines)
        self.y1 = max(line.y1 for line in lines)
        # Baselines: the boxes of neighbouring lines overlap.
        self.top = min(line.base for line in lines)
        self.bottom = max(line.base for line in lines)
        self.chars = sum(len(line.text) for line in lines)
        self.right = self.x1
        """Where the lines of its column end."""


def ordered(lines: list[Line], width: float, height: float) -> list[Unit]:
    """Return the lines in reading order, the pieces of a row made one, grouped as they stand together.

    On pages that are read from right to left, x runs leftwards in what comes back.

    Args:
        lines: in the order of drawing, upright; at least one.
        width: of the page, in points.
        height: of the page, in points.
    """
    if read_leftwards(lines):
        lines = [replace(line, x0=width - line.x1, x1=width - line.x0, drawn=line.pieces()) for line in lines]
    gutter = _gutter(lines)
    units = [Unit(part) for block in _blocks(lines) for part in _split(block, gutter)]
    units = _ordered(units, height, gutter)
    _align(units)
    return units


def by_white_space(lines: list[Line]) -> list[Line]:
    """Return lines whose order says nothing, as those of a recognised picture, column after column."""
    if len(lines) > _MOST_UNITS:
        return lines
    return [line for unit in _cut([Unit([line]) for line in lines], 0) for line in unit.lines]


# --- lines and blocks -------------------------------------------------------------------


def _blocks(lines: list[Line]) -> list[list[Line]]:
    out: list[list[Line]] = []
    block = None
    for line in lines:
        if line.block != block:
            out.append([])
            block = line.block
        out[-1].append(line)
    return out


def _same_row(a: Line, b: Line) -> bool:
    """Whether `b` stands on the baseline of `a`, to its right."""
    return abs(a.base - b.base) < 0.3 * max(a.size, b.size) and b.x0 >= a.x1 - 0.5 * a.size


def _gutter(lines: list[Line]) -> float | None:
    """Return the middle of the white space between two columns of prose that were drawn line by line in turns.

    Drawn so, the two halves of every row come one after the other; drawn column by column they don't.
    """
    pairs = [(a, b) for a, b in pairwise(lines) if _same_row(a, b) and b.x0 - a.x1 > 0.6 * a.size]
    if len(pairs) < 6:
        return None
    gaps = Counter(round(b.x0 / 4) for _, b in pairs)
    x, count = gaps.most_common(1)[0]
    rows = [(a, b) for a, b in pairs if abs(b.x0 - 4 * x) <= 6]
    if count < 6 or len(rows) < 0.6 * len({round(line.base) for line in lines}):
        return None
    left, right = max(a.x1 for a, _ in rows), min(b.x0 for _, b in rows)
    # Cells of a table are short; halves of prose fill their column.
    prose = [side for side in zip(*rows, strict=True) if sum(len(line.text) for line in side) >= 24 * len(rows)]
    if left >= right or len(prose) < 2:
        return None
    return (left + right) / 2


def _split(block: list[Line], gutter: float | None) -> list[list[Line]]:
    """Return the rows of a block, in one part, or in a left and a right part where a gutter divides them."""
    if gutter is None:
        return [_rows(block)]
    parts: list[tuple[str, list[Line]]] = []
    left: list[Line] = []
    right: list[Line] = []
    for line in block:
        if line.x0 < gutter < line.x1:
            parts += [("l", left), ("r", right), ("s", [line])]
            left, right = [], []
        else:
            (left if line.x1 <= gutter else right).append(line)
    parts += [("l", left), ("r", right)]
    return [_rows(part) for _, part in parts if part]


def _rows(lines: list[Line]) -> list[Line]:
    """Return the lines with the pieces on one baseline made one."""
    out: list[Line] = []
    pieces: list[Line] = []
    for line in lines:
        if pieces and not _same_row(pieces[-1], line):
            out.append(_row(pieces))
            pieces = []
        pieces.append(line)
    out.append(_row(pieces))
    return out


def _row(pieces: list[Line]) -> Line:
    first, last = pieces[0], pieces[-1]
    if first is last:
        return first
    gaps = [(b.x0 - a.x1) / a.size for a, b in pairwise(pieces)]
    if _MARKER.match(first.text.strip()):
        gaps = gaps[1:]
    # Justified lines are stretched up to 1.4 times the font's size after the end of a sentence.
    wide = sum(gap > 1.6 for gap in gaps)
    if len(gaps) > 1 and min(gaps) > 1.2:
        wide = len(gaps)
    largest = max(pieces, key=lambda piece: len(piece.text))
    return Line(
        # What has no space between is one word: a formula, or a font changed in mid-word.
        "".join(
            piece.text if not i or piece.x0 - pieces[i - 1].x1 < 0.1 * piece.size else f" {piece.text}"
            for i, piece in enumerate(pieces)
        ),
        first.x0,
        min(piece.y0 for piece in pieces),
        max(piece.x1 for piece in pieces),
        max(piece.y1 for piece in pieces),
        largest.base,
        largest.size,
        all(piece.bold for piece in pieces),
        first.block,
        wide + 1,
        tuple([drawn for piece in pieces for drawn in piece.pieces()]),
    )


# --- order ------------------------------------------------------------------------------


def _ordered(units: list[Unit], height: float, gutter: float | None) -> list[Unit]:
    """Return the units in reading order: page header, body, page footer."""
    if len(units) < 2:
        return units
    bands = _bands(units)
    head = bands[0] if len(bands) > 1 and _is_margin(bands[0], bands[1], height) else []
    foot = bands[-1] if len(bands) > 1 + bool(head) and _is_margin(bands[-1], bands[-2], height) else []
    margin = {id(unit) for unit in (*head, *foot)}
    body = [unit for unit in units if id(unit) not in margin]
    if len(body) <= _MOST_UNITS and (gutter is not None or _runs_backwards(body)):
        body = _cut(body, 0)
    return [*sorted(head, key=lambda u: u.x0), *body, *sorted(foot, key=lambda u: (round(u.y1), u.x0))]


def _bands(units: Iterable[Unit]) -> list[list[Unit]]:
    """Return the units grouped from top to bottom where white space runs across."""
    out: list[list[Unit]] = []
    bottom = 0.0
    for unit in sorted(units, key=lambda u: u.y0):
        if not out or unit.y0 >= bottom - 1:
            out.append([])
            bottom = unit.y1
        out[-1].append(unit)
        bottom = max(bottom, unit.y1)
    return out


def _is_margin(band: list[Unit], neighbour: list[Unit], height: float) -> bool:
    """Whether a band is a page's header or footer: one short line near the edge, apart from the body."""
    y0, y1 = min(u.y0 for u in band), max(u.y1 for u in band)
    near = y1 < 0.1 * height or y0 > 0.9 * height
    distance = max(min(u.y0 for u in neighbour) - y1, y0 - max(u.y1 for u in neighbour))
    size = max(line.size for unit in band for line in unit.lines)
    return (
        near
        and distance > 0.7 * size
        and all(len(unit.lines) == 1 for unit in band)
        and sum(unit.chars for unit in band) <= 200
    )


def _runs_backwards(units: list[Unit]) -> bool:
    """Whether the order of drawing goes up within a column, or back to a column left of it and up."""
    prose = [unit for unit in units if unit.chars >= 15]
    for a, b in pairwise(prose):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0)
        if overlap > 0.5 * min(a.x1 - a.x0, b.x1 - b.x0) and b.bottom < a.top - 2:
            return True
        if b.x1 <= a.x0:
            above = b.top < a.top - 2 and b.bottom < a.bottom
            beside = b.top < a.bottom and a.top < b.bottom and len(a.lines) > 2 and len(b.lines) > 2
            if above or beside:
                return True
    return False


def _cut(units: list[Unit], depth: int) -> list[Unit]:
    """Return the units ordered by cutting along the white space: columns first, then bands."""
    if len(units) < 2 or depth > _MAX_DEPTH:
        return sorted(units, key=lambda u: (u.y0, u.x0))
    columns = _columns(units)
    if len(columns) > 1:
        return [unit for column in columns for unit in _cut(column, depth + 1)]
    regions: list[list[Unit]] = []
    for band in _bands(units):
        # Bands that share their columns are one region, read column by column.
        if regions and len(_columns(regions[-1] + band)) > 1:
            regions[-1] += band
        else:
            regions.append(band)
    if len(regions) == 1:
        return sorted(units, key=lambda u: (u.y0, u.x0))
    return [unit for region in regions for unit in _cut(region, depth + 1)]


def _columns(units: list[Unit]) -> list[list[Unit]]:
    """Return the units grouped from left to right where white space runs from top to bottom."""
    out: list[list[Unit]] = []
    right = 0.0
    for unit in sorted(units, key=lambda u: u.x0):
        if not out or unit.x0 > right + 4:
            out.append([])
            right = unit.x1
        out[-1].append(unit)
        right = max(right, unit.x1)
    # Bullets, line numbers and the like stand beside the text, they are no column of it.
    if any(sum(u.chars for u in column) < 6 * sum(len(u.lines) for u in column) for column in out):
        return [units]
    return out


def _align(units: list[Unit]) -> None:
    """Give short units the right edge of longer ones that begin at the same left edge."""
    edges: dict[int, list[float]] = {}
    for unit in units:
        if len(unit.lines) >= 3:
            edges.setdefault(round(unit.x0), []).append(unit.x1)
    for unit in units:
        if len(unit.lines) < 3:
            near = [x1 for x in range(round(unit.x0) - 1, round(unit.x0) + 2) for x1 in edges.get(x, ())[:100]]
            unit.right = min((x1 for x1 in near if x1 >= unit.x1 - 2), default=unit.x1)
