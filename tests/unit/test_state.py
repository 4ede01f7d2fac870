"""The state folder."""

import os
import stat

import pytest

from foliod.base.errors import ConfigError, StateInUseError
from foliod.start.state import open_state


def test_a_second_daemon_is_turned_away(tmp_path):
    """Two daemons never work in the same state folder; the message names the one that runs."""
    refused = pytest.raises(StateInUseError, match=rf"process {os.getpid()}\b.*state_dir")
    with open_state(tmp_path / "s"), refused, open_state(tmp_path / "s"):
        pass
    with open_state(tmp_path / "s"):
        pass


def test_the_host_keeps_its_name(tmp_path):
    """After a restart the daemon still knows which files in a shared store are its own."""
    with open_state(tmp_path / "s") as first:
        pass
    with open_state(tmp_path / "s") as second, open_state(tmp_path / "t") as other:
        assert first.host == second.host != other.host


def test_the_folder_is_private(tmp_path):
    """Nobody else can read what lies in the state folder."""
    with open_state(tmp_path / "s"):
        assert not stat.S_IMODE((tmp_path / "s").stat().st_mode) & 0o066
        assert not stat.S_IMODE((tmp_path / "s" / "lock").stat().st_mode) & 0o077


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path):
    """A state folder below a file is refused with the setting to change."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state_dir"), open_state(tmp_path / "file" / "s"):
        pass
