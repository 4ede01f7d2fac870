"""Archives of the store as pg_dump writes them (custom format): making one, reading what it holds, putting it back."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from foliod.base.errors import EmbeddedServerError, FoliodError, SchemaError
from foliod.store.lodging import installation

if TYPE_CHECKING:
    from foliod.store.tunnel import Way

PIECE: Final = 1 << 20
PLACES: Final = "/usr/lib/postgresql"
"""Where Debian keeps the programs of each version."""
TYPES: Final = rb"\b%s\.(?=(?:half|sparse)vec)"
COPIED: Final = re.compile(rb"COPY [^ ]+ \(.*\) FROM stdin;\n")
PLACE: Final = re.compile(r"^psql:[^:]+:\d+: ")
"""Where in the stream an error was met: it says nothing to anybody who does not see that."""
ERROR: Final = re.compile(r"\b(?:error|ERROR|FATAL): ")
TOLD: Final = 3
"""Lines of a program's complaint that are passed on."""


class ArchiveError(FoliodError):
    """The backup can't be made, read or restored."""

    code = "archive"


@dataclass(frozen=True, slots=True)
class Contents:
    """What an archive says of itself."""

    migrations: tuple[tuple[int, str, str], ...]
    """Number, name and SHA-256 of those that the store had."""
    hosts: tuple[str, ...]
    vector_schema: str
    """Where pgvector lay."""


def program(name: str, major: int) -> Path:
    """Return a program of PostgreSQL's that fits a server of this version: foliod's own, or one of this machine.

    Raises ArchiveError when there is none.
    """
    found: list[Path] = []
    with contextlib.suppress(EmbeddedServerError):
        found.append(installation() / "bin" / name)
    found += filter(None, [Path(there) if (there := shutil.which(name)) else None])
    found += sorted(Path(PLACES).glob(f"*/bin/{name}"), reverse=True)
    for path in found:
        if path.exists() and (version := _version(path)) is not None and version >= major:
            return path
    msg = f"the server is PostgreSQL {major}: {name} of that version or later is needed (Debian: postgresql-client-{major})"
    raise ArchiveError(msg)


class Programs:
    """Those that run now. Another thread can end them, also while they wait for a lock and nothing comes of them."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._over = False

    def add(self, process: subprocess.Popen[bytes]) -> None:
        """Take one in; it is ended at once when the others were."""
        self._processes.append(process)
        if self._over:
            process.kill()

    def end(self) -> None:
        """End all, and those that come."""
        self._over = True
        for process in self._processes:
            process.kill()


def dump(
    way: Way, major: int, snapshot: str, into: IO[bytes], progress: Callable[[int], None], programs: Programs
) -> int:
    """Write what a snapshot of the store holds; return the number of bytes. Blocks. Raises ArchiveError, OSError.

    `progress` is told how many bytes were written so far.
    """
    command: list[str | Path] = [
        program("pg_dump", major), "--format=custom", "-Z1", "--schema=foliod", "--no-owner", "--no-privileges",
        "--no-password", f"--snapshot={snapshot}", "--lock-wait-timeout=60s", f"--dbname={way.conninfo}",
    ]  # fmt: skip
    written = 0
    with _running(command, way, programs) as process:
        while piece := process.output.read(PIECE):
            into.write(piece)
            written += len(piece)
            progress(written)
        process.succeeded("the store can't be backed up")
    return written


def contents(file: Path) -> Contents:
    """Read what an archive holds. Blocks. Raises ArchiveError when it is none of foliod's, or damaged."""
    listed = _printed(file, "--list").decode(errors="replace")
    entries = [line.split(" ", 3)[3] for line in listed.splitlines() if line and not line.startswith(";")]
    foreign = [e for e in entries if not re.search(r"(?:^| )(?:foliod |- SCHEMA foliod|- COMMENT .*foliod)", e)]
    if foreign or not any("TABLE DATA foliod migrations" in entry for entry in entries):
        msg = f"{file} is not a backup that `foliod backup` made"
        raise ArchiveError(msg)
    migrations = tuple((int(row[0]), row[1], row[2]) for row in _rows(file, "migrations"))
    hosts = tuple(row[0] for row in _rows(file, "hosts")) if "TABLE DATA foliod hosts" in listed else ()
    found = re.search(rb"(\w+|\"[^\"]+\")\.halfvec", _printed(file, "--schema-only", "-f", "-"))
    return Contents(migrations, hosts, found[1].decode() if found else "public")


