"""What commands have in common: settings, the daemon's client, and how they print."""

# ruff: noqa: PLC0415 - imports inside functions are what keeps the other commands quick to start
# ruff: noqa: T201 - printing is what a command line does

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from foliod.base.config import Settings
    from foliod.start.client import Client
    from foliod.start.terminal import Terminal


def settings_of(file: Path | None, overrides: Mapping[str, Any] | None = None, *, secrets: bool = False) -> Settings:
    """Return the settings in force. Raises ConfigError."""
    from foliod.base.sources import load

    return load(file, overrides, secrets=secrets)


def client_of(file: Path | None) -> Client:
    """Return a connection to the daemon that the settings name, or to the system's.

    With a configuration that can't be used it is the one that runs all the same, and that is told. Raises ConfigError
    where none runs.
    """
    from foliod.base.errors import ConfigError
    from foliod.start.client import Client

    try:
        settings = settings_of(file)
    except ConfigError as error:
        from foliod.start.fallback import what_can_be_known

        client = Client(socket_of(what_can_be_known(file), file))
        if not client.answered():
            raise
        for line in error.message.splitlines():
            terminal().say(f"warning: {line}", "yellow")
        terminal().say(f"warning: asking the daemon at {client.socket}, which runs with what it read before", "yellow")
        return client
    return Client(socket_of(settings, file))


def socket_of(settings: Settings, file: Path | None = None) -> Path:
    """Return the socket to ask at: one's own daemon's; where that has none, the system service's.

    Who names a socket, or a state folder of one's own, means that daemon and no other.
    """
    from foliod.base.sources import SYSTEM_CONFIG, SYSTEM_SOCKET, find

    own = settings.socket
    elsewhere = settings.state_dir is not None and (file or find()) != SYSTEM_CONFIG
    if settings.server.socket is None and not elsewhere and not os.path.lexists(own) and os.path.lexists(SYSTEM_SOCKET):
        return SYSTEM_SOCKET
    return own


def print_json(data: Any) -> None:
    """Print an answer: indented on a terminal, else on one line."""
    print(json.dumps(data, ensure_ascii=not _unicode(), indent=2 if sys.stdout.isatty() else None), flush=True)


def print_events(events: Iterator[dict[str, Any]]) -> None:
    """Print events as they come; an error event ends the command with 1."""
    kind = None
    for event in events:
        kind = event.get("type")
        print(json.dumps(event, ensure_ascii=not _unicode()), flush=True)
    if kind == "error":
        raise typer.Exit(1)


def _unicode() -> bool:
    # On a terminal everything is escaped that could steer it.
    return not sys.stdout.isatty() and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def pause() -> None:
    """Wait before looking again."""
    import time

    from foliod.start.dashboard import LOOK_SECONDS

    time.sleep(LOOK_SECONDS)


def terminal() -> Terminal:
    """Return what there is to write to."""
    from foliod.start.terminal import Terminal

    return Terminal()


def complain(message: str, code: str, *, as_json: bool) -> None:
    """Say what went wrong; as JSON in the shape that HTTP has, on one line."""
    if as_json:
        print(json.dumps({"error": {"code": code, "message": message}}), file=sys.stderr, flush=True)
        return
    to = terminal()
    for line in message.splitlines():
        to.say(f"error: {line}", "red")
