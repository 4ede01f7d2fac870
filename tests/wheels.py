"""The wheel, built and installed without a network."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def call(*command: object, **more) -> str:
    """Run a command away from the source and from this environment's settings; return what it prints."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("FOLIOD_", "XDG_", "PIP_", "PYTHON"))}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        **{"cwd": "/", **more},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(folder: Path) -> Path:
    """Build the wheel into a folder; return its path."""
    call(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT)
    [wheel] = folder.glob("foliod-*.whl")
    return wheel


def install(wheel: Path, folder: Path, call: Callable[..., str] = call) -> Path:
    """Make an environment in which only the wheel is installed; return its `bin`.

    The packages that foliod needs are this environment's: a path in a .pth file adds them, and
    no .pth file among them is followed, so that the source is not found.
    """
    with_pip = importlib.util.find_spec("pip") is None
    call(sys.executable, "-m", "venv", *([] if with_pip else ["--without-pip"]), folder)
    python = folder / "bin/python"
    pip = [python, "-m", "pip"] if with_pip else [sys.executable, "-m", "pip", "--python", python]
    call(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel)
    site = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    needed = "import pathlib, sys; pathlib.Path(sys.argv[1], 'needed.pth').write_text(sys.argv[2] + '\\n')"
    call(python, "-c", needed, site, sysconfig.get_path("purelib"))
    where = call(python, "-c", "import foliod; print(foliod.__file__)")
    assert where.startswith(site), where
    return folder / "bin"
