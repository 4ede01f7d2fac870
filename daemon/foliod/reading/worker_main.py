"""The process that reads PDFs: `python -m foliod.reading.worker_main FD [urgent]`, with FD one end of a socket pair.

One job at a time comes in, with the file's descriptor beside it; facts, pages, chunks and a
summary go out as they are ready. It ends when the other end is closed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
from typing import TYPE_CHECKING

from foliod.base.errors import DocumentRefusedError
from foliod.base.model import DocumentState, Page, ReadSummary, Verdict
from foliod.base.version import EXTRACTOR
from foliod.reading import sandbox, wire
from foliod.reading.decoder import Decoder
from foliod.reading.ocr import language_folders
from foliod.reading.open import open_document
from foliod.reading.pdf import OpenDocument
from foliod.reading.picture import draw
from foliod.text.chunk import chunk_pages
from foliod.text.language import detect
from foliod.text.lexical import weigh

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def main(fd: int, *, urgent: bool = False) -> None:
    """Serve jobs from the socket `fd` until it is closed; one that is not `urgent` lets others go first."""
    sandbox.begin(keep=fd, gives_way=not urgent)
    with socket.socket(fileno=fd) as connection:
        try:
            _serve(connection)
        except MemoryError:
            os._exit(wire.OUT_OF_MEMORY)
        except (BrokenPipeError, ConnectionResetError):
            pass


def _serve(connection: socket.socket) -> None:
    weigh("Reading words once loads the stemmer.")
    offer = sandbox.offered()
    _send(connection, wire.Ready(str(offer)))
    # What has been loaded lives as long as the process; collecting garbage need not look at it.
    gc.freeze()
    confined = False
    while (received := _receive_job(connection)) is not None:
        job, fd, stored = received
        try:
            if not confined:
                sandbox.limit_memory(job.limits.memory_mb, max(wire.MAPPED_BYTES, os.fstat(fd).st_size))
                if job.ocr is not None:
                    _give_way()
                _confine(() if job.ocr is None else language_folders(job.ocr), offer)
                confined = True
            for event in _events(fd, job, stored):
                _send(connection, event)
        except DocumentRefusedError as refusal:
            _send(connection, wire.Refused(DocumentState(refusal.state), refusal.message))
        finally:
            os.close(fd)


def _events(fd: int, job: wire.Job, stored: list[Page]) -> Iterator[wire.Event]:
    if job.draw is not None:
        return picture(fd, job, job.draw)
    return read(fd, job, stored) if job.ocr is None else recognise(fd, job, job.ocr)


def _confine(readable: Iterable[str], offer: sandbox.Confinement) -> None:
    """Be confined before the first file, or end: that the kernel does not keep its word is no document's fault."""
    try:
        sandbox.confine(readable, offer)
    except OSError as error:
        print(f"{offer} refused to hold this process: {error}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(wire.NOT_CONFINED)


def read(fd: int, job: wire.Job, stored: list[Page]) -> Iterator[wire.Event]:
    """Yield the facts of a document, its pages that are not `stored`, its chunks, and a summary.

    Raises:
        DocumentRefusedError: with the state that the document takes.
    """
    limits = job.limits
    with open_document(fd, job.name, job.passwords) as document:
        have = {page.number: page for page in stored}
        pages: list[Page] = []
        first = have.get(1) or document.read_page(1, limits.max_page_chars)
        yield document.facts(first)
        left_out = None
        text = _Room(limits.memory_mb)
        number = 0
        while number < document.pages:
            number += 1
            if number > limits.max_pages or text.full:
                left_out = _left_out(number - 1, document.pages, "pages" if number > limits.max_pages else "text")
                break
            page = have.get(number) or (first if number == 1 else document.read_page(number, limits.max_page_chars))
            if page.verdict is Verdict.FAILED and number > document.count_pages():
                break
            pages.append(page)
            text.add(page.text)
            if number not in have:
                yield page
        trouble = document.trouble()
        _refuse_if_nothing_is_left(document, pages)
    texts = [page.text for page in pages]
    language = detect(texts)
    for chunk in chunk_pages(
        texts,
        budget=limits.chunk_tokens,
        overlap=limits.overlap_tokens,
        headings=[page.headings for page in pages],
    ):
        yield chunk, weigh(chunk.text, language)
    yield ReadSummary(len(pages), "; ".join(filter(None, [trouble, left_out])) or None, EXTRACTOR, language)


class _Room:
    """How much more text of a document there is room for: its pages are held until it is cut into chunks."""

    def __init__(self, memory_mb: int) -> None:
        # The other half is for the page in hand.
        self._bytes = memory_mb << 19
        self._held = self._chars = 0
        self._width = 1

    def add(self, text: str) -> None:
        """Count the text of a page, which is then held twice: alone, and in the text of the document."""
        chars = len(text)
        self._held += sys.getsizeof(text)
        self._chars += chars
        # One letter beyond ASCII widens all the others (PEP 393); a long string tells by its size.
        width = (sys.getsizeof(text) - 40) // chars if chars > 100 else 4 if text and max(text) > "\uffff" else 1
        self._width = max(self._width, width)

    @property
    def full(self) -> bool:
        """Whether no further page may be read."""
        return self._chars > wire.DOCUMENT_CHARS or self._held + self._chars * self._width > self._bytes


def recognise(fd: int, job: wire.Job, ocr: wire.Ocr) -> Iterator[wire.Event]:
    """Yield one page with the text that Tesseract finds in its picture, and a summary.

    Raises:
        DocumentRefusedError: the document can't be opened, or Tesseract can't be started (`needs_ocr`).
    """
    with open_document(fd, job.name, job.passwords) as document:
        yield document.recognise_page(ocr.page, ocr.languages, ocr.tessdata, job.limits.max_page_chars)
        yield ReadSummary(1, document.trouble(), EXTRACTOR)


def picture(fd: int, job: wire.Job, what: wire.Draw) -> Iterator[wire.Event]:
    """Yield a picture of one page, and a summary.

    Raises:
        DocumentRefusedError: the document can't be opened, or the page not be drawn.
    """
    with open_document(fd, job.name, job.passwords) as document:
        yield wire.Picture(draw(document, what))
        yield ReadSummary(1, None, EXTRACTOR)


def _give_way() -> None:
    """Have the lowest priority: nobody waits for OCR."""
    with contextlib.suppress(OSError):
        os.nice(20)


def _refuse_if_nothing_is_left(document: OpenDocument, pages: list[Page]) -> None:
    """A damaged file without text is no scan: its text may be what was damaged."""
    if document.repaired and not any(page.text or page.verdict is Verdict.GARBAGE for page in pages):
        raise DocumentRefusedError(
            DocumentState.DAMAGED, "the PDF is damaged and no text is left in it; look for an intact copy"
        )


def _left_out(read: int, pages: int, what: str) -> str:
    limit = "max_pages sets the limit" if what == "pages" else "its text is larger than foliod reads"
    return f"only the first {read} of {pages} pages were read; {limit}"


# --- the socket -------------------------------------------------------------------------


def _send(connection: socket.socket, event: wire.Event) -> None:
    for frame in wire.frames(event):
        connection.sendall(frame)


def _receive_job(connection: socket.socket) -> tuple[wire.Job, int, list[Page]] | None:
    """Return the next job with its descriptor and stored pages, or None when there will be none."""
    # The descriptor travels with the first byte.
    head, fds, _, _ = socket.recv_fds(connection, 1, 1)
    if not head:
        return None
    decoder = Decoder(wire.DOCUMENT_CHARS)
    job = decoder.decode(_receive_body(connection, head))
    while job is None:
        job = decoder.decode(_receive_body(connection, b""))
    assert isinstance(job, wire.Job)
    pages: list[Page] = []
    while len(pages) < job.stored:
        page = decoder.decode(_receive_body(connection, b""))
        if isinstance(page, Page):
            pages.append(page)
    return job, fds[0], pages


def _receive_body(connection: socket.socket, head: bytes) -> bytes:
    length = int.from_bytes(head + _receive_exactly(connection, wire.HEADER_BYTES - len(head)), "big")
    return _receive_exactly(connection, length)


def _receive_exactly(connection: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = connection.recv(min(count, 1 << 18))
        if not part:
            raise BrokenPipeError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    main(int(sys.argv[1]), urgent="urgent" in sys.argv[2:])
