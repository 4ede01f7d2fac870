"""Which daemon to ask when the configuration can't be used: a mistake in it shuts nobody out of the one that runs."""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from foliod.base.config import Settings
from foliod.base.sources import find

if TYPE_CHECKING:
    from pathlib import Path

MOST_MISTAKES = 20
"""Lines that are no TOML, which are passed over."""


def what_can_be_known(file: Path | None) -> Settings:
    """Return settings that say where the daemon of a configuration with mistakes listens, and nothing else.

    That is what stands in the file, or in the environment, as far as it can be read; else the usual place.
    """
    path = file or find()
    table = _tolerant(path) if path is not None else {}
    server = table.get("server")
    state = os.environ.get("FOLIOD_STATE_DIR") or table.get("state_dir")
    socket = os.environ.get("FOLIOD_SERVER__SOCKET") or (server.get("socket") if isinstance(server, dict) else None)
    folder = "" if path is None else path.absolute().parent
    given: dict[str, Any] = {}
    if isinstance(state, str) and state.strip():
        given["state_dir"] = os.path.join(folder, os.path.expanduser(state))
    if isinstance(socket, str) and socket.strip():
        given["server"] = {"socket": os.path.join(folder, os.path.expanduser(socket))}
    try:
        return Settings.model_validate(given)
    except ValidationError:
        return Settings()


def _tolerant(path: Path) -> dict[str, Any]:
    """Return what stands in a file, without the lines that are no TOML."""
    try:
        lines = path.read_text("utf-8-sig", "replace").splitlines()
    except OSError:
        return {}
    for _ in range(MOST_MISTAKES):
        try:
            return tomllib.loads("\n".join(lines))
        except tomllib.TOMLDecodeError as error:
            place = re.search(r"at line (\d+)", str(error))
            wrong = int(place[1]) - 1 if place else len(lines) - 1
            if not 0 <= wrong < len(lines):
                break
            lines[wrong] = ""
        except RecursionError:
            break
    return {}
