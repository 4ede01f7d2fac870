"""Asking Ollama: every answer and every failure of its wire, against a server that speaks it."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from contextlib import aclosing

import httpx
import numpy as np
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

import fake_ollama
from fake_ollama import FakeOllama, Model
from foliod.base.config import Ollama
from foliod.base.errors import (
    BadVectorError,
    CloudModelError,
    ConfigError,
    ContextExceededError,
    GenerationCutError,
    ModelMissingError,
    OllamaBusyError,
    OllamaError,
    OllamaLostError,
    OllamaTimeoutError,
    OllamaUnavailableError,
)
from foliod.ollama import bounded
from foliod.ollama import inference as inference_module
from foliod.ollama.inference import ChatPiece, Inference
from foliod.ollama.ollama_wire import _matrix
from waiting import PATIENCE

NOBODY = "http://127.0.0.1:9"
QUESTION = [{"role": "user", "content": "What is it?"}]


def settings_for(*urls: str, **more) -> Ollama:
    return Ollama(url=urls, embed_model="all-minilm", chat_model="scripted", **more)


@pytest.fixture
async def ollama():
    async with FakeOllama() as server:
        yield server


@pytest.fixture
async def inference(ollama):
    async with Inference(settings_for(ollama.url)) as opened:
        yield opened


async def answer_of(inference: Inference, model: str = "scripted", think: bool | None = None) -> list[ChatPiece]:
    async with aclosing(inference.chat(model, QUESTION, num_ctx=4096, think=think)) as stream:
        return [piece async for piece in stream]


# --- health and description ----------------------------------------------------------------


async def test_health_tells_version_and_models(ollama, inference):
    """Status shows which Ollama answers, and what it has."""
    health = await inference.health()
    assert health.reachable
    assert health.version == "0.33.0"
    assert "all-minilm:latest" in health.models
    assert health.error is None
    assert health.url == ollama.url


async def test_health_never_raises_when_nobody_listens():
    """Without Ollama, status says so and names the address."""
    async with Inference(settings_for(NOBODY)) as inference:
        health = await inference.health()
    assert not health.reachable
    assert NOBODY in health.error
    assert "ollama serve" in health.error


async def test_health_recognises_another_program_on_the_port(ollama, inference):
    """A web server at Ollama's address is not taken for Ollama."""
    ollama.fault(garbage=True)
    health = await inference.health()
    assert not health.reachable
    assert "check [ollama] url" in health.error


async def test_describe_learns_what_the_server_says(ollama, inference):
    """Digest, capabilities, context and vector length come from the server."""
    facts = await inference.describe("all-minilm")
    assert facts.digest == ollama.models["all-minilm:latest"].digest
    assert facts.capabilities == {"embedding"}
    assert facts.context_length == 512
    assert facts.embedding_length == 256
    assert facts.default_context is None


@pytest.mark.parametrize("name", ["all-minilm", "all-minilm:latest", "All-MiniLM", "all-minilm:LATEST"])
async def test_describe_knows_a_model_by_all_its_names(inference, name):
    """A model with and without ":latest", in any case of letters, is the same model."""
    assert (await inference.describe(name)).digest == (await inference.describe("all-minilm")).digest != ""


async def test_describe_reads_the_context_of_the_modelfile(ollama, inference):
    """A model whose Modelfile sets num_ctx is loaded with that context."""
    ollama.models["all-minilm:latest"].num_ctx = 128
    assert (await inference.describe("all-minilm")).default_context == 128


async def test_a_missing_model_is_named_with_the_command_that_fetches_it(inference):
    """Who configured a model that is not there reads how to get it."""
    for ask in (inference.describe("nope"), inference.embed("nope", ["x"]), answer_of(inference, "nope")):
        with pytest.raises(ModelMissingError, match="ollama pull nope"):
            await ask


# --- nothing leaves the machine unasked ------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "gpt-oss:cloud", "gpt-oss:20B-Cloud", "a/b:cloud "])
async def test_cloud_models_are_refused_before_anything_is_sent(ollama, inference, name):
    """A cloud model named in a request gets nothing of our documents."""
    for ask in (inference.describe(name), inference.embed(name, ["secret"]), answer_of(inference, name)):
        with pytest.raises(CloudModelError, match="allow_cloud"):
            await ask
    assert ollama.headers == []


