"""Tells thinking from answering in the text of models that mix both: `<think>…</think>` before the answer.

Ollama separates them only for models that it knows to think.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

OPEN = "<think>"
CLOSE = "</think>"

_THOUGHT = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)


class Part(NamedTuple):
    """A part of what a model wrote."""

    kind: Literal["thinking", "token"]
    text: str


class ThinkingSplitter:
    """Splits streamed text at the tags, wherever the stream is cut.

    Only a tag that opens the text counts: later on it may be part of an answer. White space
    around the tags is dropped, none inside the answer. With `opened` the text begins within a thought:
    the model's template has opened it. `unclosed` is what then came without ever a closing tag: an answer after all.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._state: Literal["start", "thinking", "gap", "answer"] = "start"
        self._held = ""
        self._opened = opened
        self.unclosed = ""

    def feed(self, text: str, *, last: bool = False) -> list[Part]:
        """Take the next piece of the stream; return what is certain by now, everything when it was the last."""
        self._held += text
        out: list[Part] = []
        if self._state == "start":
            self._held = self._held.lstrip()
            if self._held.startswith(OPEN):
                self._held, self._state, self._opened = self._held[len(OPEN) :], "thinking", False
            elif OPEN.startswith(self._held) and not last:
                return out
            else:
                self._state = "thinking" if self._opened else "answer"
        if self._state == "thinking":
            thought, closed, rest = self._held.partition(CLOSE)
            if closed:
                self._held, self._state, self._opened, self.unclosed = rest, "gap", False, ""
            else:
                cut = len(thought) - (0 if last else _begun(thought))
                thought, self._held = thought[:cut], thought[cut:]
            if thought:
                out.append(Part("thinking", thought))
                self.unclosed += thought if self._opened else ""
        if self._state == "gap":
            self._held = self._held.lstrip()
            self._state = "answer" if self._held else "gap"
        if self._state == "answer" and self._held:
            out.append(Part("token", self._held))
            self._held = ""
        return out


def without_thinking(text: str) -> str:
    """Return a finished message without what its model thought before it answered."""
    text = _THOUGHT.sub("", text)
    if OPEN not in text:
        # Some templates open the thought in the prompt, so that only its end is in the text.
        text = text.rpartition(CLOSE)[2]
    return text.strip()


def _begun(text: str) -> int:
    """Return how many characters at the end of `text` may be the beginning of the closing tag."""
    return next(size for size in range(len(CLOSE) - 1, -1, -1) if text.endswith(CLOSE[:size]))
