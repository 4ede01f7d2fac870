"""What an answer claims: its sentences, which passages each names, and which of them claim nothing."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from foliod.answer.absent import denies_knowledge
from foliod.text.lexical import tokenize
from foliod.text.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foliod.answer.markers import Marker, Numbered

# What is used with "match" may not look back: white space and marks without end are no sentence.
_MARKUP = re.compile(r"\s*+(?:(?:[#>]++|[-*+•–]|\d{1,2}[.)])\s++)*+")
_HEADING = re.compile(r"\s*+(?:#{1,6}+\s|\*\*[^*\n]++\*\*:?\s*+$)")
_RULE = re.compile(r"[\s|:*_=-]*+")
_SPACE = re.compile(r"\s*+")
# "Here is what I found", "In summary:", "I hope this helps": about the answer, not about the documents.
_TALK = re.compile(
    r"(?:(?:sure|certainly|of course|gladly)\b\W{0,9}+)?+(?:$|(?:here(?:'s| is| are)\b|based on (?:the|your) (?:provided )?(?:passages?|documents?|sources?)\W*$|according to (?:the|your) "
    r"(?:passages?|documents?|sources?)\W*$|in summary\W*$|in short\W*$|summary\W*$|answer\W*$|sources?\W*$|quellen?\W*$|zusammenfassung\W*$|"
    r"the (?:passages?|documents?|sources?) (?:provide|contain|give|mention|say|state|describe)s? (?:the following|some|several|this|information)|"
    r"(?:i hope|let me know|please (?:let|check|see)|if you (?:need|want|have) (?:any|more|further|other|additional|questions?|to know)\b|hope this|yes\W*$|no\W*$|ja\W*$|nein\W*$)|"
    r"hier (?:ist|sind|finden)\b|laut (?:den|ihren) (?:dokumenten|quellen)\W*$|zusammengefasst\W*$|voici\b|en résumé\W*$|aquí\b))",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
FEWEST = 2
"""A sentence of fewer terms claims nothing by itself."""
LONGEST = 2000
"""Characters of a claim; no sentence is longer."""
LONGEST_LEAD = 12
"""Words of a line that ends with a colon and only leads to what follows."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of an answer: `text` without its numbers, `start` and `end` in the answer, the passages it names."""

    text: str
    start: int
    end: int
    named: tuple[int, ...]
    header: bool = False
    """A heading, or the head of a table."""

    @property
    def claims(self) -> bool:
        """Whether it says something that a source could support."""
        words = self.text.strip(" \t*_:#>-|")
        if self.header or len(tokenize(words)) < FEWEST or self.denies:
            return False
        numbered = _DIGIT.search(words) is not None
        end = self.text.rstrip(" *_")[-1:]
        if end == "?" and not self.named:
            return False
        if end == ":" and len(words.split()) <= LONGEST_LEAD and not (self.named and numbered):
            return False
        # What names a passage or holds a number says something, however it begins.
        return bool(self.named) or numbered or _TALK.match(words) is None

    @property
    def denies(self) -> bool:
        """Whether it says that the documents do not hold something, and nothing beside it."""
        return denies_knowledge(self.text, cites=bool(self.named))


def claims(answer: Numbered) -> list[Claim]:
    """Return the sentences of an answer in order; a number that opens one may belong to the one before.

    What has more than `LONGEST` characters is cut.
    """
    found: list[Claim] = []
    markers = deque(answer.markers)
    owed = False
    for start, end, header in _spans(answer.text):
        own = []
        while markers and markers[0].start < end:
            own.append(markers.popleft())
        text = _without(answer.text, start, end, own)
        named: list[int] = []
        owing = owed and bool(found)
        at = first = _end(_MARKUP, answer.text, start, end)
        for marker in own:
            # "It rose in 2020. [1] Then it fell.": the number stands behind the stop that it belongs before.
            owing = owing and not tokenize(answer.text[at : marker.start])
            if owing:
                before = found[-1]
                found[-1] = replace(before, named=tuple(dict.fromkeys((*before.named, *marker.named))))
            else:
                named += marker.named
            at = marker.end
        if tokenize(text):
            owed = not named
            for marker in own:
                if marker.start != first:
                    break
                first = _end(_SPACE, answer.text, marker.end, end)
            stop = start + len(answer.text[start:end].rstrip())
            found.append(Claim(text, first, max(first, stop), tuple(dict.fromkeys(named)), header))
    return found


def _end(pattern: re.Pattern[str], text: str, start: int, end: int) -> int:
    """Return where what a pattern matches from `start` on ends."""
    match = pattern.match(text, start, end)
    return match.end() if match else start


def _spans(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield the sentences of what a model writes, and whether they are headings: no line goes on in the next one, unlike in a PDF."""
    at = 0
    lines = text.splitlines(keepends=True)
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        header = _HEADING.match(line) is not None or (
            "|" in line and "|" in following and _RULE.fullmatch(following) is not None
        )
        if not _RULE.fullmatch(line):
            begin = _end(_MARKUP, line, 0, len(line))
            for start, end in sentences(line[begin:]):
                for first, stop in _cut(line, start + begin if start else 0, begin + end):
                    yield at + first, at + stop, header
        at += len(line)


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a sentence, none longer than `LONGEST`, cut at a space where there is one."""
    while end - start > LONGEST:
        stop = text.rfind(" ", start + 1, start + LONGEST) + 1 or start + LONGEST
        yield start, stop
        start = stop
    yield start, end


def _without(text: str, start: int, end: int, markers: list[Marker]) -> str:
    """Return a part of an answer without its numbers."""
    parts, at = [], start
    for marker in markers:
        if marker.end <= end:
            parts.append(text[at : marker.start])
            at = marker.end
    parts.append(text[at:end])
    return _MARKUP.sub("", "".join(parts), count=1).strip()
