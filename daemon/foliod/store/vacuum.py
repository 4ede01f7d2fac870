"""Sees to it that foliod's own PostgreSQL cleans up also after a crash.

How many rows are dead PostgreSQL knows by counting changes, and it forgets the counts with every crash, also of a
single one of its processes. Autovacuum then leaves a table alone until a fifth of its rows has changed anew, which
on a server that is killed often never happens. So after each crash everything is cleaned up once, as slowly as
autovacuum would.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from foliod.base.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from datetime import datetime

    from foliod.store.database import Database

LOOK_SECONDS: Final = 10.0
"""How often is looked whether there was a crash: of one that foliod did not notice nobody tells it."""
LONGEST_SECONDS: Final = 300.0
"""Each statement may take so long. What is left over autovacuum does: counting comes first."""
STATEMENTS: Final = ("count_dead_rows", "remove_dead_rows")
TOO_LONG: Final = "it took too long"
REFUSED: Final = (
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.DataCorruptedError,
    asyncpg.IndexCorruptedError,
)
"""What a server says that is there and can't do it: the disk is full or fails, data are damaged."""
COST_DELAY: Final = "2ms"
"""PostgreSQL's default of autovacuum_vacuum_cost_delay: so long it pauses after every 200 pages found in memory, 100
read, or 10 changed."""

log = structlog.get_logger()


class Vacuum:
    """Cleans up after crashes of a server that is foliod's own: `run` it as a task."""

    def __init__(self, db: Database, *, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._db = db
        self._longest_seconds = longest_seconds
        self._made_good: datetime | None = None
        """When the counts were lost that are there again."""

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            # That the database is away is told by its pulse; when it is back there may have been another crash.
            with suppress(DatabaseUnavailableError):
                await self.look()
            await self._db.pulse.pause(LOOK_SECONDS)

    async def look(self) -> None:
        """Clean up if there was a crash since the last look. Raises DatabaseUnavailableError."""
        lost_at = await self._db.fetchval("counts_lost_at")
        if lost_at is None or lost_at == self._made_good:
            return
        started = time.monotonic()
        troubles = {trouble for name in STATEMENTS if (trouble := await self._trouble(name)) is not None}
        # Also what failed is not done again: it would fail every few seconds.
        self._made_good = lost_at
        if failed := troubles - {TOO_LONG}:
            log.warning("not_cleaned_up", reason="; ".join(sorted(failed)))
            return
        reason = "after its crash PostgreSQL did not know what there is to clean up"
        if troubles:
            reason += f"; that took longer than {self._longest_seconds:g} s, and autovacuum does the rest"
        log.info("cleaned_up", reason=reason, ms=round((time.monotonic() - started) * 1000))

    async def _trouble(self, name: str) -> str | None:
        """Run a statement; return why it did not come to its end, None when it did.

        Raises DatabaseUnavailableError when the server went away meanwhile.
        """
        limit = f"{round(self._longest_seconds * 1000)}ms"
        try:
            await self._db.alone(name, {"statement_timeout": limit, "vacuum_cost_delay": COST_DELAY})
        except DatabaseUnavailableError as error:
            if isinstance(error.__cause__, asyncpg.QueryCanceledError):
                return TOO_LONG
            if not isinstance(error.__cause__, REFUSED):
                raise
            return error.message
        except asyncpg.PostgresError as error:
            # An index that is not as it should be, for instance: the daemon goes on with all that is whole.
            return f"PostgreSQL could not do it: {error.args[0]}"
        return None
