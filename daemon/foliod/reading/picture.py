"""Draws a page as a picture, with passages marked as with a felt pen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from foliod.base.errors import DocumentRefusedError
from foliod.base.model import DocumentState
from foliod.reading.mupdf import pymupdf
from foliod.reading.pdf import OpenDocument
from foliod.reading.refusal import wants_memory
from foliod.reading.wire import MAX_PICTURE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foliod.reading.wire import Draw

MAX_PIXELS = 12_000_000
"""Of a picture, 36 MB of memory; larger pages get a coarser one. A letter page at 300 dpi has 8.4 million."""
MAX_SIDE = 16_000
YELLOW = 0xFFE066
"""What white becomes in a marked passage; black stays black."""
MARGIN = 1.0
"""Points by which a mark is wider than what it marks."""


def draw(document: OpenDocument, what: Draw) -> bytes:
    """Return a page as a PNG, in colour, as displayed; coarser than asked for where that would be too large.

    Raises:
        DocumentRefusedError: the page can't be drawn, and why.
    """
    try:
        page = document.page(what.page)
        scale = _scale(page.rect.width, page.rect.height, what.dpi)
        while True:
            png: bytes = _marked(page, scale, what.rects).tobytes("png")
            if len(png) <= MAX_PICTURE_BYTES:
                return png
            scale *= 0.7
    except Exception as error:  # noqa: BLE001  # a hostile page raises whatever it likes
        if wants_memory(error):
            why = "it needs more memory than worker_memory_mb allows"
        else:
            why = f"the PDF is damaged there ({type(error).__name__})"
        raise DocumentRefusedError(DocumentState.DAMAGED, f"page {what.page} can't be drawn: {why}") from None


def _scale(width: float, height: float, dpi: int) -> float:
    """Return pixels a point."""
    if not (0 < width < math.inf and 0 < height < math.inf):
        msg = "a page without a size"
        raise ValueError(msg)
    return min(dpi / 72, math.sqrt(MAX_PIXELS / (width * height)), MAX_SIDE / max(width, height))


def _marked(page: Any, scale: float, rects: Sequence[tuple[float, float, float, float]]) -> Any:
    picture = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csRGB, alpha=False)
    if rects:
        # All of it is tinted once and copied from, so that marks that overlap are no darker there.
        tinted = pymupdf.Pixmap(picture, 0)
        tinted.tint_with(0, YELLOW)
        for x0, y0, x1, y1 in rects:
            box = x0 - MARGIN, y0 - MARGIN, x1 + MARGIN, y1 + MARGIN
            where = pymupdf.IRect(*(round(edge * scale) for edge in box)) & picture.irect
            if not where.is_empty:
                picture.copy(tinted, where)
    return picture
