"""A file is read once, and never half."""

import errno
import hashlib
import mmap
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from foliod.base.errors import FileChangedError, FileUnfinishedError, FileUnreadableError
from foliod.base.paths import signature
from foliod.watch import digest as room
from foliod.watch.digest import digest
from foliod.watch.walk import Stopped
from privileges import hand_over, unprivileged

STOP = threading.Event()


def put(path, content: bytes = b"%PDF-1.7 hello") -> tuple[bytes, bytes]:
    path.write_bytes(content)
    return os.fsencode(path), signature(path.stat(), 0)


def take(root, path, seen, stop=STOP) -> bytes:
    return digest(path, os.fsencode(root), seen, stop).sha256


@pytest.mark.parametrize("size", [0, 1, room.PIECE, room.PIECE * 2 + 7])
def test_content_is_known_by_its_sha256(tmp_path, size):
    """Whatever its length, a file's SHA-256 is that of its bytes."""
    content = os.urandom(size)
    assert take(tmp_path, *put(tmp_path / "a.pdf", content)) == hashlib.sha256(content).digest()


def test_a_file_that_changed_before_reading_is_refused(tmp_path):
    """Only the version that was seen to be still is read."""
    path, seen = put(tmp_path / "a.pdf", b"one")
    (tmp_path / "a.pdf").write_bytes(b"two")
    with pytest.raises(FileChangedError, match="changed"):
        take(tmp_path, path, seen)
    os.unlink(path)
    with pytest.raises(FileChangedError, match="not there"):
        take(tmp_path, path, seen)


