"""The frozen records that pass between the stages of foliod.

A *document* is content, known by its SHA-256; a *file* is a place, known by its path.
A document's text is its pages' texts joined by `PAGE_JOIN`; all chunk offsets are
offsets in code points into that text.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from foliod.base.access import Access

PAGE_JOIN = "\n"
"""One character stands between two pages in the text of a document."""


class DocumentState(StrEnum):
    """Where a document is on its way, or why it stopped."""

    QUEUED = "queued"
    READING = "reading"
    STORED = "stored"
    """Text is stored: searchable by keyword; vectors are missing."""
    READY = "ready"
    """Every chunk has its vector in the active space."""
    NEEDS_PASSWORD = "needs_password"  # noqa: S105
    NEEDS_OCR = "needs_ocr"
    NOT_PDF = "not_pdf"
    UNSUPPORTED = "unsupported"
    DAMAGED = "damaged"
    EMPTY = "empty"
    FAILED = "failed"
    """Quarantined: too many attempts ended badly."""


class Verdict(StrEnum):
    """What became of a page."""

    TEXT = "text"
    OCR = "ocr"
    NEEDS_OCR = "needs_ocr"
    EMPTY = "empty"
    FAILED = "failed"
    GARBAGE = "garbage"
    """Mostly control, private-use or replacement characters: stored, never embedded."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading on a page: `offset` in code points into the page's text, `level` from 1."""

    offset: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page as read: `number` from 1, sizes in points (1/72 inch), text cleaned (NFKC)."""

    number: int
    verdict: Verdict
    text: str
    width: float
    height: float
    rotation: int
    headings: tuple[Heading, ...] = ()
    trouble: str | None = None
    """Why text of it may be missing that the verdict does not tell of: what follows "page 7 …"."""
    boxes: bytes = b""
    """Where its text stands on it, as `base.boxes` packs it."""


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """What a PDF says about itself before its pages are read."""

    pages: int
    title: str | None = None
    author: str | None = None
    created: datetime | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A slice of a document's text.

    `text == document_text[start:end]`; pages from 1; `tokens` is a conservative
    estimate, never below what the chunk budget allowed for.
    """

    ordinal: int
    first_page: int
    last_page: int
    start: int
    end: int
    text: str
    tokens: int
    heading: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """Document-side BM25 weights of a text: hashed term ids, weights, length in terms."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    length: int


@dataclass(frozen=True, slots=True)
class ReadSummary:
    """How reading ended: `partial` says why text may be missing, or is None when nothing is."""

    pages: int
    partial: str | None
    extractor: str
    language: str = "english"
    """What its chunks were stemmed as."""


@dataclass(frozen=True, slots=True)
class FileStat:
    """What tells one version of a file from another without reading it. Times in ns."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileStat:
        """Take what matters from a stat; all as signed 64 bits, as PostgreSQL has them."""
        times = _signed(stat.st_mtime_ns), _signed(stat.st_ctime_ns)
        return cls(stat.st_size, *times, _signed(stat.st_ino), _signed(stat.st_dev))


@dataclass(frozen=True, slots=True)
class Space:
    """An embedding space: one model (by digest), one dimension, one HNSW index."""

    id: int
    model: str
    digest: str
    dimensions: int
    query_prompt: str
    document_prompt: str
    equal_digests: Sequence[str] = ()
    """Other builds of the model that make the same vectors."""

    def made_by(self, digest: str) -> bool:
        """Whether a build of the model makes the vectors of this space."""
        return digest == self.digest or digest in self.equal_digests


@dataclass(frozen=True, slots=True)
class Filters:
    """Restricts a search; `folder` and `document` are ORed never, all given must hold."""

    folder: str | None = None
    document: int | None = None
    after: datetime | None = None
    before: datetime | None = None
    access: Access | None = None
    """What the client may see; None is everything."""

    @property
    def any(self) -> bool:
        """Whether the client asked for a part only."""
        return any(v is not None for v in (self.folder, self.document, self.after, self.before))


class Rect(NamedTuple):
    """A rectangle on a page, from 1: points from the top left of the page as it is displayed, y downwards."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Copy:
    """Where else the words of a passage stand."""

    document: int
    title: str
    first_page: int
    last_page: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found. Scores: keyword is BM25, vector a cosine; None is not known."""

    rank: int
    score: float
    keyword: float | None
    vector: float | None
    title_score: float | None
    chunk: int
    document: int
    sha256: str
    title: str
    paths: tuple[str, ...]
    """The first of its places, those where it still is before those where it was."""
    first_page: int
    last_page: int
    heading: str | None
    text: str
    start: int
    """Where the passage begins in the document's text: `text == document_text[start:end]`."""
    rects: tuple[Rect, ...] | None = None
    """Where it stands on its pages; None when that is not known."""
    places: int = 0
    """In how many places the document is or was, those in `paths` among them."""
    host: str | None = None
    """Where the first of `paths` lies, when that is not this host."""
    copies: tuple[Copy, ...] = ()
    """Other passages with the same words."""

    @property
    def end(self) -> int:
        """Where the passage ends in the document's text."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an answer could see: searchable documents and their pages, pages it could not read, files pending."""

    documents: int
    unread_pages: int
    pending: int
    pages: int = 0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and the mode that was really used."""

    mode: str
    hits: tuple[Hit, ...]
    coverage: Coverage
    timings_ms: dict[str, float] = field(default_factory=dict)
    note: str | None = None
    """Why the mode is not the one asked for."""
    rest: str = ""
    """What is asked without the name of the document that it names."""


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number
