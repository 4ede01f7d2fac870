"""What `foliod service uninstall --purge` takes from a state folder, and what it leaves."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from foliod.start.service_install import plan
from foliod.start.service_remove import _purge
from foliod.start.service_steps import Steps

OWN = ("host", "lock", "postgres.lock", "token", "foliod.sock.lock")
OWN_FOLDERS = ("postgres", "postgres-run", "postgresql-0.6.1", "postgresql.new-x1_y", "postgres.new-abc")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with all that foliod puts there."""
    folder = tmp_path / "state"
    folder.mkdir()
    for name in OWN:
        (folder / name).write_text("x\n")
    for name in OWN_FOLDERS:
        (folder / name).mkdir()
        (folder / name / "data").write_text("x")
    return folder


def purge(config: Path, *, rehearsal: bool = False) -> tuple[list[str], list[str]]:
    """Return what was removed, and what was said."""
    steps = Steps(lambda text: None, rehearsal=rehearsal)
    told = _purge(steps, plan(config, (), user=True))
    return [step.target for step in steps.done if step.verb == "remove"], told


def configured(base: Path, state: Path, *watched: Path) -> Path:
    file = base / "foliod.toml"
    roots = "".join(f'[[watch]]\npath = "{path}"\n' for path in watched)
    file.write_text(f'state_dir = "{state}"\n{roots}')
    return file


def test_what_foliod_made_goes_as_a_whole(tmp_path, state):
    """A state folder with nothing else in it goes, and so does the configuration; a rehearsal removes nothing."""
    config = configured(tmp_path, state, tmp_path)
    assert purge(config, rehearsal=True) == ([str(state), str(config)], [])
    assert (state / "postgres/data").exists()
    assert purge(config) == ([str(state), str(config)], [])
    assert not state.exists()
    assert not config.exists()


@pytest.mark.parametrize("way", ["watched", "through a link", "no longer watched", "state folder is a link"])
def test_documents_in_the_state_folder_stay(tmp_path, state, way):
    """PDFs that somebody keeps in the state folder are not foliod's, whatever the configuration says of them."""
    document = state / "inbox/mine.pdf"
    document.parent.mkdir()
    document.write_bytes(b"mine")
    folder, watched = state, {"watched": state / "inbox", "no longer watched": tmp_path}.get(way, tmp_path / "docs")
    if way == "state folder is a link":
        folder = tmp_path / "there"
        folder.symlink_to(state)
        watched = folder / "inbox"
    elif way == "through a link":
        watched.symlink_to(state / "inbox")
    removed, told = purge(configured(tmp_path, folder, watched))
    assert document.read_bytes() == b"mine"
    assert os.listdir(state) == ["inbox"]
    assert str(state / "postgres") in removed
    assert told == [f"kept {folder}: foliod did not put inbox there"]


def test_a_watched_folder_of_our_name_stays(tmp_path, state):
    """Also one that bears a name of foliod's stays while it is watched, from wherever it is."""
    (state / "postgresql-18").mkdir()
    (state / "postgresql-18/mine.pdf").write_bytes(b"mine")
    (tmp_path / "docs").symlink_to(state / "postgresql-18")
    purge(configured(tmp_path, state, tmp_path / "docs"))
    assert (state / "postgresql-18/mine.pdf").exists()
    assert not (state / "postgres").exists()


def test_a_folder_that_is_no_state_folder_stays(tmp_path):
    """Where no daemon ever lived nothing is touched, whatever it is called."""
    folder = tmp_path / "state"
    (folder / "postgres").mkdir(parents=True)
    removed, told = purge(configured(tmp_path, folder, tmp_path))
    assert (folder / "postgres").is_dir()
    assert str(folder) not in removed
    assert told == [f"kept {folder}: it does not look like foliod's state folder"]


def test_a_configuration_that_is_no_file_stays(tmp_path):
    """A device such as /dev/null that served as configuration is not removed."""
    # Never the real one: a test that fails would take it from the machine.
    if os.geteuid() == 0:
        os.mknod(tmp_path / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    else:
        (tmp_path / "null").symlink_to(os.devnull)
    where = tmp_path / "null"
    removed, told = purge(where, rehearsal=True)
    assert str(where) not in removed
    assert f"kept {where}: it is no regular file" in told
