"""An hour of everything at a steady rate: does the daemon grow, leak, forget, or complain without cause?

    python tests/bench/soak.py [--minutes 60] [--rate 1] [--seed N] [--json OUT]

Files come, change, move and go; clients search, ask, hang up and read slowly; Ollama refuses, hangs,
fails and breaks off; readers, PostgreSQL and its processes are killed; a folder is away; roots come
and go by SIGHUP. Ends with 1 when memory is not flat within 10 %, when open files or tasks do not come
back to what they were before, when a warning, an error or an answer has no cause among the faults,
when the store is not what lies in the folders, or when a process is left.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "whole"))
sys.path.insert(0, str(Path(__file__).parents[1]))
from crash_folder import contents
from soak_faults import Excuses, Faults, Ollama
from soak_watch import TABLES, Looks, accounts, kinds, look, slope, store, windows
from soak_work import Client, Work

from live import Daemon, running, wait_for
from watcher import documents

MOST_KEPT = 20
"""Connections to Ollama that are kept for later use; httpx keeps no more."""
FEW = 3
"""So many open files or tasks may come and go with what is under way."""
GRACE_SECONDS = 2.0
SETTLE_SECONDS = 300.0
CLIENTS = 3
IDLE_SECONDS = 2.0
REST_SECONDS = 20.0
"""What is under way at the end is over by then."""

CONFIG = """
[ollama]
url = "{url}"
embed_model = "all-minilm"
chat_model = "scripted"
connect_seconds = 1.0
silence_seconds = 5.0
answer_seconds = 30.0
[search]
embed_seconds = 5.0
[ingest]
workers = 1
ocr = {ocr}
sweep_seconds = 20
grace_seconds = {grace}
max_attempts = 1000
"""
"""A reader that is killed again and again by us is no reason to give a document up."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1, help="changes in the folder a second; twice as many requests")
    parser.add_argument("--files", type=int, default=60, help="how many files there are, all the time")
    parser.add_argument("--pause", type=float, default=20, help="seconds between two faults, in the mean")
    parser.add_argument(
        "--least", type=int, default=0,
        help="go on for longer until so many changes, twice as many requests and a tenth as many faults were made",
    )  # fmt: skip
    parser.add_argument("--faults", default="", help="only those whose names this pattern is found in")
    parser.add_argument("--warm-up", type=float, help="minutes that do not count; a fifth, at most ten")
    parser.add_argument(
        "--within", type=float, default=0.1, help="how far memory may go from the first window, as a share"
    )
    parser.add_argument("--ocr", action="store_true", help="have scans recognised by Tesseract")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--json", type=Path, help="where all figures go")
    parser.add_argument("--log", type=Path, help="where the daemon's log goes")
    args = parser.parse_args()
    ollama = Ollama()
    config = CONFIG.format(url=ollama.url, ocr=str(args.ocr).lower(), grace=GRACE_SECONDS)
    try:
        with running(config) as daemon:
            try:
                found = soak(daemon, ollama, args)
            finally:
                if args.log:
                    shutil.copyfile(daemon.log, args.log)
    finally:
        ollama.stop()
    if args.json:
        args.json.write_text(json.dumps(found, indent=1, default=str))
    show(found)
    sys.exit(1 if found["failures"] else 0)


