"""Where the text of a page stands on it: runs of text on one line, each with its box, in a form that is small to store.

A box is kept in 1/65535 of the page's width and height, so that pages of all sizes take the same
room and nothing can stand outside of its page; on a letter page that is a hundredth of a point.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator
from enum import IntEnum
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

RECORD: Final = struct.Struct("<7H")
"""Gap since the end of the run before, length in code points, direction, left, top, right, bottom."""
MAX_RUNS: Final = 4000
"""Of one page: 56 kB. What stands behind them has no box."""
_FULL: Final = 0xFFFF


class Direction(IntEnum):
    """Where the text of a run goes on the page as displayed: decides where half of it ends."""

    RIGHT = 0
    DOWN = 1
    LEFT = 2
    UP = 3
    ASLANT = 4


_DIRECTIONS: Final = tuple(Direction)


class Run(NamedTuple):
    """Code points `start` to `end` of a page's text stand in this box.

    Points from the top left corner of the page as it is displayed: after /Rotate and CropBox, y downwards.
    """

    start: int
    end: int
    direction: Direction
    x0: float
    y0: float
    x1: float
    y1: float


Numbers: TypeAlias = tuple[int, int, Direction, float, float, float, float]
"""A run while there are a great many of them."""


def pack(runs: Iterable[Numbers], width: float, height: float) -> bytes:
    """Return runs, in the order of the text, as bytes; those that reach beyond the page are cut at its edge.

    Nothing is kept of a page that has no size, and nothing after MAX_RUNS or a gap of 65,535 characters.
    """
    if not (width > 0 and height > 0):
        return b""
    across, down = _FULL / width, _FULL / height
    numbers: list[int] = []
    last = 0
    for start, end, direction, *box in runs:
        if start - last > _FULL or len(numbers) == 7 * MAX_RUNS:
            break
        x0, y0, x1, y1 = box
        if not (0 <= x0 <= x1 <= width and 0 <= y0 <= y1 <= height):
            # Not a number is nowhere, too.
            x0, x1 = sorted((_within(x0, width), _within(x1, width)))
            y0, y1 = sorted((_within(y0, height), _within(y1, height)))
        length = min(end - start, _FULL)
        numbers += start - last, length, direction, int(x0 * across), int(y0 * down), int(x1 * across), int(y1 * down)
        last = start + length
    return struct.pack(f"<{len(numbers)}H", *numbers)


def unpack(data: bytes, width: float, height: float) -> Iterator[Run]:
    """Yield the runs of a page of this size in points."""
    across, down = width / _FULL, height / _FULL
    last = 0
    for gap, length, direction, x0, y0, x1, y1 in RECORD.iter_unpack(data):
        start = last + gap
        last = start + length
        yield Run(start, last, _DIRECTIONS[direction], x0 * across, y0 * down, x1 * across, y1 * down)


def fit(data: bytes, chars: int) -> bool:
    """Whether these bytes can be the runs of a text of so many characters; for what comes from a hostile process."""
    if len(data) % RECORD.size or len(data) > MAX_RUNS * RECORD.size:
        return False
    if not data:
        return True
    numbers = array("H", data)
    if sum(chain(numbers[0::7], numbers[1::7])) > chars or max(numbers[2::7]) > max(Direction):
        return False
    ordered = (all(map(int.__le__, numbers[i::7], numbers[i + 2 :: 7])) for i in (3, 4))
    return min(numbers[1::7]) > 0 and all(ordered)


def _within(value: float, most: float) -> float:
    # What is not a number compares false.
    return value if 0 < value < most else most if value >= most else 0.0
