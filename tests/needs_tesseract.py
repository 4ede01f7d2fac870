"""What tests need that recognise real pictures: Tesseract's language files, which no package on PyPI brings."""

from __future__ import annotations

import pytest

from foliod.base.config import Ingest
from foliod.ingest.tessdata import find

TESSDATA = find(Ingest()).folder or ""


def _needs(*languages: str) -> pytest.MarkDecorator:
    found = find(Ingest(ocr_languages=languages))
    return pytest.mark.skipif(found.missing is not None, reason=str(found.missing))


needs_english = _needs("eng")
needs_german = _needs("deu", "eng")
