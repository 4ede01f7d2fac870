"""The numbers by which an answer names its passages, in the many ways in which models write them.

`[1]`, `[1, 2]`, `[1-3]`, `【1】`, `【1†source】`, `[^1]`, `[passage 1]`, `(source 1)`, `(Quelle 2)` are meant.
An index such as `a[1]`, what stands in code, a year, an interval such as `CI [1, 4]` and `[0]` are not.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

_WORD = r"(?:passages?|sources?|documents?|docs?|passagen?|quellen?|dokumente?|abschnitte?|fuentes?|来源|來源|出典)"
_NUMBERS = rf"\d{{1,3}}+(?:\s*+(?:[,;，、&–-]|and|und|et|y)\s*+(?:{_WORD}\s*+)?\d{{1,3}}+){{0,40}}"
# No two runs of white space touch, and none is given back: a bracket before much of it is looked at once.
_MARKER = re.compile(
    rf"""[\[【] \s*+ (?: (?: \^ | \# | {_WORD} \s*+ (?:no\.|nr\.|[:\#=])? ) \s*+ )? (?P<bracket>{_NUMBERS})
           \s*+ (?:†[^\]】\n]{{0,40}})? [\]】]
       | [(（] \s*+ (?: (?:see|siehe|vgl\.|cf\.) \s*+ )? {_WORD} \s*+ (?: (?:no\.|nr\.|[:\#]) \s*+ )? (?P<round>{_NUMBERS}) \s*+ [)）]""",
    re.VERBOSE | re.IGNORECASE,
)
_RANGE = re.compile(r"(\d{1,3}+)\s*+[–-]\s*+(?:\D*\s)?(\d+)")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_INTERVAL = re.compile(
    r"(?:\bC\.?I\.?|\bKI|\bIQR|\binterval\w*|\bintervall\w*|\brange|\bbetween|∈|=)[^\w\[]{0,6}$", re.IGNORECASE
)
# What an index belongs to: one small letter, or a name with a dot or an underscore in it.
_INDEXED = re.compile(r"(?:(?<![\w.])[a-z]|[^\W\d]\w*_\w*|(?<![\w.])[a-z]\w*\.[a-z_]\w*)$")
_USED = re.compile(r"\.\w|\s*[-+*/]?=(?!=)|\(")

WIDEST = 50
"""Passages that a range such as [1-3] may name; one that is wider is no range of passages."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Where an answer names passages: `named` are numbers of passages there are, `invented` of such as are not."""

    start: int
    end: int
    named: tuple[int, ...]
    invented: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Numbered:
    """An answer with its numbers as `[1][2]`, those that no passage has taken out; where they stand, which were invented."""

    text: str
    markers: tuple[Marker, ...]
    invented: tuple[int, ...]


def find_markers(answer: str, passages: int) -> list[Marker]:
    """Return the numbers that are meant as those of `passages` passages, in order."""
    code = deque(match.span() for match in _CODE.finditer(answer))
    found = []
    for match in _MARKER.finditer(answer):
        while code and code[0][1] <= match.start():
            code.popleft()
        if code and code[0][0] <= match.start():
            continue
        before, after = answer[max(0, match.start() - 40) : match.start()], answer[match.end() : match.end() + 8]
        listed = match["bracket"] or match["round"]
        numbers = _numbers(listed)
        indexed = _INDEXED.search(before) or (before[-1:].isalnum() and _USED.match(after))
        if 0 in numbers or (indexed and match[0][0] == "["):
            continue
        if len(numbers) > 1 and _INTERVAL.search(before):
            continue
        named = tuple(n for n in dict.fromkeys(numbers) if n <= passages)
        invented = tuple(n for n in dict.fromkeys(numbers) if n > passages)
        found.append(Marker(match.start(), match.end(), named, invented))
    return found


def settle(answer: str, passages: int) -> Numbered:
    """Write all numbers of an answer in one way, and take out those that name no passage."""
    parts: list[str] = []
    markers: list[Marker] = []
    invented: dict[int, None] = {}
    at = size = 0
    for marker in find_markers(answer, passages):
        between = answer[at : marker.start]
        written = "".join(f"[{n}]" for n in marker.named)
        if not written:
            between = between.rstrip(" \t")
        parts += [between, written]
        size += len(between)
        if written:
            markers.append(Marker(size, size + len(written), marker.named, marker.invented))
        size += len(written)
        invented |= dict.fromkeys(marker.invented)
        at = marker.end
    parts.append(answer[at:])
    return Numbered("".join(parts), tuple(markers), tuple(invented))


def unnumbered(text: str) -> str:
    """Return a document's text in which no bracket looks like the number of a passage: `[3]` becomes `(3)`."""
    return _MARKER.sub(lambda match: f"({match['bracket'] or match['round']})", text)


def _numbers(listed: str) -> list[int]:
    numbers: list[int] = []
    for part in re.split(r"[,;，、&]|\b(?:and|und|et|y)\b", listed):
        if (span := _RANGE.search(part)) is not None:
            first, last = int(span[1]), int(span[2])
            numbers.extend(range(first, last + 1) if first <= last < first + WIDEST else (first, last))
        elif (number := re.search(r"\d+", part)) is not None:
            numbers.append(int(number[0]))
    return numbers
