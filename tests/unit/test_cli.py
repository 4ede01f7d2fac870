"""The command line as its users see it, against a daemon that answers from a script over a real socket."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rich.console import Console

import canned
from canned import answering, citation, document, done, hit, sources, token
from commands import Result
from fake_ollama import FakeOllama
from foliod.base.errors import BadRequestError, FoliodError, ForbiddenError, NotFoundError, NotRunningError
from foliod.base.sources import load
from foliod.base.version import __version__
from foliod.reading.sandbox import Confinement
from foliod.start.cli import app
from foliod.start.client import Client
from foliod.start.doctor import examine
from foliod.start.opening import opener, saved
from foliod.start.terminal import Flow, safe

ASK = "POST /v1/ask"
SEARCH = "POST /v1/search"


LINK = r"\x1b\]8;(?:id=-?\d+)?;(?:file:///[\w/.~%-]*#page=\d+)?\x1b\\"
"""A link begins or ends; its address holds nothing that is not escaped."""


def start(*arguments: str, env: dict[str, str] | None = None, **more) -> subprocess.Popen:
    # Unbuffered, every program prints at once.
    env = {k: v for k, v in (env or os.environ).items() if k != "PYTHONUNBUFFERED"}
    return subprocess.Popen([sys.executable, "-m", "foliod", *arguments], env=env, **more)


class Screen:
    """A command on a real terminal of a given width; `text` is what it wrote, with its escape sequences."""

    def __init__(self, *arguments: str, columns: int = 80, keep: tuple[str, ...] = ()) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (40, columns))
        environ = dict(os.environ) if "TERM" in keep else {**os.environ, "TERM": "xterm-256color"}
        for name in {"NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR", "FORCE_HYPERLINK", "VTE_VERSION"} - {*keep}:
            environ.pop(name, None)
        self.process = start(*arguments, stdin=slave, stdout=slave, stderr=slave, env=environ)
        os.close(slave)
        self.text = ""

    def read_until(self, what: str, seconds: float = 60) -> str:
        """Read until `what` is on the screen, "" is until the end."""
        end = time.monotonic() + seconds
        while not (what and what in plain(self.text)):
            assert time.monotonic() < end, self.text
            if select.select([self._master], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self._master, 65536).decode("utf-8", "replace")
                except OSError:  # nobody has it open any more
                    break
        return self.text

    def end(self) -> int:
        self.read_until("")
        os.close(self._master)
        return self.process.wait(60)


@contextlib.contextmanager
def screen(*arguments: str, columns: int = 80, keep: tuple[str, ...] = ()) -> Iterator[Screen]:
    """Run a command on a terminal of its own; of what decides how it looks, only `keep` is kept as it is here."""
    shown = Screen(*arguments, columns=columns, keep=keep)
    try:
        yield shown
    finally:
        if shown.process.poll() is None:
            shown.process.kill()
            shown.process.wait(10)


def plain(text: str) -> str:
    return re.sub(rf"\x1b\[[0-9;?]*[A-Za-z]|{LINK}", "", text).replace("\r", "")


# --- asking -----------------------------------------------------------------------------


def test_an_answer_goes_to_stdout_and_the_rest_to_stderr(foliod, daemon):
    """Answer, sources, page and quote can be piped on; thinking and notes are for people."""
    daemon.answers[ASK] = [
        sources(hit()),
        {"type": "thinking", "text": "The moon, surely."},
        token("The moon "),
        token("[1]."),
        done("The moon [1].", citation(), note="Ollama is slow"),
    ]
    result = foliod("ask", "What", "raises the tides?")
    assert result.code == 0
    assert result.out == (
        "The moon [1].\n\nSources\n[1] On Tides, pages 3–4\n    “The moon raises the tides.”\n    /in/tides.pdf\n"
    )
    assert result.err.startswith("The moon, surely.\n")
    assert "by deepseek-r1:8b, found by keyword and meaning in 12 documents, 1.2 s" in result.err
    assert "Note: Ollama is slow" in result.err
    assert "\x1b" not in result.out + result.err
    assert daemon.asked == [(ASK, {}, {"question": "What raises the tides?", "mode": "hybrid"})]


def test_a_quoted_answer_is_said_to_be_one(foliod, daemon):
    """Without a model the quotes stand in the answer, and their sources below it, once each."""
    answer = "“The moon raises the tides.” [1]\n“Twice a day.” [1]"
    daemon.answers[ASK] = [
        sources(hit()),
        token(answer),
        done(answer, citation(), citation(quote="Twice a day."), generator="quotes", model=None),
    ]
    result = foliod("ask", "why tides")
    assert result.out.count("The moon raises the tides.") == 1
    assert "no model judged" in result.out
    assert result.out.count("[1] On Tides, pages 3–4") == 1
    assert "without a model" in result.err


def test_an_answer_that_names_nothing_is_said_to_be_one(foliod, daemon):
    """A model's answer without a passage has to be checked."""
    daemon.answers[ASK] = [sources(hit()), token("Who knows."), done("Who knows.")]
    result = foliod("ask", "why")
    assert "Sources" not in result.out
    assert "names no passage" in result.err


def test_what_the_sources_do_not_say_is_said(foliod, daemon):
    """Sentences without support, invented numbers and quotes that stand nowhere are named, for people."""
    answer = "The moon [1]. It is made of cheese."
    unsupported = [{"text": "It is made of cheese.", "start": 14, "end": 35, "why": "the passages does not say it"}]
    daemon.answers[ASK] = [
        sources(hit()),
        token(answer),
        done(answer, citation(verified=False), unsupported=unsupported, invented=[7, 9]),
    ]
    result = foliod("ask", "why")
    assert "Not found in the sources: “It is made of cheese.” (the passages does not say it)" in result.err
    assert "sources that there are not: [7], [9]" in result.err
    assert "tides.” (does not stand in the document any more)" in result.out


def test_that_nothing_was_found_is_no_reason_to_check(foliod, daemon):
    """When the model says that the documents do not hold it, nobody is told to check an answer without passages."""
    daemon.answers[ASK] = [sources(hit()), token("Not there."), done("Not there.", answered=False)]
    assert "names no passage" not in foliod("ask", "why").err


