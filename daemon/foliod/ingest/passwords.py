"""The passwords that locked PDFs are tried with: read from the users' files when needed, tried again when those change.

What the files hold goes to the process that reads the PDF and nowhere else. On a document is noted
what the files looked like when it was tried, never what they held.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import structlog

from foliod.base.errors import DocumentRefusedError
from foliod.base.model import DocumentState
from foliod.base.paths import below
from foliod.base.patience import FILES, patiently
from foliod.reading.wire import LONGEST_PASSWORD, MAX_PASSWORDS, PASSWORD_CHARS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence
    from pathlib import Path

    from foliod.base.config import Settings
    from foliod.ingest.backlog import Backlog
    from foliod.ingest.job import ReadEvent, ReadJob
    from foliod.ingest.workers import Workers
    from foliod.store.database import Database

LOOK_SECONDS = 2.0
"""How often is looked whether a file has changed."""
COMPARE_SECONDS = 30.0
"""How often all locked documents are compared with the files, changed or not."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """What reading a file of passwords gave: them, what the file looks like, and what is wrong with it, if anything."""

    path: Path
    passwords: tuple[str, ...] = field(repr=False)
    signature: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Keys:
    """The passwords for one document, without doubles, and the files that they come from."""

    files: tuple[PasswordFile, ...]

    @property
    def passwords(self) -> tuple[str, ...]:
        """All of them, in the order in which they are tried; never more than a reader takes."""
        found = dict.fromkeys(password for file in self.files for password in file.passwords)
        return tuple(found)[:MAX_PASSWORDS]

    @property
    def signature(self) -> str:
        """What the files look like: differs when one was changed."""
        return " ".join(file.signature for file in self.files)

    @property
    def reason(self) -> str:
        """Why a document that none of them opens can't be read, and what to do."""
        what = "the PDF opens with a password only"
        if not self.files:
            return (
                f"{what}; put its password on a line of a file, and name that as [ingest] passwords_file, or save a "
                "copy without a password"
            )
        problems = "".join(f"; {file.problem}" for file in self.files if file.problem)
        names = " or ".join(str(file.path) for file in self.files)
        count = len(self.passwords)
        tried = (
            "there was no password to try"
            if not count
            else f"{'the one password was' if count == 1 else f'{count:,} passwords were'} tried in vain"
        )
        return (
            f"{what}, {tried}; put its password on a line of {names}: it is tried again when that file "
            f"changes{problems}"
        )


