"""The bearer token of the localhost door: made once, for its owner alone, and taken anew when its file changes."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from foliod.base.errors import ConfigError
from foliod.base.redact import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foliod.base.config import Settings

SHORTEST_TOKEN = 16
MOST_BYTES = 4096

log = structlog.get_logger()


def token_file(settings: Settings) -> Path:
    """Return where the token is kept."""
    return settings.server.token_file or settings.state / "token"


def bearer_token(path: Path) -> str:
    """Return the token in a file, made with mode 0600 when the file is missing.

    Raises ConfigError for a token that is no token, or that others than its owner can read.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            with _written(path) as part, contextlib.suppress(FileExistsError):
                # Of two daemons that start at once, the first makes the token and both use it.
                os.link(part, path)
        return _read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the token file {path} can't be read or made: {error}; set [server] token_file") from error


def renew(path: Path) -> None:
    """Put a new token in the place of the one before, whole at every moment. Raises ConfigError.

    Root does it with the rights of whoever owns the first folder on the way that is not root's, who could put a link
    or another file there at any moment: nothing is written that they could not write themselves.
    """
    try:
        with _as_owner(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A link is followed, so that the file changes that the daemon reads.
            real = Path(os.path.realpath(path))
            with _written(real, like=real if real.exists() else real.parent) as part:
                part.rename(real)
    except OSError as error:
        raise ConfigError(f"the token file {path} can't be written: {error.strerror}") from error


class Bearer:
    """The token that is in force: that of the file as it is now."""

    def __init__(self, path: Path) -> None:
        """Read the token, or make it. Raises ConfigError."""
        self._path = path
        # Before it is read: a token that is renewed in between is taken with the first request.
        self._seen = self._look()
        self._token: str | None = bearer_token(path)
        SECRETS.hide(self._token)
        self._trouble: str | None = None

    def fits(self, given: str) -> bool:
        """Say whether a client has the token, in a time that does not tell how much of it is right."""
        if (seen := self._look()) != self._seen or seen is None:
            self._take(seen)
        token = self._token
        # Compared also when there is none, with what nobody can know.
        expected = (token or secrets.token_urlsafe(32)).encode()
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected) and token is not None

    def _look(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _take(self, seen: tuple[int, ...] | None) -> None:
        """Take the token of a file that changed; without a good one the door is shut."""
        try:
            token, trouble = _read(self._path), None
            SECRETS.hide(token)
            if token != self._token:
                log.info("token_renewed", file=str(self._path))
            self._token = token
        except FileNotFoundError:
            self._token, trouble = None, f"the token file {self._path} is gone; make a token with: foliod token --new"
        except OSError as error:
            why = (error.strerror or "it can't be opened").lower()
            self._token, trouble = None, f"the token file {self._path} can't be read: {why}"
        except UnicodeDecodeError:
            self._token, trouble = (
                None,
                f"the token file {self._path} is no text; get a new one with: foliod token --new",
            )
        except ConfigError as error:
            self._token, trouble = None, error.message
        if trouble is not None and trouble != self._trouble:
            log.warning("token_unusable", reason=trouble)
        self._trouble = trouble
        self._seen = seen


@contextlib.contextmanager
def _as_owner(path: Path) -> Iterator[None]:
    """Let root do what follows as the owner of the first folder, or link to one, that is not root's on the way to a file.

    Who is not root does it as they are.
    """
    owner = _not_roots(path) if os.geteuid() == 0 else None
    if owner is None:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([owner.st_gid])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _not_roots(path: Path) -> os.stat_result | None:
    """Return the first folder or link on the way to a file that is not root's; the file itself does not count."""
    path = path.absolute()
    for way in (path, Path(os.path.realpath(path))):
        for place in (*reversed(way.parents), way):
            with contextlib.suppress(FileNotFoundError):
                found = place.lstat()
                if found.st_uid != 0 and not stat.S_ISREG(found.st_mode):
                    return found
    return None


@contextlib.contextmanager
def _written(path: Path, *, like: Path | None = None) -> Iterator[Path]:
    """Yield a file beside `path` that holds a new token; it is removed if it is still there.

    With `like` it belongs to the owner of that, where we are root.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.fchmod(fd, 0o600)
            if like is not None and os.geteuid() == 0:
                owner = like.stat()
                os.fchown(fd, owner.st_uid, owner.st_gid)
            os.write(fd, f"{secrets.token_urlsafe(32)}\n".encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        yield part
    finally:
        part.unlink(missing_ok=True)


def _read(path: Path) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"the token file {path} is no file; set [server] token_file")
        if found.st_uid not in (0, os.geteuid()):
            raise ConfigError(
                f"the token file {path} belongs to user {found.st_uid}, who knows the token and can change it;"
                f" do: chown {os.geteuid()} {path}, and then: foliod token --new"
            )
        if stat.S_IMODE(found.st_mode) & 0o077 and not _credential(path):
            raise ConfigError(
                f"the token file {path} can be read by others (mode {stat.S_IMODE(found.st_mode):04o});"
                f" do: chmod 600 {path}, and, since somebody may have read it: foliod token --new"
            )
        token = os.read(fd, MOST_BYTES).decode("utf-8").strip()
    finally:
        os.close(fd)
    if len(token) < SHORTEST_TOKEN or not token.isascii():
        raise ConfigError(
            f"the token in {path} must have at least {SHORTEST_TOKEN} plain characters; get a new one with: foliod token --new"
        )
    return token


def _credential(path: Path) -> bool:
    """Whether systemd keeps a file: it lets in our user by an access list, which looks like a group."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.is_relative_to(folder or "/")