async def test_a_local_name_for_a_cloud_model_is_seen_through(ollama, inference):
    """A copy of a cloud model under an innocent name is refused as well."""
    ollama.models["mine:latest"] = Model("mine:latest", ("completion",), 8192, 64, remote_host="https://ollama.com")
    with pytest.raises(CloudModelError, match=r"ollama\.com"):
        await inference.describe("mine")
    async with Inference(settings_for(ollama.url, allow_cloud=True)) as allowed:
        assert (await allowed.describe("mine")).name == "mine"


async def test_the_environment_neither_redirects_nor_betrays(ollama, monkeypatch):
    """A proxy and an API key in the environment are not used: Ollama here has no business with them."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, NOBODY)
    monkeypatch.setenv("OLLAMA_API_KEY", "secret")
    monkeypatch.setenv("OLLAMA_HOST", NOBODY)
    async with Inference(settings_for(ollama.url)) as inference:
        await inference.embed("all-minilm", ["x"])
        await answer_of(inference)
    assert len(ollama.headers) == 2
    assert not any("authorization" in key.lower() for headers in ollama.headers for key in headers)


async def test_redirects_are_not_followed(ollama, inference):
    """A server can't send our text on to another address."""
    async with FakeOllama() as other:
        ollama.fault(redirect=other.url)
        for ask in (inference.embed("all-minilm", ["secret"]), answer_of(inference)):
            with pytest.raises(OllamaError, match="307"):
                await ask
        assert other.headers == []


# --- embedding ---------------------------------------------------------------------------------


async def test_embed_returns_one_vector_a_text(ollama, inference):
    """Vectors come back as 32-bit numbers, one row a text, and nothing is truncated in silence."""
    vectors, tokens = await inference.embed("all-minilm", ["bees make honey", "the honey of bees", "steel"])
    assert vectors.shape == (3, 256)
    assert vectors.dtype == np.float32
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert tokens > 0
    assert ollama.embeds[0]["truncate"] is False
    assert ollama.embeds[0]["keep_alive"] == "10m"


async def test_embedding_nothing_asks_nobody(ollama, inference):
    """No texts, no request."""
    vectors, tokens = await inference.embed("all-minilm", [])
    assert (len(vectors), tokens, ollama.counts["embed_calls"]) == (0, 0, 0)


async def test_keep_alive_in_plain_seconds_is_sent_as_a_number(ollama):
    """keep_alive = "-1" keeps the model for ever; Ollama takes it only as a number."""
    async with Inference(settings_for(ollama.url, keep_alive="-1")) as inference:
        await inference.embed("all-minilm", ["x"])
    assert ollama.embeds[0]["keep_alive"] == -1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"context": 5}, ContextExceededError),
        ({"nan": "honey"}, BadVectorError),
        ({"raw_nan": "honey"}, BadVectorError),
        ({"zero": "honey"}, BadVectorError),
        ({"ragged": "honey"}, BadVectorError),
        ({"null": "honey"}, BadVectorError),
        ({"fewer": 1}, OllamaError),
        ({"too_long": "honey"}, ContextExceededError),
        ({"killed_by": "honey"}, OllamaLostError),
        ({"poison": "honey"}, OllamaError),
        ({"embed": 503, "count": 1}, OllamaBusyError),
        ({"embed": 504, "count": 1}, OllamaTimeoutError),
        ({"embed": 400, "count": 1}, OllamaError),
        ({"garbage": True}, OllamaError),
    ],
    ids=str,
)
async def test_every_refusal_of_embed_has_its_error(ollama, inference, fault, error):
    """What the server refuses, and vectors that can't be stored, arrive as one of foliod's errors, naming the address."""
    ollama.fault(**fault)
    with pytest.raises(error, match=ollama.url) as caught:
        await inference.embed("all-minilm", ["honey made by bees in a tree", "steel"])
    assert type(caught.value) is error


