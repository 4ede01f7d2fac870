"""The files that the store knows: places, by host and path. All access to `foliod.files` that changes it.

A document that loses its last place is removed here, with all that hangs on it, after the grace period.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from foliod.base.errors import DatabaseUnavailableError
from foliod.base.paths import bounds, display, numbers, size_of

if TYPE_CHECKING:
    from foliod.store.database import Database
    from foliod.store.statements import Transaction

BATCH: Final = 2000
"""Rows decoded at a time: 5 ms of the event loop."""
OTHER_PLACES: Final = 20
"""Copies of a document that are looked at when one more turns up."""
TIDY_SECONDS: Final = 3600.0
"""How often is looked for documents without a place and vectors without a chunk that nobody announced."""

FIRST_LOOK_SECONDS: Final = 600.0
"""Nothing is forgotten until all folders were looked through; a mount that hangs is waited for so long."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Place:
    """Another file that holds the same document: its path, and device and inode when it was seen."""

    path: bytes
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a file that was read: `known` is whether its content was in the store before."""

    document: int
    state: str
    known: bool
    before: int | None
    """The document that this path held before."""
    others: tuple[Place, ...]


class Files:
    """The files of one host."""

    def __init__(self, db: Database, host: str) -> None:
        self._db = db
        self._host = host
        self._held: set[tuple[bytes, bytes]] = set()
        self._arriving: dict[bytes, Callable[[], set[int] | None]] = {}
        self._expected_at = time.monotonic()
        self._replaced = True
        """Whether documents may have lost their last place to other content."""
        self._tidy_at = 0.0

    # --- reading ------------------------------------------------------------------------

    async def known_below(self, folder: bytes) -> dict[bytes, bytes]:
        """Return all known files below a folder: the signature of each and a byte, as `walk.compare` takes them."""
        known: dict[bytes, bytes] = {}
        after, end = bounds(folder)
        while True:
            rows = await self._db.fetch("known_files", self._host, after, end, BATCH)
            known.update((row["path"], row["known"]) for row in rows)
            if len(rows) < BATCH:
                return known
            after = rows[-1]["path"]

    async def known_at(self, paths: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return what is known of some paths."""
        rows = await self._db.fetch("known_places", self._host, paths)
        return {row["path"]: row["known"] for row in rows}

    async def document_at(self, path: bytes) -> int | None:
        """Return the document that a file holds, None when it holds none or is not known."""
        document: int | None = await self._db.fetchval("document_at", self._host, path)
        return document

    async def count_below(self, folder: bytes) -> tuple[int, int]:
        """Return how many files below a folder are there as far as is known, and how many of them can't be read."""
        row = await self._db.fetchrow("count_files", self._host, *bounds(folder))
        assert row is not None
        return row["files"], row["unread"]

    async def left_behind(self, watched: Sequence[bytes]) -> dict[str, int]:
        """Count the files that lie in none of the `watched` folders, by the root (for people) they were found in."""
        return {
            row["root"]: row["files"] for row in await self._db.fetch("left_behind", self._host, *_between(watched))
        }

    # --- writing ------------------------------------------------------------------------

    async def record(self, path: bytes, root: bytes, signature: bytes, sha256: bytes) -> Recorded:
        """Write down what a file holds; content that is new to the store becomes a document that waits to be read."""
        recorded = await self._db.retrying(lambda tx: self._record(tx, path, root, signature, sha256))
        if recorded.before not in (None, recorded.document):
            self._replaced = True
        return recorded

    async def _record(self, tx: Transaction, path: bytes, root: bytes, signature: bytes, sha256: bytes) -> Recorded:
        for _ in range(5):
            row = await tx.fetchrow("add_document", sha256, size_of(signature))
            known = row is None
            row = row or await tx.fetchrow("hold_document", sha256)
            if row is not None:
                break
        else:
            msg = f"the document of {display(path)} is being removed; it is written down again later"
            raise DatabaseUnavailableError(msg)
        document = row["id"]
        before = await tx.fetchval("put_file", *self._columns(path, root, signature), document)
        others = await tx.fetch("other_places", document, self._host, path, OTHER_PLACES) if known else []
        return Recorded(document, row["state"], known, before, tuple(Place(*other.values()) for other in others))

    async def refuse(self, path: bytes, root: bytes, signature: bytes, reason: str) -> bool:
        """Write down why a file can't be read; return whether that is news."""
        row = await self._db.fetchrow("refuse_file", *self._columns(path, root, signature), reason)
        return row is not None

    async def refresh(self, files: Mapping[bytes, bytes]) -> None:
        """Write down files that are as they were, but had been missed or have another device number now."""
        paths = sorted(files)
        for start in range(0, len(paths), BATCH):
            part = paths[start : start + BATCH]
            devices = [numbers(files[path])[4:6] for path in part]
            await self._db.execute(
                "refresh_files", self._host, part, [own for own, _ in devices], [folder for _, folder in devices]
            )

    async def miss(self, paths: Sequence[bytes]) -> None:
        """Write down that files are not there."""
        ordered = sorted(paths)
        for start in range(0, len(ordered), BATCH):
            await self._db.execute("miss_files", self._host, ordered[start : start + BATCH])

    async def moved(self, path: bytes, document: int) -> None:
        """Forget where a document lay before its file was moved."""
        await self._db.execute("move_file", self._host, path, document)

    def _columns(self, path: bytes, root: bytes, signature: bytes) -> tuple[object, ...]:
        return self._host, path, display(path), display(root), *numbers(signature)

    # --- forgetting ---------------------------------------------------------------------

    def hold(self, root: bytes) -> None:
        """Keep everything of a root, however long it has been gone: the root is not there, or not looked at yet."""
        self._held.add(bounds(root))

    def expect(self, root: bytes, sizes: Callable[[], set[int] | None]) -> None:
        """Ask `sizes` for the sizes of files that are there but not read yet; None while that is not known.

        A document of such a size may only have been moved: it is not forgotten before that is known.
        """
        self._arriving[root] = sizes
        self._expected_at = time.monotonic()

    def leave(self, root: bytes) -> None:
        """Say that nobody watches a root any more: nothing of it is awaited, or kept for its sake."""
        self.release(root)
        self._arriving.pop(root, None)

    def _awaited(self) -> set[int] | None:
        """Return the sizes of files that are not read yet, None while a folder was not looked through."""
        sizes: set[int] = set()
        for of_root in self._arriving.values():
            if (more := of_root()) is not None:
                sizes |= more
            elif time.monotonic() - self._expected_at < FIRST_LOOK_SECONDS:
                return None
        return sizes

    def release(self, root: bytes) -> None:
        """Let what is gone from a root be forgotten again."""
        self._held.discard(bounds(root))

    async def forget_paths(self, paths: Sequence[bytes]) -> None:
        """Forget some files, without grace, with the next `forget_gone`: the user says so."""
        ordered = sorted(paths)
        for start in range(0, len(ordered), BATCH):
            await self._db.execute("forget_paths", self._host, ordered[start : start + BATCH])

    async def forget_below(self, folder: bytes, watched: Sequence[bytes]) -> int:
        """Forget all files below a folder, without grace, with the next `forget_gone`: the user says so.

        Those that lie in one of the `watched` folders are left out. Returns how many are forgotten.
        """
        count: int = await self._db.fetchval("forget_below", self._host, *bounds(folder), *_between(watched))
        if folder not in watched:
            self.release(folder)
        return count

    async def forget_gone(self, grace_seconds: float) -> int:
        """Forget files that have been gone for the grace period, and documents that have no other place.

        Returns how many documents were removed.
        """
        if (awaited := self._awaited()) is None:
            return 0
        await self._tidy()
        held = [low for low, _ in self._held], [high for _, high in self._held]
        await self._db.execute("forget_unread", self._host, grace_seconds, *held)
        removed = after = 0
        while rows := await self._db.fetch("documents_to_forget", self._host, grace_seconds, *held, BATCH, after):
            for row in rows:
                after = row["id"]
                if row["size"] in awaited:
                    continue
                forget = partial(self._forget, document=after, grace_seconds=grace_seconds, held=held)
                places = await self._db.retrying(forget)
                if places is not None:
                    removed += 1
                    log.info("document_forgotten", document=after, paths=places)
        return removed

    async def _forget(
        self, tx: Transaction, *, document: int, grace_seconds: float, held: tuple[list[bytes], list[bytes]]
    ) -> list[str] | None:
        """Forget the gone places of a document; remove it with its last one and return them, else None.

        Locks in the order that all writers keep: the document's row, the vectors, the lexicon by term.
        """
        if await tx.fetchrow("lock_document", document) is None:
            return None
        places = await tx.fetch("forget_places", document, self._host, grace_seconds, *held)
        if await tx.fetchval("document_has_place", document):
            return None
        await tx.execute("own_vectors")
        await tx.execute("drop_vectors_of", document)
        await tx.execute("lexicon_lock", [document])
        await tx.execute("lexicon_subtract", document)
        await tx.execute("lexicon_drop_unused", document)
        await tx.execute("drop_document", document)
        return [row["display"] for row in places]

    async def _tidy(self) -> None:
        """Note documents whose last place was taken by other content; remove vectors that came too late."""
        tidy = time.monotonic() >= self._tidy_at
        if self._replaced or tidy:
            self._replaced = False
            await self._db.execute("mark_unplaced")
        await self._db.execute("unmark_placed")
        if tidy:
            self._tidy_at = time.monotonic() + TIDY_SECONDS
            while rows := await self._db.fetch("unused_vectors", BATCH):
                async with self._db.transaction() as tx:
                    await tx.execute("own_vectors")
                    await tx.execute("drop_unused_vectors", [row["text_hash"] for row in rows])


def _between(folders: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return what the paths below folders lie between, as queries take it."""
    return [bounds(folder)[0] for folder in folders], [bounds(folder)[1] for folder in folders]
