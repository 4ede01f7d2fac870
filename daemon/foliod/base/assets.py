"""Finds the files that ship with foliod: SQL, the sample configuration, systemd units.

They lie beside the package when it is installed, at the repository's root when it is editable.
"""

from __future__ import annotations

from pathlib import Path

from foliod.base.errors import FoliodError

PACKAGE = Path(__file__).resolve().parents[1]


def asset(name: str) -> Path:
    """Return the path of a shipped file or folder, such as `sql/queries`.

    Raises FoliodError when the installation is incomplete.
    """
    for base in (PACKAGE, PACKAGE.parent.parent):
        if (base / name).exists():
            return base / name
    msg = f"{name} is missing beside {PACKAGE}: the installation is incomplete; install foliod again"
    raise FoliodError(msg)
