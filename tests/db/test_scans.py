"""Scans from needs_ocr to found, with a real database and real readers; what Tesseract would see comes from a script."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from test_ingest import SAMPLES, bench
from test_store import one

import made_pdfs
from fake_ollama import FakeOllama
from foliod.base.config import Ingest, Settings
from foliod.base.errors import DocumentRefusedError, FoliodError, WorkerDiedError
from foliod.base.model import DocumentState, Page, ReadSummary, Verdict
from foliod.base.version import EXTRACTOR
from foliod.ingest import ocr, tessdata
from foliod.ingest.backlog import MOST_ATTEMPTS
from foliod.ingest.workers import Workers

TEXTS = [f"Page {n} of the scan tells of the harbour number {n} and its ships." for n in range(1, 7)]


class Seen(Workers):
    """Stands where Tesseract would be: gives each page its text, or does what it is told to do."""

    def __init__(self, *texts: str) -> None:
        super().__init__(1)
        self.texts = texts or TEXTS
        self.asked: list[int] = []
        self.troubles: dict[int, str] = {}
        self.does = {}
        """By page: something that is called before the page comes."""

    async def read(self, job):
        number = job.ocr.page
        self.asked.append(number)
        if number in self.does:
            await self.does[number]()
        text = self.texts[number - 1]
        verdict = Verdict.OCR if text else Verdict.EMPTY
        yield Page(number, verdict, text, 500, 300, 0, trouble=self.troubles.get(number))
        yield ReadSummary(1, None, EXTRACTOR)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Nobody waits for the next look at Tesseract's files, nor for the embedder."""
    monkeypatch.setattr(tessdata, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(ocr, "EMBED_SECONDS", 0.0)


@pytest.fixture
def languages(tmp_path) -> Path:
    """A folder like Tesseract's, in which English is."""
    folder = tmp_path / "tessdata"
    folder.mkdir()
    (folder / "eng.traineddata").touch()
    return folder


@pytest.fixture
def scan(tmp_path) -> Path:
    path = tmp_path / "scan.pdf"
    path.write_bytes(made_pdfs.scanned(made_pdfs.letters(*TEXTS), dpi=40))
    return path


@asynccontextmanager
async def machine(db, languages: Path, seen: Seen | None = None, **ingest):
    config = Settings(ingest=Ingest(tessdata=languages, **ingest))
    async with FakeOllama() as ollama, bench(db, ollama, config=config, recognisers=seen or Seen()) as parts:
        yield parts


async def verdicts(db) -> str:
    return await one(db, "SELECT string_agg(verdict, ' ' ORDER BY number) FROM foliod.pages")


async def verdicts_of(db, document: int) -> str:
    return await one(
        db, "SELECT string_agg(verdict, ' ' ORDER BY number) FROM foliod.pages WHERE document_id = $1", document
    )


async def due(db) -> None:
    """Let the time be over for which OCR was postponed."""
    async with db.transaction() as tx:
        await tx.connection.execute("UPDATE foliod.documents SET ocr_at = now() WHERE ocr_at IS NOT NULL")


async def found(db, words: str) -> int:
    return await one(db, "SELECT count(*) FROM foliod.chunks WHERE text LIKE '%' || $1 || '%'", words)


async def test_a_scan_is_read_and_then_recognised(db, languages, scan):
    """A scan first says that it needs OCR; then its pages are recognised, it can be found, and becomes ready."""
    async with machine(db, languages) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        assert await parts.state() == "needs_ocr"
        assert "6 of 6 pages are pictures without text" in await parts.reason()
        assert "when no other document waits" in await parts.reason()
        assert await parts.recogniser.recognise_next()
        assert await verdicts(db) == "ocr " * 5 + "ocr"
        assert await found(db, "harbour number 6") == 1
        assert (await parts.state(), await parts.reason()) == ("stored", None)
        assert not await one(db, "SELECT partial FROM foliod.documents")
        assert await parts.vectors.embed_next()
        assert await parts.state() == "ready"
        assert not await parts.recogniser.recognise_next()
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE lease_owner IS NOT NULL") == 0


async def test_text_pages_are_found_before_and_keep_their_vectors(db, languages, tmp_path):
    """A document with some scanned pages is searchable by the others at once; OCR embeds only what it adds."""
    path = tmp_path / "mixed.pdf"
    article = (SAMPLES / "PMC7068164.pdf").read_bytes()
    path.write_bytes(made_pdfs.joined(article, made_pdfs.scanned(made_pdfs.letters("x"), dpi=40)))
    async with machine(db, languages, Seen("", "", "", "A scanned appendix on harbours.")) as parts:
        await parts.place(path)
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"
        assert await one(db, "SELECT partial FROM foliod.documents")
        assert "1 of 4 pages are pictures without text and need OCR" in await parts.reason()
        assert await parts.vectors.embed_next()
        before = parts.counters["texts_embedded"]
        assert await parts.recogniser.recognise_next()
        assert parts.counters["documents_read"] == 1
        assert await parts.reason() is None
        assert not await one(db, "SELECT partial FROM foliod.documents")
        assert await found(db, "appendix on harbours") == 1
        assert await parts.vectors.embed_next()
        assert await parts.state() == "ready"
        # The end of the article and the appendix may share a chunk.
        assert 1 <= parts.counters["texts_embedded"] - before <= 3


async def test_tesseract_that_comes_later_is_used(db, languages, scan):
    """Without Tesseract the reason says what to install; when it is installed, the scan is recognised by itself."""
    (languages / "eng.traineddata").unlink()
    async with machine(db, languages) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        assert await parts.state() == "needs_ocr"
        assert f"{languages} holds no eng.traineddata" in await parts.reason()
        assert not await parts.recogniser.recognise_next()
        (languages / "eng.traineddata").touch()
        assert await parts.recogniser.recognise_next()
        assert await parts.state() == "stored"


async def test_the_reason_follows_what_is_there(db, languages, scan):
    """A document that was read with Tesseract there says so when it is gone at the next start, and what is missing."""
    async with machine(db, languages) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
    async with machine(db, languages, ocr_languages=("eng", "deu")) as parts:
        assert not await parts.recogniser.recognise_next()
        assert "6 of 6 pages are pictures without text; they need OCR — " in await parts.reason()
        assert "apt install tesseract-ocr-deu" in await parts.reason()
    async with machine(db, languages, ocr=False) as parts:
        assert not await parts.recogniser.recognise_next()
        assert (await parts.reason()).endswith("— OCR is switched off ([ingest] ocr)")


async def test_pages_recognised_before_a_kill_are_not_recognised_again(db, languages, scan):
    """When the daemon is ended at page 4, three pages are kept, and the next one goes on with the fourth."""
    seen = Seen()

    async def ended():
        raise asyncio.CancelledError

    seen.does[4] = ended
    async with machine(db, languages, seen) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        with pytest.raises(asyncio.CancelledError):
            await parts.recogniser.recognise_next()
        assert await verdicts(db) == "ocr ocr ocr needs_ocr needs_ocr needs_ocr"
        assert await one(db, "SELECT sum(ocr_attempts) FROM foliod.pages") == 0
    seen = Seen()
    async with machine(db, languages, seen, ocr_languages=("eng",)) as parts:
        assert await parts.recogniser.recognise_next()
        assert seen.asked == [4, 5, 6]
        assert await found(db, "harbour number 2") == await found(db, "harbour number 5") == 1


async def test_text_that_was_recognised_but_not_written_is_written(db, languages, scan):
    """A kill between the last page and the writing of the text costs no page, and leaves no document without its text."""
    async with machine(db, languages) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()

        async def killed(*_):
            raise asyncio.CancelledError

        parts.recogniser._text.write = killed
        with pytest.raises(asyncio.CancelledError):
            await parts.recogniser.recognise_next()
        assert await parts.state() == "needs_ocr"
    seen = Seen()
    async with machine(db, languages, seen) as parts:
        assert await parts.recogniser.recognise_next()
        assert seen.asked == []
        assert await parts.state() == "stored"


async def test_a_page_that_tesseract_fails_on_is_given_up(db, languages, scan):
    """A page at which Tesseract dies twice has failed; the other pages are recognised, and the reason says so."""
    seen = Seen(*TEXTS[:2], "", *TEXTS[3:])

    async def dies():
        msg = "the process was killed"
        raise WorkerDiedError(msg)

    seen.does[2] = dies
    async with machine(db, languages, seen) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        assert await parts.recogniser.recognise_next()
        assert seen.asked == [1, 2, 2, 3, 4, 5, 6]
        assert await verdicts(db) == "ocr failed empty ocr ocr ocr"
        assert await parts.state() == "stored"
        assert await parts.reason() == "1 of 6 pages could not be read"


async def test_a_page_that_ends_the_daemon_is_given_up(db, languages, scan):
    """A page at which the daemon itself ends again and again does not hold up the others for ever."""
    seen = Seen()
    async with machine(db, languages, seen) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        async with db.transaction() as tx:
            await tx.connection.execute("UPDATE foliod.pages SET ocr_attempts = $1 WHERE number = 1", MOST_ATTEMPTS)
        assert await parts.recogniser.recognise_next()
        assert seen.asked == [2, 3, 4, 5, 6]
        assert await verdicts(db) == "failed" + " ocr" * 5


async def test_pictures_without_words(db, languages, scan):
    """A document whose pictures hold no text ends as empty, and says that OCR was done."""
    async with machine(db, languages, Seen(*[""] * 6)) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        assert await parts.recogniser.recognise_next()
        assert await parts.state() == "empty"
        assert "OCR found no text" in await parts.reason()
        assert not await parts.recogniser.recognise_next()


async def test_reading_goes_before_ocr(db, languages, scan, tmp_path):
    """A document that is dropped while a scan is recognised is read after the page in hand."""
    seen = Seen()
    async with machine(db, languages, seen) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()

        async def dropped():
            await parts.place(SAMPLES / "pdflatex-4-pages.pdf")

        seen.does[2] = dropped
        assert await parts.recogniser.recognise_next()
        assert seen.asked == [1, 2]
        assert not await parts.recogniser.recognise_next()
        assert await parts.ingest.read_next()
        assert await parts.recogniser.recognise_next()
        assert seen.asked == [1, 2, 3, 4, 5, 6]


async def test_a_long_scan_is_found_before_it_is_done(db, languages, tmp_path, monkeypatch):
    """The first pages of a long scan can be found while the others still wait; the reason says how many do."""
    monkeypatch.setattr(ocr, "ROUND_SECONDS", 0.0)
    monkeypatch.setattr(ocr, "EARLY_PAGES", 2)
    path = tmp_path / "long.pdf"
    path.write_bytes(made_pdfs.scanned(made_pdfs.letters(*TEXTS), dpi=40))
    async with machine(db, languages) as parts:
        await parts.place(path)
        assert await parts.ingest.read_next()
        assert await parts.recogniser.recognise_next()
        assert await found(db, "harbour number 1") == 0
        assert await parts.recogniser.recognise_next()
        assert await found(db, "harbour number 1") == 1
        assert await parts.state() == "stored"
        assert "4 of 6 pages are pictures without text and need OCR" in await parts.reason()
        while await parts.recogniser.recognise_next():
            pass
        assert await found(db, "harbour number 6") == 1
        assert await parts.reason() is None


async def test_blank_pages_at_the_beginning_end_no_long_scan(db, languages, scan, monkeypatch):
    """A long scan that begins with many blank pages is no empty document: its other pages are recognised."""
    monkeypatch.setattr(ocr, "ROUND_SECONDS", 0.0)
    monkeypatch.setattr(ocr, "EARLY_PAGES", 2)
    async with machine(db, languages, Seen("", "", "", *TEXTS[3:])) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        for _ in range(3):
            assert await parts.recogniser.recognise_next()
        assert await parts.state() == "needs_ocr"
        while await parts.recogniser.recognise_next():
            pass
        assert await verdicts(db) == "empty empty empty ocr ocr ocr"
        assert await found(db, "harbour number 6") == 1
        assert (await parts.state(), await parts.reason()) == ("stored", None)


async def test_no_text_yet_is_no_end_while_pages_wait(db, languages, scan):
    """Whenever the text is written: a document without any, of which pages wait, goes on waiting, and is given back."""
    async with machine(db, languages) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()

        async def at_once(*_):
            return True

        pages, parts.recogniser._pages = parts.recogniser._pages, at_once
        assert await parts.recogniser.recognise_next()
        assert await parts.state() == "needs_ocr"
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE lease_owner IS NOT NULL") == 0
        parts.recogniser._pages = pages
        assert await parts.recogniser.recognise_next()
        assert await parts.state() == "stored"


async def test_tesseract_that_can_not_be_started_is_no_page_s_fault(db, languages, scan):
    """When Tesseract refuses its files, every page waits, the reason says why, and it is not tried without end."""
    seen = Seen()

    async def refuses():
        raise DocumentRefusedError(DocumentState.NEEDS_OCR, "Tesseract can't be started; install its files again")

    seen.does[1] = refuses
    async with machine(db, languages, seen) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        assert await parts.recogniser.recognise_next()
        for _ in range(3):
            assert not await parts.recogniser.recognise_next()
        assert seen.asked == [1]
        assert (await parts.reason()).endswith("install its files again")
        seen.does.clear()
        (languages / "eng.traineddata").write_text("new")
        assert await parts.recogniser.recognise_next()
        assert await parts.state() == "stored"


async def test_a_page_at_which_tesseract_does_not_start_holds_up_no_other(db, languages, scan, tmp_path, monkeypatch):
    """When Tesseract starts for other documents, the page at which it never does is given up, and OCR goes on."""
    seen = Seen()

    async def refuses():
        raise DocumentRefusedError(DocumentState.NEEDS_OCR, "Tesseract can't be started; install its files again")

    other = tmp_path / "other.pdf"
    other.write_bytes(made_pdfs.scanned(made_pdfs.letters("other"), dpi=40))
    async with machine(db, languages, seen) as parts:
        first = await parts.place(scan)
        assert await parts.ingest.read_next()
        second = await parts.place(other)
        assert await parts.ingest.read_next()
        seen.does[1] = refuses
        monkeypatch.setattr(tessdata, "BROKEN_SECONDS", 0.0)
        assert await parts.recogniser.recognise_next()
        seen.does.clear()
        # The other one is tried first, though it came later.
        assert await parts.recogniser.recognise_next()
        assert await one(db, "SELECT state FROM foliod.documents WHERE id = $1", second) == "stored"
        seen.does[1] = refuses
        monkeypatch.setattr(tessdata, "BROKEN_SECONDS", 600.0)
        for _ in range(2):
            await due(db)
            assert await parts.recogniser.recognise_next()
            assert (await parts.tesseract.look()).missing is None
            # Tesseract starts for other documents.
            parts.tesseract.started()
        await due(db)
        assert await parts.recogniser.recognise_next()
        assert await verdicts_of(db, first) == "failed" + " ocr" * 5
        assert await one(db, "SELECT reason FROM foliod.documents WHERE id = $1", first) == (
            "1 of 6 pages could not be read"
        )


@pytest.mark.parametrize("ends", [WorkerDiedError("the reader was killed"), ZeroDivisionError()], ids=["dies", "ours"])
async def test_recognised_pages_that_can_not_be_written_end_the_ocr(db, languages, scan, ends):
    """A scan on which every writing of its text ends badly is not tried for ever, and says what happened."""
    seen = Seen()
    async with machine(db, languages, seen) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()

        async def fails(*_):
            raise ends

        parts.recogniser._text.write = fails
        assert await parts.recogniser.recognise_next()
        assert await parts.state() == "needs_ocr"
        assert " — its recognised pages could not be written: " in await parts.reason()
        assert not await parts.recogniser.recognise_next()
        await due(db)
        assert await parts.recogniser.recognise_next()
        assert await parts.state() == "failed"
        assert (await parts.reason()).startswith("its recognised pages could not be written: ")
        await due(db)
        assert not await parts.recogniser.recognise_next()
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE lease_owner IS NOT NULL") == 0


async def test_what_was_found_stays_when_the_rest_can_not_be_written(db, languages, scan, monkeypatch):
    """A scan of which a part is searchable keeps that when its other pages can't be written, and says what is missing."""
    monkeypatch.setattr(ocr, "ROUND_SECONDS", 0.0)
    monkeypatch.setattr(ocr, "EARLY_PAGES", 2)
    async with machine(db, languages) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        for _ in range(2):
            assert await parts.recogniser.recognise_next()

        async def dies(*_):
            msg = "the reader was killed"
            raise WorkerDiedError(msg)

        parts.recogniser._text.write = dies
        for _ in range(6):
            await parts.recogniser.recognise_next()
            if await one(db, "SELECT deaths FROM foliod.documents") == 1:
                await due(db)
        assert await parts.state() == "stored"
        assert await found(db, "harbour number 1") == 1
        assert (await parts.reason()).endswith("; its recognised pages could not be written: the reader was killed")
        assert await one(db, "SELECT partial FROM foliod.documents")
        assert not await parts.recogniser.recognise_next()
        assert await db.fetch("check_ocr", 10) == []


async def test_why_ocr_was_postponed_is_said(db, languages, scan):
    """A scan whose pages can't be recognised now says why, behind what is missing."""
    seen = Seen()

    async def no_process():
        msg = "no reading process can be started"
        raise FoliodError(msg)

    seen.does[1] = no_process
    async with machine(db, languages, seen) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        assert await parts.recogniser.recognise_next()
        assert await parts.state() == "needs_ocr"
        assert "they need OCR — no reading process can be started; tried again" in await parts.reason()


async def test_why_ocr_was_postponed_names_no_place(db, languages, scan, tmp_path):
    """The same scan may lie where others look: what is said of it does not tell where it lay."""
    path = tmp_path / "zebra fusion.pdf"
    path.write_bytes(scan.read_bytes())
    async with machine(db, languages) as parts:
        await parts.place(path)
        assert await parts.ingest.read_next()
        path.unlink()
        assert await parts.recogniser.recognise_next()
        told = await parts.reason()
        assert "No file of this document can be opened" in told
        assert "zebra" not in told + await one(db, "SELECT string_agg(coalesce(reason, ''), ';') FROM foliod.history")
        assert "fusion" not in told


async def test_pages_that_can_not_be_decoded_are_recognised(db, languages, tmp_path):
    """A page whose font names no letters is read from its picture; where OCR finds nothing either, it has failed."""
    path = tmp_path / "garbage.pdf"
    private = [f"{0xE000 + i:04X}" for i in range(40)]
    path.write_bytes(made_pdfs.joined(*[made_pdfs.glyphs(private, range(1, 40))] * 2))
    async with machine(db, languages, Seen("Now it can be read.", "")) as parts:
        await parts.place(path)
        assert await parts.ingest.read_next()
        assert await parts.state() == "needs_ocr"
        assert await verdicts(db) == "garbage garbage"
        assert await parts.recogniser.recognise_next()
        assert await verdicts(db) == "ocr failed"
        assert await found(db, "can be read") == 1


async def test_what_was_said_against_a_file_stays_said(db, languages, tmp_path):
    """That a file was repaired, or that pages were left out, is still said when its scans have been recognised."""
    path = tmp_path / "mixed.pdf"
    path.write_bytes(made_pdfs.joined(made_pdfs.scanned(made_pdfs.letters("x"), dpi=40), made_pdfs.many_pages(3)))
    async with machine(db, languages, max_pages=2) as parts:
        await parts.place(path)
        assert await parts.ingest.read_next()
        assert "only the first 2 of 4 pages" in await parts.reason()
        assert await parts.recogniser.recognise_next()
        assert await parts.reason() == "only the first 2 of 4 pages were read; max_pages sets the limit"


async def test_what_ocr_left_out_is_said(db, languages, scan):
    """That the text of a recognised page was cut is said of the document, beside what was said of the page before."""
    seen = Seen()
    seen.troubles = {2: "has more text than max_page_chars allows, the rest was left out", 3: "has errors (zlib)"}
    async with machine(db, languages, seen) as parts:
        await parts.place(scan)
        assert await parts.ingest.read_next()
        async with db.transaction() as tx:
            await tx.connection.execute("UPDATE foliod.pages SET trouble = 'has errors (zlib)' WHERE number IN (3, 4)")
        assert await parts.recogniser.recognise_next()
        assert await parts.state() == "stored"
        assert await one(db, "SELECT partial FROM foliod.documents")
        assert await parts.reason() == (
            "page 2 has more text than max_page_chars allows, the rest was left out; page 3, 4 has errors (zlib)"
        )
