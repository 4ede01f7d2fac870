"""Files that are still but not finished wait, links follow their targets, and what may only have moved is not forgotten."""

import asyncio
import mmap
import os
import shutil

import pytest
from test_store import HOST
from test_sweep import gone, put, rows, stored, sweeping, there

from foliod.base.config import Ingest, Watch
from foliod.store.files import Files
from foliod.watch import judge, take
from foliod.watch.sweep import Sweeper
from waiting import until

LONG = 240
"""Seconds for a thousand files on a machine that has other work to do."""
WHOLE = b"%PDF-1.7\n" + b"x" * 3000 + b"\n%%EOF\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look often, so that tests need not wait."""
    monkeypatch.setattr(judge, "COUNT_SECONDS", 0.02)
    monkeypatch.setattr(take, "POSTPONED_SECONDS", (0.02, 5.0))


async def test_a_file_that_is_open_for_writing_waits_until_it_is_closed(db, tmp_path):
    """A download that pauses is not read half; log and status say why it waits."""
    path = tmp_path / "a.pdf"
    async with sweeping(db, tmp_path) as swept:
        with path.open("wb", buffering=0) as writer:
            writer.write(WHOLE[:2000])
            swept.sweeper.hint(os.fsencode(path))
            await until(lambda: swept.sweeper.report()["unfinished"] == 1)
            await until(lambda: swept.events("file_unfinished"))
            assert swept.events("file_unfinished") == [
                {
                    "event": "file_unfinished",
                    "log_level": "info",
                    "file": str(path),
                    "reason": "somebody is still writing it",
                }
            ]
            assert swept.counts["files_hashed"] == 0 and swept.sweeper.report()["settling"] == 1
            writer.write(WHOLE[2000:])
        await swept.settle()
        assert await stored(db) == there(tmp_path) and swept.counts["files_hashed"] == 1
        assert swept.sweeper.report()["unfinished"] == 0


async def test_a_file_that_is_never_closed_is_read_all_the_same_and_again_when_it_is(db, tmp_path, monkeypatch):
    """A program that keeps its file open does not hide it; what it wrote unseen through a map is read in the end."""
    monkeypatch.setattr(take, "OPEN_SECONDS", 0.2)
    path = tmp_path / "a.pdf"
    put(path, WHOLE)
    async with sweeping(db, tmp_path) as swept:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            file.close()
            memory[2000:2001] = b"1"  # from now on, what is written to this page changes no time
            swept.sweeper.hint(os.fsencode(path))
            await until(lambda: os.fsencode(path) in swept.sweeper._taker.open)
            before = await stored(db)
            assert before == there(tmp_path)
            state = path.stat()
            memory[2000:2003] = b"yyy"
            assert path.stat().st_mtime_ns == state.st_mtime_ns
            await asyncio.sleep(0.5)
            await swept.settle()
            assert await stored(db) == before, "it can't be seen"
            assert swept.counts["files_hashed"] <= 2

        async def alike() -> bool:
            return await stored(db) == there(tmp_path)

        await until(alike)
        await until(lambda: not swept.sweeper._taker.open)
        assert before != await stored(db)


async def test_a_pdf_without_an_end_is_given_longer(db, tmp_path, monkeypatch):
    """Growing by closed pieces with long pauses: read when its end is there; one that stays without is read, too."""
    monkeypatch.setattr(take, "ENDLESS_TIMES", 10_000)
    path = put(tmp_path / "a.pdf", WHOLE[:2000])
    old = put(tmp_path / "old.pdf", WHOLE[:1500])
    os.utime(old, (1e9, 1e9))
    async with sweeping(db, tmp_path, settle=0.2) as swept:
        await until(lambda: swept.sweeper.report()["unfinished"] == 1)
        # The one that is old is as it will be.
        await until(lambda: swept.counts["files_hashed"] == 1)
        with open(path, "ab") as file:
            file.write(WHOLE[2000:])
        swept.sweeper.hint(path)
        await swept.settle()
        assert await stored(db) == there(tmp_path) and swept.counts["files_hashed"] == 2
        swept.sweeper._taker._endless_seconds = 1.0
        put(tmp_path / "cut.pdf", WHOLE[:1000])
        await swept.settle()
        assert await stored(db) == there(tmp_path) and swept.counts["files_hashed"] == 3


