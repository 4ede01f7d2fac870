"""What the daemon and its reading processes say to each other: length-prefixed JSON, never pickles.

Events become messages that are small enough for the event loop; `decoder` makes events of them again.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foliod.base.model import Chunk, DocumentFacts, DocumentState, Page, ReadSummary, Terms
from foliod.base.version import EXTRACTOR, __version__
from foliod.reading.strict import demand

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = f"{__version__} {EXTRACTOR}"
MAX_FRAME = 96 * 1024
"""Bytes of one message: what the event loop parses in some milliseconds, whatever it holds."""
HEADER_BYTES = 4
PIECE_CHARS = 10_000
"""Longer texts are sent in pieces; in UTF-8 a character is up to four bytes."""
PIECE_TERMS = 1000
PIECE_HEADINGS = 20
MAX_HEADINGS = 1000
"""Of one page."""
MAX_PAGES = 10_000_000
MAX_PASSWORDS = 1000
"""Tried on one file."""
PASSWORD_CHARS = 64 * 1024
"""Of all of them together."""
PIECE_PASSWORDS = 20
LONGEST_PASSWORD = 500
"""PDF itself cuts at 127 bytes."""
OUT_OF_MEMORY = 77
"""Exit code of a reader that the memory allowed was not enough for."""
NOT_CONFINED = 78
"""Exit code of a reader that could not be confined, and so read nothing."""
MAPPED_BYTES = 256 * 1024 * 1024
"""Address space for mapped files on top of the memory allowed; larger files get a process of their own."""
CHUNK_CHARS_A_TOKEN = 64
"""What a chunk holds at most for each token of its budget: tokens are estimated from above."""
PIECE_BYTES = 48_000
"""Of a picture; in base64 a third more."""
MAX_PICTURE_BYTES = 12 * 1024 * 1024
MAX_RECTS = 1000
"""Marked on one picture."""
DOCUMENT_CHARS = 100_000_000
"""Text of a document; a reader stops there."""


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What one document may cost. Tokens for chunks, seconds for silence and in total, MiB for the process."""

    chunk_tokens: int
    overlap_tokens: int
    max_pages: int
    max_page_chars: int
    page_seconds: float
    document_seconds: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Ocr:
    """One page to recognise the text of, in these `languages` (Tesseract's codes joined by "+")."""

    page: int
    languages: str
    tessdata: str
    """The folder of Tesseract's language files."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One page to draw as a picture, `dpi` pixels an inch, with rectangles marked (points of the page as displayed)."""

    page: int
    dpi: int
    rects: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """What a reader is told with the file's descriptor: `stored` pages follow.

    With `ocr` it recognises that page, with `draw` it draws one, and reads nothing else.
    """

    name: str
    stored: int
    limits: ReadLimits
    passwords: tuple[str, ...] = field(default=(), repr=False)
    """Tried in turn when the file needs one."""
    ocr: Ocr | None = None
    draw: Draw | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A page as a PNG."""

    png: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ready:
    """The reader has started; `confinement` names what of the kernel will hold it.

    `version` tells a reader that was installed under a running daemon, and may speak another language.
    """

    confinement: str
    version: str = VERSION


@dataclass(frozen=True, slots=True)
class Refused:
    """The file can't be read: the state of the document, and why."""

    state: DocumentState
    reason: str


Event = Job | Ready | Refused | Picture | DocumentFacts | Page | tuple[Chunk, Terms] | ReadSummary


def frames(event: Event) -> Iterator[bytes]:
    """Yield the frames that carry an event, each at most MAX_FRAME bytes after its header."""
    match event:
        case Page():
            yield from _text_frames(event.text)
            headings = [[h.offset, h.level, h.text] for h in event.headings]
            for i in range(0, len(headings), PIECE_HEADINGS):
                yield _frame("headings", headings=headings[i : i + PIECE_HEADINGS])
            if event.boxes:
                yield _frame("boxes", boxes=_base64(event.boxes))
            yield _frame(
                "page",
                number=event.number,
                verdict=event.verdict,
                width=event.width,
                height=event.height,
                rotation=event.rotation,
                text=_last_piece(event.text),
                trouble=event.trouble,
            )
        case (Chunk() as chunk, Terms() as terms):
            yield from _text_frames(chunk.text)
            rest = max(0, len(terms.ids) - 1) // PIECE_TERMS * PIECE_TERMS
            for i in range(0, rest, PIECE_TERMS):
                yield _frame("terms", ids=terms.ids[i : i + PIECE_TERMS], weights=terms.weights[i : i + PIECE_TERMS])
            yield _frame(
                "chunk",
                ordinal=chunk.ordinal,
                first=chunk.first_page,
                last=chunk.last_page,
                start=chunk.start,
                end=chunk.end,
                text=_last_piece(chunk.text),
                tokens=chunk.tokens,
                heading=chunk.heading,
                ids=terms.ids[rest:],
                weights=terms.weights[rest:],
                length=terms.length,
            )
        case DocumentFacts():
            yield _frame(
                "facts",
                pages=event.pages,
                title=event.title,
                author=event.author,
                created=event.created and event.created.isoformat(),
                modified=event.modified and event.modified.isoformat(),
            )
        case ReadSummary():
            yield _frame(
                "summary", pages=event.pages, partial=event.partial, extractor=event.extractor, language=event.language
            )
        case Picture():
            last = max(0, len(event.png) - 1) // PIECE_BYTES * PIECE_BYTES
            for i in range(0, last, PIECE_BYTES):
                yield _frame("png", png=_base64(event.png[i : i + PIECE_BYTES]))
            yield _frame("picture", png=_base64(event.png[last:]))
        case Refused():
            yield _frame("refused", state=event.state, reason=event.reason)
        case Ready():
            yield _frame("ready", confinement=event.confinement, version=event.version)
        case Job():
            for i in range(0, len(event.passwords), PIECE_PASSWORDS):
                yield _frame("passwords", passwords=event.passwords[i : i + PIECE_PASSWORDS])
            limits = {name: getattr(event.limits, name) for name in ReadLimits.__slots__}
            ocr = event.ocr and [event.ocr.page, event.ocr.languages, event.ocr.tessdata]
            draw = event.draw and [event.draw.page, event.draw.dpi, [*map(list, event.draw.rects)]]
            yield _frame("job", name=event.name, stored=event.stored, limits=limits, ocr=ocr, draw=draw)


def _frame(kind: str, **fields: object) -> bytes:
    body = json.dumps({"kind": kind, **fields}, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    demand(len(body) <= MAX_FRAME, f"a {kind} of {len(body)} bytes")
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _text_frames(text: str) -> Iterator[bytes]:
    for i in range(0, _whole_pieces(text), PIECE_CHARS):
        yield _frame("text", text=text[i : i + PIECE_CHARS])


def _last_piece(text: str) -> str:
    return text[_whole_pieces(text) :]


def _whole_pieces(text: str) -> int:
    return max(0, len(text) - 1) // PIECE_CHARS * PIECE_CHARS
