"""Cuts a document into chunks: a sliding window over sentences that ends at the best natural boundary.

The text is read once, from left to right; what is held is one window, so time grows with the
length of the text and memory does not depend on where the boundaries are.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from foliod.base.model import PAGE_JOIN, Chunk
from foliod.text.sentences import sentences
from foliod.text.tokens import TOKEN, estimate_tokens
from foliod.text.units import Grade, Unit, places, units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from foliod.base.model import Heading
    from foliod.text.units import Place

__all__ = ["MIN_BUDGET", "chunk_pages", "estimate_tokens", "sentences"]

MIN_BUDGET = 32
"""Tokens; what can't be cut further (24 letters of one word, an emoji with all its parts) fits in this."""
_PARAGRAPH_FROM = 1 / 2
_SENTENCE_FROM = 1 / 4
"""A paragraph or a sentence may end a chunk when at least this part of the budget is used."""
_NEVER_CUT = 1 - _SENTENCE_FROM
"""What is at most this part of the budget stays whole: a chunk too empty to end before it has room for it."""
_HEADING_FROM = 1 / 3
_TINY = 0.15
"""A last chunk that brings less than this part of the budget is joined to the one before."""
_TRAIL_LEVELS = 6
_TRAIL_CHARS = 120


class _Part(NamedTuple):
    """The units of a chunk; the first `lead` of them are also in the chunk before."""

    units: list[Unit]
    lead: int