def restore(
    file: Path,
    way: Way,
    major: int,
    names: tuple[str, str],
    first: str,
    progress: Callable[[int], None],
    programs: Programs,
) -> None:
    """Put an archive back in one transaction, after the statements in `first`, which leave foliod's schema empty.

    Blocks. Raises ArchiveError.

    `names` are the schema in which pgvector lay, and the one in which it lies now. Whatever ends this, also
    a kill, leaves the database as it was.
    """
    psql: list[str | Path] = [
        program("psql", major), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", "-o", os.devnull, way.conninfo,
    ]  # fmt: skip
    source: list[str | Path] = [
        program("pg_restore", 0), "--schema=foliod", "--no-owner", "--no-privileges", "-f", "-", file,
    ]  # fmt: skip
    before, now = (name.encode() for name in names)
    types, copying, sent = re.compile(TYPES % re.escape(before)), False, 0
    with (
        _running(source, None, programs) as reader,
        _running(psql, way, programs, stdin=subprocess.PIPE) as writer,
    ):
        try:
            # Not --single-transaction: what is cut off must not be committed.
            writer.input.write(f"SET client_min_messages = warning;\nBEGIN;\n{first}\n".encode())
            for line in reader.output:
                out = line
                if copying:
                    copying = line != b"\\.\n"
                else:
                    copying = COPIED.fullmatch(line) is not None
                    # Said by pg_restore 17 and later, known to servers of 17 and later.
                    if major < 17 and line.startswith(b"SET transaction_timeout"):
                        continue
                    if before != now:
                        out = types.sub(now + b".", line)
                writer.input.write(out)
                sent += len(line)
                progress(sent)
            reader.succeeded(f"{file} can't be read to its end; nothing was changed")
            writer.input.write(b"COMMIT;\n")
            writer.input.close()
        except BrokenPipeError:
            # It says itself why it would not go on.
            reader.process.kill()
        writer.succeeded("the backup can't be restored; nothing was changed")


def fits(found: Contents, known: Mapping[int, tuple[str, str]], file: Path) -> None:
    """Raise SchemaError unless the archive's schema is one that this foliod knows; `known` are name and SHA-256."""
    last = found.migrations[-1][0] if found.migrations else 0
    if last > max(known, default=0):
        msg = (
            f"{file} was made by a newer foliod (schema {last}, this one knows {max(known, default=0)}): restore it with "
            "that version"
        )
        raise SchemaError(msg)
    for number, name, digest in found.migrations:
        if known[number][1] != digest:
            msg = f"{file}: its migration {number:04}_{name} is not the one that this foliod has; use the version that made it"
            raise SchemaError(msg)


def _rows(file: Path, table: str) -> list[list[str]]:
    text = _printed(file, "--data-only", "--schema=foliod", f"--table={table}", "-f", "-").decode()
    found = re.search(rf"^COPY foliod\.{table} \(.*?\) FROM stdin;\n(.*?)^\\\.$", text, re.MULTILINE | re.DOTALL)
    return sorted((line.split("\t") for line in found[1].splitlines()), key=lambda r: r[0].zfill(8)) if found else []


def _printed(file: Path, *args: str) -> bytes:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise ArchiveError(f"the backup {file} can't be read: {error.strerror}") from error
    command: list[str | Path] = [program("pg_restore", 0), *args, file]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=_environment(None))
    if done.returncode != 0:
        msg = f"{file} is not a backup that `foliod backup` made, or is damaged: {_complaint(done.stderr)}"
        raise ArchiveError(msg)
    return done.stdout


class _Program:
    """A running program; its complaints go to a file in memory, so that it never waits for us."""

    def __init__(self, command: list[str | Path], way: Way | None, stdin: int) -> None:
        self._complaints = os.memfd_create("complaints")
        self.process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=self._complaints, env=_environment(way)
        )

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def input(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def succeeded(self, what: str) -> None:
        """Wait for its end; raises ArchiveError, which begins with `what`, unless all was well."""
        if self.process.wait() != 0:
            raise ArchiveError(f"{what}: {_complaint(os.pread(self._complaints, 1 << 16, 0))}")

    def end(self) -> None:
        """Kill it where it still runs."""
        self.process.kill()
        with contextlib.suppress(BrokenPipeError), self.process:
            pass
        os.close(self._complaints)


@contextlib.contextmanager
def _running(
    command: list[str | Path], way: Way | None, programs: Programs, *, stdin: int = subprocess.DEVNULL
) -> Iterator[_Program]:
    """Run a program for as long as the body does."""
    program = _Program(command, way, stdin)
    programs.add(program.process)
    try:
        yield program
    finally:
        program.end()


def _environment(way: Way | None) -> dict[str, str]:
    # A command line is seen by all, an environment only by ourselves. PG* variables of the user change nothing.
    password = {"PGPASSWORD": way.password} if way is not None and way.password else {}
    return {"PATH": os.defpath, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "30", "PGAPPNAME": "foliod backup"} | password


def _complaint(said: bytes) -> str:
    """Return the error among what a program said: what stands before it are notes on the way."""
    lines = [PLACE.sub("", line) for line in said.decode(errors="replace").splitlines() if line.strip()]
    lines = lines[next((at for at, line in enumerate(lines) if ERROR.search(line)), 0) :]
    return " | ".join(lines[:TOLD]) or "it said nothing"


def _version(path: Path) -> int | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run([path, "--version"], capture_output=True, check=True, timeout=20, env=_environment(None))
        if found := re.search(rb" (\d+)", said.stdout):
            return int(found[1])
    return None
