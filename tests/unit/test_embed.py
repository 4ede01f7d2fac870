"""Embedding questions and chunks, against a server that speaks Ollama's wire."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import httpx
import numpy as np
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_ollama import FakeOllama, Model, count_tokens, embed_words
from foliod.base.config import Ollama
from foliod.base.errors import (
    ModelBrokenError,
    ModelMissingError,
    OllamaError,
    OllamaTimeoutError,
    OllamaUnavailableError,
)
from foliod.ingest import batch, embed, outage, turn
from foliod.ingest.divide import PROBE, SHORTEST_PART, split
from foliod.ingest.embed import Embedder
from foliod.ollama.inference import Inference
from foliod.text.chunk import estimate_tokens
from waiting import PATIENCE, until

TEXTS = [f"Chapter {n} tells how the {word} was found in the old mill." for n, word in enumerate(["bee", "key"] * 20)]
MANY = [text * 20 for text in TEXTS]


@pytest.fixture
async def ollama():
    async with FakeOllama(context=2048) as server:
        yield server


@pytest.fixture
async def embedder(ollama):
    async with opened(ollama.url) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(embed, "RETRY_SECONDS", (0.0, 0.0))


class opened:  # noqa: N801  # reads as a function at its call
    """An embedder with its inference, closed together."""

    def __init__(self, *urls: str, model: str = "all-minilm", **more) -> None:
        self.settings = Ollama(url=urls, embed_model=model, **more)
        self.inference = Inference(self.settings)
        self.embedder = Embedder(self.inference, model)

    async def __aenter__(self) -> Embedder:
        await self.inference.__aenter__()
        return await self.embedder.__aenter__()

    async def __aexit__(self, *exc) -> None:
        await self.embedder.__aexit__(*exc)
        await self.inference.__aexit__(*exc)


def give_up_after(embedder: Embedder, seconds: float) -> None:
    """Have silence of the server waited for so long from now on."""
    for server in embedder._inference._servers:
        server._silence_seconds = seconds
        for client in (server._http, server._client._client):
            client.timeout = httpx.Timeout(seconds)


async def batches(embedder: Embedder, texts: list[str]) -> list[list[tuple[int, np.ndarray | str]]]:
    return [batch async for batch in embedder.embed_texts(texts)]


async def embedded(embedder: Embedder, texts: list[str]) -> list[np.ndarray | str]:
    done = [entry for batch in await batches(embedder, texts) for entry in batch]
    assert [index for index, _ in done] == list(range(len(texts)))
    return [vector for _, vector in done]


# --- chunks ---------------------------------------------------------------------------------


async def test_every_text_gets_its_vector(ollama, embedder):
    """Each vector belongs to its text, in order, and is as the server made it."""
    vectors = await embedded(embedder, TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(vector, embed_words(text, 256), atol=1e-6)
    assert ollama.inputs[1:] == TEXTS


async def test_no_texts_ask_nobody(ollama, embedder):
    """Nothing to do costs nothing."""
    assert await batches(embedder, []) == []
    assert ollama.headers == []


async def test_batches_keep_to_their_budget(ollama, embedder):
    """A batch never holds more tokens than the budget, unless one text alone does."""
    await embedded(embedder, MANY)
    sizes = [sum(estimate_tokens(text) for text in body["input"]) for body in ollama.embeds[1:]]
    assert len(sizes) > 2
    assert max(sizes) <= batch.LARGEST_BUDGET
    assert sizes[0] <= batch.FIRST_BUDGET


async def test_slow_batches_shrink(ollama, embedder, monkeypatch):
    """On a slow machine the batches become small, so that none takes long."""
    monkeypatch.setattr(batch, "SLOW_SECONDS", 0)
    await embedded(embedder, MANY)
    counts = [len(body["input"]) for body in ollama.embeds[1:]]
    assert counts[0] > 2
    assert counts[-1] == 1


async def test_fast_batches_grow(ollama, embedder, monkeypatch):
    """On a fast machine they become large, up to a limit."""
    monkeypatch.setattr(batch, "SLOW_SECONDS", 1000)
    await embedded(embedder, MANY * 4)
    sizes = [sum(estimate_tokens(text) for text in body["input"]) for body in ollama.embeds[1:]]
    assert max(sizes) > batch.LARGEST_BUDGET * 3 / 4
    assert max(sizes) <= batch.LARGEST_BUDGET


async def test_batches_are_handed_over_as_they_are_done(ollama, embedder):
    """What is embedded can be committed while the rest is still to do."""
    async with aclosing(embedder.embed_texts(MANY)) as stream:
        first = await anext(stream)
        assert [index for index, _ in first] == list(range(len(first)))
        assert ollama.counts["embedded_texts"] == 1 + len(first)


@pytest.mark.parametrize("fault", [{"nan": "poison"}, {"raw_nan": "poison"}, {"zero": "poison"}, {"poison": "poison"}])
@pytest.mark.parametrize("place", [0, 7, 39])
async def test_one_refused_text_does_not_hold_back_its_neighbours(ollama, embedder, fault, place):
    """A text that the model can't take gets a reason; all others get their vectors."""
    texts = [*TEXTS[:place], "poison in the well", *TEXTS[place + 1 :]]
    ollama.fault(**fault)
    vectors = await embedded(embedder, texts)
    assert isinstance(vectors[place], str)
    assert "all-minilm" in vectors[place] or ollama.url in vectors[place]
    for n, vector in enumerate(vectors):
        if n != place:
            np.testing.assert_allclose(vector, embed_words(texts[n], 256), atol=1e-6)


