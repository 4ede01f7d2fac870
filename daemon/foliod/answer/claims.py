"""What an answer claims: its sentences, which passages each names, and which of them claim nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from foliod.answer.absent import denies_knowledge
from foliod.text.lexical import tokenize
from foliod.text.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foliod.answer.markers import Marker, Numbered

_MARKUP = re.compile(r"\s*(?:[#>]+\s+|[-*+•–]\s+|\d{1,2}[.)]\s+)*")
_HEADING = re.compile(r"\s*(?:#{1,6}\s|\*\*[^*\n]+\*\*:?\s*$)")
_RULE = re.compile(r"[\s|:*_=-]*")
# "Here is what I found", "In summary:", "I hope this helps": about the answer, not about the documents.
_TALK = re.compile(
    r"(?:here(?:'s| is| are)\b|based on (?:the|your) (?:provided )?(?:passages?|documents?|sources?)\W*$|according to (?:the|your) "
    r"(?:passages?|documents?|sources?)\W*$|in summary\W*$|in short\W*$|summary\W*$|answer\W*$|sources?\W*$|quellen?\W*$|zusammenfassung\W*$|"
    r"the (?:passages?|documents?|sources?) (?:provide|contain|give|mention|say|state|describe)s? (?:the following|some|several|this|information)|"
    r"(?:i hope|let me know|please (?:note|let|check|see)|if you (?:need|want|have)|hope this|sure\b|certainly\b|yes\W*$|no\W*$|ja\W*$|nein\W*$)|"
    r"hier (?:ist|sind|finden)\b|laut (?:den|ihren) (?:dokumenten|quellen)\W*$|zusammengefasst\W*$|voici\b|en résumé\W*$|aquí\b)",
    re.IGNORECASE,
)
FEWEST = 2
"""A sentence of fewer terms claims nothing by itself."""
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
        if self.text.rstrip(" *_").endswith(":") and len(words.split()) <= LONGEST_LEAD:
            return False
        return not (_TALK.match(words) or self.text.rstrip(" *_").endswith("?"))

    @property
    def denies(self) -> bool:
        """Whether it says that the documents do not hold something, and nothing beside it."""
        return denies_knowledge(self.text, cites=bool(self.named))


def claims(answer: Numbered) -> list[Claim]:
    """Return the sentences of an answer in order; a number that opens one may belong to the one before."""
    found: list[Claim] = []
    markers = list(answer.markers)
    owed = False
    for start, end, header in _spans(answer.text):
        own = [m for m in markers if start <= m.start < end]
        text = _without(answer.text, start, end, own)
        named: list[int] = []
        for marker in own:
            # "It rose in 2020. [1] Then it fell.": the number stands behind the stop that it belongs before.
            opens = not tokenize(_without(answer.text, start, marker.start, own))
            if opens and owed and found:
                before = found[-1]
                found[-1] = replace(before, named=(*before.named, *marker.named))
            else:
                named += marker.named
        if tokenize(text):
            owed = not named
            first = start + len(_MARKUP.match(answer.text, start, end)[0])  # type: ignore[index]
            while own and own[0].start == first:
                first = own.pop(0).end
                first += len(answer.text[first:end]) - len(answer.text[first:end].lstrip())
            stop = start + len(answer.text[start:end].rstrip())
            found.append(Claim(text, first, max(first, stop), tuple(dict.fromkeys(named)), header))
    return found


def _spans(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield the sentences of what a model writes, and whether they are headings: no line goes on in the next one, unlike in a PDF."""
    at = 0
    lines = text.splitlines(keepends=True)
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        header = _HEADING.match(line) is not None or (
            "|" in line and "|" in following and _RULE.fullmatch(following) is not None
        )
        if not _RULE.fullmatch(line):
            begin = len(_MARKUP.match(line)[0])  # type: ignore[index]
            for start, end in sentences(line[begin:]):
                yield at + (start + begin if start else 0), at + begin + end, header
        at += len(line)


def _without(text: str, start: int, end: int, markers: list[Marker]) -> str:
    """Return a part of an answer without its numbers."""
    parts, at = [], start
    for marker in markers:
        if marker.end <= end:
            parts.append(text[at : marker.start])
            at = marker.end
    parts.append(text[at:end])
    return _MARKUP.sub("", "".join(parts), count=1).strip()
