"""What recognising a page's picture needs beside MuPDF and Tesseract: its resolution, and lines made of what was seen.

Tesseract takes a page for one block: its lines come from top to bottom across all columns, each
word with a size of its own. Here sizes are evened out and the columns put one after the other,
so that the text can flow as that of any other page.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from foliod.reading.layout import by_white_space
from foliod.reading.spans import upright_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foliod.reading.lines import Line
    from foliod.reading.wire import Ocr

DPI = 300
"""What Tesseract was made for (tessdoc, ImproveQuality)."""
MAX_PIXELS = 25_000_000
"""Of a page's picture; larger pages get a coarser one. With Tesseract's copies 13 bytes each."""
HEADING_RATIO = 1.35
"""Lines that are not so much larger than most have the size of most: the measured heights vary by a quarter."""

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_LIKE_TEXT = re.compile(r"[^\W_]{2}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def zoom(width: float, height: float) -> float:
    """Return pixels per point for the picture of a page of this size in points."""
    area = max(width, 1.0) * max(height, 1.0)
    return min(DPI / 72, math.sqrt(MAX_PIXELS / area))


def seen_lines(blocks: Sequence[dict[str, Any]], width: float, height: float) -> list[Line]:
    """Return what Tesseract saw as lines in reading order.

    Args:
        blocks: of `TextPage.extractDICT` of the recognised page, upright.
        width: of the page as displayed, in points.
        height: of the page as displayed, in points.
    """
    apart = [{"lines": [line]} for block in blocks for line in block.get("lines", ())]
    lines, _ = upright_lines(apart, 0, None, width, height)
    lines = [line for line in lines if _LETTER_OR_DIGIT.search(line.text)]
    if not lines:
        return []
    return _in_blocks(by_white_space(_evened(lines)))


def looks_like_text(text: str) -> bool:
    """Whether there is a word or a number in it: specks in a picture are seen as single signs."""
    return _LIKE_TEXT.search(text) is not None


def language_folders(ocr: Ocr) -> list[str]:
    """Return the folders that Tesseract reads for these languages; some systems link the files from elsewhere."""
    files = [os.path.join(ocr.tessdata, f"{language}.traineddata") for language in ocr.languages.split("+")]
    return [ocr.tessdata, *{os.path.dirname(os.path.realpath(file)) for file in files}]


def _evened(lines: list[Line]) -> list[Line]:
    """Return the lines with the size that most have where they have about that, and a box that fits baseline and size."""
    heights = sorted(line.size for line in lines for _ in line.text)
    most = heights[len(heights) // 2]
    out = []
    for line in lines:
        size = most if line.size < HEADING_RATIO * most else line.size
        y0, y1 = line.base - size, line.base + 0.2 * size
        drawn = tuple([(text, goes, x0, y0, x1, y1) for text, goes, x0, _, x1, _ in line.drawn])
        out.append(replace(line, size=size, y0=y0, y1=y1, drawn=drawn))
    return out


def _in_blocks(lines: list[Line]) -> list[Line]:
    """Return the lines with the pieces of a row side by side, and a new block where the text goes up again."""
    rows: list[list[Line]] = []
    for line in lines:
        row = rows[-1] if rows else []
        beside = bool(row) and all(line.x0 >= piece.x1 - 1 or line.x1 <= piece.x0 + 1 for piece in row)
        if beside and abs(line.base - row[0].base) < 0.5 * line.size:
            row.append(line)
        else:
            rows.append([line])
    block = 0
    out = [replace(piece, block=block) for piece in sorted(rows[0], key=lambda piece: piece.x0)]
    for above, row in pairwise(rows):
        if row[0].base < above[0].base:
            block += 1
        out += [replace(piece, block=block) for piece in sorted(row, key=lambda piece: piece.x0)]
    return out
