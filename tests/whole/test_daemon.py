"""The whole daemon as its users have it: a process, real PDFs, questions over the socket."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

import plain_http
from live import Daemon, running, wait_for

SAMPLES = Path(__file__).parents[1] / "samples"
ARTICLES = sorted(SAMPLES.glob("PMC*.pdf"))
pytestmark = pytest.mark.timeout(300)


def counts(url: str) -> dict:
    return plain_http.get(f"{url}/_counts").json()


MODELS = """
[ollama]
url = "{url}"
embed_model = "mxbai-embed-large"
chat_model = "deepseek-r1:8b"
[search]
embed_seconds = 60
"""
"""However busy the machine is, questions are embedded, and answered from both words and vectors."""


def test_a_dropped_pdf_can_be_asked_about(ollama):
    """A PDF dropped into the folder is read, embedded and answered about, with a citation of its page."""
    with running(MODELS.format(url=ollama), fresh=True) as daemon:
        article = daemon.drop(ARTICLES[0])
        daemon.wait_states(ready=1)
        [hit, *_] = daemon.search("How many nucleotides does bovine coronavirus contain?", limit=3)["hits"]
        assert hit["document"]["path"] == str(article)
        assert hit["pages"][0] >= 1
        events = daemon.ask("How many nucleotides does bovine coronavirus contain?")
        kinds = [event["type"] for event in events]
        assert kinds[0] == "sources"
        assert kinds[-1] == "done"
        assert "token" in kinds
        done = events[-1]
        assert done["generator"] == "ollama"
        assert done["mode"] == "hybrid"
        assert done["answer"] == "".join(e["text"] for e in events if e["type"] == "token").strip()
        assert done["answered"] is True
        assert done["invented"] == []
        assert done["coverage"]["pages"] == 1
        assert done["coverage"]["unread"] == []
        assert done["citations"]
        for citation in done["citations"]:
            assert citation["document"]["path"] == str(article)
            assert citation["quote"] in events[0]["hits"][citation["n"] - 1]["text"]
            assert citation["verified"] is True
            first, last = citation["pages"]
            assert {rect["page"] for rect in citation["rects"]} <= set(range(first, last + 1))


def test_clients_that_read_nothing_cost_little(ollama):
    """Twenty clients that ask and never read hold up only themselves: memory stays bounded, others are answered."""
    with running(MODELS.format(url=ollama)) as daemon:
        daemon.drop(ARTICLES[0])
        daemon.wait_states(ready=1)
        plain_http.post(f"{ollama}/_faults", json={"thinks_for": 12_000})
        body = json.dumps({"question": "How many nucleotides does bovine coronavirus contain?", "limit": 50}).encode()
        request = b"POST /v1/ask HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        before = memory(daemon.process.pid)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(20)]
        try:
            for client in clients:
                client.connect(str(daemon.socket))
                client.sendall(request)
            wait_for(lambda: counts(ollama)["chats"] == 20, why="all to be answered")
            settled = wait_for(lambda: still(lambda: counts(ollama)["pieces"]), why="the streams to be held back")
            assert settled > 0
            assert memory(daemon.process.pid) - before < 60 << 20
            assert daemon.search("coronavirus")["hits"]
            clients[0].settimeout(60)
            with clients[0].makefile("rb") as read:
                assert any(b'"type":"sources"' in line for line in read)
        finally:
            for client in clients:
                client.close()
        plain_http.post(f"{ollama}/_faults", json={})
        assert daemon.ask("How many nucleotides does bovine coronavirus contain?")[-1]["type"] == "done"


def still(count) -> int:
    """A count, when it has not changed for a second; else 0."""
    first = count()
    time.sleep(1)
    return first if count() == first else 0


def memory(pid: int) -> int:
    """The resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_without_ollama_words_and_quotes_still_work():
    """On a machine without Ollama a question is answered by quoted sentences, said to be such."""
    with running() as daemon:
        daemon.drop(ARTICLES[0])
        daemon.wait_states(stored=1)
        done = daemon.ask("nucleotides of the bovine coronavirus genome")[-1]
        assert done["generator"] == "quotes"
        assert done["mode"] == "keyword"
        assert done["citations"]
        assert all(c["quote"] for c in done["citations"])
        status = daemon.status()
        assert status["ollama"]["reachable"] is False
        assert status["vectors"]["have"] == 0 < status["vectors"]["want"]


def test_vectors_follow_when_ollama_comes(ollama):
    """Documents read while Ollama was away get their vectors when it is there, without being read again."""
    with running() as daemon:
        daemon.drop(ARTICLES[0])
        daemon.wait_states(stored=1)
        assert daemon.stop() == 0
        config = daemon.config.read_text().split("[ollama]")
        daemon.config.write_text(
            config[0] + MODELS.format(url=ollama) + "[[watch]]" + config[1].split("[[watch]]", 1)[1]
        )
        daemon.start()
        daemon.wait_states(ready=1)
        assert daemon.status()["counters"].get("documents_read", 0) == 0


