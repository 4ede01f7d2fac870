"""What a real daemon writes to its log: no secret, no question, the ids of documents and traces."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

import plain_http
from betterstack import TOKEN, black_hole, nobody, receiving
from foliod.base.logs import END_SECONDS
from foliod.base.sources import load
from live import running, wait_for

pytestmark = pytest.mark.timeout(300)
SAMPLES = Path(__file__).parents[1] / "samples"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PLANTED = "pl4nted"
CONFIG = """
[server]
socket = "{base}/s"
http = "127.0.0.1:{port}"
[ollama]
url = ["http://me:pl4nted-ollama@127.0.0.1:9"]
[log]
level = "debug"
[ingest]
passwords_file = "{base}/passwords"
"""


def test_no_secret_and_no_question_reaches_the_log(free_port):
    """Passwords of PDFs, the token, logins of addresses and what is asked are not in the log, not even at level debug."""
    with running(start=False) as daemon:
        (daemon.base / "passwords").write_text("pl4nted-pdf\nopenpassword\n")
        text = CONFIG.format(base=daemon.base, port=free_port)
        daemon.config.write_text(
            f'state_dir = "{daemon.state}"\n{text}[[watch]]\npath = "{daemon.inbox}"\nsettle_seconds = 0.1\n'
        )
        daemon.start()
        token = (daemon.state / "token").read_text().strip()
        daemon.drop(SAMPLES / "libreoffice-writer-password.pdf")
        daemon.drop(SAMPLES / "pdflatex-4-pages.pdf")
        daemon.drop(SAMPLES / "habibi.pdf")
        wait_for(lambda: sum(daemon.states().values()) == 3 and not daemon.states().get("queued"))
        door = f"http://127.0.0.1:{free_port}"
        plain_http.get(f"{door}/v1/status", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        wrong = {"Authorization": "Bearer pl4nted-wrong"}
        plain_http.get(f"{door}/v1/status?token={token}", headers=wrong, trust_env=False)
        daemon.search("Zanzibar pl4nted question")
        daemon.request("POST", "/v1/ask", json={"question": "Zanzibar pl4nted?"}, headers={"traceparent": TRACE})
        daemon.request("POST", "/v1/search", json={"query": "Zanzibar", "mode": "pl4nted"})
        daemon.stop()
        text = daemon.log_text()
        assert PLANTED not in text
        assert token not in text
        assert "Zanzibar" not in text
        asked = [line for line in daemon.log_events() if line.get("trace_id")]
        assert {line["event"] for line in asked} >= {"answered", "request"}
        assert {line["span_id"] for line in asked} == {"00f067aa0ba902b7"}
        assert len({line["request_id"] for line in asked}) == 1


def test_an_address_with_a_password_is_never_told(free_port):
    """A database that can't be reached is waited for, and its password is not in the log, whatever the driver says."""
    config = f'[database]\nurl = "postgresql://foliod:pl4nted%40db@127.0.0.1:{free_port}/foliod?password=pl4nted-too"\n'
    with running(config, start=False) as daemon:
        daemon.start(ready=False)
        wait_for(lambda: daemon.log_events("waiting"))
        daemon.stop()
        assert PLANTED not in daemon.log_text()


def test_each_line_of_a_documents_reading_has_its_id(ollama):
    """Whoever looks for a document's id finds all that happened to it, its vectors included."""
    with running(ollama=ollama) as daemon:
        daemon.drop(SAMPLES / "pdflatex-4-pages.pdf")
        # It is told after the store has it; who is stopped in between tells nothing any more.
        wait_for(lambda: daemon.log_events("documents_ready"))
        daemon.stop()
        named = {line["event"] for line in daemon.log_events() if line.get("document") == 1}
        assert named >= {"file_seen", "document_read"}
        assert next(line["document_ids"] for line in daemon.log_events("documents_ready")) == [1]


BETTERSTACK = '[betterstack]\ntoken = "{token}"\nhost = "{url}"\n'


def test_a_daemon_ships_its_log():
    """With a token, what stands in the log arrives at Better Stack to the last line, and the status says how many."""
    with receiving() as receiver:
        with running(BETTERSTACK.format(token=TOKEN, url=receiver.url)) as daemon:
            daemon.drop(SAMPLES / "pdflatex-4-pages.pdf")
            daemon.wait_states(stored=1)
            daemon.search("Zanzibar")
            wait_for(lambda: daemon.status()["logs"]["betterstack"]["shipped"] > 5)
            assert daemon.status()["logs"]["betterstack"]["error"] is None
            assert daemon.stop() == 0
            written = [line["event"] for line in daemon.log_events()]
        assert receiver.messages == written
        # What was only counted so far is told last.
        assert [event for event in written if event != "repeated"][-1] == "stopped"
        assert "Zanzibar" not in str(receiver.lines)
        assert TOKEN not in daemon.log_text()


@pytest.mark.parametrize("where", ["nobody listens", "nobody answers"])
def test_the_daemon_ends_in_time_with_better_stack_away(where):
    """With its endpoint down the daemon works as ever, ends at most three seconds later, and says what was dropped."""
    with black_hole() as silent:
        url = silent if where == "nobody answers" else nobody()
        with running(BETTERSTACK.format(token=TOKEN, url=url)) as daemon:
            daemon.drop(SAMPLES / "pdflatex-4-pages.pdf")
            daemon.wait_states(stored=1)
            started = time.monotonic()
            assert daemon.search("pages")["coverage"]["documents"] == 1
            # Whoever waited for the endpoint would wait ten seconds and more.
            assert time.monotonic() - started < 8
            wait_for(lambda: daemon.status()["logs"]["betterstack"]["error"])
            assert daemon.stop() == 0
            ended = datetime.fromtimestamp(daemon.log.stat().st_mtime, UTC)
            [stopped] = daemon.log_events("stopped")
            [dropped] = daemon.log_events("logs_dropped")
            # What it gives itself, and what a busy machine adds; the library alone takes minutes.
            assert END_SECONDS < 3
            assert (ended - datetime.fromisoformat(stopped["timestamp"])).total_seconds() < END_SECONDS + 5
            assert dropped["causes"]["at_the_end"] == dropped["lines"] > 5


def test_the_token_comes_as_a_credential(tmp_path):
    """Systemd hands the token over as a file; a configuration without it ships nothing."""
    (tmp_path / "betterstack_token").write_text(TOKEN + "\n")
    settings = load(environ={"CREDENTIALS_DIRECTORY": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)})
    assert settings.betterstack.token.get_secret_value() == TOKEN
    assert TOKEN not in str(settings.printable())
    assert TOKEN not in repr(settings)
    assert load(environ={"XDG_CONFIG_HOME": str(tmp_path)}).betterstack.token is None
