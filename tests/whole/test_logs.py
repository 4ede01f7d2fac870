"""What a real daemon writes to its log: no secret, no question, the ids of documents and traces."""

from pathlib import Path

import httpx
import pytest

from live import running, wait_for

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


@pytest.mark.timeout(120)
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
        httpx.get(f"{door}/v1/status", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        httpx.get(f"{door}/v1/status?token={token}", headers={"Authorization": "Bearer pl4nted-wrong"}, trust_env=False)
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


@pytest.mark.timeout(120)
def test_an_address_with_a_password_is_never_told(free_port):
    """A database that can't be reached is waited for, and its password is not in the log, whatever the driver says."""
    config = f'[database]\nurl = "postgresql://foliod:pl4nted%40db@127.0.0.1:{free_port}/foliod?password=pl4nted-too"\n'
    with running(config, start=False) as daemon:
        daemon.start(ready=False)
        wait_for(lambda: daemon.log_events("waiting"))
        daemon.stop()
        assert PLANTED not in daemon.log_text()


@pytest.mark.timeout(120)
def test_each_line_of_a_documents_reading_has_its_id(ollama):
    """Whoever looks for a document's id finds all that happened to it, its vectors included."""
    with running(ollama=ollama) as daemon:
        daemon.drop(SAMPLES / "pdflatex-4-pages.pdf")
        daemon.wait_states(ready=1)
        daemon.stop()
        named = {line["event"] for line in daemon.log_events() if line.get("document") == 1}
        assert named >= {"file_seen", "document_read"}
        assert next(line["document_ids"] for line in daemon.log_events("documents_ready")) == [1]
