"""A configuration with a mistake, and the daemon that runs with what it read before."""

from __future__ import annotations

import json

import pytest

import canned
from foliod.start.fallback import what_can_be_known


@pytest.mark.parametrize(
    "mistake", ["serch = 1", "[server]\nhttp = ", 'this is "no toml', "[[watch]]\npath = 7", 'x = """never closed']
)
@pytest.mark.parametrize("command", [["status"], ["documents"], ["search", "tides"]])
def test_a_mistake_in_the_configuration_shuts_nobody_out(foliod, daemon, short_dir, monkeypatch, mistake, command):
    """Who asks is answered by the daemon that runs, and told of the mistake."""
    config = short_dir / "foliod.toml"
    config.write_text(f'state_dir = "{short_dir}"\n[server]\nsocket = "s"\n{mistake}\n')
    monkeypatch.delenv("FOLIOD_STATE_DIR")
    monkeypatch.delenv("FOLIOD_SERVER__SOCKET")
    monkeypatch.setenv("FOLIOD_CONFIG", str(config))
    daemon.answers["POST /v1/search"] = {
        "hits": [], "mode": "keyword", "coverage": canned.COVERAGE, "took_ms": 1.0, "note": None
    }  # fmt: skip
    daemon.answers["GET /v1/status"] = canned.status()
    daemon.answers["GET /v1/documents"] = {"documents": [], "cursor": None}
    told = foliod(*command)
    assert told.code == 0, told.err
    assert f"warning: {config}" in told.err
    assert f"asking the daemon at {short_dir}/s" in told.err


def test_where_nothing_runs_the_mistake_is_what_is_told(foliod, environ, short_dir, monkeypatch):
    """A mistake in the configuration is 2 as ever when no daemon answers."""
    config = short_dir / "foliod.toml"
    config.write_text("serch = 1\n")
    monkeypatch.setenv("FOLIOD_CONFIG", str(config))
    told = foliod("status")
    assert told.code == 2
    assert "serch" in told.err
    assert "asking" not in told.err


def test_what_stands_beside_a_mistake_is_known(tmp_path, environ, monkeypatch):
    """The socket is found before and after lines that are no TOML; relative ones start in the file's folder."""
    monkeypatch.delenv("FOLIOD_STATE_DIR")
    monkeypatch.delenv("FOLIOD_SERVER__SOCKET")
    path = tmp_path / "foliod.toml"
    path.write_text('oh dear\nstate_dir = "data"\n[search]\nlimit = = 3\n[server]\nsocket = "sock"\n[server]\n')
    known = what_can_be_known(path)
    assert (known.state, known.socket) == (tmp_path / "data", tmp_path / "sock")


def test_the_doctor_goes_on_after_a_mistake(foliod, daemon, short_dir, monkeypatch):
    """With a configuration that can't be used the doctor still says what the running daemon has to say."""
    monkeypatch.setenv("FOLIOD_SERVER__SOCKT", "x")
    daemon.answers["GET /v1/status"] = canned.status(
        configuration={"error": "foliod.toml, line 3: serch is not a known key", "restart_needed": []}
    )
    daemon.answers["GET /readyz"] = {"ready": True, "reasons": []}
    told = foliod("doctor", "--json")
    assert told.code == 1
    found = {check["name"]: check for check in json.loads(told.out)["checks"]}
    assert found["configuration"]["status"] == "fail"
    assert "serch is not a known key" in found["running configuration"]["message"]
    assert found["daemon"]["status"] == "ok"


def test_the_status_tells_what_is_wrong(foliod, daemon):
    """Settings that wait for a restart, what is waited for, and lines that don't reach Better Stack are told."""
    daemon.answers["GET /v1/status"] = canned.status(
        state="waiting",
        backlog={"documents": 1, "pages_per_s": 0.0, "eta_s": None, "waiting": ["the disk is full"]},
        configuration={"error": None, "restart_needed": ["[server] http"]},
        logs={
            "summed_up": 0,
            "betterstack": {
                "shipped": 1,
                "waiting": 7,
                "dropped": 2,
                "causes": {},
                "error": "logs.example: ConnectionError",
            },
        },
    )
    told = foliod("status").out
    assert "Settings: a restart is needed for [server] http" in told
    assert "Waiting for: the disk is full" in told
    assert "Better Stack: logs.example: ConnectionError; 7 lines wait; 2 lines dropped" in told
