"""What people do when something went wrong: ask why, have it read again, forget what will not come back."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from live import running, wait_for
from stilled import stilled

SAMPLES = Path(__file__).parents[1] / "samples"
ARTICLE = SAMPLES / "PMC7068164.pdf"
QUICK = "\n[ingest]\ngrace_seconds = 0.5\nsweep_seconds = 2\n"


def test_a_file_is_explained():
    """Why a file is found or not is told in one answer: state, reason, pages, history, and what happens next."""
    with running() as daemon:
        good, locked = daemon.drop(ARTICLE), daemon.drop(SAMPLES / "libreoffice-writer-password.pdf")
        daemon.wait_states(stored=1, needs_password=1)
        # Ollama is away, and that is why nothing goes on, as soon as it was asked.
        wait_for(lambda: "at the moment" in daemon.get("/v1/explain", path=str(good))["next"])
        told = daemon.get("/v1/explain", path=str(good))
        assert (told["state"], told["reason"]) == ("stored", None)
        assert "vectors" in told["next"]
        assert told["verdicts"] == {"text": 3}
        assert [entry["state"] for entry in told["history"]] == ["queued", "reading", "stored"]
        assert told["file"]["path"] == str(good)
        told = daemon.get("/v1/explain", path=str(locked))
        assert told["state"] == "needs_password"
        assert "password" in told["reason"]
        assert "passwords_file" in told["next"]
        shown = daemon.cli("explain", str(locked))
        assert shown.returncode == 0
        assert "needs_password" in shown.stdout
        assert "passwords_file" in shown.stdout
        assert json.loads(daemon.cli("explain", "--json", str(locked)).stdout) == told
        told = daemon.get("/v1/explain", path=str(daemon.inbox))
        assert (told["state"], told["holds"]) == ("folder", {"needs_password": 1, "stored": 1})


def test_a_path_that_is_not_foliods_business_is_said_to_be_none():
    """A path outside the watched folders is not looked at; the answer says so, and the command fails."""
    with running() as daemon:
        with daemon.client() as client:
            answer = client.get("/v1/explain", params={"path": "/etc/passwd"})
            assert answer.status_code == 404
            assert "no watched folder" in answer.json()["error"]["message"]
            assert client.get("/v1/explain", params={"path": "relative.pdf"}).status_code == 400
            assert client.get("/v1/explain").status_code == 400
        assert daemon.cli("explain", "/etc/passwd").returncode == 1


def test_a_fresh_file_can_be_waited_for_and_asked_alone():
    """`--wait FILE --document FILE` works for a file that was dropped a moment ago."""
    with running() as daemon:
        article = daemon.drop(ARTICLE)
        told = daemon.cli("search", "--wait", str(article), "--document", str(article), "coronavirus")
        assert told.returncode == 0, told.stderr
        assert "coronavirus" in told.stdout.lower()


def test_a_folder_that_is_away_is_said_to_be():
    """The watched folder and a file in it are explained by the folder's absence, and what to do about it."""
    with running(QUICK) as daemon:
        article = daemon.drop(ARTICLE)
        daemon.wait_states(stored=1)
        daemon.inbox.rename(daemon.base / "elsewhere")
        wait_for(lambda: daemon.status()["roots"][0]["state"] == "missing")
        for path in (daemon.inbox, article):
            told = daemon.get("/v1/explain", path=str(path))
            assert told["state"] == "root_missing", told
            assert "foliod forget" in told["next"]


def test_a_name_that_is_not_utf8_can_be_explained():
    """A file whose name is no text can be asked about like any other."""
    with running() as daemon:
        odd = os.fsencode(daemon.inbox) + b"/odd \xff\n name.pdf"
        shutil.copyfile(ARTICLE, odd)
        daemon.wait_states(stored=1)
        shown = daemon.cli("explain", os.fsdecode(odd))
        assert shown.returncode == 0, shown.stderr
        assert "stored" in shown.stdout


def test_a_document_is_read_again_when_somebody_asks():
    """A document is read anew from its first page: one by its path, or all that ended badly."""
    with running() as daemon:
        good, locked = daemon.drop(ARTICLE), daemon.drop(SAMPLES / "libreoffice-writer-password.pdf")
        daemon.wait_states(stored=1, needs_password=1)
        before = daemon.search("coronavirus", limit=3)["hits"]
        answer = daemon.post("/v1/retry", all=True)
        assert len(answer["documents"]) == 1
        wait_for(lambda: len(daemon.get("/v1/explain", path=str(locked))["history"]) >= 6)
        daemon.wait_states(stored=1, needs_password=1)
        assert daemon.status()["counters"]["documents_read"] == 1
        told = daemon.cli("retry", str(good))
        assert told.returncode == 0
        assert "1 document will be read again" in told.stderr
        wait_for(lambda: daemon.status()["counters"]["documents_read"] == 2)
        daemon.wait_states(stored=1, needs_password=1)
        after = daemon.search("coronavirus", limit=3)["hits"]
        assert [hit["text"] for hit in after] == [hit["text"] for hit in before]
        assert daemon.cli("doctor").returncode == 0


