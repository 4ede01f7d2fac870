"""Scanned pages: Tesseract's files are found, pictures are bounded, and what was seen flows as other text does."""

from __future__ import annotations

import os
import re
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

import made_pdfs
from foliod.base.config import Ingest
from foliod.base.errors import DocumentRefusedError, WorkerTimeoutError
from foliod.base.model import Page, ReadSummary, Verdict
from foliod.ingest import tessdata
from foliod.ingest.tessdata import Tesseract, find
from foliod.ingest.workers import ReadJob, ReadLimits, Workers
from foliod.reading.flow import flow
from foliod.reading.ocr import MAX_PIXELS, seen_lines, zoom
from foliod.reading.open import open_document
from foliod.reading.strict import MalformedError
from foliod.reading.transcript import OnePage
from foliod.reading.wire import Ocr
from needs_tesseract import TESSDATA, needs_english, needs_german

ENGLISH = "The incubation period of the virus\nis five days on average."
GERMAN = "Über die Größe der Straßenbäume\nwird jährlich berichtet."
LIMITS = ReadLimits(220, 40, 20_000, 1_000_000, 60.0, 60.0, 1024)


def folder(path: Path, *languages: str) -> Path:
    path.mkdir(parents=True)
    for language in languages:
        (path / f"{language}.traineddata").touch()
    return path


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


# --- Tesseract's files ------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch, tmp_path) -> Path:
    """A machine without Tesseract."""
    monkeypatch.delenv("TESSDATA_PREFIX", raising=False)
    monkeypatch.setattr(tessdata, "KNOWN_FOLDERS", (f"{tmp_path}/usr/*/tessdata",))
    return tmp_path


def test_language_files_are_found_where_systems_put_them(bare, monkeypatch):
    """The folder named is taken, else TESSDATA_PREFIX, else the usual folders, the newest first."""
    old, new = folder(bare / "usr/4/tessdata", "eng"), folder(bare / "usr/5/tessdata", "eng", "deu")
    assert find(Ingest()).folder == str(new)
    prefix = folder(bare / "prefix/tessdata", "eng")
    monkeypatch.setenv("TESSDATA_PREFIX", str(prefix))
    assert find(Ingest()).folder == str(prefix)
    monkeypatch.setenv("TESSDATA_PREFIX", str(prefix.parent))
    assert find(Ingest()).folder == str(prefix)
    assert find(Ingest(ocr_languages=("deu", "eng"))).folder == str(new)
    assert find(Ingest(tessdata=old)).folder == str(old)
    assert find(Ingest(tessdata=old)).missing is None


def test_what_is_missing_is_said_with_what_to_install(bare):
    """Without Tesseract, without a language or with a wrong folder, the reason says what to do."""
    assert "apt install tesseract-ocr," in find(Ingest()).missing
    assert "apt install tesseract-ocr-deu," in find(Ingest(ocr_languages=("deu",))).missing
    folder(bare / "usr/5/tessdata", "eng", "osd")
    assert find(Ingest()).missing is None
    lacking = find(Ingest(ocr_languages=("eng", "deu", "chi_sim"))).missing
    assert "no deu.traineddata, chi_sim.traineddata" in lacking
    assert "apt install tesseract-ocr-deu tesseract-ocr-chi-sim" in lacking
    assert "correct [ingest] tessdata" in find(Ingest(tessdata=bare / "nowhere")).missing
    assert "switched off" in find(Ingest(ocr=False)).missing


async def test_files_that_tesseract_refuses_are_not_tried_again_and_again(bare, monkeypatch):
    """OCR that can't be started waits until the files are other ones."""
    monkeypatch.setattr(tessdata, "LOOK_SECONDS", 0.0)
    place = folder(bare / "usr/5/tessdata", "eng")
    tesseract = Tesseract(Ingest())
    assert (await tesseract.look()).missing is None
    assert not tesseract.not_started("eng is damaged")
    assert (await tesseract.look()).missing == "eng is damaged"
    (place / "eng.traineddata").write_text("new")
    assert (await tesseract.look()).missing is None


