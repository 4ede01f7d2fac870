"""What a check of `foliod doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found: `ok`, `warn` (foliod works, something is missing) or `fail`, and how to mend it."""

    name: str
    status: Literal["ok", "warn", "fail"]
    message: str
    fix: str | None = None
