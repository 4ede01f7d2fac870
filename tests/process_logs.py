"""Logging of this process, which a test may set up as it likes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def logs_restored() -> Iterator[None]:
    """Give the process back its logging at the end of the body."""
    root, own = logging.getLogger(), logging.getLogger("foliod")
    before = root.handlers[:], root.level, own.level
    try:
        yield
    finally:
        root.handlers[:], root.level, own.level = before
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