@pytest.mark.parametrize("body", ["truncated", "cut", "endless", "drip", "gzip", "list", "deep"])
async def test_every_way_of_answering_badly_comes_to_an_end(ollama, monkeypatch, body):
    """Half an answer, an endless one, one that drips, a compressed one: each is an error, and memory stays small."""
    monkeypatch.setattr(bounded, "MOST_BYTES", 3 << 20)
    ollama.fault(body=body)
    async with Inference(settings_for(ollama.url, silence_seconds=0.5)) as inference:
        for ask in (inference.embed("all-minilm", ["honey"] * 3), inference.describe("all-minilm")):
            with pytest.raises(OllamaError, match=ollama.url):
                await ask
        assert not (await inference.health()).reachable


async def test_an_endless_answer_is_broken_off(ollama, monkeypatch):
    """What is larger than any true answer is not waited for."""
    monkeypatch.setattr(bounded, "MOST_BYTES", 3 << 20)
    ollama.fault(body="endless")
    async with Inference(settings_for(ollama.url)) as inference:
        with pytest.raises(OllamaError, match="larger than 3 MB"):
            await inference.embed("all-minilm", ["honey"])


async def test_an_answer_in_drops_is_given_up(ollama):
    """A server that sends a byte now and then is not waited for until the last one."""
    ollama.fault(body="drip")
    async with Inference(settings_for(ollama.url, silence_seconds=1.0)) as inference:
        with pytest.raises(OllamaTimeoutError, match=r"not finished its answer after 2 s"):
            await inference.embed("all-minilm", ["honey"])


@pytest.mark.parametrize(
    "shown",
    [
        {"model_info": "x", "parameters": 7, "capabilities": 5},
        {"model_info": [1], "parameters": ["num_ctx 1"], "capabilities": {"a": 1}},
        {"model_info": {"general.architecture": [], "None.context_length": -1}, "capabilities": [[], 1]},
        {},
    ],
)
async def test_a_description_of_any_shape_breaks_nothing(shown):
    """What a proxy or a later Ollama says otherwise is not known, and that is all."""

    class Odd(FakeOllama):
        async def _show(self, request):
            return web.json_response(shown)

        async def _tags(self, request):
            return web.json_response({"models": shown.get("model_info")})

    async with Odd() as odd, Inference(settings_for(odd.url)) as inference:
        facts = await inference.describe("all-minilm")
        assert (facts.digest, facts.context_length, facts.default_context) == ("", None, None)
        assert (await inference.health()).reachable


async def test_a_name_that_nobody_knows_is_an_outage():
    """An address that can't be resolved now is waited for like a server that is down."""
    async with Inference(settings_for("http://nobody.invalid:11434")) as inference:
        with pytest.raises(OllamaUnavailableError, match=r"nobody\.invalid"):
            await inference.embed("all-minilm", ["x"])


async def test_a_name_server_that_hangs_holds_up_nothing_else(monkeypatch):
    """However often Ollama is asked for meanwhile, one look waits for the name, and the threads stay free for other work."""
    looks, answered = [], threading.Event()

    def look(host: str, *_: object, **__: object) -> None:
        looks.append(host)
        answered.wait(300)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look)
    try:
        async with Inference(settings_for("http://far.example:11434", connect_seconds=0.05)) as inference:
            for _ in range(40):
                with pytest.raises(OllamaUnavailableError, match=r"far\.example is not found in 0\.05 s"):
                    await inference.embed("all-minilm", ["x"])
            async with asyncio.timeout(PATIENCE):
                assert await asyncio.to_thread(lambda: "free") == "free"
            assert looks == ["far.example"]
    finally:
        answered.set()


async def test_text_that_is_not_unicode_is_no_fault_of_the_server(ollama, inference):
    """A lone surrogate is named as such."""
    with pytest.raises(OllamaError, match="surrogates"):
        await inference.embed("all-minilm", ["\ud800"])
    assert ollama.headers == []


async def test_a_silent_server_is_given_up(ollama):
    """A request that brings nothing is ended after silence_seconds, and the server is told."""
    ollama.embed_gate.clear()
    async with Inference(settings_for(ollama.url, silence_seconds=0.5)) as inference:
        with pytest.raises(OllamaTimeoutError, match=r"silent for 0\.5 s"):
            await inference.embed("all-minilm", ["x"])
        await ollama.until(lambda: ollama.counts["embeds_cancelled"] == 1)


