"""Files of passwords are read as people write them, and what is wrong with them is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from foliod.ingest.passwords import Keys, read_passwords
from foliod.reading.wire import MAX_PASSWORDS, PASSWORD_CHARS
from privileges import hand_over, unprivileged


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "passwords"


def test_one_password_a_line(file):
    """Blank lines, Windows' line ends and a byte order mark are no passwords; blanks within a line are part of it."""
    file.write_bytes("\ufeffone\r\n\n  \ntwo words\n# no comment\n pä\u0308ss \none".encode())
    found = read_passwords(file)
    assert found.passwords == ("one", "two words", "# no comment", " pä\u0308ss ")
    assert found.problem is None


@pytest.mark.parametrize(
    ("content", "kept", "problem"),
    [
        (b"good\n\xff\xfe\nalso good\n", ("good", "also good"), "line 2 is not UTF-8"),
        (b"good\n" + b"x" * 501, ("good",), "line 2 can't be a password"),
        (b"a\0b\ngood", ("good",), "line 1 can't be a password"),
    ],
)
def test_a_bad_line_costs_only_itself(file, content, kept, problem):
    """What can't be a password is told by its line, never by what stands there, and the others are tried."""
    file.write_bytes(content)
    found = read_passwords(file)
    assert found.passwords == kept
    assert problem in found.problem
    assert str(file) in found.problem


@pytest.mark.parametrize("content", ["\n".join(map(str, range(5000))), "\n".join(f"{i:0400}" for i in range(900))])
def test_only_so_many_passwords_are_taken(file, content):
    """A file that is no list of passwords can't hold up the reading of documents, and the user is told."""
    file.write_text(content)
    found = read_passwords(file)
    assert 0 < len(found.passwords) <= MAX_PASSWORDS
    assert sum(map(len, found.passwords)) <= PASSWORD_CHARS
    assert "only the first" in found.problem


def test_what_can_not_be_read_is_told_and_stops_nothing(file, tmp_path):
    """A file that is missing, closed to us, a folder or a FIFO gives no passwords and a reason."""
    assert "No such file" in read_passwords(file).problem
    assert "is no regular file" in read_passwords(tmp_path).problem
    os.mkfifo(tmp_path / "fifo")
    assert "is no regular file" in read_passwords(tmp_path / "fifo").problem
    file.write_text("secret")
    hand_over(file)
    file.chmod(0)
    closed = unprivileged(read_passwords, file)
    assert (closed.passwords, closed.problem) == ((), f"{file} can't be read: Permission denied")


def test_its_looks_change_whenever_it_is_changed(file):
    """A file that is made, written, replaced, closed to us or removed looks different, without a trace of what it holds."""
    looks = [read_passwords(file).signature]
    file.write_text("first")
    looks.append(read_passwords(file).signature)
    file.write_text("other")
    os.utime(file, ns=(0, 10**18))
    looks.append(read_passwords(file).signature)
    file.with_suffix(".new").write_text("third")
    file.with_suffix(".new").rename(file)
    looks.append(read_passwords(file).signature)
    assert len(set(looks)) == 4
    assert not any("first" in look or "third" in look for look in looks)
    assert read_passwords(file).signature == looks[-1]


def test_passwords_are_never_shown(file):
    """What a log or a traceback may print of passwords does not hold them; the reason tells how many were tried."""
    file.write_text("hunter2\nhunter3")
    keys = Keys((read_passwords(file),))
    assert keys.passwords == ("hunter2", "hunter3")
    assert "hunter" not in repr(keys)
    assert "2 passwords were tried in vain" in keys.reason
    assert f"put its password on a line of {file}" in keys.reason
    assert "hunter" not in keys.reason
    assert "passwords_file" in Keys(()).reason
