"""Installing a service where there is no systemd."""

from __future__ import annotations

import json
import os

import pytest

from foliod.start import service_manager, service_reach


@pytest.fixture
def without_systemd(tmp_path, environ, monkeypatch):
    """A user's home on a machine without systemd; returns it."""
    monkeypatch.delenv("FOLIOD_CONFIG")
    monkeypatch.setenv("FOLIOD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("FOLIOD_SERVER__SOCKET")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(service_manager, "BOOTED", tmp_path / "systemd")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    # This repository may lie below /tmp.
    monkeypatch.setattr(service_reach, "PRIVATE", ())
    return tmp_path


def test_without_systemd_a_rehearsal_tells_what_would_be_written(foliod, without_systemd):
    """`--dry-run` shows files and folders on any machine, says that systemd is missing, and writes nothing."""
    home = without_systemd
    told = foliod("service", "install", "--user", "--dry-run", "--watch", str(home))
    assert told.code == 0
    units = home / ".config/systemd/user"
    assert told.out.splitlines() == [
        f"would make {home}/state (data)",
        f"would write {home}/.config/foliod/foliod.toml (configuration)",
        f"would write {units}/foliod.socket",
        f"would write {units}/foliod.service",
        f"would write {units}/foliod.service.d/10-foliod.conf",
        "would start foliod.socket and foliod.service (enabled)",
    ]
    assert "this machine does not run systemd" in told.err
    assert os.listdir(home) == []


def test_without_systemd_nothing_is_installed(foliod, without_systemd):
    """The refusal has a code of its own for programs."""
    refused = foliod("service", "install", "--user", "--json")
    assert refused.code == 1
    error = json.loads(refused.err)["error"]
    assert error["code"] == "conflict"
    assert "this machine does not run systemd" in error["message"]
    assert os.listdir(without_systemd) == []