def test_what_an_answer_could_not_see_is_said(foliod, daemon):
    """Documents that are still to be read and pages that can't be are told with the answer, those of the sources by page."""
    unread = [{"document": document(), "pages": [[2, 3], [7, 7]], "reason": "could not be read"}]
    coverage = {"documents": 1, "pages": 40, "unread_pages": 3, "pending": 1, "unread": unread}
    daemon.answers[ASK] = [sources(), token("No."), done("No.", coverage=coverage)]
    err = foliod("ask", "why").err
    assert "in 1 document," in err
    assert "1 document still to be read" in err
    assert "Not read: On Tides, pages 2–3, page 7 (could not be read)" in err
    assert "3 pages of 40 could not be read." in err


def test_tokens_are_printed_as_they_come(daemon):
    """A reader sees the first words while the model writes the last ones."""
    daemon.answers[ASK] = [sources(hit()), token("first "), None, token("last"), done("first last", citation())]
    process = start("ask", "why", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert os.read(process.stdout.fileno(), 100) == b"first "
        daemon.hold.set()
        assert process.stdout.read().startswith(b"last\n")
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.stdout.close()


def test_json_prints_the_events_a_line_each(foliod, daemon):
    """Programs get what the daemon sent, with line separators inside text that are none in JSON."""
    text = "one\u2028two\x85three\x1b[2J"
    events = [sources(hit(text=text)), token(text), done(text, citation(quote=text))]
    daemon.answers[ASK] = events
    result = foliod("ask", "why", "--json")
    assert [json.loads(line) for line in result.out.rstrip("\n").split("\n")] == events
    assert result.code == 0


@pytest.mark.parametrize("as_json", [False, True])
def test_an_answer_that_breaks_off_fails(foliod, daemon, as_json):
    """What came is shown, the reason is told, and the exit code says that it is not all."""
    daemon.answers[ASK] = [
        sources(),
        token("Half an"),
        {"type": "error", "code": "x", "message": "the model fell over"},
    ]
    result = foliod("ask", "why", *["--json"] * as_json)
    assert result.code == 1
    assert "Half an" in result.out
    assert "the model fell over" in (result.out if as_json else result.err)


@pytest.mark.parametrize("events", [[token("Half an"), "cut"], [token("Half an")], ["cut"]])
def test_a_daemon_that_goes_away_is_told(foliod, daemon, events):
    """A cut connection is never taken for the end of the answer."""
    daemon.answers[ASK] = events
    result = foliod("ask", "why")
    assert result.code == 1
    assert "error: the answer was cut off: foliod stopped or was restarted; ask again" in result.err


def test_all_options_of_a_question_arrive(foliod, daemon, tmp_path, monkeypatch):
    """What is narrowed on the command line is narrowed in the request, with absolute paths."""
    monkeypatch.chdir(tmp_path)
    daemon.answers[ASK] = [sources(hit()), done("x")]
    foliod(
        *("ask", "why", "--folder", "in", "--document", "7", "--model", "m", "--no-think", "--mode", "keyword"),
        *("--limit", "3", "--after", "2024-01-01", "--before", "2025", "--wait", "--wait-seconds", "5"),
    )
    [(_, _, body)] = daemon.asked
    assert body == {
        "question": "why",
        "folder": str(tmp_path / "in"),
        "document": 7,
        "model": "m",
        "think": False,
        "mode": "keyword",
        "limit": 3,
        "after": "2024-01-01",
        "before": "2025",
        "wait": "settled",
        "wait_seconds": 5.0,
    }


@pytest.mark.parametrize(
    ("arguments", "wait"),
    [
        (["why", "--wait"], "settled"),
        (["--wait", "why"], "settled"),
        (["--wait", "settled", "why"], "settled"),
        (["--wait", "/in/x.pdf", "why"], "/in/x.pdf"),
        (["--wait=/in/x.pdf", "why"], "/in/x.pdf"),
        (["why", "--wait", "./x.pdf"], "{here}/x.pdf"),
        (["--wait", "there.pdf", "why"], "{here}/there.pdf"),
        (["--wait=absent.pdf", "why"], "{here}/absent.pdf"),
        (["why"], None),
    ],
)
def test_wait_stands_alone_or_before_a_file(foliod, daemon, tmp_path, monkeypatch, arguments, wait):
    """`--wait` waits for everything; with a file, for that one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.pdf").touch()
    daemon.answers[ASK] = [done("x")]
    assert foliod("ask", *arguments).code == 0
    body = daemon.asked[0][2]
    assert body["question"] == "why"
    assert body.get("wait") == (wait and wait.format(here=tmp_path))
    assert ("wait_seconds" in body) == (wait is not None)


@pytest.mark.parametrize("path", ["absent.pdf", "sub/absent", "My Paper.PDF"])
def test_a_file_that_is_not_there_is_not_taken_for_the_question(foliod, daemon, tmp_path, monkeypatch, path):
    """A mistyped file behind `--wait` is a mistake that is told; a question with a slash is a question."""
    monkeypatch.chdir(tmp_path)
    daemon.answers[ASK] = [done("x")]
    result = foliod("ask", "--wait", path, "why")
    assert (result.code, daemon.asked) == (2, [])
    assert "no such file is there" in result.err
    assert foliod("ask", "--wait", "What is TCP/IP?").code == 0
    assert (daemon.asked[0][2]["question"], daemon.asked[0][2]["wait"]) == ("What is TCP/IP?", "settled")


def test_a_question_may_come_from_standard_input(foliod, daemon, monkeypatch):
    """`echo question | foliod ask -`."""
    import io

    daemon.answers[ASK] = [done("x")]
    monkeypatch.setattr(sys, "stdin", io.StringIO("why tides?\n"))
    assert foliod("ask", "-").code == 0
    assert daemon.asked[0][2]["question"] == "why tides?"
    monkeypatch.setattr(sys, "stdin", io.StringIO(" \n"))
    assert foliod("ask", "-").code == 2


# --- searching and listing --------------------------------------------------------------


def test_search_shows_passages_with_document_and_page(foliod, daemon):
    """A hit says what it is, where it stands and how it was found."""
    untitled = document(2, title=None, path="/in/b.pdf")
    daemon.answers[SEARCH] = {
        "mode": "keyword",
        "hits": [hit(), hit(2, text="word " * 200, document=untitled, heading=None)],
        "coverage": canned.COVERAGE,
        "took_ms": 12.3,
        "note": "Ollama can't be reached",
    }
    result = foliod("search", "tides", "--limit", "2")
    assert "1. On Tides, page 3\n   Causes\n   The moon raises the tides.\n   /in/tides.pdf\n" in result.out
    assert "2. b.pdf, page 3\n" in result.out
    assert "…" in result.out
    assert result.err == ("2 passages, found by keyword in 12 documents, 12 ms\nNote: Ollama can't be reached\n")
    assert json.loads(foliod("search", "tides", "--json").out) == daemon.answers[SEARCH]


def listed(number: int, **more) -> dict:
    return {**document(number), "state": "ready", "pages": 3, "reason": None, "partial": None, **more}


def test_documents_are_lines_with_tabs_for_programs(foliod, daemon):
    """`cut`, `grep` and `awk` get a line for each document, all of it."""
    bad = listed(2, title=None, path="/in/" + canned.EVIL, state="damaged", pages=None, reason="cut off\nin the middle")
    daemon.answers["GET /v1/documents"] = {"documents": [listed(1), bad], "cursor": None}
    lines = foliod("documents").out.split("\n")
    assert lines[0].split("\t") == ["1", "ready", "3", "On Tides", "/in/tides.pdf", ""]
    assert lines[1].split("\t")[::5] == ["2", "cut off in the middle"]
    assert lines[2:] == [""]


def test_documents_come_page_by_page(foliod, daemon):
    """However many there are, all are listed, or as many as asked for."""

    def page(request):
        first = int(request.query.get("cursor", 0)) + 1
        last = min(first + int(request.query["limit"]) - 1, 450)
        cursor = str(last) if last < 450 else None
        return {"documents": [listed(n) for n in range(first, last + 1)], "cursor": cursor}

    daemon.answers["GET /v1/documents"] = page
    whole = json.loads(foliod("documents", "--limit", "0", "--json").out)
    assert [d["id"] for d in whole["documents"]] == list(range(1, 451))
    daemon.asked.clear()
    result = foliod("documents", "--state", "ready", "-q", "tide", "--folder", "/in")
    assert len(result.out.splitlines()) == 100
    assert "--limit 0 shows all" in result.err
    assert daemon.asked[0][1] == {"state": "ready", "limit": "100", "folder": "/in", "q": "tide"}


def test_a_document_may_be_named_by_its_path(daemon, tmp_path, monkeypatch):
    """A number, a path, or a piece of the title: as long as one document fits."""
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path / "a.pdf")
    found = [listed(1), listed(2, path=here, paths=[here])]
    daemon.answers["GET /v1/documents"] = {"documents": found, "cursor": None}
    with Client(daemon.socket) as client:
        assert client.document_id("17") == 17
        assert client.document_id("a.pdf") == 2
        assert daemon.asked[-1][1]["q"] == "a.pdf"
        with pytest.raises(BadRequestError, match=r"2 documents fit tides: 1 \(/in/tides.pdf\)"):
            client.document_id("tides")
        daemon.answers["GET /v1/documents"] = {"documents": [], "cursor": None}
        with pytest.raises(NotFoundError, match="no document has tides"):
            client.document_id("tides")


def test_a_name_that_is_not_utf8_is_asked_for_as_it_is_shown(foliod, daemon):
    """A folder whose name is not UTF-8 can be named on the command line."""
    shown = "/in/caf\N{REPLACEMENT CHARACTER}"
    daemon.answers["GET /v1/documents"] = {"documents": [], "cursor": None}
    daemon.answers["GET /v1/status"] = canned.status(roots=[canned.status()["roots"][0] | {"path": shown}])
    listed = foliod("documents", "--folder", os.fsdecode(b"/in/caf\xe9"))
    assert (listed.code, listed.err) == (0, f"no document lies in {shown}\n")
    assert daemon.asked[0][1]["folder"] == shown


# --- status -----------------------------------------------------------------------------


def test_status_tells_how_far_it_is(foliod, daemon):
    """One look says what is read, searchable, embedded and still to come."""
    daemon.answers["GET /v1/status"] = canned.status()
    out = foliod("status").out
    assert "foliod: 0.1.0, indexing, up 1 min\n" in out
    assert "Documents: 9 of 12 read, 8 searchable, 42 pages/s, about 2 min left\n" in out
    assert "Vectors: 1,000 of 4,000\n" in out
    assert "damaged 1" in out
    assert "failed" not in out
    assert "/in: 13 files, 1 still changing" in out
    assert json.loads(foliod("status", "--json").out) == canned.status()
    vectors = {"have": 1000, "want": 4000, "refused": 2}
    daemon.answers["GET /v1/status"] = canned.status(vectors=vectors)
    assert "Vectors: 1,000 of 4,000; 2 passages refused by the model, found by keyword only\n" in foliod("status").out


BUILDING = {
    "model": "bge-m3", "serving": "mxbai-embed-large", "phase": "embedding", "have": 1200, "want": 5000, "refused": 1,
    "per_s": 38.0, "eta_s": 100, "asked_at": "2026-01-02T03:04:05+00:00", "how": "command", "error": None,
}  # fmt: skip


def test_status_tells_how_far_a_change_of_model_is(foliod, daemon):
    """How many texts the new model has embedded, how fast, how long it takes, and what it waits for."""
    daemon.answers["GET /v1/status"] = canned.status(reembedding=BUILDING)
    text = "New vectors: 1,200 of 5,000 texts by bge-m3, 38/s, about 1 min left; 1 passage refused by it\n"
    assert text in foliod("status").out
    indexing = BUILDING | {"phase": "indexing", "have": 5000, "refused": 0}
    daemon.answers["GET /v1/status"] = canned.status(reembedding=indexing)
    assert "5,000 of 5,000 texts by bge-m3, being indexed\n" in foliod("status").out
    daemon.answers["GET /v1/status"] = canned.status(reembedding=BUILDING | {"error": "Ollama is \x1b[31maway"})
    assert "waits: Ollama is" in foliod("status").out
    assert "\x1b" not in foliod("status").out


def test_reembed_waits_for_the_model_that_was_asked_for(foliod, daemon):
    """`--wait` ends when the model serves, by whichever of its names, and fails when somebody asks for another."""
    daemon.answers["POST /v1/reembed"] = {
        "model": "bge-m3:latest", "digest": "d", "dimensions": 1024, "space": 2, "state": "building",
        "serving": "mxbai-embed-large", "have": 10, "want": 5000, "refused": 0,
    }  # fmt: skip
    daemon.answers["GET /v1/status"] = canned.status(reembedding=BUILDING)
    told = foliod("reembed").err
    assert "4,990 texts will be embedded by bge-m3:latest (1024 dimensions); 10 texts of it are there already\n" in told
    assert "this takes about 1 min\n" in told
    serving = canned.status()["ollama"] | {"embed_model": "bge-m3"}
    daemon.answers["GET /v1/status"] = canned.status(ollama=serving)
    assert "bge-m3:latest serves now\n" in foliod("reembed", "--wait").err
    daemon.answers["GET /v1/status"] = canned.status(reembedding=BUILDING | {"model": "other"})
    result = foliod("reembed", "--wait")
    assert result.code == 1
    assert "not asked for any more" in result.err


def test_status_tells_what_is_wrong(foliod, daemon):
    """Database away, Ollama away, a folder missing: each is said, and nothing breaks."""
    away = {"reachable": False, "embedded": False, "error": "PostgreSQL at h/d can't be reached"}
    unknown = dict.fromkeys(("documents", "files", "pages", "chunks", "vectors"))
    ollama = canned.status()["ollama"] | {"reachable": False, "missing": None, "error": "Ollama can't be reached"}
    root = {"path": "/in", "state": "missing", "reason": "the folder is gone", "files": 0}
    daemon.answers["GET /v1/status"] = canned.status(database=away, ollama=ollama, roots=[root], **unknown)
    out = foliod("status").out
    assert "Database: PostgreSQL: PostgreSQL at h/d can't be reached" in out
    assert "Ollama: Ollama can't be reached. Search goes by keyword" in out
    assert "/in: 0 files; the folder is gone" in out
    ollama |= {"reachable": True, "missing": ["m:8b"]}
    daemon.answers["GET /v1/status"] = canned.status(ollama=ollama, roots=[])
    out = foliod("status").out
    assert "ollama pull m:8b" in out
    assert "Watching: no folder" in out


def test_status_tells_what_is_not_finished_and_why_there_are_no_events(foliod, daemon):
    """Files that somebody still writes, and a folder that the kernel tells nothing of, are named."""
    root = {"path": "/in", "state": "ok", "reason": None, "files": 13, "settling": 3, "unfinished": 2, "unreadable": 0}
    blind = root | {"noticed_by": "sweeps", "noticed_reason": "raise fs.inotify.max_user_watches"}
    daemon.answers["GET /v1/status"] = canned.status(roots=[blind])
    out = " ".join(foliod("status").out.split())
    assert "3 still changing (2 of them still being written" in out
    assert "there are no events: raise fs.inotify.max_user_watches" in out


def test_a_watched_status_moves_until_the_daemon_ends(environ):
    """`status --watch` draws again, and says so when the daemon is gone."""
    with answering(environ) as daemon:
        daemon.answers["GET /v1/status"] = canned.status()
        with screen("status", "--watch", columns=100) as shown:
            shown.read_until("9 of 12 read")
            daemon.answers["GET /v1/status"] = canned.status(documents={"ready": 11, "reading": 1})
            shown.read_until("11 of 12 read")
            daemon.answers.clear()
            assert shown.end() == 1


# --- opening pages ----------------------------------------------------------------------

PICTURE = b"\x89PNG a picture"


@pytest.fixture
def desktop(tmp_path, monkeypatch) -> Path:
    """A desktop whose browser writes down what it is given; returns that list."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    browser, shown = tmp_path / "browser", tmp_path / "shown"
    browser.write_text(f'#!/bin/sh\necho "$@" >> {shown}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    return shown


def png(_request):
    from aiohttp import web

    return web.Response(body=PICTURE, content_type="image/png")


def test_the_best_page_is_opened(foliod, daemon, desktop):
    """`ask --open` shows the first citation's page, its passage marked; the answer stays what it is."""
    daemon.answers = {
        ASK: [
            sources(hit(), hit(2, start=900, end=990, pages=[4, 6])),
            token("Tides [2]."),
            done("Tides [2].", citation(2, rects=[{"page": 5, "x0": 1, "y0": 1, "x1": 2, "y1": 2}], pages=[4, 6])),
        ],
        "GET /v1/documents/1/pages/5.png": png,
    }
    result = foliod("ask", "--open", "why")
    assert result.code == 0
    assert result.out.startswith("Tides [2].\n\nSources\n")
    assert daemon.asked[1] == ("GET /v1/documents/1/pages/5.png", {"start": "900", "end": "990"}, None)
    path = Path(desktop.read_text().strip())
    assert path.read_bytes() == PICTURE
    assert "opened page 5 of On Tides" in result.err
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_pages_of_documents_with_one_title_are_kept_apart(foliod, daemon, desktop):
    """The picture of a page is named by its document and page, however long the title is that others have, too."""
    for n, page in ((27, 10), (28, 10), (28, 11)):
        found = hit(document=canned.document(n, "Annual Report " * 20), pages=[page, page])
        daemon.answers = {
            SEARCH: {"mode": "keyword", "hits": [found], "coverage": canned.COVERAGE, "took_ms": 1.0, "note": None},
            f"GET /v1/documents/{n}/pages/{page}.png": png,
        }
        assert foliod("search", "why", "--open").code == 0
    names = [Path(line).name for line in desktop.read_text().splitlines()]
    assert [name[:24] for name in names] == [
        "27-page-10-Annual-Report",
        "28-page-10-Annual-Report",
        "28-page-11-Annual-Report",
    ]
    assert all(Path(line).exists() for line in desktop.read_text().splitlines())


def test_without_a_citation_the_best_hit_is_opened(foliod, daemon, desktop):
    """`search --open` and answers that cite nothing show the first hit; JSON stays JSON."""
    found = {"mode": "keyword", "hits": [hit()], "coverage": canned.COVERAGE, "took_ms": 1.0, "note": None}
    daemon.answers = {
        SEARCH: found,
        ASK: [sources(hit()), token("?"), done("?")],
        "GET /v1/documents/1/pages/3.png": png,
    }
    result = foliod("search", "why", "--open", "--json")
    assert json.loads(result.out) == found
    assert foliod("ask", "why", "--open").code == 0
    assert foliod("ask", "why", "--open", "--json").code == 0
    assert len(desktop.read_text().splitlines()) == 3
    assert [query for path, query, _ in daemon.asked if path.startswith("GET")] == [{"start": "500", "end": "526"}] * 3
    found["hits"] = []
    result = foliod("search", "why", "--open")
    assert (result.code, "Nothing was found that could be opened" in result.err) == (0, True)


@pytest.mark.parametrize("browser", ["", "/nowhere/browser", "'", "false"])
def test_where_there_is_nothing_to_open_with_the_picture_is_named(foliod, daemon, desktop, monkeypatch, browser):
    """On a server the user is told where the picture lies; also when the browser fails or is not there."""
    monkeypatch.setenv("BROWSER", browser)
    daemon.answers = {ASK: [sources(hit()), token("x"), done("x")], "GET /v1/documents/1/pages/3.png": png}
    result = foliod("ask", "why", "--open")
    assert result.code == 0
    path = re.search(r"page 3 of On Tides is saved as (\S+)", result.err.replace("\n", " "))
    assert Path(path[1]).read_bytes() == PICTURE
    assert ("could not open it" if browser == "false" else "nothing here to open a picture with") in result.err


def test_a_page_that_can_not_be_drawn_is_told(foliod, daemon, desktop):
    """The answer has been shown; that its page can't be is an error with the daemon's reason."""
    refusal = {"error": {"code": "file_gone", "message": "/in/tides.pdf can't be opened: No such file"}}
    daemon.answers = {
        ASK: [sources(hit()), token("Moon."), done("Moon.")],
        "GET /v1/documents/1/pages/3.png": (410, refusal),
    }
    result = foliod("ask", "why", "--open")
    assert (result.code, result.out.startswith("Moon.")) == (1, True)
    assert "No such file" in result.err
    assert not desktop.exists()


def test_a_folder_of_others_is_not_used(tmp_path):
    """Pictures of private documents are not put where others can look, nor left for ever."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    path = saved(PICTURE, "../../Über: all/that\x1b", environ)
    assert path == tmp_path / "foliod-pages" / "Über-all-that.png"
    os.utime(path, (0, 0))
    assert saved(PICTURE, "new", environ).exists()
    assert not path.exists()
    path.parent.chmod(0o777)
    with pytest.raises(FoliodError, match="can be written by others"):
        saved(PICTURE, "x", environ)
    path.parent.rename(tmp_path / "real")
    path.parent.symlink_to(tmp_path / "real")
    with pytest.raises(FoliodError, match="can be written by others"):
        saved(PICTURE, "x", environ)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"BROWSER": "nothere:sh -c %s"}, ["sh", "-c"]),
        ({"DISPLAY": ":0"}, ["xdg-open"]),
        ({"WAYLAND_DISPLAY": "w"}, ["xdg-open"]),
        ({}, None),
    ],
)
def test_the_users_browser_goes_before_the_desktops(tmp_path, environ, expected, monkeypatch):
    """$BROWSER as others read it, else xdg-open where there is a screen, else nothing."""
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "xdg-open").write_text("")
    (tmp_path / "xdg-open").chmod(0o755)
    assert opener({"PATH": f"{tmp_path}:/bin", **environ}) == expected


def test_sources_are_links_to_their_page_on_a_terminal(daemon, monkeypatch):
    """A click on a source opens the PDF at the page; NO_COLOR takes colours, not links."""
    source = document(path="/in/On Tides & more.pdf")
    rects = [{"page": 4, "x0": 1, "y0": 1, "x1": 2, "y1": 2}]
    daemon.answers = {
        ASK: [sources(hit()), token("x"), done("x", citation(document=source, rects=rects))],
        SEARCH: {"mode": "keyword", "hits": [hit()], "coverage": canned.COVERAGE, "took_ms": 1.0, "note": None},
    }
    with screen("ask", "why") as shown:
        shown.end()
    assert ";file:///in/On%20Tides%20%26%20more.pdf#page=4\x1b\\On Tides" in re.sub(r"\x1b\[[0-9;]*m", "", shown.text)
    for name, value, links in (("NO_COLOR", "1", True), ("TERM", "linux", False), ("FORCE_HYPERLINK", "0", False)):
        monkeypatch.setenv(name, value)
        with screen("search", "why", keep=(name,)) as shown:
            shown.end()
        assert ("#page=3" in shown.text) == links
        assert "On Tides" in plain(shown.text)
        monkeypatch.delenv(name)


@pytest.mark.parametrize("command", [["ask", "why"], ["search", "why"], ["ask", "why", "--json"]])
def test_links_are_for_terminals_only(foliod, daemon, command):
    """Pipes and JSON get text without escape sequences."""
    daemon.answers = {
        ASK: [sources(hit()), token("x"), done("x", citation())],
        SEARCH: {"mode": "keyword", "hits": [hit()], "coverage": canned.COVERAGE, "took_ms": 1.0, "note": None},
    }
    assert "\x1b" not in foliod(*command).out


# --- on a terminal ----------------------------------------------------------------------


@pytest.mark.parametrize("columns", [30, 44, 120])
def test_an_answer_fits_the_terminal(daemon, columns):
    """Words are not cut in two, and no line is longer than the terminal is wide."""
    words = "The gravitational pull of the moon raises the tides twice a day [1]. ".split(" ")
    daemon.answers[ASK] = [sources(hit()), *[token(w + " ") for w in words], done("x", citation(quote="moon " * 40))]
    with screen("ask", "why", columns=columns) as shown:
        assert shown.end() == 0
    lines = plain(shown.text).split("\n")
    assert max(len(line.rstrip()) for line in lines) <= columns
    said = " ".join(line.strip() for line in lines)
    assert "gravitational pull of the moon raises the tides twice a day [1]." in said
    assert not [line for line in lines if line.startswith(" ") and not line.startswith("    ") and line.strip()]


@pytest.mark.parametrize("command", [["ask", "why"], ["search", "why"], ["documents"], ["status"]])
@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_a_document_says_can_steer_the_terminal(foliod, daemon, command, terminal):
    """Escape sequences in names, titles, text, answers and reasons are shown, not obeyed."""
    bad = document(1, title=canned.EVIL, path="/in/" + canned.EVIL)
    evil = hit(text=canned.EVIL, heading=canned.EVIL, document=bad)
    about = {"document": bad, "quote": canned.EVIL}
    daemon.answers = {
        ASK: [
            sources(evil),
            {"type": "thinking", "text": canned.EVIL},
            token(canned.EVIL[:6]),
            token(canned.EVIL[6:]),
            done(canned.EVIL, citation(**about), model=canned.EVIL, note=canned.EVIL),
        ],
        SEARCH: {"mode": "keyword", "hits": [evil], "coverage": canned.COVERAGE, "took_ms": 1.0, "note": canned.EVIL},
        "GET /v1/documents": {"documents": [{**listed(1), **bad, "reason": canned.EVIL}], "cursor": None},
        "GET /v1/status": canned.status(
            roots=[{"path": canned.EVIL, "state": canned.EVIL, "reason": canned.EVIL, "files": 1}],
            database={"reachable": False, "embedded": True, "error": canned.EVIL},
            ollama=canned.status()["ollama"] | {"embed_model": canned.EVIL, "missing": [canned.EVIL]},
        ),
    }
    if terminal:
        with screen(*command) as shown:
            assert shown.end() == 0
        text = shown.text
        assert "owned" in text
    else:
        result = foliod(*command)
        text = result.out + result.err
        assert result.out.count("owned") >= 1
        assert "\x1b" not in text
    # What is left are colours, links, the cursor of a spinner, and lines erased under it.
    left = re.sub(rf"\x1b\[(\d+(;\d+)*m|\?25[lh]|2K|1A)|[\r\n]|{LINK}", "", text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", left)
    assert "\x1b[2J" not in text


def test_colours_only_on_a_terminal_that_has_them(daemon, monkeypatch):
    """NO_COLOR is respected, and pipes get none."""
    daemon.answers["GET /v1/documents"] = {"documents": [listed(1)], "cursor": None}
    with screen("documents") as shown:
        shown.end()
    assert "\x1b[32mready" in shown.text


@given(st.lists(st.text(max_size=30), max_size=10), st.integers(8, 60))
@hypothesis_settings(deadline=None, max_examples=200)
def test_wrapping_loses_nothing(pieces, width):
    """Whatever the pieces, a wrapped answer has the same words, and no line is too long to have been wrapped."""
    import io

    from rich.cells import cell_len

    file = io.StringIO()
    flow = Flow(Console(file=file, force_terminal=True, color_system=None, width=width))
    for piece in pieces:
        flow.write(piece)
    flow.end()
    text = safe("".join(pieces), lines=True)
    assert file.getvalue().split() == text.split()
    for line in file.getvalue().split("\n"):
        # A word that is longer than the line is left to the terminal.
        assert cell_len(line) <= width or cell_len(line.split()[0]) > width


def test_wrapping_takes_the_space_for_the_line_break():
    """A line that is just full is followed by the next word, not by a space."""
    import io

    file = io.StringIO()
    flow = Flow(Console(file=file, force_terminal=True, color_system=None, width=10))
    for piece in ("aaaa bb", "bbb", " cc\n dd"):
        flow.write(piece)
    flow.end()
    assert file.getvalue() == "aaaa bbbbb\ncc\n dd\n"


@given(st.text())
@hypothesis_settings(deadline=None)
def test_safe_text_is_one_line_without_control_characters(text):
    """Names are shown on one line, whatever they hold."""
    shown = safe(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    shown.encode()
    assert safe(shown) == shown


# --- exit codes and errors --------------------------------------------------------------


COMMANDS = [["ask", "x"], ["search", "x"], ["status"], ["documents"], ["status", "--watch"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_daemon_the_exit_code_is_3(foliod, environ, command):
    """Every command says that foliod is not running, where it looked, and how to start it."""
    result = foliod(*command)
    assert (result.code, result.out) == (3, "")
    assert result.err == (
        f"error: foliod is not running at {environ} (there is no such socket); start it with: foliod run\n"
    )


def test_a_socket_that_was_left_behind_is_not_a_daemon(foliod, environ):
    """After a crash the file of the socket is still there, and nobody answers."""
    import socket

    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(environ))
    result = foliod("status")
    assert result.code == 3
    assert "nothing answers there" in result.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_socket_one_may_not_use_is_told(daemon):
    """Another user's daemon is not said to be stopped."""
    daemon.socket.chmod(0o600)
    with Client(daemon.socket) as client:
        os.seteuid(65534)
        try:
            with pytest.raises(ForbiddenError, match="you may not use the socket") as caught:
                client.status()
        finally:
            os.seteuid(0)
    assert (caught.value.code, caught.value.exit_code) == ("forbidden", 1)
    assert f"chgrp GROUP {daemon.socket}; chmod g+w {daemon.socket}" in caught.value.message


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        ((400, {"error": {"code": "bad_request", "message": "after: must be a date"}}), 2, "after: must be a date"),
        ((503, {"error": {"code": "not_ready", "message": "PostgreSQL is being started"}}), 1, "is being started"),
        ((504, {"error": {"code": "wait_timeout", "message": "not searchable yet"}}), 1, "not searchable yet"),
        ((500, {"error": {"code": "new_in_version_9", "message": "what"}}), 1, "what"),
        ((500, "<html>"), 1, "status 500 and no explanation"),
        ((500, {"error": None}), 1, "status 500 and no explanation"),
        ((200, "[]"), 1, "not JSON"),
        ((200, "nonsense"), 1, "not JSON"),
        ((500, {"error": {"code": "x", "message": canned.EVIL}}), 1, "\N{REPLACEMENT CHARACTER}"),
    ],
)
@pytest.mark.parametrize("command", [["ask", "x"], ["search", "x"], ["status"]])
def test_what_the_daemon_refuses_is_one_sentence(foliod, daemon, command, answer, code, told):
    """An error of the daemon is told in its words, without a traceback."""
    daemon.answers = {ASK: answer, SEARCH: answer, "GET /v1/status": answer}
    result = foliod(*command)
    assert result.code == code
    assert told in result.err.replace("evil]", "\N{REPLACEMENT CHARACTER}")
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert "\x1b" not in result.err


