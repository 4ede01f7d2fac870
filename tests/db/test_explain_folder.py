"""What the judge of a folder says of one path: every verdict, with a reason and what happens next."""

import asyncio
import math
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from test_sweep import gone, put, sweeping

from foliod.watch import judge, take
from privileges import drop_privileges, hand_over
from waiting import until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look often, so that tests need not wait."""
    monkeypatch.setattr(judge, "COUNT_SECONDS", 0.02)


async def verdict(swept, path) -> str:
    """The verdict on a path, after a look at the rest of the answer."""
    asked = datetime.now(UTC)
    explained = await swept.sweeper.explain(os.fsencode(path))
    assert explained.keys() == {"root", "verdict", "reason", "next", "at", "stat"}
    assert explained["root"] == str(swept.sweeper.root.path) and explained["reason"] and explained["next"]
    if explained["at"] is not None:
        at = datetime.fromisoformat(explained["at"])
        assert asked - timedelta(seconds=2) < at < asked + timedelta(days=1)
    assert (explained["stat"] is not None) == os.path.lexists(path)
    return explained["verdict"]


async def test_what_is_no_file_to_read(db, tmp_path):
    """Outside, not wanted by its name, excluded, no file, a folder, not there: each is named."""
    root = tmp_path / "root"
    put(root / "a.pdf", "a")
    put(root / "notes.txt", "n")
    put(root / "Drafts/deep/d.pdf", "d")
    put(tmp_path / "out.pdf", "o")
    os.mkfifo(root / "pipe.pdf")
    for name, target in {"loop": "loop.pdf", "none": "nowhere", "out": "../out.pdf"}.items():
        (root / f"{name}.pdf").symlink_to(target)
    async with sweeping(db, root, exclude=("drafts",)) as swept:
        await swept.settle()
        assert await swept.sweeper.explain(os.fsencode(tmp_path / "out.pdf")) is None
        assert await verdict(swept, root / "notes.txt") == "unwanted_name"
        assert await verdict(swept, root / "Drafts/deep/d.pdf") == "excluded"
        assert await verdict(swept, root / "Drafts") == "excluded"
        assert await verdict(swept, root) == "folder"
        assert await verdict(swept, root / "no.pdf") == "not_there"
        assert (await swept.sweeper.explain(os.fsencode(root) + b"/a\0.pdf"))["verdict"] == "not_there"
        for name, why in {"pipe": "pipe", "loop": "circle", "none": "nothing", "out": "leads out"}.items():
            assert await verdict(swept, root / f"{name}.pdf") == "ignored"
            assert why in (await swept.sweeper.explain(os.fsencode(root / f"{name}.pdf")))["reason"]
    (root / "sub").mkdir()
    async with sweeping(db, root, recursive=False) as swept:
        assert await verdict(swept, root / "sub/a.pdf") == "not_recursive"
        assert await verdict(swept, root / "sub") == "not_recursive"


async def test_nothing_is_told_of_what_lies_behind_a_link_to_a_folder(db, tmp_path):
    """Whether something is there, how big it is and whose, is not to be learnt through a link out of the folder."""
    root = tmp_path / "root"
    put(root / "a.pdf", "a")
    put(tmp_path / "out/secret.pdf", "s")
    put(tmp_path / "out/deep/secret.txt", "s")
    (root / "l").symlink_to(tmp_path / "out")
    (tmp_path / "entry").symlink_to("root")
    for way in (root, tmp_path / "entry"):
        async with sweeping(db, way) as swept:
            await swept.settle()
            told = [
                await swept.sweeper.explain(os.fsencode(way / "l" / name))
                for name in ("secret.pdf", "none.pdf", "deep", "deep/secret.txt", "deep/none.txt", "no/such/folder.pdf")
            ]
            assert {(one["verdict"], one["stat"]) for one in told} == {("ignored", None)}
            assert all("behind a link" in one["reason"] for one in told)
            assert await verdict(swept, way / "a.pdf") == "known"
            assert await verdict(swept, way / "no/such/folder.pdf") == "not_there"


async def test_the_way_of_a_file(db, tmp_path):
    """Unnoticed, noticed, settling, known, changed, gone: a file's verdict goes with it."""
    keep = put(tmp_path / "keep.pdf", "k")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        assert await verdict(swept, os.fsdecode(keep)) == "known"
        swept.sweeper._settling._seconds = 3600
        path = put(tmp_path / "new.pdf", "n")
        assert await verdict(swept, os.fsdecode(path)) == "unnoticed"
        assert (await swept.sweeper.explain(path))["at"] is not None
        # It has nothing to do now, and so it sleeps on.
        await until(lambda: swept.sweeper._judge.count_at == math.inf)
        swept.sweeper._agenda.hints.add(path)
        assert await verdict(swept, os.fsdecode(path)) == "noticed"
        swept.sweeper.hint(path)
        await until(lambda: path in swept.sweeper._settling)
        assert await verdict(swept, os.fsdecode(path)) == "settling"
        explained = await swept.sweeper.explain(path)
        assert "new" in explained["reason"] and "still for" in explained["reason"]
        assert datetime.fromisoformat(explained["at"]) > datetime.now(UTC) + timedelta(seconds=3000)
        assert explained["stat"]["size"] == 1 and explained["stat"]["inode"] == os.stat(path).st_ino
        swept.sweeper._settling._seconds = 0
        await swept.settle()
        assert await verdict(swept, os.fsdecode(path)) == "known"
        put(tmp_path / "new.pdf", "changed")
        assert await verdict(swept, os.fsdecode(path)) == "unnoticed"
        assert "not as it was" in (await swept.sweeper.explain(path))["reason"]
        os.unlink(path)
        await swept.settle()
        assert await gone(db) == {path} and await verdict(swept, os.fsdecode(path)) == "not_there"
        assert "grace" in (await swept.sweeper.explain(path))["next"]


