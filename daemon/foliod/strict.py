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


def malformed(what: str) -> MalformedError:
    """Return the error that says what does not fit."""
    return MalformedError(f"a message does not fit: {what}")


def whole(fields: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """Return a whole number between `low` and `high`."""
    value = fields[name]
    if type(value) is not int or not low <= value <= high:
        raise malformed(name)
    return value


def number(fields: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """Return a finite number between `low` and `high`."""
    value = fields[name]
    if type(value) not in {int, float} or not (math.isfinite(value) and low <= value <= high):
        raise malformed(name)
    return float(value)


def length(fields: Mapping[str, Any], name: str) -> float:
    """Return a length in points."""
    return number(fields, name, 0, 1e7)


def text(fields: Mapping[str, Any], name: str, limit: int) -> str:
    """Return text that can be stored, of at most `limit` characters."""
    value = fields[name]
    if not isinstance(value, str) or len(value) > limit or "\0" in value:
        raise malformed(name)
    value.encode("utf-8")  # PostgreSQL stores no lone surrogates; UnicodeEncodeError is a ValueError
    return value


def optional(fields: Mapping[str, Any], name: str) -> str | None:
    """Return text or None."""
    return None if fields[name] is None else text(fields, name, MAX_CHARS)


def date(fields: Mapping[str, Any], name: str) -> datetime | None:
    """Return a date with a time zone, or None."""
    if fields[name] is None:
        return None
    value = datetime.fromisoformat(text(fields, name, 64))
    if value.tzinfo is None:
        raise malformed(name)
    return value
