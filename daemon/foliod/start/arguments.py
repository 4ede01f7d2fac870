"""What the commands take from their user, and how it becomes a request."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from foliod.base.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foliod.start.client import Client

WAIT_SECONDS = 600.0

Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="The configuration file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Open = Annotated[bool, typer.Option("--open", help="Then open the best page as a picture, the passage marked.")]
Mode = Annotated[
    Literal["hybrid", "keyword", "vector"], typer.Option(help="Search by keyword, by meaning (vector), or both.")
]
Folder = Annotated[Path | None, typer.Option(metavar="DIR", help="Only documents in this folder.", readable=False)]
Document = Annotated[str | None, typer.Option(metavar="NAME", help="Only this one: its number, path, or title.")]
After = Annotated[str | None, typer.Option(metavar="DATE", help="Only documents made on this date or later.")]
Before = Annotated[str | None, typer.Option(metavar="DATE", help="Only documents made before this date.")]
Wait = Annotated[
    str | None,
    typer.Option(metavar="[PATH]", help="First wait until this file, or all that are there, can be searched."),
]
WaitSeconds = Annotated[float, typer.Option(min=0, max=3600, metavar="N", help="Wait no longer than this.")]


class Waiting(TyperCommand):
    """A command whose `--wait` may stand alone or before a path."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give `--wait` its value where it has none. Raises UsageError for a file that is not there."""
        return super().parse_args(ctx, list(_with_wait(args)))


def _with_wait(args: list[str]) -> Iterator[str]:
    for place, arg in enumerate(args):
        following = args[place + 1] if place + 1 < len(args) else ""
        # The daemon may see more below the root than we do, and says itself what is not there.
        named = following == "settled" or following.startswith(("/", "./", "../", "~")) or os.path.exists(following)
        if arg == "--wait" and not named and _like_a_path(following):
            msg = f"--wait {following}: no such file is there; if it belongs to the question, write --wait=settled"
            raise typer.BadParameter(msg)
        yield "--wait=settled" if arg == "--wait" and not named else arg


def _like_a_path(text: str) -> bool:
    """Whether it is more likely the mistyped name of a file than a question, or the first word of one."""
    return text.lower().endswith(".pdf") or ("/" in text and not any(map(str.isspace, text)))


def text_of(words: list[str]) -> str:
    """Return a question that may have been given word by word, or on standard input. Raises BadRequestError."""
    text = sys.stdin.read() if words == ["-"] else " ".join(words)
    if not text.strip():
        msg = "the question is empty"
        raise BadRequestError(msg)
    return text.strip()


@dataclass(frozen=True, slots=True)
class Options:
    """What questions and searches have in common: in which documents is looked, how, and what is done with the answer."""

    folder: Folder = None
    document: Document = None
    after: After = None
    before: Before = None
    mode: Mode = "hybrid"
    wait: Wait = None
    wait_seconds: WaitSeconds = WAIT_SECONDS
    open_page: Open = False
    config: Config = None
    as_json: Json = False

    def fields(self, client: Client) -> dict[str, Any]:
        """Return the fields of the request; a document that is named is looked up."""
        wait = self.wait if self.wait in (None, "settled") else absolute(Path(str(self.wait)))
        if self.document is not None and wait is not None and not self.document.isdecimal():
            # A file that was just dropped has no document yet.
            client.settle(wait=wait, wait_seconds=self.wait_seconds)
        return {
            "folder": absolute(self.folder),
            "document": None if self.document is None else client.document_id(self.document),
            "after": self.after,
            "before": self.before,
            "mode": self.mode,
            "wait": wait,
            "wait_seconds": None if wait is None else self.wait_seconds,
        }


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command of a function: its last parameter, `options`, stands for all that are in Options."""
    shared = inspect.signature(Options, eval_str=True).parameters

    @functools.wraps(command)
    def run(**given: Any) -> None:
        options = Options(**{name: given.pop(name) for name in shared})
        command(**given, options=options)

    own = inspect.signature(command, eval_str=True)
    *parameters, _ = own.parameters.values()
    # Typer asks both for what a command takes.
    expanded = own.replace(parameters=[*parameters, *shared.values()])
    run.__signature__ = expanded  # type: ignore[attr-defined]
    run.__annotations__ = {name: parameter.annotation for name, parameter in expanded.parameters.items()}
    return run


def absolute(path: Path | None) -> str | None:
    """Return a path as the daemon knows it, which stands in another folder."""
    return None if path is None else os.path.abspath(path.expanduser())
