"""What a client may see of the files: ranges of paths on hosts, made from folders of which the longest decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

from foliod.base.paths import display


class Root(NamedTuple):
    """A folder that is or was watched on a host, and whether a client may read what lies in it."""

    host: str
    path: bytes
    readable: bool


class Span(NamedTuple):
    """All paths from `low` on and before `high`."""

    low: bytes
    high: bytes


Columns = tuple[list[str], list[bytes], list[bytes]] | tuple[None, None, None]

UNRESTRICTED: Columns = (None, None, None)
"""What queries are given for a client that may see everything."""


@dataclass(frozen=True)
class Access:
    """What one client may see; None stands for a client that may see everything.

    What lies below none of the roots is not seen: what nobody has said anything about is nobody's to read.
    """

    host: str
    """This daemon's, whose files can be opened here."""
    roots: tuple[Root, ...]

    @classmethod
    def of(cls, host: str, roots: Iterable[Root]) -> Self:
        """Return what may be seen of some roots; equal ones are the same key of a cache."""
        return cls(host, tuple(sorted(roots)))

    @cached_property
    def _spans(self) -> dict[str, list[Span]]:
        by_host: dict[str, list[Root]] = defaultdict(list)
        for root in self.roots:
            by_host[root.host].append(root)
        return {host: _spans(roots) for host, roots in by_host.items()}

    @cached_property
    def columns(self) -> Columns:
        """The ranges as queries take them: hosts, first paths, ends; disjoint."""
        rows = [(host, *span) for host, spans in sorted(self._spans.items()) for span in spans]
        return [host for host, _, _ in rows], [low for _, low, _ in rows], [high for _, _, high in rows]

    def reads(self, path: bytes) -> bool:
        """Say whether a path on this host may be seen. Folders may that are roots, or lie in one."""
        for root in self.roots:
            # Where it stands in a folder that may be seen does not open it.
            if root.host == self.host and root.path == path:
                return root.readable
        return any(span.low <= place < span.high for span in self._here for place in (path, _low(path)))

    def root(self, shown: str) -> bool:
        """Say whether a root of this host may be seen, by its path as people see it."""
        return any(root.host == self.host and display(root.path) == shown and root.readable for root in self.roots)

    @property
    def _here(self) -> list[Span]:
        return self._spans.get(self.host, [])


def columns(access: Access | None) -> Columns:
    """Return the three arguments that queries take for what a client may see."""
    return UNRESTRICTED if access is None else access.columns


def _spans(roots: Iterable[Root]) -> list[Span]:
    """Return what may be read as disjoint ranges: a folder inside another one cuts its own range out of that one's."""
    spans: list[Span] = []
    # A folder comes before what lies in it.
    for root in sorted(roots, key=lambda root: _low(root.path)):
        own = Span(_low(root.path), _high(root.path))
        spans = [rest for span in spans for rest in _without(span, own)]
        if root.readable:
            spans.append(own)
    return sorted(spans)


def _without(span: Span, other: Span) -> list[Span]:
    if other.high <= span.low or other.low >= span.high:
        return [span]
    parts = Span(span.low, other.low), Span(other.high, span.high)
    return [part for part in parts if part.low < part.high]


def _low(folder: bytes) -> bytes:
    return folder.rstrip(b"/") + b"/"


def _high(folder: bytes) -> bytes:
    # The character after "/".
    return folder.rstrip(b"/") + b"0"
