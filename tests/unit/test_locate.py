"""Every letter of a page's text knows where it stands on the page as a reader sees it."""

from __future__ import annotations

import re
import tempfile
import unicodedata
from pathlib import Path

import pytest

import made_pdfs
from foliod.base.boxes import Direction, Run, unpack
from foliod.base.model import Page, Verdict
from foliod.reading.lines import Line
from foliod.reading.locate import locate
from foliod.reading.open import open_document
from foliod.reading.pdf import OpenDocument
from foliod.text.normalize import clean
from made_pdfs import Sheet, pymupdf
from needs_tesseract import TESSDATA, needs_english

SAMPLES = Path(__file__).parents[1] / "samples"
PLAIN = sorted(path.name for path in SAMPLES.glob("*.pdf") if path.name != "libreoffice-writer-password.pdf")
SENTENCE = "Ships come into the harbour at noon."


def runs(page: Page) -> list[Run]:
    return list(unpack(page.boxes, page.width, page.height))


def opened(content: bytes) -> OpenDocument:
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(content)
        file.flush()
        return open_document(file.name)


def read(content: bytes, max_chars: int = 1_000_000) -> Page:
    with opened(content) as document:
        return document.read_page(1, max_chars)


def ink(content: bytes, number: int = 1) -> tuple[float, float, float, float]:
    """Return the box around all that is drawn on a page as displayed, in points."""
    with pymupdf.open(stream=content, filetype="pdf") as pdf:
        picture = pdf[number - 1].get_pixmap(dpi=144, colorspace=pymupdf.csGRAY, alpha=False)
    dark = [
        (x, y)
        for y in range(picture.height)
        for x, value in enumerate(picture.samples[y * picture.stride : y * picture.stride + picture.width])
        if value < 128
    ]
    xs, ys = [x for x, _ in dark], [y for _, y in dark]
    return min(xs) / 2, min(ys) / 2, (max(xs) + 1) / 2, (max(ys) + 1) / 2


@pytest.mark.parametrize("name", PLAIN)
def test_every_letter_of_real_pages_has_a_box_that_says_it(name):
    """What MuPDF finds inside a box is what the text says there; no letter is without a box."""
    with open_document(SAMPLES / name) as document:
        for number in range(1, min(document.pages, 4) + 1):
            page = document.read_page(number, 1_000_000)
            inside = set()
            drawn = document._pdf[number - 1]
            for run in runs(page):
                inside |= set(range(run.start, run.end))
                if drawn.rotation or run.direction is not Direction.RIGHT:
                    continue
                there = drawn.get_text("text", clip=(run.x0 - 1, run.y0 - 1, run.x1 + 1, run.y1 + 1))
                assert letters(page.text[run.start : run.end])[:200] in letters(there), (number, run)
            assert not [
                page.text[at] for at in range(len(page.text)) if not page.text[at].isspace() and at not in inside
            ]


def letters(text: str) -> str:
    return re.sub(r"[\s\u00ad]+", "", unicodedata.normalize("NFKC", text)).replace("\u2010", "-")


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
@pytest.mark.parametrize("cropped", [False, True], ids=["whole", "cropped"])
def test_boxes_are_those_of_the_page_as_displayed(turned, cropped):
    """/Rotate and a CropBox that begins elsewhere: the box of a line is where its ink is seen."""
    sheet = Sheet()
    sheet.write(200, 300, SENTENCE, size=14)
    if cropped:
        sheet.page.set_cropbox(pymupdf.Rect(90, 170, 560, 700))
    sheet.page.set_rotation(turned)
    content = sheet.bytes()
    page = read(content)
    (run,) = runs(page)
    assert page.text[run.start : run.end] == SENTENCE
    assert run.direction == turned // 90
    seen = ink(content)
    assert run.x0 - 1 <= seen[0] <= seen[2] <= run.x1 + 1
    assert run.y0 - 1 <= seen[1] <= seen[3] <= run.y1 + 1
    long = slice(0, None, 2) if turned % 180 == 0 else slice(1, None, 2)
    assert [*run[3:]][long] == pytest.approx([*seen][long], abs=3)


