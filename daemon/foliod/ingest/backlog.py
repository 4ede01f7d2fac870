"""The backlog: documents that wait, claimed under a lease so that several daemons share the work.

A claim is committed before the work starts. Who dies loses its lease, and the work is claimed
again; who finds its lease lost drops what it did.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from foliod.base.errors import DatabaseUnavailableError
from foliod.base.model import DocumentState
from foliod.base.patience import alone, patiently
from foliod.base.version import EXTRACTOR, __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    import asyncpg

    from foliod.store.database import Database

LEASE_SECONDS = 60.0
"""How long a claim holds without a sign of life; extended every third of it."""
IDLE_SECONDS = 5.0
"""Another daemon's or a due document is noticed so late at most; our own files wake us at once."""
MOST_ATTEMPTS = 50
"""A document at which the daemon itself ended so often, without one more page stored, is quarantined.

Many, since a machine that keeps losing power is no document's fault, and each one goes behind all others.
"""
RETRY_SECONDS = 30.0
"""Wait after the first abnormal end; four times as long after each further one."""
RENEW_SECONDS = 86_400.0
"""A document that could not be read again is tried again after so long."""
LEAVE_SECONDS = 1.0
"""That we stop is written down within this, or not at all: nobody is kept waiting for it."""
MOST_SET_ASIDE = 3
"""A document of which pages were given up so often is not read any further; what was read of it stays."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claim:
    """A document claimed for reading; `attempts` counts this one, `deaths` the abnormal ends before it.

    `set_aside` is how often pages of it were given up, `reason` what is said of it so far.
    """

    document: int
    sha256: str
    attempts: int
    deaths: int
    set_aside: int = 0
    reason: str | None = None


class Backlog:
    """Claims, keeps and gives back documents for one daemon, known by `owner` on `host`."""

    def __init__(
        self, db: Database, *, host: str, owner: str, max_deaths: int, when_forgotten: Callable[[], None] = lambda: None
    ) -> None:
        """`when_forgotten` is called when the store was made to forget this host though it runs."""
        self.host = host
        self.owner = owner
        self.held: set[int] = set()
        """Documents under a lease of ours."""
        self._owed: set[int] = set()
        """Documents to give back as soon as the database is there again."""
        self._db = db
        self._max_deaths = max_deaths
        self._when_forgotten = when_forgotten
        self._wakers: dict[str, asyncio.Event] = {}
        self._lock = asyncio.Lock()

    async def recover(self) -> None:
        """Free what an earlier daemon of this host left claimed, and say that we are here. Call once, at start."""
        await self._db.execute("host_started", self.host, __version__)
        await self._db.execute("release_dead_leases", self.host, MOST_ATTEMPTS)

    @contextlib.asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        """Say that this host's daemon stopped when the body ends, so that nobody waits for signs of life."""
        try:
            yield
        finally:
            with contextlib.suppress(DatabaseUnavailableError, TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._db.execute("host_left", self.host)

    def configure(self, *, max_deaths: int) -> None:
        """Quarantine a document after so many abnormal ends from now on."""
        self._max_deaths = max_deaths

    def wake(self) -> None:
        """Say that there may be new work."""
        for event in self._wakers.values():
            event.set()

    async def idle(self, who: str, seconds: float = IDLE_SECONDS) -> None:
        """Wait until there may be new work for `who`, at most `seconds`."""
        event = self._wakers.setdefault(who, asyncio.Event())
        # Not wait_for: on Python 3.11 it can lose a cancellation that comes together with the event.
        with patiently("there is nothing to do"), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
        event.clear()

    async def claim_for_reading(self) -> Claim | None:
        """Claim the next document to read, or None when none waits."""
        async with self._claiming() as ours:
            row = await self._db.fetchrow("claim_for_reading", self.host, self.owner, LEASE_SECONDS, ours)
            return self._claimed(row)

    async def claim_for_embedding(self, count: int) -> list[int]:
        """Claim up to `count` documents that want vectors."""
        async with self._claiming() as ours:
            rows = await self._db.fetch("claim_for_embedding", self.owner, LEASE_SECONDS, count, ours)
            claimed = sorted(row["id"] for row in rows)
            self.held.update(claimed)
            return claimed

    async def claim_for_ocr(self) -> Claim | None:
        """Claim the next document whose pages wait for OCR; None when there is none, or others wait to be read."""
        async with self._claiming() as ours:
            row = await self._db.fetchrow("claim_for_ocr", self.host, self.owner, LEASE_SECONDS, ours)
            return self._claimed(row)

    async def claim_for_renewal(self, revision: int) -> Claim | None:
        """Claim the next document that an earlier revision of the extractor read; None as for OCR."""
        async with self._claiming() as ours:
            row = await self._db.fetchrow(
                "claim_for_renewal", self.host, self.owner, LEASE_SECONDS, ours, revision, RENEW_SECONDS
            )
            return self._claimed(row)

    @contextlib.asynccontextmanager
    async def _claiming(self) -> AsyncIterator[list[int]]:
        """Claim alone, and know what is ours: a claim not held yet must not look like one whose answer was lost."""
        async with alone(self._lock):
            await self._pay()
            yield list(self.held | self._owed)

    def _claimed(self, row: asyncpg.Record | None) -> Claim | None:
        if row is None:
            return None
        self.held.add(row["id"])
        return Claim(row["id"], row["sha256"].hex(), row["attempts"], row["deaths"], row["set_aside"], row["reason"])

    async def release(self, documents: Iterable[int], *, delay: float = 0.0) -> None:
        """Give documents back as if they had not been claimed, due again after `delay` seconds.

        While the database is away they are kept in mind and given back later.
        """
        ids = list(documents)
        self.held.difference_update(ids)
        if ids:
            try:
                await self._db.execute("release_lease", ids, self.owner, delay)
            except DatabaseUnavailableError:
                self._owed.update(ids)

    async def _pay(self) -> None:
        """Give back what an outage kept us from giving back."""
        if self._owed:
            ids, self._owed = self._owed, set()
            await self.release(ids)

    async def failed(self, claim: Claim, reason: str, *, page: int | None = None, most_pages: int = 0) -> str | None:
        """Record an abnormal end; return the state the document takes, None when the lease was lost.

        After `max_deaths` of them it is quarantined; but when they happened at one `page`, that page is
        given up, and the others are read on. The last time, all pages from there to `most_pages` are.
        """
        self.held.discard(claim.document)
        async with self._db.transaction() as tx:
            row = await tx.fetchrow("claimed_attempt", claim.document, self.owner)
            if row is None:
                return None
            deaths = row["deaths"] + 1
            last = min(row["page_count"] or most_pages, most_pages)
            state = DocumentState.QUEUED
            if deaths < self._max_deaths:
                delay = RETRY_SECONDS * 4 ** row["deaths"]
            elif page is not None and row["known_pages"] + 1 == page <= last and row["set_aside"] < MOST_SET_ASIDE:
                until = last if row["set_aside"] + 1 == MOST_SET_ASIDE else page
                which = f"page {page} is" if until == page else f"the pages from {page} on are"
                await tx.execute("give_up_pages", claim.document, page, until)
                await tx.execute("go_on_without_pages", claim.document, f"{reason}; {which} left out", EXTRACTOR)
                return state
            else:
                state, delay = DocumentState.FAILED, 0.0
            await tx.execute("attempt_failed", claim.document, reason, state, delay)
        return state

    async def refused(self, document: int, state: DocumentState | str, reason: str) -> None:
        """Record that a document can't be read, with the state it takes and why."""
        self.held.discard(document)
        await self._db.execute("document_refused", document, self.owner, str(state), reason)

    def done(self, documents: Iterable[int]) -> None:
        """Forget leases that a finishing write has already cleared."""
        self.held.difference_update(documents)

    async def keep_leases(self) -> None:
        """Extend all leases, and give signs of life, for ever; run as a task."""
        known = 0
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            ids = list(self.held)
            try:
                row = await self._db.fetchrow("host_seen", self.host, __version__)
                assert row is not None
                schema = row["schema"]
                if row["forgotten"]:
                    log.warning(
                        "host_forgotten", host=self.host, why="its folders are written down and looked through again"
                    )
                    self._when_forgotten()
                if known and schema > known:
                    log.warning(
                        "schema_newer", schema=schema, why="a newer foliod uses this store: install it here too"
                    )
                known = schema
                if not ids:
                    continue
                rows = await self._db.fetch("extend_lease", ids, self.owner, LEASE_SECONDS)
            except DatabaseUnavailableError as error:
                log.warning("lease_not_extended", error=error.message, documents=len(ids))
                continue
            if lost := {row["id"] for row in rows if not row["ours"]} & self.held:
                log.warning("lease_lost", document_ids=sorted(lost))
                self.held -= lost
            # Those whose last file is gone were forgotten meanwhile, and nobody else has them.
            self.held -= set(ids) - {row["id"] for row in rows}
