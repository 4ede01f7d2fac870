"""What was mistyped, on the command line or in the configuration, is told in the words that were typed."""

from __future__ import annotations

import pytest
from aiohttp import web

import canned


@pytest.mark.parametrize(("folder", "told"), [("/nope", True), ("/in/sub", False), ("/", False)])
def test_a_folder_that_nobody_watches_is_said_to_be_none(foliod, daemon, folder, told):
    """Nothing found in a folder that is not watched is told from nothing found in one that is."""
    daemon.answers["POST /v1/search"] = {
        "hits": [], "mode": "keyword", "coverage": canned.COVERAGE, "took_ms": 1.0, "note": None,
    }  # fmt: skip
    daemon.answers["GET /v1/documents"] = {"documents": [], "cursor": None}
    daemon.answers["GET /v1/status"] = canned.status()
    nothing = canned.done("The documents do not contain an answer.", citations=[])
    daemon.answers["POST /v1/ask"] = [canned.sources(), nothing]
    for command in (["search", "tides"], ["ask", "tides"], ["documents"], ["documents", "--json"]):
        found = foliod(*command, "--folder", folder)
        assert found.code == 0
        assert f"no document lies in {folder}" in found.err
        assert ("no watched folder" in found.err) is told
        assert "no documents" not in found.err


def test_nothing_that_fits_in_a_folder_with_documents_is_not_blamed_on_the_folder(foliod, daemon):
    """A state that no document of a folder has is no mistake of the folder's name."""
    daemon.answers["GET /v1/documents"] = lambda request: web.json_response(
        {"documents": [] if "state" in request.query else [canned.document()], "cursor": None}
    )
    assert foliod("documents", "--folder", "/in", "--state", "failed").err == "no documents\n"


def test_a_folder_on_the_command_line_that_is_not_there_is_told(foliod, environ, monkeypatch):
    """A typo after `foliod run` is likelier than a disk that comes later."""
    monkeypatch.setattr("foliod.start.supervise.run", lambda *_: 0)
    assert "/nope/inbox is not there" in foliod("run", "/nope/inbox").err
    assert foliod("run", str(environ.parent)).err == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\n[log]\n[server]\n", "line 3: the section [server] is there already"),
        ('[log]\nlevel = "info"\nlevel = "info"\n', "line 3: level is set a second time"),
        ("watch\n", "line 1: expected '=' after a key in a key/value pair; a line reads key = value"),
    ],
)
def test_what_stands_twice_is_named_as_in_the_file(foliod, environ, tmp_path, text, told):
    """A mistake is told with the words that stand in the file."""
    path = tmp_path / "foliod.toml"
    path.write_text(text)
    refused = foliod("status", "--config", str(path))
    assert refused.code == 2
    assert told in refused.err


def test_the_summaries_of_the_service_commands_are_whole(foliod):
    """The list of commands cuts no sentence off."""
    assert "..." not in foliod("service", "--help").out.partition("Commands:")[2]