async def test_embed_keeps_its_own_deadline(ollama, inference):
    """A caller in a hurry is answered in time, long before the server is given up."""
    ollama.embed_gate.clear()
    with pytest.raises(OllamaTimeoutError, match=r"within 0\.05 s"):
        await inference.embed("all-minilm", ["x"], timeout=0.05)


async def test_the_event_loop_gets_its_turn_between_vectors():
    """Parsing a large answer does not hold up everything else."""
    answer = json.dumps({"embeddings": [[1.0] * 1024] * 64, "prompt_eval_count": 3}).encode()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await _matrix(answer, 64, "test")
    task.cancel()
    assert turns >= 64


@given(
    vectors=st.lists(st.lists(st.floats(-1, 1, width=32).filter(bool), min_size=3, max_size=3), min_size=1, max_size=5),
    indent=st.sampled_from([None, 0, 2]),
    first=st.booleans(),
    name=st.text(),
)
@settings(deadline=None, max_examples=50)
def test_vectors_are_read_from_any_layout_of_the_answer(vectors, indent, first, name):
    """Spaces, line breaks and the order of fields do not matter."""
    rest = {"model": name, "prompt_eval_count": 7}
    answer = {"embeddings": vectors} | rest if first else rest | {"embeddings": vectors}
    found, tokens = asyncio.run(_matrix(json.dumps(answer, indent=indent).encode(), len(vectors), "test"))
    expected = np.array(vectors, np.float64)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert tokens == 7


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        b'{"embeddings": null}',
        b'{"embeddings": []}',
        b'{"embeddings": [[]]}',
        b'{"embeddings": [["a"]]}',
        b'{"embeddings": [[null]]}',
        b'{"embeddings": [[1e999]]}',
        b'{"embeddings": [[1]',
        b'{"embeddings": [[1], [2]]}',
        b'{"embeddings": [[1, [2]]]}',
        b'{"embeddings": [{"a": 1}]}',
        b'{"embeddings": [[1' + b"0" * 400 + b"]]}",
        b'{"embeddings": [[1], 5, ' + b"[" * 100_000,
        b'{"embeddings": ' + b"[" * 100_000,
        b'{"embeddings": ' + b"[" * 100_000 + b"1" + b"]" * 100_000 + b"}",
    ],
    ids=lambda answer: answer[:24],
)
async def test_malformed_vectors_are_refused(answer):
    """Whatever stands where the vectors should be, it does not get into the store."""
    with pytest.raises(OllamaError):
        await _matrix(answer, 1, "test")


async def test_the_number_of_tokens_may_be_anything():
    """What is only told is not worth an error."""
    for told in ('"x"', "[]", "null", "1.5"):
        answer = b'{"embeddings": [[1.0]], "prompt_eval_count": %s}' % told.encode()
        assert (await _matrix(answer, 1, "test"))[1] == 0


@pytest.mark.parametrize("size", [1e30, 1e-30, 7.0])
async def test_vectors_come_in_length_one(size):
    """Numbers too large or too small for the half precision of the store are scaled, which changes no cosine."""
    vectors, _ = await _matrix(json.dumps({"embeddings": [[3 * size, 4 * size]]}).encode(), 1, "test")
    np.testing.assert_allclose(vectors, [[0.6, 0.8]], atol=1e-6)
    assert vectors.dtype == np.float32


# --- chat -------------------------------------------------------------------------------------


async def test_an_answer_is_streamed_in_pieces(ollama, inference):
    """The answer arrives word by word, and the context asked for is the one that was reckoned."""
    ollama.fault(answer="It is honey.")
    pieces = await answer_of(inference)
    assert pieces == [ChatPiece("token", "It "), ChatPiece("token", "is "), ChatPiece("token", "honey.")]
    assert ollama.chats[0]["options"] == {"num_ctx": 4096}
    assert ollama.chats[0]["stream"] is True


async def test_thinking_is_kept_apart(ollama, inference):
    """What a model thinks before it answers never stands in the answer."""
    ollama.fault(answer="Honey.")
    pieces = await answer_of(inference, "deepseek-r1:8b")
    assert [p.kind for p in pieces] == ["thinking"] * 4 + ["token"]
    assert "".join(p.text for p in pieces if p.kind == "token") == "Honey."


