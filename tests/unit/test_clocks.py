"""Whose clock counts: what several hosts share is decided by the database's, never by a host's own."""

from __future__ import annotations

import ast
from pathlib import Path

import foliod

OWN_CLOCKS = {
    "time.time",
    "time.time_ns",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.gmtime",
}


def test_neither_store_nor_ingest_look_at_the_wall_clock():
    """Leases, attempts, grace and what is written down can't depend on a host's clock: nobody there asks for it."""
    folder = Path(foliod.__path__[0])
    asked = [
        f"{path.name}:{node.lineno}"
        for stage in ("store", "ingest")
        for path in sorted((folder / stage).glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in OWN_CLOCKS
    ]
    assert asked == []
    assert (folder / "store/files.py").exists()
