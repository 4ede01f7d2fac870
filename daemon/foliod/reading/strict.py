"""Takes typed values out of JSON that may come from a process that was taken over."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CHARS = 2000
"""Characters of titles, reasons and headings."""


class MalformedError(ValueError):
    """A message does not fit."""


def demand(fits: bool, what: str) -> None:
    """Raise MalformedError unless it fits."""
    if not fits:
        msg = f"{what} does not fit"
        raise MalformedError(msg)


def whole(fields: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """Return a whole number between `low` and `high`."""
    value = fields[name]
    demand(type(value) is int and low <= value <= high, name)
    return int(value)


def number(fields: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """Return a finite number between `low` and `high`."""
    value = fields[name]
    demand(type(value) in {int, float} and math.isfinite(value) and low <= value <= high, name)
    return float(value)


def length(fields: Mapping[str, Any], name: str) -> float:
    """Return a length in points."""
    return number(fields, name, 0, 1e7)


def text(fields: Mapping[str, Any], name: str, limit: int) -> str:
    """Return text that can be stored, of at most `limit` characters."""
    value = fields[name]
    demand(isinstance(value, str) and len(value) <= limit and "\0" not in value, name)
    value.encode("utf-8")  # PostgreSQL stores no lone surrogates; UnicodeEncodeError is a ValueError
    return str(value)


def optional(fields: Mapping[str, Any], name: str) -> str | None:
    """Return text or None."""
    return None if fields[name] is None else text(fields, name, MAX_CHARS)


def date(fields: Mapping[str, Any], name: str) -> datetime | None:
    """Return a date with a time zone, or None."""
    if fields[name] is None:
        return None
    value = datetime.fromisoformat(text(fields, name, 64))
    demand(value.tzinfo is not None, name)
    return value