def test_a_second_start_reads_and_embeds_nothing(ollama):
    """After a restart nothing is hashed, parsed or embedded again, and every answer is as before."""
    with running(MODELS.format(url=ollama)) as daemon:
        for article in ARTICLES:
            daemon.drop(article)
        daemon.wait_states(ready=len(ARTICLES))
        before = daemon.search("virus", limit=10)["hits"]
        embedded = counts(ollama)["embedded_texts"]
        assert daemon.stop() == 0
        daemon.start()
        wait_for(lambda: daemon.get("/readyz")["ready"])
        daemon.wait_states(ready=len(ARTICLES))
        assert daemon.search("virus", limit=10)["hits"] == before
        counters = daemon.status()["counters"]
        assert counters.get("files_hashed", 0) == counters.get("documents_read", 0) == 0
        assert counters.get("texts_embedded", 0) == 0
        # One more is the second search's question.
        assert counts(ollama)["embedded_texts"] <= embedded + 2


def test_copies_cost_nothing_and_are_said():
    """The same bytes under other names are one document with several places; the log says so."""
    with running() as daemon:
        daemon.drop(ARTICLES[0], "a.pdf")
        daemon.wait_states(stored=1)
        daemon.drop(ARTICLES[0], "deep/er/b.pdf")
        # The log tells it after the store has it.
        wait_for(lambda: daemon.log_events("file_duplicate") and daemon.log_events("document_read"))
        [document] = daemon.get("/v1/documents")["documents"]
        assert len(document["paths"]) == 2
        assert daemon.status()["counters"]["documents_read"] == 1


def test_bad_files_get_a_state_and_the_others_go_on():
    """Every kind of bad file ends in a state with a reason, and the good one beside them is read."""
    with running() as daemon:
        good = SAMPLES / "pdflatex-4-pages.pdf"
        (daemon.inbox / "zero.pdf").write_bytes(b"")
        (daemon.inbox / "page.pdf").write_text("<html><body>not a PDF</body></html>")
        (daemon.inbox / "truncated.pdf").write_bytes(good.read_bytes()[:9000])
        (daemon.inbox / "folder.pdf").mkdir()
        daemon.drop(SAMPLES / "libreoffice-writer-password.pdf")
        daemon.drop(SAMPLES / "imagemagick-images.pdf")
        daemon.drop(good)
        documents = wait_for(lambda: ended(daemon, 6))
        states = {Path(d["path"]).name: d["state"] for d in documents}
        assert states == {
            "zero.pdf": "empty",
            "page.pdf": "not_pdf",
            "truncated.pdf": "damaged",
            "libreoffice-writer-password.pdf": "needs_password",
            "imagemagick-images.pdf": "needs_ocr",
            "pdflatex-4-pages.pdf": "stored",
        }
        assert all(d["reason"] for d in documents if d["state"] != "stored")


def ended(daemon: Daemon, number: int) -> list[dict]:
    """Return all documents once `number` of them have come to their end."""
    documents = daemon.get("/v1/documents")["documents"]
    done = [d for d in documents if d["state"] not in ("queued", "reading")]
    return documents if len(done) == len(documents) == number else []


def test_a_script_drops_and_asks_at_once():
    """`wait` holds the question back until the dropped file is searchable."""
    with running() as daemon:
        path = daemon.drop(ARTICLES[0])
        assert daemon.search("bovine coronavirus", wait=str(path))["hits"]
        daemon.drop(ARTICLES[1])
        daemon.search("anything", wait="settled")
        daemon.search("anything", wait=str(daemon.inbox))
        body = {"query": "anything", "wait": str(daemon.inbox / "absent.pdf")}
        absent = daemon.request("POST", "/v1/search", json=body)
        assert (absent.status_code, "no such file is there" in absent.json()["error"]["message"]) == (404, True)
        # Asked of the store: the numbers of the status may be some seconds old.
        assert [d["state"] for d in daemon.get("/v1/documents")["documents"]] == ["stored"] * 2


def test_a_deleted_file_leaves_the_answers():
    """After the grace period a deleted file is not found any more."""
    config = "[ingest]\ngrace_seconds = 0.2\nsweep_seconds = 1\n"
    with running(config) as daemon:
        path = daemon.drop(ARTICLES[0])
        daemon.drop(ARTICLES[1])
        daemon.wait_states(stored=2)
        path.unlink()
        daemon.wait_states(stored=1)
        assert all(
            h["document"]["path"] != str(path) for h in daemon.search("bovine coronavirus genome", limit=20)["hits"]
        )


