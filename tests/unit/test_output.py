"""What a command says when the system refuses something."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def foliod(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "foliod", *args],
        stderr=subprocess.PIPE, text=True, check=False, timeout=60, **options,
    )  # fmt: skip


def test_output_that_can_not_be_written_is_told():
    """A full disk under `foliod config > file` is no traceback, and no success."""
    with Path("/dev/full").open("wb") as full:
        done = foliod("config", "--defaults", stdout=full)
    assert (done.returncode, done.stderr) == (1, "error: the output can't be written: No space left on device\n")


def test_who_has_read_enough_is_told_nothing():
    """`foliod config --defaults | head -1` ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = foliod("config", "--defaults", stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_else_the_system_refuses_is_not_laid_to_the_output(tmp_path):
    """In a folder that was removed meanwhile a relative path leads nowhere; with the output all is well."""
    gone = tmp_path / "gone"
    gone.mkdir()
    done = foliod(
        "run", "inbox", stdout=subprocess.DEVNULL, preexec_fn=lambda: (os.chdir(gone), gone.rmdir()),
        env=os.environ | {"FOLIOD_STATE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "error: No such file or directory\n")
