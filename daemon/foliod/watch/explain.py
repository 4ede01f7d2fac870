"""What the judge of a folder knows of one path, in words for people; nothing is changed by asking."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as kinds
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from foliod.base.paths import Wanted, display
from foliod.watch import walk
from foliod.watch.digest import OPEN_FLAGS
from foliod.watch.links import elsewhere
from foliod.watch.settle import Waiting
from foliod.watch.unread import barrier, closed, opening, reader

AGAIN: Final = "it is looked at again by the next sweep"
NEVER: Final = "nothing; it is left alone"


WAITED: Final = "the folder is waited for, and what was read of it is kept until then, or until: foliod forget"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the file system says of a path: a verdict, the reason for it, what follows, and its stat."""

    verdict: str
    reason: str
    then: str | None = None
    stat: os.stat_result | None = None


def look(wanted: Wanted, path: bytes, known: bytes | None, stop: threading.Event) -> Seen:
    """Look at a path as the walk does, `known` being what the store knows of it. Runs in a thread.

    The verdict is `new`, `changed` or `known` for a file that can be read.
    """
    if b"\0" in path:
        return Seen("not_there", "no name holds a NUL character")
    if path != wanted.root and elsewhere(os.path.dirname(path), os.path.realpath(wanted.root), wanted.root):
        return Seen("ignored", walk.LINKED, AGAIN)
    state = None
    with contextlib.suppress(OSError):
        state = os.lstat(path)
    if (root := walk.trouble(wanted.root)) is not None:
        kept = "" if known is None else "; what was read of the file is kept"
        verdict = "root_missing" if root[0] == "missing" else "unreadable"
        return Seen(verdict, f"of the watched folder: {root[1]}{kept}", WAITED, state)
    is_folder = state is not None and kinds.S_ISDIR(state.st_mode)
    barred = barrier(wanted.root, path if is_folder else os.path.dirname(path)) if known is None else None
    # What can't be looked at may be a folder as well as a file.
    if refusal := _unwanted(wanted, path, is_folder=is_folder or (state is None and barred is not None)):
        return Seen(*refusal, NEVER, state)
    if barred is not None:
        return _barred(path, barred, state)
    if is_folder and known is None:
        return Seen("folder", "it is a folder; the files in it are judged one by one", AGAIN, state)
    found = walk.compare(wanted, [path], {} if known is None else {path: known}, stop)
    if path in found.ignored:
        is_file = state is not None and kinds.S_ISREG(state.st_mode)
        return Seen("unreadable" if is_file or path in found.hidden else "ignored", found.ignored[path], AGAIN, state)
    if path in found.hidden:
        kept = "what was read of the file is kept"
        if (barred := barrier(wanted.root, os.path.dirname(path))) is None:
            return Seen("unreadable", f"its folder could not be entered a moment ago; {kept}", AGAIN, state)
        return _barred(path, barred, state, kept)
    if path in found.unmounted:
        reason = "it lay on a file system that is not mounted here now; what was read of it is kept"
        return Seen("not_there", reason, "it is kept until the file system is back, or `foliod forget`", state)
    if state is None:
        if known is None:
            return Seen("not_there", "there is no such file, and none is known", NEVER)
        return Seen(
            "not_there", "the file is not there any more", "it leaves the answers when the grace period is over"
        )
    with contextlib.suppress(OSError):
        state = os.stat(path)
    if (denied := _denied(path)) is not None:
        return Seen("unreadable", *denied, state)
    if path in found.candidates:
        if known is None:
            return Seen("new", "the file is new", None, state)
        if known[-1:] == walk.REASON:
            return Seen("changed", "there was a reason against it when it was last looked at", None, state)
        return Seen("changed", "the file is not as it was when it was read", None, state)
    if known is None or known[-1:] == walk.GONE:
        return Seen("changed", "the file had been missed and is there again", None, state)
    return Seen("known", "the file is as it was when it was read", "nothing, as long as it stays as it is", state)


