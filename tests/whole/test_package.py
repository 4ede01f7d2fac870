"""The wheel as users install it: in an environment of its own, away from the source."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import wheels
from live import running
from wheels import ROOT, call


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built without a network."""
    return wheels.build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """An environment in which only the wheel is installed; its `bin`."""
    return wheels.install(wheel, tmp_path_factory.mktemp("environment") / "e")


def test_the_wheel_holds_everything_and_nothing_else(wheel):
    """SQL, sample and units ship; tests do not."""
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("sql", "config", "systemd"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                assert f"foliod/{path.relative_to(ROOT)}" in names
    for path in (ROOT / "systemd").rglob("*.*"):
        if path.is_file():
            assert any(name.endswith(f"share/foliod/{path.relative_to(ROOT)}") for name in names), path
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "test" in name or "__pycache__" in name]


def test_the_installed_command_works_away_from_the_source(installed):
    """The command is there, and finds what ships with it."""
    assert call(installed / "foliod", "--version").startswith("foliod ")
    assert call(installed / "foliod", "config", "--defaults") == (ROOT / "config/foliod.toml").read_text("utf-8")
    code = "from foliod.base.assets import asset; print(*sorted(p.name for p in asset('sql/migrations').glob('*.sql')))"
    assert call(installed / "python", "-c", code).split() == sorted(
        path.name for path in (ROOT / "sql/migrations").glob("*.sql")
    )


def test_the_doctor_of_an_installation_finds_it_complete(installed, short_dir):
    """On a machine without Ollama the doctor of a new installation has warnings only."""
    config = short_dir / "foliod.toml"
    config.write_text(f'state_dir = "{short_dir}/state"\n[ollama]\nurl = "http://127.0.0.1:9"\n')
    checks = json.loads(call(installed / "foliod", "doctor", "--json", "--config", config))["checks"]
    found = {check["name"]: check["status"] for check in checks}
    assert found["database"] == found["state folder"] == found["configuration"] == "ok"
    assert "fail" not in found.values()


def test_the_installed_daemon_reads_and_answers(installed):
    """From the wheel alone the daemon starts, reads a PDF in its workers and answers."""
    with running(start=False) as daemon:
        daemon.python = installed / "python"
        daemon.start()
        daemon.drop(ROOT / "tests/samples/PMC7068164.pdf")
        daemon.wait_states(stored=1)
        assert daemon.search("median age of the cases")["hits"]
