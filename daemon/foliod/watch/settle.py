"""Which files have been still for long enough to be read: known by watching them, never by their times alone.

And who waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice, takewhile

from foliod.base.paths import below, size_of


@dataclass(frozen=True, slots=True)
class Waiting:
    """A new or changed file: its signature, since when it looks like that, when it is read, why not before."""

    signature: bytes
    since: float
    due: float
    reason: str | None = None


class Settling:
    """New and changed files: what each looks like, and since when. Times in seconds of any steady clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # In the order in which they settle: a file that changes goes to the end.
        self._files: dict[bytes, tuple[bytes, float]] = {}
        self._postponed: dict[bytes, Waiting] = {}

    def __len__(self) -> int:
        return len(self._files) + len(self._postponed)

    def __contains__(self, path: bytes) -> bool:
        return path in self._files or path in self._postponed

    def __iter__(self) -> Iterator[bytes]:
        return chain(self._files, self._postponed)

    def observe(self, path: bytes, signature: bytes, now: float) -> None:
        """Say what a file looks like now; its time begins anew when that is not what it looked like."""
        before = self.look(path)
        if before is None or before.signature != signature:
            self.forget(path)
            self._files[path] = (signature, now)

    def postpone(self, path: bytes, due: float, reason: str) -> None:
        """Say that a file has to wait longer, though it is as still as before."""
        if (waiting := self.look(path)) is not None:
            self.forget(path)
            self._postponed[path] = replace(waiting, due=due, reason=reason)

    def renew(self, path: bytes, now: float) -> None:
        """Say that a file is not what it looked like, without knowing more: its time begins anew."""
        if (waiting := self.look(path)) is not None:
            self.forget(path)
            self._files[path] = (waiting.signature, now)

    def forget(self, path: bytes) -> None:
        """Say that a file was read, or is not there any more."""
        self._files.pop(path, None)
        self._postponed.pop(path, None)

    def look(self, path: bytes) -> Waiting | None:
        """Return what is known of a file that is not read yet."""
        if (file := self._files.get(path)) is not None:
            signature, since = file
            return Waiting(signature, since, since + self._seconds)
        return self._postponed.get(path)

    def due(self, now: float, count: int) -> list[tuple[bytes, Waiting]]:
        """Return up to `count` files that have been still for long enough."""
        still = takewhile(lambda item: item[1][1] + self._seconds <= now, self._files.items())
        due = [
            (path, Waiting(signature, since, since + self._seconds))
            for path, (signature, since) in islice(still, count)
        ]
        late = (item for item in self._postponed.items() if item[1].due <= now)
        return [*due, *islice(late, count - len(due))]

    def next_due(self) -> float | None:
        """Return when the next file will have been still for long enough, if all stay as they are."""
        times = [waiting.due for waiting in self._postponed.values()]
        if (first := next(iter(self._files.values()), None)) is not None:
            times.append(first[1] + self._seconds)
        return min(times, default=None)

    def postponed(self) -> int:
        """Return how many files have to wait longer, though they are still."""
        return len(self._postponed)

    def sizes(self) -> set[int]:
        """Return the sizes of all files that are not read yet."""
        return {
            size_of(signature)
            for signature in (
                *(signature for signature, _ in self._files.values()),
                *(waiting.signature for waiting in self._postponed.values()),
            )
        }


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

    def end(self, error: Exception) -> None:
        """Tell all that nobody will look any more."""
        for waiter in self._waiters:
            if not waiter.done.done():
                waiter.done.set_exception(error)

    def _check(self, waiter: Waiter) -> None:
        if not waiter.left and not waiter.done.done():
            waiter.done.set_result(None)
