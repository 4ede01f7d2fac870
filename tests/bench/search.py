"""How fast passages are found among many, and how many of the true neighbours the index finds.

    python tests/bench/search.py [--chunks 100000] [--dimensions 384] [--questions 300]

A store of made-up reports: words as rare and as common as in real text, vectors in clusters, as those
of real texts lie, 50 chunks a document, 4 a page. Questions have three words of a passage, two of
its subject and two common ones, and a vector near the passage's; every fourth names its document.
Times are of a search after the question is embedded; recall is of the vector search alone, against
comparing with every vector.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import pickle
import random
import statistics
import sys
import time
from pathlib import Path

import asyncpg
import numpy as np
import structlog
from pgvector import HalfVector, SparseVector

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import serving
from foliod.base.access import Access, Root
from foliod.base.config import Search
from foliod.ingest.embedding_model import EmbedderFacts
from foliod.retrieve import retrieve
from foliod.retrieve.candidates import EF_SEARCH
from foliod.retrieve.retrieve import Retriever
from foliod.store.database import Database
from foliod.store.migrate import migrate
from foliod.store.store import VECTOR_COLUMNS, Store
from foliod.store.titles import catch_up
from foliod.store.writer import CHUNK_COLUMNS, TERM_COLUMNS, text_hash
from foliod.text.lexical import DIMENSIONS, weigh
from places import temporary_dir

CHUNKS_A_DOCUMENT = 50
CHUNKS_A_PAGE = 4
WORDS = 70
SUBJECTS = 500
VOCABULARY = 60_000
COPY = 5000
"""Rows copied at a time."""


class Corpus:
    """Texts and vectors by number, the same every time."""

    def __init__(self, dimensions: int) -> None:
        self.rng = np.random.default_rng(4)
        self.words = [_word(number) for number in range(VOCABULARY)]
        ranks = np.arange(1, VOCABULARY + 1)
        # Zipf and Mandelbrot: the commonest word, as "the", is left to the stop list.
        self.odds = (1 / (ranks + 12.0)) / np.sum(1 / (ranks + 12.0))
        self.centres = self.rng.normal(size=(SUBJECTS, dimensions))

    def chunk(self, subject: int) -> tuple[str, np.ndarray]:
        common = self.rng.choice(VOCABULARY, WORDS - 20, p=self.odds)
        own = 200 + (subject * 97 + self.rng.integers(0, 400, 20)) % (VOCABULARY - 200)
        words = [self.words[n] for n in self.rng.permutation(np.concatenate([common, own]))]
        vector = self.centres[subject] + self.rng.normal(size=self.centres.shape[1]) * 0.9
        return " ".join(words), (vector / np.linalg.norm(vector)).astype(np.float32)


def _word(number: int) -> str:
    """Return a word of two to four syllables."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    word = ""
    number += len(syllables)
    while number:
        number, rest = divmod(number, len(syllables))
        word += syllables[rest]
    return word


class Known:
    """Stands for the embedding model: the vector of a question is known."""

    def __init__(self) -> None:
        self.vector: np.ndarray | None = None

    async def embed_query(self, text: str, *, seconds: float, model: str | None = None) -> tuple[object, EmbedderFacts]:
        return self.vector, EmbedderFacts("m", "d", len(self.vector), 512, "", "")


