"""What is to be said against a file and its pages: MuPDF's complaints, and what had to be left out."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from foliod.reading.mupdf import pymupdf
from foliod.text.normalize import clean

if TYPE_CHECKING:
    from foliod.base.model import Page

# Said of many good files, and of no lost text.
_HARMLESS = re.compile(
    r"(?i)icc profile|colou?rspace|bogus font|non-embedded font|dropping unclosed|premature end of (?:jpeg|jpx)"
    r"|^\.\.\. repeated"
)


class Complaints:
    """Of one open document."""

    def __init__(self, handle: Any) -> None:
        """`handle` is MuPDF's document."""
        self._pdf = handle
        self._warning = ""
        self._notes: dict[str, list[int]] = {}

    def note(self, number: int, what: str) -> None:
        """Say why text of page `number` may be missing."""
        self._notes.setdefault(what, []).append(number)

    def listen(self) -> bool:
        """Keep the first of MuPDF's complaints; return whether there were new ones that matter."""
        said = complaints()
        if said and not self._warning:
            self._warning = " ".join(clean(said[0][:200]).split())[:100]
        return bool(said)

    def so_far(self) -> tuple[bool, bool]:
        """Return whether MuPDF has complained, and whether it has repaired the file: either can come with any page."""
        return bool(self._warning), bool(self._pdf.is_repaired)

    def told_of(self, page: Page, before: tuple[bool, bool]) -> Page:
        """Return a page with why text of it may be missing; what was said of the file `before` is not said of it."""
        warned, repaired = self.so_far()
        said = [what for what, pages in self._notes.items() if pages[-1] == page.number]
        if warned and not before[0]:
            said.append(f"has errors ({self._warning})")
        if repaired and not before[1]:
            said.append("is damaged and was repaired for reading")
        return replace(page, trouble="; ".join(said)) if said else page

    def told(self) -> str | None:
        """Return why text may be missing, or None; to be asked after the last page."""
        self.listen()
        said = []
        if self._pdf.is_repaired:
            said.append("the file is damaged and was repaired for reading; look for an intact copy")
        elif self._warning:
            said.append(f"the file has errors ({self._warning}); look for an intact copy if text is missing")
        for what, pages in self._notes.items():
            named = ", ".join(map(str, pages[:5])) + (" and others" if len(pages) > 5 else "")
            said.append(f"page {named} {what}")
        return "; ".join(said) or None


def complaints() -> list[str]:
    """Return what MuPDF complained of since it was asked last, as far as it matters."""
    return [line for line in pymupdf.TOOLS.mupdf_warnings(reset=1).splitlines() if not _HARMLESS.search(line)]
