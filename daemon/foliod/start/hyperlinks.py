"""Links in a terminal's text (OSC 8): a click on a source opens its PDF at the page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

# Terminals that show what they don't understand; all others ignore it, as the sequence's authors meant it
# (https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda).
_WITHOUT = ("dumb", "linux", "screen", "vt100", "cons25", "emacs")
_OLDEST_VTE = 5000


def can_link(console: Console, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the output is a terminal that takes links. FORCE_HYPERLINK=0 or 1 decides on any terminal.

    NO_COLOR does not matter: a link has no colour.
    """
    if not console.is_terminal or console.color_system is None:
        return False
    if (forced := environ.get("FORCE_HYPERLINK")) is not None:
        return forced not in {"", "0"}
    vte = environ.get("VTE_VERSION", "")
    return not environ.get("TERM", "dumb").startswith(_WITHOUT) and not (vte.isdecimal() and int(vte) < _OLDEST_VTE)


def linked(console: Console, text: str, path: str | None, page: int, style: str = "") -> Text:
    """Return text that leads to a page of a file, where the terminal can; plain text elsewhere."""
    found = Text(text, style=style)
    # A name that is not UTF-8 can't be told apart from others by what is shown of it.
    if path and path.startswith("/") and "\N{REPLACEMENT CHARACTER}" not in path and can_link(console):
        found.stylize(f"link file://{quote(path)}#page={page}")
    return found


def path_here(document: Mapping[str, Any]) -> str | None:
    """Return the path of a document that can be opened on this machine."""
    return None if document.get("host") else document.get("path")


def page_of(found: Mapping[str, Any]) -> int:
    """Return the page that a hit or a citation begins on: where its words are known to stand, else its first."""
    rects = found.get("rects")
    return int(rects[0]["page"] if rects else found["pages"][0])
