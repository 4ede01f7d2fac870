"""The line that `systemctl status` shows."""

import pytest

from foliod.start.telling import line


@pytest.mark.parametrize(
    ("counts", "troubles", "told"),
    [
        ({}, {}, "watching 2 folders, 0 documents"),
        ({"ready": 1240}, {}, "watching 2 folders, 1,240 documents"),
        ({"ready": 328, "queued": 10, "reading": 2}, {}, "reading 12 of 340 documents, 3.1 pages/s; 2 folders"),
        (
            {"ready": 1, "queued": 1}, {"reader": "no process can be started"},
            "1 of 2 documents wait to be read: no process can be started; 2 folders",
        ),
        ({"ready": 1, "stored": 1}, {}, "embedding 1 of 2 documents; 2 folders"),
        (
            {"stored": 3}, {"embedder": "Ollama can't be reached"},
            "3 of 3 documents wait for their vectors: Ollama can't be reached; 2 folders",
        ),
        ({"queued": 1, "stored": 1}, {"embedder": "x"}, "reading 1 of 2 documents, 3.1 pages/s; 2 folders"),
    ],
)  # fmt: skip
def test_the_line_says_what_goes_on(counts, troubles, told):
    """What is left of what, how fast, or why it does not go on."""
    assert line(counts, folders=2, pages_per_s=3.14, troubles=troubles) == told


def test_one_is_one():
    """Numbers and nouns agree."""
    assert line({"ready": 1}, folders=1, pages_per_s=0, troubles={}) == "watching 1 folder, 1 document"
