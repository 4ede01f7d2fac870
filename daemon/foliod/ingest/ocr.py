"""OCR of scanned pages, when nothing else waits: page by page, each stored at once, then the document's text anew.

A document is searchable by what it has meanwhile. A kill costs the page in hand; a page on which
Tesseract fails or hangs is given up, and the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from foliod.base.errors import (
    DatabaseUnavailableError,
    DocumentRefusedError,
    FileChangedError,
    FoliodError,
    LeaseLostError,
    WorkerDiedError,
)
from foliod.base.model import DocumentState, Page, Verdict
from foliod.base.paths import without_paths
from foliod.ingest.backlog import MOST_ATTEMPTS
from foliod.ingest.job import ReadJob
from foliod.ingest.outcome import told_of
from foliod.reading.wire import Ocr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from foliod.base.config import Ingest as IngestSettings
    from foliod.base.telemetry import Counters
    from foliod.ingest.backlog import Backlog, Claim
    from foliod.ingest.ingest import Ingest
    from foliod.ingest.original import Original, Originals
    from foliod.ingest.passwords import Passwords
    from foliod.ingest.recognised import RecognisedText
    from foliod.ingest.tessdata import Tessdata, Tesseract
    from foliod.ingest.workers import Workers
    from foliod.store.database import Database
    from foliod.store.store import Store

ROUND_SECONDS = 60.0
"""After so long a document is given back, so that its new text can get its vectors."""
EARLY_PAGES = 16
"""Recognised pages after which a long document's text is written before the rest is done; then at each doubling."""
EMBED_SECONDS = 2.0
"""Head start of the embedder after that."""
OCR_PATIENCE = 10
"""A page may take so many times longer than its processor time."""
CHANGED_SECONDS = 5.0
TROUBLE_SECONDS = 600.0
"""A document that can't be opened any more, or that brings out a fault of ours, is tried again after so long."""

log = structlog.get_logger()


