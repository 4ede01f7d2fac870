"""Where settings come from: arguments, environment and the TOML file, strongest first; then secrets.

Relative paths start where they are written: in the file's folder, else in the current one.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, SecretStr, ValidationError

from foliod.base.config import Settings
from foliod.base.config_errors import PREFIX, SECTIONS, Table, misspelt, nearest, told
from foliod.base.errors import ConfigError

SYSTEM_CONFIG = Path("/etc/foliod/foliod.toml")
SYSTEM_SOCKET = Path("/run/foliod.sock")
"""Where the system's socket unit listens; the user's listens where an own daemon does, in $XDG_RUNTIME_DIR."""
OWN_VARIABLES = ("CONFIG",)
"""Variables of ours that are not settings."""
CREDENTIALS: Mapping[str, tuple[str, str]] = {
    "database_url": ("database", "url"),
    "database_direct_url": ("database", "direct_url"),
    "betterstack_token": ("betterstack", "token"),
    "token": ("server", "token_file"),
    "passwords": ("ingest", "passwords_file"),
}
"""What the service manager may hand over as files (`LoadCredential=` of systemd): the key that each stands for.

Of a key that names a file it is the file, else what the file holds. A key that is set anywhere else wins.
"""
SECRET_FILES = {
    ("database", "url"): "url_file",
    ("database", "direct_url"): "direct_url_file",
    ("betterstack", "token"): "token_file",
}
"""Keys that may stand in a file of their own, and the key that names the file."""
MOST_BYTES = 1_000_000


def load(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    secrets: bool = True,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings of this run.

    Args:
        path: the configuration file; None looks where `find` looks.
        overrides: what the command line says, as tables: `{"watch": [{"path": "/in"}]}`.
        secrets: whether to read the files of secrets. A client needs none, and may not be
            allowed to read them.
        environ: the environment.

    Raises ConfigError that names the file or variable, the key, and the nearest known key.
    """
    if path is None and (path := find(environ)) == SYSTEM_CONFIG and not secrets and not os.access(path, os.R_OK):
        # Whoever may ask the system's daemon need not be allowed to read how it is set up.
        path = None
    text = _read(path, "the configuration") if path is not None else ""
    tables = [_parse(text, path), _from_environment(environ), dict(overrides or {})]
    if path is not None:
        _anchor(tables[0], path.absolute().parent)
    if secrets:
        for table in tables:
            _read_secret_files(table)
    merged: Table = {}
    for table in tables:
        _merge(merged, table)
    credentials = _read_credentials(merged, environ, secrets=secrets)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(told(error, path, text, tables)) from None
    settings.note_credentials(credentials)
    return settings