def test_a_retry_says_what_it_needs():
    """Neither nothing nor two things at once can be read again, nor what is not there."""
    with running() as daemon, daemon.client() as client:
        for body in ({}, {"all": True, "document": 1}, {"path": "x.pdf"}, {"document": 0}):
            assert client.post("/v1/retry", json=body).status_code == 400, body
        assert client.post("/v1/retry", json={"document": 99}).status_code == 404
        assert client.post("/v1/retry", json={"path": "/etc/passwd"}).status_code == 404
        assert client.post("/v1/retry", json={"path": f"{daemon.inbox}/nosuch.pdf"}).status_code == 404
        assert client.post("/v1/retry", json={"path": str(daemon.inbox)}).status_code == 202
        assert daemon.cli("retry").returncode == 2


def test_text_is_not_given_up_for_a_file_that_is_away():
    """A document whose file can't be opened now is not read again: what was read of it stays."""
    with running(QUICK) as daemon:
        article = daemon.drop(ARTICLE)
        daemon.wait_states(stored=1)
        daemon.inbox.rename(daemon.base / "elsewhere")
        wait_for(lambda: daemon.status()["roots"][0]["state"] == "missing")
        told = daemon.cli("retry", str(article))
        assert told.returncode == 1
        assert "can be opened" in told.stderr
        assert daemon.search("coronavirus", limit=1)["hits"]
        (daemon.base / "elsewhere").rename(daemon.inbox)
        assert daemon.cli("retry", str(article)).returncode == 0
        daemon.wait_states(stored=1)


def test_a_folder_that_vanished_is_forgotten_only_when_somebody_says_so():
    """A vanished folder removes nothing by itself; `foliod forget` lets its documents leave the answers."""
    with running(QUICK) as daemon:
        daemon.drop(ARTICLE)
        daemon.wait_states(stored=1)
        assert daemon.post("/v1/forget", root=str(daemon.inbox))["files"] == 0, "nothing is missing"
        daemon.inbox.rename(daemon.base / "elsewhere")
        wait_for(lambda: daemon.status()["roots"][0]["state"] == "missing")
        assert daemon.search("coronavirus", limit=1)["hits"], "it is still found"
        told = daemon.cli("forget", str(daemon.inbox))
        assert told.returncode == 0
        assert "1 file forgotten" in told.stderr
        wait_for(lambda: daemon.states() == {})
        assert not daemon.search("coronavirus", limit=1)["hits"]
        # It comes back, and is read like any other.
        (daemon.base / "elsewhere").rename(daemon.inbox)
        daemon.wait_states(stored=1)
        assert daemon.cli("forget", str(daemon.base)).returncode == 1, "that is no watched folder"


def test_a_folder_that_was_emptied_is_forgotten_on_demand():
    """A folder emptied at once keeps its documents until somebody says that this was meant."""
    with running(QUICK) as daemon:
        for name in ("a.pdf", "b.pdf"):
            daemon.drop(ARTICLE if name == "a.pdf" else SAMPLES / "multicolumn.pdf", name)
        daemon.wait_states(stored=2)
        # At once, as the daemon sees it.
        with stilled(lambda: [daemon.process.pid]):
            for file in daemon.inbox.iterdir():
                file.unlink()
        wait_for(lambda: daemon.status()["roots"][0]["state"] == "empty")
        assert daemon.cli("forget", str(daemon.inbox), "--json").stdout
        wait_for(lambda: daemon.states() == {})
        wait_for(lambda: daemon.status()["roots"][0]["state"] == "ok")


def test_a_folder_that_is_watched_no_more_is_forgotten_on_demand():
    """What was read of a folder that the configuration names no more stays until somebody says otherwise."""
    with running(QUICK) as daemon:
        daemon.drop(ARTICLE)
        daemon.wait_states(stored=1)
        assert daemon.stop() == 0
        other = daemon.base / "other"
        other.mkdir()
        daemon.config.write_text(daemon.config.read_text().replace(f'path = "{daemon.inbox}"', f'path = "{other}"'))
        daemon.start()
        wait_for(lambda: any(root["state"] == "not_watched" for root in daemon.status()["roots"]))
        assert daemon.get("/v1/explain", path=str(daemon.inbox / ARTICLE.name))["state"] == "stored"
        assert "1 file forgotten" in daemon.cli("forget", str(daemon.inbox)).stderr
        wait_for(lambda: daemon.states() == {})
        wait_for(lambda: len(daemon.status()["roots"]) == 1)


def test_a_folder_that_another_one_covers_now_can_not_be_forgotten():
    """The folder above it is watched instead: the files are watched as before, and none is taken from the answers."""
    with running(QUICK) as daemon:
        daemon.drop(ARTICLE)
        daemon.wait_states(stored=1)
        assert daemon.stop() == 0
        above = daemon.inbox.parent / "above"
        above.mkdir()
        sub = above / "sub"
        daemon.inbox.rename(sub)
        daemon.config.write_text(daemon.config.read_text().replace(f'path = "{daemon.inbox}"', f'path = "{sub}"'))
        daemon.start()
        wait_for(lambda: str(sub / ARTICLE.name) in str(daemon.get("/v1/documents")))
        assert daemon.stop() == 0
        daemon.config.write_text(daemon.config.read_text().replace(f'path = "{sub}"', f'path = "{above}"'))
        daemon.start()
        wait_for(lambda: any(root["path"] == str(above) and root["files"] for root in daemon.status()["roots"]))
        told = daemon.cli("forget", str(sub))
        assert told.returncode == 1, told.stderr
        assert daemon.states() == {"stored": 1}
        assert all(root["path"] != str(sub) for root in daemon.status()["roots"])