def test_text_across_and_text_beside_it_have_their_own_boxes():
    """A note that runs up the margin is found on the margin, with its direction."""
    sheet = Sheet()
    sheet.write(200, 300, *[f"Line {n} of what is written across the page." for n in range(5)])
    sheet.page.insert_text((40, 500), "Written up the margin", rotate=90)
    page = read(sheet.bytes())
    note = next(run for run in runs(page) if page.text[run.start : run.end].startswith("Written up"))
    assert note.direction is Direction.UP
    assert note.x1 < 60
    assert (note.y0, note.y1) == pytest.approx(
        (500 - pymupdf.get_text_length("Written up the margin", fontsize=11), 500), abs=2
    )


def test_a_hyphenated_word_stands_on_both_lines():
    """`inter-` and `national` are one word of the text with two boxes."""
    sheet = Sheet()
    sheet.write(72, 100, "The treaty was an inter-", "national one for the trea-", "ties of its time, and it held.")
    page = read(sheet.bytes())
    assert "international" in page.text
    said = [page.text[run.start : run.end] for run in runs(page)]
    assert said == ["The treaty was an inter", "national one for the trea", "ties of its time, and it held."]


def test_what_cleaning_changes_moves_no_box():
    """Ligatures, full-width letters, soft hyphens and tabs make text longer or shorter; every line still has its own."""
    drawn = [
        "o\ufb03ce  and\t\u212bngstr\u00f6m",
        "\uff21\uff22\uff23 Straf\u00adtat",
        "e\u0301 plain",
        "\u200b",
        "end",
    ]
    text = clean("\n".join(drawn))
    lines = [
        Line(said, 0, 0, 1, 1, 0, 10, False, 0, drawn=((said, Direction.RIGHT, n, 0, n + 1, 1),))
        for n, said in enumerate(drawn)
    ]
    found = {int(run[3]): text[run[0] : run[1]] for run in locate(lines, text)}
    assert found == {0: "office and \u00c5ngstr\u00f6m", 1: "ABC Straftat", 2: "\u00e9 plain", 4: "end"}


def test_a_line_that_is_missing_from_the_text_costs_no_other_its_box():
    """Where the text leaves a line out, or has more than was drawn, what follows is found again."""
    drawn = ["The first of the lines.", "A line that was dropped.", "The third of the lines."]
    text = f"{drawn[0]} What nobody drew. {drawn[2]}"
    lines = [Line(said, 0, 0, 1, 1, 0, 10, False, 0, drawn=((said, Direction.RIGHT, 0, 0, 1, 1),)) for said in drawn]
    assert [text[start:end] for start, end, *_ in locate(lines, text)] == [drawn[0], drawn[2]]


def test_text_that_was_cut_keeps_the_boxes_of_what_is_left():
    """A page with more text than is kept, and one with an endless word, point at nothing that is not there."""
    sheet = Sheet()
    sheet.write(72, 100, *[f"Line {n} of a page that is too long to keep." for n in range(20)])
    page = read(sheet.bytes(), max_chars=100)
    assert max(run.end for run in runs(page)) <= len(page.text) <= 100
    endless = Sheet(14_000)
    endless.write(72, 100, "Before it.", "x" * 1500, "After it stands more.")
    page = read(endless.bytes())
    assert [page.text[run.start : run.end][:9] for run in runs(page)] == ["Before it", "x" * 9, "After it "]


def test_a_page_written_from_right_to_left_runs_leftwards():
    """Arabic begins at the right end of its box."""
    with open_document(SAMPLES / "habibi.pdf") as document:
        page = document.read_page(1, 1_000_000)
    directions = {run.direction for run in runs(page) if re.search("[\u0600-\u06ff]", page.text[run.start : run.end])}
    assert directions == {Direction.LEFT}


@needs_english
@pytest.mark.parametrize("turned", [0, 90])
def test_recognised_words_stand_where_they_are_seen(turned):
    """A scanned line, also of a page that the scanner turned, has its box where its ink is."""
    content = made_pdfs.scanned(made_pdfs.letters(SENTENCE), turned=turned)
    with opened(content) as document:
        page = document.recognise_page(1, "eng", TESSDATA, 1_000_000)
    assert page.verdict is Verdict.OCR
    (run,) = runs(page)
    seen = ink(content)
    assert run[3:] == pytest.approx(seen, abs=4)