@pytest.mark.parametrize(
    "arguments", [[], ["aks"], ["ask"], ["ask", "x", "--limit", "0"], ["search", "x", "--mode", "y"], ["ask", " "]]
)
def test_wrong_usage_is_2(foliod, environ, arguments):
    """A mistake on the command line is told, and the exit code says whose it is."""
    result = foliod(*arguments)
    assert result.code == 2
    assert "Traceback" not in result.err


def test_a_wrong_configuration_is_2(foliod, environ, monkeypatch):
    """Every command refuses a configuration with a mistake, by name."""
    monkeypatch.setenv("FOLIOD_SERVER__SOCKT", "x")
    for command in (["status"], ["config"], ["run"]):
        result = foliod(*command)
        assert result.code == 2
        assert "FOLIOD_SERVER__SOCKT: [server] sockt is not a known key; did you mean socket?" in result.err


def test_control_c_ends_quietly(daemon):
    """Ctrl-C in the middle of an answer leaves what came, no traceback, and 130."""
    daemon.answers[ASK] = [sources(hit()), token("first "), None, done("x")]
    process = start("ask", "why", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert os.read(process.stdout.fileno(), 100) == b"first "
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err) == (b"\n", b"")


def test_a_closed_pipe_ends_quietly(daemon):
    """`foliod documents | head -1` shows no error."""
    daemon.answers["GET /v1/documents"] = {"documents": [listed(n) for n in range(20_000)], "cursor": None}
    process = start("documents", "--limit", "0", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"0\tready")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0


