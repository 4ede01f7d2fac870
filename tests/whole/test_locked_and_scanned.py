"""Locked and scanned PDFs, dropped into the folder of a real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

import made_pdfs
from live import Daemon, running, wait_for
from needs_tesseract import needs_english, needs_german

SAMPLES = Path(__file__).parents[1] / "samples"
LOCKED = SAMPLES / "libreoffice-writer-password.pdf"
ENGLISH = "The harbour master counts\nforty sailing ships today."
pytestmark = pytest.mark.timeout(300)
GERMAN = "Über die Größe der Straßenbäume\nwird jährlich berichtet."


def document(daemon: Daemon) -> dict:
    [found] = daemon.get("/v1/documents")["documents"]
    return daemon.get(f"/v1/documents/{found['id']}")


def test_a_locked_document_opens_when_its_password_is_written_down(tmp_path):
    """A locked PDF says what to do; written into the file, its password opens it within seconds, and is nowhere told."""
    file = tmp_path / "passwords"
    with running(f'[ingest]\npasswords_file = "{file}"\n') as daemon:
        daemon.drop(LOCKED)
        daemon.wait_states(needs_password=1)
        assert f"put its password on a line of {file}" in document(daemon)["reason"]
        assert daemon.status()["passwords"] == [
            {"path": str(file), "problem": f"{file} can't be read: No such file or directory"}
        ]
        wait_for(lambda: len(daemon.log_events("passwords_file")) == 1)
        file.write_text("wrong\n")
        wait_for(lambda: "the one password was tried in vain" in document(daemon)["reason"])
        assert daemon.status()["passwords"] == [{"path": str(file), "problem": None}]
        daemon.stop()
        file.write_text("wrong\nopenpassword\n")
        daemon.start()
        daemon.wait_states(stored=1)
        assert daemon.search("Lorem ipsum dolor")["hits"]
        assert "openpassword" not in daemon.log_text()


def test_without_tesseract_a_scan_waits_and_says_for_what(tmp_path):
    """Where Tesseract is not installed, a scan says what to install, in its reason and in status; all else goes on."""
    with running(f'[ingest]\ntessdata = "{tmp_path}"\n') as daemon:
        (daemon.inbox / "scan.pdf").write_bytes(made_pdfs.scanned(made_pdfs.letters(ENGLISH)))
        daemon.wait_states(needs_ocr=1)
        assert "correct [ingest] tessdata" in document(daemon)["reason"]
        wait_for(lambda: daemon.status()["ocr"]["pages_waiting"] == 1)
        ocr = daemon.status()["ocr"]
        assert ocr["available"] is False
        assert "1 page to recognise" in daemon.cli("status").stdout
        daemon.drop(SAMPLES / "pdflatex-4-pages.pdf")
        daemon.wait_states(needs_ocr=1, stored=1)


@needs_german
def test_scans_are_found(tmp_path):
    """Words of scanned pages in English and German are found, beside the text page of the same document."""
    with running('[ingest]\nocr_languages = ["deu", "eng"]\n') as daemon:
        scans = made_pdfs.scanned(made_pdfs.letters(ENGLISH, GERMAN))
        (daemon.inbox / "mixed.pdf").write_bytes(made_pdfs.joined(made_pdfs.letters("An ordinary page."), scans))
        daemon.drop(SAMPLES / "imagemagick-images.pdf")
        daemon.wait_states(seconds=200, stored=1, empty=1)
        wait_for(lambda: daemon.status()["ocr"]["pages_waiting"] == 0, seconds=200)
        said = {"ordinary": 1, "forty sailing ships": 2, "Größe der Straßenbäume": 3}
        # The status may tell of the moment before the pages began to wait; with the last words the text is whole.
        wait_for(lambda: all(daemon.search(words)["hits"] for words in said), seconds=200)
        for words, page in said.items():
            [hit] = daemon.search(words)["hits"]
            assert hit["pages"][0] <= page <= hit["pages"][1]
            assert all(word in hit["text"] for word in words.split())
        found = daemon.get(f"/v1/documents/{hit['document']['id']}")
        assert found["verdicts"] == {"text": 1, "ocr": 2}
        assert (found["partial"], found["reason"]) == (False, None)


@needs_english
def test_a_kill_costs_one_page_of_ocr(tmp_path):
    """Kill -9 in the middle of a scan of six pages: those that were recognised are not recognised again."""
    with running("[ingest]\nocr = true\n") as daemon:
        pages = [f"{ENGLISH}\nThis is page number {n}." for n in range(1, 7)]
        (daemon.inbox / "scan.pdf").write_bytes(made_pdfs.scanned(made_pdfs.letters(*pages)))
        wait_for(lambda: len(daemon.log_events("page_recognised")) >= 2, seconds=200)
        daemon.kill()
        wait_for(lambda: not daemon.children())
        daemon.start()
        daemon.wait_states(seconds=200, stored=1)
        wait_for(lambda: document(daemon)["verdicts"] == {"ocr": 6}, seconds=200)
        done = [event["page"] for event in daemon.log_events("page_recognised")]
        assert sorted(set(done)) == [1, 2, 3, 4, 5, 6]
        # The page in hand, at most.
        assert len(done) <= 7
        wait_for(lambda: daemon.search("page number 4")["hits"])
