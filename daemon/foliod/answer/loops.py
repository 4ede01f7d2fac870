"""Notices a model that repeats itself for ever, long before a limit on characters would."""

from __future__ import annotations

import re

TAIL = 6000
"""Characters that are looked back at."""
EVERY = 200
"""Characters after which it is looked again."""
KEY = 24
"""Characters at the end that are looked for before: the shortest that tells anything."""
REPEATS = 8
CHARS = 600
"""Text that consists of one part again and again is a loop when it has come so often and has at least so many characters."""
EMPTY_CHARS = 2000
"""The same for what has no letter and no digit: rules of tables, dots, blank lines."""
COUNTED_REPEATS = 100
"""The same where only the digits differ: "12. It is so. 13. It is so." Tables with equal words in all rows are shorter."""

_DIGITS = re.compile(r"\d+")
_SAYS = re.compile(r"[^\W_]")


class LoopGuard:
    """Takes a text piece by piece and says when it goes in circles."""

    def __init__(self) -> None:
        self._tail = ""
        self._new = 0

    def feed(self, text: str) -> bool:
        """Take the next piece; return whether the text so far ends in a loop."""
        self._tail += text
        self._new += len(text)
        if self._new < EVERY:
            return False
        self._new = 0
        self._tail = self._tail[-TAIL:]
        return _loops(self._tail, REPEATS) or _loops(_DIGITS.sub("0", self._tail), COUNTED_REPEATS)


def _loops(text: str, repeats: int) -> bool:
    """Whether the end of a text is the same part so often."""
    before = text.rfind(text[-KEY:], 0, len(text) - 1)
    period = len(text) - KEY - before
    if before < 0 or period <= 0:
        return False
    # The part of the end that equals the text one period earlier.
    same = KEY
    while same + period < len(text) and text[-same - 1] == text[-same - 1 - period]:
        same += 1
    length = same + period
    least = CHARS if _SAYS.search(text[-period:]) else EMPTY_CHARS
    return length >= least and length >= repeats * period