@pytest.mark.parametrize("command", [["--version"], ["config", "--defaults"], ["config"]])
def test_a_pipe_that_nobody_reads_ends_quietly(environ, command):
    """Nothing is said about a reader who left before the first word."""
    process = start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0
    assert not err.removeprefix(b"# from /dev/null, the environment and the defaults\n")


def test_an_encoding_without_the_characters_is_no_failure(daemon):
    """On a terminal that knows only ASCII, what it lacks is replaced."""
    daemon.answers[ASK] = [sources(hit()), token("“Gezeiten”"), done("x", citation())]
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = start("ask", "why", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out[:10]) == (0, b"?Gezeiten?"), err


# --- config, doctor, version ------------------------------------------------------------


def test_config_prints_what_is_in_force_and_can_be_read_again(foliod, tmp_path, monkeypatch):
    """The printed settings are a valid configuration file that says the same."""
    monkeypatch.setenv("FOLIOD_SEARCH__LIMIT", "7")
    monkeypatch.setenv("FOLIOD_WATCH", "/in")
    result = foliod("config")
    path = tmp_path / "printed.toml"
    path.write_text(result.out)
    assert load(path, environ={}) == load()
    assert result.err.startswith("# from /dev/null")
    assert json.loads(foliod("config", "--json").out)["search"]["limit"] == 7
    monkeypatch.setenv("FOLIOD_DATABASE__URL", "postgresql://u:hunter2@h/d")
    shown = foliod("config").out + foliod("config", "--json").out
    assert "hunter2" not in shown
    assert "postgresql://(hidden)@h/d" in shown


