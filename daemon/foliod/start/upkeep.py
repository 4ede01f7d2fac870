"""The commands for what went wrong: why a file is not found, reading it again, forgetting what will not come back."""

# ruff: noqa: PLC0415 - imports inside commands are what keeps the others quick to start

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from foliod.base.errors import BadRequestError
from foliod.start.arguments import Config, Json, absolute
from foliod.start.command import client_of, print_json, terminal

Place = Annotated[Path, typer.Argument(metavar="PATH", show_default=False, readable=False)]
"""Not checked here: what may not be read is what people ask about."""


def explain(path: Place, config: Config = None, as_json: Json = False) -> None:
    """Tell everything that is known of a file.

    What was seen when, its state and why, what became of each page, and what happens next.
    """
    with client_of(config) as client:
        answer = client.explain(os.path.abspath(path.expanduser()))
    if as_json:
        print_json(answer)
        return
    from foliod.start.explanation import show_explanation

    show_explanation(terminal(), answer)


def retry(
    path: Annotated[Path | None, typer.Argument(metavar="PATH", show_default=False, readable=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="All documents that ended badly.")] = False,
    document: Annotated[int | None, typer.Option(min=1, metavar="ID", help="This document.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Read a file again from its first page.

    A folder stands for all documents in it that ended badly.
    """
    if (path is not None) + everything + (document is not None) != 1:
        msg = "name a file or a folder, or --document ID, or --all"
        raise BadRequestError(msg)
    with client_of(config) as client:
        answer = client.retry(path=absolute(path), document=document, all=everything or None)
    if as_json:
        print_json(answer)
        return
    from foliod.start.terminal import count

    number = len(answer["documents"])
    said = f"{count(number, 'document')} will be read again" if number else "no document waits to be read again"
    if not number and answer["looked_at"] is not None:
        said = "the path is looked at again; no document of it has to be read, or one is being read already"
    terminal().say(said)


def forget(
    root: Annotated[Path, typer.Argument(metavar="ROOT", show_default=False, readable=False)],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Forget what is missing from a watched folder.

    A folder that vanished or was emptied removes nothing by itself: this says that it is not coming back. Of a folder
    that is watched no more, everything is forgotten.
    """
    with client_of(config) as client:
        answer = client.forget(os.path.abspath(root.expanduser()))
    if as_json:
        print_json(answer)
        return
    from foliod.start.terminal import count

    number = answer["files"]
    terminal().say(
        f"{count(number, 'file')} forgotten" if number else "nothing is missing there; nothing was forgotten"
    )
