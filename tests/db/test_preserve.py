"""Backups of a store: what they keep out while they begin, and what a restore leaves behind when it fails."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import asyncpg
import pytest

from foliod.base.errors import ConflictError
from foliod.base.sources import load
from foliod.start.preserve import Progress, _refuse, put_back, save
from foliod.start.reach import host_of
from foliod.store.archive import ArchiveError
from foliod.store.migrate import LOCK
from waiting import PATIENCE, until

FREE = "SELECT pg_try_advisory_xact_lock($1)"
WAITS = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'foliod backup'"
    " AND datname = current_database()"
)


def settings_for(dsn: str, folder: Path):
    """Settings of a daemon of this database, with a state folder of its own."""
    server = {"socket": str(folder / "socket")}
    return load(Path(os.devnull), {"database": {"url": dsn}, "state_dir": str(folder / "state"), "server": server})


async def saved(dsn: str, folder: Path) -> Path:
    target = folder / "store.backup"
    await save(settings_for(dsn, folder), target, force=False, progress=Progress("saved", silent=True))
    return target


async def test_no_migration_comes_between_the_snapshot_and_what_is_written(dsn, tmp_path):
    """Until pg_dump has locked the tables nobody changes the schema; after that a starting daemon is not held up."""
    holder, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    lock = holder.transaction()
    await lock.start()
    await holder.execute("LOCK TABLE foliod.history IN ACCESS EXCLUSIVE MODE")
    backup = asyncio.create_task(saved(dsn, tmp_path))
    try:
        await until(lambda: other.fetchval(WAITS))
        assert not await other.fetchval(FREE, LOCK)
        await lock.rollback()
        assert (await asyncio.wait_for(backup, PATIENCE)).stat().st_size > 0
        await until(lambda: other.fetchval(FREE, LOCK))
    finally:
        await holder.close()
        await other.close()


async def test_a_restore_that_failed_can_be_repeated_as_if_it_had_not_been(dsn, empty_dsn, tmp_path):
    """A backup that breaks off leaves the new state folder without a name, so that the next restore gives it the old one."""
    there = await asyncpg.connect(dsn)
    await there.execute(
        "INSERT INTO foliod.hosts (host, version, started_at, seen_at) VALUES ('old', '1', now(), now())"
    )
    await there.close()
    whole = await saved(dsn, tmp_path)
    broken = tmp_path / "broken.backup"
    broken.write_bytes(whole.read_bytes()[:-40])
    settings, progress = settings_for(empty_dsn, tmp_path), Progress("put back", silent=True)
    with pytest.raises(ArchiveError, match="nothing was changed"):
        await put_back(settings, broken, replace=False, host=None, progress=progress)
    assert host_of(settings.state) == ""
    answer = await put_back(settings, whole, replace=False, host=None, progress=progress)
    assert [answer["host"], answer["known_host"]] == ["old", True]
    assert host_of(settings.state) == "old"


async def test_a_pooler_that_keeps_connections_is_named(dsn):
    """Who has stopped all daemons and is still refused is told what else holds connections, and how to end them."""
    pooled = await asyncpg.connect(dsn, server_settings={"application_name": "foliod"})
    connection = await asyncpg.connect(dsn)
    try:
        with pytest.raises(ConflictError, match=r"1 connections.*RECONNECT"):
            await _refuse(connection, replace=True)
    finally:
        await pooled.close()
        await connection.close()