# --- links ------------------------------------------------------------------------------


async def test_a_link_follows_what_it_leads_to_without_a_sweep(db, tmp_path):
    """Changing, deleting or bringing back a file is noticed for the links to it, of which no event tells."""
    root = tmp_path / "root"
    target = put(root / "sub/a.pdf", "one")
    put(root / "keep.pdf", "k")
    (root / "link.pdf").symlink_to("sub/a.pdf")
    link = os.fsencode(root / "link.pdf")
    async with sweeping(db, root) as swept:
        await swept.settle()
        assert await rows(db, "SELECT count(*) FROM foliod.documents") == [(2,)], "one document in two places"
        sweeps = len(swept.events("swept"))
        put(root / "sub/a.pdf", "two")
        swept.sweeper.hint(target)
        await until(lambda: swept.counts["files_hashed"] == 5)

        async def alike() -> bool:
            return await stored(db) == there(root)

        # A file is counted before it is written down.
        await until(alike)
        os.unlink(target)
        await swept.sweeper.wait_settled(target)
        assert await gone(db) == {target, link}
        put(root / "sub/a.pdf", "three")
        await swept.sweeper.wait_settled(target)
        await until(lambda: swept.counts["files_hashed"] == 7)
        await until(alike)
        assert len(swept.events("swept")) == sweeps


async def test_a_hint_behind_a_link_to_a_folder_is_one_for_where_the_file_lies(db, tmp_path):
    """Events may come by the name of a link to a folder inside the root: the file is read where it lies, and only there."""
    put(tmp_path / "sub/keep.pdf", "k")
    (tmp_path / "l").symlink_to("sub")
    (tmp_path / "top").symlink_to(".")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        sweeps = len(swept.events("swept"))
        for way, path in (("l/a.pdf", "sub/a.pdf"), ("top/b.pdf", "b.pdf")):
            put(tmp_path / path, path)
            await swept.sweeper.wait_settled(os.fsencode(tmp_path / way))
            await swept.sweeper.wait_settled(os.fsencode(tmp_path / "l/none.pdf"))
            assert await stored(db) == there(tmp_path)
        assert len(swept.events("swept")) == sweeps


async def test_a_root_that_is_a_link_to_somewhere_else_now(db, tmp_path):
    """Re-pointed to another folder: the store equals that one, and what is in both is not a new document."""
    for name in ("first", "second"):
        put(tmp_path / name / "both.pdf", "both")
        put(tmp_path / name / f"{name}.pdf", name)
    root = tmp_path / "root"
    root.symlink_to("first")
    async with sweeping(db, root, live=True) as swept:
        await swept.settle()
        both = await rows(db, "SELECT id FROM foliod.documents WHERE size = 4")
        (tmp_path / "new").symlink_to("second")
        os.replace(tmp_path / "new", root)

        async def alike() -> bool:
            return await stored(db) == there(root)

        await until(alike)
        assert both == await rows(db, "SELECT id FROM foliod.documents WHERE size = 4")
        put(root / "later.pdf", "later")
        await until(alike)


# --- what may only have moved -----------------------------------------------------------


async def test_a_big_folder_that_is_renamed_costs_no_document(db, tmp_path):
    """1,000 files under another name: all are the same documents, although no grace is given."""
    for n in range(1000):
        put(tmp_path / f"old/{n % 7}/{n}.pdf", f"number {n}")
    put(tmp_path / "keep.pdf", "k")
    async with sweeping(db, tmp_path, live=True) as swept:
        await swept.settle()
        documents = await rows(db, "SELECT id, sha256 FROM foliod.documents ORDER BY id")
        (tmp_path / "old").rename(tmp_path / "new")
        expected = there(tmp_path)
        await until(lambda: swept.events("files_gone"), LONG)

        async def alike() -> bool:
            await swept.files.forget_gone(0)
            # Not all the time: the sweeper has its work in the same loop.
            await asyncio.sleep(0.1)
            return await stored(db) == expected

        await until(alike, LONG)
        assert await rows(db, "SELECT id, sha256 FROM foliod.documents ORDER BY id") == documents
        assert len(documents) == 1001 and not await gone(db)


