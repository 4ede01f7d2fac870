"""Pages as their readers see them, from the whole daemon."""

from __future__ import annotations

import os
from pathlib import Path

from live import running, wait_for

SAMPLES = Path(__file__).parents[1] / "samples"


def test_what_was_found_can_be_seen(tmp_path):
    """A dropped PDF's passage is found with its place, its page comes as a picture, and `search --open` shows it."""
    with running() as daemon:
        paper = daemon.drop(SAMPLES / "multicolumn.pdf")
        daemon.wait_states(stored=1)
        [hit] = daemon.search("Nam dui ligula fringilla", limit=1, mode="keyword")["hits"]
        assert hit["rects"]
        page = hit["rects"][0]["page"]
        path = f"/v1/documents/{hit['document']['id']}"
        picture = daemon.request("GET", f"{path}/pages/{page}.png?chunk={hit['chunk']}")
        assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/png")
        assert picture.headers["X-Marked"] != "0"
        assert daemon.request("GET", f"{path}/file").content == paper.read_bytes()
        browser, shown = tmp_path / "browser", tmp_path / "shown"
        browser.write_text(f'#!/bin/sh\ncp "$1" {shown}.part && mv {shown}.part {shown}\n')
        browser.chmod(0o755)
        environ = {"BROWSER": str(browser), "XDG_RUNTIME_DIR": str(tmp_path)}
        result = daemon.cli(
            "search", "--open", "--mode", "keyword", "Nam dui ligula fringilla", env=os.environ | environ
        )
        assert result.returncode == 0, result.stderr
        # A browser that takes its time is not waited for.
        wait_for(shown.exists, why="the picture to be shown")
        assert shown.read_bytes() == picture.content
