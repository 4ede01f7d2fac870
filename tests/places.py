"""Where tests put their folders."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temporary_dir() -> Iterator[Path]:
    """Make a folder that everybody may enter, in memory where there is room: cloning is 30 times as fast there."""
    memory = Path("/dev/shm")
    found = os.statvfs(memory) if memory.is_dir() and os.access(memory, os.W_OK) else None
    roomy = found is not None and found.f_bavail * found.f_frsize > 2**31 and not found.f_flag & os.ST_NOEXEC
    path = Path(tempfile.mkdtemp(prefix="fd-", dir=memory if roomy else "/tmp"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
