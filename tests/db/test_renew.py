"""Documents that an older extractor read are read again while they serve: with a real database and real readers."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from test_ingest import SAMPLES, Bench, bench
from test_scans import Seen, at_once, machine  # noqa: F401
from test_store import counted, lexicon, one

import made_pdfs
from fake_ollama import FakeOllama
from foliod.base.telemetry import Counters
from foliod.base.version import EXTRACTOR
from foliod.ingest import renew as renew_room
from foliod.ingest.original import Originals
from foliod.ingest.renew import Renewal
from foliod.retrieve.regions import Span, regions
from foliod.store.store import Store

PAPER = SAMPLES / "PMC7068164.pdf"


def renewal(parts: Bench) -> Renewal:
    originals = Originals(parts.db, "here", parts.changed.append)
    return Renewal(
        parts.db, Store(parts.db), parts.backlog, parts.ingest, originals, parts.passwords, parts.tesseract,
        parts.workers, Counters(),
    )  # fmt: skip


async def grow_old(db) -> None:
    """Let documents look as an older foliod has left them."""
    await one(db, "UPDATE foliod.documents SET extractor = '2+pymupdf-1.0'")
    await one(db, "UPDATE foliod.pages SET boxes = NULL")


@asynccontextmanager
async def old_paper(db):
    """A paper that an older foliod has read; yield the parts of a daemon and the document."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        document = await parts.place(PAPER)
        await parts.ingest.read_next()
        await parts.vectors.embed_next()
        await grow_old(db)
        yield parts, document


def looked_at(parts: Bench, sql: str) -> list[int]:
    """Return what will hold the answers to a question to the database, asked at each step of reading."""
    seen = []
    read = parts.workers.read

    async def looking(job):
        async for event in read(job):
            seen.append(await one(parts.db, sql))
            yield event

    parts.workers.read = looking
    return seen


async def test_an_old_document_gets_its_boxes_and_keeps_all_else(db):
    """After an update documents learn where their text stands; chunks, vectors and state are not touched."""
    async with old_paper(db) as (parts, document):
        before = await one(db, "SELECT array_agg(id ORDER BY id) FROM foliod.chunks")
        assert await regions(db, [Span(document, 0, 100)]) == [None]
        renew = renewal(parts)
        assert await renew.renew_next()
        assert (await regions(db, [Span(document, 0, 100)]))[0]
        assert await one(db, "SELECT array_agg(id ORDER BY id) FROM foliod.chunks") == before
        assert await parts.state() == "ready"
        assert await one(db, "SELECT extractor FROM foliod.documents") == EXTRACTOR
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE lease_owner IS NOT NULL") == 0
        assert not await renew.renew_next()


