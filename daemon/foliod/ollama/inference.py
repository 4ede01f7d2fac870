"""The models: what Ollama serves, embeddings, and streamed answers.

Of several servers the first that can be reached is used; nothing is sent to a cloud model unasked.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import numpy as np

from foliod.base.errors import (
    CloudModelError,
    FoliodError,
    GenerationCutError,
    OllamaBusyError,
    OllamaLostError,
    OllamaTimeoutError,
    OllamaUnavailableError,
)
from foliod.base.values import without_login
from foliod.ollama.measured import measured
from foliod.ollama.ollama_wire import CONNECTION_LOST, NOT_CONNECTED, Server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from numpy.typing import NDArray

    from foliod.base.config import Ollama

RETURN_SECONDS = 30.0
"""A server that could not be reached is tried last for so long."""
HEALTH_SECONDS = 5.0
DESCRIBE_SECONDS = 10.0
"""What needs no model is answered in milliseconds; a server that takes so long hangs."""
NEXT_SECONDS = 1.0
"""The same while there is another server to ask."""

_OPENS_THOUGHT = re.compile(r"<think>\s*(?:\{\{[^{}]*\}\}\s*)*\Z")
"""At the end of a template, where the model's answer begins; only `{{ end }}` and the like may follow."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class OllamaHealth:
    """Whether Ollama answers, and with which models; `error` says why not."""

    reachable: bool
    version: str | None
    models: tuple[str, ...]
    error: str | None
    url: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What Ollama says about a model. Contexts in tokens, `embedding_length` in numbers a vector; None is unknown."""

    name: str
    digest: str
    capabilities: frozenset[str]
    context_length: int | None
    embedding_length: int | None
    default_context: int | None = None
    """`num_ctx` of its Modelfile: the context of requests that do not ask for one."""
    opens_thought: bool = False
    """Its template ends with `<think>`: the model's text begins within a thought, with only the closing tag in it."""


@dataclass(frozen=True, slots=True)
class ChatPiece:
    """A piece of a streamed answer, or of the thinking before it."""

    kind: Literal["thinking", "token"]
    text: str


