"""`foliod doctor --deep` against the real daemon, and against the store of one that does not run."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import asyncpg
import pytest

from live import Daemon, running, wait_for

SAMPLES = Path(__file__).parents[1] / "samples"
pytestmark = pytest.mark.timeout(300)


def deep(daemon: Daemon) -> tuple[int, dict]:
    """Run the check; return its exit code and what it says about the store."""
    result = daemon.cli("doctor", "--deep", "--json")
    return result.returncode, json.loads(result.stdout)


def store_checks(answer: dict) -> list[dict]:
    return [check for check in answer["checks"] if check["name"] == "store"]


def spoil(daemon: Daemon, sql: str) -> None:
    """Change the store behind the daemon's back."""
    folder = os.path.realpath(daemon.state / "postgres-run")

    async def run() -> None:
        connection = await asyncpg.connect(f"postgresql://foliod@/foliod?host={folder}&port=5432")
        await connection.execute(sql)
        await connection.close()

    asyncio.run(run())


def test_the_deep_doctor_beside_a_running_daemon_and_without_one():
    """A sound store is found sound while the daemon runs and when it does not, and what is spoilt is named."""
    with running() as daemon:
        article = daemon.drop(SAMPLES / "pdflatex-4-pages.pdf")
        daemon.wait_states(stored=1)
        code, answer = deep(daemon)
        [check] = store_checks(answer)
        assert (check["status"], code, answer["store"]["findings"]) == ("ok", 0, []), answer
        assert answer["store"]["totals"]["documents"] == 1
        assert "1 document, 1 file, 4 pages" in check["message"]

        spoil(daemon, "DELETE FROM foliod.pages WHERE number = 2; DELETE FROM foliod.chunk_terms")
        code, answer = deep(daemon)
        assert code == 1
        found = {finding["name"]: finding for finding in answer["store"]["findings"]}
        assert {"pages_in_a_row", "pages_complete", "terms", "lexicon"} <= set(found)
        assert found["terms"]["file"] == str(article)
        assert all(check["fix"] for check in store_checks(answer) if check["status"] == "fail")

        assert daemon.stop() == 0
        wait_for(lambda: not daemon.children())
        stopped_code, stopped = deep(daemon)
        assert stopped_code == 1
        assert stopped["store"]["findings"] == answer["store"]["findings"]
        assert not daemon.children()
        shown = daemon.cli("doctor", "--deep")
        assert shown.returncode == 1
        assert f"{article} (document 1): its pages are not in a row" in shown.stdout
        assert "foliod retry" in shown.stdout
        daemon.start()
        daemon.wait_states(stored=1)


def test_the_deep_doctor_reads_the_files():
    """Files that came, changed or went while the daemon was stopped are told, and that a start takes them in."""
    with running() as daemon:
        for name in ("changed.pdf", "gone.pdf", "kept.pdf"):
            daemon.drop(SAMPLES / "pdflatex-4-pages.pdf", name)
        daemon.wait_states(stored=1)
        wait_for(lambda: daemon.status()["files"] == 3)
        assert daemon.stop() == 0
        daemon.drop(SAMPLES / "pdflatex-outline.pdf", "changed.pdf")
        daemon.drop(SAMPLES / "pdflatex-outline.pdf", "new.pdf")
        (daemon.inbox / "gone.pdf").unlink()
        code, answer = deep(daemon)
        assert code == 0
        found = {(finding["name"], finding["message"].split(":")[0]) for finding in answer["store"]["findings"]}
        assert found == {
            ("file_differs", str(daemon.inbox / "changed.pdf")),
            ("file_unknown", str(daemon.inbox / "new.pdf")),
            ("file_not_there", str(daemon.inbox / "gone.pdf")),
        }
        assert {check["status"] for check in store_checks(answer)} == {"warn"}
        daemon.start()
        # Not only both documents: all three files are written down.
        daemon.search("anything", wait="settled")
        assert [d["state"] for d in daemon.get("/v1/documents")["documents"]] == ["stored"] * 2
        assert deep(daemon)[1]["store"]["findings"] == []


def test_the_deep_doctor_before_the_first_start():
    """Before anything was stored there is nothing to find, and nothing is made."""
    with running(start=False) as daemon:
        code, answer = deep(daemon)
        assert code == 0
        assert [check["message"] for check in store_checks(answer)] == ["nothing is stored yet"]
        assert not daemon.state.exists()
