"""What a question has to wait while a large PDF is read: the event loop's lag, and searches meanwhile.

    python tests/bench/lag.py [--pages 1500] [--from tests/samples/GeoTopo-komprimiert.pdf]

The PDF is made of the pages of a real one, with the file's page numbers written onto them so that
no two chunks are equal. Prints the lag that the daemon measured in itself and what searches took.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.modules["pymupdf.layout"] = sys.modules["pymupdf4llm"] = None  # type: ignore[assignment]
import pymupdf  # noqa: E402

from live import running, wait_for  # noqa: E402

SAMPLE = Path(__file__).parents[1] / "samples" / "GeoTopo-komprimiert.pdf"


def make(source: Path, pages: int, target: Path) -> None:
    with pymupdf.open(source) as original, pymupdf.open() as large:
        while large.page_count < pages:
            large.insert_pdf(original, to_page=min(original.page_count, pages - large.page_count) - 1)
        for number, page in enumerate(large, start=1):
            page.insert_text((40, 20), f"Sheet {number} of {pages}, reference {number * 7919 % 100003}")
        large.save(target, garbage=3, deflate=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1500)
    parser.add_argument("--from", dest="source", type=Path, default=SAMPLE)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running() as daemon:
        large = Path(folder) / "large.pdf"
        make(args.source, args.pages, large)
        daemon.drop(SAMPLE, "known.pdf")
        daemon.wait_states(stored=1)
        idle = daemon.status()["loop_lag"]
        daemon.drop(large)
        took: list[float] = []
        wait_for(lambda: daemon.states() != {"stored": 1})
        started = time.monotonic()
        with daemon.client() as client:
            while daemon.states() != {"stored": 2}:
                begun = time.perf_counter()
                client.post("/v1/search", json={"query": "topologischer Raum Definition"}).raise_for_status()
                took.append((time.perf_counter() - begun) * 1000)
        seconds = time.monotonic() - started
        status = daemon.status()
        print(
            f"{args.pages} pages read in {seconds:.1f} s ({args.pages / seconds:.0f} pages/s), {status['chunks']} chunks"
        )
        print(f"loop lag in ms, idle:    {idle}")
        print(f"loop lag in ms, reading: {status['loop_lag']}")
        print(
            f"{len(took)} searches meanwhile, ms: p50 {statistics.median(took):.1f}, "
            f"p95 {statistics.quantiles(took, n=20)[-1]:.1f}, max {max(took):.1f}"
        )


if __name__ == "__main__":
    main()
