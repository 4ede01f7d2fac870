"""What LangChain's and LlamaIndex's own defaults find, with the same vectors, measured as in retrieval.py.

    python -m venv peers
    peers/bin/pip install -r constraints-bench.txt
    python tests/bench/peers.py PDFS QUESTIONS --python peers/bin/python --ollama URL [--cache FILE] [--split tune]

PDFS and QUESTIONS are as for retrieval.py. Both peers live in an environment of their own, for
LangChain wants an older pgvector than foliod; they get a PostgreSQL that foliod's embedded server
provides. LangChain: PyMuPDFLoader, RecursiveCharacterTextSplitter(1000, 200), PGVectorStore, by
similarity and with HybridSearchConfig (weighted sum), which fetches four passages from either side unless
told otherwise and is told ten. LlamaIndex: SimpleDirectoryReader with its PyMuPDF reader, SentenceSplitter
(1024 tokens, 200 shared), PGVectorStore, by vector, with hybrid_search=True (five passages by vector and
then five by keyword), and both lists joined by QueryFusionRetriever (relative score). With --cache vectors are
kept in a file by model and text, so that a second run asks Ollama for nothing; the hits are the same.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parents[1]))
from retrieval import judge, show

from conftest import aside, database_url, serving, statement
from places import temporary_dir

PIPELINES = ("langchain", "llamaindex")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pdfs", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument(
        "--python", required=True, help="the Python of the environment in which the peers are installed"
    )
    parser.add_argument("--ollama", required=True, help="address of an Ollama")
    parser.add_argument("--embed-model", default="all-minilm")
    parser.add_argument("--cache", type=Path, help="a file in which vectors are kept")
    parser.add_argument("--split", help="ask only questions of this split, such as tune")
    parser.add_argument("--only", type=int, default=0, help="ask only so many questions")
    parser.add_argument("--peer", choices=PIPELINES, action="append", help="only this one")
    args = parser.parse_args()
    questions = [q for q in json.loads(args.questions.read_text()) if args.split in (None, q.get("split"))]
    questions = questions[: args.only] if args.only else questions
    # What the server says goes into no table.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with temporary_dir() as place, serving(place / "state") as url:
        for peer in args.peer or PIPELINES:
            aside(statement(url, f"CREATE DATABASE {peer} TEMPLATE template0 ENCODING 'UTF8'"))
            work = {
                "peer": peer, "url": database_url(url, peer), "pdfs": str(args.pdfs.resolve()),
                "questions": [question["question"] for question in questions], "ollama": args.ollama,
                "model": args.embed_model, "cache": str(args.cache.resolve()) if args.cache else "",
            }  # fmt: skip
            done = subprocess.run(
                [args.python, str(Path(__file__).with_name("peers_inside.py"))],
                input=json.dumps(work), stdout=subprocess.PIPE, text=True, check=True,
            )  # fmt: skip
            answer = json.loads(done.stdout)
            print(f"{answer['pages']} pages, {answer['chunks']} chunks, taken in in {answer['seconds']:.0f} s")
            for number, (mode, answers) in enumerate(answer["modes"].items()):
                found = [
                    judge(question, [({name, Path(name).name}, page, page) for name, page in one["hits"]], one["ms"])
                    for question, one in zip(questions, answers, strict=True)
                ]
                show(f"{peer} {mode}", questions, found, head=number == 0)


if __name__ == "__main__":
    main()
