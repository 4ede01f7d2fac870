"""How far the reading of one document is: the pages in hand, and the page that its reader's end is held against."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from foliod.base.model import Page

PAGES_A_WRITE = 64
"""Pages stored in one transaction; with SECONDS_A_WRITE this bounds what a kill costs."""
SECONDS_A_WRITE = 2.0
CHARS_A_WRITE = 2_000_000
"""Pages can have a million characters each; those in hand are held in the daemon's memory."""


class Progress:
    """One attempt at a document. `put` stores pages."""

    def __init__(self, put: Callable[[Sequence[Page]], Awaitable[None]]) -> None:
        self.page: int | None = 1
        """The first page that is not there yet; None when no page can be blamed."""
        self.file = ""
        """What is read, for people."""
        self._put = put
        self._pages: list[Page] = []
        self._chars = 0
        self._written = time.monotonic()

    def begun(self, stored: int, *, opened: bool) -> None:
        """Say how many pages were there before, and whether the file could be opened.

        Page 1 is read with the opening: it is blamed first, and the file when it is there.
        """
        self.page = stored + 1 if opened or not stored else None

    async def brought(self, page: Page) -> None:
        """Take a page; stored when there are enough of them, or when the last were stored long ago."""
        self.page = page.number + 1
        self._pages.append(page)
        self._chars += len(page.text)
        enough = len(self._pages) >= PAGES_A_WRITE or self._chars >= CHARS_A_WRITE
        if enough or time.monotonic() - self._written > SECONDS_A_WRITE:
            await self.store()

    async def ended(self) -> None:
        """Say that all pages are there."""
        self.page = None
        await self.store()

    async def store(self) -> None:
        """Store the pages in hand."""
        if self._pages:
            pages, self._pages, self._chars = self._pages, [], 0
            await self._put(pages)
        self._written = time.monotonic()