@pytest.mark.parametrize("look", ["sweep", "hints"])
async def test_nothing_is_forgotten_between_leaving_and_arriving(db, tmp_path, monkeypatch, look):
    """A file that moved is awaited at its new place from the moment that it is missed at its old one."""
    put(tmp_path / "keep.pdf", "k")
    old, new = put(tmp_path / "old/a.pdf", "moving"), os.fsencode(tmp_path / "new/a.pdf")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        document = await rows(db, "SELECT id FROM foliod.documents WHERE size = 6")
        miss = Files.miss

        async def miss_and_forget(self, paths):
            await miss(self, paths)
            if paths:
                assert await gone(db) == {old}
                assert await self.forget_gone(0) == 0

        monkeypatch.setattr(Files, "miss", miss_and_forget)
        (tmp_path / "old").rename(tmp_path / "new")
        if look == "sweep":
            swept.sweeper.hint()
        else:
            swept.sweeper.hint(os.path.dirname(old))
            swept.sweeper.hint(os.path.dirname(new))

        async def arrived() -> bool:
            return await stored(db) == there(tmp_path)

        await until(arrived)
        assert await rows(db, "SELECT id FROM foliod.documents WHERE size = 6") == document
        # It is told after it is written down.
        await until(lambda: swept.events("file_moved"))
        assert len(swept.events("file_moved")) == 1


async def test_moved_between_two_folders_while_nobody_looked(db, tmp_path):
    """Nothing is forgotten before both folders were looked through, and read what is there."""
    one, two = tmp_path / "one", tmp_path / "two"
    put(one / "keep.pdf", "k")
    put(one / "a.pdf", "moving")
    two.mkdir()
    async with sweeping(db, one) as swept:
        await swept.settle()
    document = await rows(db, "SELECT id FROM foliod.documents WHERE size = 6")
    shutil.move(one / "a.pdf", two / "b.pdf")
    files = Files(db, HOST)
    settings = Ingest(sweep_seconds=3600)

    def sweeper(folder, settle):
        from test_sweep import Counts

        return Sweeper(Watch(path=folder, settle_seconds=settle), settings, files, lambda: None, Counts())

    first, second = sweeper(one, 0), sweeper(two, 3600)
    tasks = []
    try:
        for each in (first, second):
            tasks.append(asyncio.create_task(each._work()))
            await each.first_sweep_done.wait()
            if each is first:
                await until(lambda: not first.pending())
            assert await files.forget_gone(0) == 0
        second._settling._seconds = 0
        second.hint()
        await second.wait_settled()
        assert await files.forget_gone(0) == 0
        assert await rows(db, "SELECT id FROM foliod.documents WHERE size = 6") == document
        assert await stored(db) == there(tmp_path)
        os.unlink(two / "b.pdf")
        put(two / "keep.pdf", "k")
        await second.wait_settled()
        assert await files.forget_gone(0) == 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_hidden_leftovers_do_not_make_an_empty_folder_a_full_one(db, tmp_path):
    """What a synchroniser leaves behind when it empties a folder takes nothing out of the index; a forgotten root is empty."""
    root = tmp_path / "root"
    for n in range(3):
        put(root / f"{n}.pdf", str(n))
    put(root / ".stignore", "x")
    async with sweeping(db, root) as swept:
        await swept.settle()
        for n in range(3):
            os.unlink(root / f"{n}.pdf")
            swept.sweeper.hint(os.fsencode(root / f"{n}.pdf"))
        await swept.settle()
        assert swept.sweeper.state == "empty" and len(await stored(db)) == 3
        assert "foliod forget" in swept.sweeper.report()["reason"]
        assert await swept.sweeper.forget() == 3
        await swept.settle()
        assert swept.sweeper.state == "ok"
        assert await swept.files.forget_gone(60) == 3
