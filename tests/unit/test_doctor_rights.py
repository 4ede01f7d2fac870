"""What the doctor says of who may do what."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from foliod.base.config import Settings
from foliod.start import doctor_rights, service_reach
from foliod.store.lodging import User


def settings(**sections) -> Settings:
    return Settings.model_validate(sections)


def test_names_that_nobody_has_are_told():
    """A typo among those who may ask is named, with where it stands; numbers and people that there are are not."""
    given = settings(server={"users": ["root", "4711", "nobdy"]}, watch=[{"path": "/in", "groups": ["root", "teem"]}])
    first, second = doctor_rights.accounts(given)
    assert first.message.startswith("there is no user nobdy,")
    assert "[server]" in first.message
    assert second.message.startswith("there is no group teem,")
    assert "/in" in second.message


@pytest.mark.parametrize(("mode", "status"), [(0o644, "fail"), (0o600, "ok")])
def test_a_token_that_others_can_read_fails(tmp_path, mode, status):
    """The door stays shut with it, and the doctor says so before."""
    path = tmp_path / "token"
    path.write_text("x" * 20)
    path.chmod(mode)
    given = settings(server={"http": "127.0.0.1:8420", "token_file": str(path)})
    (check,) = doctor_rights.token(given, None)
    assert check.status == status
    assert not list(doctor_rights.token(settings(server={"token_file": str(path)}), None))


def test_better_stack_is_told_of(environ):
    """The daemon knows how its log gets there; without one it is tried whether the host is there."""
    given = settings(betterstack={"token": "t0ken", "host": "http://127.0.0.1:9"})
    (check,) = doctor_rights.better_stack(given, None)
    assert (check.name, check.status) == ("Better Stack", "warn")
    with socket.create_server(("127.0.0.1", 0)) as there:
        near = settings(betterstack={"token": "t0ken", "host": f"http://127.0.0.1:{there.getsockname()[1]}"})
        (check,) = doctor_rights.better_stack(near, None)
        assert check.status == "ok"
    running = {"logs": {"betterstack": {"shipped": 3, "error": "logs.example: 401 Unauthorized"}}}
    (check,) = doctor_rights.better_stack(given, running)
    assert check.message == "logs.example: 401 Unauthorized"
    assert not list(doctor_rights.better_stack(settings(), None))


def test_root_is_told_what_the_services_user_can_not_read(tmp_path, monkeypatch):
    """Folders are read by the service's user: that root can read them says nothing."""
    closed, there = tmp_path / "closed", tmp_path / "unit"
    closed.mkdir()
    there.touch()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(doctor_rights, "UNIT", there)
    nobody = User(65534, 65534, "foliod")
    for room in (doctor_rights, service_reach):
        monkeypatch.setattr(room, "account", lambda: nobody)
    monkeypatch.setattr(service_reach, "first_barred", lambda _who, _how, paths: {p: p for p in paths}.get(closed))
    monkeypatch.setattr(service_reach, "PRIVATE", ())
    given = settings(watch=[{"path": str(closed)}])
    reader, unread = doctor_rights.barred(given, doctor_rights.SYSTEM_CONFIG)
    assert reader == "foliod"
    assert "can't be read by the user foliod" in unread[closed].message
    assert "setfacl" in str(unread[closed].fix)
    assert doctor_rights.barred(given, Path("/home/me/foliod.toml")) == (None, {})


def test_doctor_tells_all_of_that(foliod, environ, monkeypatch):
    """The checks are among those of `foliod doctor`."""
    monkeypatch.setenv("FOLIOD_OLLAMA__URL", "http://127.0.0.1:9")
    monkeypatch.setenv("FOLIOD_SERVER__USERS", "nobdy")
    monkeypatch.setenv("FOLIOD_SERVER__HTTP", "127.0.0.1:8420")
    monkeypatch.setenv("FOLIOD_BETTERSTACK__TOKEN", "t0ken")
    monkeypatch.setenv("FOLIOD_BETTERSTACK__HOST", "http://127.0.0.1:9")
    names = {check["name"] for check in json.loads(foliod("doctor", "--json").out)["checks"]}
    assert {"accounts", "token", "Better Stack"} <= names