async def test_a_file_that_somebody_writes(db, tmp_path, monkeypatch):
    """Why a still file is not read is said, and that one which was read is read again."""
    async with sweeping(db, tmp_path) as swept:
        with (tmp_path / "a.pdf").open("wb", buffering=0) as writer:
            writer.write(b"%PDF-1.7 %%EOF")
            path = os.fsencode(tmp_path / "a.pdf")
            swept.sweeper.hint(path)
            await until(lambda: swept.sweeper.report()["unfinished"])
            assert await verdict(swept, os.fsdecode(path)) == "settling"
            assert (await swept.sweeper.explain(path))["reason"] == "somebody is still writing it"
            monkeypatch.setattr(take, "OPEN_SECONDS", 0)
            await until(lambda: path in swept.sweeper._taker.open)
            monkeypatch.setattr(take, "OPEN_SECONDS", 3600)
            assert await verdict(swept, os.fsdecode(path)) == "known"
            assert "read again when it is closed" in (await swept.sweeper.explain(path))["next"]


async def test_without_permission(db, short_dir):
    """A file or folder that may not be read is named so, with the system's reason; what is known is kept."""
    short_dir.chmod(0o755)
    root = short_dir / "root"
    known, shut = put(root / "known.pdf", "k"), put(root / "shut/below.pdf", "b")
    async with sweeping(db, root) as swept:
        await swept.settle()
        hand_over(known, root / "shut")
        os.chmod(known, 0)
        (root / "shut").chmod(0)
        await swept.sweeper._in_thread(drop_privileges)
        for path in (known, shut):
            explained = await swept.sweeper.explain(path)
            assert explained["verdict"] == "unreadable" and explained["at"]
        assert "Permission denied" in (await swept.sweeper.explain(known))["reason"]
        assert "kept" in (await swept.sweeper.explain(shut))["reason"]
        os.chmod(known, 0o644)
        (root / "shut").chmod(0o755)


async def test_without_the_root_or_a_disk(db, tmp_path):
    """A folder that is not there, or a disk inside it: what was read of the file is kept, and that is said."""
    root = tmp_path / "root"
    path, on_disk = put(root / "a.pdf", "a"), put(root / "disk/b.pdf", "b")
    async with sweeping(db, root) as swept:
        await swept.settle()
        async with db.transaction() as tx:
            await tx.connection.execute(
                "UPDATE foliod.files SET folder_device = 1 + folder_device WHERE path = $1", on_disk
            )
        os.unlink(on_disk)
        assert await verdict(swept, os.fsdecode(on_disk)) == "not_there"
        explained = await swept.sweeper.explain(on_disk)
        assert "not mounted" in explained["reason"] and "kept" in explained["next"]
        root.rename(tmp_path / "away")
        assert await verdict(swept, os.fsdecode(path)) == "root_missing"
        assert "kept" in (await swept.sweeper.explain(path))["reason"]
        assert "kept" not in (await swept.sweeper.explain(os.fsencode(root / "c.pdf")))["reason"]


async def test_asking_changes_nothing(db, tmp_path):
    """A question about a path is no look at it: nothing is noticed, read or written down by it."""
    put(tmp_path / "keep.pdf", "k")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        path = put(tmp_path / "new.pdf", "n")
        os.unlink(tmp_path / "keep.pdf")
        for _ in range(3):
            assert await verdict(swept, os.fsdecode(path)) == "unnoticed"
            assert await verdict(swept, str(tmp_path / "keep.pdf")) == "not_there"
        assert await gone(db) == set() and swept.counts["files_hashed"] == 1 and swept.sweeper.pending() == 0


async def test_who_gives_up_waiting_for_an_explanation_stops_nothing(db, tmp_path):
    """A client that hangs up while the folder is busy leaves the watching as it was."""
    put(tmp_path / "a.pdf", "a")
    async with sweeping(db, tmp_path) as swept:
        begun, busy = threading.Event(), threading.Event()
        swept.sweeper._thread.submit(lambda: (begun.set(), busy.wait(300)))
        try:
            await until(begun.is_set)
            asked = asyncio.create_task(swept.sweeper.explain(os.fsencode(tmp_path / "a.pdf")))
            await until(swept.sweeper._thread._work_queue.qsize)
            asked.cancel()
            await asyncio.wait([asked])
        finally:
            busy.set()
        put(tmp_path / "b.pdf", "b")
        await swept.settle()
        assert await verdict(swept, tmp_path / "b.pdf") == "known"
