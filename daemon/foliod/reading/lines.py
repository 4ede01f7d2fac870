"""The lines of a page, as they were drawn: their text, where it stands, and in which direction it is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from foliod.base.boxes import Direction

_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LTR = re.compile("[A-Za-z\u00c0-\u024f\u0370-\u052f]")

Piece: TypeAlias = tuple[str, Direction, float, float, float, float]
"""Raw text as it was drawn, and left, top, right, bottom of its box on the page as displayed, in points."""


@dataclass(slots=True)
class Line:
    """A piece of text on one baseline: raw text, its box and baseline in points, y downwards.

    The box is one of the page turned upright, where that puts lines in order; `drawn` is where it really stands.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    base: float
    size: float
    """Font size of most of its letters, in points."""
    bold: bool
    block: int
    """Lines that were drawn together have the same number."""
    cells: int = 1
    """Pieces far apart on one baseline that it was made of: more than one is a table's row."""
    drawn: tuple[Piece, ...] = ()
    """What it is made of, in the order of its text; nothing when that is itself, where it stands."""

    def pieces(self) -> tuple[Piece, ...]:
        """Return what it is made of."""
        if self.drawn:
            return self.drawn
        text = self.text
        direction = Direction.RIGHT
        if not text.isascii() and _RTL.search(text) and leftwards(text):
            direction = Direction.LEFT
        return ((text, direction, self.x0, self.y0, self.x1, self.y1),)


def leftwards(text: str) -> bool:
    """Whether most letters of a text are of a script that is written from right to left."""
    return len(_RTL.findall(text)) > len(_LTR.findall(text))


def read_leftwards(lines: list[Line]) -> bool:
    """Whether most of a page is read from right to left."""
    if not any(_RTL.search(line.text) for line in lines):
        return False
    return leftwards("".join(line.text for line in lines))
