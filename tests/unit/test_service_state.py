"""What a foliod in the foreground left in the state folder becomes the service's, and what else lies there does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from foliod.base.errors import ConflictError, StateInUseError
from foliod.start.service_state import Inheritance
from foliod.start.service_steps import Steps
from foliod.start.state import open_state
from foliod.store.lodging import User

HEIR = User(54321, 54322, "foliod")
"""Nobody needs an account to own a file."""
PERSON = 12345

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder as root's foliod leaves it, with PostgreSQL's part of another user."""
    state = tmp_path / "state"
    with open_state(state):
        pass
    (state / "postgres/base").mkdir(parents=True)
    (state / "postgres/base/1").write_text("x")
    (state / "postgres.lock").touch()
    (state / "postgres-run").symlink_to(tmp_path / "elsewhere")
    for path in (state / "postgres", state / "postgres/base", state / "postgres/base/1"):
        os.chown(path, 65534, 65534)
    return state


def owners(state: Path) -> dict[str, tuple[int, int]]:
    found = {path: path.lstat() for path in state.rglob("*")}
    return {str(path.relative_to(state)): (entry.st_uid, entry.st_gid) for path, entry in found.items()}


def give(state: Path, *watched: Path, rehearsal: bool = False) -> list[str]:
    """What `service install` does with it; return what it says."""
    told: list[str] = []
    left = Inheritance(state, watched)
    left.check(HEIR, running=False)
    left.give(Steps(told.append, rehearsal=rehearsal), HEIR)
    return told


def test_what_root_left_becomes_the_services(state, tmp_path):
    """All that foliod put there is given, and told once; documents in the folder and files behind links stay whose they are."""
    (tmp_path / "elsewhere").mkdir()
    (state / "mine.pdf").write_bytes(b"mine")
    watched = state / "postgresql-18"
    watched.mkdir()
    (watched / "my.pdf").write_bytes(b"mine")
    [told] = give(state, watched)
    assert told == f"gave {state} (data of the user nobody and the user root, to foliod)"
    mine = {"mine.pdf", "postgresql-18", "postgresql-18/my.pdf"}
    found = owners(state)
    assert {name for name, owner in found.items() if owner == (HEIR.uid, HEIR.gid)} == found.keys() - mine
    assert {found[name] for name in mine} == {(0, 0)}
    assert (tmp_path / "elsewhere").stat().st_uid == 0


def test_what_is_the_services_is_not_given_again(state):
    """A second installation has nothing to do, and says nothing."""
    give(state)
    os.chown(state, HEIR.uid, HEIR.gid)
    assert give(state) == []


def test_a_rehearsal_gives_nothing(state):
    """With --dry-run it is only told."""
    before = owners(state)
    assert give(state, rehearsal=True) == [f"would give {state} (data of the user nobody and the user root, to foliod)"]
    assert owners(state) == before


@pytest.mark.parametrize("what", ["", "host"])
def test_what_is_a_persons_is_not_taken_away(state, what):
    """The folder, or a file of foliod's in it, that belongs to a person stops the installation, with what to do."""
    os.chown(state / what, PERSON, PERSON)
    before = owners(state)
    with pytest.raises(ConflictError) as refused:
        give(state)
    assert f"the user with uid {PERSON}" in refused.value.message
    assert f"chown -R foliod: {state}" in refused.value.message
    assert owners(state) == before


def test_a_foliod_that_runs_there_is_to_be_stopped_first(state):
    """While root's foliod works with the data nothing is given away, and its process is named."""
    before = owners(state)
    with open_state(state), pytest.raises(StateInUseError, match=f"process {os.getpid()}"):
        give(state)
    assert owners(state) == before


def test_a_file_that_lies_elsewhere_too_is_not_given_away(state, tmp_path):
    """A hard link to a file of root's is named: who could write there must not get the other one."""
    secret = tmp_path / "shadow"
    secret.write_text("x")
    (state / "token").hardlink_to(secret)
    with pytest.raises(ConflictError, match=f"{state}/token is a hard link"):
        give(state)
    assert secret.stat().st_uid == 0


class Swapped(Inheritance):
    """Somebody who may write in the folder puts something else in a file's place, just after it was looked at."""

    put: Callable[[Path], None]
    looks = 0

    def _entries(self) -> Iterator[tuple[Path, int, os.stat_result]]:
        self.looks += 1
        for path, folder, found in super()._entries():
            # At first it is only looked whose the files are.
            if path.name == "1" and self.looks == 2:
                path.unlink()
                self.put(path)
            yield path, folder, found


@pytest.mark.parametrize("link", [Path.hardlink_to, Path.symlink_to])
def test_what_is_put_in_a_files_place_meanwhile_is_not_given_away(state, tmp_path, link):
    """A link to another file of root's gets nobody that file, also when it comes between the look and the gift."""
    secret = tmp_path / "shadow"
    secret.write_text("x")
    left = Swapped(state, ())
    left.put = lambda path: link(path, secret)
    left.give(Steps(lambda _: None, rehearsal=False), HEIR)
    assert left.looks == 2
    assert secret.stat().st_uid == 0
    assert (state / "postgres/base").stat().st_uid == HEIR.uid


def test_where_no_foliod_lived_nothing_is_anybodys(tmp_path):
    """Files in a folder that is no state folder are left alone, whatever they are called."""
    (tmp_path / "token").touch()
    os.chown(tmp_path / "token", PERSON, PERSON)
    assert give(tmp_path) == []
    assert give(tmp_path / "missing") == []


AS_NOBODY = """
import os, sys
from pathlib import Path
from foliod.start.service_state import Inheritance
from foliod.store.lodging import User
os.setgroups([]); os.setgid(65534); os.setuid(65534)
Inheritance(Path(sys.argv[1]), ()).check(User(65534, 65534, "nobody"), running=False)
"""


def test_a_service_of_ones_own_says_how_to_get_what_root_left(short_dir):
    """Who is not root can't take it over, and is told the command that does."""
    state = short_dir / "state"
    with open_state(state):
        pass
    done = subprocess.run([sys.executable, "-c", AS_NOBODY, state], capture_output=True, text=True, check=False)
    assert "holds data of the user root, and the service runs as nobody" in done.stderr
    assert f"sudo chown -R nobody: {state}" in done.stderr
