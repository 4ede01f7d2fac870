"""What is asked of a reading process, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from foliod.base.model import Chunk, DocumentFacts, Page, ReadSummary, Terms
from foliod.reading import wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from foliod.reading.wire import ReadLimits

PROCESSOR_SHARE = 2.0
"""Processor time for a document, as a share of the time that it may take: while the daemon is busy
elsewhere only the latter stands still. Ends a process when a stopped daemon can't."""


class StoredPages(Protocol):
    """Pages of a document that need not be read again, in order, taken one by one: together they can be large."""

    def __len__(self) -> int:
        """How many."""

    def __aiter__(self) -> AsyncIterator[Page]:
        """One after the other."""


class NoPages:
    """Of a document of which nothing is stored."""

    def __len__(self) -> int:
        """None."""
        return 0

    async def __aiter__(self) -> AsyncIterator[Page]:
        """None."""
        return
        yield


@dataclass(frozen=True, slots=True)
class ReadJob:
    """One file to read. The descriptor `fd` stays the caller's; `stored` pages are not read again."""

    fd: int
    name: str
    limits: ReadLimits
    stored: StoredPages = field(default_factory=NoPages)
    passwords: tuple[str, ...] = field(default=(), repr=False)
    """Tried in turn when the file needs one."""
    ocr: wire.Ocr | None = None
    """Recognise this page, and read nothing else: the page comes, and a summary."""
    draw: wire.Draw | None = None
    """Draw a page, and read nothing else: the picture comes, and a summary."""
    cpu_seconds: float | None = None
    """Processor time for this job, where it is not a share of the document's time: that says little of work that
    gives way to all other."""

    @property
    def processor_seconds(self) -> float:
        """Processor time for this job, in seconds."""
        return processor_seconds(self.limits) if self.cpu_seconds is None else self.cpu_seconds


ReadEvent = DocumentFacts | Page | tuple[Chunk, Terms] | ReadSummary | wire.Picture


def processor_seconds(limits: ReadLimits) -> float:
    """Return the processor time for a document, in seconds."""
    return PROCESSOR_SHARE * limits.document_seconds
