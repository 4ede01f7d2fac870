"""Judges what became of a page: text, a picture that needs OCR, garbage, or nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from foliod.base.model import Verdict
from foliod.reading.spans import text_without_brackets
from foliod.text.normalize import garbage_share
from foliod.text.shifted import shift_of

if TYPE_CHECKING:
    from collections.abc import Sequence

GARBAGE_SHARE = 0.05
GARBAGE_CHARS = 10
"""Fewer unknown characters on an almost empty page spoil nothing."""
PICTURE_SHARE = 0.15
"""A page without text of which pictures cover so much may hold text as a picture."""
SCAN_SHARE = 0.6
SCAN_LETTERS = 30
"""A picture over most of a page with no more letters than that is a scan with a stamp or a page number."""
DRAWN_PATHS = 20
"""Fewer are rules and frames."""

_LETTER = re.compile(r"[^\W_]")


def judge(raw: str, lost: int, blocks: Sequence[dict[str, Any]], text: str, page: Any) -> Verdict:
    """Judge a page by its raw and its final text; pictures are looked for only where text is scarce.

    Args:
        raw: as MuPDF gives it.
        lost: how many more characters there were in fonts that name no letters.
        blocks: of `TextPage.extractDICT`, without those.
        text: as it would be stored.
        page: a pymupdf Page.
    """
    if lost > len(raw):
        return Verdict.GARBAGE
    share = garbage_share(raw)
    if share > GARBAGE_SHARE:
        rest = text_without_brackets(blocks)
        share = garbage_share(rest)
        if share > GARBAGE_SHARE and share * len(rest) >= GARBAGE_CHARS:
            return Verdict.GARBAGE
    if (share and not text.strip("\ufffd \n")) or shift_of(raw):
        return Verdict.GARBAGE
    letters = len(_LETTER.findall(text, 0, 1000))
    if letters > SCAN_LETTERS:
        return Verdict.TEXT
    if _picture_share(page) >= (SCAN_SHARE if letters else PICTURE_SHARE):
        return Verdict.NEEDS_OCR
    return Verdict.TEXT if text else Verdict.EMPTY


def _picture_share(page: Any) -> float:
    """Return the share of the page, 0 to 1, that images or many drawn paths cover."""
    left, top, right, bottom = page.rect
    area = (right - left) * (bottom - top)
    if not area > 0:
        return 0.0
    images, paths = 0.0, 0
    drawn = (right, bottom, left, top)
    for kind, (x0, y0, x1, y1) in page.get_bboxlog():
        box = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
        size = max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
        if kind in {"fill-image", "fill-imgmask"}:
            # Scans in black and white are often masks through which black is poured.
            images += size
        elif kind in {"fill-path", "stroke-path"} and box[2] >= box[0] and box[3] >= box[1]:
            paths += 1
            drawn = min(drawn[0], box[0]), min(drawn[1], box[1]), max(drawn[2], box[2]), max(drawn[3], box[3])
    if paths >= DRAWN_PATHS:
        images = max(images, (drawn[2] - drawn[0]) * (drawn[3] - drawn[1]))
    return float(min(1.0, images / area))