def test_config_defaults_prints_the_sample(foliod):
    """`foliod config --defaults > foliod.toml` is a start."""
    result = foliod("config", "--defaults")
    assert result.out.startswith("# foliod's configuration")
    assert "[ingest]" in result.out
    assert json.loads(foliod("config", "--defaults", "--json").out)["ollama"]["chat_model"] == "deepseek-r1:8b"


def test_version(foliod):
    """`--version` prints it."""
    assert foliod("--version") == Result(0, f"foliod {__version__}\n", "")


@pytest.fixture
def no_ollama(monkeypatch):
    monkeypatch.setenv("FOLIOD_OLLAMA__URL", "http://127.0.0.1:9")


def checks(result: Result) -> dict[str, dict]:
    return {check["name"]: check for check in json.loads(result.out)["checks"]}


def test_doctor_finds_a_healthy_machine_healthy(foliod, tmp_path, monkeypatch, no_ollama):
    """Without Ollama and before the first start there are warnings, and no failure."""
    monkeypatch.setenv("FOLIOD_WATCH", str(tmp_path))
    monkeypatch.setattr("foliod.start.doctor.offered", lambda: Confinement(landlock=7, seccomp=True))
    (tmp_path / "eng.traineddata").touch()
    monkeypatch.setenv("FOLIOD_INGEST__TESSDATA", str(tmp_path))
    result = foliod("doctor", "--json")
    assert result.code == 0
    found = checks(result)
    assert {name: check["status"] for name, check in found.items()} == {
        "configuration": "ok",
        "folder": "ok",
        "inotify": "ok",
        "state folder": "ok",
        "sandbox": "ok",
        "OCR": "ok",
        "database": "ok",
        "Ollama": "warn",
        "daemon": "warn",
    }
    assert found["daemon"]["fix"] == "start it with: foliod run"
    assert all(set(check) == {"name", "status", "message", "fix"} for check in found.values())


