"""Finds out where in a page's text each drawn piece of it has gone.

Between the two lie NFKC, joined lines, dropped hyphens and more, each of which would have to keep
books of what it moves. Instead the pieces are looked for in the finished text, one behind the other:
apart from white space and hyphens at line ends, the text is what the pieces say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from foliod.text.normalize import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from foliod.base.boxes import Numbers
    from foliod.reading.lines import Line

AHEAD_CHARS = 2000
"""A piece that does not stand where the one before ends is looked for so far on."""
SURE_CHARS = 8
"""Shorter pieces stand in too many places to be looked for."""

_BLANK = " \n"
"""All white space that cleaned text has."""


def locate(lines: Iterable[Line], text: str) -> Iterator[Numbers]:
    """Yield the runs of the text that stand in one box, in order; what can't be found is left out.

    Args:
        lines: in the order of the text.
        text: of the page, as it is stored.
    """
    at, length = 0, len(text)
    for line in lines:
        for said, direction, x0, y0, x1, y1 in line.pieces():
            start = at
            while start < length and text[start] in _BLANK:
                start += 1
            if start >= length:
                return
            # Most pieces are plain, and stand where they should.
            piece = said.strip()
            end = start + len(piece) if text.startswith(piece, start) else 0
            if not end:
                start, end = _find(clean(piece), text, start)
            if end > start:
                at = end
                yield start, end, direction, x0, y0, x1, y1


def _find(piece: str, text: str, start: int) -> tuple[int, int]:
    """Return where a cleaned piece begins and ends in the text, an empty span when it can't be found."""
    end = _follow(piece, text, start)
    # A few letters in common say nothing; of an endless word the text has only the beginning.
    if 2 * (end - start) >= len(piece) or len(piece) < SURE_CHARS:
        return start, end
    start = text.find(piece[: 2 * SURE_CHARS], start, start + AHEAD_CHARS)
    return start, _follow(piece, text, start) if start >= 0 else start


def _follow(piece: str, text: str, start: int) -> int:
    """Return how far the text says what the piece does, but for white space and a last hyphen."""
    if piece and text.startswith(piece, start):
        return start + len(piece)
    at = end = start
    length = len(text)
    for char in piece:
        if char.isspace():
            continue
        while at < length and text[at].isspace():
            at += 1
        if at >= length or text[at] != char:
            break
        at += 1
        end = at
    return end
