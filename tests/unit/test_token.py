"""`foliod token`, and clients that are told to come again."""

from __future__ import annotations

import json
import os
import stat

from aiohttp import web

import canned


def test_the_token_is_renewed_by_a_command(foliod, short_dir):
    """`foliod token` says where the token stands, `--new` puts another one there, for its owner alone."""
    path = short_dir / "token"
    told = foliod("token")
    assert (told.code, told.out) == (0, f"{path}\n")
    assert "foliod token --new" in told.err
    told = json.loads(foliod("token", "--new", "--json").out)
    assert told == {"path": str(path), "exists": True, "new": True, "credential": False}
    first = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = foliod("token", "--new")
    assert (told.code, told.out, told.err) == (0, f"{path}\n", "")
    assert path.read_text() != first
    assert first.strip() not in told.out
    assert [name for name in os.listdir(short_dir) if "token" in name] == ["token"]


def test_a_token_that_can_not_be_written_is_told(foliod, short_dir, monkeypatch):
    """Where there can be no token, the command says so and ends with 2."""
    monkeypatch.setenv("FOLIOD_SERVER__TOKEN_FILE", "/proc/foliod/token")
    told = foliod("token", "--new")
    assert told.code == 2
    assert "/proc/foliod/token can't be written" in told.err


def busy(status: int, code: str, after: str):
    body = json.dumps({"error": {"code": code, "message": "3 requests of yours are under way already"}})
    return web.Response(text=body, status=status, content_type="application/json", headers={"Retry-After": after})


def test_a_client_that_is_told_to_come_again_does_so_once(foliod, daemon):
    """A busy daemon is asked once more after the time that it says; if it is still busy, that is what is told."""
    answers = [busy(429, "too_many_requests", "0"), web.json_response(canned.status())]
    daemon.answers["GET /v1/status"] = lambda _: answers.pop(0)
    assert foliod("status").code == 0
    assert answers == []
    daemon.answers["GET /v1/status"] = lambda _: busy(503, "too_many_connections", "0")
    daemon.asked.clear()
    told = foliod("status")
    assert told.code == 1
    assert "3 requests of yours are under way already" in told.err
    assert len(daemon.asked) == 2


def test_a_token_that_is_a_credential_is_not_renewed_beside_it(foliod, short_dir, monkeypatch):
    """Under systemd the token may come from a file of root's: that one is named, and --new changes nothing."""
    store, handed_over = short_dir / "credstore", short_dir / "run/foliod.service"
    store.mkdir()
    handed_over.mkdir(parents=True)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("foliod.start.whose.STORES", (store,))
    monkeypatch.setattr("foliod.start.whose.HANDED_OVER", short_dir / "run")
    (store / "foliod.token").write_text("what the next start takes")
    assert foliod("token").out == f"{short_dir}/token\n"  # the running service was given none
    (handed_over / "token").write_text("what the service was given")
    assert foliod("token").out == f"{store}/foliod.token\n"
    refused = foliod("token", "--new")
    assert refused.code == 1
    assert f"{store}/foliod.token" in refused.err
    assert "systemctl restart foliod" in refused.err
    assert not (short_dir / "token").exists()
    monkeypatch.setenv("FOLIOD_SERVER__TOKEN_FILE", str(short_dir / "named"))
    assert foliod("token", "--new").out == f"{short_dir}/named\n"


def test_a_daemon_that_starts_is_waited_for(foliod, daemon):
    """Who asks while it starts gets the answer, a little later, from every command."""
    for command, route, answer in (
        ("documents", "GET /v1/documents", {"documents": [], "cursor": None}),
        ("status", "GET /v1/status", canned.status()),
    ):
        answers = [*(busy(503, "not_ready", "0") for _ in range(3)), web.json_response(answer)]
        daemon.answers[route] = lambda _, answers=answers: answers.pop(0)
        assert foliod(command).code == 0
        assert answers == []