@pytest.mark.parametrize(
    ("variable", "value", "name", "told"),
    [
        ("FOLIOD_WATCH", "/no/such/folder", "folder", "/no/such/folder does not exist"),
        ("FOLIOD_WATCH", "/etc/passwd", "folder", "/etc/passwd is not a folder"),
        ("FOLIOD_STATE_DIR", "/etc/passwd/x", "state folder", "/etc/passwd is not a folder"),
        ("FOLIOD_DATABASE__URL", "postgresql://u:hunter2@127.0.0.1:9/d", "database", "127.0.0.1:9/d can't be reached"),
        ("FOLIOD_LOG__LEVEL", "loud", "configuration", "FOLIOD_LOG__LEVEL: [log] level must be one of"),
    ],
)
def test_doctor_says_what_is_wrong_and_how_to_mend_it(foliod, monkeypatch, no_ollama, variable, value, name, told):
    """Each fault is one check that fails, with a fix, and the exit code is 1."""
    monkeypatch.setenv(variable, value)
    result = foliod("doctor", "--json")
    assert result.code == 1
    check = checks(result)[name]
    assert check["status"] == "fail"
    assert told in check["message"]
    assert check["fix"]
    assert "hunter2" not in result.out
    shown = foliod("doctor").out
    assert f"fail {name}: " in shown
    assert "→" in shown


