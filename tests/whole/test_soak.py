"""Half a minute of the soak that tests/bench/soak.py runs for an hour, and what the soak takes for a fault."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
sys.path.insert(0, str(BENCH))

from soak_faults import ECHO_SECONDS, Excuses  # noqa: E402
from soak_watch import accounts, slope, windows  # noqa: E402

MEMORY_WITHIN = 0.2
"""In its first half minute a daemon still fetches what it will keep; the long soak wants 0.1."""

LEAST = 30
"""Changes; a slow machine takes longer for them."""


@pytest.mark.timeout(500)
def test_a_short_soak_leaks_nothing_and_complains_of_nothing_without_cause(tmp_path):
    """Tasks and open files are in the end what they were, every complaint has its cause, the store is what lies there."""
    out = tmp_path / "figures.json"
    command = [
        sys.executable, str(BENCH / "soak.py"), "--minutes", "0.3", "--rate", "3", "--files", "25", "--pause", "1.5",
        "--least", str(LEAST), "--seed", "short 21", "--within", str(MEMORY_WITHIN), "--json", str(out),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=450, check=False)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-3000:]
    found = json.loads(out.read_text())
    assert found["failures"] == []
    assert found["after"]["tasks"] <= found["before"]["tasks"]
    assert sum(found["changes"].values()) >= LEAST
    assert sum(found["requests"].values()) >= 2 * LEAST
    assert sum(found["faults"].values()) >= LEAST / 10


class Daemon:
    """What `accounts` needs of one: its log."""

    def __init__(self, *records: dict[str, object] | str) -> None:
        self._lines = [record if isinstance(record, str) else json.dumps(record) for record in records]

    def log_text(self) -> str:
        return "\n".join(self._lines)


def said(event: str, level: str = "warning", *, after: float = 0.0, **more: object) -> dict[str, object]:
    """A line of the log, so many seconds from now."""
    at = datetime.fromtimestamp(time.time() + after, UTC).isoformat()
    return {"event": event, "level": level, "timestamp": at, **more}


def test_a_complaint_needs_a_fault_of_its_time_and_kind():
    """An error is explained by a fault that may bring it, while it lasts and shortly afterwards, and by nothing else."""
    excuses = Excuses()
    with excuses.during("outage", frozenset({"vectors_wait"}), frozenset({503})):
        pass
    late = ECHO_SECONDS + 1
    log = Daemon(
        said("vectors_wait"), said("vectors_wait", after=late), said("worker_died"), said("request", "info"),
        said("vectors_wait", exception="Traceback"), "Task exception was never retrieved",
        said("document_refused", sha256="ab", state="damaged"), said("document_refused", sha256="cd", state="damaged"),
        said("repeated", after=late, of="vectors_wait", times=7, seconds=late, subject={}),
        said("request", "info", logger="foliod.serve.serve", colour="red"),
    )  # fmt: skip
    found = accounts(log, excuses, {"ab12": frozenset({"damaged"}), "cd34": frozenset({"ready"})})
    assert found["excused"] == {
        "vectors_wait: a fault": 1, "document_refused: as it should": 1, "repeated: a fault": 1,
    }  # fmt: skip
    assert [record["event"] for record in found["unaccounted"]] == [
        "vectors_wait", "worker_died", "vectors_wait", "no record", "document_refused",
        "not as in the catalogue",
    ]  # fmt: skip
    now = time.time()
    assert excuses.answer(503, now - 1, now)
    assert not excuses.answer(500, now - 1, now)
    assert not excuses.answer(503, now + late, now + late + 1)
    assert not excuses.answer(503, now - 20, now - 10)


def test_growth_is_seen_through_noise():
    """A steady growth shows in slope and windows, single peaks do not."""
    noisy = [{"at": float(n), "rss": 100 + n / 36 + (40 if n % 7 == 0 else 0)} for n in range(3600)]
    assert slope(noisy, "rss", 600) == pytest.approx(100, rel=0.05)
    parts = windows(noisy, 600, 10)
    assert len(parts) == 10
    assert [part["rss"] for part in parts] == sorted(part["rss"] for part in parts)
    level = [sample | {"rss": sample["rss"] - sample["at"] / 36} for sample in noisy]
    assert abs(slope(level, "rss", 600)) < 1
    assert {round(part["rss"]) for part in windows(level, 600, 10)} == {100}