async def test_thinking_can_be_switched_off(ollama, inference):
    """The setting think = false reaches the model."""
    assert all(piece.kind == "token" for piece in await answer_of(inference, "deepseek-r1:8b", think=False))
    assert ollama.chats[0]["think"] is False


async def test_asking_a_model_to_think_that_can_not_says_so(inference):
    """The server's reason is passed on."""
    with pytest.raises(OllamaError, match="does not support thinking"):
        await answer_of(inference, think=True)


async def test_the_first_piece_arrives_before_the_last_is_made(ollama, inference):
    """A reader sees the beginning while the model still writes."""
    ollama.token_gate.clear()
    ollama.token_gate_after = 1
    ollama.fault(answer="one two three")
    async with aclosing(inference.chat("scripted", QUESTION, num_ctx=4096, think=None)) as stream:
        assert (await anext(stream)).text == "one "
        assert ollama.counts["pieces"] == 1
        ollama.token_gate.set()
        assert [piece.text async for piece in stream] == ["two ", "three"]


async def test_closing_the_stream_stops_the_model(ollama, inference):
    """A reader that hangs up costs no more computing."""
    ollama.token_gate.clear()
    ollama.token_gate_after = 1
    stream = inference.chat("scripted", QUESTION, num_ctx=4096, think=None)
    await anext(stream)
    await stream.aclose()
    await ollama.until(lambda: ollama.counts["chats_cancelled"] == 1)


async def test_cancelling_the_task_stops_the_model(ollama, inference):
    """So does a cancelled request, before the first piece too."""
    ollama.token_gate.clear()
    task = asyncio.create_task(answer_of(inference))
    await ollama.until(lambda: ollama.counts["chats"] == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ollama.until(lambda: ollama.counts["chats_cancelled"] == 1)


@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        ({"error_after": 2}, OllamaError, "an error was encountered"),
        ({"error_after": 0}, OllamaError, "an error was encountered"),
        ({"cut_after": 2}, GenerationCutError, "ended the stream"),
        ({"cut_after": 0}, GenerationCutError, "ended the stream"),
        ({"drop_after": 2}, GenerationCutError, "broke before"),
        ({"done_reason": "length"}, GenerationCutError, "limit of 4096 tokens"),
        ({"chat": 503, "count": 1}, OllamaBusyError, "busy"),
        ({"chat": 500, "count": 1}, OllamaError, "500"),
        ({"garbage": True}, OllamaError, "check .ollama. url"),
    ],
    ids=str,
)
async def test_an_answer_that_breaks_off_is_an_error(ollama, inference, fault, error, told):
    """An answer is never shown as complete when it is not."""
    ollama.fault(answer="one two three four", **fault)
    with pytest.raises(error, match=told) as caught:
        await answer_of(inference)
    assert type(caught.value) is error


async def test_a_stream_that_falls_silent_is_given_up(ollama):
    """Silence is what is limited, not the length of an answer."""
    ollama.token_gate.clear()
    ollama.token_gate_after = 1
    async with Inference(settings_for(ollama.url, silence_seconds=0.5)) as inference:
        with pytest.raises(OllamaTimeoutError, match="silent"):
            await answer_of(inference)
    await ollama.until(lambda: ollama.counts["chats_cancelled"] == 1)


# --- several servers ------------------------------------------------------------------------


async def test_the_second_server_is_used_while_the_first_is_down(ollama):
    """With several addresses, one that is down is passed over, for everything."""
    async with Inference(settings_for(NOBODY, ollama.url)) as inference:
        assert (await inference.health()).url == ollama.url
        assert (await inference.embed("all-minilm", ["x"]))[0].shape == (1, 256)
        assert (await inference.describe("scripted")).capabilities == {"completion"}
        assert await answer_of(inference)
        assert inference.url == ollama.url


async def test_the_first_server_is_used_again_when_it_is_back(ollama, monkeypatch):
    """The order of the addresses is the order of preference."""
    async with FakeOllama() as first, Inference(settings_for(first.url, ollama.url)) as inference:
        await first.stop()
        await inference.embed("all-minilm", ["one"])
        await first.start()
        await inference.embed("all-minilm", ["two"])
        assert (ollama.inputs, first.inputs) == (["one", "two"], [])
        monkeypatch.setattr(inference_module, "RETURN_SECONDS", 0)
        await first.stop()
        await ollama.stop()
        with pytest.raises(OllamaUnavailableError):
            await inference.embed("all-minilm", ["three"])
        await first.start()
        await ollama.start()
        await inference.embed("all-minilm", ["four"])
        assert first.inputs == ["four"]


