"""The kinds of values that settings have, and what of them is not shown."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

EMBEDDED = "embedded"
HIDDEN = "(hidden)"
_PLACE = r"(?:\[[^\]@/?#]*\]|[^@:/?#,\[\]]*)(?::\d*)?"
"""A host, and perhaps a port."""


def _absolute(path: Path) -> Path:
    if "\0" in os.fspath(path):
        msg = "holds a NUL character"
        raise ValueError(msg)
    return Path(os.path.abspath(os.path.expanduser(path)))


def _not_blank(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        msg = "is empty"
        raise ValueError(msg)
    return value


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _names_or_numbers(value: object) -> object:
    several = (value,) if isinstance(value, str | int) else value
    if not isinstance(several, list | tuple):
        return several
    return tuple(str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in several)


def _accounts(value: tuple[str, ...]) -> tuple[str, ...]:
    # Lists that mean nobody or everybody must say so; a blank name or "*" would be neither.
    if not all(re.fullmatch(r"[^\s*:,/\0]+", name) for name in value):
        msg = 'each must be the name or number of an account, such as "alice" or 1000'
        raise ValueError(msg)
    return value


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    value = tuple(origin.lower() for origin in value)
    if not all(re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#@*\s]+", origin) for origin in value):
        msg = 'each must be an origin without a path, such as "https://intranet.example"; there is no "*"'
        raise ValueError(msg)
    return value


AbsolutePath = Annotated[Path, BeforeValidator(_not_blank), AfterValidator(_absolute)]
"""`~` is the home folder; what is relative lies in the current folder."""
Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_several)]
"""A list; one text alone will do."""
Name = Annotated[str, BeforeValidator(_not_blank)]
Accounts = Annotated[tuple[str, ...], BeforeValidator(_names_or_numbers), AfterValidator(_accounts)]
"""Users or groups of this machine, by name or number."""
Origins = Annotated[tuple[str, ...], BeforeValidator(_one_or_several), AfterValidator(_origins)]


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def without_login(url: str) -> str:
    """Return an address without user and password; nothing of it where they can't be told apart."""
    if url == EMBEDDED:
        return url
    # An unescaped "@" in a password, a password in the query or in the place of a port would otherwise show.
    found = re.fullmatch(rf"(\w+://)([^@/?#]*@)?({_PLACE}(?:,{_PLACE})*(?:/[^@?#]*)?)", url)
    return f"{found[1]}{HIDDEN + '@' if found[2] else ''}{found[3]}" if found else HIDDEN
