"""Ollama's HTTP interface: one server, its answers as plain values, its failures as foliod's errors.

The only module that imports `ollama`. Its client carries the streams; other requests go through
httpx, because the client parses whole answers on the event loop (64 vectors of 1,024 numbers: 60 ms)
and drops the fields that name a remote host.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from typing import TYPE_CHECKING, Any, cast

import httpx
import numpy as np
import ollama

from foliod.base.errors import (
    BadVectorError,
    ConfigError,
    ContextExceededError,
    GenerationCutError,
    ModelMissingError,
    OllamaBusyError,
    OllamaError,
    OllamaTimeoutError,
)
from foliod.base.values import without_login
from foliod.ollama.bounded import BoundedTransport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from numpy.typing import NDArray
    from ollama import ChatResponse

NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, ConnectionRefusedError)
"""The server can't be reached, so it got nothing."""
CONNECTION_LOST = (httpx.NetworkError, httpx.ProtocolError, ConnectionError, *NOT_CONNECTED)
"""The server can't be reached, or hung up before it answered: another one may be asked."""

_BUSY = (429, 502, 503)
"""The queue is full, or a proxy can't reach Ollama just now."""
_TOO_SLOW = (408, 504)
"""A proxy did not wait for Ollama: what was asked for takes too long."""
_TRANSFER = 2
"""An answer has come to its end within so many times the silence that is allowed, however slowly it drips."""
_TOO_LONG = re.compile(r"context (length|size|window)|too large to process|too long", re.IGNORECASE)
_NOT_A_NUMBER = re.compile(r"\bNaN\b")
_LENGTH_ONE = 1e-3
"""Vectors whose length differs from 1 by more are scaled to it."""
_VECTORS = re.compile(rb'"embeddings"\s*:\s*\[')


