"""Hosts that share a store, and what is left of one that was forgotten too early."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from foliod.base.config import Watch
from foliod.base.errors import ConflictError
from foliod.ingest import backlog as rooms
from foliod.ingest.backlog import Backlog
from foliod.store.hosts import forget
from foliod.store.roots import Roots
from waiting import PATIENCE

HOST = "cut off"
LONG_AGO = "UPDATE foliod.hosts SET seen_at = now() - interval '1 hour' WHERE host = $1"


async def silent(db, host: str) -> None:
    async with db.transaction() as tx:
        await tx.connection.execute(LONG_AGO, host)


async def test_a_host_that_was_forgotten_and_comes_back_has_its_folders_again(db, tmp_path, monkeypatch):
    """Cut off for long and forgotten meanwhile, a daemon that goes on writes down again what it watches, and once only."""
    monkeypatch.setattr(rooms, "LEASE_SECONDS", 0.3)
    roots, told, beat = Roots(db, HOST), [], asyncio.Event()

    def forgotten() -> None:
        told.append(HOST)
        roots.forgotten()
        beat.set()

    backlog = Backlog(db, host=HOST, owner=f"{HOST}:1", max_deaths=3, when_forgotten=forgotten)
    await backlog.recover()
    watched = [Watch(path=tmp_path)]
    await roots.register(watched)
    await silent(db, HOST)
    assert await forget(db, HOST) == {"files": 0, "documents": 0}
    assert await Roots(db, HOST).known() == ()
    signs = asyncio.create_task(backlog.keep_leases())
    try:
        await asyncio.wait_for(beat.wait(), PATIENCE)
        await roots.register(watched)
        assert [(root.host, root.watched) for root in await Roots(db, HOST).known()] == [(HOST, True)]
        row = await db.fetchrow("host_seen", HOST, "1")
        assert not row["forgotten"], "it is known again"
        assert told == [HOST]
    finally:
        signs.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await signs


async def test_a_host_that_comes_back_while_it_is_forgotten_stays(db, tmp_path):
    """A sign of life between forgetting the files and the host keeps the host and its folders."""
    backlog = Backlog(db, host=HOST, owner=f"{HOST}:1", max_deaths=3)
    await backlog.recover()
    await Roots(db, HOST).register([Watch(path=tmp_path)])
    await silent(db, HOST)

    class Back:
        """The store, in which a sign of life comes at the worst moment."""

        def __getattr__(self, name: str):
            return getattr(db, name)

        async def fetchval(self, name: str, *arguments: object):
            if name == "drop_host":
                await db.fetchrow("host_seen", HOST, "1")
            return await db.fetchval(name, *arguments)

    with pytest.raises(ConflictError, match="came back"):
        await forget(Back(), HOST)
    assert [root.host for root in await Roots(db, HOST).known()] == [HOST]
