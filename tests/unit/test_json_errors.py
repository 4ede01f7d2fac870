"""With --json errors are for programs too: one line on standard error, in the shape that HTTP gives them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def error(result) -> dict[str, str]:
    """The error that a command told, which is all that it told."""
    assert result.out == ""
    assert result.err.count("\n") == 1
    told = json.loads(result.err)
    assert list(told) == ["error"]
    assert list(told["error"]) == ["code", "message"]
    return told["error"]


@pytest.mark.parametrize("command", [["ask", "x"], ["search", "x"], ["status"], ["documents"], ["explain", "/x.pdf"]])
def test_without_a_daemon_programs_are_told_so(foliod, environ, command):
    """The code says what it is, the message where was looked; the exit code stays 3."""
    result = foliod(*command, "--json")
    assert result.code == 3
    assert error(result)["code"] == "not_running"
    assert str(environ) in error(result)["message"]


@pytest.mark.parametrize(
    ("status", "code", "exit_code"), [(400, "bad_request", 2), (404, "not_found", 1), (503, "database_unavailable", 1)]
)
@pytest.mark.parametrize("command", [["ask", "x"], ["search", "x"]])
def test_what_the_daemon_refuses_is_passed_on(foliod, daemon, command, status, code, exit_code):
    """Code and message are those of the daemon's answer, lines and escapes in it included."""
    told = {"code": code, "message": "one\ntwo \x1b[2J \N{EN DASH}"}
    daemon.answers = {f"POST /v1/{command[0]}": (status, {"error": told})}
    result = foliod(*command, "--json")
    assert result.code == exit_code
    assert error(result) == told
    assert result.err.isascii()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["aks", "--json"], "aks"),
        (["ask", "--json"], "QUESTION"),
        (["ask", "--json", "x", "--limit", "0"], "--limit"),
        (["ask", "x", "--wait", "no/such.pdf", "--json"], "no/such.pdf"),
        (["search", "x", "--json", "--mode", "y"], "--mode"),
        (["--nonsense", "status", "--json"], "--nonsense"),
        (["search", "--json", " "], "the question is empty"),
        (["service", "--json"], "--json"),
    ],
)
def test_wrong_usage_is_told_to_programs(foliod, environ, arguments, told):
    """Wherever the mistake stands, before or after --json, it is JSON; the exit code stays 2."""
    result = foliod(*arguments)
    assert result.code == 2
    assert error(result)["code"] == "bad_request"
    assert told in error(result)["message"]


def test_a_wrong_configuration_is_told_to_programs(foliod, environ, monkeypatch):
    """Its mistakes are one message, a line each; the exit code stays 2."""
    monkeypatch.setenv("FOLIOD_SERVER__SOCKT", "x")
    monkeypatch.setenv("FOLIOD_SERVER__HTP", "x")
    result = foliod("config", "--json")
    assert result.code == 2
    assert error(result)["code"] == "config"
    assert len(error(result)["message"].splitlines()) == 2


def test_output_that_can_not_be_written_is_told_to_programs(environ):
    """Where standard output is full, standard error still says so."""
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "foliod", "config", "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=os.environ)
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["message"].startswith("the output can't be written: ")


@pytest.mark.parametrize("arguments", [["search", "--", "--json"], ["search", "why", "--", "--json"]])
def test_a_question_may_speak_of_json(foliod, environ, arguments):
    """What comes after -- is the question, and errors are for people."""
    result = foliod(*arguments)
    assert result.code == 3
    assert result.err.startswith("error: foliod is not running")
