"""The command for the token of the localhost door: where it stands, and a new one."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from foliod.base.errors import ConflictError
from foliod.start.arguments import Config, Json
from foliod.start.command import print_json


def token(
    new: Annotated[bool, typer.Option("--new", help="Put a new token in its place; the old one ends at once.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print where the token of the localhost door stands.

    A running daemon takes a new one with the next request; a credential of systemd is renewed by root.
    """
    # Imported here: what keeps the other commands quick to start.
    from foliod.serve.bearer import renew, token_file  # noqa: PLC0415
    from foliod.start.whose import credential, own_settings  # noqa: PLC0415

    settings = own_settings(config)
    given = credential(settings, config)
    if new and given is not None:
        restart = "systemctl restart foliod" if os.geteuid() == 0 else "systemctl --user restart foliod"
        msg = f"the service takes its token from {given} (a credential): put a new one there, and `{restart}`"
        raise ConflictError(msg)
    path = given or token_file(settings)
    if new:
        renew(path)
    there = path.exists()
    if as_json:
        print_json({"path": str(path), "exists": there, "new": new, "credential": given is not None})
        return
    typer.echo(str(path))
    if not there:
        typer.echo("it is made when foliod starts with [server] http, or by: foliod token --new", err=True)
