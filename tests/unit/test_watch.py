"""Folder events become hints, whatever happens to the folder."""

import asyncio
import contextlib
import dataclasses
import errno
import os
from pathlib import Path

import pytest
import structlog

from foliod.base.config import Watch
from foliod.watch import mounts
from foliod.watch import watch as room
from foliod.watch.inotify import Inotify
from foliod.watch.sight import Sight


class Hints:
    """Collects hints and lets a test wait for one."""

    def __init__(self) -> None:
        self.seen: list[bytes | None] = []
        self._more = asyncio.Event()

    def __call__(self, path: bytes | None) -> None:
        self.seen.append(path)
        self._more.set()

    async def wait_for(self, *wanted: bytes | None) -> None:
        async with asyncio.timeout(20):
            while not set(wanted) <= set(self.seen):
                self._more.clear()
                await self._more.wait()

    async def next_root_hint(self) -> None:
        self.seen.clear()
        await self.wait_for(None)


@contextlib.asynccontextmanager
async def watching(path, sight=None, **options):
    """Watch a folder; yield its hints once the watch is in place."""
    hints = Hints()
    task = asyncio.create_task(room.watch(Watch(path=path, **options), hints, sight or Sight()))
    try:
        await hints.wait_for(None)
        yield hints
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def seeing(sight: Sight, hints: Hints) -> None:
    """Wait until a watch is in place, and nothing of what was before it is told any more."""
    async with asyncio.timeout(20):
        while sight.by != "events":
            await asyncio.sleep(0.01)
    hints.seen.clear()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look often, so that tests need not wait."""
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(room, "POLL_SECONDS", 0.05)


async def test_every_kind_of_change_is_hinted(tmp_path):
    """New, changed, renamed and deleted files and folders are each named."""
    root = os.fsencode(tmp_path)
    (tmp_path / "old.pdf").write_bytes(b"1")
    async with watching(tmp_path) as hints:
        (tmp_path / "new.pdf").write_bytes(b"1")
        await hints.wait_for(root + b"/new.pdf")
        hints.seen.clear()
        (tmp_path / "new.pdf").write_bytes(b"2")
        (tmp_path / "old.pdf").rename(tmp_path / "renamed.pdf")
        await hints.wait_for(root + b"/new.pdf", root + b"/old.pdf", root + b"/renamed.pdf")
        hints.seen.clear()
        (tmp_path / "renamed.pdf").unlink()
        (tmp_path / "sub").mkdir()
        await hints.wait_for(root + b"/renamed.pdf", root + b"/sub")


async def test_a_moved_in_folder_is_hinted(tmp_path):
    """A folder that is moved in names itself; who gets the hint looks inside."""
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside/a.pdf").write_bytes(b"1")
    (tmp_path / "root").mkdir()
    async with watching(tmp_path / "root") as hints:
        (tmp_path / "aside").rename(tmp_path / "root/sub")
        await hints.wait_for(os.fsencode(tmp_path / "root/sub"))


async def test_a_name_that_is_not_utf8_is_hinted_like_any_other(tmp_path):
    """Names are bytes: newlines, emoji and what is no text at all."""
    async with watching(tmp_path) as hints:
        for name in (b"bad_\xff.pdf", b"line\nbreak.pdf", "📄.pdf".encode(), b"n" * 255):
            path = os.path.join(os.fsencode(tmp_path), name)
            with open(path, "wb"):
                pass
            await hints.wait_for(path)


async def test_new_folders_are_watched_before_they_are_named(tmp_path):
    """However deep and however quickly: who gets the hint finds what is there, and later changes are hinted."""
    async with watching(tmp_path) as hints:
        for n in range(20):
            deep = tmp_path / f"{n}/a/b"
            deep.mkdir(parents=True)
            await hints.wait_for(os.fsencode(tmp_path / f"{n}"))
            (deep / "c.pdf").touch()
            await hints.wait_for(os.fsencode(deep / "c.pdf"))


async def test_a_folder_that_is_renamed_is_watched_by_its_new_name(tmp_path):
    """Also what lies in it; what is moved out is watched no more."""
    (tmp_path / "root/old/deep").mkdir(parents=True)
    async with watching(tmp_path / "root") as hints:
        (tmp_path / "root/old").rename(tmp_path / "root/new")
        await hints.wait_for(os.fsencode(tmp_path / "root/new"))
        (tmp_path / "root/new/deep/a.pdf").touch()
        await hints.wait_for(os.fsencode(tmp_path / "root/new/deep/a.pdf"))
        (tmp_path / "root/new").rename(tmp_path / "out")
        await hints.wait_for(os.fsencode(tmp_path / "root/new"))
        hints.seen.clear()
        (tmp_path / "out/deep/b.pdf").touch()
        (tmp_path / "root/b.pdf").touch()
        await hints.wait_for(os.fsencode(tmp_path / "root/b.pdf"))
        assert not any(b"deep" in path for path in hints.seen)


async def test_what_is_excluded_or_below_a_flat_root_is_not_watched(tmp_path):
    """Watches are few: folders that are left alone need none."""
    (tmp_path / "drafts/deep").mkdir(parents=True)
    for options in {"exclude": ("drafts",)}, {"recursive": False}:
        async with watching(tmp_path, **options) as hints:
            hints.seen.clear()
            (tmp_path / "drafts/deep/a.pdf").write_bytes(b"1")
            (tmp_path / "b.pdf").write_bytes(b"1")
            await hints.wait_for(os.fsencode(tmp_path / "b.pdf"))
            assert os.fsencode(tmp_path / "drafts/deep/a.pdf") not in hints.seen


async def test_many_changes_at_once_are_one_hint(tmp_path, monkeypatch):
    """A flood is not passed on one by one: the whole root is looked at."""
    monkeypatch.setattr(room, "MANY", 5)
    async with watching(tmp_path) as hints:
        hints.seen.clear()
        for n in range(300):
            (tmp_path / f"{n}.pdf").touch()
        await hints.wait_for(None)
        assert len(hints.seen) < 300


async def test_a_missing_root_is_waited_for(tmp_path):
    """A root that is not there is reported once, and watched from when it appears."""
    root = tmp_path / "later"
    with structlog.testing.capture_logs() as logs:
        async with watching(root) as hints:
            hints.seen.clear()
            root.mkdir()
            await hints.wait_for(None)
            (root / "a.pdf").write_bytes(b"1")
            await hints.wait_for(os.fsencode(root / "a.pdf"))
    assert [log["event"] for log in logs] == ["watch_waiting"]


async def test_a_root_that_is_replaced_is_watched_again(tmp_path):
    """A deleted root tells nothing any more; its successor is noticed although no event names it."""
    root = tmp_path / "root"
    root.mkdir()
    async with watching(root) as hints:
        root.rename(tmp_path / "was")
        root.mkdir()
        await hints.next_root_hint()
        await hints.next_root_hint()
        (root / "a.pdf").write_bytes(b"1")
        await hints.wait_for(os.fsencode(root / "a.pdf"))


async def test_a_root_made_anew_at_once_is_watched_again(tmp_path):
    """Deleted and made again between two looks, maybe with the same inode: the watch on the old one is given up."""
    root = tmp_path / "root"
    root.mkdir()
    sight = Sight()
    async with watching(root, sight) as hints:
        for n in range(3):
            await seeing(sight, hints)
            root.rmdir()
            root.mkdir()
            await hints.wait_for(None)
            sight.by = "sweeps"
            await seeing(sight, hints)
            (root / f"{n}.pdf").write_bytes(b"1")
            await hints.wait_for(os.fsencode(root / f"{n}.pdf"))
            (root / f"{n}.pdf").unlink()


@pytest.mark.parametrize("why", ["overflow", "doubt"])
async def test_a_watch_that_missed_something_is_made_anew(tmp_path, monkeypatch, why):
    """After an overflow of the kernel's queue, or a change that nobody told of: all folders are watched again."""
    monkeypatch.setattr(room, "STEADY_SECONDS", 0.2)
    sight = Sight()
    with structlog.testing.capture_logs() as logs:
        async with watching(tmp_path, sight) as hints:
            await seeing(sight, hints)
            if why == "doubt":
                (tmp_path / "late/deep").mkdir(parents=True)
                sight.doubt.set()
            else:
                limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
                for n in range(limit // 2):  # while nobody asks for events
                    os.close(os.open(tmp_path / f"{n % 2}.tmp", os.O_CREAT | os.O_WRONLY))
                    os.unlink(tmp_path / f"{n % 2}.tmp")
                (tmp_path / "late/deep").mkdir(parents=True)
            async with asyncio.timeout(20):
                while not any(log["event"] == "watch_renewed" for log in logs):
                    await asyncio.sleep(0.01)
            sight.by = "sweeps"
            await seeing(sight, hints)
            (tmp_path / "late/deep/next.pdf").write_bytes(b"1")
            await hints.wait_for(os.fsencode(tmp_path / "late/deep/next.pdf"))
    [renewed] = [log for log in logs if log["event"] == "watch_renewed"]
    assert ("lost" if why == "overflow" else "no event told") in renewed["reason"]


async def test_a_root_that_becomes_readable_is_watched(tmp_path, monkeypatch):
    """Where the folder itself could not be listed nothing was watched; that it can be now is noticed."""
    shut, real = True, room.place

    def place(path):
        return dataclasses.replace(real(path), readable=not shut)

    monkeypatch.setattr(room, "place", place)
    async with watching(tmp_path) as hints:
        hints.seen.clear()
        shut = False
        await hints.wait_for(None)


def refuse(monkeypatch, folder: bytes, number: int) -> list[int]:
    """Have the kernel refuse to watch a folder; returns a list that ends that when it is emptied."""
    real, refusals = Inotify.add, [number]

    def add(self, path, **options):
        if path == folder and refusals:
            raise OSError(number, os.strerror(number), path)
        return real(self, path, **options)

    monkeypatch.setattr(Inotify, "add", add)
    return refusals


async def test_an_unreadable_subfolder_does_not_blind_the_rest(tmp_path, monkeypatch):
    """Where a subfolder can't be watched, the others are, and it is as soon as it can be read."""
    for name in ("shut", "open"):
        (tmp_path / name).mkdir()
    refusals = refuse(monkeypatch, os.fsencode(tmp_path / "shut"), errno.EACCES)
    sight = Sight()
    async with watching(tmp_path, sight) as hints:
        await seeing(sight, hints)
        assert str(tmp_path / "shut") in sight.reason
        (tmp_path / "open/a.pdf").write_bytes(b"1")
        await hints.wait_for(os.fsencode(tmp_path / "open/a.pdf"))
        refusals.clear()
        (tmp_path / "shut").chmod(0o700)
        await hints.wait_for(os.fsencode(tmp_path / "shut"))
        (tmp_path / "shut/a.pdf").write_bytes(b"1")
        await hints.wait_for(os.fsencode(tmp_path / "shut/a.pdf"))
        assert sight.reason is None


@pytest.mark.parametrize("later", [False, True])
async def test_the_limit_of_watches_is_told_with_advice(tmp_path, monkeypatch, later):
    """At the start or when a folder comes: the root is swept again and again, log and status say what to do."""
    monkeypatch.setattr(room, "FIRST_WAIT", 30)
    refuse(monkeypatch, os.fsencode(tmp_path / "sub"), errno.ENOSPC)
    sight = Sight()
    if not later:
        (tmp_path / "sub").mkdir()
    with structlog.testing.capture_logs() as logs:
        async with watching(tmp_path, sight) as hints:
            if later:
                await seeing(sight, hints)
                (tmp_path / "sub").mkdir()
            for _ in range(3):
                await hints.next_root_hint()
            assert sight.by == "sweeps" and "max_user_watches" in sight.reason
    assert "max_user_watches" in logs[0]["reason"]


async def test_the_limit_of_instances_is_told_with_advice(tmp_path, monkeypatch):
    """Other programs may have used up what the kernel gives to one user."""

    def init(self):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(Inotify, "__init__", init)
    sight = Sight()
    async with watching(tmp_path, sight) as hints:
        await hints.next_root_hint()
        assert sight.by == "sweeps" and "max_user_instances" in sight.reason


async def test_polling_hints_again_and_again(tmp_path):
    """A network mount sends no events: with `poll` the root is swept all the time."""
    async with watching(tmp_path, poll=True) as hints:
        await hints.next_root_hint()
        await hints.next_root_hint()


async def test_a_network_mount_is_found_out(tmp_path, monkeypatch):
    """A file system that others change without an event is polled unasked, also when it lies inside the folder."""
    assert mounts.place(os.fsencode(tmp_path)).remote is None
    assert mounts.place(b"/no/such/folder") is None
    monkeypatch.setattr(mounts, "REMOTE", mounts.REMOTE | {"proc"})
    assert mounts.place(b"/proc").remote == mounts.place(b"/").remote == "proc"
    state = tmp_path.stat()
    device = f"{os.major(state.st_dev)}:{os.minor(state.st_dev)}"
    table = tmp_path.parent / "mountinfo"
    monkeypatch.setattr(mounts, "MOUNTS", str(table))
    for number, point in (device, tmp_path.parent), ("0:99", tmp_path / "a disk"):
        escaped = str(point).replace(" ", r"\040")
        table.write_text(f"36 35 {number} / {escaped} rw,noatime master:1 - nfs4 server:/export rw\n")
        sight = Sight()
        with structlog.testing.capture_logs() as logs:
            async with watching(tmp_path, sight) as hints:
                await hints.next_root_hint()
        assert logs[0]["event"] == "watch_polling" and logs[0]["file_system"] == "nfs4"
        assert sight.by == "polling" and "nfs4" in sight.reason


async def test_stopping_is_quick_and_leaves_nothing_open(tmp_path):
    """Also in the middle of watching many folders for the first time."""
    for n in range(300):
        (tmp_path / f"{n}/sub").mkdir(parents=True)
    opened = len(os.listdir("/proc/self/fd"))
    for n in range(10):
        task = asyncio.create_task(room.watch(Watch(path=tmp_path), Hints(), Sight()))
        await asyncio.sleep(n * 0.005)
        task.cancel()
        async with asyncio.timeout(2):
            await asyncio.wait([task])
        assert task.cancelled()
    assert len(os.listdir("/proc/self/fd")) == opened
