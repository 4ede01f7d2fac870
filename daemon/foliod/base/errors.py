"""Every error foliod raises on purpose: one tree, a sentence a class.

A message says what happened, to which file or address, and what the user can do.
The class docstring is the message when none is given.
"""

from __future__ import annotations

from typing import ClassVar


class FoliodError(Exception):
    """Something in foliod went wrong."""

    code: ClassVar[str] = "internal"
    """Stable name of the error in HTTP answers and logs."""
    status: ClassVar[int] = 500
    """HTTP status that fits."""
    exit_code: ClassVar[int] = 1
    """Exit code of the command line."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])

    @property
    def message(self) -> str:
        """The sentence for people."""
        return str(self.args[0])


class ConfigError(FoliodError):
    """The configuration can't be used."""

    code = "config"
    exit_code = 2


class StateInUseError(FoliodError):
    """Another foliod daemon already uses this state folder or socket."""

    code = "in_use"


class NotRunningError(FoliodError):
    """The daemon is not running."""

    code = "not_running"
    exit_code = 3


# --- requests ---------------------------------------------------------------------------


class BadRequestError(FoliodError):
    """The request is not valid."""

    code = "bad_request"
    status = 400


class UnauthorizedError(FoliodError):
    """This address needs the bearer token."""

    code = "unauthorized"
    status = 401


class ForbiddenError(FoliodError):
    """You may not do this here."""

    code = "forbidden"
    status = 403


class NotFoundError(FoliodError):
    """There is no such thing here."""

    code = "not_found"
    status = 404


class NoDocumentError(NotFoundError):
    """There is no document of this number, or none for who asks."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no document {number}; `foliod documents`, or GET /v1/documents, lists them")


class ConflictError(FoliodError):
    """What is asked for can't be done as things are."""

    code = "conflict"
    status = 409


class TooLargeError(FoliodError):
    """The request is larger than allowed."""

    code = "too_large"
    status = 413


class MisdirectedError(FoliodError):
    """The Host header names a host that this daemon does not serve."""

    code = "misdirected"
    status = 421


class TooManyRequestsError(FoliodError):
    """Too many requests are under way; ask again in a moment."""

    code = "too_many_requests"
    status = 429
    retry_after_s: ClassVar[int] = 1
    """When to come again, as the Retry-After header has it."""


class TooManyConnectionsError(TooManyRequestsError):
    """Too many connections are open; close some, and ask again."""

    code = "too_many_connections"
    status = 503


class RequestTimeoutError(FoliodError):
    """The request took longer than [server] request_seconds allows."""

    code = "request_timeout"
    status = 504


class NotReadyError(FoliodError):
    """The daemon can't answer yet."""

    code = "not_ready"
    status = 503


class StartingError(NotReadyError):
    """The daemon is starting; ask again in a moment."""

    retry_after_s: ClassVar[int] = 1
    """When to come again, as the Retry-After header has it."""


class StoppingError(NotReadyError):
    """The daemon is stopping; ask again when it runs."""

    code = "stopping"


class WaitTimeoutError(FoliodError):
    """What was waited for is not searchable yet."""

    code = "wait_timeout"
    status = 504


# --- database ---------------------------------------------------------------------------


class DatabaseUnavailableError(NotReadyError):
    """PostgreSQL can't be reached."""

    code = "database_unavailable"


class SchemaError(FoliodError):
    """The database's schema does not fit this version of foliod."""

    code = "schema"


class LeaseLostError(FoliodError):
    """Another daemon has taken this document over; what was read here is dropped."""

    code = "lease_lost"


class EmbeddedServerError(FoliodError):
    """The embedded PostgreSQL could not be started."""

    code = "embedded_server"


# --- models -----------------------------------------------------------------------------


class OllamaError(FoliodError):
    """Ollama answered with an error."""

    code = "ollama"
    status = 502


class OllamaUnavailableError(OllamaError):
    """Ollama can't be reached."""

    code = "ollama_unavailable"
    status = 503


class OllamaTimeoutError(OllamaUnavailableError):
    """Ollama did not answer in time."""

    code = "ollama_timeout"
    status = 504


class OllamaBusyError(OllamaUnavailableError):
    """Ollama has too much to do just now."""


class OllamaLostError(OllamaUnavailableError):
    """Ollama hung up before it answered."""


class ModelBrokenError(OllamaUnavailableError):
    """The embedding model fails at every text."""


class CloudModelError(OllamaError):
    """This model runs on another company's machines, and allow_cloud is off."""

    code = "cloud_model"
    status = 400


class ModelMissingError(OllamaError):
    """Ollama does not have this model."""

    code = "model_missing"
    status = 503


class ContextExceededError(OllamaError):
    """The text is longer than the model's context."""

    code = "context_exceeded"


class BadVectorError(OllamaError):
    """Ollama returned a vector that can't be stored (NaN, zero, or of the wrong length)."""

    code = "bad_vector"


class BuildChangedError(OllamaError):
    """Ollama has another build of the embedding model than the one that made the stored vectors."""

    code = "build_changed"


class GenerationCutError(OllamaError):
    """The stream of the answer ended before the model was done."""

    code = "generation_cut"


# --- reading ----------------------------------------------------------------------------


class DocumentRefusedError(FoliodError):
    """This file can't be read as a PDF.

    `state` is the state the document takes (one of `foliod.base.model.DocumentState`).
    """

    code = "refused"

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class FileChangedError(FoliodError):
    """The file changed while it was read; it is read again when it is still."""

    code = "file_changed"
    status = 409


class FileGoneError(FileChangedError):
    """No file of this document can be opened on this host."""

    code = "file_gone"
    status = 410


class NotDrawnError(FoliodError):
    """The page can't be drawn."""

    code = "not_drawn"
    status = 422


class ChangedWhileReadError(FileChangedError):
    """The file changed under its reader; what was read of it is dropped."""


class FileUnfinishedError(FileChangedError):
    """The file is still being written; it is read when that has come to an end."""


class FileUnreadableError(FoliodError):
    """The file can't be opened."""

    code = "unreadable"


class WorkerDiedError(FoliodError):
    """The process that read this file died."""

    code = "worker_died"


class WorkerTimeoutError(WorkerDiedError):
    """Reading this file took too long and was stopped."""

    code = "worker_timeout"
