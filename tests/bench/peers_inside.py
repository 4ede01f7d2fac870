"""The pipelines that peers.py measures; runs where they are installed, and knows nothing of foliod.

Reads what to do from its input as JSON, and writes which pages were found for each question.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from array import array
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from ollama import Client

LIMIT = 10


class Vectors:
    """Asks Ollama for vectors, and remembers them in a file if there is one."""

    def __init__(self, url: str, model: str, cache: str) -> None:
        self.client, self.model = Client(host=url), model
        self.db = sqlite3.connect(cache or ":memory:", check_same_thread=False)
        self.db.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")

    def of(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        keys = [sha256(f"{self.model}\0{text}".encode("utf-8", "surrogatepass")).digest() for text in texts]
        missing = [number for number, key in enumerate(keys) if self.known(key) is None]
        for start in range(0, len(missing), 32):
            part = missing[start : start + 32]
            made = self.client.embed(model=self.model, input=[texts[number] for number in part]).embeddings
            rows = [(keys[number], array("f", vector).tobytes()) for number, vector in zip(part, made, strict=True)]
            self.db.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
            self.db.commit()
            print(f"\r{start + len(part)} of {len(missing)} vectors", end="   ", file=sys.stderr)
        return [list(array("f", self.known(key) or b"")) for key in keys]

    def known(self, key: bytes) -> bytes | None:
        row = self.db.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None


def langchain(work: dict[str, Any], vectors: Vectors) -> tuple[int, int, dict[str, Callable[[str], list[Any]]]]:
    """LangChain: take the PDFs in; return pages, chunks, and a search for each mode."""
    from langchain_community.document_loaders import PyMuPDFLoader
    from langchain_core.embeddings import Embeddings
    from langchain_postgres import PGEngine, PGVectorStore
    from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    class Kept(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return vectors.of(texts)

        def embed_query(self, text: str) -> list[float]:
            return vectors.of([text])[0]

    def hybrid() -> HybridSearchConfig:
        return HybridSearchConfig(primary_top_k=LIMIT, secondary_top_k=LIMIT, tsv_column="content_tsv")

    pages = [page for path in pdfs(work["pdfs"]) for page in PyMuPDFLoader(path).load()]
    for page in pages:
        page.page_content = page.page_content.replace("\0", "")  # PostgreSQL takes none
    chunks = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(pages)
    for chunk in chunks:
        # What else the loader found in the file is searched by nobody, and may hold a NUL.
        chunk.metadata = {key: chunk.metadata[key] for key in ("source", "page")}
    engine = PGEngine.from_connection_string(work["url"].replace("postgresql:", "postgresql+psycopg:"))
    engine.init_vectorstore_table("passages", len(vectors.of(["size"])[0]), hybrid_search_config=hybrid())
    store = PGVectorStore.create_sync(engine, Kept(), "passages", hybrid_search_config=hybrid())
    store.add_documents(chunks)

    def search(config: Callable[[], Any]) -> Callable[[str], list[Any]]:
        # A configuration keeps the words of its first query for ever, so each query gets a fresh one.
        return lambda query: [
            (hit.metadata["source"], hit.metadata["page"] + 1)
            for hit in store.similarity_search(query, k=LIMIT, hybrid_search_config=config())
        ]

    return len(pages), len(chunks), {"vector": search(lambda: None), "hybrid": search(hybrid)}


def llamaindex(work: dict[str, Any], vectors: Vectors) -> tuple[int, int, dict[str, Callable[[str], list[Any]]]]:
    """LlamaIndex: take the PDFs in; return pages, chunks, and a search for each mode."""
    from llama_index.core import Settings, SimpleDirectoryReader, StorageContext, VectorStoreIndex
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.llms import MockLLM
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.readers.file import PyMuPDFReader
    from llama_index.vector_stores.postgres import PGVectorStore

    class Kept(BaseEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return vectors.of([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return vectors.of(texts)

        def _get_query_embedding(self, query: str) -> list[float]:
            return vectors.of([query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return vectors.of([query])[0]

    pages = SimpleDirectoryReader(
        work["pdfs"], recursive=True, required_exts=[".pdf"], file_extractor={".pdf": PyMuPDFReader()}
    ).load_data()
    for page in pages:
        page.set_content(page.get_content().replace("\0", ""))  # PostgreSQL takes none
    nodes = Settings.node_parser.get_nodes_from_documents(pages)
    store = PGVectorStore.from_params(
        connection_string=work["url"].replace("postgresql:", "postgresql+psycopg2:"),
        async_connection_string=work["url"].replace("postgresql:", "postgresql+asyncpg:"),
        table_name="passages", embed_dim=len(vectors.of(["size"])[0]), hybrid_search=True, text_search_config="english",
    )  # fmt: skip
    index = VectorStoreIndex(
        nodes, storage_context=StorageContext.from_defaults(vector_store=store), embed_model=Kept()
    )

    def retriever(mode: str, limit: int) -> Any:
        return index.as_retriever(similarity_top_k=limit, vector_store_query_mode=mode)

    def search(through: Any) -> Callable[[str], list[Any]]:
        return lambda query: [
            (hit.metadata["file_path"], int(hit.metadata["source"])) for hit in through.retrieve(query)[:LIMIT]
        ]

    parts = [retriever("default", LIMIT), retriever("sparse", LIMIT)]
    # With one query no model is asked, but one has to be named.
    fusion = QueryFusionRetriever(
        parts, llm=MockLLM(), similarity_top_k=LIMIT, num_queries=1, mode="relative_score", use_async=False
    )
    return (
        len(pages),
        len(nodes),
        # The store's own hybrid search puts the list by keyword behind that by vector.
        {"vector": search(parts[0]), "hybrid": search(retriever("hybrid", LIMIT // 2)), "fusion": search(fusion)},
    )


def pdfs(folder: str) -> list[str]:
    """All PDFs below a folder."""
    return sorted(
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(".pdf")
    )


def main() -> None:
    work = json.load(sys.stdin)
    vectors = Vectors(work["ollama"], work["model"], work["cache"])
    started = time.monotonic()
    pages, chunks, modes = {"langchain": langchain, "llamaindex": llamaindex}[work["peer"]](work, vectors)
    seconds = time.monotonic() - started
    found: dict[str, list[dict[str, Any]]] = {}
    for mode, search in modes.items():
        found[mode] = []
        for question in work["questions"]:
            begun = time.perf_counter()
            hits = search(question)
            took = (time.perf_counter() - begun) * 1000
            found[mode].append(
                {"ms": took, "hits": [(os.path.relpath(path, work["pdfs"]), page) for path, page in hits]}
            )
    json.dump({"pages": pages, "chunks": chunks, "seconds": seconds, "modes": found}, sys.stdout)


if __name__ == "__main__":
    main()
