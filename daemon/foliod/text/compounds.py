"""Compound words: languages that write several words as one, and where such a word may come apart.

Which of the ways is right, the words of the documents tell (Koehn and Knight, "Empirical Methods
for Compound Splitting", 2003): parts that are common by themselves were joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LANGUAGES: Final = frozenset({"german", "dutch", "danish", "norwegian", "swedish", "finnish", "hungarian"})
FEWEST_LETTERS: Final = 4
"""Of a part; shorter ones are endings more often than words."""
MOST_LETTERS: Final = 40
_LINKS: Final = ("", "s", "es", "n", "en", "er", "e")
"""What may stand between the parts, as the s in Kündigungsfrist."""


def splits(word: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to read a word as two, without what links them."""
    if len(word) > MOST_LETTERS or not word.isalpha():
        return
    for at in range(FEWEST_LETTERS, len(word) - FEWEST_LETTERS + 1):
        left, right = word[:at], word[at:]
        for link in _LINKS:
            if left.endswith(link) and len(left) - len(link) >= FEWEST_LETTERS:
                yield left.removesuffix(link), right
