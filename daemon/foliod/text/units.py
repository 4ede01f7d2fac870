"""What a chunk is made of: the sentences of a document, long ones in parts, and where its headings stand."""

from __future__ import annotations

import heapq
import re
import unicodedata
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from foliod.text.sentences import clauses, ends
from foliod.text.tokens import PIECE, weigh

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from foliod.base.model import Heading

_GRAINS = 32
"""A run without white space is cut into no more than about this many parts a chunk."""
_LONG = 10_000
"""Characters of a part that are not copied before it is known to be small."""
_WORD_END = re.compile(r"\s++(?=\S)")
_NOT_SPACE = re.compile(r"\S")
_ZWJ = "\u200d"
_JOINERS = re.compile("[\u200c\u200d\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_PAIRS = re.compile("[\u1100-\u11ff\uac00-\ud7af][\u1160-\u11ff]|[\ud800-\udbff][\udc00-\udfff]")
_FLAG_LETTER = re.compile("[\U0001f1e6-\U0001f1ff]")


class Grade(IntEnum):
    """What ends at a boundary; the higher, the better a chunk ends there."""

    CHARACTER = 0
    WORD = 1
    CLAUSE = 2
    SENTENCE = 3
    PARAGRAPH = 4


class Unit(NamedTuple):
    """What is not cut any more: mostly a sentence. Costs in hundredths of a token."""

    start: int
    stop: int
    cost: int
    gap: int
    """Cost of the white space behind it, due when another unit follows in the same chunk."""
    grade: Grade
    begins: bool
    """Whether a sentence begins here."""
    heading: bool


class Place(NamedTuple):
    """Where a heading stands in the document."""

    start: int
    end: int
    level: int
    text: str


def units(text: str, headings: Sequence[Place], budget: int, whole: int) -> Iterator[Unit]:
    """Yield the sentences of a text in order, those that are too long in parts, headings as their own units.

    Args:
        text: of the document.
        headings: where they stand, in order.
        budget: the most that a unit may cost, in hundredths of a token.
        whole: what costs at most this is not cut, unless it would leave the heading above it alone.
    """
    edges = sorted({edge for place in headings for edge in (place.start, place.end) if place.start < place.end})
    bounds: Iterable[tuple[int, int]] = heapq.merge(
        ((end, -Grade.PARAGRAPH if paragraph else -Grade.SENTENCE) for end, paragraph in ends(text)),
        ((edge, -Grade.PARAGRAPH) for edge in edges),
        ((len(text), -Grade.PARAGRAPH),),
    )
    start = _skip_space(text, 0)
    coming = iter(headings)
    place = next(coming, None)
    heading_end = above = 0
    for end, grade in bounds:
        if end <= start:
            continue
        while place and place.start <= start:
            heading_end = max(heading_end, place.end)
            place = next(coming, None)
        part = Unit(start, end, 0, 0, Grade(-grade), begins=True, heading=start < heading_end)
        for unit in _split(text, part, budget, min(whole, max(budget - whole, budget - above)), Grade.CLAUSE):
            yield unit
            above = above + unit.cost + unit.gap if unit.heading else 0
        start = end


def _split(text: str, part: Unit, budget: int, whole: int, into: int) -> Iterator[Unit]:
    """Yield a part whose costs are not known yet as one unit if it is small, else its clauses, words, characters."""
    stop, cost = part.stop, whole + 1
    if into < Grade.CHARACTER or not _is_long(text, part.start, part.stop, whole):
        body = text[part.start : part.stop].rstrip()
        stop = part.start + len(body)
        cost = weigh(body)
    else:
        while text[stop - 1].isspace():
            stop -= 1
    if cost <= whole or into < Grade.CHARACTER:
        gap = weigh(text[stop : part.stop]) if part.stop - stop > 3 else 0
        yield Unit(part.start, stop, cost, gap, part.grade, part.begins, part.heading)
        return
    if into == Grade.CLAUSE:
        inner: Iterator[int] = clauses(text, part.start, stop)
    elif into == Grade.WORD:
        inner = (match.end() for match in _WORD_END.finditer(text, part.start, stop))
    else:
        inner = _characters(text, part.start, stop, budget)
    for cut in inner:
        yield from _split(text, part._replace(stop=cut, grade=Grade(into)), budget, whole, into - 1)
        part = part._replace(start=cut, begins=False)
    yield from _split(text, part, budget, whole, into - 1)


def _is_long(text: str, start: int, stop: int, whole: int) -> bool:
    """Whether a part costs more than `whole`, found out without a copy of it: it may be the whole document."""
    if stop - start <= _LONG:
        return False
    cost = 0
    for match in PIECE.finditer(text, start, stop):
        cost += weigh(match[0])
        if cost > whole:
            return True
    return False


def _characters(text: str, start: int, stop: int, budget: int) -> Iterator[int]:
    """Yield where a run without white space may be cut: between pieces, not inside what is seen as one character."""
    grain = budget // _GRAINS
    spent = 0
    half_a_flag = False
    for match in PIECE.finditer(text, start, stop):
        at = match.start()
        cost = weigh(match[0])
        flag_letter = _FLAG_LETTER.match(text, at) is not None
        joined = (flag_letter and half_a_flag) or (at > start and _joined(text[at - 1], text[at]))
        half_a_flag = flag_letter and not half_a_flag
        if (spent >= grain and not joined) or spent + cost > budget:
            yield at
            spent = 0
        spent += cost


def _joined(before: str, after: str) -> bool:
    """Whether two code points belong to one character as a reader sees it (Unicode Annex 29, without prepends)."""
    if after < "\u0300":
        return before == _ZWJ
    return (
        before == _ZWJ
        or unicodedata.category(after)[0] == "M"
        or _JOINERS.match(after) is not None
        or _PAIRS.match(before + after) is not None
    )


def places(
    text: str, pages: Sequence[str], page_starts: Sequence[int], headings: Sequence[Sequence[Heading]]
) -> list[Place]:
    """Return where the headings stand in the document's text, in order."""
    out = []
    for page, offset, own in zip(pages, page_starts, headings, strict=False):
        for heading in own:
            if not 0 <= heading.offset < len(page) or not heading.text.strip():
                continue
            start = _skip_space(text, offset + heading.offset)
            end = start
            # A heading in the middle of a word or line is named in the trail but divides nothing.
            if start == 0 or text[start - 1].isspace():
                end = _heading_end(text, start, offset + len(page), heading.text)
            out.append(Place(start, end, heading.level, " ".join(heading.text.split())))
    return sorted(out, key=lambda place: place.start)


def _heading_end(text: str, start: int, page_end: int, heading: str) -> int:
    """Return the end of a heading and the white space behind it: of its words, else of its line."""
    at = start
    for word in heading.split():
        at = _skip_space(text, at)
        if not text.startswith(word, at):
            break
        at += len(word)
    else:
        if at >= len(text) or text[at].isspace():
            return _skip_space(text, at)
    line_end = text.find("\n", start, page_end)
    return _skip_space(text, line_end if line_end >= 0 else page_end)


def _skip_space(text: str, at: int) -> int:
    found = _NOT_SPACE.search(text, at)
    return found.start() if found else len(text)
