"""Checks of who may do what: the service's user with the folders, clients by their names, others with the token."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from foliod.base.sources import SYSTEM_CONFIG
from foliod.serve.bearer import token_file
from foliod.start.checks import Check
from foliod.start.service_reach import NAME, account, unreachable
from foliod.start.whose import UNIT, credential

if TYPE_CHECKING:
    from foliod.base.config import Settings

REACH_SECONDS: Final = 3.0
HTTPS: Final = 443


def barred(settings: Settings, source: Path | None) -> tuple[str | None, dict[Path, Check]]:
    """Return as whom the service reads its folders, and the folders that it can't read.

    None where whoever asks is no administrator of the machine's service: then only what we may do ourselves is known.
    """
    if os.geteuid() != 0 or source != SYSTEM_CONFIG or not UNIT.exists() or account() is None:
        return None, {}
    found = {}
    for told in unreachable(settings, user=False):
        message, _, fix = told.partition(": ")
        for watch in settings.watch:
            if message.startswith(f"{watch.path} "):
                found[watch.path] = Check("folder", "fail", message, fix)
    return NAME, found


def accounts(settings: Settings) -> Iterator[Check]:
    """Yield which of the users and groups that may ask there are not."""
    lists = [("[server]", settings.server.users, settings.server.groups)]
    lists += [(f"[[watch]] {watch.path}", watch.users, watch.groups) for watch in settings.watch]
    for where, users, groups in lists:
        missing = [f"user {name}" for name in users if not _known(pwd.getpwnam, name)]
        missing += [f"group {name}" for name in groups if not _known(grp.getgrnam, name)]
        if missing:
            message = f"there is no {', no '.join(missing)}, so nobody is allowed by that ({where})"
            yield Check("accounts", "warn", message, "correct the name, or make it (useradd, groupadd)")


def _known(find: Callable[[str], object], name: str) -> bool:
    try:
        return name.isdigit() or bool(find(name))
    except KeyError:
        return False


def token(settings: Settings, source: Path | None) -> Iterator[Check]:
    """Yield whether the token of the localhost door can be used, where there is that door."""
    path = token_file(settings)
    if settings.server.http is None or credential(settings, source) is not None:
        return
    name = "token"
    try:
        found = path.stat()
    except FileNotFoundError:
        yield Check(name, "ok", f"{path} (made at the first start)")
        return
    except OSError as error:
        yield Check(
            name, "warn", f"{path} can't be looked at: {error.strerror}", "run this as root, or as the daemon's user"
        )
        return
    if not stat.S_ISREG(found.st_mode):
        yield Check(name, "fail", f"{path} is no file, so the localhost door stays shut", "set [server] token_file")
    elif found.st_mode & 0o077:
        message = f"others can read {path} (mode {stat.S_IMODE(found.st_mode):04o}), so the localhost door stays shut"
        yield Check(name, "fail", message, f"chmod 600 '{path}', and then: foliod token --new")
    else:
        yield Check(name, "ok", str(path))


def better_stack(settings: Settings, running: dict[str, Any] | None) -> Iterator[Check]:
    """Yield whether the log gets to Better Stack: by the daemon that runs, else whether its host can be reached."""
    name, fix = (
        "Better Stack",
        "the log waits, and goes on when it can be reached; see [betterstack] host and its token",
    )
    shipping = ((running or {}).get("logs") or {}).get("betterstack")
    if shipping is not None:
        if shipping["error"]:
            yield Check(name, "warn", str(shipping["error"]), fix)
        else:
            yield Check(name, "ok", f"{shipping['shipped']:,} lines are there")
        return
    if settings.betterstack.token is None:
        return
    url = urlsplit(settings.betterstack.url)
    try:
        with socket.create_connection((url.hostname or "", url.port or HTTPS), REACH_SECONDS):
            yield Check(name, "ok", f"{url.hostname} can be reached")
    except OSError as error:
        yield Check(name, "warn", f"{url.hostname} can't be reached: {error.strerror or error}", fix)