def find(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the configuration file: `$FOLIOD_CONFIG`, else the user's, else the system's; None when there is none.

    For root the system's comes first.
    """
    if named := environ.get(f"{PREFIX}CONFIG"):
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    places = [Path(home) / "foliod/foliod.toml", SYSTEM_CONFIG]
    if os.geteuid() == 0:
        places.reverse()
    return next((place for place in places if os.path.lexists(place)), None)


# --- the sources ------------------------------------------------------------------------


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ConfigError(f"{path} is larger than {MOST_BYTES // 1000} kB; it can't be {what}")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{what} {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8; save the file in UTF-8") from error


def _parse(text: str, path: Path | None) -> Table:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        what = str(error)[: place.start()] if place else str(error)
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        raise ConfigError(f"{path}, line {line}: {misspelt(what, text.splitlines()[line - 1 : line])}") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply") from None


def _from_environment(environ: Mapping[str, str]) -> Table:
    """Return what `FOLIOD_KEY` and `FOLIOD_SECTION__KEY` say. Empty variables count as unset."""
    table: Table = {}
    for variable, value in sorted(environ.items()):
        name = variable.removeprefix(PREFIX)
        if name == variable or name in OWN_VARIABLES or not value:
            continue
        section, inside, key = name.lower().partition("__")
        if inside:
            if section not in SECTIONS:
                raise ConfigError(f"{variable}: there is no section {section}{nearest(section, SECTIONS)}")
            entry = table.setdefault(section, {})
            if not isinstance(entry, dict):
                raise ConfigError(f"{variable} and {PREFIX}{section.upper()} are both set; keep one of them")
            entry[key] = _value(variable, value, SECTIONS[section], key)
        elif section == "watch" or (section in Settings.model_fields and section not in SECTIONS):
            table[section] = _value(variable, value, Settings, section)
        elif section in SECTIONS:
            raise ConfigError(f"{variable} names a section; write {variable}__KEY")
        # Others may use the prefix too (Kubernetes sets FOLIOD_PORT): only what looks meant is refused.
        elif near := nearest(section, Settings.model_fields, cutoff=0.75):
            raise ConfigError(f"{variable}: there is no key {section}{near}")
    return table


def _value(variable: str, value: str, model: type[BaseModel], key: str) -> object:
    """Return a variable's value: JSON where it looks like it, a list by commas (folders by colons)."""
    field = model.model_fields.get(key)
    if field is None or get_origin(field.annotation) is not tuple:
        return value
    if value.lstrip().startswith(("[", "{")):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ConfigError(f"{variable} is not valid JSON: {error}") from None
    return [part.strip() for part in value.split(os.pathsep if key == "watch" else ",") if part.strip()]


def _anchor(table: Table, folder: Path) -> None:
    """Make relative paths of the file start at the file's folder: whoever reads it stands elsewhere."""
    watched = table.get("watch")
    tables = [table, *(_section(table, name) for name in SECTIONS)]
    tables += [entry for entry in watched if isinstance(entry, dict)] if isinstance(watched, list) else []
    for entry in tables:
        for key in (
            "path",
            "state_dir",
            "socket",
            "token_file",
            "url_file",
            "direct_url_file",
            "passwords_file",
            "tessdata",
        ):
            value = entry.get(key)
            if isinstance(value, str) and value.strip() and not value.startswith("~"):
                entry[key] = os.path.join(folder, value)


def _read_secret_files(table: Table) -> None:
    for (name, key), file_key in SECRET_FILES.items():
        section = _section(table, name)
        file = section.get(file_key)
        if not isinstance(file, str) or not file.strip():
            continue
        if key in section:
            raise ConfigError(f"[{name}] {key} and {file_key} are both set; keep one of them")
        section[key] = _secret(Path(os.path.expanduser(file)), f"the file of [{name}] {file_key},")


def _read_credentials(table: Table, environ: Mapping[str, str], *, secrets: bool) -> dict[tuple[str, str], str]:
    """Fill in what is set nowhere else; return which keys were, with the names of their credentials.

    Without `secrets` nothing is read, and the keys are told all the same.
    """
    found: dict[tuple[str, str], str] = {}
    if folder := environ.get("CREDENTIALS_DIRECTORY"):
        for name, (section, key) in CREDENTIALS.items():
            file = Path(folder, name)
            known = _section(table, section)
            if key in known or SECRET_FILES.get((section, key)) in known or not file.exists():
                continue
            found[section, key] = name
            if secrets:
                value = file if key.endswith("_file") else _secret(file, "the credential")
                table.setdefault(section, {})[key] = value
    return found


def _secret(file: Path, what: str) -> SecretStr:
    text = _read(file, what).strip()
    if not text:
        raise ConfigError(f"{what} {file} is empty")
    return SecretStr(text)


def _merge(into: Table, table: Table) -> None:
    """Let `table` override key by key; lists are replaced as a whole."""
    for key, value in table.items():
        mine = into.get(key)
        if isinstance(value, dict) and isinstance(mine, dict):
            for (section, secret), file_key in SECRET_FILES.items():
                if key == section and secret in value:
                    mine.pop(file_key, None)
        if isinstance(value, dict) and isinstance(mine, dict):
            _merge(mine, value)
        else:
            into[key] = dict(value) if isinstance(value, dict) else value


def _section(table: Table, name: str) -> Table:
    found = table.get(name)
    return found if isinstance(found, dict) else {}