def chunk_pages(
    pages: Sequence[str],
    *,
    budget: int,
    overlap: int,
    headings: Sequence[Sequence[Heading]] = (),
) -> Iterator[Chunk]:
    """Yield the chunks of a document in order; every character but white space is in at least one.

    A chunk ends at the end of a paragraph if one ends in the second half of the budget, else of a
    sentence, a clause, a word, and as a last resort between two characters that a reader sees as
    such; it ends early before a heading. Neighbours overlap by whole sentences. White space at the
    ends of chunks is left out.

    Args:
        pages: the texts of the pages; offsets are in code points into `PAGE_JOIN.join(pages)`.
        budget: the most tokens a chunk may have by `estimate_tokens`, at least `MIN_BUDGET`.
        overlap: the most tokens two neighbours may share; more than half the budget is taken as half.
        headings: for each page its headings; pages at the end may be missing.

    Raises:
        ValueError: when the budget is below `MIN_BUDGET` or the overlap is negative.
    """
    if budget < MIN_BUDGET or overlap < 0:
        raise ValueError(f"a chunk needs a budget of at least {MIN_BUDGET} tokens and no negative overlap")
    text = PAGE_JOIN.join(pages)
    page_starts = [0, *accumulate(len(page) + len(PAGE_JOIN) for page in pages)][: len(pages)]
    where = places(text, pages, page_starts, headings)
    trail = _Trail(where)
    room, shared = budget * TOKEN, min(overlap, budget // 2) * TOKEN
    parts = _plan(units(text, where, room, int(room * _NEVER_CUT)), room, shared)
    for ordinal, part in enumerate(_join_tail(parts, room, shared)):
        start, end = part.units[0].start, part.units[-1].stop
        yield Chunk(
            ordinal=ordinal,
            first_page=bisect_right(page_starts, start),
            last_page=bisect_right(page_starts, end - 1),
            start=start,
            end=end,
            text=text[start:end],
            tokens=-(-_cost(part.units) // TOKEN),
            heading=trail.at(start),
        )


# --- the window -------------------------------------------------------------------------


def _plan(source: Iterator[Unit], budget: int, overlap: int) -> Iterator[_Part]:
    """Slide the window over the units; a part per chunk."""
    window: list[Unit] = []
    lead = 0
    while True:
        fresh = sum(unit.cost + unit.gap for unit in window[lead:])
        while fresh <= budget and (unit := next(source, None)):
            window.append(unit)
            fresh += unit.cost + unit.gap
        if len(window) == lead:
            return
        window, lead = _shorten_lead(window, lead, budget)
        cut = _cut(window, lead, budget, whole=fresh <= budget)
        yield _Part(window[:cut], lead)
        lead = _overlap(window, cut, overlap)
        window = window[cut - lead :]


def _cut(window: list[Unit], lead: int, budget: int, *, whole: bool) -> int:
    """Return how many units of the window make the chunk, more than `lead`; `whole` says that no more follow."""
    used = sum(unit.cost + unit.gap for unit in window[:lead])
    room = budget - used
    shared = used
    paragraph = sentence = clause = word = fits = 0
    for count, unit in enumerate(window[lead:], start=lead + 1):
        used += unit.cost
        if used > budget:
            break
        fits = count
        if not unit.heading:
            if count < len(window) and window[count].heading and used >= budget * _HEADING_FROM:
                return count
            if unit.grade >= Grade.PARAGRAPH and used - shared >= room * _PARAGRAPH_FROM:
                paragraph = count
            if used - shared >= room * _SENTENCE_FROM:
                sentence = count if unit.grade >= Grade.SENTENCE else sentence
                clause = count if unit.grade >= Grade.CLAUSE else clause
            word = count if unit.grade >= Grade.WORD else word
        used += unit.gap
    if whole and fits == len(window):
        return fits
    return paragraph or sentence or clause or word or fits


def _overlap(window: list[Unit], cut: int, overlap: int) -> int:
    """Return how many units before the cut the next chunk repeats: as many whole sentences as `overlap` allows."""
    if cut < len(window) and window[cut].heading:
        return 0
    lead = spent = 0
    for count, unit in enumerate(reversed(window[1:cut]), start=1):
        spent += unit.cost + (unit.gap if count > 1 else 0)
        if spent > overlap:
            break
        if unit.begins:
            lead = count
    return lead


def _shorten_lead(window: list[Unit], lead: int, budget: int) -> tuple[list[Unit], int]:
    """Drop repeated sentences from the front when they would force the new ones to be cut."""
    needed = spent = 0
    for unit in window[lead:]:
        spent += unit.cost
        if spent > budget:
            break
        if spent >= budget * _SENTENCE_FROM and unit.grade >= Grade.SENTENCE and not unit.heading:
            needed = spent
            break
        spent += unit.gap
    needed = needed or (spent if spent <= budget else window[lead].cost)
    first = 0
    shared = sum(unit.cost + unit.gap for unit in window[:lead])
    while first < lead and (shared + needed > budget or not window[first].begins):
        shared -= window[first].cost + window[first].gap
        first += 1
    return window[first:], lead - first


def _join_tail(parts: Iterator[_Part], budget: int, overlap: int) -> Iterator[_Part]:
    """Pass the parts on; when the last brings next to nothing, join or balance it with the one before."""
    held: _Part | None = None
    last: _Part | None = None
    for part in parts:
        if held:
            yield held
        held, last = last, part
    if held and last and _cost(last.units[last.lead :]) < budget * _TINY:
        joined = held.units + last.units[last.lead :]
        if _cost(joined) <= budget:
            yield _Part(joined, held.lead)
            return
        middle = _middle(joined, held.lead, budget)
        if middle:
            lead = _overlap(joined, middle, overlap)
            while lead and (_cost(joined[middle - lead :]) > budget or not joined[middle - lead].begins):
                lead -= 1
            held, last = _Part(joined[:middle], held.lead), _Part(joined[middle - lead :], lead)
    if held:
        yield held
    if last:
        yield last


def _middle(units: list[Unit], lead: int, budget: int) -> int:
    """Return how many units make the first of two chunks that are as even as the best boundaries allow, or 0."""
    total, spent = _cost(units), 0
    best: dict[Grade, tuple[int, int]] = {}
    for count, unit in enumerate(units[:-1], start=1):
        spent += unit.cost
        before, after = spent, total - spent - unit.gap
        spent += unit.gap
        if count <= lead or unit.heading or max(before, after) > budget:
            continue
        grade = min(unit.grade, Grade.SENTENCE)
        best[grade] = min(best.get(grade, (budget, 0)), (abs(before - after), count))
    return best[max(best)][1] if best else 0


def _cost(units: list[Unit]) -> int:
    return sum(unit.cost + unit.gap for unit in units) - units[-1].gap


class _Trail:
    """The headings above a place, outermost first; asked with rising offsets only."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._coming = list(reversed(places))
        self._open: list[Place] = []

    def at(self, offset: int) -> str | None:
        """Return the headings that hold at an offset, joined by ` › `, or None."""
        while self._coming and self._coming[-1].start <= offset:
            place = self._coming.pop()
            while self._open and self._open[-1].level >= place.level:
                self._open.pop()
            self._open.append(place)
        return " › ".join(place.text[:_TRAIL_CHARS] for place in self._open[-_TRAIL_LEVELS:]) or None
