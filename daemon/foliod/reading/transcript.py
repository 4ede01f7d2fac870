"""Follows what a reader says about one document, and refuses what can't be one whole document."""

from __future__ import annotations

from foliod.base.model import PAGE_JOIN, Chunk, DocumentFacts, DocumentState, Page, ReadSummary, Terms, Verdict
from foliod.base.version import EXTRACTOR
from foliod.reading.strict import MalformedError, demand
from foliod.reading.wire import CHUNK_CHARS_A_TOKEN, DOCUMENT_CHARS, Event, Picture, ReadLimits, Refused
from foliod.text.language import LANGUAGES

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


class OnePage:
    """What comes of recognising one page: the page, and the summary."""

    def __init__(self, limits: ReadLimits, number: int) -> None:
        self._limits = limits
        self._number = number
        self._come = False

    def admit(self, event: Event) -> Page | ReadSummary | Refused:
        """Return the event when it may come now.

        Raises:
            MalformedError: it may not.
        """
        match event:
            case Refused():
                demand(event.state in REFUSALS, "state")
            case Page():
                demand(event.number == self._number and not self._come, "the number of the page")
                demand(event.verdict in {Verdict.OCR, Verdict.EMPTY, Verdict.FAILED}, "verdict")
                demand(len(event.text) <= self._limits.max_page_chars, "the size of the page")
                self._come = True
            case ReadSummary():
                demand(self._come and event.pages == 1, "pages")
            case _:
                msg = "a message of this kind does not fit"
                raise MalformedError(msg)
        return event


class OnePicture:
    """What comes of drawing a page: the picture, and the summary."""

    def __init__(self) -> None:
        self._come = False

    def admit(self, event: Event) -> Picture | ReadSummary | Refused:
        """Return the event when it may come now.

        Raises:
            MalformedError: it may not.
        """
        match event:
            case Refused():
                demand(event.state in REFUSALS, "state")
            case Picture():
                demand(not self._come, "a second picture")
                self._come = True
            case ReadSummary():
                demand(self._come, "a summary without a picture")
            case _:
                msg = "a message of this kind does not fit"
                raise MalformedError(msg)
        return event


class Transcript:
    """The order and the bounds of facts, pages, chunks and summary."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._facts: DocumentFacts | None = None
        self._stored: dict[int, int] = {}
        self._pages = 0
        self._chars = 0
        self._last: Chunk | None = None
        self._chunk_chars = 0

    def know(self, page: Page) -> None:
        """Take a page that is stored already, and that the reader is not to send; before all events."""
        self._stored[page.number] = len(page.text)

    def admit(self, event: Event) -> DocumentFacts | Page | tuple[Chunk, Terms] | ReadSummary | Refused:
        """Return the event when it may come now.

        Raises:
            MalformedError: it may not.
        """
        match event:
            case Refused():
                demand(event.state in REFUSALS, "state")
            case DocumentFacts():
                demand(self._facts is None, "a second set of facts")
                self._facts = event
                self._skip_stored()
            case Page():
                self._page(event)
            case (Chunk() as chunk, Terms() as terms):
                self._chunk(chunk, terms)
            case ReadSummary():
                demand(self._facts is not None and event.pages == self._pages, "pages")
                demand(event.extractor == EXTRACTOR and event.language in LANGUAGES, "extractor and language")
            case _:
                msg = "a message of this kind does not fit"
                raise MalformedError(msg)
        return event

    def _page(self, page: Page) -> None:
        pages = 0 if self._facts is None else min(self._facts.pages, self._limits.max_pages)
        demand(self._last is None and page.number == self._pages + 1 <= pages, "the order of pages")
        demand(len(page.text) <= self._limits.max_page_chars, "the size of the page")
        self._add(len(page.text))
        self._skip_stored()

    def _skip_stored(self) -> None:
        while self._pages + 1 in self._stored and self._pages < self._limits.max_pages:
            self._add(self._stored[self._pages + 1])

    def _add(self, chars: int) -> None:
        self._chars += chars + (len(PAGE_JOIN) if self._pages else 0)
        self._pages += 1
        most = DOCUMENT_CHARS + self._limits.max_page_chars + self._pages
        demand(self._chars <= most, "the size of the document")

    def _chunk(self, chunk: Chunk, terms: Terms) -> None:
        last = self._last
        if last is None:
            demand(chunk.ordinal == 0, "the order of chunks")
        else:
            demand(chunk.ordinal == last.ordinal + 1, "the order of chunks")
            demand(chunk.start > last.start and chunk.end > last.end, "the order of chunks")
        demand(chunk.end <= self._chars and chunk.last_page <= self._pages, "the size of the chunk")
        demand(len(chunk.text) <= CHUNK_CHARS_A_TOKEN * self._limits.chunk_tokens, "the size of the chunk")
        # `FY2022` gives two terms, a run of Chinese one for every character.
        demand(len(terms.ids) <= terms.length <= 2 * len(chunk.text), "the number of terms")
        # Neighbours overlap by half at most, so the text comes at most twice.
        self._chunk_chars += len(chunk.text)
        demand(self._chunk_chars <= 3 * self._chars, "the size of the chunks")
        self._last = chunk