class Passwords:
    """Knows which file holds the passwords for which document, and has documents tried again when it changes."""

    def __init__(self, db: Database, backlog: Backlog, settings: Settings) -> None:
        self._db = db
        self._backlog = backlog
        self._problems: dict[Path, str] = {}
        self._threads: dict[Path, ThreadPoolExecutor] = {}
        self.configure(settings)
        self._tried = False
        """Whether a document was tried in vain since all were compared with the files."""
        self._until = 0.0

    def configure(self, settings: Settings) -> None:
        """Go by these settings from now on; all locked documents are compared with the files they name."""
        self._common = settings.ingest.passwords_file
        self._own = [
            (os.fsencode(watch.path), watch.passwords_file) for watch in settings.watch if watch.passwords_file
        ]
        self._files = sorted({file for _, file in self._own} | ({self._common} if self._common else set()))
        self._problems = {file: problem for file, problem in self._problems.items() if file in self._files}
        self._seen: dict[Path, str] | None = None
        for file in self._threads.keys() - set(self._files):
            self._threads.pop(file).shutdown(wait=False)

    async def of(self, paths: Iterable[bytes]) -> Keys:
        """Return the passwords for a document that lies at these paths: its folders' own files, then the common one."""
        found = [await self._read(file) for file in self._for(paths)]
        return Keys(tuple(map(self._told, found)))

    async def reading(
        self, workers: Workers, job: ReadJob, document: int, paths: Sequence[bytes]
    ) -> AsyncGenerator[ReadEvent, None]:
        """Yield what Workers.read does; a locked PDF is opened with the passwords for its paths.

        They are not sent to processes that don't need them. Raises as Workers.read; when none fits, what
        was tried is noted on the document.
        """
        try:
            async with aclosing(workers.read(job)) as events:
                async for event in events:
                    yield event
        except DocumentRefusedError as refusal:
            if refusal.state != DocumentState.NEEDS_PASSWORD:
                raise
        else:
            return
        keys = await self.of(paths)
        try:
            if keys.passwords:
                async with aclosing(workers.read(replace(job, passwords=keys.passwords))) as events:
                    async for event in events:
                        yield event
                return
        except DocumentRefusedError as refusal:
            if refusal.state != DocumentState.NEEDS_PASSWORD:
                raise
        await self._db.execute("passwords_tried", document, self._backlog.owner, self._backlog.host, keys.signature)
        self._tried = True
        raise DocumentRefusedError(DocumentState.NEEDS_PASSWORD, keys.reason)

    async def look(self) -> bool:
        """Have locked documents tried again when the files are not those they were tried with; then wait a moment.

        They are gone through at start, when a file has changed, after one was tried in vain, since its file may
        have changed meanwhile, and now and then for those that another host tried with its own files. Noted at
        once, so that two hosts never take a document from each other again and again.
        """
        files = self._files
        seen = {file: await self._read(file) for file in files}
        looks = {file: self._told(found).signature for file, found in seen.items()}
        if looks != self._seen or self._tried or time.monotonic() >= self._until:
            self._tried = False
            rows = await self._db.fetch("locked_documents", self._backlog.host)
            if files is not self._files:
                # Configured anew meanwhile: others count now.
                self._tried = True
                return True
            now = {row["id"]: self._signature(row["paths"], looks) for row in rows}
            changed = [row["id"] for row in rows if row["tried"] != now[row["id"]]]
            if changed:
                done = await self._db.fetch(
                    "unlock_documents", self._backlog.host, changed, [now[document] for document in changed]
                )
                log.info("passwords_changed", documents=len(done))
                self._backlog.wake()
            self._seen, self._until = looks, time.monotonic() + COMPARE_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _read(self, file: Path) -> PasswordFile:
        """Read a file in a thread of its own: where one hangs, only who needs it waits."""
        if file not in self._threads:
            self._threads[file] = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        with patiently(FILES):
            return await asyncio.get_running_loop().run_in_executor(self._threads[file], read_passwords, file)

    def report(self) -> list[dict[str, Any]]:
        """Return the files with what is wrong with them."""
        return [{"path": str(file), "problem": self._problems.get(file)} for file in self._files]

    def _for(self, paths: Iterable[bytes]) -> list[Path]:
        files = [file for path in paths for root, file in self._own if below(path, root)]
        return list(dict.fromkeys([*files, self._common] if self._common else files))

    def _signature(self, paths: Iterable[bytes], seen: dict[Path, str]) -> str:
        return " ".join(seen[file] for file in self._for(paths))

    def _told(self, file: PasswordFile) -> PasswordFile:
        """Say what is wrong with a file, once."""
        if file.problem != self._problems.get(file.path):
            if file.problem is not None:
                self._problems[file.path] = file.problem
                log.warning("passwords_file", reason=file.problem)
            else:
                del self._problems[file.path]
                log.info("passwords_file_readable", file=str(file.path))
        return file


def read_passwords(path: Path) -> PasswordFile:
    """Read a file of passwords: one a line, in UTF-8, blank lines left out. Never raises."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        # Its looks, too, may be hidden.
        return PasswordFile(path, (), f"-{error.errno}", f"{path} can't be read: {error.strerror}")
    try:
        found = os.fstat(fd)
        looks = f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"
        if not stat.S_ISREG(found.st_mode):
            return PasswordFile(path, (), looks, f"{path} is no regular file")
        # Four bytes are the longest character.
        content = os.read(fd, 4 * PASSWORD_CHARS)
    except OSError as error:
        return PasswordFile(path, (), f"-{error.errno}", f"{path} can't be read: {error.strerror}")
    finally:
        os.close(fd)
    passwords, problem = _parsed(content.removeprefix(b"\xef\xbb\xbf"), found.st_size)
    return PasswordFile(path, passwords, looks, problem and f"{path}: {problem}")


def _parsed(content: bytes, size: int) -> tuple[tuple[str, ...], str | None]:
    found: dict[str, None] = {}
    problem = None
    chars = 0
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            password = line.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError:
            problem = problem or f"line {number} is not UTF-8 and left out"
            continue
        if not password.strip():
            continue
        if len(password) > LONGEST_PASSWORD or "\0" in password:
            problem = problem or f"line {number} can't be a password and is left out"
            continue
        chars += len(password)
        if len(found) >= MAX_PASSWORDS or chars > PASSWORD_CHARS:
            return tuple(found), f"only the first {len(found):,} passwords are tried; foliod takes no more"
        found[password] = None
    if size > len(content) + 3:
        problem = problem or f"only the first {len(found):,} passwords are tried; foliod takes no more"
    return tuple(found), problem