@pytest.mark.parametrize(
    ("landlock", "seccomp", "told"),
    [(0, True, "without Landlock"), (7, False, "without seccomp"), (0, False, "without Landlock and seccomp")],
)
def test_doctor_says_what_the_kernel_lacks(foliod, monkeypatch, no_ollama, landlock, seccomp, told):
    """Where the kernel can't hold a taken-over parser entirely, the doctor says what that one could still do."""
    monkeypatch.setattr("foliod.start.doctor.offered", lambda: Confinement(landlock, seccomp))
    check = checks(foliod("doctor", "--json"))["sandbox"]
    assert check["status"] == "warn"
    assert check["message"].startswith(f"{told} a PDF that takes over its reader could ")
    assert told.removeprefix("without ") in check["fix"]


def test_doctor_looks_at_passwords_and_tesseract(foliod, tmp_path, monkeypatch, no_ollama):
    """A file of passwords that can't be read, or that others may read, is told; so is what OCR lacks."""
    file = tmp_path / "passwords"
    monkeypatch.setenv("FOLIOD_INGEST__PASSWORDS_FILE", str(file))
    monkeypatch.setenv("FOLIOD_INGEST__TESSDATA", str(tmp_path))
    monkeypatch.setenv("FOLIOD_INGEST__OCR_LANGUAGES", "deu")
    found = checks(foliod("doctor", "--json"))
    assert (found["passwords"]["status"], found["OCR"]["status"]) == ("warn", "warn")
    assert "No such file" in found["passwords"]["message"]
    assert "deu.traineddata" in found["OCR"]["message"]
    assert "tessdata" in found["OCR"]["fix"]
    file.write_text("hunter2\nhunter3\n")
    file.chmod(0o644)
    (tmp_path / "deu.traineddata").touch()
    found = checks(foliod("doctor", "--json"))
    assert found["passwords"]["fix"] == f"chmod 600 '{file}'"
    assert found["OCR"]["status"] == "ok"
    file.chmod(0o600)
    result = foliod("doctor", "--json")
    assert checks(result)["passwords"]["message"] == f"2 in {file}"
    assert "hunter" not in result.out


