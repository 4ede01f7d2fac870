"""The address of a PostgreSQL: what libpq's parameters in it mean, and what asyncpg is told of them.

asyncpg sends every parameter that it does not know to the server, which refuses it. Each one of libpq is
therefore mapped here, or left out because it changes nothing, or refused because it asks for what can't be held.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from foliod.base.errors import ConfigError
from foliod.store.tls import MODES, context

CONNECT_SECONDS: Final = 10.0
"""A new connection is made within so long; `connect_timeout` changes it."""
ANSWER_SECONDS: Final = 2.0
"""A server of this machine that lives takes a new connection, and answers on it, within so long."""
COLD_SECONDS: Final = 10.0
"""One elsewhere may first have to be woken, as those that stop when nobody asks (Neon, Aurora)."""
KEEP_ALIVE: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
"""A connection of which nothing is heard is given up within 30 s (tcp(7); seconds, a count, milliseconds)."""

SOCKET: Final = {
    "keepalives_idle": "TCP_KEEPIDLE", "keepalives_interval": "TCP_KEEPINTVL", "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}  # fmt: skip
TLS: Final = (
    "sslrootcert", "sslcrl", "sslcert", "sslkey", "sslpassword", "ssl_min_protocol_version", "ssl_max_protocol_version",
)  # fmt: skip
WITHOUT_EFFECT: Final = {
    "sslcompression", "sslcertmode", "fallback_application_name", "application_name", "load_balance_hosts",
    "min_protocol_version", "max_protocol_version", "sslkeylogfile", "gssdelegation", "uselibpqcompat",
}  # fmt: skip
"""They change nothing that foliod relies on: its connections are named, and hosts are tried in their order."""
REFUSED: Final = {
    "service": "write the whole address into [database] url",
    "servicefile": "write the whole address into [database] url",
    "hostaddr": "write the number as the host",
    "require_auth": "what it asks for can't be held here; let the server's pg_hba.conf say it",
    "requirepeer": "what it asks for can't be held here; put the socket into a folder that only its user may enter",
    "replication": "foliod does not replicate",
    "sslcrldir": "name a file with sslcrl",
    "schema": "foliod's tables are in the schema foliod",
}


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach a PostgreSQL."""

    dsn: str = field(repr=False)
    """For asyncpg, without what it would send to the server."""
    shown: str
    """Hosts and database for people: never with user or password."""
    hosts: tuple[str, ...]
    """Their names or addresses, or paths of sockets; empty for this machine's own."""
    remote: bool
    """Whether a network lies between."""
    mode: str
    """One of libpq's sslmodes."""
    verified: bool
    """Whether the server's certificate is checked."""
    tls: ssl.SSLContext | bool | None = field(repr=False)
    """For asyncpg: False is without TLS, None leaves it to `mode`."""
    settings: Mapping[str, str]
    """What the server is asked to set for a session."""
    connect_seconds: float
    answer_seconds: float
    keep_alive: Mapping[str, int]
    pooled: bool | None
    """Whether a pooler is known to stand before it, by its name or a parameter; None when it isn't known."""
    notes: tuple[str, ...]
    """What an administrator should know of it."""

    def arguments(self, settings: Mapping[str, str]) -> dict[str, Any]:
        """Return what asyncpg is to be given, with `settings` for the server."""
        return {"dsn": self.dsn, "ssl": self.tls, "server_settings": {**self.settings, **settings}}

    @property
    def weak(self) -> str | None:
        """Why who listens or answers on the network may read what is stored; None when nobody may."""
        if not self.remote or self.verified:
            return None
        if self.mode == "require":
            return "sslmode=require encrypts, and does not check who answers"
        return f"sslmode={self.mode} may send passwords and documents over the network for all to read"


@lru_cache(maxsize=16)
def parse(dsn: str) -> Address:
    """Read an address. Raises ConfigError for what can't be held, ValueError for what is no address."""
    parts = urlsplit(dsn)
    given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)) if parts.query else {}
    for name, instead in REFUSED.items():
        if given.get(name):
            msg = f"[database] url: foliod can't use {name}: {instead}"
            raise ConfigError(msg)
    take = given.pop
    hosts = _hosts(parts.netloc.rpartition("@")[2] or given.get("host") or os.environ.get("PGHOST") or "")
    remote = any(map(elsewhere, hosts))
    notes: list[str] = []
    mode, tls, verified = _tls(given, remote, notes)
    _refuse_unheld(given)
    seconds = _number("connect_timeout", take("connect_timeout", ""), float)
    # libpq: 0 is for ever, and 1 counts as 2.
    connect = CONNECT_SECONDS if not seconds or seconds < 0 else max(2.0, seconds)
    pooled = take("pgbouncer", "") == "true" or any(map(_named_pooler, hosts)) or None
    for name in ("schema", "connection_limit", "pool_timeout", *REFUSED, *WITHOUT_EFFECT):
        take(name, None)
    keep_alive = _keep_alive(given)
    settings = {"options": value} if (value := take("options", "")) else {}
    query = urlencode(given)
    return Address(
        dsn=parts._replace(query=query).geturl() if parts.query else dsn,
        shown=address_of(dsn), remote=remote, mode=mode, verified=verified, tls=tls, settings=settings,
        hosts=tuple(hosts), connect_seconds=connect,
        answer_seconds=(max(COLD_SECONDS, connect) if seconds else COLD_SECONDS) if remote else (seconds or ANSWER_SECONDS),
        keep_alive=keep_alive, pooled=pooled, notes=tuple(notes),
    )  # fmt: skip