def large_begun(daemon: Daemon) -> bool:
    """Whether the largest sample is being read, or was: asked of the store, where the answer is fresh."""
    documents = daemon.get("/v1/documents", q="GeoTopo")["documents"]
    return any(document["state"] != "queued" for document in documents)


def test_stopping_is_quick_and_leaves_nothing():
    """SIGTERM in the middle of the work ends with exit code 0, and no process or socket stays."""
    with running() as daemon:
        for article in ARTICLES:
            daemon.drop(article)
        daemon.drop(SAMPLES / "GeoTopo-komprimiert.pdf")
        wait_for(lambda: large_begun(daemon))
        # Itself not counted: a reader, and PostgreSQL with its own.
        assert len(daemon.look()) > 3
        # When it is not done in time by its own clock, it ends with 1.
        assert daemon.stop() == 0
        assert not daemon.socket.exists()
        wait_for(lambda: not daemon.children())


def test_a_second_signal_ends_at_once():
    """Who asks twice does not wait."""
    with running() as daemon:
        server = int((daemon.state / "postgres" / "postmaster.pid").read_text().split()[0])
        # It would be waited for until the time for an end is over.
        os.kill(server, signal.SIGSTOP)
        try:
            daemon.process.send_signal(signal.SIGTERM)
            wait_for(lambda: daemon.log_events("stopping"))
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.process.wait(60) == 128 + signal.SIGTERM
        finally:
            os.kill(server, signal.SIGCONT)
        assert daemon.log_events("stopped_at_once")
        assert not daemon.log_events("stopped")
        wait_for(lambda: not daemon.children())


def test_kill_9_loses_nothing():
    """After kill -9 in the middle of the work the next start finishes it, and PostgreSQL is not left behind."""
    with running() as daemon:
        for article in ARTICLES:
            daemon.drop(article)
        daemon.drop(SAMPLES / "GeoTopo-komprimiert.pdf")
        wait_for(lambda: large_begun(daemon))
        daemon.kill()
        wait_for(lambda: not daemon.children())
        daemon.start()
        daemon.wait_states(stored=len(ARTICLES) + 1)
        documents = daemon.get("/v1/documents")["documents"]
        for document in documents:
            pages = daemon.get(f"/v1/documents/{document['id']}")["page_verdicts"]
            assert (pages[0]["first"], pages[-1]["last"]) == (1, document["pages"])
        assert daemon.status()["chunks"] == sum(document["chunks"] for document in documents)


def test_a_second_daemon_on_the_same_state_is_turned_away():
    """The second daemon says who is there and exits with 1; the first goes on."""
    with running() as daemon:
        second = daemon.cli("run", "--config", str(daemon.config))
        assert second.returncode == 1
        assert str(daemon.process.pid) in second.stderr
        assert daemon.get("/healthz")["status"] == "alive"


def test_the_socket_is_private_to_user_and_group():
    """Nobody outside user and group can ask."""
    with running() as daemon:
        assert daemon.socket.stat().st_mode & 0o777 == 0o660


def test_http_on_localhost_wants_the_token(free_port):
    """On localhost a request needs the token and a known host name."""
    with running(
        f'[server]\nsocket = "/tmp/fd-{free_port}.sock"\nhttp = "127.0.0.1:{free_port}"\n', start=False
    ) as daemon:
        daemon.socket = Path(f"/tmp/fd-{free_port}.sock")
        daemon.start()
        url = f"http://127.0.0.1:{free_port}/v1/status"
        token = (daemon.state / "token").read_text().strip()
        assert plain_http.get(url).status_code == 401
        assert plain_http.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200
        evil = {"Authorization": f"Bearer {token}", "Host": "evil.example"}
        assert plain_http.get(url, headers=evil).status_code == 421


def test_a_port_in_use_is_said(free_port):
    """A taken port ends the start with a sentence that names it."""
    with socket.socket() as s, running(f'[server]\nhttp = "127.0.0.1:{free_port}"\n', start=False) as daemon:
        s.bind(("127.0.0.1", free_port))
        s.listen()
        result = daemon.cli("run", "--config", str(daemon.config))
        assert result.returncode == 1
        assert str(free_port) in result.stderr
        assert "Traceback" not in result.stderr


def test_an_unreachable_database_is_waited_for(free_port):
    """With the database away the daemon stays, says why, and answers searches with 503."""
    url = f"postgresql://foliod:secret@127.0.0.1:{free_port}/foliod"
    with running(f'[database]\nurl = "{url}"\n', start=False) as daemon:
        daemon.start(ready=False)
        wait_for(lambda: daemon.log_events("waiting"))
        ready = daemon.request("GET", "/readyz")
        assert ready.status_code == 503
        assert "PostgreSQL" in ready.json()["reasons"][0]
        answer = daemon.request("POST", "/v1/search", json={"query": "x"})
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "not_ready"
        assert "secret" not in daemon.log_text()
        assert daemon.stop() == 0


