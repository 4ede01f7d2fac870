"""Follows what a reader says about one document, and refuses what can't be one whole document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foliod.model import PAGE_JOIN, Chunk, DocumentFacts, DocumentState, Page, ReadSummary, Terms
from foliod.strict import malformed
from foliod.version import EXTRACTOR
from foliod.wire import DOCUMENT_CHARS, Event, ReadLimits, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

REFUSALS = frozenset(
    {
        DocumentState.NEEDS_PASSWORD,
        DocumentState.NEEDS_OCR,
        DocumentState.NOT_PDF,
        DocumentState.UNSUPPORTED,
        DocumentState.DAMAGED,
        DocumentState.EMPTY,
    }
)
"""States that a reader may give a document; the others are the daemon's to give."""


class Transcript:
    """The order and the bounds of facts, pages, chunks and summary. `stored` pages are known already."""

    def __init__(self, limits: ReadLimits, stored: Iterable[Page]) -> None:
        self._limits = limits
        self._facts: DocumentFacts | None = None
        self._stored = {page.number: len(page.text) for page in stored}
        self._pages = 0
        self._chars = 0
        self._last: Chunk | None = None
        self._chunk_chars = 0

    def admit(self, event: Event) -> DocumentFacts | Page | tuple[Chunk, Terms] | ReadSummary | Refused:
        """Return the event when it may come now.

        Raises:
            MalformedError: it may not.
        """
        match event:
            case Refused():
                if event.state not in REFUSALS:
                    raise malformed("state")
            case DocumentFacts():
                if self._facts is not None:
                    raise malformed("second facts")
                self._facts = event
                self._skip_stored()
            case Page():
                self._page(event)
            case (Chunk() as chunk, Terms()):
                self._chunk(chunk)
            case ReadSummary():
                if self._facts is None or event.pages != self._pages or event.extractor != EXTRACTOR:
                    raise malformed("summary")
            case _:
                raise malformed("kind")
        return event

    def _page(self, page: Page) -> None:
        limits, facts = self._limits, self._facts
        if facts is None or self._last is not None or page.number != self._pages + 1:
            raise malformed("order of pages")
        if page.number > min(facts.pages, limits.max_pages) or len(page.text) > limits.max_page_chars:
            raise malformed("size of the page")
        self._add(len(page.text))
        self._skip_stored()

    def _skip_stored(self) -> None:
        while self._pages + 1 in self._stored and self._pages < self._limits.max_pages:
            self._add(self._stored[self._pages + 1])

    def _add(self, chars: int) -> None:
        self._chars += chars + (len(PAGE_JOIN) if self._pages else 0)
        self._pages += 1
        if self._chars > DOCUMENT_CHARS + self._limits.max_page_chars + self._pages:
            raise malformed("size of the document")

    def _chunk(self, chunk: Chunk) -> None:
        last = self._last
        self._chunk_chars += len(chunk.text)
        if chunk.ordinal != (0 if last is None else last.ordinal + 1):
            raise malformed("order of chunks")
        if last is not None and not (chunk.start > last.start and chunk.end > last.end):
            raise malformed("order of chunks")
        # Neighbours overlap by half at most, so the text comes at most twice.
        if chunk.end > self._chars or chunk.last_page > self._pages or self._chunk_chars > 3 * self._chars:
            raise malformed("size of the chunk")
        self._last = chunk