async def test_a_server_that_dies_in_a_request_is_replaced(ollama):
    """Nothing has been answered yet, so another server is asked."""
    async with FakeOllama() as first, Inference(settings_for(first.url, ollama.url)) as inference:
        first.fault(answer="one two", drop_after=0)
        assert await answer_of(inference)
        assert ollama.counts["chats"] == 1


async def test_a_server_that_hangs_is_passed_over(ollama):
    """A server that fell silent once is asked last for a while, however long its silence was waited for."""
    async with FakeOllama() as first, Inference(settings_for(first.url, ollama.url, silence_seconds=2.0)) as inference:
        first.fault(deaf=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inference_module, "RETURN_SECONDS", 1.9)
            with pytest.raises(OllamaTimeoutError):
                await inference.embed("all-minilm", ["one"])
            await inference.embed("all-minilm", ["two"])
        assert ollama.inputs == ["two"]


async def test_what_is_answered_at_once_finds_the_server_that_lives(ollama, monkeypatch):
    """With a hanging server in front, health and descriptions come from the next one, and so does all else then."""
    monkeypatch.setattr(inference_module, "NEXT_SECONDS", 2.0)
    async with FakeOllama() as first, Inference(settings_for(first.url, ollama.url)) as inference:
        first.fault(deaf=True)
        assert (await inference.health()).url == ollama.url
        assert (await inference.describe("scripted")).capabilities == {"completion"}
        await inference.embed("all-minilm", ["one"])
        assert ollama.inputs == ["one"]


async def test_a_busy_server_sends_us_to_the_next(ollama):
    """A full queue, or a proxy without Ollama behind it, is no reason to wait when there is another server."""
    async with FakeOllama() as first, Inference(settings_for(first.url, ollama.url)) as inference:
        first.fault(embed=503, chat=502, count=10)
        await inference.embed("all-minilm", ["one"])
        assert await answer_of(inference)
        assert ollama.inputs == ["one"]


async def test_when_all_are_down_the_error_names_them_all():
    """Who reads the error knows every address that was tried."""
    other = "http://127.0.0.1:10"
    async with Inference(settings_for(NOBODY, other)) as inference:
        for ask in (inference.embed("all-minilm", ["x"]), inference.describe("x"), answer_of(inference)):
            with pytest.raises(OllamaUnavailableError, match=f"{NOBODY} .* or {other}"):
                await ask


async def test_an_address_that_is_none_is_a_config_error():
    """A typing error in the address is found at start."""
    with pytest.raises(ConfigError, match=r"\[ollama\] url: .* is not an address"):
        async with Inference(settings_for("http://127.0.0.1:notaport")):
            pass


# --- the server that the tests use ------------------------------------------------------------


async def test_the_server_of_these_tests_runs_as_a_process_of_its_own():
    """A test of the whole daemon starts it, breaks it over HTTP, and ends it by closing its input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, fake_ollama.__file__, "--port", "0", "--until-eof"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        async with Inference(settings_for(url)) as inference, httpx.AsyncClient(base_url=url) as client:
            await client.post("/_fault", json={"embed": 503, "count": 1})
            with pytest.raises(OllamaUnavailableError):
                await inference.embed("all-minilm", ["x"])
            assert (await inference.embed("all-minilm", ["x"]))[0].shape == (1, 256)
            assert (await client.get("/_counts")).json()["embed_calls"] == 2
    finally:
        process.stdin.close()
        assert await process.wait() == 0


def test_the_scripted_model_cites_the_passages_it_is_given():
    """An answer quotes the passages word by word, in either way of numbering them."""
    for prompt in (
        '<passage n="1" document="a" pages="2">\nBees make honey.\n</passage>\nQuestion: what?',
        "[1] Bees make honey.\n\nQuestion: what?",
    ):
        answer = fake_ollama.scripted_answer([{"role": "user", "content": prompt}])
        assert 'According to [1], "Bees make honey.' in answer
