"""Which files have been still for long enough to be read: known by watching them, never by their times alone.

And who waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, takewhile

from foliod.base.paths import below


class Settling:
    """New and changed files: what each looks like, and since when. Times in seconds of any steady clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # In the order in which they settle: a file that changes goes to the end.
        self._files: dict[bytes, tuple[bytes, float]] = {}

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: bytes) -> bool:
        return path in self._files

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._files)

    def observe(self, path: bytes, signature: bytes, now: float) -> None:
        """Say what a file looks like now; its time begins anew when that is not what it looked like."""
        if path in self._files and self._files[path][0] == signature:
            return
        self._files.pop(path, None)
        self._files[path] = (signature, now)

    def forget(self, path: bytes) -> None:
        """Say that a file was read, or is not there any more."""
        self._files.pop(path, None)

    def due(self, now: float, count: int) -> list[tuple[bytes, bytes]]:
        """Return up to `count` files that have been still for long enough, with what they look like."""
        still = takewhile(lambda item: item[1][1] + self._seconds <= now, self._files.items())
        return [(path, signature) for path, (signature, _) in islice(still, count)]

    def next_due(self) -> float | None:
        """Return when the next file will have been still for long enough, if all stay as they are."""
        first = next(iter(self._files.values()), None)
        return None if first is None else first[1] + self._seconds


@dataclass(slots=True, eq=False)
class Waiter:
    """Waits for a path and all below it, or for everything when None: to be looked at, then to be written down."""

    path: bytes | None
    done: asyncio.Future[None]
    left: set[bytes] | None = None
    """What is not written down yet; None until somebody looked."""


class Waiters:
    """Those who wait until what lies in a folder is written down."""

    def __init__(self) -> None:
        self._waiters: list[Waiter] = []

    async def wait(self, path: bytes | None) -> None:
        """Return when what is there now is written down, or can't be."""
        waiter = Waiter(path, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            await waiter.done
        finally:
            self._waiters.remove(waiter)

    def unseen(self, paths: Container[bytes | None] | None) -> list[Waiter]:
        """Return those whose paths nobody looked at yet, if a look at `paths` is enough for them (None: at all)."""
        return [w for w in self._waiters if w.left is None and (paths is None or w.path in paths)]

    def looked(self, waiters: Iterable[Waiter], settling: Iterable[bytes]) -> None:
        """Say that somebody looked for these waiters, and what is not written down yet."""
        for waiter in waiters:
            waiter.left = {p for p in settling if waiter.path in (None, p) or below(p, waiter.path or b"/")}
            self._check(waiter)

    def written(self, path: bytes) -> None:
        """Say that a path is written down, or is nothing that will be."""
        for waiter in self._waiters:
            if waiter.left:
                waiter.left.discard(path)
                self._check(waiter)

    def _check(self, waiter: Waiter) -> None:
        if not waiter.left and not waiter.done.done():
            waiter.done.set_result(None)
