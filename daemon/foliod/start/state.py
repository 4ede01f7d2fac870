"""The state folder: whose it is, who runs in it, and the name of this host in a shared store."""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foliod.base.errors import ConfigError, StateInUseError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class State:
    """An opened state folder, held for as long as the daemon runs."""

    folder: Path
    host: str
    """Names this state folder among the hosts that share a store; made once, kept for ever. Empty where it has none yet."""


@contextmanager
def open_state(folder: Path, *, named: bool = True) -> Iterator[State]:
    """Make the folder where needed and hold it; no second daemon gets in. Without `named` a new host gets no name yet.

    Raises ConfigError when it can't be made or written, StateInUseError when it is held.
    """
    try:
        folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        # The lock goes with the process, however it ends; a lock file left behind means nothing.
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        msg = f"the state folder {folder} can't be used: {error.strerror}; set state_dir to a folder that you may write"
        raise ConfigError(msg) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(folder, lock) from None
        try:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            host = _named(folder) or ""
            if named and not host:
                host = name_host(folder)
        except OSError as error:
            msg = f"the state folder {folder} can't be written: {error.strerror}; make room, or set another state_dir"
            raise ConfigError(msg) from error
        yield State(folder, host)
    finally:
        os.close(lock)


def held(folder: Path) -> bool | None:
    """Whether a daemon, or a command in its place, holds the folder; None where that is not for us to know."""
    try:
        check_free(folder)
    except StateInUseError:
        return True
    except OSError:
        return None
    return False


def check_free(folder: Path) -> None:
    """Raise StateInUseError when a daemon holds the folder, and change nothing."""
    try:
        lock = os.open(folder / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(folder, lock) from None
    finally:
        os.close(lock)


def _in_use(folder: Path, lock: int) -> StateInUseError:
    holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
    return StateInUseError(
        f"another foliod (process {holder}) uses the state folder {folder}; "
        "stop it first, or give this one its own state_dir"
    )


def known_host(folder: Path) -> str | None:
    """Return the host's name of a state folder, None while it has none."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return _named(folder)
    return None


def _named(folder: Path) -> str | None:
    with contextlib.suppress(FileNotFoundError):
        # Empty after a power cut in the wrong moment.
        return (folder / "host").read_text("utf-8").strip() or None
    return None


def name_host(folder: Path, name: str | None = None) -> str:
    """Give the state folder its host's name: at once, or not at all; return it. Raises OSError.

    Without `name` it keeps the one that it has, or gets a new one, readable and unique to this folder.
    """
    name = name or _named(folder) or f"{os.uname().nodename}-{uuid.uuid4().hex[:12]}"
    part = folder / "host.new"
    with part.open("w", encoding="utf-8") as new:
        new.write(name + "\n")
        new.flush()
        os.fsync(new.fileno())
    part.rename(folder / "host")
    return name