async def test_a_server_that_refuses_everything_blames_no_text(ollama, embedder):
    """A crashing server is an outage, not a reason to give up on every chunk."""
    await embedder.facts()
    ollama.fault(embed=500, count=10_000)
    with pytest.raises(OllamaUnavailableError, match="no text can be embedded"):
        await batches(embedder, TEXTS)


async def test_a_text_refused_once_only_is_not_to_blame(ollama, embedder):
    """A crash that hits whoever is there does not cost a chunk its vector."""
    await embedder.facts()
    ollama.fault(embed=500, count=1)
    assert isinstance((await embedded(embedder, TEXTS[:1]))[0], np.ndarray)


async def test_a_text_that_is_too_long_is_embedded_in_parts(ollama, embedder):
    """Its vector stands for all of it: the mean of its parts, weighted by length, of length 1."""
    ollama.fault(context=64)
    long = " ".join(f"The bee number {n} brings honey from the meadow." for n in range(40))
    texts = [*TEXTS[:3], long, *TEXTS[3:6]]
    vectors = await embedded(embedder, texts)
    assert not any(isinstance(vector, str) for vector in vectors)
    assert np.linalg.norm(vectors[3]) == pytest.approx(1)
    assert vectors[3] @ embed_words(long, 256) > 0.9
    np.testing.assert_allclose(vectors[4], embed_words(texts[4], 256), atol=1e-6)
    parts = next(body["input"] for body in reversed(ollama.embeds) if "".join(body["input"]) == long)
    assert all(count_tokens(part) <= 64 for part in parts)
    assert all(part.rstrip().endswith(".") for part in parts)


async def test_a_text_that_may_be_too_long_goes_alone(ollama, embedder):
    """It does not cost its neighbours a second try."""
    ollama.models["all-minilm:latest"].context = 64
    texts = [TEXTS[0], TEXTS[0] * 30, TEXTS[1]]
    await embedded(embedder, texts)
    assert [body["input"] for body in ollama.embeds[1:] if TEXTS[0] in body["input"]] == [[TEXTS[0]]]
    assert [TEXTS[0] * 30] in [body["input"] for body in ollama.embeds]


async def test_a_context_too_small_for_anything_gives_a_reason(ollama, embedder):
    """Splitting comes to an end."""
    await embedder.facts()
    ollama.fault(context=16)
    (reason,) = await embedded(embedder, ["! " * 100 + "!" * 200])
    assert "context length" in reason


