"""What `foliod doctor` asks the running daemon."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from foliod.base import sources
from foliod.base.errors import FoliodError, NotRunningError
from foliod.base.paths import display
from foliod.ollama.inference import full_name
from foliod.start.checks import Check
from foliod.start.client import Client
from foliod.start.terminal import count

if TYPE_CHECKING:
    from pathlib import Path

    from foliod.base.config import Settings


def look(socket: Path) -> tuple[dict[str, Any] | None, list[Check]]:
    """Return the status of the daemon at a socket, None when there is none, and what is to be said of it."""
    name = "daemon"
    try:
        with Client(socket) as client:
            status = client.status()
            reasons = client.not_ready()
    except NotRunningError:
        return None, [Check(name, "warn", f"not running at {socket}", "start it with: foliod run")]
    except FoliodError as error:
        return None, [Check(name, "fail", error.message, None)]
    running = f"version {status['version']} runs at {socket}"
    told = _in_force(status.get("configuration") or {})
    if reasons:
        return status, [*told, Check(name, "warn", f"{running}, and is not ready: {'; '.join(reasons)}", None)]
    return status, [*told, Check(name, "ok", running)]


def look_at_the_machines() -> list[Check]:
    """Return what somebody who may only ask it can know of the service of the machine."""
    socket = sources.SYSTEM_SOCKET
    whose = f"the service of this machine answers at {socket}; `sudo foliod doctor` looks at what it needs"
    return [Check("service", "ok", whose), *look(socket)[1]]


def look_at_anothers(owner: str, socket: Path) -> list[Check]:
    """Return what somebody who may only ask it can know of the daemon of the user `owner`."""
    whose = f"the daemon of the user {owner} answers at {socket}; `foliod doctor` as that user looks at what it needs"
    return [Check("service", "ok", whose), *look(socket)[1]]


def vanished(folder: Path, status: dict[str, Any] | None) -> Check | None:
    """Say of a watched folder that is not there that the daemon keeps what was read of it; None where it keeps nothing."""
    roots = {root["path"]: root for root in (status or {}).get("roots", [])}
    kept = roots.get(display(os.fsencode(folder)), {}).get("files")
    if not kept or os.path.lexists(folder):
        return None
    fix = f"mount it, or put it back; if it is gone for good: foliod forget '{folder}'"
    return Check("folder", "fail", f"{folder} does not exist; what was read of it is kept: {count(kept, 'file')}", fix)


def change_of_model(settings: Settings, status: dict[str, Any]) -> Check | None:
    """Say what is in the way of a change of the embedding model, or that the configuration names another one."""
    name, now = "change of model", status.get("reembedding")
    if now is not None and now["error"] is not None:
        fix = "mend that, or stay with the old one: foliod reembed --cancel"
        return Check(name, "warn", f"{now['model']} is to replace {now['serving']}, and waits: {now['error']}", fix)
    if now is not None:
        done = f"{now['have']:,} of {now['want']:,} texts are embedded by {now['model']}"
        return Check(name, "ok", f"{done}; {now['serving']} serves meanwhile")
    serving, configured = status["ollama"]["embed_model"], settings.ollama.embed_model
    if full_name(serving) != full_name(configured):
        fix = f"foliod reembed changes to {configured}; or set [ollama] embed_model to {serving}"
        return Check(
            name, "warn", f"{serving} serves, as was asked for last; the configuration names {configured}", fix
        )
    return None


def _in_force(configuration: dict[str, Any]) -> list[Check]:
    """Say what of its configuration the daemon has not taken over."""
    name = "running configuration"
    if error := configuration.get("error"):
        message = f"the daemon goes on with an older one: {error}"
        return [Check(name, "warn", message, "correct it, then: systemctl reload foliod, or send it SIGHUP")]
    if keys := configuration.get("restart_needed"):
        return [Check(name, "warn", f"changed, but not in force: {', '.join(keys)}", "restart the daemon")]
    return []
