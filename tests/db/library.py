"""A small library in a real database, and the rooms that answer from it: all real but for Ollama's wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from test_store import backlog, place

from fake_ollama import FakeOllama
from foliod.answer.answer import Answerer, Question
from foliod.base.config import Ollama, Search, Settings
from foliod.base.model import Chunk, DocumentFacts, Page, Verdict
from foliod.ingest.embed import Embedder
from foliod.ingest.embedders import Embedders
from foliod.ollama.inference import Inference
from foliod.retrieve.retrieve import Retriever
from foliod.store.database import Database
from foliod.store.store import Store
from foliod.text.lexical import weigh

VIRUS = [
    "Coronaviruses are a large family of viruses. They were first described in 1965.",
    "The incubation period of the virus is 5 to 6 days on average. It can be as long as 14 days.",
    "Symptoms include fever and a dry cough. Some patients lose their sense of smell.",
]
TAX = [
    "Form 1040 is due on the fifteenth of April each year. Extensions are granted on request.",
    "Interest from a savings account is income and must be declared.",
]
LIBRARY = {"virus.pdf": VIRUS, "tax.pdf": TAX}


@dataclass
class System:
    """The rooms, wired as the daemon wires them."""

    db: Database
    ollama: FakeOllama
    inference: Inference
    embedder: Embedder
    retriever: Retriever
    answerer: Answerer
    settings: Settings
    documents: dict[str, int]

    async def ask(self, text: str, **more: Any) -> list[dict[str, Any]]:
        async with aclosing(self.answerer.ask(Question(text, **more))) as events:
            return [event async for event in events]


@asynccontextmanager
async def system(
    db: Database,
    documents: dict[str, list[str]] = LIBRARY,
    *,
    prepare: Callable[[FakeOllama], None] = lambda _: None,
    seconds: float = 20,
    **ollama: Any,
) -> AsyncIterator[System]:
    """Store documents, each passage a page, with their vectors; yield what answers from them."""
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeOllama())
        chosen = {"url": fake.url, "embed_model": "all-minilm", "chat_model": "scripted"} | ollama
        settings = Settings(ollama=Ollama(**chosen), search=Search(embed_seconds=seconds))
        inference = await stack.enter_async_context(Inference(settings.ollama))
        embedders = await stack.enter_async_context(Embedders(inference, settings.ollama))
        embedder = embedders.of(settings.ollama.embed_model)
        ids = await fill(db, embedder, documents)
        prepare(fake)
        retriever = Retriever(db, embedders, settings.search)
        answerer = Answerer(retriever, inference, embedders, settings, db)
        yield System(db, fake, inference, embedder, retriever, answerer, settings, ids)


async def fill(db: Database, embedder: Embedder, documents: dict[str, list[str]]) -> dict[str, int]:
    """Store documents through the real way, one page and one chunk a passage."""
    store, work = Store(db), backlog(db)
    facts = await embedder.facts()
    space, _ = await store.activate_space(
        facts.model, facts.digest, facts.dimensions, facts.query_prompt, facts.document_prompt
    )
    ids = {}
    for name, passages in documents.items():
        ids[name] = document = await place(db, name)
        await work.claim_for_reading()
        pages = [Page(n, Verdict.TEXT, text, 612.0, 792.0, 0) for n, text in enumerate(passages, start=1)]
        await store.put_facts(document, work.owner, DocumentFacts(pages=len(pages)), "x")
        await store.put_pages(document, work.owner, pages, 60)
        async with store.writing_text(document, work.owner) as writer:
            at = 0
            for n, text in enumerate(passages):
                await writer.add(Chunk(n, n + 1, n + 1, at, at + len(text), text, len(text) // 3, None), weigh(text))
                at += len(text) + 1
            await writer.finish(state="stored", partial=False, reason=None)
        texts = await store.missing_texts(space, [document], 1000)
        async for batch in embedder.embed_texts([text for _, text in texts]):
            await store.put_vectors(space, [(texts[i][0], vector) for i, vector in batch])
        assert await store.finish_vectors(space, [document]) == [document]
    return ids
