"""The watched folders while the configuration changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from foliod.base.config import Ingest, Watch
from foliod.base.paths import bounds
from foliod.base.telemetry import Counters
from foliod.store.files import Files
from foliod.watch.folders import Folders
from foliod.watch.sweep import Sweeper


class Lingering(Sweeper):
    """One that takes its time to end, as when a transaction is rolled back."""

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)


async def test_folders_that_stay_are_held_all_the_time(db, tmp_path: Path):
    """What is missing from a folder that was not looked at yet is not forgotten while others are begun again."""
    roots = [tmp_path / name for name in ("a", "b", "c")]
    for root in roots:
        root.mkdir()
    watched = [Watch(path=root) for root in roots]
    files = Files(db, "here")

    def make(root: Watch, settings: Ingest) -> Sweeper:
        return Lingering(root, settings, files, lambda: None, Counters())

    folders = Folders(make, watched, Ingest())
    running = asyncio.create_task(folders.run())
    await asyncio.sleep(0)
    changing = asyncio.create_task(folders.change(watched, Ingest(sweep_seconds=7)))
    all_held = {bounds(bytes(root)) for root in roots}
    while not changing.done():
        assert files._held == all_held
        assert files._awaited() is None
        await asyncio.sleep(0)
    assert len((await changing).restarted) == 3
    assert files._held == all_held
    running.cancel()
    await asyncio.wait([running])


async def test_who_hangs_up_is_not_remembered(db, tmp_path: Path):
    """A client that does not wait for `foliod forget` leaves nothing behind."""
    sweeper = Sweeper(Watch(path=tmp_path), Ingest(), Files(db, "here"), lambda: None, Counters())
    asked = asyncio.create_task(sweeper.forget())
    await asyncio.sleep(0)
    assert len(sweeper._confirmations._asked) == 1
    asked.cancel()
    await asyncio.wait([asked])
    assert sweeper._confirmations._asked == []