def test_doctor_counts_folders_against_the_watch_limit(foliod, tmp_path, monkeypatch, no_ollama):
    """A tree with more folders than inotify may watch is told with the command that raises the limit."""
    for number in range(5):
        (tmp_path / "in" / str(number)).mkdir(parents=True)
    (tmp_path / "max_user_watches").write_text("5\n")
    monkeypatch.setattr("foliod.start.doctor_folders.INOTIFY", tmp_path)
    monkeypatch.setenv("FOLIOD_WATCH", str(tmp_path / "in"))
    check = checks(foliod("doctor", "--json"))["inotify"]
    assert check["status"] == "warn"
    assert check["message"] == "the folders need 6 of 5 watches"
    assert "sysctl fs.inotify.max_user_watches=10" in check["fix"]


async def test_doctor_knows_the_models(environ, monkeypatch):
    """A model that is missing is told with the command that gets it; one that can't do the work fails."""
    monkeypatch.setattr("foliod.start.doctor_folders.INOTIFY", environ)
    async with FakeOllama() as ollama:
        monkeypatch.setenv("FOLIOD_OLLAMA__URL", ollama.url)
        monkeypatch.setenv("FOLIOD_OLLAMA__CHAT_MODEL", "nobody:7b")
        found = {check.name: check async for check in examine(load(), None)}
        assert found["Ollama"].status == found["embedding model"].status == "ok"
        assert found["chat model"].status == "warn"
        assert found["chat model"].fix == "ollama pull nobody:7b"
        monkeypatch.setenv("FOLIOD_OLLAMA__EMBED_MODEL", "deepseek-r1:8b")
        found = {check.name: check async for check in examine(load(), None)}
        assert found["embedding model"].status == "fail"
        assert "not made for embedding" in found["embedding model"].message


def test_the_daemon_in_the_doctor(foliod, daemon, no_ollama):
    """A running daemon is asked whether it is ready, and about its database."""
    daemon.answers["GET /v1/status"] = canned.status()
    daemon.answers["GET /readyz"] = {"ready": True, "reasons": []}
    found = checks(foliod("doctor", "--json"))
    assert found["daemon"]["status"] == "ok"
    assert found["database"]["message"].endswith("and runs")
    daemon.answers["GET /readyz"] = (503, {"ready": False, "reasons": ["/in is being looked through"]})
    found = checks(foliod("doctor", "--json"))
    assert "not ready: /in is being looked through" in found["daemon"]["message"]


def test_a_folder_that_vanished_is_not_to_be_made_anew(foliod, daemon, no_ollama, tmp_path, monkeypatch):
    """Doctor says that what was read of it is kept, and the two ways on; a folder without documents is a typing mistake."""
    gone = tmp_path / "gone"
    daemon.answers["GET /readyz"] = {"ready": True, "reasons": []}
    monkeypatch.setenv("FOLIOD_WATCH", str(gone))
    for files, fix in ((13, f"foliod forget '{gone}'"), (0, "mkdir -p")):
        root = canned.status()["roots"][0] | {"path": str(gone), "state": "missing", "files": files}
        daemon.answers["GET /v1/status"] = canned.status(roots=[root])
        check = checks(foliod("doctor", "--json"))["folder"]
        assert check["status"] == "fail"
        assert ("what was read of it is kept: 13 files" in check["message"]) == bool(files)
        assert fix in check["fix"]
        assert ("mkdir" in check["fix"]) != bool(files)


def test_a_change_of_model_in_the_doctor(foliod, daemon, no_ollama):
    """How far it is, what it waits for, and whether the configuration names the model that serves."""
    daemon.answers["GET /readyz"] = {"ready": True, "reasons": []}
    for reembedding, serving, status, message in (
        (None, "mxbai-embed-large:latest", None, None),
        (None, "bge-m3", "warn", "the configuration names mxbai-embed-large"),
        (BUILDING, "mxbai-embed-large", "ok", "1,200 of 5,000 texts are embedded by bge-m3"),
        (BUILDING | {"error": "it is away"}, "mxbai-embed-large", "warn", "waits: it is away"),
    ):
        ollama = canned.status()["ollama"] | {"embed_model": serving}
        daemon.answers["GET /v1/status"] = canned.status(reembedding=reembedding, ollama=ollama)
        found = checks(foliod("doctor", "--json"))
        assert ("change of model" in found) == (status is not None)
        if status is not None:
            assert found["change of model"]["status"] == status
            assert message in found["change of model"]["message"]


def test_help_is_there_at_once():
    """`--help` imports nothing heavy: no pydantic, no asyncio, no HTTP client."""
    code = "import sys, foliod.start.cli; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "httpx", "aiohttp", "asyncpg", "numpy", "asyncio", "structlog"} & set(loaded)


def test_errors_name_their_socket(environ):
    """The client says which socket it tried."""
    with Client(environ) as client, pytest.raises(NotRunningError, match=str(environ)):
        client.status()
    with Client(Path("/tmp/" + "x" * 200)) as client, pytest.raises(FoliodError, match="too long for a socket"):
        client.status()


@pytest.mark.parametrize("command", [["explain"], ["retry"], ["forget"], ["documents", "--folder"]])
def test_what_may_not_be_read_can_be_asked_about(command, tmp_path, monkeypatch):
    """A path that the asker may not read goes to the daemon, who knows of it, instead of being refused."""
    from typer.testing import CliRunner

    (tmp_path / "locked.pdf").write_bytes(b"")
    monkeypatch.setenv("FOLIOD_STATE_DIR", str(tmp_path))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **how: "locked" not in str(path) and access(path, mode, **how))
    told = CliRunner().invoke(app, [*command, str(tmp_path / "locked.pdf")])
    assert told.exit_code == 3, told.output
    assert "not running" in told.output
