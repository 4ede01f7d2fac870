"""What can be configured: the sections, their keys, defaults and limits, checked across fields.

Where the values come from is the business of `foliod.base.sources`. The result is one frozen object
that is passed on as an argument; nothing else in foliod reads settings from the environment.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from foliod.base.config_database import Database
from foliod.base.config_logs import Betterstack, Log
from foliod.base.values import (
    HIDDEN,
    AbsolutePath,
    Accounts,
    Name,
    Origins,
    Section,
    Texts,
    without_login,
)


class Watch(Section):
    """`[[watch]]`: one folder to watch."""

    path: AbsolutePath
    recursive: bool = True
    include: Texts = Field(default=("*.pdf",), min_length=1)
    """Shell patterns on the file name, upper and lower case alike."""
    exclude: Texts = ()
    """Shell patterns on the name of a file or folder, or on its path below the watched folder."""
    poll: bool = False
    """Ask the file system again and again instead of waiting for events (network mounts)."""
    settle_seconds: float = Field(default=2.0, ge=0, le=3600)
    passwords_file: AbsolutePath | None = None
    """Passwords for the PDFs of this folder, one a line; tried before those of `[ingest] passwords_file`."""
    users: Accounts = ()
    groups: Accounts = ()
    """Who may read what lies here; with neither, everybody who may enter."""
    token: bool = False
    """Whether clients of the localhost door may read it too when `users` or `groups` restrict it."""

    @property
    def restricted(self) -> bool:
        """Whether only some may read what lies here."""
        return bool(self.users or self.groups)

    @model_validator(mode="before")
    @classmethod
    def _only_a_path(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str | Path) else value


class Ollama(Section):
    """`[ollama]`."""

    url: Texts = Field(default=("http://127.0.0.1:11434",), min_length=1, repr=False)
    """One address or several; the next is tried when one can't be reached."""
    embed_model: Name = "mxbai-embed-large"
    chat_model: str = "deepseek-r1:8b"
    """Writes the answers; "" is none: answers are quoted."""
    keep_alive: Name = "10m"
    num_ctx: int = Field(default=0, ge=0)
    """Upper limit of the context in tokens; 0 is the model's own."""
    think: bool | None = None
    """None lets the model decide; false switches thinking off where the model can think."""
    allow_cloud: bool = False
    """`:cloud` models send your documents to another company's machines."""
    connect_seconds: float = Field(default=2.0, gt=0)
    silence_seconds: float = Field(default=120.0, gt=0)
    """A request that brings nothing for so long is given up."""
    answer_seconds: float = Field(default=900.0, gt=0)
    """An answer that is not done after so long is stopped."""
    rewrite_seconds: float = Field(default=5.0, ge=0)
    """A question within a conversation is rewritten to stand alone by the chat model within so long; 0 is never."""

    @field_validator("url")
    @classmethod
    def _http(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(url.startswith(("http://", "https://")) for url in value):
            msg = "each address must start with http:// or https://"
            raise ValueError(msg)
        return tuple(url.rstrip("/") for url in value)

    @model_validator(mode="after")
    def _no_cloud(self) -> Ollama:
        for model in (self.embed_model, self.chat_model):
            if model.endswith(("-cloud", ":cloud")) and not self.allow_cloud:
                msg = f"{model} runs on another company's machines; set allow_cloud = true if you want that"
                raise ValueError(msg)
        return self


class Server(Section):
    """`[server]`."""

    socket: AbsolutePath | None = None
    http: str | None = None
    """`host:port` of the localhost door, such as "127.0.0.1:8420"; unset is off."""
    token_file: AbsolutePath | None = None
    """The bearer token for HTTP; made with mode 0600 when it is missing. Default: <state>/token."""
    allowed_hosts: Texts = ("localhost", "127.0.0.1", "[::1]")
    allowed_origins: Origins = ()
    """Web pages of other addresses that may ask at the localhost door, such as "https://intranet.example"."""
    metrics: Literal["visible", "all"] = "visible"
    """Whether GET /metrics tells the token's holders numbers of all documents, though they may not read them all."""
    users: Accounts = ()
    groups: Accounts = ()
    """Who may enter by the Unix socket; with neither, whoever its mode lets in. Root and our own user always may."""
    max_request_kb: int = Field(default=256, ge=16)
    max_requests: int = Field(default=128, ge=1)
    """Under way at once, of all clients."""
    max_client_requests: int = Field(default=32, ge=1)
    """Of one client: a user by the Unix socket, an address by TCP."""
    max_connections: int = Field(default=256, ge=8)
    request_seconds: float = Field(default=7200.0, gt=0)
    """A request that is not done after so long, waiting and answering included, is ended."""

    @field_validator("http")
    @classmethod
    def _host_port(cls, value: str | None) -> str | None:
        if value is not None:
            host, colon, port = value.rpartition(":")
            if not (host and colon and port.isdigit() and int(port) < 65536):
                msg = 'must be "host:port", such as "127.0.0.1:8420"'
                raise ValueError(msg)
        return value


class Ingest(Section):
    """`[ingest]`."""

    workers: int = Field(default=0, ge=0, le=64)
    """Processes that read PDFs; 0 is one fewer than the processors, at least one."""
    sweep_seconds: float = Field(default=300.0, gt=0)
    grace_seconds: float = Field(default=60.0, ge=0)
    """A deleted file leaves the answers after so long."""
    chunk_tokens: int = Field(default=220, ge=32, le=8192)
    """Upper limit of a chunk; never more than the embedding model takes."""
    overlap_tokens: int = Field(default=40, ge=0)
    max_file_mb: int = Field(default=1024, ge=1)
    max_pages: int = Field(default=20_000, ge=1)
    max_page_chars: int = Field(default=1_000_000, ge=1000)
    page_seconds: float = Field(default=20.0, gt=0)
    """A worker that finishes no page for so long is killed."""
    document_seconds: float = Field(default=1800.0, gt=0)
    worker_memory_mb: int = Field(default=1024, ge=256)
    max_attempts: int = Field(default=2, ge=1)
    """After so many abnormal ends a document is quarantined."""
    passwords_file: AbsolutePath | None = None
    """Passwords for PDFs that need one, one a line."""
    ocr: bool = True
    """Recognise the text of scanned pages, where Tesseract's language files are there."""
    ocr_languages: Texts = Field(default=("eng",), min_length=1, max_length=20)
    """Tesseract's codes, such as "deu"; the main one first."""
    tessdata: AbsolutePath | None = None
    """The folder of Tesseract's language files; found by itself in the usual places."""
    ocr_page_seconds: float = Field(default=120.0, gt=0)
    """Processor time for OCR of a page; one that takes longer is given up."""

    @field_validator("ocr_languages")
    @classmethod
    def _codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"(?:script/)?\w{2,40}", code, re.ASCII) for code in value):
            msg = 'each must be one of Tesseract\'s codes, such as "eng" or "chi_sim"'
            raise ValueError(msg)
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _overlap_fits(self) -> Ingest:
        if self.overlap_tokens * 2 > self.chunk_tokens:
            msg = "overlap_tokens must be at most half of chunk_tokens"
            raise ValueError(msg)
        return self


