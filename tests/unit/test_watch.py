"""Folder events become hints, whatever happens to the folder."""

import asyncio
import contextlib
import dataclasses
import os
import threading
import time

import pytest
import structlog

from foliod.base.config import Watch
from foliod.watch import mounts
from foliod.watch import watch as room
from foliod.watch.sight import Sight
from privileges import hand_over, unprivileged
from waiting import PATIENCE, until


class Hints:
    """Collects hints and lets a test wait for one."""

    def __init__(self) -> None:
        self.seen: list[bytes | None] = []
        self._more = asyncio.Event()

    def __call__(self, path: bytes | None) -> None:
        self.seen.append(path)
        self._more.set()

    async def wait_for(self, *wanted: bytes | None) -> None:
        async with asyncio.timeout(PATIENCE):
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
    await until(lambda: sight.by == "events")
    hints.seen.clear()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look often, so that tests need not wait."""
    monkeypatch.setattr(room, "LOOK_MS", 100)
    # However busy the machine is, events are not given up for hints to look at all.
    monkeypatch.setattr(room, "STALL_SECONDS", 3600.0)
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


async def test_a_name_that_is_not_utf8_costs_nothing(tmp_path):
    """The watch dies of such a name: the root is swept, and a fresh watch sees what comes next."""
    sight = Sight()
    async with watching(tmp_path, sight) as hints:
        with structlog.testing.capture_logs() as logs:
            hints.seen.clear()
            with open(os.fsencode(tmp_path) + b"/bad_\xff.pdf", "wb"):
                pass
            await hints.wait_for(None)
            await seeing(sight, hints)
            (tmp_path / "next.pdf").write_bytes(b"1")
            await hints.wait_for(os.fsencode(tmp_path / "next.pdf"))
        assert [log["event"] for log in logs] == ["watch_broken"]


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


@pytest.mark.parametrize("why", ["flood", "doubt", "stalled"])
async def test_a_watch_that_may_have_missed_something_is_made_anew(tmp_path, monkeypatch, why):
    """After a flood, a stop, or a change that nobody told of, folders may not be watched: all are watched again."""
    monkeypatch.setattr(room, "MANY", 5 if why == "flood" else 10_000)
    monkeypatch.setattr(room, "STEADY_SECONDS", 0.2)
    sight = Sight()
    with structlog.testing.capture_logs() as logs:
        async with watching(tmp_path, sight) as hints:
            await seeing(sight, hints)
            if why == "doubt":
                sight.doubt.set()
            else:
                for n in range(50):
                    (tmp_path / f"{n}.pdf").touch()
                if why == "stalled":
                    monkeypatch.setattr(room, "STALL_SECONDS", 0.5)
                    time.sleep(1)
            await until(lambda: any(log["event"] == "watch_renewed" for log in logs))
            monkeypatch.setattr(room, "STALL_SECONDS", 3600.0)
            sight.by = "sweeps"
            await seeing(sight, hints)
            (tmp_path / "next.pdf").write_bytes(b"1")
            await hints.wait_for(os.fsencode(tmp_path / "next.pdf"))


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


async def test_while_the_watch_is_broken_the_root_is_swept_often(tmp_path, monkeypatch):
    """However long it takes until the next try: changes are not noticed a minute late."""
    monkeypatch.setattr(room, "FIRST_WAIT", 30)

    def awatch(*paths, **options):
        msg = "OS file watch limit reached."
        raise OSError(msg)

    monkeypatch.setattr(room, "awatch", awatch)
    sight = Sight()
    async with watching(tmp_path, sight) as hints:
        for _ in range(3):
            await hints.next_root_hint()
        assert sight.by == "sweeps" and "max_user_watches" in sight.reason


async def test_an_unreadable_subfolder_does_not_blind_the_rest(tmp_path, monkeypatch):
    """Where a subfolder can't be watched, the others are."""
    real = room.awatch

    def awatch(*paths, ignore_permission_denied, **options):
        if not ignore_permission_denied:
            raise PermissionError(13, "Permission denied", str(tmp_path / "shut"))
        return real(*paths, ignore_permission_denied=True, **options)

    monkeypatch.setattr(room, "awatch", awatch)
    sight = Sight()
    async with watching(tmp_path, sight) as hints:
        await seeing(sight, hints)
        assert "not watched" in sight.reason
        (tmp_path / "a.pdf").write_bytes(b"1")
        await hints.wait_for(os.fsencode(tmp_path / "a.pdf"))


def test_watchfiles_says_permission_denied_for_an_unreadable_subfolder(short_dir):
    """The error of the test before is the one that watchfiles really raises."""
    short_dir.chmod(0o755)
    shut = short_dir / "shut"
    shut.mkdir()
    hand_over(shut)
    shut.chmod(0)

    async def first() -> None:
        async for _ in room.awatch(short_dir, rust_timeout=50, yield_on_timeout=True, force_polling=False):
            return

    try:
        with pytest.raises(Exception) as caught:
            unprivileged(asyncio.run, first())
    finally:
        shut.chmod(0o755)
    assert room._denied(caught.value)


async def test_the_limit_of_watches_is_told_with_advice(tmp_path, monkeypatch):
    """When the kernel gives no more watches, the root is swept again and again and the log says what to do."""
    monkeypatch.setattr(room, "FIRST_WAIT", 0.001)

    def awatch(*paths, **options):
        msg = "OS file watch limit reached."
        raise OSError(msg)

    monkeypatch.setattr(room, "awatch", awatch)
    with structlog.testing.capture_logs() as logs:
        async with watching(tmp_path) as hints:
            await hints.next_root_hint()
            await hints.next_root_hint()
    assert "max_user_watches" in logs[0]["reason"]


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


async def test_stopping_is_quick_and_leaves_no_busy_thread(tmp_path, monkeypatch):
    """The thread that waits for events ends with the task, not at the next event."""
    monkeypatch.setattr(room, "LOOK_MS", 600_000)
    async with watching_started(tmp_path) as task:
        task.cancel()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(asyncio.CancelledError):
                await task
    await until(lambda: not any(thread.name.startswith("AnyIO") and busy(thread) for thread in threading.enumerate()))


@contextlib.asynccontextmanager
async def watching_started(path):
    """Watch a folder; yield the task once its first event came through."""
    hints = Hints()
    task = asyncio.create_task(room.watch(Watch(path=path), hints, Sight()))

    def seen() -> bool:
        (path / "x.pdf").touch()
        (path / "x.pdf").unlink()
        return bool(hints.seen)

    await until(seen)
    yield task


def busy(thread: threading.Thread) -> bool:
    """Say whether a worker thread of AnyIO is at work; idle ones wait for work in a queue."""
    import sys
    import traceback

    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and not any(step.filename.endswith("queue.py") for step in traceback.extract_stack(frame))


async def test_folders_that_hang_take_no_thread_from_anybody_else(tmp_path, monkeypatch):
    """More dead network mounts than the event loop has threads: the rest of the daemon goes on."""
    answers = threading.Event()

    def hanging(_: bytes) -> None:
        answers.wait(300)

    monkeypatch.setattr(room, "place", hanging)
    watches = [
        asyncio.create_task(room.watch(Watch(path=tmp_path), lambda _: None, Sight()))
        for _ in range(min(32, (os.cpu_count() or 1) + 4) + 1)
    ]
    try:
        await until(lambda: threading.active_count() >= len(watches))
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(lambda: None)
    finally:
        answers.set()
        for task in watches:
            task.cancel()
        await asyncio.wait(watches)