class Server:
    """One address of Ollama."""

    def __init__(self, url: str, *, connect_seconds: float, silence_seconds: float) -> None:
        """Open nothing yet. Raises ConfigError when `url` is not an address."""
        options: dict[str, Any] = {
            "timeout": httpx.Timeout(silence_seconds, connect=connect_seconds),
            "trust_env": False,
            "follow_redirects": False,
        }
        # Loading certificates holds the event loop for 20 ms; plain http has no use for them.
        verify = True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

        def transport() -> BoundedTransport:
            return BoundedTransport(connect_seconds=connect_seconds, verify=verify, trust_env=False)

        try:
            self._http = httpx.AsyncClient(base_url=url, transport=transport(), **options)
            hooks = {"request": [_without_key]}
            self._client = ollama.AsyncClient(url, event_hooks=hooks, transport=transport(), **options)
        except (ValueError, httpx.InvalidURL) as error:
            raise ConfigError(
                f"[ollama] url: {without_login(url)} is not an address ({type(error).__name__})"
            ) from None
        self.url = without_login(url)
        """For people."""
        self.avoided_until = 0.0
        """On the monotonic clock; kept by who chooses among servers."""
        self._silence_seconds = silence_seconds

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at `path`."""
        return self._json(path, await self._answer("GET", path, None, ""))

    async def post(self, path: str, body: dict[str, Any], model: str) -> dict[str, Any]:
        """Return the JSON object that answers `body`; `model` is who is asked, for errors."""
        return self._json(path, await self._answer("POST", path, body, model))

    async def embed(self, body: dict[str, Any]) -> tuple[NDArray[np.float32], int]:
        """Return the vectors of `/api/embed`, shape (n, d), finite and of length 1, and the tokens used."""
        answer = await self._answer("POST", "/api/embed", body, body["model"])
        return await _matrix(answer, len(body["input"]), f"{body['model']} at {self.url}")

    async def chat(self, **request: Any) -> AsyncGenerator[ChatResponse, None]:
        """Stream `/api/chat`; closing the generator hangs up, and Ollama stops generating."""
        model, begun = request["model"], False
        try:
            with self._told(model):
                stream = cast("AsyncGenerator[ChatResponse, None]", await self._client.chat(stream=True, **request))
                async with contextlib.aclosing(stream):
                    async for part in stream:
                        begun = True
                        yield part
        except CONNECTION_LOST as error:
            if not begun:
                raise
            raise GenerationCutError(
                f"the connection to {self.url} broke before {model} was done ({_name(error)})"
            ) from None

    async def _answer(self, method: str, path: str, body: dict[str, Any] | None, model: str) -> bytes:
        try:
            with self._told(model):
                async with asyncio.timeout(_TRANSFER * self._silence_seconds):
                    response = await self._http.request(method, path, json=body)
        except TimeoutError:
            raise OllamaTimeoutError(
                f"Ollama at {self.url} had not finished its answer after {_TRANSFER * self._silence_seconds:g} s"
            ) from None
        if response.status_code != httpx.codes.OK:
            raise self._refusal(response.status_code, response.text, model)
        return response.content

    def _json(self, path: str, answer: bytes) -> dict[str, Any]:
        value = _object(answer)
        if value is None:
            raise OllamaError(f"{self.url}{path} does not answer as Ollama does; check [ollama] url")
        return value

    @contextlib.contextmanager
    def _told(self, model: str) -> Iterator[None]:
        """Translate what the clients raise, except CONNECTION_LOST."""
        try:
            yield
        except CONNECTION_LOST:
            raise
        except ollama.ResponseError as error:
            raise self._refusal(error.status_code, str(error.error), model) from None
        except httpx.TimeoutException:
            raise OllamaTimeoutError(
                f"Ollama at {self.url} was silent for {self._silence_seconds:g} s and was given up"
            ) from None
        except UnicodeEncodeError:
            raise OllamaError(f"the text for {model} holds lone surrogates, which no model reads") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise OllamaError(f"Ollama at {self.url} can't be asked: {_name(error)}") from None
        except (ValueError, AttributeError, TypeError, RecursionError):
            raise OllamaError(f"{self.url} does not answer as Ollama does; check [ollama] url") from None

    def _refusal(self, status: int, text: str, model: str) -> OllamaError:
        """Return the error that fits a status which is not 200, or an error in mid-stream (-1)."""
        told = (_object(text.encode()) or {}).get("error")
        message = str(text if told is None else told).strip()[:300] or "it gives no reason"
        if status in _BUSY:
            return OllamaBusyError(f"Ollama at {self.url} is busy ({status}): {message}")
        if status in _TOO_SLOW:
            return OllamaTimeoutError(
                f"what stands before Ollama at {self.url} did not wait for it ({status}): {message}"
            )
        if _TOO_LONG.search(message):
            return ContextExceededError(f"{model} at {self.url} refuses the text: {message}")
        if _NOT_A_NUMBER.search(message):
            return BadVectorError(f"{model} at {self.url} made no valid vector: {message}")
        if status == httpx.codes.NOT_FOUND and model and "not found" in message:
            return ModelMissingError(f"Ollama at {self.url} does not have {model}; fetch it with: ollama pull {model}")
        return OllamaError(f"Ollama at {self.url} failed ({status if status > 0 else 'in mid-stream'}): {message}")


async def _without_key(request: httpx.Request) -> None:
    """Drop the OLLAMA_API_KEY that the client adds to every request, whatever its address."""
    request.headers.pop("authorization", None)


async def _matrix(answer: bytes, count: int, who: str) -> tuple[NDArray[np.float32], int]:
    """Parse the answer of `/api/embed` vector by vector, so that the event loop never waits long.

    A thread would not help: the JSON parser keeps the interpreter's lock for the whole answer.
    """
    found = _VECTORS.search(answer)
    if found is None:
        raise OllamaError(f"{who} returned no vectors for {count} texts")
    position, rows = found.end(), []
    try:
        while True:
            end = answer.find(b"]", position)
            start = answer.find(b"[", position, end)
            if start < 0:
                break
            with np.errstate(over="ignore"):
                rows.append(np.array(json.loads(answer[start : end + 1]), dtype=np.float32))
            position = end + 1
            await asyncio.sleep(0)
        rest = _object(answer[: found.end()] + answer[position:])
        if rest is None or len(rows) != count:
            raise OllamaError(f"{who} returned {len(rows)} vectors for {count} texts")
        vectors = np.stack(rows)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise BadVectorError(f"{who} returned vectors of different lengths, or not of numbers") from None
    if vectors.ndim != 2 or not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise BadVectorError(f"{who} returned a vector that is empty, zero or holds NaN")
    tokens = rest.get("prompt_eval_count")
    return _of_length_one(vectors), tokens if isinstance(tokens, int) else 0


def _of_length_one(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors to length 1, as Ollama does: at half precision large numbers become infinite, tiny ones zero."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if np.abs(lengths - 1).max() <= _LENGTH_ONE:
        return vectors
    scaled: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return scaled


def _object(answer: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _name(error: Exception) -> str:
    return str(error) or type(error).__name__
