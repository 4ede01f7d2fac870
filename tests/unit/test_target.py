"""The file that a backup is written to."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from foliod.base.errors import ConflictError
from foliod.start.target import atomically, target_of


def put(target: Path, *, force: bool = True) -> None:
    with atomically(target_of(target, force=force), force=force) as (into, finish):
        into.write(b"new")
        finish()


@pytest.mark.parametrize("kind", ["device", "link", "folder", "pipe"])
def test_only_a_file_is_replaced(tmp_path, kind):
    """`--force` takes away no device such as /dev/null, no link, no folder and no pipe."""
    target = tmp_path / "there"
    if kind == "device":
        if os.geteuid() != 0:
            pytest.skip("making a device takes root")
        os.mknod(target, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    elif kind == "link":
        (tmp_path / "file").write_bytes(b"old")
        target.symlink_to(tmp_path / "file")
    elif kind == "folder":
        target.mkdir()
    else:
        os.mkfifo(target)
    before = target.lstat()
    with pytest.raises(ConflictError, match="no regular file"):
        put(target)
    with pytest.raises(ConflictError, match="no regular file"), atomically(target, force=True) as (_, finish):
        finish()
    assert os.path.samestat(target.lstat(), before)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_file_is_replaced_as_a_whole_when_that_is_asked_for(tmp_path):
    """Without --force what is there stays; with it the new one is there, for its owner only."""
    target = tmp_path / "there"
    target.write_bytes(b"old")
    with pytest.raises(ConflictError, match="exists"):
        put(target, force=False)
    put(target)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["there"]


def test_what_a_killed_backup_left_goes_with_the_next(tmp_path):
    """Parts of the same file go, unless a backup still writes them; what has another name is somebody's."""
    for name in (
        ".there.abcd_123.part",
        ".there.in_use_1.part",
        ".there.abcdefgh",
        ".other.abcd_123.part",
        "there.part",
    ):
        (tmp_path / name).write_bytes(b"old")
    (tmp_path / ".there.linked_1.part").symlink_to(tmp_path / "there.part")
    with (tmp_path / ".there.in_use_1.part").open("rb") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        put(tmp_path / "there", force=False)
    left = {".there.in_use_1.part", ".there.abcdefgh", ".other.abcd_123.part", "there.part", ".there.linked_1.part"}
    assert set(os.listdir(tmp_path)) == {"there"} | left
