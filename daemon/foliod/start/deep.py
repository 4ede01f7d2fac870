"""`foliod doctor --deep`: checks every row of the store and every file of the watched folders. Changes nothing.

It asks the database of the running daemon. When none runs, the embedded PostgreSQL is started for
the check, under the lock that keeps a daemon out, and stopped again.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foliod.base.config import Watch
from foliod.base.errors import FoliodError
from foliod.start.checks import Check
from foliod.start.logs import open_error_log
from foliod.start.reach import host_of, reached, status_of
from foliod.start.terminal import count
from foliod.store.check import EXAMPLES, LATE_SECONDS, Finding, Running, check, snapshot
from foliod.watch.audit import Patience, audit

if TYPE_CHECKING:
    from foliod.base.config import Settings
    from foliod.store.statements import Transaction

NAME = "store"
UNKNOWN_FIX = "run it as the user that runs foliod, while the database can be reached"


@dataclass(slots=True)
class Deep:
    """What the deep check found: for people as checks, for programs as findings."""

    checks: list[Check] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    totals: dict[str, int] = field(default_factory=dict)

    def printable(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "counts": dict(self.counts),
            "totals": self.totals,
        }


async def examine_store(settings: Settings) -> Deep:
    """Check the whole store; what keeps it from being checked is a failed check too."""
    open_error_log(settings)
    status = await asyncio.to_thread(status_of, settings)
    deep = Deep()
    try:
        async with reached(settings, running=status is not None) as dsn:
            if dsn is None:
                deep.checks.append(Check(NAME, "ok", "nothing is stored yet"))
                return deep
            async with snapshot(dsn) as tx:
                await _examine(tx, settings, status, deep)
    except FoliodError as error:
        deep.checks.append(Check(NAME, "fail", f"it can't be checked: {error.message}", UNKNOWN_FIX))
    return deep


async def _examine(tx: Transaction, settings: Settings, status: dict[str, Any] | None, deep: Deep) -> None:
    host = await asyncio.to_thread(host_of, settings.state)
    roots: dict[str, dict[str, Any]] = {root["path"]: root for root in (status or {}).get("roots", [])}
    report = await check(tx, running=await asyncio.to_thread(_running, settings, host, status))
    deep.findings, deep.counts, deep.totals = report.findings, report.counts, report.totals
    watched = settings.watch or tuple(
        Watch(path=Path(path)) for path, root in roots.items() if root["state"] != "not_watched"
    )
    for watch in watched if host else ():
        root = roots.get(str(watch.path), {})
        # A root that is waiting for something, or has much to do, may be behind for long.
        behind = not root or root["state"] != "ok" or bool(root["settling"])
        patience = Patience(
            settings.ingest.sweep_seconds + watch.settle_seconds + LATE_SECONDS if root else 0.0, behind
        )
        async for finding in audit(tx, host, watch, patience):
            deep.counts[finding.name] += 1
            if deep.counts[finding.name] <= EXAMPLES:
                deep.findings.append(finding)
    deep.checks = _told(deep, report.seconds)


def _told(deep: Deep, seconds: float) -> list[Check]:
    checks = [Check(NAME, "warn" if f.passing else "fail", f.message, f.fix) for f in deep.findings]
    told = Counter(finding.name for finding in deep.findings)
    for name, number in deep.counts.items():
        if number > told[name]:
            checks.append(Check(NAME, "warn", f"{number - told[name]:,} more of the kind {name}"))
    amounts = ", ".join(count(number, what.removesuffix("s")) for what, number in deep.totals.items())
    if not checks:
        checks.append(Check(NAME, "ok", f"all of it is sound: {amounts}; checked in {seconds:.1f} s"))
    return checks


def _running(settings: Settings, host: str, status: dict[str, Any] | None) -> Running | None:
    """Return what is known of the daemon, when it runs for long enough that nothing may be overdue."""
    if status is None or status["uptime_s"] < settings.ingest.grace_seconds + LATE_SECONDS:
        return None
    try:
        # It holds the lock, and wrote this into it.
        pid = int((settings.state / "lock").read_text("ascii"))
    except (OSError, ValueError):
        return None
    held = [os.fsencode(root["path"]) for root in status["roots"] if root["state"] != "ok"]
    return Running(host, pid, settings.ingest.grace_seconds, held)