async def fill(db: Database, corpus: Corpus, chunks: int, dimensions: int) -> list[tuple[str, np.ndarray, str]]:
    """Store a corpus; return some passages."""
    store = Store(db)
    space, _ = await store.activate_space("m", "d", dimensions, "", "")
    some: list[tuple[str, np.ndarray, str]] = []
    async with db.transaction() as tx:
        run = tx.connection.execute
        await run("SET LOCAL synchronous_commit = off")
        await run(f"DROP INDEX foliod.embeddings_hnsw_{space.id}")
        await run(
            "INSERT INTO foliod.documents (sha256, size, state, title, chunk_count, page_count)"
            " SELECT sha256(i::text::bytea), 1, 'ready', NULL, $2, $3 FROM generate_series(1, $1) i",
            chunks // CHUNKS_A_DOCUMENT, CHUNKS_A_DOCUMENT, -(-CHUNKS_A_DOCUMENT // CHUNKS_A_PAGE),
        )  # fmt: skip
        rows = await tx.connection.fetch("SELECT id FROM foliod.documents ORDER BY id")
        documents = [row["id"] for row in rows]
        names = [f"/reports/{corpus.words[50_000 + n // 5]}_{2018 + n % 5}_10K.pdf" for n in range(len(documents))]
        await tx.connection.executemany(
            "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device, document_id)"
            " VALUES ('bench', '/reports', $1, $2, 1, 1, 1, $3, 1, $3)",
            [(name.encode(), name, document) for name, document in zip(names, documents, strict=True)],
        )
        for first in range(0, chunks, COPY):
            text_rows, term_rows, vector_rows = [], [], []
            for number in range(first, min(first + COPY, chunks)):
                place, ordinal = divmod(number, CHUNKS_A_DOCUMENT)
                text, vector = corpus.chunk((place * 7 + ordinal // 10) % SUBJECTS)
                page, terms, key = ordinal // CHUNKS_A_PAGE + 1, weigh(text), text_hash(text)
                start = ordinal * 1000
                text_rows.append(
                    (number + 1, documents[place], ordinal, page, page, start, start + len(text), 200, None, text, key)
                )
                pairs = dict(zip(terms.ids, terms.weights, strict=True))
                term_rows.append((number + 1, documents[place], list(terms.ids), SparseVector(pairs, DIMENSIONS)))
                vector_rows.append((space.id, key, HalfVector(vector), None))
                if number % max(1, chunks // 1000) == 0:
                    some.append((text, vector, Path(names[place]).stem))
            await tx.copy("chunks", CHUNK_COLUMNS, text_rows)
            await tx.copy("chunk_terms", TERM_COLUMNS, term_rows)
            await tx.copy("embeddings", VECTOR_COLUMNS, vector_rows)
        await run("INSERT INTO foliod.lexicon SELECT t, count(*) FROM foliod.chunk_terms, unnest(terms) t GROUP BY t")
    async with db.transaction() as tx:
        await tx.connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
        await tx.execute("index_space", space=space.id, dimensions=dimensions)
    while await catch_up(db):
        pass
    return some


async def measure(db: Database, some: list[tuple[str, np.ndarray, str]], questions: int, corpus: Corpus) -> None:
    """Print times by kind of search, and the recall of the index."""
    known = Known()
    retriever = Retriever(db, known, Search())
    chooser = random.Random(4)
    took: dict[str, list[float]] = {
        "keyword": [],
        "vector": [],
        "hybrid": [],
        "hybrid, named": [],
        "hybrid, one folder": [],
        "hybrid, may see half": [],
    }
    # Files of another folder, of which a client may see nothing: those of every second document.
    half = Access.of("bench", [Root("bench", b"/reports", readable=True), Root("bench", b"/hidden", readable=False)])
    async with db.transaction() as tx:
        await tx.connection.execute(
            "UPDATE foliod.files SET path = convert_to('/hidden', 'UTF8') || path WHERE document_id % 2 = 0"
            " AND NOT starts_with(encode(path, 'escape'), '/hidden')"
        )
        await tx.connection.execute("ANALYZE foliod.files")
    for number in range(questions + 20):
        text, vector, name = chooser.choice(some)
        words = text.split()
        asked = " ".join([*chooser.sample(words, 5), *(corpus.words[chooser.randrange(40)] for _ in range(2))])
        known.vector = vector + corpus.rng.normal(size=len(vector)).astype(np.float32) * 0.02
        for kind, times in took.items():
            filters = retrieve.Filters(
                folder="/reports" if "folder" in kind else None, access=half if "half" in kind else None
            )
            query = f"{asked} {name.replace('_', ' ')}" if "named" in kind else asked
            result = await retriever.search(query, limit=10, mode=kind.split(",")[0], filters=filters)
            if number >= 20:
                times.append(result.timings_ms["retrieve"])
    for kind, times in took.items():
        print(f"{kind:20} p50 {statistics.median(times):6.1f} ms   p95 {statistics.quantiles(times, n=20)[-1]:6.1f} ms")
    found = wanted = 0
    for _, vector, _ in chooser.sample(some, min(100, len(some))):
        near = HalfVector(vector + corpus.rng.normal(size=len(vector)).astype(np.float32) * 0.02)
        async with db.transaction() as tx:
            space = {"space": 1, "dimensions": len(vector)}
            await tx.connection.execute(f"SET LOCAL hnsw.ef_search = {EF_SEARCH}")
            got = [row["chunk_id"] for row in await tx.fetch("vector_search", near, 10, 1, **space)]
            await tx.connection.execute("SET LOCAL enable_indexscan = off")
            true = [row["chunk_id"] for row in await tx.fetch("vector_search", near, 10, 1, **space)]
        found += len(set(got) & set(true))
        wanted += len(true)
    print(f"recall@10 of the vector search: {found / wanted:.3f}")


async def run(place: Path, chunks: int, dimensions: int, questions: int) -> None:
    kept = place / f"some-{chunks}-{dimensions}.pickle"
    with serving(place / "state") as url:
        await migrate(url)
        async with Database.open(url, pool_size=4) as db:
            started = time.monotonic()
            corpus = Corpus(dimensions)
            if kept.exists():
                some = pickle.loads(kept.read_bytes())
            else:
                some = await fill(db, corpus, chunks, dimensions)
                connection = await asyncpg.connect(url)
                await connection.execute("VACUUM ANALYZE")
                await connection.close()
                kept.write_bytes(pickle.dumps(some))
            print(f"{chunks} chunks, {dimensions} dimensions, stored in {time.monotonic() - started:.0f} s")
            await measure(db, some, questions, corpus)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--keep", type=Path, help="a folder in which the store is kept for the next time")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with temporary_dir() if args.keep is None else contextlib.nullcontext(args.keep) as place:
        asyncio.run(run(place, args.chunks, args.dimensions, args.questions))


if __name__ == "__main__":
    main()
