"""The text of a document some of whose pages were recognised: written anew from all pages that are stored."""

from __future__ import annotations

import contextlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from foliod.base.model import Chunk, DocumentFacts, Page, ReadSummary, Verdict
from foliod.ingest.backlog import LEASE_SECONDS
from foliod.ingest.job import ReadJob
from foliod.ingest.outcome import finish_text, nothing_recognised, with_earlier

if TYPE_CHECKING:
    from foliod.ingest.backlog import Backlog, Claim
    from foliod.ingest.ingest import Ingest
    from foliod.ingest.original import Original, Originals
    from foliod.ingest.passwords import Passwords
    from foliod.ingest.tessdata import Tesseract
    from foliod.ingest.workers import Workers
    from foliod.store.database import Database
    from foliod.store.store import Store
    from foliod.store.writer import TextWriter

log = structlog.get_logger()


class RecognisedText:
    """Writes the text of one document after the other."""

    def __init__(
        self,
        db: Database,
        store: Store,
        backlog: Backlog,
        ingest: Ingest,
        originals: Originals,
        passwords: Passwords,
        tesseract: Tesseract,
        readers: Workers,
    ) -> None:
        """`readers` divide text into chunks."""
        self._db = db
        self._store = store
        self._backlog = backlog
        self._ingest = ingest
        self._originals = originals
        self._passwords = passwords
        self._tesseract = tesseract
        self._readers = readers

    async def write(self, claim: Claim, original: Original, fresh: int) -> bool:
        """Chunk a document anew, and replace its text in one transaction; what was found before is found until then.

        `fresh` pages were recognised since that was done last. Returns False when they gave no text yet and others wait.
        Raises DocumentRefusedError, WorkerDiedError and the other errors of `Workers.read`, LeaseLostError.
        """
        document, owner = claim.document, self._backlog.owner
        stored = await self._store.pages_so_far(document)
        # Both are asked before the transaction holds a connection. What was said of a document that was read before
        # its pages had troubles stands in the document only.
        earlier = await self._store.troubles(document)
        said = await self._db.fetchval("document_trouble", document)
        job = ReadJob(original.fd, original.display, await self._ingest.limits(patient=True), stored=stored)
        async with AsyncExitStack() as stack:
            reading = self._passwords.reading(self._readers, job, document, original.paths)
            events = await stack.enter_async_context(contextlib.aclosing(reading))
            writer: TextWriter | None = None
            async for event in events:
                match event:
                    case DocumentFacts() if event.title is not None:
                        await self._db.execute("set_title", document, event.title)
                    case Page():
                        await self._store.put_pages(document, owner, [event], LEASE_SECONDS)
                    case (Chunk() as chunk, terms):
                        if writer is None:
                            await self._originals.verify(original)
                            writer = await stack.enter_async_context(self._store.writing_text(document, owner))
                        await writer.add(chunk, terms)
                    case ReadSummary() as summary:
                        trouble = with_earlier(summary, earlier).partial or said
                        if not await self._finish(document, trouble, summary.language, writer):
                            return False
        self._backlog.done([document])
        self._backlog.wake()
        log.info("document_recognised", file=original.display, pages=fresh, chunks=writer.chunks if writer else 0)
        return True

    async def _finish(self, document: int, trouble: str | None, language: str, writer: TextWriter | None) -> bool:
        """Give the document its state; False when it gave no text yet and pages still wait, which says nothing of them."""
        if writer is None:
            verdicts = await self._store.verdicts(document)
            if verdicts.get(Verdict.NEEDS_OCR) or verdicts.get(Verdict.GARBAGE):
                return False
            await self._backlog.refused(document, *nothing_recognised(verdicts, trouble))
            return True
        await finish_text(writer, self._tesseract, trouble=trouble, language=language)
        return True
