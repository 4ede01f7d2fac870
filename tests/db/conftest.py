"""The database of one test, opened."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from foliod.store.database import Database


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    """A migrated database of the test's own, opened."""
    async with Database.open(dsn, pool_size=4) as database:
        yield database
