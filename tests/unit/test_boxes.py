"""Where text stands on a page is kept small and exact, and a reader that was taken over can't abuse it."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foliod.base.boxes import MAX_RUNS, RECORD, Direction, Run, fit, pack, unpack
from foliod.base.model import Page, Verdict
from foliod.reading import wire
from foliod.reading.decoder import Decoder
from foliod.reading.strict import MalformedError

edges = st.floats(0, 1).flatmap(lambda low: st.tuples(st.just(low), st.floats(low, 1)))


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(1, 300), st.sampled_from(Direction), edges, edges), max_size=30
    ),
    st.floats(1, 14_400),
    st.floats(1, 14_400),
)
def test_runs_come_back_as_they_were_kept(found, width, height):
    """Offsets are exact, edges are right to a ten-thousandth of the page, whatever its size."""
    runs, at = [], 0
    for gap, length, direction, (x0, x1), (y0, y1) in found:
        runs.append(Run(at + gap, at + gap + length, direction, x0 * width, y0 * height, x1 * width, y1 * height))
        at += gap + length
    packed = pack(runs, width, height)
    assert fit(packed, at)
    back = list(unpack(packed, width, height))
    assert [run[:3] for run in back] == [run[:3] for run in runs]
    for run, kept in zip(runs, back, strict=True):
        assert kept[3:] == pytest.approx(run[3:], abs=max(width, height) / 10_000)


def test_nothing_stands_outside_of_its_page():
    """Boxes that a PDF draws beyond the page, or nowhere, are cut at its edge."""
    inf, nan = float("inf"), float("nan")
    packed = pack([Run(0, 5, Direction.RIGHT, -50, nan, 9000, inf)], 600, 800)
    assert next(unpack(packed, 600, 800))[3:] == (0, 0, 600, 800)
    assert pack([Run(0, 5, Direction.RIGHT, 0, 0, 1, 1)], 0, 800) == b""


def test_a_page_has_only_so_many_boxes():
    """A page of a million letters, each drawn alone, costs no more than 56 kB."""
    runs = (Run(n, n + 1, Direction.RIGHT, 0, 0, 1, 1) for n in range(10_000))
    packed = pack(runs, 600, 800)
    assert len(packed) == MAX_RUNS * RECORD.size
    assert len(list(wire.frames(Page(1, Verdict.TEXT, "x" * 10_000, 600, 800, 0, boxes=packed)))) == 2


@pytest.mark.parametrize(
    "boxes",
    [
        RECORD.pack(0, 11, 0, 0, 0, 1, 1),
        RECORD.pack(11, 0, 0, 0, 0, 1, 1),
        RECORD.pack(0, 0, 0, 0, 0, 1, 1),
        RECORD.pack(0, 5, 5, 0, 0, 1, 1),
        RECORD.pack(0, 5, 0, 2, 0, 1, 1),
        RECORD.pack(0, 5, 0, 0, 2, 1, 1),
        RECORD.pack(0, 5, 0, 0, 0, 1, 1)[:-1],
        RECORD.pack(0, 1, 0, 0, 0, 1, 1) * 11,
        RECORD.pack(0, 0, 0, 0, 0, 1, 1) * (MAX_RUNS + 1),
    ],
    ids="beyond after empty direction left-of-right below-top half too-many endless".split(),
)
def test_a_reader_that_lies_about_boxes_is_found_out(boxes):
    """Boxes that can't be those of the page's ten characters end the process that sent them."""
    frames = list(wire.frames(Page(1, Verdict.TEXT, "ten, or so", 600, 800, 0, boxes=boxes)))
    decoder = Decoder(1000)
    assert decoder.decode(frames[0][4:]) is None
    with pytest.raises(MalformedError):
        decoder.decode(frames[1][4:])


def test_boxes_come_once_and_belong_to_a_page():
    """Boxes without a page, or twice, are no message of a reader."""
    good = json.dumps({"kind": "boxes", "boxes": base64.b64encode(RECORD.pack(0, 5, 0, 0, 0, 1, 1)).decode()}).encode()
    bad = json.dumps({"kind": "boxes", "boxes": "!!!!"}).encode()
    decoder = Decoder(1000)
    assert decoder.decode(good) is None
    for second in (good, json.dumps({"kind": "summary", "pages": 1, "partial": None, "extractor": "x"}).encode()):
        with pytest.raises(MalformedError):
            decoder.decode(second)
    with pytest.raises(MalformedError):
        Decoder(1000).decode(bad)
