"""The commands that ask the daemon: questions, searches, its status, its documents.

Imported with the command line, so quick to import: what a command needs is imported when it runs.
"""

# ruff: noqa: PLC0415 - imports inside commands are what keeps the others quick to start

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foliod.base.errors import FoliodError
from foliod.base.paths import display
from foliod.start.arguments import Config, Folder, Json, Options, absolute, text_of, with_options
from foliod.start.command import client_of, pause, print_events, print_json, terminal

if TYPE_CHECKING:
    from foliod.start.client import Client


@with_options
def ask(
    question: Annotated[list[str], typer.Argument(metavar="QUESTION", hidden=True)],
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Rest on at most N passages.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The chat model to ask.")] = None,
    think: Annotated[bool | None, typer.Option("--think/--no-think", help="Let the model think first, or not.")] = None,
    *,
    options: Options,
) -> None:
    """Ask a question.

    The answer appears as it is written, then its sources. QUESTION needs no quotes; - reads it
    from standard input.
    """
    from foliod.start.opening import Target, open_best
    from foliod.start.show import Answer

    target = Target()
    with client_of(options.config) as client:
        text, asked = text_of(question), options.fields(client)
        events = target.watch(client.ask(text, limit=limit, model=model, think=think, **asked))
        if options.as_json:
            print_events(events)
        else:
            answer = Answer(terminal())
            try:
                for event in events:
                    if event.get("type") == "error":
                        raise FoliodError(str(event.get("message")))
                    answer.show(event)
            finally:
                answer.end()
        if target.best is None and asked["folder"] is not None:
            tell_of_folder(client, asked["folder"])
        if options.open_page:
            open_best(terminal(), client, target)


@with_options
def search(
    query: Annotated[list[str], typer.Argument(metavar="QUERY", hidden=True)],
    limit: Annotated[int | None, typer.Option(min=1, max=100, metavar="N", help="Show at most N passages.")] = None,
    *,
    options: Options,
) -> None:
    """Find passages by words and by meaning."""
    with client_of(options.config) as client:
        text, asked = text_of(query), options.fields(client)
        answer = client.search(text, limit=limit, **asked)
        if options.as_json:
            print_json(answer)
        else:
            from foliod.start.show import show_hits

            show_hits(terminal(), answer)
        if not answer["hits"] and asked["folder"] is not None:
            tell_of_folder(client, asked["folder"])
        if options.open_page:
            from foliod.start.opening import Target, open_best

            target = Target()
            target.look(answer["hits"])
            open_best(terminal(), client, target)


def tell_of_folder(client: Client, folder: str) -> bool:
    """Say it when nothing is found in a folder because there is nothing in it, or because nobody watches it.

    Returns whether that is why.
    """
    if client.documents(folder=folder, limit=1)["documents"]:
        return False
    roots = [Path(root["path"]) for root in client.status()["roots"]]
    place = Path(display(os.fsencode(folder)))
    watched = any(place.is_relative_to(root) or root.is_relative_to(place) for root in roots)
    why = "" if watched else ", which is no watched folder"
    terminal().say(f"no document lies in {place}{why}", "yellow")
    return True


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Keep showing it, until Ctrl-C.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show what the daemon does, and how far it is."""
    with client_of(config) as client:
        if as_json:
            print_json(client.status())
            while watch:
                pause()
                print_json(client.status())
            return
        from foliod.start.dashboard import show_status, watch_status

        if watch:
            watch_status(terminal(), client.status, until=lambda _: False)
        else:
            show_status(terminal(), client.status())


def documents(
    state: Annotated[str | None, typer.Option(metavar="STATE", help="Only those in this state.")] = None,
    folder: Folder = None,
    query: Annotated[str | None, typer.Option("-q", "--query", metavar="TEXT", help="In title or path.")] = None,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="Show at most N; 0 is all.")] = 100,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List documents, with their states."""
    with client_of(config) as client:
        place = absolute(folder)
        answer = client.documents(state=state, folder=place, q=query, limit=limit or None)
        if as_json:
            print_json(answer)
        empty = not answer["documents"] and place is not None and tell_of_folder(client, place)
    if as_json or empty:
        return
    from foliod.start.show import show_documents

    show_documents(terminal(), answer)
