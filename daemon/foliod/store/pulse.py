"""Whether PostgreSQL lives: asked when a query takes long or breaks off, so that nobody waits for a server that is gone.

A cut cable tells nobody: a query would wait for its time-out, minutes later. So a new connection is
tried as soon as there is doubt. While it fails, queries under way are given up and new ones are
refused at once, with the reason.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from foliod.base.errors import ConfigError, DatabaseUnavailableError
from foliod.base.patience import patiently
from foliod.store.address import address_of, parse
from foliod.store.connection import Connection, connecting, dial

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

LOOK_SECONDS: Final = 0.5
SLOW_SECONDS: Final = 1.0
"""What takes longer gives doubt."""
AGAIN_SECONDS: Final = 10.0
"""What goes on and on gives doubt so often."""
TRIES: Final = 2
"""A single silence may be our own, after the machine slept."""
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 5.0
"""Seconds between two tries while the server is away; doubled each time."""
GRACE_SECONDS: Final = 1.0
"""Who has not noticed by then that its connection is closed is interrupted."""

log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class Use:
    """Somebody who waits for the database or holds a connection."""

    since: float
    patience: asyncio.Timeout
    connection: Connection | None = None
    begun: bool = False
    """Whether a transaction is open, which keeps a pooler's connection to the server."""

    def give_up(self) -> None:
        """End the wait: with the error of a closed connection, or by an interruption."""
        if self.patience.expired():
            return
        now = asyncio.get_running_loop().time()
        if self.connection is None:
            self.patience.reschedule(now)
        else:
            self.patience.reschedule(now + GRACE_SECONDS)
            with suppress(asyncpg.InterfaceError):
                self.connection.terminate()


class Pulse:
    """Knows whether the server at an address lives, for as long as `run` runs."""

    def __init__(self, dsn: str, *, pooled: bool) -> None:
        """With `pooled` a new connection may have to wait for an old one's transaction, and that is no outage."""
        self.away: str | None = None
        """Why the server can't be used now; None when it can."""
        self._dsn = dsn
        self._pooled = pooled
        self._because: str | None = None
        self._uses: set[Use] = set()
        self._fresh: set[Connection] = set()
        self._doubt = asyncio.Event()
        self._present = asyncio.Event()
        self._present.set()
        self._asked = 0.0
        self._reached = False
        """Whether the last try got as far as a connection."""

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Use]:
        """Run a body that uses the database; raises DatabaseUnavailableError when the server is away or gets lost."""
        if self.away is not None:
            raise DatabaseUnavailableError(self.away)
        use = Use(time.monotonic(), asyncio.timeout(None))
        try:
            async with use.patience:
                self._uses.add(use)
                try:
                    yield use
                finally:
                    self._uses.discard(use)
        except TimeoutError:
            if not use.patience.expired():
                raise
            raise DatabaseUnavailableError(self.away) from None
        except DatabaseUnavailableError:
            self._doubt.set()
            raise

    @contextmanager
    def preparing(self, connection: Connection) -> Iterator[None]:
        """Run a body in which the pool makes a connection ready for somebody who waits for it."""
        self._fresh.add(connection)
        try:
            yield
        finally:
            self._fresh.discard(connection)

    def died(self, reason: str) -> None:
        """Say that the server is known to be down; `reason` is told until it answers again."""
        self._because = reason
        self._doubt.set()

    async def pause(self, seconds: float) -> None:
        """Wait before the next try: so long, and until the server is back."""
        if self.away is None:
            await asyncio.sleep(seconds)
        with patiently("the database is away"):
            await self._present.wait()

    async def run(self) -> None:
        """Ask whenever there is doubt, for ever; run as a task."""
        while True:
            await self._until_doubt()
            if (reason := await self._lost()) is not None:
                await self._until_back(reason)
            # What was known of this outage is not the reason of the next one.
            self._because = None
            self._asked = time.monotonic()
            # A row of errors must not become a row of connections.
            await asyncio.sleep(LOOK_SECONDS)

    async def _until_doubt(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._doubt.wait()
            now = time.monotonic()
            again = now - self._asked > AGAIN_SECONDS
            slow = any(now - use.since > SLOW_SECONDS and (again or use.since > self._asked) for use in self._uses)
            if slow or self._doubt.is_set():
                self._doubt.clear()
                return

    async def _lost(self) -> str | None:
        """Return why the server is away, None when it answers."""
        for _ in range(TRIES):
            reason, silent = await self._ask()
            # A connection that was made and then ended was ended by somebody, as those that gave rise to the doubt.
            if not silent and (reason is None or not self._reached):
                break
        return reason

    async def _ask(self) -> tuple[str | None, bool]:
        """Return why the server can't be used, None when it can; and whether it was silent."""
        self._reached = False
        try:
            with connecting(address_of(self._dsn)):
                async with asyncio.timeout(parse(self._dsn).answer_seconds):
                    connection = await dial(self._dsn)
                    self._reached = True
                    try:
                        await connection.execute("SELECT 1")
                        await connection.close()
                    finally:
                        connection.terminate()
        except (DatabaseUnavailableError, ConfigError) as error:
            if isinstance(error.__cause__, asyncpg.TooManyConnectionsError):
                return None, False
            return f"{error.message}; it is tried again", isinstance(error.__cause__, TimeoutError)
        return None, False

    async def _until_back(self, reason: str) -> None:
        since, wait = time.monotonic(), FIRST_WAIT
        self._present.clear()
        self.away = self._because or reason
        log.error("database_away", reason=self.away)
        for connection in list(self._fresh):
            connection.terminate()
        for use in list(self._uses):
            if not (use.begun and self._pooled and self._reached):
                use.give_up()
        while True:
            # What is known of the reason may come, and be news, at any time.
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._doubt.wait()
            self._doubt.clear()
            found, _ = await self._ask()
            if found is None:
                break
            if (now := self._because or found) != self.away:
                self.away = now
                log.warning("database_still_away", reason=now)
            wait = min(wait * 2, LONGEST_WAIT)
        self.away = None
        self._present.set()
        log.info("database_back", seconds=round(time.monotonic() - since, 1))


@asynccontextmanager
async def watched(dsn: str, connection: Connection, *, pooled: bool) -> AsyncIterator[None]:
    """Run a body on a plain connection; raises DatabaseUnavailableError when the server gets lost meanwhile."""
    pulse = Pulse(dsn, pooled=pooled)
    task = asyncio.create_task(pulse.run(), name="pulse")
    try:
        async with pulse.use() as use:
            use.connection, use.begun = connection, True
            yield
    finally:
        task.cancel()
        await asyncio.wait([task])
