"""What a document comes to is said so that people understand it."""

from __future__ import annotations

import pytest

from foliod.base.model import DocumentState, ReadSummary, Verdict
from foliod.ingest.outcome import nothing_to_search, with_earlier

DAMAGED = "the file has errors (zlib error); look for an intact copy if text is missing"


@pytest.mark.parametrize(
    ("verdicts", "partial", "state", "words"),
    [
        ({Verdict.EMPTY: 2}, None, DocumentState.EMPTY, "no text, and no picture that could hold any"),
        ({Verdict.EMPTY: 2}, DAMAGED, DocumentState.DAMAGED, "zlib error"),
        ({Verdict.FAILED: 2}, None, DocumentState.DAMAGED, "not one page"),
        ({Verdict.NEEDS_OCR: 1, Verdict.EMPTY: 1}, None, DocumentState.NEEDS_OCR, "1 of 2 pages are pictures"),
        ({Verdict.NEEDS_OCR: 2}, DAMAGED, DocumentState.NEEDS_OCR, "zlib error"),
        ({Verdict.GARBAGE: 2}, DAMAGED, DocumentState.NEEDS_OCR, "zlib error"),
    ],
)
def test_what_gave_no_text(verdicts, partial, state, words):
    """What is damaged is not taken for a scan, and what OCR could still read is not given up for damaged."""
    came_to, reason = nothing_to_search(verdicts, ReadSummary(2, partial, "x"), None)
    assert came_to == state
    assert words in reason


def test_what_other_processes_met_is_said():
    """Troubles of pages that were stored before are named with their pages."""
    troubles = {"has errors (zlib error)": [3], "has more text than allowed": [1, 2, 3, 4, 5, 6]}
    assert with_earlier(ReadSummary(9, DAMAGED, "x"), troubles).partial == (
        f"{DAMAGED}; page 3 has errors (zlib error); page 1, 2, 3, 4, 5 and others has more text than allowed"
    )
    assert with_earlier(ReadSummary(9, None, "x"), {}).partial is None
