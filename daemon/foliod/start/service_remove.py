"""Takes back what installing a service did; with `--purge` data and configuration too.

Of the state folder only what foliod itself puts there goes: whatever else lies in it is somebody's.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from foliod.base.errors import ConflictError
from foliod.base.sources import CREDENTIALS
from foliod.start import service_reach
from foliod.start.service_install import CREDSTORE, UNITS
from foliod.start.service_state import ours, used
from foliod.start.service_steps import check, run

if TYPE_CHECKING:
    from pathlib import Path

    from foliod.start.service_install import Plan
    from foliod.start.service_manager import Manager
    from foliod.start.service_steps import Steps

TOLD: Final = 5
"""So many names of what stays are told."""


def uninstall(steps: Steps, manager: Manager, where: Plan, *, purge: bool) -> list[str]:
    """Stop the service and take away what `install` wrote; with `purge` data and configuration too.

    Returns what there is still to say: what was kept, and where. Raises FoliodError.
    """
    manager.check()
    files = [where.units / name for name in UNITS]
    if any(os.path.lexists(path) for path in files):
        ours = [path.name for path in files if _is_ours(path)]
        if ours:
            if not steps.rehearsal:
                manager.call("disable", "--now", "--quiet", *ours)
            steps.add("stop", " and ".join(ours), "disabled")
    removed = [path for path in (*files, where.drop_in, *where.others) if steps.unsign(path)]
    steps.tidy(where.drop_in.parent)
    if any(path.is_relative_to(where.units) for path in removed) and not steps.rehearsal:
        manager.call("daemon-reload")
        manager.call("reset-failed", *UNITS, check=False)
    nothing = ["nothing of a service is installed here"]
    if purge:
        told = _purge(steps, where)
        return told if told or steps.done else nothing
    kept = [f"data: {where.state}"] if where.state.exists() else []
    kept += [f"configuration: {where.config}"] if where.config.exists() else []
    if not where.user and service_reach.account() is not None:
        kept.append(f"the user and group {service_reach.NAME}, to whom the data belong")
    told = [f"kept {what}" for what in kept]
    if kept:
        told.append(f"`foliod service uninstall{' --user' if where.user else ''} --purge` removes that too")
    return told if removed or kept else nothing


def _purge(steps: Steps, where: Plan) -> list[str]:
    """Remove data, configuration, secrets and user; keep what may not be ours, and say so."""
    told = _clear_state(steps, where)
    if where.config.is_file():
        steps.clear(where.config, "configuration")
        with contextlib.suppress(OSError):
            if not steps.rehearsal:
                where.config.parent.rmdir()
    elif os.path.lexists(where.config):
        told.append(f"kept {where.config}: it is no regular file")
    if not where.user:
        for secret in (CREDSTORE / f"foliod.{name}" for name in sorted(CREDENTIALS)):
            if secret.is_file():
                steps.clear(secret, "secret")
        if (service_reach.account()) is not None:
            if not steps.rehearsal:
                run("userdel", service_reach.NAME)
            steps.add("remove", f"the user and group {service_reach.NAME}")
    if not where.settings.database.embedded:
        told.append("the database is not foliod's own and stays: drop it there")
    return told


def _clear_state(steps: Steps, where: Plan) -> list[str]:
    """Remove what foliod put into its state folder, and the folder where nothing else is in it; return what stays."""
    # Whatever leads there: the files behind a link are what would be lost.
    state = where.state.resolve()
    if not state.is_dir():
        return []
    entries = sorted(state.iterdir())
    if entries and not used(state):
        return [f"kept {where.state}: it does not look like foliod's state folder"]
    watched = [watch.path for watch in where.settings.watch]
    ours_there = ours(state, watched)
    kept = [entry for entry in entries if entry.name not in ours_there]
    if not kept and state not in [path.resolve() for path in watched]:
        steps.clear(state, "data")
        if where.state.is_symlink() and not steps.rehearsal:
            where.state.unlink()
        return []
    for entry in entries:
        if entry not in kept:
            steps.clear(entry, "data")
    names = ", ".join(entry.name for entry in kept[:TOLD]) + (
        f" and {len(kept) - TOLD} more" if len(kept) > TOLD else ""
    )
    return [f"kept {where.state}: " + (f"foliod did not put {names} there" if kept else "it is a watched folder")]


def _is_ours(path: Path) -> bool:
    with contextlib.suppress(ConflictError):
        check(path)
        return path.exists()
    return False
