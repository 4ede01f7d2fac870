"""What the files of a service say here: the shipped ones with this installation's command, and a drop-in for the rest.

The drop-in holds what differs from machine to machine: a state folder elsewhere, servers elsewhere that the service
may talk to, and what only some versions of systemd know or some kernels allow.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from foliod.base.assets import asset
from foliod.base.errors import ConfigError
from foliod.start.service_manager import SERVICE, SOCKET
from foliod.store import address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foliod.base.config import Settings

SYSTEM_STATE: Final = Path("/var/lib/foliod")
RUN: Final = re.compile(r"^ExecStart=.*$", re.MULTILINE)
RELOAD: Final = re.compile(r"^ExecReload=.*$", re.MULTILINE)
LISTEN: Final = re.compile(r"^ListenStream=.*$", re.MULTILINE)
STEPS_SINCE: Final = 254
"""The version of systemd that came to know RestartSteps=."""
ANY: Final = "any"
NO_NAMESPACE: Final = (
    "PrivateUsers=no",
    # These take powers away, which needs one: those of CAP_SETPCAP.
    "CapabilityBoundingSet=~",
    *(f"{name}=no" for name in ("PrivateDevices", "ProtectClock", "ProtectKernelLogs", "ProtectKernelModules")),
)
"""For a user's service without a user namespace; found by trying with systemd 252."""


def command() -> list[str]:
    """Return how this installation is started, whatever it was called by."""
    script = Path(sys.executable).with_name("foliod")
    return [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-m", "foliod"]


def quoted(word: str | Path) -> str:
    """Return a word as unit files have it: specifiers and variables as they stand, quotes where it needs them."""
    text = str(word).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if re.fullmatch(r"[\w./%@:+,=-]+", text, re.ASCII) else f'"{text}"'


def service(*, user: bool, config: Path) -> str:
    """Return the service unit, with this installation's command and the configuration's path."""

    def line(key: str, *words: str) -> str:
        program, *fixed = command()
        more = [*fixed, *words, "--config", str(config)]
        # After the program itself, "$" begins a variable.
        return f"{key}={' '.join([quoted(program), *(quoted(word.replace('$', '$$')) for word in more)])}"

    text = RUN.sub(lambda _: line("ExecStart", "run"), _shipped(user, SERVICE))
    return RELOAD.sub(lambda _: line("ExecReload", "service", "reload"), text)


def socket(*, user: bool, path: Path | None) -> str:
    """Return the socket unit; `path` is where it listens, None where the shipped one does."""
    text = _shipped(user, SOCKET)
    return text if path is None else LISTEN.sub(lambda _: f"ListenStream={str(path).replace('%', '%%')}", text)


def drop_in(
    *, user: bool, state: Path, version: int, hosts: Iterable[str], data_home: str | None, namespaces: bool
) -> str | None:
    """Return what to add to the service unit on this machine, None when nothing.

    Args:
        user: whether it is a user's service.
        state: the state folder.
        version: systemd's version.
        hosts: the hosts elsewhere that the service has to reach.
        data_home: $XDG_DATA_HOME, where it is set and decides about the state folder.
        namespaces: whether a user's service may have a user namespace of its own.
    """
    lines: list[str] = []
    if state != (Path.home() / ".local/share/foliod" if user else SYSTEM_STATE):
        lines += ["# The state folder that the configuration names.", f"ReadWritePaths={quoted(state)}"]
    if data_home is not None:
        lines += [
            "# As in the session that installed the service.",
            f'Environment="XDG_DATA_HOME={_inside(data_home)}"',
        ]
    if user and not namespaces:
        lines += ["# This kernel allows users no namespaces, and what needs one to be had is left out.", *NO_NAMESPACE]
    if not user and (allowed := _addresses(hosts)):
        lines += [f"# For {', '.join(sorted(set(hosts)))}, which the configuration names."]
        lines += (
            ["# The addresses of a host that has a name may change: any may be talked to."] if ANY in allowed else []
        )
        lines += [f"IPAddressAllow={' '.join([ANY] if ANY in allowed else allowed)}"]
    if version >= STEPS_SINCE:
        lines += ["# Crash after crash, the pause before a restart grows.", "RestartSteps=6", "RestartMaxDelaySec=60"]
    return "\n".join(["[Service]", *lines, ""]) if lines else None


def remote_hosts(settings: Settings) -> list[str]:
    """Return the hosts elsewhere that the settings name: of the database, Ollama and Better Stack. Raises ConfigError."""
    try:
        hosts = [urlsplit(url).hostname or "" for url in settings.ollama.url]
        if not settings.database.embedded:
            for url in (settings.database.url.get_secret_value(), settings.database.direct):
                hosts += address.parse(url).hosts
        if settings.betterstack.token is not None:
            hosts.append(urlsplit(settings.betterstack.url).hostname or "")
    except ValueError as error:
        raise ConfigError(f"[ollama] url or [database] url is no address: {error}") from None
    return sorted({host for host in hosts if address.elsewhere(host)})


def file_of(kind: str) -> str:
    """Return what `sysusers` or `tmpfiles` files say."""
    return asset(f"systemd/{kind}.d/foliod.conf").read_text("utf-8")


def sample(watched: Iterable[Path], *, user: bool) -> str:
    """Return a new configuration: the commented sample, with the folders to watch."""
    text = asset("config/foliod.toml").read_text("utf-8")
    roots = "".join(f"[[watch]]\npath = {_toml(path)}\n\n" for path in watched)
    before, place, after = text.partition("# --- where documents are stored")
    text = before + roots + place + after
    if not user:
        text = text.replace('# socket = "/run/foliod.sock"', 'socket = "/run/foliod.sock"')
    return text


def _shipped(user: bool, name: str) -> str:
    return asset(f"systemd/{'user' if user else 'system'}/{name}").read_text("utf-8")


def _addresses(hosts: Iterable[str]) -> list[str]:
    return sorted({host if _literal(host) else ANY for host in hosts})


def _literal(host: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


def _inside(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _toml(path: Path) -> str:
    escaped = "".join(f"\\u{ord(char):04x}" if ord(char) < 32 or char in '"\\\x7f' else char for char in str(path))
    return f'"{escaped}"'
