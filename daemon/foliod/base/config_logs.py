"""What can be configured of the log: how it is written, and whether Better Stack gets it too."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from foliod.base.values import AbsolutePath, Name, Section

LOCAL = ("localhost", "127.0.0.1", "::1")
Level = Literal["debug", "info", "warning", "error"]


class Log(Section):
    """`[log]`."""

    level: Level = "info"
    format: Literal["auto", "json", "text"] = "auto"
    content: bool = False
    """Log questions and document text. Off: they never reach the log."""


class Betterstack(Section):
    """`[betterstack]`: what is logged goes there too, when there is a token."""

    token: SecretStr | None = None
    """The source token."""
    token_file: AbsolutePath | None = None
    host: Name = "in.logs.betterstack.com"
    """The ingesting host that Better Stack names beside the source."""
    level: Level = "info"

    @property
    def url(self) -> str:
        """Where lines are sent to."""
        return self.host if "://" in self.host else f"https://{self.host}"

    @field_validator("host")
    @classmethod
    def _not_in_clear(cls, value: str) -> str:
        url = urlsplit(value if "://" in value else f"https://{value}")
        if not url.hostname or url.username is not None or url.query or url.path not in ("", "/"):
            msg = 'must be a host name, such as "s123.eu-nbg-2.betterstackdata.com"'
            raise ValueError(msg)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOCAL):
            msg = "must be reached by https: the token and the log would go in clear"
            raise ValueError(msg)
        return value
