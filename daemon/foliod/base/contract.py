"""The shapes of requests in version 1 of the HTTP interface: what they may hold."""

from __future__ import annotations

import difflib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from foliod.base.errors import BadRequestError
from foliod.base.model import DocumentState, Filters

if TYPE_CHECKING:
    from foliod.base.access import Access

Mode = Literal["hybrid", "keyword", "vector"]

MAX_QUESTION_CHARS = 8000
MAX_TURNS = 100
MAX_HITS = 100
MAX_PASSAGES = 50
MAX_WAIT_SECONDS = 3600.0
FOREIGN_ROLES = ("system", "tool", "developer", "function")
"""Roles that other interfaces have; what the model is told to obey is never a client's to say."""
MAX_ID = 2**63 - 1
"""PostgreSQL's bigint."""
MAX_OFFSET = 2**31 - 1
"""PostgreSQL's integer."""


def _utf8(text: str) -> str:
    # PostgreSQL stores no NUL, and UTF-8 has no lone surrogates; neither was ever typed by a person.
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _some_words(text: str) -> str:
    if not text.strip():
        msg = "is empty; ask with at least one word"
        raise ValueError(msg)
    return text.strip()


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(cast("str", value))
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        msg = "must be a date such as 2024-05-31, or a date and time such as 2024-05-31T12:00:00Z"
        raise ValueError(msg) from None


def _settled_or_absolute(wait: str) -> str:
    if wait == "settled":
        return wait
    if not wait.startswith("/"):
        msg = 'must be "settled" or an absolute path'
        raise ValueError(msg)
    # Else "/watched/../etc" would be taken to lie in a watched folder.
    return os.path.normpath(wait)


def _absolute_or_none(folder: str) -> str:
    return _absolute(folder) if folder else folder


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        msg = "must be an absolute path"
        raise ValueError(msg)
    return path.replace("\0", "")


Text = Annotated[str, AfterValidator(_utf8)]
Words = Annotated[str, Field(max_length=MAX_QUESTION_CHARS), AfterValidator(_utf8), AfterValidator(_some_words)]
ModelName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_utf8)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Wait = Annotated[str, Field(max_length=4096), AfterValidator(_utf8), AfterValidator(_settled_or_absolute)]


Folder = Annotated[str, AfterValidator(_utf8), AfterValidator(_absolute_or_none)]
"""As people see it; empty is no restriction."""

AbsolutePath = Annotated[str, Field(max_length=65536), AfterValidator(_absolute)]
"""A path as JSON has it; a name that is not UTF-8 is meant by its replaced form, as answers show it."""