def address_of(dsn: str) -> str:
    """Return hosts and database of an address for people, without user and password."""
    with suppress(ValueError):
        parts = urlsplit(dsn)
        # An unescaped "/", "?" or "#" in a password cuts the address in the wrong place.
        if "@" not in parts.path + parts.query + parts.fragment:
            host = parts.netloc.rpartition("@")[2] or ", ".join(parse_qs(parts.query).get("host", ["localhost"]))
            return f"{host}{parts.path}"
    return "the address in [database] url"


def _tls(given: dict[str, str], remote: bool, notes: list[str]) -> tuple[str, ssl.SSLContext | bool | None, bool]:
    """Take what is said of TLS; return the mode, what asyncpg is given, and whether the certificate is checked."""
    binding = given.pop("channel_binding", None) or os.environ.get("PGCHANNELBINDING", "prefer")
    written = given.pop("sslmode", None) or os.environ.get("PGSSLMODE") or None
    if given.pop("requiressl", "0") == "1":
        written = written or "require"
    # As other clients write it; more than the default it can't mean.
    if (plain := given.pop("ssl", None)) is not None and plain.lower() not in ("true", "1", "false", "0"):
        msg = "[database] url: ssl must be true or false; better write sslmode"
        raise ConfigError(msg)
    if written is None and plain is not None:
        written = "verify-full" if plain.lower() in ("true", "1") else "disable"
    if written is not None and written not in MODES:
        msg = f"[database] url: sslmode must be one of {', '.join(MODES)}"
        raise ConfigError(msg)
    parameters: dict[str, str] = {name: given.pop(name) for name in TLS if name in given}
    asked = parameters.get("sslrootcert") == "system"
    mode = written or ("verify-full" if remote or asked else "prefer")
    if binding == "require":
        if MODES.index(mode) < MODES.index("require") and written is not None:
            msg = f"[database] url: channel_binding=require does not go with sslmode={mode}; leave sslmode out"
            raise ConfigError(msg)
        # It asks that nobody can stand between; a certificate that is checked in full says the same of the server.
        if remote and mode != "verify-full":
            notes.append(
                "channel_binding is not offered by asyncpg: the server's certificate is checked in full instead"
            )
            mode = "verify-full"
    elif binding not in ("prefer", "disable"):
        msg = "[database] url: channel_binding must be one of disable, prefer, require"
        raise ConfigError(msg)
    if mode == "disable":
        return mode, False, False
    if MODES.index(mode) < MODES.index("require"):
        # asyncpg's own fallback needs the mode as it is written.
        given["sslmode"] = mode
        return mode, None, False
    made, verified = context(mode, parameters)
    return mode, made, verified


def _refuse_unheld(given: dict[str, str]) -> None:
    if given.pop("gssencmode", "disable") == "require":
        msg = "[database] url: gssencmode=require can't be held: foliod encrypts with TLS only"
        raise ConfigError(msg)
    if given.pop("sslsni", "1") == "0":
        msg = "[database] url: sslsni=0 can't be held: the name of the server is always sent"
        raise ConfigError(msg)
    if given.pop("client_encoding", "utf8").lower().replace("-", "") not in ("utf8", "auto", "unicode"):
        msg = "[database] url: client_encoding must be UTF8"
        raise ConfigError(msg)


def _keep_alive(given: dict[str, str]) -> dict[str, int]:
    """Take what is said of signs of life; an empty result is none."""
    on = given.pop("keepalives", "1") != "0"
    named = {option: _number(name, given.pop(name, ""), int) for name, option in SOCKET.items()}
    # 0 is the system's own.
    found = {option: KEEP_ALIVE[option] if value is None else value for option, value in named.items() if value != 0}
    return found if on else {}


def _number(name: str, text: str, kind: Callable[[str], Any]) -> Any:
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        msg = f"[database] url: {name} must be a number"
        raise ConfigError(msg) from None


def _hosts(listed: str) -> list[str]:
    """Return the hosts of `[::1]:5432,db.example:5433` without their ports; none is a socket of this machine."""
    hosts = []
    for entry in filter(None, listed.split(",")):
        name = unquote(entry)
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif not name.startswith("/"):
            name = name.partition(":")[0]
        hosts.append(name)
    return hosts


def elsewhere(host: str) -> bool:
    """Whether a host, by its name or address, is another machine than this."""
    if not host or host.startswith("/") or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _named_pooler(host: str) -> bool:
    """Whether a host's name says that it is a pooler: Neon's, and Supabase's in transaction mode by its name."""
    first, _, domain = host.partition(".")
    return first.endswith("-pooler") and (domain == "neon.tech" or domain.endswith(".neon.tech"))
