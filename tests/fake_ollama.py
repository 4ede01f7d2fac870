"""A server that speaks Ollama's HTTP interface, for tests: embeddings by words, scripted answers, faults on demand.

In a test: `async with FakeOllama() as ollama: ... ollama.url`. From another process:
`python tests/fake_ollama.py --port 0` prints its address and ends when its standard input does
(with `--until-eof`) or on SIGTERM; `POST /_faults {...}` replaces the faults, `POST /_models {name: digest,
{digest, seed, dimensions} or null}` pulls, replaces and removes models, `GET /_counts` tells what was asked, `GET
/_embeds` which texts were answered, and by which model. Field names, statuses and messages are those of Ollama's docs/api.md and server/routes.go.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import gzip
import hashlib
import itertools
import json
import math
import re
import signal
import socket
import sys
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from aiohttp import web

from ports import keep_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STOP_WORDS = frozenset(
    "a an and are as at be by can did do does for from has have how in is it its of on or that the their they "
    "this to was were what when where which who why will with you".split()
)


@dataclass
class Model:
    """A model that the server has: capabilities, context and vector length as `/api/show` tells them."""

    name: str
    capabilities: tuple[str, ...]
    context: int
    dimensions: int
    family: str = "bert"
    num_ctx: int | None = None
    remote_host: str | None = None
    digest: str = ""
    seed: int = 0
    """Models, and builds of one, with different seeds give different vectors."""
    template: str = "{{ .Prompt }}"

    def __post_init__(self) -> None:
        self.digest = self.digest or hashlib.sha256(self.name.encode()).hexdigest()


@dataclass
class Faults:
    """What goes wrong. All counts are counted down; `""` and 0 are off."""

    embed: int = 0
    """Status of the next `count` embed requests."""
    chat: int = 0
    """Status of the next `count` chat requests."""
    message: str = "injected"
    """What is said with such a status."""
    count: int = 0
    hang: float = 0
    """Seconds that every embed and chat request waits first."""
    held: bool = False
    """Embed and chat requests wait until the faults are replaced."""
    held_after: int | None = None
    """So many embed requests go through, the others wait until the faults are replaced."""
    held_at: str = ""
    """Only those with this word are counted, and wait."""
    deaf: bool = False
    """Requests are taken, and nothing ever comes back."""
    hang_at: str = ""
    """A text with this word makes its embed request wait for ever."""
    token_seconds: float = 0
    """Seconds that embedding takes for each token."""
    most_tokens: int = 0
    """An embed request with more tokens in all fails for lack of memory."""
    refusal: int = 500
    """The status of that."""
    too_long: str = ""
    """A text with this word is longer than the context, whatever its length."""
    killed_by: str = ""
    """A text with this word breaks the connection."""
    null: str = ""
    """A text with this word gets a vector of nulls."""
    fewer: int = 0
    """So many vectors are missing from each answer."""
    body: str = ""
    """How each answer of /api comes: "truncated" (half of it, as if it were all), "cut" (half, then the connection
    breaks), "endless", "drip" (a byte now and then), "gzip", "list" (a JSON list), "deep" (nested without end)."""
    context: int = 0
    """Overrides the embedding model's context, in tokens."""
    poison: str = ""
    """A text with this word makes its whole embed request fail with status 500."""
    nan: str = ""
    """A text with this word makes its embed request fail as NaN does in Ollama (400)."""
    raw_nan: str = ""
    """A text with this word gets a vector of NaN tokens."""
    zero: str = ""
    """A text with this word gets a vector of zeros."""
    dimensions: int = 0
    """Length of all vectors, whatever the model says."""
    ragged: str = ""
    """A text with this word gets a vector that is one number short."""
    garbage: bool = False
    """Every answer is HTML."""
    redirect: str = ""
    """Every answer sends the client to this address."""
    error_after: int | None = None
    """The stream of an answer ends with an error line after so many pieces."""
    cut_after: int | None = None
    """The stream ends without its last line after so many pieces."""
    drop_after: int | None = None
    """The connection breaks after so many pieces."""
    stall_after: int | None = None
    """Nothing more comes after so many pieces."""
    endless: str = ""
    """The answer repeats this word for ever; " " makes pieces without text."""
    thinks_only: bool = False
    thinks_for: int = 0
    """So many words, each another one, are thought before the answer, by whatever model."""
    thinks_anyway: bool = False
    """A model that can think does so also when it is told not to."""
    rewritten: str = ""
    """What the chat model says when it is asked to rewrite a question; "hang": nothing, ever."""
    prompt_factor: float = 0
    """How many tokens a prompt is said to have, for one of `count_tokens`."""
    done_reason: str = "stop"
    answer: str = ""
    """What the chat model says, word by word; else it cites the passages of the last message."""