@given(text=st.text(alphabet="ab .?!\n。é", min_size=SHORTEST_PART * 2, max_size=300), count=st.integers(2, 8))
@settings(deadline=None)
def test_splitting_loses_nothing_and_keeps_parts_small(text, count):
    """All that stands in a text stands in its parts, in order, and no part is much longer than its share."""
    count = min(count, len(text) // SHORTEST_PART)
    parts = split(text, count)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(len(part) <= 1.5 * len(text) / count + 1 for part in parts)


async def test_prompts_stand_before_questions_and_documents(ollama):
    """What is sent is prompt and text."""
    ollama.models["nomic-embed-text:latest"] = Model("nomic-embed-text:latest", ("embedding",), 2048, 64)
    async with opened(ollama.url, model="nomic-embed-text") as embedder:
        await embedder.embed_query("what is honey", seconds=60)
        await embedded(embedder, ["bees make honey"])
    assert ollama.inputs[1:] == ["search_query: what is honey", "search_document: bees make honey"]


# --- trouble ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [503, 429, 502])
async def test_a_busy_server_is_asked_again(ollama, embedder, status):
    """A full queue costs a little time and nothing else."""
    await embedder.facts()
    ollama.fault(embed=status, count=2)
    assert len(await embedded(embedder, TEXTS)) == len(TEXTS)


async def test_a_server_that_stays_busy_is_an_outage(ollama, embedder):
    """After some tries the error is raised; nothing is marked as refused."""
    await embedder.facts()
    ollama.fault(embed=503, count=10_000)
    with pytest.raises(OllamaUnavailableError, match="busy"):
        await batches(embedder, TEXTS)
    assert ollama.counts["embed_calls"] == 1 + 1 + len(embed.RETRY_SECONDS)


async def test_a_server_that_comes_back_is_used_again(ollama, embedder, monkeypatch):
    """A restart of Ollama in the middle of a document loses nothing and repeats nothing that was handed over."""
    monkeypatch.setattr(embed, "RETRY_SECONDS", (0.01,) * 1000)
    done = []
    with structlog.testing.capture_logs() as logs:
        async with aclosing(embedder.embed_texts(MANY)) as stream:
            done += await anext(stream)
            await ollama.stop()
            rest = asyncio.create_task(anext(stream))
            await until(lambda: any(entry["event"] == "embedding_retried" for entry in logs))
            await ollama.start()
            done += await rest
            done += [entry async for batch in stream for entry in batch]
    assert [index for index, _ in done] == list(range(len(MANY)))
    assert sorted(text for text in ollama.inputs if text != PROBE) == sorted(MANY)


async def test_a_server_that_is_away_is_an_outage(ollama, embedder):
    """Then the caller hears it soon, and can wait."""
    await ollama.stop()
    with pytest.raises(OllamaUnavailableError, match="ollama serve"):
        await batches(embedder, TEXTS)
    with pytest.raises(OllamaUnavailableError, match="ollama serve"):
        await embedder.embed_query("where?", seconds=60)


async def test_a_hanging_server_makes_batches_smaller(ollama):
    """What timed out is tried again in smaller batches, at last one text at a time."""
    async with opened(ollama.url) as embedder:
        await embedder.facts()
        ollama.embed_gate.clear()
        give_up_after(embedder, 0.3)
        with pytest.raises(OllamaTimeoutError):
            await batches(embedder, MANY)
        give_up_after(embedder, 60.0)
        counts = [len(body["input"]) for body in ollama.embeds[1:]]
        assert counts == sorted(counts, reverse=True)
        assert counts[0] > counts[-1]
        ollama.embed_gate.set()
        assert len(await embedded(embedder, MANY)) == len(MANY)


async def until_done(embedder: Embedder, texts: list[str]) -> list[np.ndarray | str]:
    """Embed as the daemon does: what is done is kept, and an outage is followed by another try."""
    done: dict[int, np.ndarray | str] = {}
    for _ in range(50):
        left = [n for n in range(len(texts)) if n not in done]
        try:
            async with aclosing(embedder.embed_texts([texts[n] for n in left])) as stream:
                async for entries in stream:
                    done |= {left[index]: vector for index, vector in entries}
        except OllamaUnavailableError as error:
            embedder.outage.begin(error)
        else:
            return [done[n] for n in range(len(texts))]
    pytest.fail("no end")


@pytest.mark.parametrize("fault", [{"hang_at": "poison"}, {"killed_by": "poison"}])
async def test_a_text_that_silences_the_server_is_given_up(ollama, fault):
    """A text at which Ollama hangs, or breaks the connection, every time is refused in the end; the others are embedded."""
    texts = [*MANY[:7], MANY[7] + " poison", *MANY[8:]]
    async with opened(ollama.url) as embedder:
        await embedder.facts()
        give_up_after(embedder, 1.0)
        ollama.fault(**fault)
        vectors = await until_done(embedder, texts)
    assert "though not at others" in vectors[7]
    for n, vector in enumerate(vectors):
        if n != 7:
            np.testing.assert_allclose(vector, embed_words(texts[n], 256), atol=1e-6)
    answered = [text for texts in ollama.answered for text in texts if text != PROBE]
    assert sorted(answered) == sorted(texts[:7] + texts[8:])


@pytest.mark.parametrize("fault", [{"deaf": True}, {"embed": 503, "count": 10**6}, {"embed": 500, "count": 10**6}])
async def test_while_the_server_is_in_trouble_no_text_is_blamed(ollama, fault):
    """However often it is tried: with Ollama hanging, busy or crashing at everything, all texts wait."""
    async with opened(ollama.url) as embedder:
        await embedder.facts()
        give_up_after(embedder, 0.5)
        ollama.fault(**fault)
        for _ in range(6):
            with pytest.raises(OllamaUnavailableError) as caught:
                await batches(embedder, TEXTS[:1])
            embedder.outage.begin(caught.value)
        ollama.fault()
        give_up_after(embedder, 60.0)
        assert isinstance((await until_done(embedder, TEXTS[:1]))[0], np.ndarray)


async def test_one_short_text_goes_before_the_batches_after_a_failure(ollama, embedder):
    """A try during an outage costs one short text, not a batch, and the batches come when that was embedded."""
    await embedder.facts()
    ollama.fault(embed=500, count=10**6)
    with pytest.raises(OllamaUnavailableError) as caught:
        await batches(embedder, TEXTS)
    embedder.outage.begin(caught.value)
    seen = len(ollama.embeds)
    with pytest.raises(ModelBrokenError, match="no text can be embedded"):
        await batches(embedder, TEXTS)
    assert {tuple(body["input"]) for body in ollama.embeds[seen:]} == {(PROBE,)}
    ollama.fault()
    assert len(await embedded(embedder, TEXTS)) == len(TEXTS)
    assert embedder.outage.reason is None


async def test_a_memory_too_small_for_a_batch_makes_batches_smaller(ollama, embedder):
    """Where large batches crash the model, those that follow are small enough, and all texts are embedded."""
    await embedder.facts()
    ollama.fault(most_tokens=700)
    vectors = await embedded(embedder, MANY)
    assert not any(isinstance(vector, str) for vector in vectors)
    failed = [sum(map(count_tokens, body["input"])) > 700 for body in ollama.embeds[1:]]
    assert failed[0]
    assert sum(failed) < len(failed) / 3


async def test_a_proxy_that_does_not_wait_makes_batches_smaller(ollama, embedder):
    """504 is what a proxy says when a batch takes longer than it likes to wait."""
    await embedder.facts()
    ollama.fault(most_tokens=700, refusal=504)
    vectors = await until_done(embedder, MANY)
    assert not any(isinstance(vector, str) for vector in vectors)
    failed = [sum(map(count_tokens, body["input"])) > 700 for body in ollama.embeds[1:] if body["input"] != [PROBE]]
    assert failed[:2] == [True, True]
    assert sum(failed) < len(failed) / 2


async def test_batches_grow_again_after_trouble(ollama):
    """Batches that shrank to one text while Ollama was slow are large again when it is quick."""
    async with opened(ollama.url) as embedder:
        await embedder.facts()
        give_up_after(embedder, 0.2)
        ollama.fault(hang=5)
        for _ in range(4):
            with pytest.raises(OllamaUnavailableError) as caught:
                await batches(embedder, MANY)
            embedder.outage.begin(caught.value)
        ollama.fault()
        before = len(ollama.embeds)
        give_up_after(embedder, 60.0)
        await embedded(embedder, MANY * 4)
    counts = [len(body["input"]) for body in ollama.embeds[before:] if body["input"] != [PROBE]]
    assert counts[0] <= 5
    assert max(counts) > 4 * counts[0]


async def test_an_outage_is_told_once(ollama, embedder, monkeypatch):
    """However long Ollama is away, the log has one line for its going and one for its coming back."""
    monkeypatch.setattr(outage, "FIRST_WAIT", 0.001)
    await ollama.stop()
    with structlog.testing.capture_logs() as logs:
        for _ in range(20):
            with pytest.raises(OllamaUnavailableError) as caught:
                await embedder.check()
            embedder.outage.begin(caught.value)
        assert "ollama serve" in (await embedder.health()).error
        await ollama.start()
        await embedded(embedder, TEXTS)
    events = [entry["event"] for entry in logs if entry["event"].startswith("vectors_")]
    assert events == ["vectors_wait", "vectors_go_on"]
    assert (await embedder.health()).error is None


async def test_an_outage_that_lasts_is_told_again(monkeypatch):
    """Every half hour, so that who looks at the log of today sees it."""
    trouble = outage.Outage()
    with structlog.testing.capture_logs() as logs:
        trouble.begin(OllamaUnavailableError("away"))
        monkeypatch.setattr(outage, "REMIND_SECONDS", 0.0)
        trouble.begin(OllamaUnavailableError("away"))
        monkeypatch.setattr(outage, "REMIND_SECONDS", 1800.0)
        trouble.begin(OllamaUnavailableError("away"))
        trouble.begin(ModelMissingError("missing"))
    assert [entry["reason"] for entry in logs] == ["away", "away", "missing"]


async def test_a_question_that_is_answered_ends_the_waiting(embedder, monkeypatch):
    """Who sees that Ollama is back first is the one who asks; the backlog does not sleep on."""
    monkeypatch.setattr(outage, "FIRST_WAIT", 600.0)
    embedder.outage.begin(OllamaUnavailableError("away"))
    waiting = asyncio.create_task(embedder.outage.pause())
    await asyncio.sleep(0)
    await embedder.embed_query("who?", seconds=60)
    async with asyncio.timeout(PATIENCE):
        await waiting


async def test_a_missing_model_is_not_waited_for(ollama, embedder):
    """Trying again would not help; the error says what would."""
    await embedder.facts()
    del ollama.models["all-minilm:latest"]
    with pytest.raises(ModelMissingError, match="ollama pull all-minilm"):
        await batches(embedder, TEXTS)
    assert ollama.counts["embed_calls"] == 2


async def test_vectors_of_two_builds_never_mix(ollama, embedder):
    """A model that is replaced in the middle ends the batch with an error; the next one begins with the new model."""
    async with aclosing(embedder.embed_texts(MANY)) as stream:
        await anext(stream)
        ollama.models["all-minilm:latest"].digest = "f" * 64
        embedder.known.doubt()
        with pytest.raises(OllamaError, match="replaced"):
            await anext(stream)
    assert len(await embedded(embedder, TEXTS)) == len(TEXTS)


async def test_vectors_that_change_their_length_never_mix(ollama, embedder):
    """Vectors of another length than learned never reach the store."""
    async with aclosing(embedder.embed_texts(MANY)) as stream:
        await anext(stream)
        ollama.fault(dimensions=100)
        with pytest.raises(OllamaError, match="replaced"):
            await anext(stream)
    assert (await embedder.facts()).dimensions == 100


async def test_another_server_with_the_same_build_takes_over(ollama):
    """When the first of two servers goes away, embedding goes on with the second."""
    async with FakeOllama(context=2048) as second, opened(ollama.url, second.url) as embedder:
        stream = embedder.embed_texts(MANY)
        done = await anext(stream)
        await ollama.stop()
        done += [entry async for batch in stream for entry in batch]
    assert [index for index, _ in done] == list(range(len(MANY)))


async def test_another_server_with_another_build_does_not(ollama):
    """Its vectors would not fit beside those that are there."""
    async with FakeOllama() as second, opened(ollama.url, second.url) as embedder:
        second.models["all-minilm:latest"].digest = "f" * 64
        stream = embedder.embed_texts(MANY)
        await anext(stream)
        await ollama.stop()
        with pytest.raises(OllamaError, match="replaced"):
            await anext(stream)


# --- questions ---------------------------------------------------------------------------------


async def test_a_question_finds_what_is_like_it(embedder):
    """Questions and chunks land in the same space."""
    texts = ["Bees make honey.", "Steel is made of iron.", "The mill stands by the river."]
    vectors = await embedded(embedder, texts)
    question, facts = await embedder.embed_query("who makes honey?", seconds=60)
    assert facts is await embedder.facts()
    assert question.shape == (256,)
    assert int(np.argmax([vector @ question for vector in vectors])) == 0


async def test_a_question_is_embedded_once(ollama, embedder):
    """Asking the same again is free."""
    first = await embedder.embed_query("who makes honey?", seconds=60)
    assert await embedder.embed_query("who makes honey?", seconds=60) is first
    assert ollama.counts["embed_calls"] == 2


async def test_the_cache_of_questions_is_bounded(embedder, monkeypatch):
    """Many different questions do not fill the memory; the oldest are forgotten."""
    monkeypatch.setattr(embed, "CACHED_QUESTIONS", 2)
    for question in ("one", "two", "one", "three"):
        await embedder.embed_query(question, seconds=60)
    assert list(embedder._cache) == ["one", "three"]


async def test_questions_of_another_model_are_forgotten(ollama, embedder):
    """A vector of the old build would find nothing in the new space."""
    await embedder.embed_query("who makes honey?", seconds=60)
    ollama.models["all-minilm:latest"].digest = "f" * 64
    embedder.known.doubt()
    await embedder.facts()
    await embedder.embed_query("who makes honey?", seconds=60)
    assert ollama.inputs.count("who makes honey?") == 2


async def test_a_question_has_its_deadline_and_warms_the_model(ollama, embedder):
    """Who asks a sleeping model is answered in time by other means, and the next question finds it awake."""
    await embedder.facts()
    ollama.embed_gate.clear()
    with pytest.raises(OllamaTimeoutError, match=r"in 0\.5 s"):
        await embedder.embed_query("who makes honey?", seconds=0.5)
    with pytest.raises(OllamaTimeoutError):
        await embedder.embed_query("another", seconds=0.5)
    await ollama.until(lambda: ollama.counts["embeds_cancelled"] == 1)
    ollama.embed_gate.set()
    assert embedder._late is not None
    await embedder._late
    await embedder.embed_query("who makes honey?", seconds=60)
    assert ollama.inputs[1:] == ["who makes honey?", "another"]


async def test_a_question_that_is_given_up_is_not_embedded(ollama, embedder):
    """A client that hangs up costs no more."""
    await embedder.facts()
    ollama.embed_gate.clear()
    task = asyncio.create_task(embedder.embed_query("who?", seconds=60))
    await ollama.until(lambda: ollama.counts["embed_calls"] == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ollama.until(lambda: ollama.counts["embeds_cancelled"] == 1)


async def test_a_batch_that_takes_long_gives_way_to_a_question(ollama, embedder, monkeypatch):
    """A question does not wait until a slow batch is done: the batch is given up, and sent again in smaller parts."""
    monkeypatch.setattr(turn, "GRACE_SECONDS", 0.05)
    await embedder.facts()
    ollama.one_at_a_time = asyncio.Lock()
    ollama.fault(hang_at="Chapter")
    rest = asyncio.create_task(embedded(embedder, MANY[:9]))
    await ollama.until(lambda: ollama.counts["embed_calls"] == 2)
    async with asyncio.timeout(PATIENCE):
        await embedder.embed_query("who?", seconds=60)
    assert ollama.counts["embeds_cancelled"] == 1
    ollama.fault()
    vectors = await rest
    assert all(isinstance(vector, np.ndarray) for vector in vectors)
    counts = [len(body["input"]) for body in ollama.embeds if body["input"][0] in MANY]
    assert counts[0] > counts[1]


async def test_a_batch_gives_way_only_once(ollama, embedder, monkeypatch):
    """Question after question does not keep the backlog from going on."""
    monkeypatch.setattr(turn, "GRACE_SECONDS", 0.0)
    await embedder.facts()
    ollama.embed_gate.clear()
    rest = asyncio.create_task(embedded(embedder, MANY[:1]))
    await ollama.until(lambda: ollama.counts["embed_calls"] == 2)
    async with embedder.questions():
        await ollama.until(lambda: ollama.counts["embeds_cancelled"] == 1)
    await ollama.until(lambda: ollama.counts["embed_calls"] == 3)
    async with embedder.questions():
        await asyncio.sleep(0.05)
        assert ollama.counts["embeds_cancelled"] == 1
        ollama.embed_gate.set()
        assert len(await rest) == 1


async def test_a_batch_that_is_nearly_done_is_let_finish(ollama, embedder):
    """A question that is over before the batch has had its grace costs no work."""
    await embedder.facts()
    ollama.embed_gate.clear()
    rest = asyncio.create_task(embedded(embedder, MANY[:2]))
    await ollama.until(lambda: ollama.counts["embed_calls"] == 2)
    async with embedder.questions():
        pass
    [batch] = embedder._turn.under_way
    assert batch.when() is None
    ollama.embed_gate.set()
    assert len(await rest) == 2
    assert ollama.counts["embeds_cancelled"] == 0


async def test_a_known_question_needs_no_server(ollama, embedder):
    """What was asked before is found by meaning also while Ollama is away, and nobody waits for it."""
    first = await embedder.embed_query("who makes honey?", seconds=5)
    embedder.known.doubt()
    ollama.fault(deaf=True)
    async with asyncio.timeout(PATIENCE):
        assert await embedder.embed_query("who makes honey?", seconds=600) is first


async def test_a_question_survives_the_death_of_the_first_server(ollama):
    """The second server is looked at and asked within the same question."""
    async with FakeOllama() as second, opened(ollama.url, second.url) as embedder:
        await embedder.facts()
        await ollama.stop()
        vector, _ = await embedder.embed_query("who makes honey?", seconds=30)
        np.testing.assert_allclose(vector, embed_words("who makes honey?", 256), atol=1e-6)


async def test_questions_go_before_ingestion(ollama, embedder):
    """While a question is being answered, no batch of chunks is begun."""
    stream = embedder.embed_texts(MANY)
    await anext(stream)
    seen = ollama.counts["embed_calls"]
    async with embedder.questions():
        waiting = asyncio.create_task(anext(stream))
        async with embedder.questions():
            await embedder.embed_query("who?", seconds=60)
        await embedder.embed_query("where?", seconds=60)
        assert ollama.inputs[-2:] == ["who?", "where?"]
        assert ollama.counts["embed_calls"] == seen + 2
        assert not waiting.done()
    assert await waiting
    await stream.aclose()


async def test_questions_never_starve_ingestion(ollama, embedder, monkeypatch):
    """An endless question lets one batch pass now and then."""
    monkeypatch.setattr(turn, "PATIENCE_SECONDS", 0.01)
    async with embedder.questions():
        assert len(await embedded(embedder, TEXTS)) == len(TEXTS)


async def test_leaving_ends_what_still_runs(ollama):
    """Nothing goes on after the daemon has stopped."""
    async with opened(ollama.url) as embedder:
        ollama.embed_gate.clear()
        with pytest.raises(OllamaTimeoutError):
            await embedder.embed_query("who?", seconds=0.05)
        await ollama.until(lambda: ollama.counts["embed_calls"] == 1)
    assert embedder.known._learning is not None
    assert embedder.known._learning.cancelled()
    await ollama.until(lambda: ollama.counts["embeds_cancelled"] == 1)
