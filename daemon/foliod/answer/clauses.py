"""The clauses of a sentence, with what each denies and which side it takes of pairs such as "higher" and "lower"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from foliod.answer.facts import negations, sides

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foliod.answer.pool import Pool

_CLAUSE = re.compile(
    r"[,;:()\u2013\u2014]|\b(?:but|although|though|while|whereas|however|because|since|which|aber|obwohl|während|sondern|weil|mais)\b"
    r"|\band(?= (?:has|have|had|is|are|was|were|does|do|did|can|may|will|must|should)\b)",
    re.IGNORECASE,
)
_NOT_ONLY = re.compile(
    r"\b(?:not (?:only|just|merely|all|every|necessarily)|nicht (?:nur|alle)|no fewer|no less)\b", re.IGNORECASE
)


class Clause(NamedTuple):
    """A part of a sentence, with what it denies and which sides it takes."""

    terms: frozenset[str]
    denies: bool
    sides: dict[int, int]


def clauses(pool: Pool, sentence: str) -> list[Clause]:
    """Return the parts of a sentence that hold words."""
    return [
        Clause(terms, denies := negations(_NOT_ONLY.sub(" ", part)) % 2 == 1, _turned(sides(part), denies=denies))
        for part in _CLAUSE.split(sentence)
        if (terms := frozenset(pool.tokenize(part)))
    ]


def _turned(sides: dict[int, int], *, denies: bool) -> dict[int, int]:
    """Return the sides that a clause takes: what is not permitted is forbidden."""
    return {axis: 3 - side if denies and side in (1, 2) else side for axis, side in sides.items()}


def together(parts: Iterable[Clause]) -> dict[int, int]:
    """Return the sides that clauses take together."""
    found: dict[int, int] = {}
    for part in parts:
        for axis, side in part.sides.items():
            found[axis] = found.get(axis, 0) | side
    return found


def opposes(sides: dict[int, int], others: dict[int, int]) -> bool:
    """Whether the one takes a side of which the other takes the contrary only."""
    return any((there := others.get(axis, 0)) in (1, 2) and side & ~there for axis, side in sides.items())
