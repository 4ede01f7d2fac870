"""Mends a PDF whose page tree lies about the number of its pages, in memory."""

from __future__ import annotations

import re
from typing import Any

MAX_NODES = 50_000
"""A larger tree is not mended: walking it is slow, and only files made to do harm need it."""

_REFERENCE = re.compile(r"(\d{1,9})\s+\d{1,5}\s+R")


def mend_page_count(handle: Any) -> int:
    """Return how many pages there really are, and make the tree say so; 0 when there are none.

    Args:
        handle: a pymupdf Document.
    """
    kind, root = handle.xref_get_key(handle.pdf_catalog(), "Pages")
    match = _REFERENCE.match(root) if kind == "xref" else None
    if match is None:
        return 0
    top = int(match[1])
    leaves = _leaves(handle, top)
    if leaves:
        handle.xref_set_key(top, "Kids", f"[{' '.join(f'{leaf} 0 R' for leaf in leaves)}]")
        handle.xref_set_key(top, "Count", str(len(leaves)))
    return len(leaves)


def _leaves(handle: Any, top: int) -> list[int]:
    """Return the pages of the tree in order, each node taken once."""
    leaves: list[int] = []
    waiting, seen = [top], {top}
    while waiting and len(seen) < MAX_NODES:
        node = waiting.pop()
        kind, kids = handle.xref_get_key(node, "Kids")
        if kind != "array":
            if handle.xref_get_key(node, "Type")[1] in {"/Page", "null"} and node != top:
                leaves.append(node)
            continue
        below = [int(number) for number in _REFERENCE.findall(kids)]
        fresh = [number for number in dict.fromkeys(below) if number not in seen]
        seen.update(fresh)
        waiting += reversed(fresh)
    return leaves