async def test_a_tesseract_that_could_not_be_started_is_tried_again(bare, monkeypatch):
    """OCR is not off for ever when a process was short of memory once; and who started it before is not to blame."""
    monkeypatch.setattr(tessdata, "LOOK_SECONDS", 0.0)
    folder(bare / "usr/5/tessdata", "eng")
    tesseract = Tesseract(Ingest())
    await tesseract.look()
    monkeypatch.setattr(tessdata, "BROKEN_SECONDS", 0.0)
    assert not tesseract.not_started("no memory")
    assert (await tesseract.look()).missing is None
    tesseract.started()
    assert tesseract.not_started("no memory")
    monkeypatch.setattr(tessdata, "BROKEN_SECONDS", 600.0)
    assert not tesseract.not_started("no memory")
    assert (await tesseract.look()).missing == "no memory"


# --- pictures and lines -----------------------------------------------------------------


@pytest.mark.parametrize("size", [(612, 792), (3, 3), (0, 0), (1e6, 1e6), (14_400, 1), (1, 5e6)])
def test_a_page_s_picture_is_bounded(size):
    """However large a page is, its picture stays within a bound; an ordinary page gets 300 dots per inch."""
    scale = zoom(*size)
    assert 0 < scale <= 300 / 72
    assert max(size[0], 1) * scale * max(size[1], 1) * scale <= MAX_PIXELS * 1.001
    assert zoom(595, 842) == 300 / 72


def seen(*lines: tuple[float, float, float, float, str]) -> list[dict]:
    """Return lines as Tesseract sees them: x, baseline, width, height and text of each."""
    return [
        {
            "lines": [
                {
                    "dir": (1.0, 0.0),
                    "bbox": (x, base - height, x + width, base),
                    "spans": [{"text": text, "flags": 12, "size": height, "font": "x", "origin": (x, base)}],
                }
                for x, base, width, height, text in lines
            ]
        }
    ]


def test_columns_are_read_one_after_the_other():
    """Lines that Tesseract saw from top to bottom across two columns are put right, with their uneven sizes."""
    left = ["The left column tells of the", "tides, which the moon raises", "twice a day at every coast."]
    right = ["The right column tells of the", "winds, which the sun raises", "wherever the ground is warm."]
    lines = []
    for i, (a, b) in enumerate(zip(left, right, strict=True)):
        lines += [
            (50, 100 + 14 * i, 200, 8 + i, a),
            (300, 104 + 14 * i, 200, 11 - i, b),
            (274, 101 + 14 * i, 2, 3, "."),
        ]
    found = seen_lines(seen(*lines), 550, 800)
    text, headings, _ = flow(found, 550, 800)
    assert text.split() == " ".join(left + right).split()
    assert headings == ()


def test_a_large_line_is_a_heading():
    """A heading is told by its size, though the sizes of other lines vary."""
    lines = [(50, 80, 250, 22, "Of Tides")]
    lines += [(50, 120 + 14 * i, 400, 9 + i % 3, f"Line {i} of a paragraph that goes on and on and") for i in range(5)]
    text, headings, _ = flow(seen_lines(seen(*lines), 550, 800), 550, 800)
    assert [h.text for h in headings] == ["Of Tides"]
    assert text[headings[0].offset :].startswith("Of Tides")


@pytest.mark.parametrize(
    "event",
    [
        Page(2, Verdict.OCR, "x", 1, 1, 0),
        Page(1, Verdict.TEXT, "x", 1, 1, 0),
        Page(1, Verdict.OCR, "x" * 1001, 1, 1, 0),
        ReadSummary(1, None, "x"),
    ],
)
def test_a_recogniser_can_speak_of_its_page_only(event):
    """A process that was taken over while it recognised a page can't give another page, nor more text than allowed."""
    with pytest.raises(MalformedError):
        OnePage(replace(LIMITS, max_page_chars=1000), 1).admit(event)


# --- with Tesseract ---------------------------------------------------------------------