async def test_an_old_document_is_stemmed_in_its_language(db):
    """A document that was read when all were stemmed as English is found by other forms of its words, too."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / "GeoTopo-komprimiert.pdf")
        await parts.ingest.read_next()
        assert await one(db, "SELECT language FROM foliod.documents") == "german"
        terms = "SELECT array_agg(t ORDER BY t) FROM foliod.chunk_terms, unnest(terms) t"
        right = await one(db, terms)
        await grow_old(db)
        await one(db, "UPDATE foliod.documents SET language = NULL")
        await one(
            db, "UPDATE foliod.chunk_terms SET terms = '{7}' WHERE chunk_id = (SELECT min(id) FROM foliod.chunks)"
        )
        await one(db, "INSERT INTO foliod.lexicon VALUES (7, 1) ON CONFLICT (term) DO UPDATE SET chunks = 1")
        assert await renewal(parts).renew_next()
        assert await one(db, terms) == right
        assert await one(db, "SELECT language FROM foliod.documents") == "german"


async def test_what_reads_differently_is_replaced_at_once(db):
    """A page that says something else by the new extractor is found by that, and by what it said until then."""
    async with old_paper(db) as (parts, document):
        await one(db, "UPDATE foliod.pages SET text = 'zwieback ' || text WHERE number = 2")
        # While it is read, everybody still finds what was there.
        seen = looked_at(parts, "SELECT count(*) FROM foliod.chunks")
        assert await renewal(parts).renew_next()
        assert len(set(seen)) == 1
        assert seen[0] > 5
        assert await one(db, "SELECT count(*) FROM foliod.pages WHERE text LIKE 'zwieback%'") == 0
        assert await one(db, "SELECT count(*) FROM foliod.pages WHERE document_id = $1", document) == 3
        assert await lexicon(db) == await counted(db)
        assert await parts.state() == "stored"
        before = parts.counters["texts_embedded"]
        await parts.vectors.embed_next()
        assert (await parts.state(), parts.counters["texts_embedded"]) == ("ready", before)


@pytest.mark.parametrize("changed", [False, True])
async def test_boxes_are_written_while_a_document_is_read(db, monkeypatch, changed):
    """The boxes of a document of many pages are not all held until its end, whether or not one of its pages changed."""
    monkeypatch.setattr(renew_room, "BOXES_BYTES", 1000)
    async with old_paper(db) as (parts, _):
        if changed:
            await one(db, "UPDATE foliod.pages SET text = 'zwieback ' || text WHERE number = 2")
        seen = looked_at(parts, "SELECT count(*) FROM foliod.pages WHERE boxes IS NOT NULL")
        assert await renewal(parts).renew_next()
        assert {0, 1, 2} <= set(seen)
        assert await one(db, "SELECT count(*) FROM foliod.pages WHERE boxes IS NULL") == 0
        assert await one(db, "SELECT extractor FROM foliod.documents") == EXTRACTOR


async def test_recognised_pages_are_kept(db, tmp_path):
    """What OCR found in a mixed document is not thrown away, and is found afterwards, also when other pages changed."""
    languages = tmp_path / "tessdata"
    languages.mkdir()
    (languages / "eng.traineddata").touch()
    path = tmp_path / "mixed.pdf"
    path.write_bytes(made_pdfs.joined(PAPER.read_bytes(), made_pdfs.scanned(made_pdfs.letters("x"), dpi=40)))
    async with machine(db, languages, Seen("", "", "", "A scanned appendix on harbours.")) as parts:
        await parts.place(path)
        await parts.ingest.read_next()
        await parts.recogniser.recognise_next()
        await grow_old(db)
        await one(db, "UPDATE foliod.pages SET text = text || ' zwieback' WHERE number = 1")
        assert await renewal(parts).renew_next()
        assert await one(db, "SELECT count(*) FROM foliod.chunks WHERE text LIKE '%appendix on harbours%'") == 1
        assert await one(db, "SELECT count(*) FROM foliod.chunks WHERE text LIKE '%zwieback%'") == 0
        assert await one(db, "SELECT array_agg(number) FROM foliod.pages WHERE boxes IS NULL") == [4]


async def test_a_document_that_can_not_be_read_again_stays_as_it_was(db):
    """A reader that dies costs a document nothing, and is not tried again at once."""
    async with old_paper(db) as (parts, _):
        parts.workers.poison = frozenset({2})
        renew = renewal(parts)
        assert await renew.renew_next()
        assert not await renew.renew_next()
        assert (await parts.state(), await one(db, "SELECT deaths FROM foliod.documents")) == ("ready", 0)
        assert await one(db, "SELECT count(*) FROM foliod.chunks") > 5
        await one(db, "UPDATE foliod.documents SET renewed_at = now() - interval '2 days'")
        parts.workers.poison = frozenset()
        assert await renew.renew_next()
        assert await one(db, "SELECT extractor FROM foliod.documents") == EXTRACTOR


async def test_new_documents_go_first(db, tmp_path):
    """While a document waits to be read for the first time, none is read again."""
    async with old_paper(db) as (parts, _):
        path = tmp_path / "new.pdf"
        path.write_bytes(made_pdfs.many_pages(2))
        await parts.place(path)
        renew = renewal(parts)
        assert not await renew.renew_next()
        await parts.ingest.read_next()
        assert await renew.renew_next()


async def test_a_newer_extractor_is_not_taken_back(db):
    """A daemon of an older version on another host leaves alone what a newer one has read."""
    async with old_paper(db) as (parts, _):
        await one(db, "UPDATE foliod.documents SET extractor = '99+pymupdf-9'")
        assert not await renewal(parts).renew_next()
