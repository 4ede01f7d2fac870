"""Configuration: read once, checked across fields, passed on as one frozen object.

Sources, strongest first: arguments, environment (`FOLIOD_SECTION__KEY`), the TOML file.
Nothing else in foliod reads the environment for settings.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from foliod.errors import ConfigError

EMBEDDED = "embedded"


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Watch(Section):
    """`[[watch]]`: one folder to watch."""

    path: Path
    recursive: bool = True
    include: tuple[str, ...] = ("*.pdf",)
    """Shell patterns on the file name, upper and lower case alike."""
    exclude: tuple[str, ...] = ()
    """Shell patterns on the file name or on the path below the watched folder."""
    poll: bool = False
    """Ask the file system again and again instead of waiting for events (network mounts)."""
    settle_seconds: float = Field(default=2.0, ge=0, le=3600)

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return Path(os.path.abspath(value.expanduser()))


class Database(Section):
    """`[database]`."""

    url: SecretStr = SecretStr(EMBEDDED)
    pool_size: int = Field(default=8, ge=2, le=100)
    shared_buffers_mb: int = Field(default=128, ge=16)
    """Only for the embedded server."""

    @property
    def embedded(self) -> bool:
        """Whether foliod runs PostgreSQL itself."""
        return self.url.get_secret_value() == EMBEDDED

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url != EMBEDDED and not url.startswith(("postgresql://", "postgres://")):
            msg = 'must be "embedded" or start with postgresql://'
            raise ValueError(msg)
        return value


class Ollama(Section):
    """`[ollama]`."""

    url: tuple[str, ...] = ("http://127.0.0.1:11434",)
    """One address or several; the next is tried when one can't be reached."""
    embed_model: str = "mxbai-embed-large"
    chat_model: str = "deepseek-r1:8b"
    keep_alive: str = "10m"
    num_ctx: int = Field(default=0, ge=0)
    """Upper limit of the context in tokens; 0 is the model's own."""
    think: bool | None = None
    """None lets the model decide; false switches thinking off where the model can think."""
    allow_cloud: bool = False
    """`:cloud` models send your documents to another company's machines."""
    connect_seconds: float = Field(default=2.0, gt=0)
    silence_seconds: float = Field(default=120.0, gt=0)
    """A request that brings nothing for so long is given up."""

    @field_validator("url", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("url")
    @classmethod
    def _http(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(url.startswith(("http://", "https://")) for url in value):
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

    socket: Path | None = None
    http: str | None = None
    """`host:port` of the localhost door, such as "127.0.0.1:8420"; unset is off."""
    token_file: Path | None = None
    """The bearer token for HTTP; made with mode 0600 when it is missing. Default: <state>/token."""
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    max_request_kb: int = Field(default=256, ge=16)

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
    vector_weight: float = Field(default=1.0, ge=0)
    embed_seconds: float = Field(default=2.0, gt=0)
    """A question whose embedding takes longer is answered by keyword."""


class Log(Section):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"
    content: bool = False
    """Log questions and document text. Off: they never reach the log."""


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(env_prefix="FOLIOD_", env_nested_delimiter="__", extra="forbid", frozen=True)

    state_dir: Path | None = None
    watch: tuple[Watch, ...] = ()
    database: Database = Database()
    ollama: Ollama = Ollama()
    server: Server = Server()
    ingest: Ingest = Ingest()
    search: Search = Search()
    log: Log = Log()

    @property
    def state(self) -> Path:
        """The state folder: `state_dir`, else systemd's, else XDG's, else the user's."""
        if self.state_dir is not None:
            return Path(os.path.abspath(self.state_dir.expanduser()))
        if systemd := os.environ.get("STATE_DIRECTORY"):
            return Path(systemd.split(":")[0])
        if xdg := os.environ.get("XDG_DATA_HOME"):
            return Path(xdg) / "foliod"
        return Path("/var/lib/foliod") if os.geteuid() == 0 else Path.home() / ".local/share/foliod"

    @property
    def socket(self) -> Path:
        """The Unix socket that the daemon listens on."""
        if self.server.socket is not None:
            return Path(os.path.abspath(self.server.socket.expanduser()))
        if (runtime := os.environ.get("XDG_RUNTIME_DIR")) and self.state_dir is None:
            return Path(runtime) / "foliod.sock"
        return self.state / "foliod.sock"

    @model_validator(mode="after")
    def _roots_differ(self) -> Settings:
        paths = [watch.path for watch in self.watch]
        for path in paths:
            if paths.count(path) > 1:
                msg = f"watch: {path} is named twice"
                raise ValueError(msg)
            for other in paths:
                if other != path and path.is_relative_to(other):
                    msg = f"watch: {path} lies inside {other}; name only one of them"
                    raise ValueError(msg)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, file."""
        del dotenv_settings, file_secret_settings
        file = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, file
