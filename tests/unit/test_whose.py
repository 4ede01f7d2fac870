"""Whose installation a command of an administrator means."""

from __future__ import annotations

import json
import os
import pwd

import pytest

import canned
from foliod.base import sources
from foliod.start.state import open_state


@pytest.fixture
def member(tmp_path, short_dir, monkeypatch):
    """Somebody without a daemon of their own, on a machine whose service listens."""
    for name in [n for n in os.environ if n.startswith(("FOLIOD_", "XDG_", "STATE_DIR", "CREDENTIALS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(sources, "SYSTEM_SOCKET", short_dir / "system.sock")
    monkeypatch.setattr(sources, "SYSTEM_CONFIG", short_dir / "system.toml")
    (short_dir / "system.sock").touch()
    (short_dir / "system.toml").write_text(f'[server]\nsocket = "{short_dir}/system.sock"\n')
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [["token"], ["token", "--new"], ["hosts"], ["migrate"], ["backup", "b"], ["restore", "b"], ["doctor", "--deep"]],
)
def test_what_is_for_the_administrator_of_the_machines_service_is_said_to_be(foliod, member, command, monkeypatch):
    """Nothing is told of, or made for, an installation of one's own that there is not."""
    monkeypatch.chdir(member)
    for name in [n for n in os.environ if n.startswith("FOLIOD_")]:
        monkeypatch.delenv(name)
    refused = foliod(*command)
    assert refused.code == 2
    assert f"the service of this machine answers at {sources.SYSTEM_SOCKET}" in refused.err
    assert "as root" in refused.err
    assert refused.out == ""
    assert os.listdir(member) == []


def test_config_and_doctor_say_whose_daemon_they_speak_of(foliod, member, monkeypatch):
    """A member's doctor looks at what a member can see: whether the machine's service answers."""
    for name in [n for n in os.environ if n.startswith("FOLIOD_")]:
        monkeypatch.delenv(name)
    told = foliod("config")
    assert told.code == 0
    assert f"the service of this machine answers at {sources.SYSTEM_SOCKET}" in told.err
    told = foliod("doctor")
    assert "state folder" not in told.out
    assert f"the service of this machine answers at {sources.SYSTEM_SOCKET}" in told.out
    assert "sudo foliod doctor" in told.out


def test_a_store_of_ones_own_is_ones_own(foliod, member, monkeypatch):
    """Whoever ran a daemon once is asked about that one, though it does not run now."""
    for name in [n for n in os.environ if n.startswith("FOLIOD_")]:
        monkeypatch.delenv(name)
    state = member / ".local/share/foliod"
    state.mkdir(parents=True)
    (state / "lock").touch()
    assert foliod("token").out == f"{state}/token\n"


def test_who_asks_somebody_elses_daemon_is_not_sent_away_from_it(foliod, daemon, monkeypatch):
    """Where another user's daemon answers, doctor finds nothing wrong with what is that user's, and hosts is not for us."""
    daemon.answers["GET /v1/status"] = canned.status()
    daemon.answers["GET /readyz"] = {"ready": True, "reasons": []}
    owner = f"the daemon of the user {pwd.getpwuid(os.geteuid()).pw_name} answers at {daemon.socket}"
    state = daemon.socket.parent
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    told = foliod("doctor")
    assert told.code == 0
    assert owner in told.out
    assert "state folder" not in told.out
    refused = foliod("hosts", "--json")
    assert refused.code == 1
    error = json.loads(refused.err)["error"]
    assert error["code"] == "forbidden"
    assert owner in error["message"]
    # Whose state folder is held is asked about one's own, whoever's the socket is.
    with open_state(state):
        assert "state folder" in foliod("doctor").out
