"""How well the right page is found: page@1, page@5, page@10, doc@10 and MRR@10, by mode.

    python tests/bench/retrieval.py PDFS QUESTIONS [--ollama URL] [--embed-model all-minilm] [--split tune]

PDFS is a folder; QUESTIONS a JSON list of {document, question, pages}, pages from 1. A document is
named by its path in the folder, or by its file name alone when it lies in no folder of its own.
The real daemon reads the folder and is asked over its socket. A hit is right when it is of the
right document and one of its pages is a right page. Without --ollama only keyword search is
measured. Where questions have a `kind`, each kind is told apart; `split` chooses among them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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


class Found(NamedTuple):
    """What one question found: rank of the first right page (0: none), whether the document came, and the time."""

    rank: int
    document: bool
    ms: float


def names(path: str, folder: Path) -> set[str]:
    """What a question may call a document: its path in the folder, or its file name."""
    return {os.path.relpath(path, folder), Path(path).name}


def judge(question: dict, hits: Sequence[tuple[set[str], int, int]], ms: float) -> Found:
    """Compare hits, best first, each with its document's names and its first and last page, with the right pages."""
    ranks = [
        (rank, any(first <= page <= last for page in question["pages"]))
        for rank, (called, first, last) in enumerate(hits, start=1)
        if question["document"] in called
    ]
    return Found(min((rank for rank, page in ranks if page), default=0), bool(ranks), ms)


def measure(daemon: Daemon, questions: list[dict], mode: str, folder: Path) -> list[Found]:
    """Ask all questions in one mode."""
    found = []
    with daemon.client() as client:
        for question in questions:
            answer = client.post("/v1/search", json={"query": question["question"], "limit": 10, "mode": mode})
            answer.raise_for_status()
            body = answer.json()
            assert body["mode"] == mode, body["mode"]
            hits = [
                ({n for path in hit["document"]["paths"] for n in names(path, folder)}, *hit["pages"])
                for hit in body["hits"]
            ]
            found.append(judge(question, hits, body["took_ms"]))
    return found


def figures(found: list[Found]) -> dict[str, float]:
    """Return the measures over some questions."""
    n, took = len(found), [one.ms for one in found]
    return {
        **{f"page@{k}": sum(0 < one.rank <= k for one in found) / n for k in (1, 5, 10)},
        "doc@10": sum(one.document for one in found) / n,
        "MRR@10": sum(1 / one.rank for one in found if one.rank) / n,
        "ms p50": statistics.median(took),
        "ms p95": statistics.quantiles(took, n=20)[-1] if n > 1 else took[0],
    }


def show(mode: str, questions: list[dict], found: list[Found], *, head: bool) -> None:
    """Print the measures of one mode, and below them those of each kind of question."""
    kinds = sorted({question["kind"] for question in questions if "kind" in question})
    wide = max([8, len(mode), *(len(kind) + 2 for kind in kinds)])
    rows = {mode: found}
    for kind in kinds:
        rows[f"  {kind}"] = [
            one for one, question in zip(found, questions, strict=True) if question.get("kind") == kind
        ]
    if head:
        print(
            f"{'mode':{wide}}  " + "  ".join(f"{name:>7}" for name in figures(found)) + f"   ({len(found)} questions)"
        )
    for name, part in rows.items():
        shown = "  ".join(f"{v:7.3f}" if "ms" not in k else f"{v:7.1f}" for k, v in figures(part).items())
        print(f"{name:{wide}}  {shown}" + (f"   ({len(part)})" if name != mode else ""), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pdfs", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--ollama", help="address of an Ollama; without it keyword search only")
    parser.add_argument("--embed-model", default="all-minilm")
    parser.add_argument("--config", default="", help="more configuration, as TOML")
    parser.add_argument("--split", help="ask only questions of this split, such as tune")
    parser.add_argument("--only", type=int, default=0, help="ask only so many questions")
    args = parser.parse_args()
    questions = [q for q in json.loads(args.questions.read_text()) if args.split in (None, q.get("split"))]
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
            found = measure(daemon, questions, mode, args.pdfs.resolve())
            show(mode, questions, found, head=number == 0)


if __name__ == "__main__":
    main()
