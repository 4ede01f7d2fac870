"""How many texts go in one request: as many as the model and the machine embed within about a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foliod.text.chunk import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_BUDGET = 2000
LARGEST_BUDGET = 8000
"""Tokens a batch; at least one text goes, however long."""
SURELY_TOO_LONG = 1.5
"""Estimates are on the safe side: most texts of a little more tokens than the context still fit."""
SLOW_SECONDS = 1.0
"""A batch that takes longer is halved, for a question waits behind the batch under way; one that
takes less than half of it lets the next grow by a quarter."""


class BatchSize:
    """Learns from what became of each batch how large the next may be."""

    def __init__(self) -> None:
        self.budget = FIRST_BUDGET
        """Tokens."""

    def cut(self, texts: Sequence[str], start: int, context: int) -> tuple[Sequence[str], int]:
        """Return the batch that begins at `start`, and its tokens; a text that is surely too long goes alone."""
        spent, stop, longest = estimate_tokens(texts[start]), start + 1, context * SURELY_TOO_LONG
        if spent <= longest:
            for text in texts[stop:]:
                tokens = estimate_tokens(text)
                if spent + tokens > self.budget or tokens > longest:
                    break
                spent, stop = spent + tokens, stop + 1
        return texts[start:stop], spent

    def too_much(self, tokens: int) -> None:
        """A batch of `tokens` was more than could be done: the next are half as large, down to one text."""
        self.budget = max(1, min(tokens, self.budget) // 2)

    def done(self, tokens: int, seconds: float) -> None:
        """A batch of `tokens` took so long."""
        if seconds > SLOW_SECONDS:
            self.too_much(tokens)
        elif seconds < SLOW_SECONDS / 2 and tokens > self.budget / 2:
            self.budget = min(LARGEST_BUDGET, max(tokens, self.budget) * 5 // 4)
