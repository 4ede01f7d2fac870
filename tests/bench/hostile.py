"""What hostile files cost: searches while all of tests/nasty_pdfs.py and damaged copies are read, memory, and time.

    python tests/bench/hostile.py [--mutants 300] [--pdfs FOLDER]

The limits are the defaults, so that files that hang are given up after 5 and 20 seconds. Wanted:
searches under 100 ms at the 95th percentile, the daemon under 250 MiB, a reader under worker_memory_mb.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from live import running, wait_for
from nasty_pdfs import PDFS, mutant
from watcher import MIB, Watcher, documents, settled

SAMPLES = Path(__file__).parents[1] / "samples"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--pdfs", type=Path, help="a folder of real files to drop in as well")
    args = parser.parse_args()
    chance = random.Random(1)
    samples = [path.read_bytes() for path in sorted(SAMPLES.glob("*.pdf"))]
    contents = {f"{name}.pdf": nasty.make() for name, nasty in PDFS.items()}
    contents |= {f"mutant_{number}.pdf": mutant(chance.choice(samples), chance) for number in range(args.mutants)}
    if args.pdfs:
        contents |= {f"real_{path.name}": path.read_bytes() for path in args.pdfs.rglob("*.pdf")}
    with running("[ingest]\nmax_pages = 1000\n") as daemon:
        for sample in sorted(SAMPLES.glob("PMC*.pdf")):
            daemon.drop(sample)
        wait_for(lambda: settled(daemon, len(list(SAMPLES.glob("PMC*.pdf")))))
        idle = daemon.status()["loop_lag"]
        started = time.monotonic()
        with Watcher(daemon) as watcher:
            for name, content in contents.items():
                (daemon.inbox / name).write_bytes(content)
            everything = len(contents) + len(list(SAMPLES.glob("PMC*.pdf")))
            wait_for(lambda: settled(daemon, everything), seconds=3600)
        seconds = time.monotonic() - started
        ended = Counter(document["state"] for document in documents(daemon).values())
        status = daemon.status()
    print(f"{len(contents)} files in {seconds:.0f} s: {dict(ended)}")
    print(
        f"{len(watcher.took)} searches meanwhile, ms: p50 {statistics.median(watcher.took) * 1000:.1f}, "
        f"p95 {watcher.p95_ms():.1f}, max {max(watcher.took) * 1000:.1f}; {len(watcher.troubles)} failed"
    )
    print(f"loop lag in ms, idle: {idle}, meanwhile: {status['loop_lag']}")
    print(f"peak memory: daemon {watcher.daemon_bytes / MIB:.0f} MiB, a reader {watcher.worker_bytes / MIB:.0f} MiB")


if __name__ == "__main__":
    main()