class FakeOllama:
    """The server, its models, its faults, and what it was asked.

    `counts`: embed_calls, embedded_texts, shows, chats, chats_cancelled, embeds_cancelled, pieces.
    `embeds` and `chats` hold the bodies of the requests.
    """

    def __init__(self, *, port: int = 0, dimensions: int = 256, context: int = 512, token_ms: float = 0) -> None:
        self.port = port
        self._kept: socket.socket | None = None
        self.token_ms = token_ms
        self.models = {
            model.name: model
            for model in (
                Model("all-minilm:latest", ("embedding",), context, dimensions),
                Model("mxbai-embed-large:latest", ("embedding",), context, dimensions),
                Model("scripted:latest", ("completion",), 8192, 2048, family="llama"),
                Model("deepseek-r1:8b", ("completion", "thinking"), 131072, 4096, family="qwen3"),
            )
        }
        self.faults = Faults()
        self.counts: dict[str, int] = dict.fromkeys(
            (
                "embed_calls",
                "embedded_texts",
                "shows",
                "chats",
                "chats_cancelled",
                "embeds_cancelled",
                "pieces",
                "rewrites",
            ),
            0,
        )
        self.embeds: list[dict[str, Any]] = []
        self.answered: list[list[str]] = []
        """The texts of every embed request that was answered with the right vectors."""
        self.answered_by: list[str] = []
        """By which model."""
        self.chats: list[dict[str, Any]] = []
        self.rewrites: list[dict[str, Any]] = []
        """Requests to rewrite a question; they are not among the chats."""
        self.headers: list[dict[str, str]] = []
        self.embed_gate = asyncio.Event()
        """While it is cleared, embed requests wait."""
        self.embed_gate.set()
        self.token_gate = asyncio.Event()
        """While it is cleared, a stream waits after `token_gate_after` pieces."""
        self.token_gate.set()
        self.token_gate_after = 0
        self.one_at_a_time: asyncio.Lock | None = None
        """When it is set, embed requests wait for each other, as they do in Ollama."""
        self._replaced = asyncio.Event()
        """Set as soon as the faults are others than when one began to wait for it."""
        self._asked = 0
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def inputs(self) -> list[str]:
        """Every text that was sent to be embedded, in order."""
        return [text for body in self.embeds for text in body["input"]]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.embed_gate.set()
        self.token_gate.set()
        await self.stop()
        if self._kept is not None:
            self._kept.close()

    async def start(self) -> None:
        """Listen; a port, once taken, is kept, so that the server can come back."""
        app = web.Application(client_max_size=64 << 20, middlewares=[self._seen])
        app.add_routes(
            [
                web.get("/", self._home),
                web.get("/api/version", self._version),
                web.get("/api/tags", self._tags),
                web.get("/api/ps", self._ps),
                web.post("/api/show", self._show),
                web.post("/api/embed", self._embed),
                web.post("/api/chat", self._chat),
                web.post("/_fault", self._set_faults),
                web.post("/_faults", self._set_faults),
                web.post("/_models", self._set_models),
                web.get("/_counts", self._get_counts),
                web.get("/_embeds", self._get_embeds),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        if not self.port:
            self._kept = keep_port()
            self.port = self._kept.getsockname()[1]
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_port=self._kept is not None).start()

    async def stop(self) -> None:
        """Close the door and every connection: from now on connections are refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def fault(self, **faults: Any) -> None:
        """Replace the faults; without arguments, there are none."""
        self.faults = Faults(**faults)
        self._replaced.set()
        self._replaced = asyncio.Event()

    async def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until `condition` holds; it is looked at whenever the server does something."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _count(self, name: str, n: int = 1) -> None:
        self.counts[name] += n
        self._changed.set()

    # --- routes -------------------------------------------------------------------------

    @web.middleware
    async def _seen(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        if self.faults.garbage and request.path.startswith("/api/"):
            return web.Response(text="<html>It works!</html>", content_type="text/html")
        if self.faults.redirect and request.path.startswith("/api/"):
            raise web.HTTPTemporaryRedirect(self.faults.redirect + request.path)
        if self.faults.deaf and request.path.startswith("/api/"):
            await self._never(request.path)
        response = await handler(request)
        if self.faults.body and isinstance(response, web.Response) and request.path.startswith("/api/"):
            return await self._spoilt(request, response)
        return response

    async def _never(self, path: str) -> None:
        """Wait until who asked hangs up."""
        if path == "/api/embed":
            self._count("embed_calls")
        await asyncio.Event().wait()

    async def _spoilt(self, request: web.Request, response: web.Response) -> web.StreamResponse:
        how, good = self.faults.body, bytes(response.body or b"")
        if how == "truncated":
            return web.Response(body=good[: len(good) // 2], content_type="application/json")
        if how == "list":
            return web.json_response([1, 2])
        if how == "deep":
            return web.Response(body=b'{"embeddings": ' + b"[" * 100_000, content_type="application/json")
        spoilt = web.StreamResponse(headers={"Content-Type": "application/json"})
        if how == "gzip":
            spoilt.headers["Content-Encoding"] = "gzip"
            good = gzip.compress(b" " * (1 << 20) + good)
        if how in ("cut", "drip"):
            spoilt.content_length = len(good)
        await spoilt.prepare(request)
        if how == "cut":
            await spoilt.write(good[: len(good) // 2])
            assert request.transport is not None
            request.transport.close()
        while how == "endless":
            await spoilt.write(b" " * (1 << 20))
        for n in range(len(good) if how == "drip" else 0):
            await spoilt.write(good[n : n + 1])
            await asyncio.sleep(0.05)
        if how == "gzip":
            await spoilt.write(good)
        return spoilt

    async def _home(self, request: web.Request) -> web.Response:
        return web.Response(text="Ollama is running")

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "0.33.0"})

    async def _tags(self, request: web.Request) -> web.Response:
        return web.json_response({"models": [_tag(model) for model in self.models.values()]})

    async def _ps(self, request: web.Request) -> web.Response:
        return web.json_response({"models": []})

    async def _show(self, request: web.Request) -> web.Response:
        self._count("shows")
        body = await request.json()
        name = body.get("model") or body.get("name") or ""
        if (model := self._find(name)) is None:
            return _error(404, f"model '{name}' not found")
        prefix = model.family
        shown: dict[str, Any] = {
            "license": "",
            "modelfile": f"FROM {model.name}",
            "parameters": f"{'num_ctx':<30} {model.num_ctx}" if model.num_ctx else "",
            "template": model.template,
            "details": _details(model),
            "model_info": {
                "general.architecture": prefix,
                f"{prefix}.context_length": model.context,
                f"{prefix}.embedding_length": model.dimensions,
            },
            "capabilities": list(model.capabilities),
            "modified_at": _now(),
        }
        if model.remote_host:
            shown |= {"remote_host": model.remote_host, "remote_model": model.name}
        return web.json_response(shown)

    async def _embed(self, request: web.Request) -> web.Response:
        body = await request.json()
        texts = body.get("input") or []
        body["input"] = texts = [texts] if isinstance(texts, str) else texts
        self.embeds.append(body)
        self._count("embed_calls")
        self._count("embedded_texts", len(texts))
        faults = self.faults
        try:
            async with self.one_at_a_time or contextlib.nullcontext():
                while self._holds(texts):
                    await self._replaced.wait()
                faults = self.faults
                await asyncio.sleep(faults.hang + faults.token_seconds * sum(map(count_tokens, texts)))
                if faults.hang_at and any(faults.hang_at in text for text in texts):
                    await asyncio.Event().wait()
                await self.embed_gate.wait()
        except asyncio.CancelledError:
            self._count("embeds_cancelled")
            raise
        if faults.embed and faults.count > 0:
            faults.count -= 1
            return _error(faults.embed, faults.message)
        if (model := self._find(body["model"])) is None:
            return _error(404, f'model "{body["model"]}" not found, try pulling it first')
        limit = faults.context or model.context
        lengths = [count_tokens(text) for text in texts]
        if body.get("truncate") is False and any(n > limit for n in lengths):
            return _error(400, "the input length exceeds the context length")
        if faults.too_long and any(faults.too_long in text for text in texts):
            return _error(400, "the input length exceeds the context length")
        if faults.most_tokens and sum(lengths) > faults.most_tokens:
            return _error(faults.refusal, "llama runner process has terminated: cudaMalloc failed: out of memory")
        if faults.killed_by and any(faults.killed_by in text for text in texts):
            assert request.transport is not None
            request.transport.abort()
            return _error(500, "unseen")
        if faults.poison and any(faults.poison in text for text in texts):
            return _error(500, "do embedding request: EOF")
        if faults.nan and any(faults.nan in text for text in texts):
            return _error(400, "embedding contains NaN or Inf values")
        vectors: list[Any] = [self._vector(text, model) for text in texts]
        if faults.null:
            vectors = [
                [None] * model.dimensions if faults.null in t else v for t, v in zip(texts, vectors, strict=True)
            ]
        vectors = vectors[: len(vectors) - faults.fewer]
        if not faults.body and vectors == [rounded(embed_words(text, model.dimensions, model.seed)) for text in texts]:
            self.answered.append(texts)
            self.answered_by.append(model.name)
        answer = {"model": body["model"], "embeddings": vectors, "total_duration": 1, "load_duration": 1}
        return web.json_response(answer | {"prompt_eval_count": sum(min(n, limit) for n in lengths)})

    def _holds(self, texts: list[str]) -> bool:
        """Whether an embed request has to wait; one that goes through is counted."""
        faults = self.faults
        if faults.held_after is not None and any(faults.held_at in text for text in texts):
            if faults.held_after == 0:
                return True
            faults.held_after -= 1
        return faults.held

    def _vector(self, text: str, model: Model) -> list[float]:
        vector = embed_words(text, self.faults.dimensions or model.dimensions, model.seed)
        if self.faults.raw_nan and self.faults.raw_nan in text:
            vector = vector * math.nan
        if self.faults.zero and self.faults.zero in text:
            vector = vector * 0
        if self.faults.ragged and self.faults.ragged in text:
            vector = vector[:-1]
        return rounded(vector)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        rewrites = body["messages"][-1]["content"].endswith("Rewritten question:")
        (self.rewrites if rewrites else self.chats).append(body)
        self._count("rewrites" if rewrites else "chats")
        faults = self.faults
        self._asked = sum(count_tokens(message["content"]) for message in body["messages"])
        if faults.held:
            await self._replaced.wait()
            faults = self.faults
        await asyncio.sleep(faults.hang)
        if faults.chat and faults.count > 0:
            faults.count -= 1
            return _error(faults.chat, faults.message)
        if (model := self._find(body["model"])) is None:
            return _error(404, f'model "{body["model"]}" not found, try pulling it first')
        if "completion" not in model.capabilities:
            return _error(400, f'"{body["model"]}" does not support chat')
        can_think = "thinking" in model.capabilities
        if body.get("think") and not can_think:
            return _error(400, f'"{body["model"]}" does not support thinking')
        thinks = can_think and (body.get("think") is not False or faults.thinks_anyway)
        thoughts = ["The ", "passages ", "say ", "it. "] if thinks else []
        thoughts += [f"thought {n} " for n in range(faults.thinks_for)]
        says = faults.answer or scripted_answer(body["messages"])
        if rewrites:
            if faults.rewritten == "hang":
                await self._never("/api/chat")
            says = faults.rewritten or "?"
        words = re.findall(r"\S+\s*", says)
        words = [] if faults.thinks_only else words
        pieces = [{"content": "", "thinking": t} for t in thoughts] + [{"content": w} for w in words]
        if faults.endless:
            return await self._stream(request, body["model"], itertools.repeat({"content": faults.endless.strip(" ")}))
        if body.get("stream", True) is False:
            message = {"role": "assistant", "content": "".join(words)}
            return web.json_response({"model": body["model"], "created_at": _now(), "message": message} | _done(pieces))
        return await self._stream(request, body["model"], pieces)

    async def _stream(self, request: web.Request, model: str, pieces: Iterable[dict[str, str]]) -> web.StreamResponse:
        faults = self.faults
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})

        async def send(line: dict[str, Any]) -> None:
            await response.write(json.dumps(line).encode() + b"\n")

        try:
            await response.prepare(request)
            for n, piece in enumerate(pieces):
                if n == faults.error_after:
                    await send({"error": "an error was encountered while running the model"})
                    return response
                if n == faults.cut_after:
                    return response
                if n == faults.stall_after:
                    await asyncio.Event().wait()
                if n == faults.drop_after and request.transport is not None:
                    request.transport.abort()
                    return response
                if n >= self.token_gate_after:
                    await self.token_gate.wait()
                await asyncio.sleep(self.token_ms / 1000)
                message = {"role": "assistant"} | piece
                await send({"model": model, "created_at": _now(), "message": message, "done": False})
                self._count("pieces")
            last = {"model": model, "created_at": _now(), "message": {"role": "assistant", "content": ""}}
            counted = {"prompt_eval_count": int(faults.prompt_factor * self._asked) or 1}
            await send(last | _done([*pieces]) | {"done_reason": faults.done_reason} | counted)
        except (asyncio.CancelledError, ConnectionError):
            self._count("chats_cancelled")
            raise
        return response

    async def _set_faults(self, request: web.Request) -> web.Response:
        self.fault(**await request.json())
        return web.json_response(dataclasses.asdict(self.faults))

    async def _set_models(self, request: web.Request) -> web.Response:
        for name, digest in (await request.json()).items():
            full = name if ":" in name else f"{name}:latest"
            if digest is None:
                self.models.pop(full, None)
            else:
                facts = digest if isinstance(digest, dict) else {"digest": digest}
                known = self.models.get(full) or Model(full, ("embedding",), 512, 256)
                self.models[full] = dataclasses.replace(known, **facts)
        return web.json_response({name: model.digest for name, model in self.models.items()})

    async def _get_embeds(self, request: web.Request) -> web.Response:
        asked = [{"texts": len(body["input"]), "tokens": sum(map(count_tokens, body["input"]))} for body in self.embeds]
        by_model: dict[str, list[str]] = {}
        for name, texts in zip(self.answered_by, self.answered, strict=True):
            by_model.setdefault(name.removesuffix(":latest"), []).extend(texts)
        answered = [text for texts in self.answered for text in texts]
        return web.json_response({"asked": asked, "answered": answered, "by_model": by_model})

    async def _get_counts(self, request: web.Request) -> web.Response:
        return web.json_response(self.counts)

    def _find(self, name: str) -> Model | None:
        name = name.lower()
        return self.models.get(name if ":" in name else f"{name}:latest")


def count_tokens(text: str) -> int:
    """As a word-piece tokenizer would, roughly: five letters a token, every other sign one, and two special ones."""
    return 2 + sum(math.ceil(len(piece) / 5) for piece in re.findall(r"\w+|[^\w\s]", text))


def embed_words(text: str, dimensions: int, seed: int = 0) -> np.ndarray:
    """Hashed bag of words, normalised: texts that share their rarer words are near each other."""
    vector = np.zeros(dimensions)
    words = [word.removesuffix("s") for word in re.findall(r"\w+", text.lower()) if word not in STOP_WORDS]
    for word in words or ["nothing"]:
        number = zlib.crc32(word.encode(), seed)
        vector[number % dimensions] += 1 if number >> 31 else -1
    if not vector.any():
        vector[0] = 1
    return vector / np.linalg.norm(vector)


def rounded(vector: np.ndarray) -> list[float]:
    return [round(x, 7) for x in vector.tolist()]


def scripted_answer(messages: list[dict[str, str]]) -> str:
    """Say what the first two passages of the last message begin with, in their own words, each cited.

    A passage begins with `<passage n="1" …>` or with `[1]` at the start of a line. Without any, the last line is said.
    """
    text = messages[-1]["content"].strip() if messages else ""
    said = []
    for number, passage in passages(text)[:2]:
        words = passage.split()[:12]
        said.append(f'According to [{number}], "{" ".join(words)}" [{number}].')
    return " ".join(said) or " ".join(text.splitlines()[-1:]) or "Nothing."


def passages(text: str) -> list[tuple[int, str]]:
    """Return the numbered passages of a prompt."""
    if "<passage n=" in text:
        found = re.findall(r'<passage n="(\d+)"[^>]*>\n(.*?)\n</passage>', text, re.DOTALL)
    else:
        found = re.findall(r"^\[(\d+)\][ :]*(.*?)(?=^\[\d+\]|\Z)", text, re.DOTALL | re.MULTILINE)
    return [(int(number), passage.strip()) for number, passage in found if passage.strip()]


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _done(pieces: list[dict[str, str]]) -> dict[str, Any]:
    counts = {"total_duration": 1, "load_duration": 1, "prompt_eval_count": 1, "eval_count": len(pieces)}
    return {"done": True, "done_reason": "stop", **counts, "prompt_eval_duration": 1, "eval_duration": 1}


def _details(model: Model) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.family,
        "families": [model.family],
        "parameter_size": "23M",
        "quantization_level": "F16",
    }


def _tag(model: Model) -> dict[str, Any]:
    facts = {"name": model.name, "model": model.name, "modified_at": _now(), "size": 23_000_000}
    return facts | {"digest": model.digest, "details": _details(model)}


async def _serve(options: argparse.Namespace) -> None:
    server = FakeOllama(
        port=options.port, dimensions=options.dimensions, context=options.context, token_ms=options.token_ms
    )
    if options.digest:
        for model in server.models.values():
            model.digest = options.digest
    for model in server.models.values():
        model.seed = options.seed
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if options.until_eof:
        loop.add_reader(sys.stdin.fileno(), lambda: sys.stdin.buffer.read1() or ended.set())
    async with server:
        print(server.url, flush=True)
        await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--token-ms", type=float, default=0)
    parser.add_argument("--digest", help="of all models")
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other vectors")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
