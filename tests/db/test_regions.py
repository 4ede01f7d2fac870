"""Passages and quotes are found again on their pages: by rectangles, with one question to the database."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from library import system
from test_store import backlog, one, place

from foliod.base.boxes import unpack
from foliod.base.model import PAGE_JOIN, Chunk, DocumentFacts, Page, Rect, Verdict
from foliod.reading.mupdf import pymupdf
from foliod.reading.open import open_document
from foliod.retrieve.regions import Span, regions
from foliod.store.store import Store
from foliod.text.lexical import weigh
from made_pdfs import Sheet

SAMPLES = Path(__file__).parents[1] / "samples"
IDLE = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"


async def put(db, path: Path) -> tuple[int, list[Page]]:
    """Store the pages of a PDF; return the document and them."""
    store, work = Store(db), backlog(db)
    document = await place(db, path.name)
    await work.claim_for_reading()
    with open_document(path) as pdf:
        pages = [pdf.read_page(number, 1_000_000) for number in range(1, pdf.pages + 1)]
    await store.put_facts(document, work.owner, DocumentFacts(pages=len(pages)), "x")
    await store.put_pages(document, work.owner, pages, 60)
    text = PAGE_JOIN.join(page.text for page in pages)
    async with store.writing_text(document, work.owner) as writer:
        await writer.add(Chunk(0, 1, len(pages), 0, len(text), text, 100), weigh(text))
        await writer.finish(state="stored", partial=False, reason=None)
    return document, pages


def span_of(document: int, pages: list[Page], first: str, last: str | None = None) -> Span:
    """Return where a document says `first`, up to the end of `last`."""
    text = PAGE_JOIN.join(page.text for page in pages)
    start = text.index(first)
    end = start + len(first) if last is None else text.index(last, start) + len(last)
    return Span(document, start, end, text[start:end])


def covered(path: Path, rects: tuple[Rect, ...]) -> str:
    """Return what MuPDF finds under rectangles, word by word: those whose middle they cover."""
    found = []
    with pymupdf.open(path) as pdf:
        for rect in rects:
            for x0, y0, x1, y1, word, *_ in pdf[rect.page - 1].get_text("words"):
                x, y = (x0 + x1) / 2, (y0 + y1) / 2
                if rect.x0 <= x <= rect.x1 and rect.y0 <= y <= rect.y1:
                    found.append(word)
    return " ".join(found)


async def test_a_quote_covers_its_words_and_no_others(db):
    """A quote that begins and ends within lines of a column covers no word beside, before or behind it."""
    path = SAMPLES / "PMC7068164.pdf"
    document, pages = await put(db, path)
    quote = span_of(document, pages, "Testing of suspected cases based on", "hospitals irrespectively of")
    (rects,) = await regions(db, [quote])
    # Edges within a line are right to the width of a letter: a full stop alone may be covered.
    assert covered(path, rects).removeprefix(". ") == quote.text
    assert {rect.page for rect in rects} == {3}
    assert len(rects) <= 3


async def test_a_passage_that_goes_on_in_the_next_column_spares_the_gap(db):
    """Two columns give rectangles on either side of the white space."""
    path = SAMPLES / "multicolumn.pdf"
    document, pages = await put(db, path)
    passage = span_of(document, pages, "Nulla malesuada porttitor diam.", "Nullam cursus pulvinar lectus.")
    (rects,) = await regions(db, [passage])
    assert {(rect.x1 <= 305, rect.x0 >= 305) for rect in rects} == {(True, False), (False, True)}
    said = covered(path, rects)
    assert said.startswith("Nulla malesuada porttitor diam.")
    assert said.endswith("Nullam cursus pulvinar lectus.")


async def test_a_passage_that_crosses_pages_has_rectangles_on_both(db, tmp_path):
    """The end of one page and the beginning of the next, with the right numbers, behind pages without text."""
    sheets = [Sheet(), Sheet(), Sheet()]
    for n, sheet in enumerate(sheets):
        if n:
            sheet.write(72, 100, f"Page {n + 1} begins here.", "Its end is this line.", pitch=20)
    path = tmp_path / "crossing.pdf"
    with pymupdf.open() as out:
        for sheet in sheets:
            out.insert_pdf(sheet.page.parent)
        path.write_bytes(out.tobytes())
    document, pages = await put(db, path)
    (rects,) = await regions(db, [span_of(document, pages, "Its end is this line.", "Page 3 begins here.")])
    assert [rect.page for rect in rects] == [2, 3]
    assert covered(path, rects) == "Its end is this line. Page 3 begins here."


async def test_where_it_is_not_known_nothing_is_pointed_at(db):
    """Pages read before boxes were kept, and pages that say something else by now, give null; unknown documents too."""
    document, pages = await put(db, SAMPLES / "pdflatex-4-pages.pdf")
    start = len(pages[0].text) + len(PAGE_JOIN)
    span = Span(document, start, start + 80, pages[1].text[:80])
    assert (await regions(db, [span, span._replace(text="x" * 80), Span(document + 1, 0, 5)]))[1:] == [None, None]
    await one(db, "UPDATE foliod.pages SET text = overlay(text placing 'XYZ' from 10 for 3) WHERE number = 2")
    assert await regions(db, [span]) == [None]
    assert (await regions(db, [span._replace(text=None)]))[0]
    await one(db, "UPDATE foliod.pages SET boxes = NULL")
    assert await regions(db, [span._replace(text=None)]) == [None]
    assert await regions(db, []) == []


async def test_many_spans_cost_one_query(db, monkeypatch):
    """All spans of an answer are asked for at once, and come back in their order."""
    documents = [await put(db, SAMPLES / name) for name in ("multicolumn.pdf", "PMC7068164.pdf")]
    spans = [span_of(*found, found[1][0].text[at : at + 200]) for at in (0, 300, 600) for found in documents]
    asked = []
    fetch = db.fetch

    async def counting(name, *args):
        asked.append(name)
        return await fetch(name, *args)

    monkeypatch.setattr(db, "fetch", counting)
    together = await regions(db, spans)
    assert asked == ["span_boxes"]
    assert together == [(await regions(db, [span]))[0] for span in spans]


async def test_dense_pages_hold_up_nobody(db, monkeypatch):
    """Each page is unpacked once, however many passages stand on it; where that takes long, other work goes on."""
    path = SAMPLES / "PMC7068164.pdf"
    document, pages = await put(db, path)
    text = PAGE_JOIN.join(page.text for page in pages)
    spans = [Span(document, at, at + 200, text[at : at + 200]) for at in range(0, 4000, 100)]
    plain = await regions(db, spans)
    unpacked = []

    def watched(data, *size):
        unpacked.append((data, threading.current_thread() is threading.main_thread()))
        return unpack(data, *size)

    monkeypatch.setattr("foliod.retrieve.regions.unpack", watched)
    monkeypatch.setattr("foliod.retrieve.regions.THREAD_BYTES", 0)
    assert await regions(db, spans) == plain
    assert len({data for data, _ in unpacked}) == len(unpacked) <= len(pages)
    assert not any(main for _, main in unpacked)
    unpacked.clear()
    monkeypatch.setattr("foliod.retrieve.regions.THREAD_BYTES", 10**9)
    assert await regions(db, spans) == plain
    assert all(main for _, main in unpacked)


async def test_rectangles_are_not_computed_in_a_transaction(db, monkeypatch):
    """A search gives its connection back before it computes where its hits stand."""
    async with system(db, {}) as parts:
        _, pages = await put(db, SAMPLES / "pdflatex-4-pages.pdf")
        idle = []
        fetch = db.fetch

        async def watched(name, *args, **more):
            if name == "span_boxes":
                idle.append(await one(db, IDLE))
            return await fetch(name, *args, **more)

        monkeypatch.setattr(db, "fetch", watched)
        result = await parts.retriever.search(pages[2].text[:60], limit=1, mode="keyword")
        assert result.hits[0].rects
        assert idle == [0]


async def test_hits_tell_where_they_stand(db):
    """A search's hits carry the rectangles of their passages."""
    path = SAMPLES / "pdflatex-4-pages.pdf"
    async with system(db, {}) as parts:
        _, pages = await put(db, path)
        result = await parts.retriever.search(pages[2].text[:60], limit=1, mode="keyword")
        assert {rect.page for rect in result.hits[0].rects or ()} == {page.number for page in pages if page.text}


async def test_scans_have_rectangles_when_they_are_recognised(db):
    """What OCR made of a page comes with its boxes."""
    document, _ = await put(db, SAMPLES / "multicolumn.pdf")
    store, work = Store(db), backlog(db)
    await one(db, "UPDATE foliod.documents SET lease_owner = $1, lease_until = now() + interval '1 min'", work.owner)
    with open_document(SAMPLES / "pdflatex-4-pages.pdf") as pdf:
        other = pdf.read_page(1, 1_000_000)
    seen = Page(1, Verdict.OCR, other.text, other.width, other.height, 0, boxes=other.boxes)
    await store.put_recognised(document, work.owner, seen)
    assert (await regions(db, [Span(document, 0, 20, other.text[:20])]))[0]


@pytest.mark.parametrize("start", [0, 5])
async def test_a_span_beyond_the_text_covers_what_there_is(db, start):
    """An end behind the last page is no error."""
    document, pages = await put(db, SAMPLES / "multicolumn.pdf")
    (rects,) = await regions(db, [Span(document, start, 10**9)])
    assert {rect.page for rect in rects} == {page.number for page in pages}
