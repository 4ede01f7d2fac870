"""MuPDF, loaded and set so that it reads all text alike and says nothing on its own; who needs it takes it from here."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

# PyMuPDF 2 loads an ONNX runtime and 90 MB for its layout analysis, and then reads text differently.
sys.modules.setdefault("pymupdf.layout", None)  # type: ignore[arg-type]
sys.modules.setdefault("pymupdf4llm", None)  # type: ignore[arg-type]
os.environ["PYMUPDF_SUGGEST_LAYOUT_ANALYZER"] = "0"

import pymupdf as _pymupdf  # noqa: E402

pymupdf: Any = _pymupdf  # it is typed in parts only
pymupdf.g_exceptions_verbose = 0
pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)
# These change the text; other libraries in the process set them.
pymupdf.TOOLS.unset_quad_corrections(False)
pymupdf.TOOLS.set_small_glyph_heights(False)

# Without TEXT_CID_FOR_UNKNOWN_UNICODE: numbers of glyphs look like text and are none.
FLAGS: int = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_MEDIABOX_CLIP


def count_pages(handle: Any) -> int:
    """Return the number of pages, -1 when what the file says makes no sense."""
    with contextlib.suppress(Exception):
        # A wrong number is found out, and put right, when a page is loaded.
        handle.load_page(0)
    try:
        return int(handle.page_count)
    except Exception:  # noqa: BLE001
        return -1
