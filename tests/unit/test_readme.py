"""What the README promises names the test that shows it, and that test is there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
README = TESTS.parent / "README.md"
NAMED = re.compile(r"`(?P<file>(?:\w+/)?(?:test_\w+|live|soak)\.py)`(?P<words>(?:, `[\w-]+`)*)")


def promises() -> list[tuple[str, list[str]]]:
    """Return the files of tests that tables name, each with the parts of names that follow it."""
    rows = [line for line in README.read_text("utf-8").splitlines() if line.startswith("|") and ".py`" in line]
    return [(found["file"], re.findall(r"`([\w-]+)`", found["words"])) for row in rows for found in NAMED.finditer(row)]


def test_each_promise_names_tests_that_are_there():
    """Whoever reads a table finds the test: its file, and the words that stand in its name."""
    found = promises()
    assert len(found) > 60
    missing = []
    for file, words in found:
        there = [path for path in TESTS.rglob(Path(file).name) if path.match(file)]
        text = there[0].read_text("utf-8") if there else ""
        names = " ".join(re.findall(r"def (test_\w+)", text))
        missing += [f"{file} {word}" for word in words or [""] if not there or word not in names]
    assert not missing
