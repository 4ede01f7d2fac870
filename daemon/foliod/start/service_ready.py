"""Whether a service that was started can answer: systemd calls it started as soon as it can be asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from foliod.base.errors import FoliodError
from foliod.start.client import Client

if TYPE_CHECKING:
    from pathlib import Path

FIRST_LOOK_SECONDS: Final = 10.0
"""Folders are looked through meanwhile; a database that is away may stay so, and is waited for by the daemon itself."""
LOOK_SECONDS: Final = 0.2


def readiness(socket: Path, seconds: float = FIRST_LOOK_SECONDS) -> str:
    """Return "ready", or, after `seconds`, "not ready yet" and why."""
    until = time.monotonic() + seconds
    while True:
        try:
            with Client(socket) as client:
                reasons = client.not_ready()
        except FoliodError as error:
            reasons = [error.message]
        if not reasons:
            return "ready"
        if time.monotonic() > until:
            return f"not ready yet: {'; '.join(reasons)}"
        time.sleep(LOOK_SECONDS)
