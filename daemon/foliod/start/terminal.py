"""Text on its way to a terminal: nothing that a document says can steer it, and words are not cut in two."""

from __future__ import annotations

import re
import sys
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

# Control characters (C0, DEL, C1), line separators, what reorders text, and lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
PIPE_WIDTH = 1_000_000
"""Lines that go to a file or another program are not wrapped."""
NARROW_CELLS = 60
"""Terminals that are narrower get less side by side."""


def safe(text: object, *, lines: bool = False) -> str:
    """Return text of a document, a file name or a model without what could steer a terminal.

    With `lines`, newlines stay; else everything is put on one line.
    """
    if lines:
        return _UNSAFE.sub(lambda found: "\n" if found[0] == "\n" else "", str(text).expandtabs(4))
    # Replaced, not removed: two names that differ must not look alike.
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", _SPACES.sub(" ", str(text)).strip())


def count(number: int, what: str) -> str:
    """Return "1 document" or "1,234 documents"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class Terminal:
    """Standard output for answers, standard error for all else. Colours and wrapping only on a terminal."""

    def __init__(self) -> None:
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)

    def say(self, text: str, style: str = "") -> None:
        """Print a line for people to standard error."""
        self.err.print(Text(safe(text, lines=True), style=style))


class Flow:
    """Text that comes piece by piece, wrapped at words on a terminal, passed on as it is elsewhere."""

    def __init__(self, console: Console, style: str = "") -> None:
        self._console = console
        self._style = Style.parse(style)
        self._word = ""
        self._column = 0

    def write(self, piece: str) -> None:
        """Write all words that have come to their end; wait for the end of the last one."""
        piece = safe(piece, lines=True)
        if not self._console.is_terminal:
            # Before it is written: Ctrl-C may come while it is.
            self._column = len(piece.rpartition("\n")[2])
            self._put(piece)
            return
        *parts, self._word = re.split(r"(\s)", self._word + piece)
        for part in parts:
            self._wrap(part)

    def end(self) -> None:
        """Write the last word and end the line."""
        self._wrap(self._word)
        self._word = ""
        if self._column:
            self._put("\n")
            self._column = 0

    def _wrap(self, part: str) -> None:
        size, width = cell_len(part), self._console.width
        if part == "\n":
            self._column = 0
        elif self._column and self._column + size > width:
            self._put("\n")
            self._column = 0
            if part.isspace():
                return
        self._column += size
        if self._column > width:  # a word longer than the line, which the terminal breaks
            self._column = self._column % width or width
        self._put(part)

    def _put(self, text: str) -> None:
        # Not through rich: Ctrl-C in the middle of its printing would print the piece a second time.
        file = self._console.file
        file.write(self._style.render(text) if self._console.color_system else text)
        file.flush()


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise, where rich would end the program with 1: a reader who left is no failure."""
        raise BrokenPipeError


def _console(file: TextIO) -> Console:
    return _Console(
        file=file,
        markup=False,
        emoji=False,
        highlight=False,
        width=None if file.isatty() else PIPE_WIDTH,
        force_terminal=None if file.isatty() else False,
    )
