"""Makes few rectangles of many: lines of a paragraph, cells of a table, never what stands beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""

LINE_GAP = 1.2
"""In heights of a line: paragraphs are joined, what has a picture between is not."""
MOST_TESTS = 300_000
"""Pages with more boxes than make sense are left as they are: joining them would take long."""


def merged(inside: Sequence[Box], outside: Sequence[Box], *, upright: bool = True) -> list[Box]:
    """Return boxes joined to larger ones that cover the middle of nothing outside.

    Args:
        inside: in the order of the text.
        outside: all other boxes of the page.
        upright: whether the text runs across; else it runs up or down.
    """
    if not inside:
        return []
    if not upright:
        return [_turned(box) for box in merged([*map(_turned, inside)], [*map(_turned, outside)])]
    left, top, right, bottom = around(inside)
    cores = [
        (x0 + 1, y0 + 0.25 * (y1 - y0), x1 - 1, y1 - 0.25 * (y1 - y0))
        for x0, y0, x1, y1 in outside
        if x0 < right and x1 > left and y0 < bottom and y1 > top
    ]
    if len(inside) * len(cores) > MOST_TESTS:
        return list(inside)
    out: list[Box] = []
    last: Box | None = None
    for box in inside:
        if last is not None and _neighbours(out[-1], last, box):
            whole = around((out[-1], box))
            if not any(x0 < whole[2] and x1 > whole[0] and y0 < whole[3] and y1 > whole[1] for x0, y0, x1, y1 in cores):
                out[-1] = whole
                last = box
                continue
        out.append(box)
        last = box
    return out


def _neighbours(whole: Box, last: Box, box: Box) -> bool:
    """Whether a box goes on in the row of the last one, or stands in the row above or below, under what is there."""
    height = max(last[3] - last[1], box[3] - box[1])
    apart = max(box[1] - last[3], last[1] - box[3])
    if apart < -0.5 * min(last[3] - last[1], box[3] - box[1]):
        return True
    return apart < LINE_GAP * height and min(whole[2], box[2]) > max(whole[0], box[0])


def around(boxes: Sequence[Box]) -> Box:
    """Return the smallest box around others; at least one."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _turned(box: Box) -> Box:
    x0, y0, x1, y1 = box
    return y0, x0, y1, x1
