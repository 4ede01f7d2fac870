"""What installing a service changes, one step at a time: done and told, or only told when it is a rehearsal.

Files are written as a whole and under our name: a line on top holds a hash of the rest, so that what somebody else
wrote, or changed, is never overwritten or removed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from foliod.base.errors import ConflictError, FoliodError
from foliod.base.version import __version__

Verb = Literal["write", "make", "give", "remove", "keep", "run", "start", "stop"]

WORDS: Final[dict[Verb, tuple[str, str]]] = {
    "write": ("wrote", "would write"),
    "make": ("made", "would make"),
    "give": ("gave", "would give"),
    "remove": ("removed", "would remove"),
    "keep": ("kept", "would keep"),
    "run": ("ran", "would run"),
    "start": ("started", "would start"),
    "stop": ("stopped", "would stop"),
}
"""How a step is told: done, and in a rehearsal."""
SIGNED: Final = re.compile(r"# Written by foliod (\S+) service install \(sha256 ([0-9a-f]{16})\)\..*\n")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done, or would be."""

    verb: Verb
    target: str
    note: str = ""

    def told(self, *, rehearsal: bool) -> str:
        """Return it as a line for people."""
        return f"{WORDS[self.verb][rehearsal]} {self.target}{f' ({self.note})' if self.note else ''}"


class Steps:
    """Does and tells the steps; with `rehearsal` it only tells them."""

    def __init__(self, tell: Callable[[str], None], *, rehearsal: bool = False) -> None:
        self.rehearsal = rehearsal
        self.done: list[Step] = []
        self._tell = tell

    def add(self, verb: Verb, target: str | Path, note: str = "") -> None:
        """Note and tell a step that somebody else does."""
        step = Step(verb, str(target), note)
        self.done.append(step)
        self._tell(step.told(rehearsal=self.rehearsal))

    def sign(self, path: Path, text: str) -> bool:
        """Write a file of ours, if it is not there as it should be; say whether it was not.

        Raises ConflictError when another file stands there, FoliodError when it can't be written.
        """
        check(path)
        whole = signature(text) + text
        if path.exists() and path.read_text("utf-8") == whole:
            return False
        self.add("write", path)
        if not self.rehearsal:
            write(path, whole)
        return True

    def unsign(self, path: Path) -> bool:
        """Remove a file of ours; keep and tell another one; say whether it was ours."""
        if not os.path.lexists(path):
            return False
        try:
            check(path)
        except ConflictError as error:
            self.add("keep", path, error.message.removeprefix(f"{path} ").partition(";")[0])
            return False
        self.add("remove", path)
        if not self.rehearsal:
            path.unlink()
        return True

    def tidy(self, folder: Path) -> None:
        """Remove a folder if nothing is in it; tell what is, if something is."""
        if not folder.is_dir():
            return
        left = sorted(entry.name for entry in folder.iterdir())
        if left and not self.rehearsal:
            self.add("keep", folder, f"holds {', '.join(left)}, which foliod did not write")
        elif not left:
            folder.rmdir()

    def clear(self, path: Path, note: str = "") -> None:
        """Remove a file, or a folder with all that is in it. Raises FoliodError."""
        self.add("remove", path, note)
        if self.rehearsal:
            return
        try:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        except OSError as error:
            raise FoliodError(f"{error.filename or path} can't be removed: {error.strerror}") from error


def signature(text: str) -> str:
    """Return the line that goes before `text`."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return (
        f"# Written by foliod {__version__} service install (sha256 {digest}). Changes go into a drop-in, not here.\n"
    )


def check(path: Path) -> None:
    """Raise ConflictError unless nothing stands at `path`, or what `sign` wrote and nobody changed."""
    if not os.path.lexists(path):
        return
    if path.is_symlink():
        raise ConflictError(f"{path} is a link to {path.readlink()} that foliod did not make; remove it first")
    try:
        first, _, rest = path.read_text("utf-8").partition("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConflictError(f"{path} can't be read ({error}); look what it is, and remove it first") from error
    found = SIGNED.fullmatch(first + "\n")
    if found is None:
        raise ConflictError(f"{path} was not written by foliod; move what it does elsewhere, and remove it first")
    if hashlib.sha256(rest.encode()).hexdigest()[:16] != found[2]:
        raise ConflictError(
            f"{path} was changed after foliod wrote it; move the changes into a drop-in (systemctl edit), and remove it first"
        )


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file as a whole: who reads it finds the old one or the new one. Raises FoliodError."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fd, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(fd, mode)
                os.fsync(fd)
            os.rename(part, path)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        raise FoliodError(f"{path} can't be written: {error.strerror}") from error


def run(program: str, *arguments: str) -> None:
    """Run a program of the system. Raises FoliodError when it is not there or fails."""
    found = shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if found is None:
        raise FoliodError(f"{program} is not installed")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FoliodError(f"`{program} {' '.join(arguments)}` failed: {' '.join((done.stderr or done.stdout).split())}")
