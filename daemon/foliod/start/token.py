"""The command for the token of the localhost door: where it stands, and a new one."""

from __future__ import annotations

from typing import Annotated

import typer

from foliod.start.arguments import Config, Json
from foliod.start.command import print_json, settings_of


def token(
    new: Annotated[bool, typer.Option("--new", help="Put a new token in its place; the old one ends at once.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print where the token of the localhost door stands.

    A running daemon takes a new one with the next request.
    """
    from foliod.serve.bearer import renew, token_file  # noqa: PLC0415 - what keeps the other commands quick to start

    path = token_file(settings_of(config))
    if new:
        renew(path)
    there = path.exists()
    if as_json:
        print_json({"path": str(path), "exists": there, "new": new})
        return
    typer.echo(str(path))
    if not there:
        typer.echo("it is made when foliod starts with [server] http, or by: foliod token --new", err=True)
