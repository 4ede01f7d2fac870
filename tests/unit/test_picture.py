"""Pictures of pages: what is marked is what was meant, and no page can make one that is too large."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from test_workers import children, limits

import made_pdfs
from foliod.base.errors import DocumentRefusedError, WorkerDiedError, WorkerTimeoutError
from foliod.ingest.workers import ReadJob, Workers
from foliod.reading import picture, wire
from foliod.reading.decoder import Decoder
from foliod.reading.open import open_document
from foliod.reading.strict import MalformedError
from foliod.reading.transcript import OnePicture
from made_pdfs import Sheet, pymupdf
from waiting import until

SAMPLES = Path(__file__).parents[1] / "samples"
PAPER = SAMPLES / "PMC7068164.pdf"


async def drawn(pool: Workers, path: Path, page: int = 1, dpi: int = 72, rects=(), **changes) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        job = ReadJob(fd, path.name, limits(**changes), draw=wire.Draw(page, dpi, tuple(rects)))
        [made, _] = [event async for event in pool.read(job)]
        return made.png
    finally:
        os.close(fd)


def yellow(png: bytes) -> set[tuple[int, int]]:
    """Return the pixels that are marked."""
    image = pymupdf.Pixmap(png)
    data, stride = image.samples, image.stride
    return {
        (x, y)
        for y in range(image.height)
        for x in range(image.width)
        if data[y * stride + 3 * x] == 255 and data[y * stride + 3 * x + 2] < 128
    }


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
async def test_a_mark_is_where_it_is_meant_and_the_text_under_it_stays(tmp_path, turned):
    """On pages turned any way, the marked part of the picture is the rectangle, and its letters stay black."""
    sheet = Sheet(400, 300)
    sheet.write(100, 100, "Marked", size=20)
    sheet.page.set_rotation(turned)
    path = tmp_path / "a.pdf"
    path.write_bytes(sheet.bytes())
    rect = (50.0, 60.0, 150.0, 120.0)
    async with Workers(1) as pool:
        plain, marked = await drawn(pool, path), await drawn(pool, path, rects=[rect])
    assert not yellow(plain)
    pixels = yellow(marked)
    assert {min(x for x, _ in pixels), max(x for x, _ in pixels) + 1} == {49, 151}
    assert {min(y for _, y in pixels), max(y for _, y in pixels) + 1} == {59, 121}

    def black(png: bytes) -> int:
        data = pymupdf.Pixmap(png).samples
        return sum(data[i] < 60 for i in range(0, len(data), 3))

    assert black(marked) == black(plain) > 50


async def test_marks_that_overlap_are_no_darker_there(tmp_path):
    """Two rectangles that share a line have one colour."""
    path = tmp_path / "a.pdf"
    path.write_bytes(Sheet(100, 100).bytes())
    async with Workers(1) as pool:
        png = await drawn(
            pool, path, rects=[(10, 10, 60, 60), (30, 30, 90, 90), (-50, -50, 5, 5), (200, 200, 300, 300)]
        )
    assert set(pymupdf.Pixmap(png).color_count(colors=True)) == {b"\xff\xff\xff", picture.YELLOW.to_bytes(3, "big")}


@pytest.mark.parametrize(("width", "height"), [(14_400, 14_400), (14_400, 3), (200, 14_400)])
async def test_a_huge_page_gives_a_picture_of_bounded_size(tmp_path, width, height):
    """A page of 14,400 points is drawn coarser than asked for."""
    path = tmp_path / "huge.pdf"
    path.write_bytes(Sheet(width, height).bytes())
    async with Workers(1) as pool:
        image = pymupdf.Pixmap(await drawn(pool, path, dpi=300))
    assert image.width * image.height <= picture.MAX_PIXELS * 1.01
    assert max(image.width, image.height) <= picture.MAX_SIDE + 1
    assert image.width / image.height == pytest.approx(width / height, rel=0.25)


def test_a_picture_that_can_not_be_packed_becomes_coarser(tmp_path, monkeypatch):
    """A page of noise is drawn smaller until its picture is small enough to be sent."""
    image = pymupdf.Pixmap(pymupdf.csRGB, 400, 400, os.urandom(3 * 400 * 400), 0)
    sheet = Sheet(400, 400)
    sheet.page.insert_image(sheet.page.rect, pixmap=image)
    path = tmp_path / "noise.pdf"
    path.write_bytes(sheet.bytes())
    monkeypatch.setattr(picture, "MAX_PICTURE_BYTES", 200_000)
    with open_document(path) as document:
        png = picture.draw(document, wire.Draw(1, 72))
    assert 20_000 < len(png) <= 200_000


async def test_a_page_that_can_not_be_drawn_is_said_to_be_one():
    """A page that is not there is refused with its number, and the process draws on."""
    async with Workers(1) as pool:
        with pytest.raises(DocumentRefusedError, match="page 9 can't be drawn"):
            await drawn(pool, PAPER, page=9)
        before = children()
        assert await drawn(pool, PAPER)
        assert children() == before


async def test_a_page_that_hangs_or_wants_too_much_costs_only_its_process(tmp_path):
    """An endless page is ended by its time or memory; the next page is drawn."""
    endless = tmp_path / "endless.pdf"
    endless.write_bytes(made_pdfs.endless_page())
    async with Workers(1) as pool:
        with pytest.raises((WorkerTimeoutError, DocumentRefusedError, WorkerDiedError)):
            await drawn(pool, endless, page=2, page_seconds=1.0, memory_mb=300)
        assert await drawn(pool, PAPER)


async def test_processes_that_draw_end_when_nobody_looks_any_more():
    """What is kept for the next page is let go after a while, and started again when needed."""
    async with Workers(1, urgent=True, keep_seconds=0.3) as pool:
        await drawn(pool, PAPER)
        await drawn(pool, PAPER)
        (pid,) = children()
        assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0)
        await until(lambda: not children())
        assert await drawn(pool, PAPER)
        assert len(children()) == 1
    await asyncio.sleep(0)
    assert not children()


def frames(*events: wire.Event) -> list[bytes]:
    return [frame[wire.HEADER_BYTES :] for event in events for frame in wire.frames(event)]


@pytest.mark.parametrize("png", [b"", b"<html>", b"GIF89a" + bytes(100)], ids=["nothing", "a page", "a GIF"])
def test_what_is_no_picture_is_not_passed_on(png):
    """A process that was taken over can't send a browser something else as a picture."""
    decoder = Decoder(0)
    with pytest.raises(MalformedError):
        [decoder.decode(body) for body in frames(wire.Picture(png))]


def test_a_picture_without_end_is_not_collected():
    """What is sent as a picture has a bound."""
    decoder = Decoder(0)
    piece = frames(wire.Picture(bytes(2 * wire.PIECE_BYTES)))[0]
    with pytest.raises(MalformedError, match="the size of the picture"):
        for _ in range(wire.MAX_PICTURE_BYTES // wire.PIECE_BYTES + 2):
            decoder.decode(piece)


def test_a_large_picture_arrives_whole():
    """A picture of several megabytes comes in pieces."""
    image = pymupdf.Pixmap(pymupdf.csRGB, 800, 800, os.urandom(3 * 800 * 800), 0).tobytes("png")
    decoder = Decoder(0)
    *rest, last = [decoder.decode(body) for body in frames(wire.Picture(image))]
    assert rest
    assert set(rest) == {None}
    assert last == wire.Picture(image)


def test_only_one_picture_comes():
    """Anything but one picture and the end is no answer."""
    transcript = OnePicture()
    transcript.admit(wire.Picture(b""))
    with pytest.raises(MalformedError):
        transcript.admit(wire.Picture(b""))
    with pytest.raises(MalformedError):
        OnePicture().admit(wire.Ready("x"))