async def recognise(
    path: Path, page: int = 1, languages: str = "eng", where: str = TESSDATA, limits: ReadLimits = LIMITS, **more
) -> Page:
    """Recognise a page in a confined process, as the daemon does."""
    fd = os.open(path, os.O_RDONLY)
    try:
        async with Workers(1) as workers:
            job = ReadJob(fd, path.name, limits, ocr=Ocr(page, languages, where), **more)
            async with aclosing(workers.read(job)) as events:
                found, summary = [event async for event in events]
            assert isinstance(summary, ReadSummary)
            return found
    finally:
        os.close(fd)


@pytest.fixture
def scan(tmp_path):
    def make(*pages: str, **more) -> Path:
        path = tmp_path / "scan.pdf"
        path.write_bytes(made_pdfs.scanned(made_pdfs.letters(*pages), **more))
        return path

    return make


@needs_english
@pytest.mark.parametrize("turned", [0, 90, 180])
async def test_a_scanned_page_is_read(scan, turned):
    """The words of a picture are found in a process that may open nothing else, also where the page is shown turned."""
    path = scan("nothing", ENGLISH, turned=turned)
    with open_document(path) as document:
        assert document.read_page(2, 1000).verdict is Verdict.NEEDS_OCR
    page = await recognise(path, 2)
    assert (page.number, page.verdict, page.rotation) == (2, Verdict.OCR, turned)
    assert words(page.text) == words(ENGLISH)


@needs_english
async def test_a_recognised_page_that_was_cut_says_so(scan):
    """A page of which OCR found more text than allowed is cut, and says so; a whole one has nothing to say."""
    path = scan(ENGLISH)
    assert (await recognise(path)).trouble is None
    page = await recognise(path, limits=replace(LIMITS, max_page_chars=20))
    assert page.text == "The incubation perio"
    assert page.trouble == "has more text than max_page_chars allows, the rest was left out"


@needs_german
async def test_a_german_page_is_read(scan):
    """With German beside English, umlauts and ß are read."""
    page = await recognise(scan(GERMAN), languages="deu+eng")
    assert words(page.text) == words(GERMAN)


@needs_english
async def test_a_picture_without_words_is_empty(tmp_path):
    """Photographs and specks are not taken for text."""
    sample = Path(__file__).parents[1] / "samples/imagemagick-images.pdf"
    assert (await recognise(sample)).verdict is Verdict.EMPTY


@needs_english
async def test_a_monstrous_page_costs_no_monstrous_picture(tmp_path):
    """A page of 14 kilometres is recognised within the memory of any other."""
    path = tmp_path / "large.pdf"
    content = b"q 900000 0 0 900000 0 0 cm /I Do Q"
    picture = made_pdfs.stream(
        b"\x80" * 64, b"/Type /XObject /Subtype /Image /Width 8 /Height 8 /BitsPerComponent 8 /ColorSpace /DeviceGray"
    )
    path.write_bytes(
        made_pdfs.one_page(content, resources=b"/XObject << /I 6 0 R >>", more={6: picture}).replace(
            b"[0 0 612 792]", b"[0 0 1000000 1000000]"
        )
    )
    assert (await recognise(path)).verdict is Verdict.EMPTY


async def test_damaged_language_files_are_said_to_be(scan, tmp_path):
    """When Tesseract does not start, no page is to blame."""
    where = folder(tmp_path / "tessdata", "eng")
    with pytest.raises(DocumentRefusedError, match="can't be started") as refusal:
        await recognise(scan(ENGLISH), where=str(where))
    assert refusal.value.state == "needs_ocr"


@needs_english
async def test_a_page_that_takes_too_much_processor_time_is_given_up(tmp_path):
    """OCR is limited in processor time, since it gives way to all other work; the reason says so."""
    path = tmp_path / "scan.pdf"
    sample = (Path(__file__).parents[1] / "samples/PMC5477389.pdf").read_bytes()
    path.write_bytes(made_pdfs.scanned(sample))
    with pytest.raises(WorkerTimeoutError, match="processor time"):
        await recognise(path, cpu_seconds=0.2)
