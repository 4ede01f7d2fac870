"""What a service can't reach though its installer can: files that its user may not read, and folders it does not see."""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from foliod.base.assets import PACKAGE
from foliod.base.errors import ConfigError, EmbeddedServerError
from foliod.store.lodging import User, first_barred, installation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foliod.base.config import Settings

NAME: Final = "foliod"
"""The user and the group of the system's service."""
NOBODY: Final = 65534
PRIVATE: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - the service has others in their place


def account() -> User | None:
    """Return the user of the service, None while there is none."""
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        return None
    return User(entry.pw_uid, entry.pw_gid, NAME)


def check_installation(*, user: bool) -> None:
    """Raise ConfigError, with what to do, when the service could not read this installation."""
    python = Path(sys.executable)
    needed = [python, python.resolve(), Path(os.path.realpath(os.__file__)), PACKAGE / "__init__.py"]
    with contextlib.suppress(EmbeddedServerError):
        needed.append(installation() / "bin/postgres")
    for path in needed:
        if hidden := _hidden(path):
            raise ConfigError(f"foliod is installed in {hidden}, which services do not see; {_elsewhere(user)}")
    if user:
        return
    who = account() or User(NOBODY, NOBODY, NAME)
    parents = {parent: None for path in needed for parent in reversed(path.parents)}
    barred = first_barred(who, "-x", parents) or first_barred(who, "-r", needed)
    if barred is not None:
        verb = "entered" if barred.is_dir() else "read"
        raise ConfigError(
            f"{barred} can't be {verb} by the user {NAME}, as whom the service runs, and foliod is installed there; "
            f"{_elsewhere(user)}"
        )


def check_readable(config: Path) -> None:
    """Raise ConfigError, with what to do, when the service's user can't read the configuration that was there."""
    who = account()
    if who is None:
        return
    path = config.resolve()
    if (barred := first_barred(who, "-x", reversed(path.parents)) or first_barred(who, "-r", [path])) is not None:
        raise ConfigError(
            f"{config} can't be read by the user {NAME}, as whom the service runs, since {barred} is closed to it: "
            f"chgrp {NAME} {barred}; chmod g+rX {barred}"
        )


def owner_of_installation() -> str | None:
    """Return who but root could change what the system's service runs; None when nobody."""
    uid = PACKAGE.stat().st_uid
    if uid == 0:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def unreachable(settings: Settings, *, user: bool) -> Iterator[str]:
    """Yield what is wrong with the watched folders, each with what to do."""
    for watch in settings.watch:
        path = watch.path
        who = account()
        if hidden := _hidden(path):
            yield f"{path} lies in {hidden}, which services do not see: watch a folder elsewhere"
        elif not path.is_dir():
            yield f"{path} is not there: mkdir -p {path}"
        elif not user and who is not None:
            barred = first_barred(who, "-x", reversed([path, *path.parents])) or first_barred(who, "-r", [path])
            if barred is not None:
                yield (
                    f"{path} can't be read by the user {NAME}, since {barred} is closed to others: "
                    f"setfacl -m u:{NAME}:x {' '.join(map(str, _way(barred, path)))}; setfacl -R -m u:{NAME}:rX,d:u:{NAME}:rX {path}"
                )
    if not settings.watch:
        yield "no folder is watched yet: name one in a [[watch]] section of the configuration"


def _way(barred: Path, path: Path) -> list[Path]:
    """Return the folders to open on the way to `path`."""
    return [folder for folder in reversed(path.parents) if folder == barred or folder.is_relative_to(barred)] or [path]


def _hidden(path: Path) -> Path | None:
    return next((private for private in PRIVATE if path.is_relative_to(private)), None)


def _elsewhere(user: bool) -> str:
    place = "~/.local/share/foliod-venv" if user else "/opt/foliod"
    return f"install it elsewhere (python3 -m venv {place}; {place}/bin/pip install foliod), and run {place}/bin/foliod service install"
