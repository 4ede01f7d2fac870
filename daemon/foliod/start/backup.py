"""`foliod backup` and `foliod restore`: the whole store in one file, made while foliod runs, and put back."""

# ruff: noqa: PLC0415 - imports inside commands are what keeps the others quick to start

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foliod.start.arguments import Config, Json
from foliod.start.command import print_json, terminal

File = Annotated[Path, typer.Argument(metavar="FILE", show_default=False, readable=False)]


def backup(
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE where it exists.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Save the whole store to a file.

    As it is at this moment, also while foliod runs: documents, text, vectors; not the PDFs themselves. FILE is
    pg_dump's custom format, and readable for you only.
    """
    from foliod.start.preserve import Progress, run, save
    from foliod.start.whose import own_settings

    settings = own_settings(config, secrets=True)
    answer = run(settings, lambda: save(settings, file, force=force, progress=Progress("saved", silent=as_json)))
    if as_json:
        print_json(answer)
        return
    from foliod.start.terminal import count

    amounts = ", ".join(count(number, what.removesuffix("s")) for what, number in answer["totals"].items())
    terminal().say(f"{file}: {amounts}; {answer['bytes'] / 1e6:,.1f} MB in {answer['seconds']:.1f} s")


def restore(
    file: File,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what the store holds now.")] = False,
    host: Annotated[
        str | None, typer.Option("--host", metavar="NAME", help="Be this one of the hosts that the backup knows.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put back what `foliod backup` saved.

    foliod must not run meanwhile. The store must be empty, or --replace given. Only restore what you trust: a backup
    can hold statements that run with foliod's rights in its database.
    """
    from foliod.start.preserve import Progress, put_back, run
    from foliod.start.whose import own_settings

    settings = own_settings(config, secrets=True)
    progress = Progress("put back", silent=as_json)
    answer = run(settings, lambda: put_back(settings, file, replace=replace, host=host, progress=progress))
    if as_json:
        print_json(answer)
    else:
        from foliod.start.terminal import count

        to = terminal()
        amounts = ", ".join(count(number, what.removesuffix("s")) for what, number in answer["totals"].items())
        to.say(f"restored and checked: {amounts}; in {answer['seconds']:.1f} s")
        to.say(
            f"this is the host {answer['host']}" + ("" if answer["known_host"] else ", which the backup did not know")
        )
        if not answer["known_host"] and answer["hosts"]:
            to.say(f"the backup knows {', '.join(answer['hosts'])}: --host NAME makes this host one of them")
        for finding in answer["findings"]:
            to.say(f"{finding['message']}; {finding['fix']}", "yellow")
    if answer["findings"]:
        raise typer.Exit(1)
