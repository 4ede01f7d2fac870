"""What the HTTP handlers reach: the parts of a running daemon, some of which may not be there yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from foliod.answer.answer import Answerer
    from foliod.base.config import Settings
    from foliod.base.telemetry import Telemetry
    from foliod.ingest.reembed import Reembedder
    from foliod.ollama.inference import OllamaHealth
    from foliod.retrieve.facsimile import Facsimiles
    from foliod.retrieve.retrieve import Retriever
    from foliod.store.database import Database
    from foliod.store.roots import Roots


class Pipeline(Protocol):
    """What the handlers ask of the background half of the daemon."""

    troubles: dict[str, str]
    """Tasks that wait for the database, and why."""

    def trouble(self, task: str) -> str | None:
        """Return why tasks of a kind (`reader`, `embedder`) can't go on now, None when they can."""

    @property
    def leases(self) -> int:
        """How many documents this daemon has claimed."""

    @property
    def host(self) -> str:
        """The name under which the store knows this host's files."""

    async def inspect(self, path: bytes) -> dict[str, Any] | None:
        """Return what the folder that a path lies in shows there, None when it lies in no watched folder."""

    def look(self, path: bytes | None) -> bool:
        """Have a path, or everything, looked at now; return whether it lies in a watched folder."""

    async def readable(self, document: int) -> bool:
        """Say whether a file of a document can be opened on this host now."""

    def wake(self) -> None:
        """Say that there may be something to read."""

    async def forget(self, root: bytes) -> int:
        """Forget what is missing from a watched folder, or all of one that is watched no more; return how many files.

        Raises NotFoundError, FileUnreadableError.
        """

    async def wait(self, path: str | None, seconds: float) -> None:
        """Return when `path`, or everything seen so far when None, is searchable or has come to its end.

        Raises WaitTimeoutError after `seconds`.
        """

    def needs(self) -> dict[str, Any]:
        """Return what locked and scanned documents need, and what is wrong with it: `{passwords, ocr}`."""

    def roots(self) -> list[dict[str, Any]]:
        """Return the watched folders with their state: `{path, files, state, …}`."""

    def ready_reasons(self) -> list[str]:
        """Return why the daemon is not ready yet; empty when it is."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """When the settings in force were read, which keys of the file wait for a restart, what is wrong with the file.

    `read_at` is when the file was read last, whatever came of it.
    """

    loaded_at: datetime
    read_at: datetime
    restart_needed: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the daemon. What is None is not there yet, or not any more.

    `trouble` says why the database is not there; `health` asks Ollama and never raises.
    """

    settings: Settings
    telemetry: Telemetry
    health: Callable[[], Awaitable[OllamaHealth]]
    db: Database | None = None
    retriever: Retriever | None = None
    answerer: Answerer | None = None
    pipeline: Pipeline | None = None
    reembedder: Reembedder | None = None
    facsimiles: Facsimiles | None = None
    roots: Roots | None = None
    trouble: str | None = None
    configuration: Callable[[], Configuration] | None = None
