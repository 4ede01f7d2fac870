"""Whose daemon a command means: one's own, or the service of the machine, whose files are for root.

Who asks needs not know that: the socket of the machine's service is found by everybody. What is done to files is
done as root, and never to an installation of one's own that there is not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from foliod.base import sources
from foliod.base.errors import BadRequestError, FoliodError
from foliod.start.command import settings_of, socket_of
from foliod.start.state import held
from foliod.store.lodging import user_name

if TYPE_CHECKING:
    from foliod.base.config import Settings

SERVICE: Final = "foliod.service"
HANDED_OVER: Final = Path("/run/credentials")
"""Where systemd keeps what it handed to a service of the system while that runs (systemd.exec(5), LoadCredential=)."""
UNIT: Final = Path("/etc/systemd/system", SERVICE)
STORES: Final = (Path("/etc/credstore"), Path("/etc/credstore.encrypted"))
"""Where systemd looks for credentials, as `foliod.NAME`."""


def of_the_machine(settings: Settings, file: Path | None) -> bool:
    """Whether the service of the machine is meant by a user whose it is not.

    That is who is not root, names no configuration and has none, has no store of their own, and would ask at the
    system's socket.
    """
    if os.geteuid() == 0 or (file or sources.find()) not in (None, sources.SYSTEM_CONFIG):
        return False
    if socket_of(settings, file) != sources.SYSTEM_SOCKET or not os.path.lexists(sources.SYSTEM_SOCKET):
        return False
    return not os.access(settings.state, os.W_OK) or not os.path.lexists(settings.state / "lock")


def of_another(settings: Settings, file: Path | None) -> str | None:
    """Return which user's daemon answers at our socket though it is not ours; None for our own, and where none answers.

    It is somebody else's when the socket is, and our state folder is not held. To root every daemon is its own.
    """
    socket = socket_of(settings, file)
    try:
        owner = socket.stat().st_uid
    except OSError:
        return None
    if os.geteuid() in (0, owner) or held(settings.state):
        return None
    from foliod.start.client import Client  # noqa: PLC0415 - takes long, and is mostly not needed

    try:
        with Client(socket) as client:
            client.status()
    except FoliodError:
        return None
    return user_name(owner)


def own_settings(file: Path | None, *, secrets: bool = False) -> Settings:
    """Return the settings for a command that is for whoever runs the daemon.

    Raises ConfigError, and BadRequestError when that is root.
    """
    # Without secrets also who may not read the system's configuration gets here.
    if of_the_machine(settings := settings_of(file), file):
        msg = f"the service of this machine answers at {sources.SYSTEM_SOCKET}, and this is for its administrator: run it as root (sudo)"
        raise BadRequestError(msg)
    return settings_of(file, secrets=True) if secrets else settings


def credential(settings: Settings, file: Path | None) -> Path | None:
    """Return the file of root's that the token of the service comes from; None when the token is foliod's own.

    Looked at is what systemd handed to the service that runs, and, where it does not, what it would hand over.
    """
    if settings.server.token_file is not None:
        return None
    if file is not None and file.absolute() != sources.find():
        return None
    if os.geteuid() != 0:
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        given = Path(runtime or os.devnull, "credentials", SERVICE, "token")
        return given if given.exists() else None
    stored = [path for store in STORES if (path := store / "foliod.token").exists()]
    handed_over = HANDED_OVER / SERVICE
    if handed_over.is_dir():
        given = handed_over / "token"
        return (stored or [given])[0] if given.exists() else None
    return stored[0] if stored and UNIT.exists() else None