class Recogniser:
    """Recognises the pages of documents that were read before, one document and one page at a time."""

    def __init__(
        self,
        db: Database,
        store: Store,
        backlog: Backlog,
        ingest: Ingest,
        originals: Originals,
        passwords: Passwords,
        tesseract: Tesseract,
        text: RecognisedText,
        recognisers: Workers,
        settings: IngestSettings,
        counts: Counters,
    ) -> None:
        """`text` writes what was recognised; `recognisers` run Tesseract, and may read its files."""
        self._db = db
        self._store = store
        self._backlog = backlog
        self._ingest = ingest
        self._originals = originals
        self._passwords = passwords
        self._tesseract = tesseract
        self._recognisers = recognisers
        self._settings = settings
        self._counts = counts
        self._text = text
        self._noted: str | None = None
        self._unwritten: dict[int, int] = {}
        """Pages recognised since a document's text was written, by document."""

    async def recognise_next(self) -> bool:
        """Recognise pages of one document for about a minute; False when no page waits or none may be taken now.

        Raises DatabaseUnavailableError; every other trouble is the page's or the document's.
        """
        found = await self._tesseract.look()
        await self._note(found)
        if found.missing is not None:
            return False
        claim = await self._backlog.claim_for_ocr()
        if claim is None:
            return False
        with structlog.contextvars.bound_contextvars(document=claim.document, sha256=claim.sha256[:12]):
            try:
                await self._recognise(claim, found)
            finally:
                if claim.document in self._backlog.held:
                    await asyncio.shield(self._backlog.release([claim.document]))
        return True

    def configure(self, settings: IngestSettings) -> None:
        """Go by these settings with the next page."""
        self._settings = settings

    def report(self) -> dict[str, Any]:
        """Return whether OCR can be done, and what with: `{available, problem, languages, tessdata}`."""
        return self._tesseract.report()

    async def _note(self, found: Tessdata) -> None:
        """Say on the documents what they wait for, when that has changed."""
        if self._tesseract.note != self._noted:
            await self._db.execute("note_ocr", self._backlog.host, self._tesseract.note)
            if found.missing is None:
                await self._db.execute("ocr_due", self._backlog.host)
            self._noted = self._tesseract.note

    async def _recognise(self, claim: Claim, found: Tessdata) -> None:
        try:
            async with self._originals.open(claim) as original:
                if await self._pages(claim, original, found):
                    await self._write_or_count(claim, original)
        except DocumentRefusedError as refusal:
            # Also when Tesseract does not start: other documents are tried before this one then.
            await self._postpone(claim, TROUBLE_SECONDS, refusal)
        except FileChangedError as change:
            await self._postpone(claim, CHANGED_SECONDS, change, type(change)().message)
        except LeaseLostError as lost:
            self._backlog.done([claim.document])
            log.warning("lease_lost", reason=lost.message)
        except DatabaseUnavailableError:
            raise
        except FoliodError as trouble:
            await self._postpone(claim, TROUBLE_SECONDS, trouble)
        except Exception:
            log.exception("ocr_crashed")
            await self._postpone(claim, TROUBLE_SECONDS, FoliodError("foliod failed on this document"))

    async def _postpone(self, claim: Claim, seconds: float, why: FoliodError, told: str | None = None) -> None:
        """Try a document later; the document says why, or what is `told` instead, and names none of its places."""
        log.warning("ocr_postponed", reason=why.message, seconds=seconds)
        note = f"{told or without_paths(why.message)}; tried again after a while"
        await self._db.execute("postpone_ocr", claim.document, self._backlog.owner, seconds, note)
        self._backlog.done([claim.document])

    # --- pages --------------------------------------------------------------------------

    async def _pages(self, claim: Claim, original: Original, found: Tessdata) -> bool:
        """Recognise pages until none waits or others go first; return whether the text is to be written now."""
        document, until = claim.document, time.monotonic() + ROUND_SECONDS
        while True:
            row = await self._db.fetchrow("begin_ocr_page", document, self._backlog.owner)
            if row is None:
                return True
            try:
                async with _uncounted(self._db, document, row["number"]):
                    page = await self._page(claim, original, found, row)
            except WorkerDiedError as death:
                await self._failed(document, row, death.message)
            except DocumentRefusedError as refusal:
                if refusal.state == DocumentState.NEEDS_OCR:
                    if self._tesseract.not_started(refusal.message):
                        await self._failed(document, row, refusal.message)
                    else:
                        log.error("ocr_broken", reason=refusal.message)  # noqa: TRY400
                raise
            else:
                if page.verdict is Verdict.FAILED:
                    await self._failed(document, row, "Tesseract or MuPDF gave up on its picture")
                else:
                    await self._store.put_recognised(document, self._backlog.owner, page)
                    self._counts.add("pages_recognised")
                    self._unwritten[document] = self._unwritten.get(document, 0) + 1
            if time.monotonic() > until or await self._db.fetchval("reading_waits", self._backlog.host):
                break
        recognised = (await self._store.verdicts(document)).get(Verdict.OCR, 0)
        fresh = self._unwritten.get(document, 0)
        # While only blank pages have come there is nothing to write, and the others may hold text.
        return recognised > 0 and fresh >= EARLY_PAGES and 2 * fresh >= recognised

    async def _page(self, claim: Claim, original: Original, found: Tessdata, row: asyncpg.Record) -> Page:
        """Return what becomes of a page; FAILED when nothing came of it."""
        number = row["number"]
        if row["ocr_attempts"] > MOST_ATTEMPTS:
            raise WorkerDiedError(f"foliod itself was ended {MOST_ATTEMPTS} times at this page")
        assert found.folder is not None
        seconds = self._settings.ocr_page_seconds
        # With the lowest priority a page may wait long for its turn.
        wall = OCR_PATIENCE * seconds
        limits = replace(await self._ingest.limits(patient=True), page_seconds=wall, document_seconds=wall)
        ocr = Ocr(number, "+".join(found.languages), found.folder)
        job = ReadJob(original.fd, original.display, limits, ocr=ocr, cpu_seconds=seconds)
        started = time.monotonic()
        page: Page | None = None
        reading = self._passwords.reading(self._recognisers, job, claim.document, original.paths)
        async with contextlib.aclosing(reading) as events:
            async for event in events:
                if isinstance(event, Page):
                    page = event
        await self._originals.verify(original)
        assert page is not None
        if page.verdict is not Verdict.FAILED:
            self._tesseract.started()
        if page.verdict is Verdict.EMPTY and row["verdict"] == Verdict.GARBAGE:
            # There was text, though nobody can read it.
            page = replace(page, verdict=Verdict.FAILED)
        ms = round((time.monotonic() - started) * 1000)
        log.info("page_recognised", page=number, verdict=page.verdict, characters=len(page.text), ms=ms)
        return page

    async def _failed(self, document: int, row: asyncpg.Record, reason: str) -> None:
        allowed = 0 if row["ocr_attempts"] > MOST_ATTEMPTS else self._settings.max_attempts
        verdict = await self._db.fetchval("ocr_page_failed", document, row["number"], allowed)
        log.warning("ocr_failed", page=row["number"], reason=reason, given_up=verdict == Verdict.FAILED)

    # --- text ---------------------------------------------------------------------------

    async def _write_or_count(self, claim: Claim, original: Original) -> None:
        """Write the text; an abnormal end is counted, and after `max_attempts` of them the document's OCR has ended."""
        try:
            if await self._text.write(claim, original, self._unwritten.get(claim.document, 0)):
                self._unwritten.pop(claim.document, None)
                await asyncio.sleep(EMBED_SECONDS)
        except WorkerDiedError as death:
            await self._not_written(claim, told_of(death.message, original.display))
        except DocumentRefusedError as refusal:
            if refusal.state in (DocumentState.NEEDS_PASSWORD, DocumentState.NEEDS_OCR):
                raise
            await self._not_written(claim, refusal.message)
        except FoliodError:
            raise
        except Exception:
            log.exception("ocr_crashed")
            await self._not_written(claim, "foliod failed on this document; its log tells more")

    async def _not_written(self, claim: Claim, reason: str) -> None:
        why = f"its recognised pages could not be written: {reason}"
        allowed = self._settings.max_attempts
        ended = await self._db.fetchval(
            "recognised_not_written", claim.document, self._backlog.owner, allowed, TROUBLE_SECONDS, why
        )
        self._backlog.done([claim.document])
        log.warning("recognised_not_written", reason=reason, given_up=ended)


@contextlib.asynccontextmanager
async def _uncounted(db: Database, document: int, page: int) -> AsyncIterator[None]:
    """Take an attempt at a page back that neither it nor its reader ended."""
    try:
        yield
    except WorkerDiedError:
        raise
    except BaseException:
        with contextlib.suppress(DatabaseUnavailableError):
            await asyncio.shield(db.execute("give_up_ocr_page", document, page))
        raise
