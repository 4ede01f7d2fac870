"""What is learned of an embedding model, from a server that speaks Ollama's wire."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from fake_ollama import FakeOllama
from foliod.base.config import Ollama
from foliod.base.errors import OllamaUnavailableError
from foliod.ingest import embedding_model
from foliod.ingest.embedding_model import EmbeddingModel, prompts_of
from foliod.ollama.inference import Inference


@pytest.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    async with FakeOllama(context=2048) as server:
        yield server


@pytest.fixture
async def model(ollama) -> AsyncIterator[EmbeddingModel]:
    async with opened(ollama.url) as made:
        yield made


@contextlib.asynccontextmanager
async def opened(*urls: str) -> AsyncIterator[EmbeddingModel]:
    async with Inference(Ollama(url=urls)) as inference:
        known = EmbeddingModel(inference, "all-minilm", lambda: None)
        yield known
        await known.end()


async def test_the_model_is_learned_from_the_server(ollama, model):
    """Nobody has to configure dimensions, context or prompts."""
    facts = await model.facts()
    assert (facts.model, facts.dimensions, facts.context_tokens) == ("all-minilm", 256, 2048)
    assert facts.digest == ollama.models["all-minilm:latest"].digest
    assert (facts.query_prompt, facts.document_prompt) == ("", "")


async def test_the_model_is_learned_once(ollama, model):
    """Everyone who asks at once shares one look at the server."""
    first, second = await asyncio.gather(model.facts(), model.facts())
    assert first is second is await model.facts()
    assert (ollama.counts["shows"], ollama.counts["embed_calls"]) == (1, 1)


async def test_real_vectors_count_more_than_what_the_server_says(ollama, model):
    """A model whose vectors are shorter than it says is stored with the length they have."""
    ollama.fault(dimensions=100)
    assert (await model.facts()).dimensions == 100


async def test_the_context_of_the_modelfile_counts_when_it_is_smaller(ollama, model):
    """The context in effect limits the chunks, not the one the model could have."""
    ollama.models["all-minilm:latest"].num_ctx = 128
    assert (await model.facts()).context_tokens == 128


async def test_a_large_context_counts_only_as_far_as_the_server_gives_it(ollama, model):
    """Without num_ctx in its Modelfile, a model is loaded with the server's default."""
    ollama.models["all-minilm:latest"].context = 32768
    assert (await model.facts()).context_tokens == 4096


@pytest.mark.parametrize(
    ("model", "query", "document"),
    [
        ("mxbai-embed-large", "Represent this sentence for searching relevant passages: ", ""),
        ("mxbai-embed-large:335m", "Represent this sentence for searching relevant passages: ", ""),
        ("hf.co/mixedbread-ai/MXBAI-embed-large-v1", "Represent this sentence for searching relevant passages: ", ""),
        ("nomic-embed-text:v1.5", "search_query: ", "search_document: "),
        ("embeddinggemma", "task: search result | query: ", "title: none | text: "),
        ("snowflake-arctic-embed2", "query: ", ""),
        ("all-minilm", "", ""),
        ("bge-m3", "", ""),
        ("unheard-of", "", ""),
    ],
)
def test_each_family_has_its_prompts(model, query, document):
    """A model is asked in the way that it was trained."""
    assert prompts_of(model) == (query, document)


def test_qwen_is_told_what_to_do():
    """Instruction models get their instruction before the query only."""
    query, document = prompts_of("qwen3-embedding:0.6b")
    assert re.fullmatch(r"Instruct: .+\nQuery:", query)
    assert document == ""


async def test_a_model_that_is_pulled_anew_is_noticed(ollama, model, monkeypatch):
    """Another build of the model under the same name is another model."""
    old = await model.facts()
    ollama.models["all-minilm:latest"].digest = "f" * 64
    assert await model.facts() is old
    monkeypatch.setattr(embedding_model, "REFRESH_SECONDS", 0)
    model.doubt()
    assert (await model.facts()).digest == "f" * 64


async def test_looking_again_does_not_load_the_model(ollama, model, monkeypatch):
    """An idle daemon does not keep the model in memory."""
    monkeypatch.setattr(embedding_model, "REFRESH_SECONDS", 0)
    for _ in range(3):
        await model.facts()
    assert (ollama.counts["shows"], ollama.counts["embed_calls"]) == (3, 1)


async def test_learning_goes_on_when_who_asked_gives_up(ollama, model):
    """A slow start of the model is waited for once, not begun anew by everyone."""
    ollama.embed_gate.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(model.facts(), 0.05)
    await ollama.until(lambda: ollama.counts["embed_calls"] == 1)
    ollama.embed_gate.set()
    await model.facts()
    assert ollama.counts["embed_calls"] == 1


async def test_a_model_is_learned_from_one_server_only(ollama):
    """Digest from one server and vectors from another would make a model that is nowhere."""

    class Dying(FakeOllama):
        async def _tags(self, request):
            self.fault(killed_by=" ")
            return await super()._tags(request)

    async with Dying() as first, opened(first.url, ollama.url) as model:
        ollama.models["all-minilm:latest"].digest = "f" * 64
        with pytest.raises(OllamaUnavailableError, match="took over"):
            await model.facts()
        assert (await model.facts()).digest == "f" * 64
