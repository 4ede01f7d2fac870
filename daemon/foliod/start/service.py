"""The commands that make a service of foliod, and take that back."""

# ruff: noqa: PLC0415 - imports inside commands are what keeps the others quick to start
# ruff: noqa: T201 - printing is what a command line does

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foliod.start.arguments import Config, Json
from foliod.start.command import print_json, terminal

if TYPE_CHECKING:
    from foliod.start.service_steps import Steps

User = Annotated[bool, typer.Option("--user", help="A service of your own, instead of one for the whole machine.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]

service = typer.Typer(
    name="service", help="Have systemd run foliod.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


@service.command()
def install(
    user: User = False,
    watch: Annotated[
        list[Path] | None,
        typer.Option("--watch", metavar="DIR", help="A folder to watch, for a new configuration. May be repeated."),
    ] = None,
    dry_run: DryRun = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Install, enable and start it.

    For the whole machine, or with --user for yourself. Run it again after an upgrade. A configuration that is there is kept.
    """
    from foliod.start import service_install
    from foliod.start.service_manager import Manager

    steps = _steps(dry_run, as_json)
    watched = [path.expanduser().absolute() for path in watch or ()]
    where = service_install.plan(config, watched, user=user)
    _tell(steps, service_install.install(steps, Manager(user=user), where, watched), as_json)


@service.command()
def uninstall(
    user: User = False,
    purge: Annotated[bool, typer.Option("--purge", help="Remove data and configuration too.")] = False,
    dry_run: DryRun = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Stop it and take away what install wrote.

    Data and configuration are kept, unless --purge is given.
    """
    from foliod.start import service_install, service_remove
    from foliod.start.service_manager import Manager

    steps = _steps(dry_run, as_json)
    # A configuration that can't be used is no reason to stay; but it says where the data are.
    where = service_install.plan(config, (), user=user, lenient=not purge)
    _tell(steps, service_remove.uninstall(steps, Manager(user=user), where, purge=purge), as_json)


@service.command(hidden=True)
def reload(config: Config = None) -> None:
    """Have the daemon read its configuration again: what the units run for systemctl reload."""
    from foliod.start import service_reload
    from foliod.start.command import client_of, settings_of

    # systemd names the folder of the credentials to this process too, and does not let it in.
    os.environ.pop("CREDENTIALS_DIRECTORY", None)
    # A file that can't be used is told by this, and the daemon is not disturbed.
    settings_of(config, secrets=True)
    with client_of(config) as client:
        terminal().say(f"the configuration is {service_reload.reload(client)}")


def _steps(dry_run: bool, as_json: bool) -> Steps:
    from foliod.start.service_steps import Steps
    from foliod.start.terminal import safe

    return Steps((lambda _: None) if as_json else (lambda line: print(safe(line), flush=True)), rehearsal=dry_run)


def _tell(steps: Steps, remarks: list[str], as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        print_json({"dry_run": steps.rehearsal, "steps": [asdict(step) for step in steps.done], "remarks": remarks})
        return
    for remark in remarks:
        terminal().say(remark)
