"""Turns ordered lines into flowing text with headings: paragraphs stand apart by a blank line."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from foliod.base.model import Heading
from foliod.reading.layout import ordered
from foliod.text.normalize import join_lines, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foliod.reading.layout import Unit
    from foliod.reading.lines import Line

HEADING_CHARS = 200
"""A longer paragraph is no heading."""
MAX_HEADINGS = 100
"""More on one page are not headings but a way to write."""

_BULLET = re.compile(r"[•▪▫◦●○■□▶►‣⁃➢➤✓✔❖❑\uf0b7\uf0a7\uf0d8\uf0fc·–—*-]\s+\S")
_NUMBERED = re.compile(r"(?:\[\d{1,3}\]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,5})[.)])\s+\S")
_ENDS = re.compile(r"[.!?:;…。！？：؟۔।][\"'”’»)\]]*$")
_HYPHEN_END = re.compile(r"\w-$")
_SECTION = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+\S")
_LETTERS = re.compile(r"[^\W\d_]{3}")
_IDEOGRAPHS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2}")


class _Paragraph:
    """Lines that are read as one, and how it stands to the paragraph before: None, newline, or blank line."""

    __slots__ = ("gap", "level", "lines")

    def __init__(self, line: Line, gap: str) -> None:
        self.lines = [line]
        self.gap = gap
        self.level = 0


def flow(
    lines: list[Line], width: float, height: float, outline: Sequence[tuple[int, str]] = ()
) -> tuple[str, tuple[Heading, ...], list[Line]]:
    r"""Return a page's text, its headings, and its lines in the order of the text.

    Paragraphs stand apart by a blank line; headings, list items and table rows are lines of
    their own; within a paragraph there are no line ends.

    Args:
        lines: in the order of drawing, upright, y downwards.
        width: of the page, in points.
        height: of the page, in points.
        outline: level and title of the entries of the document's outline that lead here.
    """
    if not lines:
        return "", (), []
    units = ordered(lines, width, height)
    body = _body_size(lines)
    known = frozenset[str]()
    if any(line.text.rstrip().endswith(("-", "\u2010")) for line in lines):
        known = words("\n".join(line.text for line in lines))
    text, headings = _write(_paragraphs(units), body, known, _titles(outline))
    return text, headings, [line for unit in units for line in unit.lines]


def _write(
    paragraphs: Iterable[_Paragraph], body: tuple[float, bool], known: frozenset[str], outline: dict[str, int]
) -> tuple[str, tuple[Heading, ...]]:
    out: list[str] = []
    headings: list[Heading] = []
    length, previous = 0, ""
    after_heading = False
    for paragraph in paragraphs:
        text = join_lines([line.text for line in paragraph.lines], known)
        if not text:
            continue
        level = _heading_level(paragraph, text, body, outline)
        # A line that ends in a hyphen must not seem to go on in the next.
        gap = (
            "\n"
            if (after_heading or paragraph.gap == "\n") and not level and not _HYPHEN_END.search(previous)
            else "\n\n"
        )
        if out:
            out.append(gap)
            length += len(gap)
        if level:
            headings.append(Heading(length, level, text))
        out.append(text)
        length += len(text)
        previous, after_heading = text, bool(level)
    return "".join(out), tuple(headings) if len(headings) <= MAX_HEADINGS else ()


def _paragraphs(units: list[Unit]) -> list[_Paragraph]:
    pitch = _pitch([line for unit in units for line in unit.lines])
    out: list[_Paragraph] = []
    previous: tuple[Unit, Line] | None = None
    for unit in units:
        hanging = _hangs(unit)
        for line in unit.lines:
            gap = None if previous is None else _gap(out[-1], *previous, unit, line, pitch, hanging)
            if previous is None or gap is not None:
                out.append(_Paragraph(line, gap or ""))
            else:
                out[-1].lines.append(line)
            previous = unit, line
    return out


def _pitch(lines: list[Line]) -> float:
    """Return the usual distance of baselines in font sizes, 1.2 when there is none."""
    steps = Counter(
        round((b.base - a.base) / a.size, 1)
        for a, b in pairwise(lines)
        if 0.8 * a.size < b.base - a.base < 3.2 * a.size and abs(a.size - b.size) < 0.1 * a.size and a.cells == b.cells
    )
    if not steps:
        return 1.2
    most = steps.most_common(1)[0][1]
    return min(step for step, count in steps.items() if count >= 0.5 * most)


def _hangs(unit: Unit) -> bool:
    """Whether paragraphs begin at the left edge and go on indented, as in lists of references."""
    size = unit.lines[0].size
    edge = [line.text.lstrip()[:1] for line in unit.lines if line.x0 < unit.x0 + 0.7 * size]
    inner = [line.text.lstrip()[:1] for line in unit.lines if line.x0 >= unit.x0 + 0.7 * size]
    if any(char.islower() for char in edge) or not inner:
        return False
    return any(char.islower() for char in inner) or len(inner) > len(edge)


def _gap(
    paragraph: _Paragraph, unit: Unit, last: Line, next_unit: Unit, line: Line, pitch: float, hanging: bool
) -> str | None:
    """Return what stands before `line`: None when it goes on with the paragraph, else one or two line ends."""
    size = last.size
    following = line.text.lstrip()
    same_style = abs(line.size - size) < 0.08 * size and line.bold == last.bold
    if last.cells > 1 or line.cells > 1:
        alike = same_style or (last.cells > 1 and line.cells > 1)
        near = alike and 0 < line.base - last.base < 2 * pitch * size
        return "\n" if near and unit.x0 < next_unit.x1 and next_unit.x0 < unit.x1 else "\n\n"
    step = (line.base - last.base) / size
    broken = _breaks_early(unit, last, line)
    if (
        unit is next_unit
        and same_style
        and not (broken or hanging)
        and 0.5 < step < 1.25 * max(pitch, 1.1)
        and abs(line.x0 - last.x0) < 0.7 * size
        and following[:1].isalpha()
        and following[1:2] not in {")", "."}
    ):
        return None
    ended = _ENDS.search(last.text.rstrip()) is not None
    goes_on = same_style and not ended and following[:1].islower() and not _NUMBERED.match(following)
    if last.block == line.block and line.y0 < last.y1 and last.y0 < line.y1 and abs(line.x0 - last.x1) < size:
        # Formulas: what stands raised or lowered goes on where the last piece ended.
        return None
    beside = line.x0 > unit.x1 or line.x1 < unit.x0
    if step < 0.5 or beside:
        # The top of the next column, or of another part of the page.
        return None if goes_on else "\n\n"
    if step > 1.25 * max(pitch, 1.1):
        return None if goes_on and not broken and step < 4 else "\n\n"
    if not same_style and (abs(line.size - size) >= 0.08 * size or broken or last.bold):
        return None if goes_on or (not broken and not last.bold and following[:1].islower()) else "\n\n"
    if _BULLET.match(following) or (_NUMBERED.match(following) and (ended or broken)):
        return "\n"
    if line.bold and last.bold and same_style and len(paragraph.lines) < 6 and not ended:
        return None if not broken or line.size > 11.5 else "\n"
    shift = (line.x0 - last.x0) / size
    if hanging:
        if shift < -0.7:
            return "\n"
        return "\n" if broken and abs(shift) <= 0.7 and ended else None
    if shift > 0.7 and (ended or broken) and line.x0 - next_unit.x0 > 0.7 * size:
        return "\n\n"
    if shift < -0.7 and len(paragraph.lines) > 1 and abs(paragraph.lines[-2].x0 - last.x0) < 1 and ended:
        return "\n\n"
    if broken:
        return "\n\n" if ended and len(paragraph.lines) > 1 else "\n"
    return None


def _breaks_early(unit: Unit, last: Line, line: Line) -> bool:
    """Whether the first word of `line` had found room behind `last`: then the break was meant."""
    if last.x1 + last.size > unit.right:
        return False
    word = line.text.split(maxsplit=1)
    if not word or _IDEOGRAPHS.search(line.text):
        return last.x1 < unit.right - 2.5 * last.size
    length = (line.x1 - line.x0) * len(word[0]) / max(1, len(line.text))
    # A small letter says that the sentence goes on; then the line must be a good deal too short.
    spare = 5 if word[0][:1].islower() else 1
    return last.x1 + 1.1 * length + spare * last.size < unit.right


# --- headings ---------------------------------------------------------------------------


def _body_size(lines: list[Line]) -> tuple[float, bool]:
    """Return the font size of most letters of the page, and whether most of them are bold."""
    sizes: Counter[float] = Counter()
    bold = 0
    for line in lines:
        sizes[round(line.size * 2) / 2] += len(line.text)
        bold += len(line.text) if line.bold else 0
    return sizes.most_common(1)[0][0], bold * 2 > sizes.total()


def _titles(outline: Sequence[tuple[int, str]]) -> dict[str, int]:
    return {key: level for level, title in outline if (key := _key(title))}


def _key(text: str) -> str:
    """Return what is left of a title for comparing: its letters and digits, without its number."""
    return "".join(char for char in text.lower() if char.isalnum()).lstrip("0123456789")


def _heading_level(paragraph: _Paragraph, text: str, body: tuple[float, bool], outline: dict[str, int]) -> int:
    """Return a heading's level from 1, or 0 when the paragraph is none."""
    if len(text) > HEADING_CHARS or not (_LETTERS.search(text) or _IDEOGRAPHS.search(text)):
        return 0
    if outline and (level := outline.get(_key(text))):
        return min(level, 9)
    first = paragraph.lines[0]
    if any(line.cells > 1 for line in paragraph.lines) or text.endswith((",", ";", "-")) or _BULLET.match(text):
        return 0
    ratio = first.size / body[0]
    numbered = _SECTION.match(text)
    if ratio >= 1.12 and len(paragraph.lines) <= 6:
        by_size = 1 if ratio >= 1.5 else 2 if ratio >= 1.2 else 3
        return by_size if text[-1] != "." or numbered else 0
    alone = paragraph.gap != "\n" and len(paragraph.lines) <= 3 and text[-1] not in ".:"
    if ratio < 0.95 or not alone or text[0].islower():
        return 0
    bold = all(line.bold for line in paragraph.lines) and not body[1]
    capitals = text.isupper() and len(text) >= 6 and len(text) <= 80 and not first.text[:1].isdigit()
    if not (bold or capitals):
        return 0
    return min(9, 2 + numbered[1].count(".")) if numbered else 3
