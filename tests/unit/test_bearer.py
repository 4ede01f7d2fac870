"""The token file: who may own it, and what root writes when it renews the token of a daemon that is not root's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from foliod.base.errors import ConfigError
from foliod.serve import bearer
from foliod.serve.bearer import Bearer, bearer_token, renew

DAEMON = 4711

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def state(short_dir) -> Path:
    """The folder of a daemon that is not root's, with its token."""
    state = short_dir / "state"
    state.mkdir(mode=0o700)
    (state / "token").write_text("x" * 40)
    (state / "token").chmod(0o600)
    for path in (state, state / "token"):
        os.chown(path, DAEMON, DAEMON)
    return state


@pytest.fixture
def victim(short_dir) -> Path:
    """A file of root's that the daemon's user would like to have."""
    path = short_dir / "victim"
    path.write_text("root's own")
    path.chmod(0o600)
    return path


def untouched(victim: Path) -> bool:
    found = victim.lstat()
    return (victim.read_text(), found.st_uid, stat.S_IMODE(found.st_mode)) == ("root's own", 0, 0o600)


def test_root_renews_in_a_folder_that_is_not_roots(state):
    """The new token belongs to the daemon's user, and root is root again afterwards."""
    renew(state / "token")
    found = (state / "token").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (DAEMON, DAEMON, 0o600)
    assert (state / "token").read_text() != "x" * 40
    assert [path.name for path in state.iterdir()] == ["token"]
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_a_link_that_the_daemon_s_user_planted_is_not_written_through(state, victim):
    """`foliod token --new` by root overwrites no file that the daemon's user could not write."""
    (state / "token").unlink()
    (state / "token").symlink_to(victim)
    os.chown(state / "token", DAEMON, DAEMON, follow_symlinks=False)
    with pytest.raises(ConfigError, match="can't be written: Permission denied"):
        renew(state / "token")
    assert untouched(victim)


def test_a_folder_that_became_a_link_is_not_written_into(state, victim):
    """Nor when the folder of the token is the link."""
    (victim.parent / "root").mkdir(mode=0o700)
    victim.rename(victim.parent / "root/token")
    (state / "inner").symlink_to(victim.parent / "root")
    with pytest.raises(ConfigError, match="can't be written"):
        renew(state / "inner/token")
    assert untouched(victim.parent / "root/token")


def test_a_file_that_is_exchanged_while_it_is_written_gives_nothing_away(state, victim, monkeypatch):
    """Whoever puts a link in the place of the half-written token gets no file of root's for it."""
    sync = os.fsync

    def exchange(fd: int) -> None:
        sync(fd)
        [part] = [path for path in state.iterdir() if path.name.startswith(".token.")]
        part.unlink()
        part.symlink_to(victim)

    monkeypatch.setattr(bearer.os, "fsync", exchange)
    renew(state / "token")
    assert untouched(victim)


def test_a_token_of_somebody_else_is_refused(short_dir):
    """A token file that neither root nor the daemon's user owns opens no door: its owner knows the token."""
    path = short_dir / "token"
    path.write_text("x" * 40)
    path.chmod(0o600)
    assert bearer_token(path) == "x" * 40
    os.chown(path, DAEMON, DAEMON)
    with pytest.raises(ConfigError, match=r"belongs to user 4711.*chown 0 .*token --new"):
        bearer_token(path)


def test_a_token_that_is_renewed_while_the_daemon_starts_counts(short_dir, monkeypatch):
    """The old token ends also when the new one comes between the daemon's reading it and its first look at the file."""
    path, read = short_dir / "token", bearer.bearer_token
    old = read(path)

    def read_and_renewed(where: Path) -> str:
        token = read(where)
        renew(path)
        return token

    monkeypatch.setattr(bearer, "bearer_token", read_and_renewed)
    door = Bearer(path)
    assert not door.fits(old)
    assert door.fits(path.read_text().strip())
