"""Links in a watched folder: one tells nothing itself when the file that it leads to changes."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping

from foliod.base.paths import below, parents


class Links:
    """Which links lead to which files, as the last look at them found. Paths as the walk has them."""

    def __init__(self) -> None:
        self._targets: dict[bytes, bytes] = {}

    def found(self, links: Mapping[bytes, bytes], *, whole: bool) -> None:
        """Take what a look found; `whole` when it was a look at everything."""
        if whole:
            self._targets = dict(links)
        else:
            self._targets.update(links)

    def to(self, paths: Container[bytes]) -> set[bytes]:
        """Return the links to files that are, or lie below, one of these paths."""
        return {
            link
            for link, target in self._targets.items()
            if target in paths or any(folder in paths for folder in parents(target))
        }


def inside(real: bytes, real_root: bytes, root: bytes) -> bytes:
    """Return the path below the root, as the walk has it, of what lies in the folder that the root leads to."""
    return os.path.join(root, real[len(real_root) :].lstrip(b"/"))


def elsewhere(folder: bytes, real_root: bytes, root: bytes) -> bool:
    """Say whether a folder below the root is only reached through a link to a folder, which the walk does not follow."""
    own = os.path.join(real_root, folder[len(root) :].lstrip(b"/")).rstrip(b"/")
    return os.path.realpath(folder) != (own or b"/")


def straight(paths: Iterable[bytes], root: bytes) -> set[bytes]:
    """Return where paths behind links to folders really lie, of those that lie in the root: events may name either."""
    real_root, found = os.path.realpath(root), set()
    for path in paths:
        folder, name = os.path.split(path)
        if below(path, root) and elsewhere(folder, real_root, root):
            real = os.path.realpath(folder)
            if real == real_root or below(real, real_root):
                found.add(os.path.join(inside(real, real_root, root), name))
    return found
