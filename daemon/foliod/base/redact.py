"""What never reaches a log: secrets in any field or message, and what users ask or documents say.

Secrets are known by the field's name, by how they are written (a login in an address, `password=…`, `Bearer …`), and
by their value where foliod itself holds them.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from foliod.base.values import HIDDEN

if TYPE_CHECKING:
    from foliod.base.config import Settings

CONTENT_KEYS = frozenset({"answer", "history", "passage", "query", "question", "quote", "text"})
"""Fields that carry what a user asked or what a document says."""
SECRET_KEYS = frozenset(
    {"api_key", "authorization", "cookie", "credential", "dsn", "password", "passwords", "secret", "token"}
)
WITHHELD = "(withheld; [log] content = false)"
LEAST_CHARS = 6
"""A shorter secret is not looked for by its value: it would be found in ordinary words."""

# Bounded, since what is searched may be long, and made by somebody who wants this to take long.
_LOGIN = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://)\S{0,2000}@")
"""To the last "@": a password may hold unescaped ones, and slashes."""
_NAME = r"(?:password|passwd|passphrase|pwd|token|secret|api_?key)"
_NAMED = re.compile(
    rf"""({_NAME}\s{{0,3}}=\s{{0,3}}|{_NAME}["']\s{{0,3}}:\s{{0,3}})("[^"]{{0,2000}}"|'[^']{{0,2000}}'|[^\s&,;)\]}}]+)""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\b(?:bearer|basic)\s{1,3})[\w.~+/=-]{6,}", re.IGNORECASE)


class Secrets:
    """The secrets that this process holds; what contains one of them is told without it."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def hide(self, *values: str | None) -> None:
        """Let these values, as they are and as addresses write them, never be told."""
        for value in values:
            if value and len(value) >= LEAST_CHARS:
                self._values |= {value, quote(value, safe=""), quote(value)}
        if self._values:
            longest_first = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(HIDDEN, text)
        # Most texts have none of it, which is known sooner this way.
        if "@" in text and "://" in text:
            text = _LOGIN.sub(rf"\1{HIDDEN}@", text)
        if "=" in text or '":' in text or "':" in text:
            text = _NAMED.sub(rf"\1{HIDDEN}", text)
        if " " in text and ("bearer" in (low := text.lower()) or "basic" in low):
            text = _BEARER.sub(rf"\1{HIDDEN}", text)
        return text

    def value(self, value: Any) -> Any:
        """Return a value of a log's field without secrets, whatever it is made of."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                key: HIDDEN if key in SECRET_KEYS and inner is not None else self.value(inner)
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(part) for part in value]
        if value is None or isinstance(value, int | float):
            return value
        return self.text(str(value))


SECRETS = Secrets()
"""Those of this process: whoever reads a secret adds it."""


def hide_secrets_of(settings: Settings) -> None:
    """Let no secret of the configuration be told."""
    database = settings.database
    direct = "" if database.direct_url is None else database.direct_url.get_secret_value()
    for url in (database.url.get_secret_value(), direct, *settings.ollama.url):
        SECRETS.hide(*_passwords(url))
    if settings.betterstack.token is not None:
        SECRETS.hide(settings.betterstack.token.get_secret_value())


def _passwords(url: str) -> list[str | None]:
    with suppress(ValueError):
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        return [parts.password and unquote(parts.password), *query.get("password", ()), *query.get("sslpassword", ())]
    return []
