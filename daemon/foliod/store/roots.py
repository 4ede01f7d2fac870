"""The watched folders of all hosts, and which of them only some may read: what one host restricts, others respect."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

import structlog

from foliod.base.errors import DatabaseUnavailableError
from foliod.base.paths import bounds, display

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from foliod.base.config import Watch
    from foliod.store.database import Database
    from foliod.store.statements import Transaction

KNOWN_SECONDS = 1.0
"""So long it may take until a host notices what another one restricts."""

log = structlog.get_logger()


class KnownRoot(NamedTuple):
    """A folder as the store has it."""

    host: str
    path: bytes
    restricted: bool
    watched: bool


class Roots:
    """Writes this host's folders down, and reads those of all."""

    def __init__(self, db: Database, host: str) -> None:
        self._db = db
        self.host = host
        self._known: tuple[float, tuple[KnownRoot, ...]] | None = None
        self._registered: tuple[Watch, ...] | None = None

    async def register(self, watched: Sequence[Watch]) -> bool:
        """Write down what this host watches; return whether a folder is restricted that was not before.

        Such a folder should not be looked through for KNOWN_SECONDS. Raises DatabaseUnavailableError.
        """
        if self._registered == tuple(watched):
            return False
        news, known = await self._db.retrying(lambda tx: self._register(tx, watched))
        # Never nothing: it is what counts should the database go away.
        self._known = (time.monotonic(), known)
        self._registered = tuple(watched)
        return news

    def forgotten(self) -> None:
        """Have this host's folders written down anew: the store was made to forget it."""
        self._registered = None

    async def _register(self, tx: Transaction, watched: Sequence[Watch]) -> tuple[bool, tuple[KnownRoot, ...]]:
        paths = [os.fsencode(watch.path) for watch in watched]
        rows = await tx.fetch("put_roots", self.host, paths, [watch.restricted for watch in watched])
        await tx.execute("unwatch_roots", self.host, paths)
        spans = [bounds(path) for path in paths]
        dropped = await tx.fetch("drop_roots", self.host, [low for low, _ in spans], [high for _, high in spans])
        for row in dropped:
            if row["covered"]:
                reason = "only some might read it; who may now is said by the watched folder that it lies in"
                log.warning("restriction_ended", folder=display(row["path"]), reason=reason)
        return any(row["restricted"] for row in rows), _roots(await tx.fetch("known_roots"))

    async def known(self) -> tuple[KnownRoot, ...]:
        """Return the folders of all hosts, as they were KNOWN_SECONDS ago at most. Raises DatabaseUnavailableError."""
        now = time.monotonic()
        if self._known is None or now - self._known[0] >= KNOWN_SECONDS:
            self._known = (now, _roots(await self._db.fetch("known_roots")))
        return self._known[1]

    async def known_last(self) -> tuple[KnownRoot, ...]:
        """Return them as they were known last while the database can't be reached."""
        try:
            return await self.known()
        except DatabaseUnavailableError:
            return self._known[1] if self._known else ()


def _roots(rows: Iterable[asyncpg.Record]) -> tuple[KnownRoot, ...]:
    return tuple(KnownRoot(**row) for row in rows)