def soak(daemon: Daemon, ollama: Ollama, args: argparse.Namespace) -> dict[str, Any]:
    """Let everybody work for the time; return all figures, and in `failures` what is not as it should be."""
    excuses = Excuses()
    work = Work(daemon.inbox, seed=f"{args.seed} work", rate=args.rate, files=args.files, ocr=args.ocr)
    work.fill()
    clients = [
        Client(daemon, work, excuses, seed=f"{args.seed} {n}", rate=2 * args.rate / CLIENTS) for n in range(CLIENTS)
    ]
    faults = Faults(daemon, ollama, excuses, work.still, seed=f"{args.seed} faults", pause=args.pause, only=args.faults)
    wait_until_right(daemon, work, SETTLE_SECONDS)
    clients[0].everything()
    before, open_before = idle(daemon), kinds(daemon.process.pid)
    looks = Looks(daemon)
    threads = [looks, work, *clients, faults]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60 * args.minutes

    def goes_on() -> bool:
        requests = sum(client.done.total() for client in clients)
        few = min(sum(work.done.values()), requests // 2, 10 * faults.done.total()) < args.least
        return (time.monotonic() < end or few) and not work.broken and daemon.process.poll() is None

    while goes_on():
        time.sleep(min(1.0, max(0.1, end - time.monotonic())))
    faults.stop()
    work.stop()
    for client in clients:
        client.stop()
    for client in clients:
        client.join()
    looks.stop()
    wrong = wait_until_right(daemon, work, SETTLE_SECONDS)
    after, open_after = idle(daemon, before), kinds(daemon.process.pid)
    failures = [*wrong, *faults.failures]
    tables = store(daemon, TABLES)
    doctor = daemon.cli("doctor", "--deep", "--json", timeout=300)
    family = daemon.look()
    if (code := daemon.stop(30)) != 0:
        failures.append(f"the daemon ended with {code}")
    wait_for(lambda: not daemon.children(), seconds=10, why="the daemon's processes to be gone")
    log = accounts(daemon, excuses, work.expected)
    found = {
        "seed": args.seed, "minutes": args.minutes, "rate": args.rate, "files": args.files, "began": looks.began,
        "before": before, "after": after, "more_open": open_after - open_before, "samples": looks.samples, "store": looks.store, "tables": tables,
        "changes": dict(work.done), "contents": dict(work.made), "faults": dict(faults.done),
        "requests": dict(sum((client.done for client in clients), Counter())),
        "excused": dict(sum((client.excused for client in clients), Counter())),
        "unexpected": [wrong for client in clients for wrong in client.unexpected],
        "search_ms": [1000 * seconds for client in clients for seconds in client.seconds],
        "log": log, "processes_seen": len(family), "failures": failures,
    }  # fmt: skip
    judge(found, doctor.stdout, args)
    return found


def wait_until_right(daemon: Daemon, work: Work, seconds: float) -> list[str]:
    """Wait until the store is what lies in the folder; return what is not so."""
    expected = contents(daemon.inbox)

    def differences() -> list[str]:
        stored = documents(daemon)
        wrong = [f"{path.name}: not in the store" for path in expected if str(path) not in stored]
        for path, sha in expected.items():
            document = stored.get(str(path))
            if document is not None and (document["sha256"] != sha or document["state"] not in work.expected[sha]):
                wrong.append(
                    f"{path.name}: {document['state']} ({document['reason']}), not {'/'.join(work.expected[sha])}"
                )
        there = {str(path) for path in expected}
        wrong += [f"{path}: in the store, and not in the folder" for path in stored if path not in there]
        count = sum(daemon.states().values())
        if not wrong and count != len(set(expected.values())):
            wrong.append(f"{count} documents in the store, {len(set(expected.values()))} in the folder")
        return wrong

    end = time.monotonic() + seconds
    while (wrong := differences()) and time.monotonic() < end:
        time.sleep(0.5)
    return wrong


def idle(daemon: Daemon, before: dict[str, float] | None = None) -> dict[str, float]:
    """Return what the daemon holds when nothing is under way; it is waited for until it is no more than before."""
    found = look(daemon.process.pid)
    end = time.monotonic() + (IDLE_SECONDS if before is None else REST_SECONDS)
    found["tasks"] = daemon.status()["tasks"]
    while time.monotonic() < end:
        time.sleep(0.25)
        now = look(daemon.process.pid) | {"tasks": daemon.status()["tasks"]}
        found |= {name: min(found[name], now[name]) for name in ("files", "tasks")}
        if before is not None and all(found[name] <= before[name] for name in ("files", "tasks")):
            break
    return found


# --- the verdict ------------------------------------------------------------------------


def judge(found: dict[str, Any], doctor: str, args: argparse.Namespace) -> None:
    """Add to `failures` whatever is not as it should be, and the windows that it was judged by."""
    failures: list[str] = found["failures"]
    warm_up = 60 * (args.minutes / 5 if args.warm_up is None else args.warm_up)
    since = min(warm_up, 600.0 if args.warm_up is None else warm_up)
    count = max(2, min(10, int((60 * args.minutes - since) // 30)))
    parts = found["windows"] = windows(found["samples"], since, count)
    found["store_windows"] = windows(found["store"], since, count)
    found["slopes"] = {
        name: slope(found["samples"], name, since) for name in ("rss", "own", "files", "tasks", "threads")
    }
    for name in ("rss", "own"):
        first = parts[0][name]
        worst = max((part[name] for part in parts), key=lambda value: abs(value - first))
        found[f"{name}_within"] = worst / first - 1
        if abs(worst - first) > args.within * first:
            failures.append(f"memory ({name}) is not flat: {first:.1f} MiB, later {worst:.1f} MiB")
    for name in ("files", "tasks"):
        if found["after"][name] > found["before"][name]:
            failures.append(f"{name} at rest: {found['before'][name]:g} before, {found['after'][name]:g} afterwards")
        if parts[-1][name] > parts[0][name] + FEW:
            failures.append(f"{name} grow under load: {parts[0][name]:g} at first, {parts[-1][name]:g} at last")
    if found["after"]["tcp"] > MOST_KEPT:
        failures.append(f"{found['after']['tcp']:g} connections to Ollama at rest")
    failures += [f"unaccounted in the log: {record}" for record in found["log"]["unaccounted"]]
    failures += [f"unexpected answer: {answer}" for answer in found["unexpected"]]
    try:
        report = json.loads(doctor)
        failures += [f"doctor: {check}" for check in report["checks"] if check["status"] == "fail"]
        failures += [f"doctor --deep: {finding}" for finding in report["store"]["findings"] if not finding["passing"]]
        found["totals"] = report["store"]["totals"]
    except (ValueError, KeyError) as error:
        failures.append(f"doctor --deep could not check the store ({error}): {doctor[-500:]}")
    for what in ("changes", "requests"):
        if not found[what]:
            failures.append(f"no {what} were made")


def show(found: dict[str, Any]) -> None:
    """Print what there is to see."""
    print(f"seed {found['seed']}, {found['minutes']:g} minutes, {found['rate']:g} changes a second")
    for name in ("changes", "contents", "requests", "excused", "faults"):
        print(f"{name}: {sum(found[name].values())}: {found[name]}")
    took = sorted(found["search_ms"]) or [0.0]
    print(f"searches, ms: p50 {statistics.median(took):.1f}, p95 {took[int(0.95 * len(took))]:.1f}, max {took[-1]:.0f}")
    print("\n    min    rss    own  files connections threads readers tasks   (medians; MiB)")
    for part in found["windows"]:
        print(
            f"  {part['at'] / 60:5.1f} {part['rss']:6.1f} {part['own']:6.1f} {part['files']:6.0f} "
            f"{part['connections']:11.0f} {part['threads']:7.0f} {part['readers']:7.0f} {part.get('tasks', 0):5.0f}"
        )
    for name in ("before", "after"):
        print(f"  at rest, {name}: { {key: round(value, 1) for key, value in found[name].items()} }")
    print(f"  open at rest, more than before: {dict(found['more_open'])}")
    print(f"  growth an hour: { {name: round(value, 2) for name, value in found['slopes'].items()} }")
    print(f"  furthest from the first window: rss {found['rss_within']:+.1%}, own {found['own_within']:+.1%}")
    print("\n    min documents database  hnsw   gin   wal state  live   dead vacuums  (MB; rows)")
    for part in found["store_windows"]:
        sizes = " ".join(f"{part[name] / 1e6:5.1f}" for name in ("hnsw", "gin", "wal", "state"))
        print(
            f"  {part['at'] / 60:5.1f} {part['documents']:9.0f} {part['database'] / 1e6:8.1f} {sizes} "
            f"{part['live']:6.0f} {part['dead']:6.0f} {part['vacuums']:7.0f}"
        )
    log = found["log"]
    print(f"\nlog: {log['lines']} lines, {log['bytes'] * 60 / found['minutes'] / 1e6:.2f} MB an hour; {log['events']}")
    print(f"warnings and errors with a cause: {log['excused']}")
    for failure in found["failures"][:40]:
        print(f"FAILED: {failure[:600]}")
    print(f"{len(found['failures'])} failures" if found["failures"] else "all is well")


if __name__ == "__main__":
    main()