def test_a_missing_folder_is_waited_for():
    """A watched folder that is not there is reported; it is watched as soon as it appears."""
    with running(start=False) as daemon:
        shutil.rmtree(daemon.inbox)
        daemon.start(ready=False)
        root = wait_for(lambda: daemon.is_alive() and next(iter(daemon.status()["roots"]), None))
        assert str(daemon.inbox) in root["path"]
        wait_for(lambda: daemon.status()["roots"][0]["state"] == "missing")
        daemon.inbox.mkdir()
        daemon.drop(ARTICLES[0])
        daemon.wait_states(stored=1)


def test_a_folder_that_is_watched_no_more_is_said():
    """After the configuration changed to another folder, the status names the old one, whose documents are still found."""
    with running() as daemon:
        daemon.drop(ARTICLES[0])
        daemon.wait_states(stored=1)
        assert daemon.stop() == 0
        (daemon.base / "other").mkdir()
        daemon.config.write_text(daemon.config.read_text().replace(str(daemon.inbox), str(daemon.base / "other")))
        daemon.start()
        roots = wait_for(lambda: (found := daemon.status()["roots"]) and len(found) == 2 and found)
        assert [(Path(root["path"]).name, root["state"], root["files"]) for root in roots] == [
            ("other", "ok", 0),
            ("inbox", "not_watched", 1),
        ]
        shown = daemon.cli("status")
        assert "not watched any more" in " ".join(shown.stdout.split())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('[ollma]\nurl = "http://127.0.0.1:1"\n', ["ollma", "ollama"]),
        ("[ingest]\nchunk_token = 100\n", ["chunk_token", "chunk_tokens"]),
        ("[ingest]\nworkers = 'many'\n", ["workers"]),
        ("[ingest\n", ["foliod.toml"]),
    ],
)
def test_a_wrong_setting_is_named(config, words):
    """A wrong key or value ends the start with exit code 2 and a sentence that names it and the nearest known one."""
    with running(config, start=False) as daemon:
        result = daemon.cli("run", "--config", str(daemon.config))
        assert result.returncode == 2
        assert all(word in result.stderr for word in words), result.stderr
        assert "Traceback" not in result.stderr


def test_questions_and_text_stay_out_of_the_log():
    """What was asked and what the documents say is not in the log."""
    with running() as daemon:
        daemon.drop(ARTICLES[0])
        daemon.wait_states(stored=1)
        daemon.ask("Zanzibar bovine coronavirus")
        daemon.search("Zanzibar bovine")
        # What is told of a request, or of a document, is told after it was answered, or stored.
        wait_for(lambda: all(map(daemon.log_events, ("searched", "answered", "document_read"))))
        assert "Zanzibar" not in daemon.log_text()
        record = daemon.log_events("answered")[0]
        assert record["request_id"]
        assert record["timings_ms"]["total"] > 0
        assert daemon.log_events("document_read")[0]["document"] == 1


def test_the_command_line_asks(ollama):
    """`foliod ask`, `search`, `status` and `documents` work against the running daemon, also as JSON."""
    with running(MODELS.format(url=ollama)) as daemon:
        daemon.drop(ARTICLES[0])
        daemon.wait_states(ready=1)
        asked = daemon.cli("ask", "How many nucleotides does bovine coronavirus contain?")
        assert asked.returncode == 0, asked.stderr
        assert asked.stdout.strip()
        events = [
            json.loads(line) for line in daemon.cli("ask", "bovine coronavirus genome?", "--json").stdout.splitlines()
        ]
        assert events[-1]["type"] == "done"
        assert json.loads(daemon.cli("search", "bovine", "--json").stdout)["hits"]
        assert json.loads(daemon.cli("status", "--json").stdout)["documents"]["ready"] == 1
        assert json.loads(daemon.cli("documents", "--json").stdout)["documents"][0]["state"] == "ready"
        assert ARTICLES[0].name in daemon.cli("documents").stdout
        daemon.stop()
        assert daemon.cli("status").returncode == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything; run the tests as an ordinary user")
def test_an_unreadable_file_waits_for_its_permission():
    """A file that may not be read is recorded with the reason, and read when it may be."""
    with running() as daemon:
        path = daemon.drop(ARTICLES[0])
        daemon.wait_states(stored=1)
        part = daemon.inbox / "locked.part"
        shutil.copyfile(ARTICLES[1], part)
        part.chmod(0)
        locked = part.rename(daemon.inbox / "locked.pdf")
        wait_for(lambda: daemon.log_events("file_unread"))
        locked.chmod(0o644)
        daemon.wait_states(stored=2)
        assert path.exists()
