"""Which daemon a command asks."""

from __future__ import annotations

import os

import pytest

from foliod.base import sources
from foliod.start.command import settings_of, socket_of


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user without a daemon, on a machine where the system's service listens."""
    for name in [n for n in os.environ if n.startswith(("FOLIOD_", "XDG_", "STATE_DIR", "CREDENTIALS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "runtime").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setattr(sources, "SYSTEM_SOCKET", tmp_path / "system.sock")
    monkeypatch.setattr(sources, "SYSTEM_CONFIG", tmp_path / "system.toml")
    (tmp_path / "system.sock").touch()
    return tmp_path


def asked():
    return socket_of(settings_of(None), None)


def test_a_user_without_a_daemon_asks_the_systems(home):
    """Where only the system's service runs, `foliod ask` needs no configuration to reach it."""
    assert asked() == home / "system.sock"
    (home / "system.toml").write_text('state_dir = "/srv/foliod"\n')
    assert asked() == home / "system.sock"
    (home / "system.sock").unlink()
    assert asked() != home / "system.sock"


def test_ones_own_daemon_comes_first(home):
    """Whoever runs a daemon asks that one; also one that has just crashed, and left its socket."""
    (home / "runtime/foliod.sock").touch()
    assert asked() == home / "runtime/foliod.sock"


@pytest.mark.parametrize("line", ['state_dir = "{home}/mine"', '[server]\nsocket = "{home}/mine/foliod.sock"'])
def test_a_daemon_that_is_named_is_asked_or_none(home, line):
    """Whoever names a daemon of their own never gets answers from other documents, even when it does not run."""
    (home / ".config/foliod").mkdir(parents=True)
    (home / ".config/foliod/foliod.toml").write_text(line.format(home=home) + "\n")
    assert asked() == home / "mine/foliod.sock"


def test_the_systems_configuration_names_the_systems_socket(home):
    """An administrator who moves the socket need not tell every user."""
    (home / "system.toml").write_text('[server]\nsocket = "/run/elsewhere.sock"\n')
    assert str(asked()) == "/run/elsewhere.sock"
