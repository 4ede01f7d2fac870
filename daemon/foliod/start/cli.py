"""The commands: what they take, which room does the work, and how they end.

Thin, and quick to start: what a command needs is imported when it runs. Answers go to standard
output, all else to standard error, errors too: with --json as one line of JSON. Exit codes: 0 done, 1 failed, 2 usage or configuration,
3 the daemon is not running, 130 interrupted.
"""

# ruff: noqa: PLC0415 - imports inside commands are what keeps the others quick to start
# ruff: noqa: T201 - printing is what a command line does

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from foliod.base.errors import BadRequestError, FoliodError
from foliod.start import administer, backup, queries, reembed, service, token, upkeep
from foliod.start.arguments import Config, Json, Waiting
from foliod.start.command import complain, print_json, settings_of, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foliod.base.config import Settings
    from foliod.start.checks import Check

USAGE = 2
INTERRUPTED = 130
UNWRITTEN = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
AS_JSON = "foliod.json"
"""Where the context of all commands keeps whether what goes wrong is told as JSON."""
USAGE_ERROR: type[Any] = typer.BadParameter.__bases__[0]
"""What is raised for any mistake on the command line; typer gives it no name."""


class Commands(TyperGroup):
    """All commands; an error that is meant for people becomes a sentence and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the options that stand before the command."""
        # Looked for here, since a command with a mistake in it is never read to its end.
        ctx.meta[AS_JSON] = as_json = "--json" in itertools.takewhile(lambda arg: arg != "--", args)
        with _told(as_json=as_json):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        for stream in (sys.stdout, sys.stderr):
            # What the terminal's encoding does not have is replaced; nothing fails for a dash.
            getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
        with _told(as_json=ctx.meta[AS_JSON]):
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()


@contextlib.contextmanager
def _told(*, as_json: bool) -> Iterator[None]:
    """Run a body; an error in it is told and becomes the exit code. Mistakes of usage typer tells itself, with a hint."""

    def tell(message: str, code: str = FoliodError.code) -> None:
        complain(message, code, as_json=as_json)

    try:
        yield
    except FoliodError as error:
        tell(error.message, error.code)
        raise typer.Exit(USAGE if isinstance(error, BadRequestError) else error.exit_code) from None
    except USAGE_ERROR as error:
        if not as_json:
            raise
        tell(error.format_message(), BadRequestError.code)
        raise typer.Exit(USAGE) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        if not _of_output(error):
            file = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
            tell(f"{file}{error.strerror or error}")
            raise typer.Exit(1) from None
        # Without this the interpreter complains when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            # Whoever read us has seen enough.
            raise typer.Exit(0) from None
        tell(f"the output can't be written: {error.strerror}")
        raise typer.Exit(1) from None


def _of_output(error: OSError) -> bool:
    """Say whether an error is one of standard output: full, or gone."""
    try:
        # What could not be written is mostly still there, and fails again.
        sys.stdout.flush()
    except OSError:
        return True
    return error.filename is None and error.errno in UNWRITTEN


app = typer.Typer(
    name="foliod",
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def foliod(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Read every PDF dropped into a folder, and answer questions about them."""
    if version:
        from foliod.base.version import __version__

        print(f"foliod {__version__}")
        raise typer.Exit


@app.command()
def run(
    folders: Annotated[list[Path] | None, typer.Argument(metavar="DIR", hidden=True)] = None,
    watch: Annotated[
        list[Path] | None,
        typer.Option(
            "--watch", metavar="DIR", help="A folder to watch, instead of the configuration's. May be repeated."
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Run the daemon in the foreground.

    It ends with Ctrl-C or SIGTERM; a second one ends it at once. SIGHUP has it read its configuration again.
    """
    # What is relative starts here, also when it is read again.
    named = [os.path.abspath(path.expanduser()) for path in (*(watch or []), *(folders or []))]
    for path in named:
        if not os.path.lexists(path):
            terminal().say(f"warning: {path} is not there; if it comes, it is watched", "yellow")
    overrides = {"watch": [{"path": path} for path in named]} if named else {}

    def load() -> Settings:
        return settings_of(config, overrides, secrets=True)

    settings = load()
    from foliod.start import supervise

    raise typer.Exit(supervise.run(settings, load))


app.command(cls=Waiting)(queries.ask)
app.command(cls=Waiting)(queries.search)
app.command()(queries.status)
app.command()(queries.documents)
app.command()(upkeep.explain)
app.command()(upkeep.retry)
app.command()(upkeep.forget)
app.command()(reembed.reembed)
app.command()(administer.migrate)
app.command()(administer.hosts)
app.add_typer(service.service)
app.command()(token.token)
app.command()(backup.backup)
app.command()(backup.restore)


@app.command()
def config(
    defaults: Annotated[bool, typer.Option("--defaults", help="Print a commented sample instead.")] = False,
    file: Config = None,
    as_json: Json = False,
) -> None:
    """Print the settings in force; secrets are hidden."""
    from foliod.base.sources import find

    if defaults:
        from foliod.base.assets import asset

        if as_json:
            from foliod.base.config import Settings

            print_json(Settings().printable())
        else:
            print(asset("config/foliod.toml").read_text("utf-8"), end="")
        return
    from foliod.start.whose import of_the_machine

    settings = settings_of(file)
    if of_the_machine(settings, file):
        from foliod.base.sources import SYSTEM_SOCKET

        whose = f"the service of this machine answers at {SYSTEM_SOCKET}; for its settings run this as root (sudo)"
        terminal().say(f"# {whose}. This is what a daemon of your own would have:")
    if as_json:
        print_json(settings.printable())
        return
    from foliod.start.show import show_settings

    show_settings(terminal(), settings.printable(), file or find())


@app.command()
def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also check every row of the store, and every watched file against it.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Check everything foliod needs.

    What is wrong is told with the way to mend it. Exits with 1 when something fails.
    """
    import asyncio
    from dataclasses import asdict

    from foliod.start.doctor import diagnose
    from foliod.start.whose import own_settings

    more: dict[str, Any] = {}
    settings = own_settings(config, secrets=True) if deep else None

    async def checks() -> list[Check]:
        found = [check async for check in diagnose(config)]
        if settings is not None:
            from foliod.start.deep import examine_store

            examined = await examine_store(settings)
            more["store"] = examined.printable()
            found += examined.checks
        return found

    found = asyncio.run(checks())
    failed = any(check.status == "fail" for check in found)
    told = [asdict(check) for check in found]
    if as_json:
        print_json({"ok": not failed, "checks": told} | more)
    else:
        from foliod.start.show import show_checks

        show_checks(terminal(), told)
    raise typer.Exit(int(failed))
