"""The command that changes the embedding model, and shows how far that is."""

# ruff: noqa: PLC0415 - imports inside commands are what keeps the others quick to start

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from foliod.base.errors import BadRequestError, ConflictError
from foliod.start.arguments import Config, Json
from foliod.start.command import client_of, pause, print_json, terminal

if TYPE_CHECKING:
    from foliod.start.client import Client
    from foliod.start.terminal import Terminal

Object = dict[str, Any]


def reembed(
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="This model; else the one that the configuration names.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show the progress until it serves.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stay with the model that serves.")] = False,
    drop: Annotated[
        str | None, typer.Option(metavar="NAME", help="Remove the vectors of a model that serves no more.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the models of which there are vectors.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Have everything embedded by another model.

    In the background: the old vectors serve until the new ones are complete, and are kept until --drop.
    """
    if (model is not None) + cancel + (drop is not None) + listed > 1:
        msg = "name only one of --model, --cancel, --drop and --list"
        raise BadRequestError(msg)
    with client_of(config) as client:
        to = terminal()
        if listed:
            answer = client.spaces()
            told = _listed(answer["spaces"])
        elif cancel:
            answer = client.reembed(cancel=True)
            told = [
                f"given up: {answer['cancelled']}; {answer['serving']} goes on to serve. What was embedded is kept."
            ]
        elif drop is not None:
            answer = client.reembed(drop=drop)
            told = [
                f"the vectors of {space['model']} (space {space['id']}) are removed" for space in answer["dropping"]
            ]
            if wait:
                _until_dropped(client, {space["id"] for space in answer["dropping"]})
        else:
            answer = client.reembed(model=model)
            told = _begun(client, answer)
        if as_json and not wait:
            print_json(answer)
            return
        if not as_json:
            for line in told:
                to.out.print(line) if listed else to.say(line)
        if wait and not listed and not cancel and drop is None:
            _until_it_serves(to, client, answer["model"], quiet=as_json)
        if as_json:
            print_json(answer if drop is not None or listed or cancel else answer | {"state": "active"})


def _begun(client: Client, answer: Object) -> list[str]:
    from foliod.start.dashboard import duration
    from foliod.start.terminal import count

    if answer["state"] == "active":
        return [f"{answer['model']} serves already; nothing has to be embedded anew"]
    left = answer["want"] - answer["have"]
    there = f"; {count(answer['have'], 'text')} of it are there already" if answer["have"] else ""
    told = [f"{count(left, 'text')} will be embedded by {answer['model']} ({answer['dimensions']} dimensions){there}"]
    now = client.status()["reembedding"]
    if now is not None and now["eta_s"]:
        told.append(f"this takes about {duration(now['eta_s'])}")
    if answer["serving"] is not None:
        told.append(f"{answer['serving']} serves meanwhile; foliod status shows how far it is")
    return told


def _listed(spaces: list[Object]) -> list[str]:
    from foliod.start.terminal import count, safe

    if not spaces:
        return ["there are no vectors yet"]
    return [
        f"{space['id']}  {safe(space['model'])}  {space['state']}  {space['dimensions']} dimensions  "
        f"{count(space['vectors'], 'vector')}, {space['refused']:,} refused  {space['bytes'] / 1e6:,.1f} MB  "
        f"{space['digest'][:12]}"
        for space in spaces
    ]


def _until_it_serves(to: Terminal, client: Client, model: str, *, quiet: bool) -> None:
    """Return when `model` serves. Raises ConflictError when somebody asks for another one meanwhile."""
    from foliod.ollama.inference import full_name
    from foliod.start.dashboard import watch_status

    def served(status: Object) -> bool:
        now = status["reembedding"]
        return now is None or full_name(now["model"]) != full_name(model)

    if quiet:
        while not served(status := client.status()):
            pause()
    else:
        status = watch_status(to, client.status, until=served)
    if full_name(status["ollama"]["embed_model"]) != full_name(model):
        msg = f"{model} is not asked for any more: another request came, or it was given up"
        raise ConflictError(msg)
    to.say(f"{model} serves now")


def _until_dropped(client: Client, spaces: set[int]) -> None:
    while any(space["id"] in spaces for space in client.spaces()["spaces"]):
        pause()