def explain(
    seen: Seen,
    *,
    shut: tuple[str, str | None] | None,
    root: str,
    now: float,
    waiting: Waiting | None,
    noticed: bool,
    written: bool,
    next_sweep: float,
) -> dict[str, Any]:
    """Return what is known of a path: `root`, `verdict`, `reason`, `next`, `at` (ISO time or None) and `stat`.

    Verdicts: `root_missing`, `unreadable`, `unwanted_name`, `excluded`, `not_recursive`, `folder`, `ignored`,
    `not_there`, `settling` (it is read when it has been still for long enough), `noticed` (it is looked at
    now), `unnoticed` (no event told of it; the next sweep will find it) and `known`.
    `shut` is what is wrong with folders below it, and what to do. `now`, `next_sweep` and the times of `waiting` are of the monotonic clock.
    """
    verdict, reason, then, due = seen.verdict, seen.reason, seen.then, None
    if verdict in ("new", "changed"):
        if waiting is not None:
            verdict, due = "settling", waiting.due
            reason = waiting.reason or f"{reason}, and has been still for {max(0.0, now - waiting.since):.1f} s"
            then = (
                "it is read when it is finished" if waiting.reason else "it is read when it has been still for longer"
            )
        elif noticed:
            verdict, then = "noticed", "it is looked at now"
        else:
            verdict, then, due = "unnoticed", "the next sweep finds it", next_sweep
    elif verdict == "known" and written:
        reason = "the file was read while somebody had it open for writing"
        then = "it is read again when it is closed"
    elif verdict == "folder" and shut is not None:
        reason = f"{reason}; {shut[0]}"
        then = f"{shut[1]}; {AGAIN}" if shut[1] else AGAIN
    elif verdict in ("root_missing", "unreadable", "ignored", "not_there") and (then is None or then.endswith(AGAIN)):
        then, due = then or AGAIN, next_sweep
    return {
        "root": root,
        "verdict": verdict,
        "reason": reason,
        "next": then,
        "at": None if due is None else _iso(datetime.now(UTC) + timedelta(seconds=max(0.0, due - now))),
        "stat": None if seen.stat is None else _told(seen.stat),
    }


def _unwanted(wanted: Wanted, path: bytes, *, is_folder: bool) -> tuple[str, str] | None:
    if path == wanted.root:
        return None
    folder = path if is_folder else os.path.dirname(path)
    if wanted.out_of_reach(folder):
        return "not_recursive", "it lies in a subfolder, and this folder is watched without them (recursive = false)"
    if wanted.excluded(path) or not wanted.folder(folder):
        return "excluded", "it, or a folder that it lies in, matches `exclude`"
    if not is_folder and not wanted.name(os.path.basename(path)):
        return "unwanted_name", "its name does not match `include`"
    return None


def _barred(path: bytes, barred: tuple[bytes, str], state: os.stat_result | None, more: str | None = None) -> Seen:
    """Return what there is to say of a path on the way to which a folder can't be looked into."""
    folder, reason = barred
    what = "the folder" if folder == path else f"its folder {display(folder)}"
    more = more or ("what is in it can't be known" if folder == path else "whether there is such a file can't be known")
    fix = opening(reason)
    return Seen("unreadable", f"{what} {closed(reason)}; {more}", f"{fix}; {AGAIN}" if fix else AGAIN, state)


def _denied(path: bytes) -> tuple[str, str] | None:
    """Return why a file can't be opened for reading and what happens next, None when it can."""
    try:
        os.close(os.open(os.path.realpath(path), OPEN_FLAGS))
    except OSError as error:
        fix = f"give {reader()} the right to read it; " if error.errno in (errno.EACCES, errno.EPERM) else ""
        return f"it can't be read by {reader()}: {error.strerror}", f"{fix}{AGAIN}"
    return None


def _told(state: os.stat_result) -> dict[str, Any]:
    return {
        "size": state.st_size,
        "mtime": _moment(state.st_mtime),
        "ctime": _moment(state.st_ctime),
        "inode": state.st_ino,
        "device": state.st_dev,
        "kind": kinds.filemode(state.st_mode),
        "owner": state.st_uid,
    }


def _moment(seconds: float) -> str | None:
    """Return a file's time; None for one that no calendar has."""
    try:
        return _iso(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, OSError, ValueError):
        return None


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
