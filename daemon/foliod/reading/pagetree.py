"""Mends a PDF whose page tree lies about the number of its pages, in memory."""

from __future__ import annotations

import contextlib
import re
from typing import Any

MAX_NODES = 50_000
"""A larger tree is not mended: walking it is slow, and only files made to do harm need it."""

_REFERENCE = re.compile(r"(\d{1,9})\s+\d{1,5}\s+R")


def mend_page_count(handle: Any) -> int:
    """Return how many pages there really are, and make the tree say so; 0 when there are none.

    Where the tree leads to no page, as in downloads that broke off, the pages that lie about in the
    file are taken, in the order of their numbers.

    Args:
        handle: a pymupdf Document.
    """
    catalog = handle.pdf_catalog()
    top, leaves = 0, []
    if catalog:
        # What of the tree can't be parsed leads nowhere.
        with contextlib.suppress(Exception):
            kind, root = handle.xref_get_key(catalog, "Pages")
            if kind == "xref" and (match := _REFERENCE.match(root)):
                top = int(match[1])
                leaves = _leaves(handle, top)
    if not leaves and (leaves := _loose_pages(handle)):
        top = _add(handle, "<< /Type /Pages >>")
        # A new catalog: what is left of the old one may not bear a change.
        catalog = _add(handle, f"<< /Type /Catalog /Pages {top} 0 R >>")
        handle.xref_set_key(-1, "Root", f"{catalog} 0 R")
    if leaves:
        handle.xref_set_key(top, "Kids", f"[{' '.join(f'{leaf} 0 R' for leaf in leaves)}]")
        handle.xref_set_key(top, "Count", str(len(leaves)))
    return len(leaves)


def _add(handle: Any, body: str) -> int:
    number = int(handle.get_new_xref())
    handle.update_object(number, body)
    return number


def _loose_pages(handle: Any) -> list[int]:
    """Return all objects of the file that say they are pages."""
    pages = []
    for number in range(1, min(handle.xref_length(), MAX_NODES)):
        with contextlib.suppress(Exception):  # what can't be parsed is no page
            if handle.xref_get_key(number, "Type") == ("name", "/Page"):
                pages.append(number)
    return pages


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
