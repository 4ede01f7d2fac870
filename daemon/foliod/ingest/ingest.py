"""One document from claim to stored: read in a worker, its pages kept as they come, its text visible at once.

Vectors follow in `vectors`; the two meet only through the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import structlog

from foliod.base.errors import (
    ChangedWhileReadError,
    DatabaseUnavailableError,
    DocumentRefusedError,
    FileChangedError,
    FileUnreadableError,
    FoliodError,
    LeaseLostError,
    OllamaError,
    WorkerDiedError,
)
from foliod.base.model import Chunk, DocumentFacts, Page, ReadSummary
from foliod.base.version import EXTRACTOR
from foliod.ingest.backlog import LEASE_SECONDS
from foliod.ingest.job import ReadJob
from foliod.ingest.outcome import after_deaths, finish_text, nothing_to_search, told_of, with_earlier
from foliod.ingest.progress import Progress
from foliod.reading.wire import ReadLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foliod.base.config import Ingest as IngestSettings
    from foliod.base.telemetry import Counters
    from foliod.ingest.backlog import Backlog, Claim
    from foliod.ingest.embedders import Embedders
    from foliod.ingest.original import Originals
    from foliod.ingest.passwords import Passwords
    from foliod.ingest.tessdata import Tesseract
    from foliod.ingest.workers import Workers
    from foliod.store.store import Store
    from foliod.store.writer import TextWriter

CHANGED_SECONDS = 5.0
MOST_CHANGED_SECONDS = 120.0
"""A document whose file changed or can't be opened is looked at again after so long, doubled each time."""
TROUBLE_SECONDS = 30.0
"""Wait when no reading process can be started."""
FIRST_LOOK_SECONDS = 5.0
"""No page finished for so long ends the first attempt already: among thousands of files a few hang, and the
others must not wait for them. Usual pages take some milliseconds."""
FACTS_SECONDS = 1.0
UNKNOWN_CONTEXT_TOKENS = 256
"""The smallest context of the embedding models in use; assumed while the model can't be asked."""
PROMPT_TOKENS = 24
"""Room in the context for the model's document prompt and its special tokens."""

log = structlog.get_logger()