class Body(BaseModel):
    """A JSON body: unknown fields are refused, a number is not taken for a string."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Narrowed(Body):
    """What searches and questions have in common."""

    mode: Mode = "hybrid"
    folder: Folder | None = None
    document: int | None = Field(default=None, ge=1, le=MAX_ID)
    after: Moment | None = None
    before: Moment | None = None
    wait: Wait | None = None
    wait_seconds: float = Field(default=60.0, ge=0, le=MAX_WAIT_SECONDS)

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.after is not None and self.before is not None and self.after >= self.before:
            msg = "after must be earlier than before"
            raise ValueError(msg)
        return self

    def filters(self, access: Access | None) -> Filters:
        """Return the restrictions as a search takes them, with what the client may see."""
        return Filters(self.folder or None, self.document, self.after, self.before, access)


class SearchRequest(Narrowed):
    """`POST /v1/search`."""

    query: Words
    limit: int | None = Field(default=None, ge=1, le=MAX_HITS)
    """None is `[search] limit`."""


def _speaker(role: object) -> object:
    if role not in ("user", "assistant"):
        msg = (
            f'must be "user" or "assistant"; messages of {role!r} are not taken from clients'
            if role in FOREIGN_ROLES
            else 'must be "user" or "assistant"'
        )
        raise ValueError(msg)
    return role


class HistoryTurn(Body):
    """One earlier message of a conversation."""

    role: Annotated[Literal["user", "assistant"], BeforeValidator(_speaker)]
    content: Text


class AskRequest(Narrowed):
    """`POST /v1/ask`."""

    question: Words
    history: tuple[HistoryTurn, ...] = Field(default=(), max_length=MAX_TURNS, strict=False)
    limit: int | None = Field(default=None, ge=1, le=MAX_PASSAGES)
    model: ModelName | None = None
    think: bool | None = None
    stream: bool = True


class RetryRequest(Body):
    """`POST /v1/retry`: what is read again. A folder stands for what ended badly in it, `all` for all that did."""

    path: AbsolutePath | None = None
    document: int | None = Field(default=None, ge=1, le=MAX_ID)
    all: bool = False

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.path is not None) + (self.document is not None) + self.all != 1:
            msg = 'name one of "path", "document" and "all": true'
            raise ValueError(msg)
        return self


class ForgetRequest(Body):
    """`POST /v1/forget`: a watched folder of which files are missing that will not come back."""

    root: AbsolutePath


class ReembedRequest(Body):
    """`POST /v1/reembed`: have all embedded by `model` (the configured one when nothing is named), or `cancel` that.

    Or `drop` the vectors of a model that serves no more, by its name or the number of its space.
    """

    model: ModelName | None = None
    cancel: bool = False
    drop: ModelName | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.model is not None) + (self.drop is not None) + self.cancel > 1:
            msg = 'name only one of "model", "cancel": true and "drop"'
            raise ValueError(msg)
        if self.model_fields_set == {"cancel"} and not self.cancel:
            msg = '"cancel": false asks for nothing; name "model", "cancel": true or "drop", or send {} for the configured model'
            raise ValueError(msg)
        return self


class DocumentsQuery(BaseModel):
    """The query string of `GET /v1/documents`: all values arrive as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: DocumentState | None = None
    folder: Folder | None = None
    q: Text | None = Field(default=None, max_length=1000)
    limit: int = Field(default=50, ge=1, le=500)
    cursor: int = Field(default=0, ge=0, le=MAX_ID)


class PictureQuery(BaseModel):
    """The query string of `GET /v1/documents/{id}/pages/{n}.png`: what is marked, and how large the picture is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk: int | None = Field(default=None, ge=1, le=MAX_ID)
    """A passage, as hits name it."""
    start: int | None = Field(default=None, ge=0, le=MAX_OFFSET)
    end: int | None = Field(default=None, ge=1, le=MAX_OFFSET)
    """Code points into the document's text, its pages joined by a line end."""
    dpi: int = Field(default=110, ge=36, le=300)

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.start is None) != (self.end is None) or (self.start or 0) >= (self.end or MAX_OFFSET):
            msg = "start and end go together, and start is the smaller one"
            raise ValueError(msg)
        if self.chunk is not None and self.start is not None:
            msg = 'name either "chunk" or "start" and "end"'
            raise ValueError(msg)
        return self

    @property
    def span(self) -> tuple[int, int] | None:
        """What is marked when no chunk is named."""
        return None if self.start is None or self.end is None else (self.start, self.end)


Shape = TypeVar("Shape", bound=BaseModel)


def parse(shape: type[Shape], body: bytes) -> Shape:
    """Return a JSON body in its shape; raises BadRequestError that names every field that is wrong."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise BadRequestError(_told(error, shape)) from None


def parse_query(shape: type[Shape], query: dict[str, str]) -> Shape:
    """Return a query string in its shape; raises BadRequestError."""
    try:
        return shape.model_validate(query)
    except ValidationError as error:
        raise BadRequestError(_told(error, shape)) from None


def _told(error: ValidationError, shape: type[BaseModel]) -> str:
    told = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "json_invalid":
            return f"the body is not JSON: {problem['msg'].removeprefix('Invalid JSON: ')}"
        if problem["type"] == "model_type":
            return "the body must be a JSON object"
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(where, shape.model_fields, n=1)
            told.append(f'unknown field "{where}"' + (f', did you mean "{near[0]}"?' if near else ""))
            continue
        what = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        told.append(f"{where}: {what}" if where else what)
    return "; ".join(told)
