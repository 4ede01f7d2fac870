"""Documents that an older version of the extractor read are read again, when nothing else waits, while they serve.

What they say is found all the time: it is replaced in one transaction, and only where it has changed.
Most often an extractor sees the same text and keeps something more of it, and then no chunk is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import structlog

from foliod.base.errors import DatabaseUnavailableError, FoliodError, LeaseLostError
from foliod.base.model import Chunk, DocumentFacts, Page, ReadSummary
from foliod.base.version import EXTRACTOR, REVISION
from foliod.ingest.job import ReadJob
from foliod.ingest.outcome import finish_text, with_earlier
from foliod.store.renew import BOXES_BYTES, Renewed

if TYPE_CHECKING:
    from foliod.base.telemetry import Counters
    from foliod.ingest.backlog import Backlog, Claim
    from foliod.ingest.ingest import Ingest
    from foliod.ingest.original import Original, Originals
    from foliod.ingest.passwords import Passwords
    from foliod.ingest.tessdata import Tesseract
    from foliod.ingest.workers import Workers
    from foliod.store.database import Database
    from foliod.store.store import Store
    from foliod.store.writer import TextWriter

MOST_CHANGED_CHARS = 50_000_000
"""Changed text is held until all of a document has been read; more waits for `foliod retry`."""

log = structlog.get_logger()


class Renewal:
    """Reads documents again, one at a time."""

    def __init__(
        self,
        db: Database,
        store: Store,
        backlog: Backlog,
        ingest: Ingest,
        originals: Originals,
        passwords: Passwords,
        tesseract: Tesseract,
        workers: Workers,
        counts: Counters,
    ) -> None:
        self._db = db
        self._store = store
        self._backlog = backlog
        self._ingest = ingest
        self._originals = originals
        self._passwords = passwords
        self._tesseract = tesseract
        self._workers = workers
        self._counts = counts

    async def renew_next(self) -> bool:
        """Read one document again; False when there is none, or others wait to be read for the first time.

        A document that can't be read any more stays as it was, and is tried again after a day. Raises
        DatabaseUnavailableError.
        """
        claim = await self._backlog.claim_for_renewal(REVISION)
        if claim is None:
            return False
        with structlog.contextvars.bound_contextvars(document=claim.document, sha256=claim.sha256[:12]):
            try:
                async with self._originals.open(claim) as original:
                    await self._renew(claim, original)
            except LeaseLostError as lost:
                self._backlog.done([claim.document])
                log.warning("lease_lost", reason=lost.message)
            except (DatabaseUnavailableError, asyncio.CancelledError):
                # Neither is the document's fault: it need not wait for a day.
                with contextlib.suppress(DatabaseUnavailableError):
                    await asyncio.shield(self._db.execute("take_renewal_back", claim.document, self._backlog.owner))
                raise
            except FoliodError as trouble:
                log.warning("document_not_renewed", reason=trouble.message)
            except Exception:
                log.exception("renewal_crashed")
            finally:
                if claim.document in self._backlog.held:
                    await asyncio.shield(self._backlog.release([claim.document]))
        return True

    async def _renew(self, claim: Claim, original: Original) -> None:
        started = time.monotonic()
        document, owner = claim.document, self._backlog.owner
        # OCR is not repeated, and pages that ended their readers are not touched again.
        kept = await self._store.pages_without_text(document)
        earlier = await self._store.troubles(document, without_text=True)
        job = ReadJob(original.fd, original.display, await self._ingest.limits(patient=True), stored=kept)
        # The language is told behind the chunks: whether their terms fit it is not known before.
        rewrite = await self._db.fetchval("document_language", document) is None
        renewed = Renewed()
        writer: TextWriter | None = None
        async with contextlib.AsyncExitStack() as stack:
            reading = self._passwords.reading(self._workers, job, document, original.paths)
            events = await stack.enter_async_context(contextlib.aclosing(reading))
            async for event in events:
                match event:
                    case DocumentFacts():
                        renewed.facts = event
                    case Page():
                        await renewed.add(self._db, document, event)
                        if renewed.changed_chars > MOST_CHANGED_CHARS:
                            msg = f"{original.display} reads so differently that `foliod retry` has to read it again"
                            raise FoliodError(msg)
                        if renewed.boxes_bytes > BOXES_BYTES:
                            await self._originals.verify(original)
                            await self._store.put_some_boxes(document, owner, renewed)
                    case (Chunk() as chunk, terms) if renewed.changed or rewrite:
                        if writer is None:
                            await self._originals.verify(original)
                            writer = await stack.enter_async_context(
                                self._store.replacing_text(document, owner, renewed, EXTRACTOR)
                            )
                        await writer.add(chunk, terms)
                    case ReadSummary() as last:
                        summary = with_earlier(last, earlier)
                        await self._finish(document, original, renewed, writer, summary)
        self._backlog.done([document])
        self._backlog.wake()
        self._counts.add("documents_renewed")
        log.info(
            "document_renewed",
            file=original.display,
            pages=renewed.same + len(renewed.changed),
            changed_pages=len(renewed.changed),
            ms=round((time.monotonic() - started) * 1000),
        )

    async def _finish(
        self, document: int, original: Original, renewed: Renewed, writer: TextWriter | None, summary: ReadSummary
    ) -> None:
        await self._originals.verify(original)
        if writer is None:
            if renewed.changed:
                msg = f"{original.display} gives no text any more; what was read of it before stays"
                raise FoliodError(msg)
            await self._store.put_boxes(document, self._backlog.owner, renewed, EXTRACTOR)
            return
        await finish_text(writer, self._tesseract, trouble=summary.partial, language=summary.language)
