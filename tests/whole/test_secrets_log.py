"""Secrets that a real daemon has, and where they must not come to: its log, its answers, what commands print."""

from __future__ import annotations

import httpx

import made_pdfs
from live import running, wait_for
from ports import free_port

PASSWORD = "hunter2pw"
PDF_PASSWORD = "opensesame77"


def test_a_daemon_tells_none_of_its_secrets():
    """A login in Ollama's address, passwords of PDFs and the token come to no log line, answer or command's output."""
    port = free_port()
    with running(start=False) as daemon:
        passwords = daemon.base / "passwords"
        passwords.write_text(f"{PDF_PASSWORD}\n")
        daemon.config.write_text(
            f'state_dir = "{daemon.state}"\n[log]\nlevel = "debug"\n'
            f'[ollama]\nurl = "http://bob:{PASSWORD}@127.0.0.1:9"\nembed_model = "all-minilm"\nchat_model = "scripted"\n'
            f'[server]\nsocket = "{daemon.socket}"\nhttp = "127.0.0.1:{port}"\n'
            f'[[watch]]\npath = "{daemon.inbox}"\nsettle_seconds = 0.1\npasswords_file = "{passwords}"\n'
        )
        (daemon.inbox / "locked.pdf").write_bytes(made_pdfs.locked(made_pdfs.letters("The otter file."), PDF_PASSWORD))
        daemon.start()
        daemon.wait_states(stored=1)
        token = (daemon.state / "token").read_text().strip()
        door = {"Authorization": f"Bearer {token}"}
        told = [
            httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=60).text
            for path in ("/v1/status", "/v1/documents/1", "/nothing?token=" + token)
            for headers in (door, {"Authorization": f"Bearer {token}x"}, {})
        ]
        told += [str(daemon.ask("What is the otter file?")), str(daemon.search("otter", mode="keyword"))]
        wait_for(lambda: daemon.status()["ollama"]["error"], why="Ollama to be missed")
        for command in (
            ["status"],
            ["config"],
            ["doctor"],
            ["ask", "otter?"],
            ["explain", str(daemon.inbox)],
            ["reembed", "--list"],
        ):
            done = daemon.cli(*command)
            told.append(done.stdout + done.stderr)
        assert daemon.stop() == 0
        told.append(daemon.log_text())
    for secret in (PASSWORD, PDF_PASSWORD, token):
        assert all(secret not in text for text in told), secret
    assert "127.0.0.1:9" in "".join(told), "the address without its login is told"


def test_an_unreachable_database_is_told_without_its_password():
    """While PostgreSQL can't be reached, log and status name it without its login."""
    with running(start=False) as daemon:
        text = daemon.config.read_text()
        daemon.config.write_text(
            text + f'[database]\nurl = "postgresql://alice:{PASSWORD}@127.0.0.1:9/db?sslmode=disable"\n'
        )
        daemon.start(ready=False)
        wait_for(lambda: daemon.log_events("waiting") and daemon.is_alive(), why="the outage to be noticed")
        told = daemon.request("GET", "/v1/status").text + daemon.request("GET", "/readyz").text
        for command in (["status"], ["doctor"], ["doctor", "--deep"], ["hosts"], ["migrate"]):
            done = daemon.cli(*command)
            told += done.stdout + done.stderr
        daemon.stop()
        told += daemon.log_text()
    assert PASSWORD not in told
