"""Documents as they look: the file that was read, and pictures of its pages with passages marked.

Pictures are drawn in processes of their own, as held and as expendable as those that read, and
kept for a while afterwards, so that ingestion never stands in the way of a question.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from foliod.base.errors import (
    ConflictError,
    DocumentRefusedError,
    NoDocumentError,
    NotDrawnError,
    NotFoundError,
    NotReadyError,
)
from foliod.base.model import DocumentState
from foliod.ingest.backlog import Claim
from foliod.ingest.job import ReadJob
from foliod.reading.wire import MAX_RECTS, Draw, Picture, ReadLimits
from foliod.retrieve.regions import Span, regions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from foliod.base.config import Ingest as IngestSettings
    from foliod.base.model import Rect
    from foliod.ingest.original import Original, Originals
    from foliod.ingest.passwords import Passwords
    from foliod.ingest.workers import Workers
    from foliod.store.database import Database

PROCESSES = 2
"""So that a page that hangs does not hold up all others."""
KEEP_SECONDS = 60.0
"""A process that draws takes 50 to 100 MB; nobody turns pages any more after so long."""
DRAW_SECONDS = 10.0
"""Usual pages take some hundredths of a second."""
WAIT_SECONDS = 30.0
"""With opening the file, and waiting for a process."""
CACHE_BYTES = 8 * 1024 * 1024
CACHED_BYTES = 2 * 1024 * 1024
"""A larger picture is not kept; most have 100 to 300 kB."""
LOOKS = 1
"""Raised when the same page would be drawn differently."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class View:
    """One page to be seen: `marks` is what is marked on it, None when where it stands is not known."""

    document: int
    sha256: str
    page: int
    dpi: int
    marks: tuple[Rect, ...] | None = ()

    @property
    def etag(self) -> str:
        """Different for all pictures that differ."""
        look = (LOOKS, self.sha256, self.page, self.dpi, [tuple(rect) for rect in self.marks or ()])
        return hashlib.sha256(repr(look).encode()).hexdigest()[:32]


class Facsimiles:
    """Opens the files of documents and draws their pages."""

    def __init__(
        self,
        db: Database,
        originals: Originals,
        passwords: Passwords,
        workers: Workers,
        settings: IngestSettings,
    ) -> None:
        """`workers` should serve nobody else."""
        self._db = db
        self._originals = originals
        self._passwords = passwords
        self._workers = workers
        self._limits = ReadLimits(
            chunk_tokens=settings.chunk_tokens,
            overlap_tokens=0,
            max_pages=settings.max_pages,
            max_page_chars=settings.max_page_chars,
            page_seconds=DRAW_SECONDS,
            document_seconds=DRAW_SECONDS,
            memory_mb=settings.worker_memory_mb,
        )
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._cached_bytes = 0
        self._drawing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def file(self, document: int, *, within: Sequence[bytes]) -> AbstractAsyncContextManager[Original]:
        """Return what opens the file of a document, which holds the bytes that were read; one that lies `within` folders.

        Raises NotFoundError, ConflictError; opening raises FileGoneError, FileChangedError.
        """
        sha256, _ = await self._known(document)
        return self._open(document, sha256, within)

    async def read(self, original: Original, offset: int, count: int) -> bytes:
        """Return some bytes of an open file. Raises OSError, TimeoutError."""
        return await self._originals.read(original, offset, count)

    async def unchanged(self, original: Original) -> None:
        """Raise ChangedWhileReadError when the file has changed since it was opened."""
        await self._originals.verify(original)

    async def view(
        self, document: int, page: int, *, dpi: int, chunk: int | None = None, span: tuple[int, int] | None = None
    ) -> View:
        """Return what is to be seen of a page: what stands on it of a passage, or a span of the document's text, is marked.

        Raises:
            NotFoundError: there is no such document, page or passage of it.
            ConflictError: the document has not been read.
        """
        sha256, pages = await self._known(document)
        if pages is None:
            raise ConflictError(f"document {document} has not been read; GET /v1/documents/{document} tells why")
        if not 1 <= page <= pages:
            raise NotFoundError(f"document {document} has the pages 1 to {pages}; there is no page {page}")
        if chunk is not None:
            row = await self._db.fetchrow("chunk_span", chunk)
            if row is None or row["document_id"] != document:
                raise NotFoundError(f"document {document} has no passage {chunk}, or none any more; search again")
            # A hit can be several passages joined, of which it names the best: on its other pages nothing is marked.
            if not row["first_page"] <= page <= row["last_page"]:
                return View(document, sha256, page, dpi)
            found = Span(document, row["start_offset"], row["end_offset"], row["text"])
        elif span is not None:
            found = Span(document, *span)
        else:
            return View(document, sha256, page, dpi)
        (rects,) = await regions(self._db, [found], page=page)
        marks = None if rects is None else rects[:MAX_RECTS]
        return View(document, sha256, page, dpi, marks)

    async def picture(self, view: View, *, within: Sequence[bytes]) -> bytes:
        """Return a page as a PNG, drawn from a file that lies `within` folders, where it has to be drawn.

        Raises:
            FileGoneError, FileChangedError: the file is not there, or not what was read.
            NotDrawnError: the page can't be drawn.
            WorkerDiedError: the process that drew it ended.
            NotReadyError: it took too long to come to it.
        """
        etag = view.etag
        lock = self._drawing.setdefault(etag, asyncio.Lock())
        try:
            async with asyncio.timeout(WAIT_SECONDS), lock:
                if etag in self._cache:
                    self._cache.move_to_end(etag)
                    # What was drawn of a file is shown as long as the file itself would be, and to whom it would be.
                    async with self._open(view.document, view.sha256, within):
                        return self._cache[etag]
                png = await self._draw(view, within)
        except TimeoutError:
            msg = f"page {view.page} of document {view.document} was not drawn in {WAIT_SECONDS:g} s; ask again later"
            raise NotReadyError(msg) from None
        self._keep(etag, png)
        return png

    async def _draw(self, view: View, within: Sequence[bytes]) -> bytes:
        what = Draw(view.page, view.dpi, tuple([rect[1:] for rect in view.marks or ()]))
        async with self._open(view.document, view.sha256, within) as original:
            job = ReadJob(original.fd, original.display, self._limits, draw=what)
            png = b""
            try:
                reading = self._passwords.reading(self._workers, job, view.document, original.paths)
                async with aclosing(reading) as events:
                    async for event in events:
                        if isinstance(event, Picture):
                            png = event.png
            except DocumentRefusedError as refusal:
                raise NotDrawnError(f"{original.display}: {refusal.message}") from None
            await self._originals.verify(original)
        return png

    def _open(self, document: int, sha256: str, within: Sequence[bytes]) -> AbstractAsyncContextManager[Original]:
        return self._originals.open(Claim(document, sha256, 0, 0), within=within)

    async def _known(self, document: int) -> tuple[str, int | None]:
        row = await self._db.fetchrow("document_content", document)
        if row is None:
            raise NoDocumentError(document)
        if row["state"] == DocumentState.NOT_PDF:
            raise ConflictError(f"document {document} is no PDF: {row['reason']}")
        return row["sha256"], row["page_count"]

    def _keep(self, etag: str, png: bytes) -> None:
        if len(png) > CACHED_BYTES or etag in self._cache:
            return
        self._cache[etag] = png
        self._cached_bytes += len(png)
        while self._cached_bytes > CACHE_BYTES:
            self._cached_bytes -= len(self._cache.popitem(last=False)[1])
