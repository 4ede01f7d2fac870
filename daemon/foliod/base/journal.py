"""Lines for systemd's journal, which tells by the beginning of a line how bad it is (sd-daemon(3))."""

from __future__ import annotations

import logging
import os
from typing import Final, TextIO

PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""syslog(3): the smaller the worse; what is below them all is for debugging, 7."""


def is_journal(stream: TextIO) -> bool:
    """Whether a stream goes to the journal: JOURNAL_STREAM holds its device and inode (systemd.exec(5))."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class ToJournal(logging.StreamHandler[TextIO]):
    """Writes lines with their priority, which the journal takes off again."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's lines: each becomes an entry of its own, and so has its own priority."""
        priority = next((number for level, number in PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))