class Inference:
    """The Ollama servers of the configuration."""

    def __init__(self, settings: Ollama) -> None:
        self._settings = settings
        self._servers: list[Server] = []
        self._keep_alive = _keep_alive(settings.keep_alive)
        self.url = without_login(settings.url[0])
        """The address that answered last."""

    async def __aenter__(self) -> Self:
        """Make the clients; nothing is sent. Raises ConfigError when an address is none."""
        s = self._settings
        self._servers = [
            Server(url, connect_seconds=s.connect_seconds, silence_seconds=s.silence_seconds) for url in s.url
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            await server.aclose()

    def configure(self, settings: Ollama) -> None:
        """Go by these settings with the next request; the servers and how long they are waited for stay the same."""
        self._settings = settings
        self._keep_alive = _keep_alive(settings.keep_alive)

    async def health(self) -> OllamaHealth:
        """Return whether Ollama answers, within 5 seconds; never raises."""

        async def ask(server: Server) -> tuple[dict[str, Any], dict[str, Any]]:
            return await server.get("/api/version"), await server.get("/api/tags")

        try:
            version, tags = await self._first_reachable(ask, seconds=HEALTH_SECONDS)
        except FoliodError as error:
            return OllamaHealth(reachable=False, version=None, models=(), error=error.message, url=self.url)
        names = tuple(name for name, _ in _models(tags))
        return OllamaHealth(
            reachable=True, version=str(version.get("version", "unknown")), models=names, error=None, url=self.url
        )

    async def describe(self, model: str) -> ModelFacts:
        """Return what Ollama says about `model`, without loading it.

        Raises ModelMissingError, CloudModelError, OllamaUnavailableError (within 10 seconds), OllamaError.
        """
        self._refuse_cloud(model)

        async def ask(server: Server) -> tuple[dict[str, Any], dict[str, Any]]:
            return await server.post("/api/show", {"model": model}, model), await server.get("/api/tags")

        shown, tags = await self._first_reachable(ask, seconds=min(DESCRIBE_SECONDS, self._settings.silence_seconds))
        if (host := shown.get("remote_host")) and not self._settings.allow_cloud:
            raise CloudModelError(_cloud_message(model, str(host)))
        info = shown.get("model_info")
        info = info if isinstance(info, dict) else {}
        architecture = info.get("general.architecture")
        digests = {full_name(name): digest for name, digest in _models(tags)}
        default = re.search(r"^num_ctx\s+(\d{1,9})$", str(shown.get("parameters")), re.MULTILINE)
        capabilities = shown.get("capabilities")
        return ModelFacts(
            name=model,
            digest=digests.get(full_name(model), ""),
            capabilities=frozenset(map(str, capabilities if isinstance(capabilities, list) else ())),
            context_length=_positive(info.get(f"{architecture}.context_length")),
            embedding_length=_positive(info.get(f"{architecture}.embedding_length")),
            default_context=int(default[1]) if default else None,
            opens_thought=_OPENS_THOUGHT.search(str(shown.get("template"))) is not None,
        )

    async def embed(
        self,
        model: str,
        texts: Sequence[str],
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # the deadline belongs to the call, and gets our error
    ) -> tuple[NDArray[np.float32], int]:
        """Return one vector a text, shape (n, d), and the tokens used; nothing is truncated.

        `timeout` bounds the whole call, in seconds. Raises ContextExceededError (one of the texts
        is too long, Ollama does not say which), BadVectorError, ModelMissingError,
        CloudModelError, OllamaTimeoutError, OllamaUnavailableError, OllamaError.
        """
        self._refuse_cloud(model)
        if not texts:
            return np.empty((0, 0), np.float32), 0
        body = {"model": model, "input": list(texts), "truncate": False, "keep_alive": self._keep_alive}
        try:
            with measured(len(texts)) as brought:
                async with asyncio.timeout(timeout):
                    return brought(await self._first_reachable(lambda server: server.embed(body)))
        except TimeoutError:
            raise OllamaTimeoutError(f"{model} at {self.url} did not embed within {timeout:g} s") from None

    async def chat(
        self,
        model: str,
        messages: list[dict[str, str]],
        *,
        num_ctx: int,
        think: bool | None,
        options: dict[str, Any] | None = None,
        used: Callable[[int], None] | None = None,
    ) -> AsyncGenerator[ChatPiece, None]:
        """Stream an answer; closing the generator stops the model.

        `num_ctx` is the context in tokens for messages and answer together, `options` are more of
        Ollama's; `used` is told at the end how many tokens the messages were, where Ollama says it.
        Raises GenerationCutError when the stream ends early, before it what `embed` raises.
        """
        self._refuse_cloud(model)
        request = {
            "model": model,
            "messages": messages,
            "think": think,
            "options": {"num_ctx": num_ctx, **(options or {})},
            "keep_alive": self._keep_alive,
        }

        async def start(server: Server) -> tuple[Any, Any]:
            stream = server.chat(**request)
            return stream, await anext(stream, None)

        stream, part = await self._first_reachable(start)
        url = self.url
        async with contextlib.aclosing(stream):
            while part is not None:
                if part.message.thinking:
                    yield ChatPiece("thinking", part.message.thinking)
                if part.message.content:
                    yield ChatPiece("token", part.message.content)
                if part.done:
                    if used is not None and part.prompt_eval_count:
                        used(part.prompt_eval_count)
                    break
                part = await anext(stream, None)
        if part is None:
            raise GenerationCutError(f"{url} ended the stream before {model} was done; ask again")
        if part.done_reason == "length":
            raise GenerationCutError(f"{model} reached the limit of {num_ctx} tokens before it was done")

    async def _first_reachable(
        self, ask: Callable[[Server], Awaitable[Result]], *, seconds: float | None = None
    ) -> Result:
        """Ask one server after the other until one can be reached.

        `seconds` is for what every server answers at once: who does not is passed over.
        """
        failures: list[tuple[Server, Exception]] = []
        started = time.monotonic()
        servers = sorted(self._servers, key=lambda server: server.avoided_until > started)
        for server in servers:
            limit = None
            if seconds is not None:
                limit = max(started + seconds - time.monotonic(), 0) if server is servers[-1] else NEXT_SECONDS
            try:
                async with asyncio.timeout(limit):
                    result = await ask(server)
            except (*CONNECTION_LOST, OllamaBusyError) as error:
                failures.append((server, error))
            except TimeoutError:
                silent = OllamaTimeoutError(f"Ollama at {server.url} did not answer within {seconds or 0:g} s")
                failures.append((server, silent))
            except OllamaTimeoutError:
                # What takes long takes long elsewhere too, and the caller may rather ask for less.
                server.avoided_until = time.monotonic() + RETURN_SECONDS
                raise
            else:
                server.avoided_until = 0.0
                self.url = server.url
                return result
            server.avoided_until = time.monotonic() + RETURN_SECONDS
        raise _unavailable(failures)

    def _refuse_cloud(self, model: str) -> None:
        # As Ollama reads names: the tag decides, in upper or lower case.
        tag = model.lower().strip().rpartition(":")[2] if ":" in model else ""
        if not self._settings.allow_cloud and (tag == "cloud" or tag.endswith("-cloud")):
            raise CloudModelError(_cloud_message(model, "another company's machines"))


def _unavailable(failures: list[tuple[Server, Exception]]) -> OllamaUnavailableError:
    """Return the error of who could reach no server."""
    _, error = failures[-1]
    if len(failures) == 1 and isinstance(error, OllamaUnavailableError):
        return error
    told = " or ".join(f"{server.url} ({str(error) or type(error).__name__})" for server, error in failures)
    if any(not isinstance(error, (*NOT_CONNECTED, OllamaUnavailableError)) for _, error in failures):
        return OllamaLostError(f"Ollama hung up before it answered, at {told}")
    return OllamaUnavailableError(
        f"Ollama can't be reached at {told}; start it with: ollama serve, or set [ollama] url"
    )


def _models(tags: dict[str, Any]) -> list[tuple[str, str]]:
    """Return name and digest of every model of `/api/tags`."""
    listed = tags.get("models")
    models = [model for model in (listed if isinstance(listed, list) else ()) if isinstance(model, dict)]
    return [(str(model.get("name") or model.get("model")), str(model.get("digest", ""))) for model in models]


def full_name(model: str) -> str:
    """Return the name by which Ollama knows a model: in any case of letters, `:latest` without a tag."""
    name = model.strip().lower()
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _keep_alive(value: str) -> str | int:
    """Return plain seconds as a number: Ollama takes "10m" and -1, but not "-1"."""
    return int(value) if re.fullmatch(r"-?\d+", value) else value


def _cloud_message(model: str, where: str) -> str:
    return f"{model} runs on {where}; name a model of this machine, or set [ollama] allow_cloud = true"
