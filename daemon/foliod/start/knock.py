"""Whether somebody listens at a socket, and if not, why: which is not what httpx tells."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat
from typing import TYPE_CHECKING

from foliod.base.errors import ConfigError, FoliodError, ForbiddenError, NotRunningError

if TYPE_CHECKING:
    from pathlib import Path

CONNECT_SECONDS = 5.0


def knock(path: Path) -> None:
    """Connect to the socket at `path` and hang up.

    Raises NotRunningError when nobody listens, ConfigError when it can't be a socket, ForbiddenError when it may not be used,
    FoliodError when it can't be.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(CONNECT_SECONDS)
            probe.connect(os.fspath(path))
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        why = "nothing answers there" if path.exists() else "there is no such socket"
        msg = f"foliod is not running at {path} ({why}); start it with: foliod run"
        raise NotRunningError(msg) from error
    except PermissionError as error:
        msg = f"you may not use the socket {path}; {_who_may(path)}"
        raise ForbiddenError(msg) from error
    except OSError as error:
        if error.errno is None:  # "AF_UNIX path too long"
            msg = f"the path {path} is too long for a socket; set [server] socket to a shorter one"
            raise ConfigError(msg) from error
        msg = f"foliod at {path} can't be reached: {error.strerror}"
        raise FoliodError(msg) from error


def _who_may(path: Path) -> str:
    """Return what to do for the right to use a socket."""
    try:
        found = path.stat()
        group = grp.getgrgid(found.st_gid).gr_name
        owner, me = (pwd.getpwuid(uid).pw_name for uid in (found.st_uid, os.geteuid()))
    except (OSError, KeyError):
        return f"somebody else's daemon answers there (ls -l {path})"
    if found.st_mode & stat.S_IWGRP and group != "root":
        return f"join its group: usermod -aG {group} {me} (as root), then log in again"
    if owner == "root":
        return (
            f"it is for root alone: an administrator opens it to a group until the next start (chgrp GROUP {path}; chmod g+w "
            f"{path}), or for good with `foliod service install`, which lets the group foliod ask"
        )
    return f"it is for {owner} alone"