class Search(Section):
    """`[search]`."""

    limit: int = Field(default=10, ge=1, le=100)
    passages: int = Field(default=8, ge=1, le=50)
    """Passages that an answer is made from."""
    keyword_weight: float = Field(default=1.0, ge=0)
    vector_weight: float = Field(default=1.5, ge=0)
    title_weight: float = Field(default=1.25, ge=0)
    """What counts that a document's title, file name or folder is named in the question; 0: names say nothing."""
    embed_seconds: float = Field(default=2.0, gt=0)
    """A question whose embedding takes longer is answered by keyword."""


class Settings(Section):
    """The whole configuration."""

    state_dir: AbsolutePath | None = None
    watch: tuple[Watch, ...] = ()
    database: Database = Database()
    ollama: Ollama = Ollama()
    server: Server = Server()
    ingest: Ingest = Ingest()
    search: Search = Search()
    log: Log = Log()
    betterstack: Betterstack = Betterstack()
    _credentials: dict[tuple[str, str], str] = PrivateAttr(default_factory=dict)

    @property
    def state(self) -> Path:
        """The state folder: `state_dir`, else systemd's, else XDG's, else the user's."""
        if self.state_dir is not None:
            return self.state_dir
        if systemd := os.environ.get("STATE_DIRECTORY"):
            return Path(systemd.split(":")[0])
        if xdg := os.environ.get("XDG_DATA_HOME"):
            return Path(xdg) / "foliod"
        return Path("/var/lib/foliod") if os.geteuid() == 0 else Path.home() / ".local/share/foliod"

    @property
    def socket(self) -> Path:
        """The Unix socket that the daemon listens on."""
        if self.server.socket is not None:
            return self.server.socket
        # A state folder of one's own is a daemon of one's own: the two must not meet at the socket.
        if (runtime := os.environ.get("XDG_RUNTIME_DIR")) and self.state_dir is None:
            return Path(runtime) / "foliod.sock"
        return self.state / "foliod.sock"

    def printable(self) -> dict[str, Any]:
        """Return all settings as JSON has them, the paths that follow from them included, secrets hidden."""
        found = self.model_dump(mode="json")
        found["state_dir"] = str(self.state)
        found["server"]["socket"] = str(self.socket)
        url = self.database.url.get_secret_value()
        found["database"]["url"] = HIDDEN if self.database.url_file else without_login(url)
        if self.database.direct_url is not None:
            direct = without_login(self.database.direct_url.get_secret_value())
            found["database"]["direct_url"] = HIDDEN if self.database.direct_url_file else direct
        found["ollama"]["url"] = [without_login(url) for url in self.ollama.url]
        found["betterstack"]["token"] = None if self.betterstack.token is None else HIDDEN
        for (section, key), name in self._credentials.items():
            found[section][key] = f"{HIDDEN[:-1]}, from the credential {name})"
        return found

    def note_credentials(self, credentials: dict[tuple[str, str], str]) -> None:
        """Take down which keys, by section and name, the service manager gave, and by which of its names."""
        self._credentials = dict(credentials)

    @field_validator("watch", mode="before")
    @classmethod
    def _one_folder(cls, value: object) -> object:
        return (value,) if isinstance(value, dict | str) else value

    @model_validator(mode="after")
    def _roots_differ(self) -> Settings:
        paths = [watch.path for watch in self.watch]
        for path in paths:
            if paths.count(path) > 1:
                msg = f"{path} is watched twice; name it once"
                raise ValueError(msg)
            for other in paths:
                if other != path and path.is_relative_to(other):
                    msg = f"{path} lies inside {other}, which is watched too; name only one of them"
                    raise ValueError(msg)
        return self
