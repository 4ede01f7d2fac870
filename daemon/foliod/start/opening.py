"""Opens the picture of a page with what the user's desktop has for that."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foliod.base.errors import FoliodError
from foliod.start.hyperlinks import page_of
from foliod.start.show import pages, title

if TYPE_CHECKING:
    from foliod.start.client import Client
    from foliod.start.terminal import Terminal

KEEP_SECONDS = 86_400.0
"""Pictures are left for the viewer to read, and taken away by a later command."""
FAIL_SECONDS = 3.0
"""Who opens nothing says so within so long; who goes on longer shows something."""
NAME_CHARS = 60


class Target:
    """What an answer is to be opened at: its first citation, else its best hit."""

    def __init__(self) -> None:
        self._hits: dict[int, dict[str, Any]] = {}
        self._citation: dict[str, Any] | None = None

    def watch(self, events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Pass the events of an answer on, and remember what there is to open."""
        for event in events:
            if event.get("type") == "sources":
                self._hits = {hit["n"]: hit for hit in event["hits"]}
            elif event.get("type") == "done":
                self._citation = next(iter(event["citations"]), None)
            yield event

    def look(self, hits: Iterable[dict[str, Any]]) -> None:
        """Remember the hits of a search."""
        self._hits = dict(enumerate(hits, start=1))

    @property
    def best(self) -> tuple[dict[str, Any], int, tuple[int, int] | None] | None:
        """The document, the page, and what of the document's text to mark; None when nothing was found."""
        hit = self._hits.get(1 if self._citation is None else int(self._citation["n"]))
        found = self._citation or hit
        if found is None:
            return None
        page = page_of(found)
        inside = hit is not None and hit["pages"][0] <= page <= hit["pages"][1]
        return found["document"], page, (hit["start"], hit["end"]) if hit is not None and inside else None


def open_best(terminal: Terminal, client: Client, target: Target) -> None:
    """Fetch the picture of what was found best and open it; say where it is when nothing can.

    Raises FoliodError.
    """
    best = target.best
    if best is None:
        terminal.say("Nothing was found that could be opened.", "yellow")
        return
    document, page, span = best
    picture = client.picture(int(document["id"]), page, span=span)
    # What tells pictures apart comes first: many documents have one title, and long ones are cut.
    path = saved(picture, f"{document['id']}-page-{page}-{title(document)}")
    what = f"{pages([page, page])} of {title(document)}"
    program = opener()
    if program is None:
        terminal.say(f"There is nothing here to open a picture with; {what} is saved as {path}", "yellow")
    elif not opened([*program, str(path)]):
        terminal.say(f"{program[0]} could not open it; {what} is saved as {path}", "yellow")
    else:
        terminal.say(f"opened {what} ({path})", "dim")


def saved(picture: bytes, name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Write a picture into a folder that nobody else can look into; return its path. Raises FoliodError."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(runtime) / "foliod-pages" if runtime and os.access(runtime, os.W_OK) else cache / "foliod-pages"
    path = folder / (re.sub(r"[^\w.-]+", "-", name).strip("-.")[:NAME_CHARS] + ".png")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            msg = f"{folder} can be written by others; take it away, and ask again"
            raise FoliodError(msg)
        _tidy(folder)
        # A viewer may still have the last one open under this name.
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(picture)
    except OSError as error:
        msg = f"the picture can't be saved as {path}: {error.strerror}"
        raise FoliodError(msg) from error
    return path


def opener(environ: Mapping[str, str] = os.environ) -> list[str] | None:
    """Return the command that shows a file: $BROWSER, the desktop's, or None where there is no desktop."""
    for browser in environ.get("BROWSER", "").split(os.pathsep):
        try:
            # `%s` stands for the address in some settings; it comes last in ours.
            command = [part for part in shlex.split(browser) if part != "%s"]
        except ValueError:
            continue
        if command and shutil.which(command[0], path=environ.get("PATH")):
            return command
    if sys.platform == "darwin":
        return ["open"]
    if not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")):
        return None
    for command in (["xdg-open"], ["gio", "open"]):
        if shutil.which(command[0], path=environ.get("PATH")):
            return command
    return None


def opened(command: list[str]) -> bool:
    """Start a program that goes on by itself; False when it fails at once."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    try:
        return process.wait(FAIL_SECONDS) == 0
    except subprocess.TimeoutExpired:
        # It is the user's now.
        process.returncode = 0
        return True


def _tidy(folder: Path) -> None:
    """Take away what was shown long ago."""
    for old in folder.glob("*.png"):
        with contextlib.suppress(OSError):
            if old.lstat().st_mtime < time.time() - KEEP_SECONDS:
                old.unlink()
