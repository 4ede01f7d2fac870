"""What of a new configuration can be in force at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from foliod.base.config import Database, Ingest, Log, Ollama, Search, Server, Settings, Watch
from foliod.base.errors import ConfigError
from foliod.start.notify import Manager
from foliod.start.reload import FIXED, LIVE, Reloader, merged
from service_manager import receiving
from waiting import until


def test_every_section_and_key_that_is_named_is_there():
    """A key that is renamed does not silently become one that can change."""
    assert set(Settings.model_fields) >= LIVE
    for section, key in FIXED:
        assert section in LIVE
        assert key in type(getattr(Settings(), section)).model_fields


def test_what_can_change_is_taken_and_the_rest_is_kept(tmp_path):
    """Each key that changed is either in force or named as waiting, and never both."""
    old = Settings(state_dir=tmp_path)
    new = Settings(
        state_dir=tmp_path / "other",
        watch=(Watch(path=tmp_path),),
        database=Database(pool_size=20, url="postgresql://u:secret@h/d"),
        ollama=Ollama(chat_model="c", embed_model="e"),
        server=Server(http="127.0.0.1:1", max_request_kb=17, socket=tmp_path / "s"),
        ingest=Ingest(workers=3, page_seconds=3),
        search=Search(limit=3),
        log=Log(level="debug"),
    )
    settings, changed, waiting = merged(old, new)
    assert set(changed) == {
        "[[watch]]", "[ollama] chat_model", "[server] max_request_kb", "[ingest] page_seconds", "[search] limit",
        "[log] level",
    }  # fmt: skip
    assert set(waiting) == {
        "state_dir", "[database] url", "[database] pool_size", "[ollama] embed_model", "[server] http",
        "[server] socket", "[ingest] workers",
    }  # fmt: skip
    assert settings.watch == new.watch
    assert settings.state_dir == tmp_path
    assert settings.database == old.database
    assert (settings.ollama.chat_model, settings.ollama.embed_model) == ("c", old.ollama.embed_model)
    assert (settings.server.http, settings.server.max_request_kb) == (None, 17)
    assert (settings.ingest.workers, settings.ingest.page_seconds) == (0, 3)
    assert "secret" not in repr((changed, waiting))
    # What waits goes on waiting, and what was taken is no news any more.
    again, changed, still = merged(settings, new)
    assert (again, changed, still) == (settings, (), waiting)
    assert merged(settings, settings)[1:] == ((), ())


class Source:
    """What the configuration file says from one time to the next."""

    def __init__(self, *said: Settings | ConfigError) -> None:
        self.said = list(said)
        self.applied: list[Settings] = []

    def load(self) -> Settings:
        said = self.said.pop(0)
        if isinstance(said, ConfigError):
            raise said
        return said

    async def apply(self, settings: Settings) -> None:
        self.applied.append(settings)


@pytest.mark.parametrize("ready", [True, False])
async def test_a_reload_ends_with_ready_whatever_comes_of_it(short_dir, ready):
    """The service manager waits for READY after RELOADING; a daemon that still starts says neither."""
    bad = ConfigError("foliod.toml, line 3: limt is not known")
    source = Source(Settings(search=Search(limit=3)), bad, Settings())
    with receiving(short_dir) as received:
        manager = Manager(str(received.path))
        if ready:
            manager.begin()
        reloader = Reloader(Settings(), source.load, source.apply, manager)
        task = asyncio.create_task(reloader.run())
        notes = []
        for left in (2, 1, 0):
            before = reloader.configuration
            reloader.ask()
            await until(lambda before=before: reloader.configuration is not before and manager.ready is ready)
            assert len(source.said) == left
            notes.append(reloader.note)
        task.cancel()
        await asyncio.wait([task])
        lines = received.lines()
    assert notes == [None, f"configuration not reloaded: {bad.message}", None]
    assert [settings.search.limit for settings in source.applied] == [3, Settings().search.limit]
    assert lines.count("RELOADING=1") == 3 * ready
    assert lines.count("READY=1") == 4 * ready
    if ready:
        assert lines[-1] == "READY=1"


async def test_asked_twice_while_it_reads_it_reads_once_more(short_dir):
    """Whoever changes the file while it is being read gets the change: the last word counts."""
    started, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    reads = []

    def load() -> Settings:
        reads.append(1)
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(60)
        return Settings(state_dir=Path("/x"))

    async def apply(_: Settings) -> None:
        return

    reloader = Reloader(Settings(), load, apply, Manager())
    task = asyncio.create_task(reloader.run())
    reloader.ask()
    await started.wait()
    for _ in range(5):
        reloader.ask()
    go_on.set()
    await until(lambda: len(reads) == 2 and reloader.note)
    await asyncio.sleep(0.05)
    assert len(reads) == 2
    assert reloader.note == "restart needed for state_dir"
    task.cancel()
    await asyncio.wait([task])