class Ingest:
    """Reads claimed documents."""

    def __init__(
        self,
        store: Store,
        backlog: Backlog,
        workers: Workers,
        embedders: Embedders,
        originals: Originals,
        passwords: Passwords,
        tesseract: Tesseract,
        settings: IngestSettings,
        counts: Counters,
    ) -> None:
        self._store = store
        self._backlog = backlog
        self._workers = workers
        self._embedders = embedders
        self._originals = originals
        self._passwords = passwords
        self._tesseract = tesseract
        self._settings = settings
        self._counts = counts
        self.trouble: str | None = None
        """Why no document can be read now, whatever it holds; None when that is not known of."""
        self._postponed: dict[int, int] = {}
        """How often a document could not be opened, one time after the other."""
        self._context_tokens = UNKNOWN_CONTEXT_TOKENS
        self._ask_again = 0.0

    def configure(self, settings: IngestSettings) -> None:
        """Go by these settings with the next document."""
        self._settings = settings

    async def read_next(self) -> bool:
        """Read one waiting document to its end state; False when none waits, or none can be read now.

        Raises DatabaseUnavailableError; every other trouble becomes the document's state.
        """
        claim = await self._backlog.claim_for_reading()
        if claim is None:
            return False
        with structlog.contextvars.bound_contextvars(document=claim.document, sha256=claim.sha256[:12]):
            try:
                await self._read_to_its_end(claim)
            except (DatabaseUnavailableError, asyncio.CancelledError):
                # Neither is the document's fault, and the pages stored so far stay.
                await asyncio.shield(self._backlog.release([claim.document]))
                raise
        return self.trouble is None

    async def _read_to_its_end(self, claim: Claim) -> None:
        progress = Progress(partial(self._put_pages, claim.document))
        try:
            await self._read(claim, progress)
            self._well(claim)
        except DocumentRefusedError as refusal:
            self._well(claim)
            end, reason = after_deaths(claim, refusal)
            await self._backlog.refused(claim.document, end, reason)
            log.warning("document_refused", state=end, reason=reason)
        except WorkerDiedError as death:
            reason = told_of(death.message, progress.file)
            state = await self._backlog.failed(claim, reason, page=progress.page, most_pages=self._settings.max_pages)
            log.warning(
                "attempt_failed", reason=death.message, state=state, page=progress.page, deaths=claim.deaths + 1
            )
        except (FileChangedError, FileUnreadableError) as change:
            if isinstance(change, ChangedWhileReadError):
                # Only now, because the transaction that was to store the text held the document's row.
                await self._store.drop_pages(claim.document, self._backlog.owner)
            # Longer each time: the folder may be away for long, and others wait.
            times = self._postponed[claim.document] = self._postponed.get(claim.document, 0) + 1
            seconds = min(CHANGED_SECONDS * 2 ** (times - 1), MOST_CHANGED_SECONDS)
            await self._backlog.release([claim.document], delay=seconds)
            log.info("document_postponed", reason=change.message, seconds=seconds)
        except LeaseLostError as lost:
            self._backlog.done([claim.document])
            log.warning("lease_lost", reason=lost.message)
        except DatabaseUnavailableError:
            raise
        except FoliodError as trouble:
            # No process can be started: no document is to blame, and the installation may be mended meanwhile.
            await self._backlog.release([claim.document], delay=TROUBLE_SECONDS)
            if self.trouble != trouble.message:
                log.error("reader_unavailable", reason=trouble.message, seconds=TROUBLE_SECONDS)  # noqa: TRY400
            self.trouble = trouble.message
        except Exception:
            # A fault of ours that this document brings out: it must not hold up the others.
            log.exception("attempt_crashed")
            await self._backlog.failed(claim, "foliod failed on this document; its log tells more")

    async def _read(self, claim: Claim, progress: Progress) -> None:
        started = time.monotonic()
        document, owner = claim.document, self._backlog.owner
        stored = await self._store.stored_pages(document, EXTRACTOR)
        if not stored:
            await self._store.drop_pages(document, owner)
        earlier = await self._store.troubles(document) if stored else {}
        progress.begun(len(stored), opened=False)
        count = 0
        writer: TextWriter | None = None
        try:
            async with AsyncExitStack() as stack:
                original = await stack.enter_async_context(self._originals.open(claim))
                limits = await self.limits(patient=claim.deaths > 0)
                progress.file = original.display
                job = ReadJob(fd=original.fd, name=original.display, limits=limits, stored=stored)
                reading = self._passwords.reading(self._workers, job, document, original.paths)
                events = await stack.enter_async_context(contextlib.aclosing(reading))
                async for event in events:
                    match event:
                        case DocumentFacts():
                            progress.begun(len(stored), opened=True)
                            await self._store.put_facts(document, owner, event, EXTRACTOR)
                        case Page():
                            self._counts.add("pages_parsed")
                            await progress.brought(event)
                        case (Chunk() as chunk, terms):
                            if writer is None:
                                await progress.ended()
                                await self._originals.verify(original)
                                writer = await stack.enter_async_context(self._store.writing_text(document, owner))
                            await writer.add(chunk, terms)
                        case ReadSummary() as last:
                            summary = with_earlier(last, earlier)
                            count = summary.pages
                            await progress.ended()
                            await self._originals.verify(original)
                            await self._finish(document, summary, writer)
        except WorkerDiedError:
            await progress.store()
            raise
        self._backlog.done([document])
        self._backlog.wake()
        self._counts.add("documents_read")
        log.info(
            "document_read",
            file=original.display,
            pages=count,
            resumed_after=len(stored),
            chunks=0 if writer is None else writer.chunks,
            ms=round((time.monotonic() - started) * 1000),
        )

    def _well(self, claim: Claim) -> None:
        """Note that a file could be opened and read by a process."""
        self.trouble = None
        self._postponed.pop(claim.document, None)

    async def _put_pages(self, document: int, pages: Sequence[Page]) -> None:
        await self._store.put_pages(document, self._backlog.owner, pages, LEASE_SECONDS)
        self._counts.add("pages_read", len(pages))

    async def _finish(self, document: int, summary: ReadSummary, writer: TextWriter | None) -> None:
        if writer is None:
            verdicts = await self._store.verdicts(document)
            note = await self._tesseract.note_for(verdicts)
            raise DocumentRefusedError(*nothing_to_search(verdicts, summary, note))
        await finish_text(writer, self._tesseract, trouble=summary.partial, language=summary.language)

    async def limits(self, *, patient: bool) -> ReadLimits:
        """Return what a document may cost. Who hangs is looked at again behind all others, and patiently then."""
        s = self._settings
        page_seconds = s.page_seconds if patient else min(s.page_seconds, FIRST_LOOK_SECONDS)
        budget = max(32, min(s.chunk_tokens, await self._context() - PROMPT_TOKENS))
        return ReadLimits(
            chunk_tokens=budget,
            overlap_tokens=min(s.overlap_tokens, budget // 2),
            max_pages=s.max_pages,
            max_page_chars=s.max_page_chars,
            page_seconds=page_seconds,
            document_seconds=s.document_seconds,
            memory_mb=s.worker_memory_mb,
        )

    async def _context(self) -> int:
        """Return the embedding model's context in tokens; a model that does not answer is not asked for every file."""
        if time.monotonic() >= self._ask_again:
            try:
                async with asyncio.timeout(FACTS_SECONDS):
                    self._context_tokens = (await self._embedders.facts()).context_tokens
            except (OllamaError, TimeoutError):
                self._ask_again = time.monotonic() + TROUBLE_SECONDS
        return self._context_tokens
