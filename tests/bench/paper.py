"""Sets text and tables on pages, and knows afterwards on which page each fact stands.

A fact is written in a paragraph as `{{key|words}}` and in a table as a cell with a key. Paragraphs
with facts are never cut by a page's end, so that a fact stands on one page as a whole.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from foliod.reading.mupdf import pymupdf  # it decides how pymupdf is loaded

TIMES = {"text": "tiro", "bold": "tibo", "italic": "tiit"}
HELVETICA = {"text": "helv", "bold": "hebo", "italic": "heit"}
LETTER, A4, A5 = (612, 792), (595, 842), (420, 595)

_FACT = re.compile(r"\{\{([^|}]+)\|([^}]*)\}\}")


@cache
def width(text: str, font: str, size: float) -> float:
    """The width of a text in points."""
    return face(font).text_length(text, fontsize=size)


@cache
def face(name: str) -> pymupdf.Font:
    """A font by its short name; `get_text_length` would take the pound sign for nothing."""
    return pymupdf.Font(name)


@dataclass(frozen=True)
class Row:
    """A line of a table: its label, the cells, and for each cell the key of the fact in it, or None."""

    label: str
    cells: Sequence[str] = ()
    keys: Sequence[str | None] = ()
    indent: int = 0
    bold: bool = False
    rule: str = ""
    """`-` for a rule above the numbers, `=` for that and two below."""


@dataclass(frozen=True)
class Style:
    """How a document looks."""

    fonts: dict[str, str] = field(default_factory=lambda: TIMES)
    size: float = 10.5
    leading: float = 1.36
    margin: float = 72
    paper: tuple[float, float] = LETTER
    justified: bool = False
    spaceless: bool = False
    """Written without spaces between words, as Chinese is: lines end anywhere but before a mark."""
    footer: str = "{page}"
    header: str = ""


class Paper:
    """A document that is written from top to bottom."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.facts: dict[str, dict[int, str]] = defaultdict(dict)
        """Key to page (from 1) to the words that stand there."""
        self.pages = 0
        self._pdf = pymupdf.open()
        self._shape = None
        self.outline: list[tuple[int, str, int]] = []
        self.new_page()

    # --- pages ------------------------------------------------------------------------

    def new_page(self, *, bare: bool = False) -> None:
        """Begin a page; a bare one has neither header nor footer."""
        self._finish()
        wide, high = self.style.paper
        page = self._pdf.new_page(width=wide, height=high)
        self._shape = page.new_shape()
        self.pages += 1
        self.y = self.style.margin
        if not bare and self.pages > 1:
            if self.style.footer:
                self._centred(self.style.footer.format(page=self.pages), high - 40, "text", 8.5)
            if self.style.header:
                self._put(self.style.margin, 44, self.style.header.format(page=self.pages), "italic", 8.5)

    def _finish(self) -> None:
        if self._shape is not None:
            self._shape.commit()

    @property
    def bottom(self) -> float:
        return self.style.paper[1] - self.style.margin

    @property
    def breadth(self) -> float:
        return self.style.paper[0] - 2 * self.style.margin

    def need(self, height: float) -> None:
        """Go to a new page unless so many points are left on this one."""
        if self.y + height > self.bottom:
            self.new_page()

    def skip(self, points: float) -> None:
        self.y += points

    # --- text -------------------------------------------------------------------------

    def _put(self, x: float, y: float, text: str, font: str, size: float) -> None:
        self._shape.insert_text((x, y), text, fontname=self.style.fonts[font], fontsize=size)

    def _centred(self, text: str, y: float, font: str, size: float) -> None:
        x = (self.style.paper[0] - width(text, self.style.fonts[font], size)) / 2
        self._put(x, y, text, font, size)

    def centred(self, text: str, size: float = 11, font: str = "bold", after: float = 4) -> None:
        """A line in the middle; what is too wide goes on in the next."""
        for line in self._lines(text, font, size, self.breadth):
            self.need(size * 1.3)
            self.y += size
            self._centred(line, self.y, font, size)
            self.y += size * 0.3
        self.y += after

    def heading(self, text: str, size: float = 12, *, level: int = 1, room: float = 70) -> None:
        """A heading, kept with what follows."""
        self.need(size * 2 + room)
        if self.y > self.style.margin:
            self.y += size * 0.7
        self.outline.append((level, text, self.pages))
        for line in self._lines(text, "bold", size, self.breadth):
            self.y += size
            self._put(self.style.margin, self.y, line, "bold", size)
            self.y += size * 0.3
        self.y += size * 0.4

    def paragraph(self, text: str, font: str = "text", *, indent: float = 0, after: float = 0.6) -> None:
        """A paragraph; `{{key|words}}` notes that the fact stands on the page."""
        plain, facts = _facts(text)
        size = self.style.size
        step = size * self.style.leading
        lines = self._lines(plain, font, size, self.breadth - indent)
        if facts:
            self.need(step * len(lines))
        elif self.y + 2 * step > self.bottom:
            self.new_page()
        for number, line in enumerate(lines):
            if self.y + step > self.bottom + 1:
                self.new_page()
            self.y += step
            self._line(
                line, self.style.margin + indent, font, last=number == len(lines) - 1, room=self.breadth - indent
            )
        for key, words in facts:
            self.note(key, words)
        self.y += size * after

    def _line(self, line: str, x: float, font: str, *, last: bool, room: float) -> None:
        size = self.style.size
        if not self.style.justified or last:
            self._put(x, self.y, line, font, size)
            return
        words = line.split(" ")
        gap = (room - sum(width(word, self.style.fonts[font], size) for word in words)) / max(1, len(words) - 1)
        for word in words:
            self._put(x, self.y, word, font, size)
            x += width(word, self.style.fonts[font], size) + gap

    def bullets(self, items: Iterable[str]) -> None:
        """A list, each item hanging behind its mark."""
        for item in items:
            plain, _ = _facts(item)
            step = self.style.size * self.style.leading
            self.need(step * len(self._lines(plain, "text", self.style.size, self.breadth - 18)))
            self._put(self.style.margin + 4, self.y + step, "\xb7", "bold", self.style.size)
            self.paragraph(item, indent=18, after=0.25)
        self.y += 3

    def _lines(self, text: str, font: str, size: float, room: float) -> list[str]:
        name = self.style.fonts[font]
        if self.style.spaceless:
            return _signs(text, name, size, room)
        space = width(" ", name, size)
        lines, line, used = [], [], 0.0
        for word in text.split():
            wide = width(word, name, size)
            if line and used + space + wide > room:
                lines.append(" ".join(line))
                line, used = [], 0.0
            used += wide + (space if line else 0)
            line.append(word)
        return [*lines, " ".join(line)] if line else lines

    # --- tables -----------------------------------------------------------------------

    def table(
        self, columns: Sequence[str], rows: Sequence[Row], *, column: float = 74, size: float = 0, title: str = ""
    ) -> None:
        """A table kept on one page: labels at the left, columns of figures at the right, under their heads."""
        size = size or self.style.size - 1
        step = size * 1.38
        left, right = self.style.margin, self.style.paper[0] - self.style.margin
        room = self.breadth - column * len(columns) - 6
        heads = [self._lines(head, "bold", size - 0.5, column - 8) for head in columns]
        deep = max((len(head) for head in heads), default=0)
        labels = [self._lines(row.label, "bold" if row.bold else "text", size, room - 10 * row.indent) for row in rows]
        high = step * (deep + sum(max(1, len(label)) for label in labels)) + 4 * sum(bool(r.rule) for r in rows) + 16
        self.need(high + (size * 2 if title else 0))
        if title:
            self.y += size
            self._put(left, self.y, title, "italic", size)
            self.y += size * 0.5
        top = self.y
        for number, head in enumerate(heads):
            edge = right - column * (len(columns) - 1 - number)
            for i, line in enumerate(head):
                y = top + step * (deep - len(head) + i + 1)
                x = edge - width(line, self.style.fonts["bold"], size - 0.5)
                self._put(x, y, line, "bold", size - 0.5)
        self.y = top + step * deep + 3
        if columns:
            self._rule(right - column * len(columns) + 8, right, self.y)
        for row, label in zip(rows, labels, strict=True):
            if row.rule and row.cells:
                self.y += 2
                for number in range(len(row.cells)):
                    edge = right - column * (len(columns) - 1 - number)
                    self._rule(edge - column + 14, edge, self.y)
            font = "bold" if row.bold else "text"
            for line in label or [""]:
                self.y += step
                self._put(left + 10 * row.indent, self.y, line, font, size)
            for number, cell in enumerate(row.cells):
                edge = right - column * (len(columns) - 1 - number)
                # A closing parenthesis hangs, so that the digits stand below each other.
                hang = width(")", self.style.fonts[font], size) if cell.startswith("(") else 0
                self._put(edge - width(cell, self.style.fonts[font], size) + hang, self.y, cell, font, size)
            if row.rule == "=" and row.cells:
                for below in (3, 5):
                    for number in range(len(row.cells)):
                        edge = right - column * (len(columns) - 1 - number)
                        self._rule(edge - column + 14, edge, self.y + below)
                self.y += 5
            for key, cell in zip(row.keys, row.cells, strict=False):
                if key:
                    self.note(key, cell.replace("$", "").replace("\xa3", "").strip())
        self.y += 12

    def _rule(self, x0: float, x1: float, y: float) -> None:
        self._shape.draw_line((x0, y), (x1, y))
        self._shape.finish(width=0.5)

    def rule(self) -> None:
        """A line over the breadth of the page."""
        self._rule(self.style.margin, self.style.paper[0] - self.style.margin, self.y)
        self.y += 6

    def box(self, text: str) -> None:
        """A warning in a frame."""
        step = self.style.size * self.style.leading
        plain, facts = _facts(text)
        lines = self._lines(plain, "bold", self.style.size, self.breadth - 16)
        self.need(step * len(lines) + 24)
        self.y += 4
        self._shape.draw_rect(
            pymupdf.Rect(self.style.margin, self.y, self.style.margin + self.breadth, self.y + step * len(lines) + 10)
        )
        self._shape.finish(width=0.8)
        self.y += 2
        for line in lines:
            self.y += step
            self._put(self.style.margin + 8, self.y, line, "bold", self.style.size)
        for key, words in facts:
            self.note(key, words)
        self.y += 18

    # --- facts, and the file ----------------------------------------------------------

    def note(self, key: str, words: str) -> None:
        """Remember that a fact stands on this page, in these words."""
        self.facts[key][self.pages] = words

    def save(self, path: Path, *, title: str = "", author: str = "", outline: bool = False) -> None:
        """Write the PDF, with the same bytes on every run."""
        self._finish()
        self._shape = None
        self._pdf.set_metadata({"title": title, "author": author} if title or author else {})
        if outline and self.outline:
            low = 0
            entries = []
            for level, text, page in self.outline:
                low = min(level, low + 1)
                entries.append([low, text, page])
            self._pdf.set_toc(entries)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._pdf.tobytes(garbage=3, deflate=True, no_new_id=True))


def _facts(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the text without its marks, and the facts that they note."""
    return _FACT.sub(lambda found: found[2], text), [(found[1], found[2]) for found in _FACT.finditer(text)]


def _signs(text: str, font: str, size: float, room: float) -> list[str]:
    """Cut a text without spaces into lines; no line begins with a mark."""
    lines, line = [], ""
    for sign in text:
        if width(line + sign, font, size) > room and sign not in "，。、；：！？）》":
            lines.append(line)
            line = ""
        line += sign
    return [*lines, line] if line else lines
