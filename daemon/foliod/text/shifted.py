"""Finds text of which every letter is wrong by the same distance, as damaged fonts give it: `uif` for `the`."""

from __future__ import annotations

import re
from collections import Counter

from foliod.text.tokens import weigh

LEAST_LETTERS = 100
"""Less text is not judged."""
LEAST_SHARE = 0.12
"""Such a share of all words, and three different ones, must be common words after shifting back, and a fifth of that
share at most before. In prose of the languages below the share is 0.2 or more."""
CHEAPER = 0.75
"""A token model that knows which letters follow each other (see `tokens`) must need less than this of what it needs
for the text as it is. For prose, shifted and not, it is about 0.5."""

_SAMPLE = 3000
_WORD = re.compile("[a-z]{2,}")
_NOT_SPACE = re.compile(r"\S")
# Of three letters or more: shorter ones are also found in what is no prose.
_COMMON = frozenset(
    "the and that for with was are this from which have not has were been but can these between also more because "
    "their there than into would when "
    "der die und das den von mit sich des ist dem nicht ein eine auf werden als auch einer "
    "les des une est que dans pour qui sur par pas avec plus sont cette "
    "los las que del una por con para como este sus "
    "che per della non sono gli nel alla delle con "
    "uma dos mais como pelo "
    "het een van dat zijn met voor niet aan ook "
    "och att som det till med inte den".split()
)


def shift_of(text: str) -> int:
    """Return by how much the code of every letter is too high, 0 when the text is as it should be.

    Only what reads as prose after shifting back is said to be shifted; any other text, such as tables,
    formulas, sequences and languages that are not known here, is left alone.
    """
    sample = text[:_SAMPLE]
    letters = Counter(_NOT_SPACE.findall(sample))
    if letters.total() < LEAST_LETTERS or 5 * _prose(sample) > LEAST_SHARE:
        return 0
    # The commonest sign of prose is the space, or e or a where spaces were told from gaps.
    candidates = {ord(char) - ord(usual) for char, _ in letters.most_common(2) for usual in " ea"}
    for shift in sorted(candidates - {0}, key=abs):
        if abs(shift) < 1000:
            back = sample.translate({ord(char): max(32, ord(char) - shift) for char in letters})
            if _prose(back) >= LEAST_SHARE and weigh(back) < CHEAPER * weigh(sample):
                return shift
    return 0


def _prose(text: str) -> float:
    """Return the share of common words, 0 to 1; 0 when there are too few different ones to tell."""
    found = _WORD.findall(text.lower())
    common = [word for word in found if word in _COMMON]
    return len(common) / len(found) if len(set(common)) >= 3 else 0.0
