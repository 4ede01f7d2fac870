"""How well the right page is found: page@1, page@5, page@10, doc@10 and MRR@10, by mode.

    python tests/bench/retrieval.py PDFS QUESTIONS [--ollama URL] [--embed-model all-minilm]

PDFS is a folder; QUESTIONS a JSON list of {document, question, pages}, pages from 1. The real
daemon reads the folder and is asked over its socket. A hit is right when it is of the right
document and one of its pages is a right page. Without --ollama only keyword search is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from live import Daemon, running, wait_for

DONE = {"ready", "needs_password", "needs_ocr", "not_pdf", "unsupported", "damaged", "empty", "failed"}


def ingest(daemon: Daemon, documents: int, *, vectors: bool) -> float:
    """Wait until every document has reached its end; return the seconds it took."""
    started = time.monotonic()
    done = DONE if vectors else DONE | {"stored"}

    def finished() -> bool:
        states = daemon.states()
        print(f"\r{time.monotonic() - started:6.0f} s  {states}", end=" " * 20, file=sys.stderr)
        return sum(n for s, n in states.items() if s in done) >= documents

    wait_for(finished, seconds=3600, why="the documents to be read")
    print(file=sys.stderr)
    return time.monotonic() - started


def measure(daemon: Daemon, questions: list[dict], mode: str) -> dict[str, float]:
    """Ask all questions in one mode."""
    page_at = {1: 0, 5: 0, 10: 0}
    document_at_10 = 0
    reciprocal = 0.0
    took: list[float] = []
    with daemon.client() as client:
        for question in questions:
            answer = client.post("/v1/search", json={"query": question["question"], "limit": 10, "mode": mode})
            answer.raise_for_status()
            body = answer.json()
            assert body["mode"] == mode, body["mode"]
            took.append(body["took_ms"])
            ranks = []
            for hit in body["hits"]:
                first, last = hit["pages"]
                if any(Path(p).name == question["document"] for p in hit["document"]["paths"]):
                    ranks.append((hit["rank"], any(first <= p <= last for p in question["pages"])))
            document_at_10 += bool(ranks)
            if right := min((rank for rank, page in ranks if page), default=None):
                reciprocal += 1 / right
                for k in page_at:
                    page_at[k] += right <= k
    n = len(questions)
    return {
        "page@1": page_at[1] / n, "page@5": page_at[5] / n, "page@10": page_at[10] / n,
        "doc@10": document_at_10 / n, "MRR@10": reciprocal / n,
        "ms p50": statistics.median(took), "ms p95": statistics.quantiles(took, n=20)[-1],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pdfs", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--ollama", help="address of an Ollama; without it keyword search only")
    parser.add_argument("--embed-model", default="all-minilm")
    parser.add_argument("--config", default="", help="more configuration, as TOML")
    parser.add_argument("--only", type=int, default=0, help="ask only so many questions")
    args = parser.parse_args()
    questions = json.loads(args.questions.read_text())
    questions = questions[: args.only] if args.only else questions
    documents = sum(1 for path in args.pdfs.rglob("*") if path.suffix.lower() == ".pdf")
    url = args.ollama or "http://127.0.0.1:9"
    config = f'{args.config}\n[ollama]\nurl = "{url}"\nembed_model = "{args.embed_model}"\n'
    with running(config, inbox=args.pdfs.resolve()) as daemon:
        seconds = ingest(daemon, documents, vectors=bool(args.ollama))
        status = daemon.status()
        print(f"{status['pages']} pages of {documents} documents, {status['chunks']} chunks, read in {seconds:.0f} s")
        modes = ["keyword", "vector", "hybrid"] if args.ollama else ["keyword"]
        for number, mode in enumerate(modes):
            figures = measure(daemon, questions, mode)
            if number == 0:
                print(
                    f"{'mode':8}  " + "  ".join(f"{name:>7}" for name in figures) + f"   ({len(questions)} questions)"
                )
            print(
                f"{mode:8}  " + "  ".join(f"{v:7.3f}" if "ms" not in k else f"{v:7.1f}" for k, v in figures.items()),
                flush=True,
            )


if __name__ == "__main__":
    main()