@pytest.mark.parametrize("change", ["grow", "rewrite", "replace"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, change):
    """Growing, rewriting in place and replacing by rename under the reader are all noticed."""
    file = tmp_path / "a.pdf"
    path, seen = put(file, b"x" * 100)
    state = file.stat()
    real_read = os.read

    def read(fd, size):
        piece = real_read(fd, size)
        if piece:
            if change == "grow":
                with file.open("ab") as f:
                    f.write(b"more")
            elif change == "rewrite":
                file.write_bytes(b"y" * 100)
                os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
            else:
                put(tmp_path / "tmp", b"y" * 100)
                os.replace(tmp_path / "tmp", file)
        return piece

    monkeypatch.setattr(room.os, "read", read)
    with pytest.raises(FileChangedError):
        take(tmp_path, path, seen)


def test_links_are_followed_inside_only(tmp_path):
    """A link inside the root is the file it leads to; one that leads out is refused, also through its folder."""
    root = tmp_path / "root"
    root.mkdir()
    _, seen = put(root / "a.pdf")
    (root / "link.pdf").symlink_to("a.pdf")
    assert take(root, os.fsencode(root / "link.pdf"), seen)
    (tmp_path / "out").mkdir()
    _, seen = put(tmp_path / "out/b.pdf")
    (root / "sub").symlink_to("../out")
    with pytest.raises(FileUnreadableError, match="leads out"):
        take(root, os.fsencode(root / "sub/b.pdf"), seen)


def test_a_folder_swapped_for_a_link_while_it_is_opened_leads_nowhere(tmp_path, monkeypatch):
    """What was really opened decides, not what a look before said."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    put(root / "sub/b.pdf")
    _, seen = put(tmp_path / "out/b.pdf")
    real_open = os.open

    def swapped_open(path, flags):
        os.rename(root / "sub", root / "was")
        (root / "sub").symlink_to("../out")
        return real_open(path, flags)

    monkeypatch.setattr(room.os, "open", swapped_open)
    with pytest.raises(FileUnreadableError, match="leads out"):
        take(root, os.fsencode(root / "sub/b.pdf"), seen)


def test_a_pipe_never_blocks(tmp_path):
    """A pipe that took the place of a file is refused at once."""
    path, seen = put(tmp_path / "a.pdf")
    os.unlink(path)
    os.mkfifo(path)
    with pytest.raises(FileChangedError):
        take(tmp_path, path, seen)


def test_an_unreadable_file_is_named_with_the_reason(short_dir):
    """A file without read permission says so."""
    short_dir.chmod(0o755)
    path, _ = put(short_dir / "a.pdf")
    hand_over(path)
    os.chmod(path, 0)
    with pytest.raises(FileUnreadableError, match=r"a\.pdf can't be read: Permission denied"):
        unprivileged(take, short_dir, path, signature(os.stat(path), 0))


def test_reading_can_be_stopped(tmp_path):
    """A leaving daemon does not wait for a large file."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        take(tmp_path, *put(tmp_path / "a.pdf"), stop)


def test_nothing_stays_open(tmp_path):
    """Every way out closes the file."""
    path, seen = put(tmp_path / "a.pdf")
    take(tmp_path, path, seen)
    (tmp_path / "a.pdf").write_bytes(b"changed")
    with pytest.raises(FileChangedError):
        take(tmp_path, path, seen)
    links = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    assert not [link for link in links if link.is_symlink() and str(tmp_path) in str(link.readlink())]


# --- files that are not finished --------------------------------------------------------


def test_a_file_that_somebody_writes_is_told_from_one_that_is_closed(tmp_path):
    """Open for writing, also only through a memory map, is seen; open for reading is nothing."""
    path, seen = put(tmp_path / "a.pdf", b"x" * 5000)
    assert not digest(path, os.fsencode(tmp_path), seen, STOP, closed=True).written
    with open(path, "rb"):
        assert not digest(path, os.fsencode(tmp_path), seen, STOP, closed=True).written
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        file.close()
        with pytest.raises(FileUnfinishedError, match="still writing"):
            digest(path, os.fsencode(tmp_path), seen, STOP, closed=True)
        assert digest(path, os.fsencode(tmp_path), seen, STOP).written, "it can be read all the same"
        assert room.still_written([path, path + b".no"]) == {path}
        memory.close()
        assert room.still_written([path]) == set()


ASKING = """
import os, sys
from foliod.watch.digest import _open_for_writing
fd = os.open(sys.argv[1], os.O_RDONLY)
print(sum(_open_for_writing(fd) for _ in range(40_000)))
"""


def test_who_writes_is_neither_held_up_nor_harms_us(tmp_path):
    """A program that opens a file just when we ask about it gets it, and the kernel's signal about that ends nothing."""
    path, _ = put(tmp_path / "a.pdf")
    asking = subprocess.Popen([sys.executable, "-c", ASKING, path], stdout=subprocess.PIPE, text=True)
    opened = 0
    while asking.poll() is None:
        os.close(os.open(path, os.O_WRONLY))
        opened += 1
    assert asking.returncode == 0 and int(asking.communicate()[0]) > 0 and opened > 100


@pytest.mark.parametrize("why", [errno.EACCES, errno.EINVAL, errno.ENOLCK])
def test_who_can_not_ask_learns_nothing(tmp_path, monkeypatch, why):
    """Another user's file, or a file system without leases: the file is read as one that nobody writes."""

    def fcntl(*args):
        raise OSError(why, os.strerror(why))

    monkeypatch.setattr(room.fcntl, "fcntl", fcntl)
    path, seen = put(tmp_path / "a.pdf")
    with open(path, "r+b"):
        assert not digest(path, os.fsencode(tmp_path), seen, STOP, closed=True).written


@pytest.mark.parametrize(
    ("content", "ended"),
    [
        (b"%PDF-1.7\n" + b"x" * 5000 + b"\n%%EOF\n", True),
        (b"junk %PDF-1.7\nx%%EOF" + b" " * 1500, True),
        (b"%PDF-1.7\n" + b"x" * 5000, False),
        (b"%PDF-1.7\n%%EOF\n" + b"x" * 5000, False),
        (bytes(5000), False),
        (b"<html>", True),
        (b"", True),
    ],
)
def test_a_pdf_without_an_end_may_still_grow(tmp_path, content, ended):
    """A PDF says where it ends, and one that was only made room for is no file yet; other files are as they are."""
    path, seen = put(tmp_path / "a.pdf", content)
    if not ended:
        with pytest.raises(FileUnfinishedError, match="end is missing"):
            digest(path, os.fsencode(tmp_path), seen, STOP, ended=True)
    assert digest(path, os.fsencode(tmp_path), seen, STOP, ended=ended).sha256 == hashlib.sha256(content).digest()
