"""Turns the spans that MuPDF finds on a page into upright lines of text."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from foliod.base.boxes import Direction
from foliod.reading.lines import Line, leftwards
from foliod.text.normalize import garbage_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from foliod.reading.lines import Piece

Matrix = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: a point x, y becomes a*x + c*y + e, b*x + d*y + f."""

UNREADABLE_SHARE = 0.3
"""A font of whose characters so many stand for nothing names no letters; what it seems to say is not to be trusted."""
UNREADABLE_CHARS = 10
"""So many of them at least: a few unknown signs among letters spoil nothing."""

_BOLD, _SUPERSCRIPT = 16, 1
_SMALLEST, _LARGEST = 0.5, 10_000.0
"""Sizes of fonts in points that can be."""
_QUARTERS = {(1.0, 0.0): 0, (0.0, 1.0): 1, (-1.0, 0.0): 2, (0.0, -1.0): 3}
_DIRECTIONS = tuple(Direction)
_RAISED_NUMBER = re.compile(r"\d[\d,\s–-]*")
_TAKES_NUMBER = re.compile(r"(?:[^\W\d_]{3}|\d|[.,;:!?)\]\"”’»])$")
_EXTENSION_FONT = re.compile(r"(?i)ex\d*(?:[-_]\w+)?$|math|msam|esint")


def upright_lines(
    blocks: Sequence[dict[str, Any]], rotation: int, turn: Matrix | None, width: float, height: float
) -> tuple[list[Line], list[list[Line]]]:
    """Return the lines in the direction that most of the page is written in, upright, and the others by block.

    Args:
        blocks: of `TextPage.extractDICT`.
        rotation: degrees by which the page is turned for display, a multiple of 90.
        turn: what turns the page's coordinates for display; None when nothing does.
        width: of the page as displayed, in points.
        height: of the page as displayed, in points.
    """
    quarter = rotation // 90 % 4
    found: list[tuple[int | None, tuple[float, float], Line]] = []
    plain = not quarter
    for number, block in enumerate(blocks):
        for line in block.get("lines", ()):
            spans = line["spans"]
            text = "".join([span["text"] for span in spans])
            if not text or text.isspace():
                continue
            most = spans[0]
            bold = bool(most["flags"] & _BOLD)
            if len(spans) > 1:
                if any(span["flags"] & _SUPERSCRIPT for span in spans):
                    text = _with_raised_numbers(spans)
                most = max(spans, key=_span_length)
                bold = sum(len(span["text"]) for span in spans if span["flags"] & _BOLD) * 2 > len(text)
            direction: int | None = 0
            if line["dir"] != (1.0, 0.0):
                direction = _QUARTERS.get((round(line["dir"][0], 2), round(line["dir"][1], 2)))
                plain = plain and direction == 0
            x0, y0, x1, y1 = line["bbox"]
            origin = most["origin"]
            size = most["size"]
            if not _SMALLEST < size < _LARGEST:
                # Fonts with units of their own: then the line's box tells more.
                size = min(max(min(x1 - x0, y1 - y0), _SMALLEST), _LARGEST)
            found.append((direction, origin, Line(text, x0, y0, x1, y1, origin[1], size, bold, number)))
    if plain:
        return [line for _, _, line in found], []
    if turn is not None:
        found = [
            (None if d is None else (d + quarter) % 4, _apply(turn, *at), _box(turn, line)) for d, at, line in found
        ]
    for direction, _, line in found:
        line.drawn = (_piece(line, direction),)
    return _main_direction(found, width, height)


def _piece(line: Line, direction: int | None) -> Piece:
    """Return where a line stands, before anything but the page's own rotation has turned it."""
    goes = _DIRECTIONS[4 if direction is None else direction]
    if not line.text.isascii() and direction is not None and leftwards(line.text):
        goes = _DIRECTIONS[(direction + 2) % 4]
    return line.text, goes, line.x0, line.y0, line.x1, line.y1


def drop_unreadable(blocks: Sequence[dict[str, Any]]) -> int:
    """Take the spans of fonts that name no letters out of the blocks; return how many characters they had.

    TeX's pieces of large brackets stay: they never name characters, and nothing is missing without them.
    """
    said: dict[str, list[str]] = {}
    for span in _spans(blocks):
        said.setdefault(span["font"], []).append(span["text"])
    texts = {font: "".join(parts) for font, parts in said.items()}
    unreadable = {
        font
        for font, text in texts.items()
        if (share := garbage_share(text)) > UNREADABLE_SHARE
        and share * len(text) >= UNREADABLE_CHARS
        and not _EXTENSION_FONT.search(font)
    }
    for block in blocks:
        for line in block.get("lines", ()):
            line["spans"] = [span for span in line["spans"] if span["font"] not in unreadable]
    return sum(len(texts[font]) for font in unreadable)


def text_without_brackets(blocks: Sequence[dict[str, Any]]) -> str:
    """Return the raw text without the pieces that TeX builds large brackets from: they name no characters."""
    return "".join(span["text"] for span in _spans(blocks) if not _EXTENSION_FONT.search(span["font"]))


def _spans(blocks: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (span for block in blocks for line in block.get("lines", ()) for span in line["spans"])


def _span_length(span: dict[str, Any]) -> int:
    return len(span["text"])


def _with_raised_numbers(spans: Sequence[dict[str, Any]]) -> str:
    """Return the text with raised numbers apart from the word or number that they are raised behind."""
    out = ""
    for span in spans:
        text = span["text"]
        if span["flags"] & _SUPERSCRIPT and _RAISED_NUMBER.match(text) and _TAKES_NUMBER.search(out[-4:]):
            out += " "
        out += text
    return out


def _main_direction(
    found: list[tuple[int | None, tuple[float, float], Line]], width: float, height: float
) -> tuple[list[Line], list[list[Line]]]:
    letters: Counter[int] = Counter()
    for direction, _, line in found:
        if direction is not None:
            letters[direction] += len(line.text)
    main = letters.most_common(1)[0][0] if letters else None
    matrix: Matrix = (
        (1, 0, 0, 1, 0, 0),
        (0, -1, 1, 0, 0, width),
        (-1, 0, 0, -1, width, height),
        (0, 1, -1, 0, height, 0),
    )[main or 0]
    lines: list[Line] = []
    aside: dict[int, list[Line]] = {}
    for direction, origin, line in found:
        if direction == main and main is not None:
            lines.append(replace(_box(matrix, line), base=_apply(matrix, *origin)[1]))
        else:
            aside.setdefault(line.block, []).append(line)
    return lines, list(aside.values())


def _apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _box(matrix: Matrix, line: Line) -> Line:
    (xa, ya), (xb, yb) = _apply(matrix, line.x0, line.y0), _apply(matrix, line.x1, line.y1)
    return replace(line, x0=min(xa, xb), y0=min(ya, yb), x1=max(xa, xb), y1=max(ya, yb))
