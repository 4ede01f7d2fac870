"""What a soak does to a daemon, and which troubles each of these deeds may bring: in the log, and in answers."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from crash_folder import contents, pdf

from live import Daemon, wait_for
from stilled import command
from watcher import children_of, documents

FAKE = Path(__file__).parents[1] / "fake_ollama.py"
ECHO_SECONDS = 8.0
"""What a fault brought about may still be told so long after all is well again: requests that were under way end by then."""
BACK_SECONDS = 90.0
MODEL_EVENTS = frozenset({"vectors_wait", "waiting", "stream_broken", "request_failed"})
DATABASE_EVENTS = frozenset({
    "postgres_died", "postgres_not_restarted", "postgres_leftover_stopped", "database_away", "database_still_away",
    "waiting", "lease_lost", "lease_not_extended", "request_failed", "stream_broken", "citations_not_checked",
    "lost_unseen",
})  # fmt: skip
READER_EVENTS = frozenset({"worker_died", "worker_killed_at_start", "attempt_failed", "request_failed", "ocr_failed"})
FOLDER_EVENTS = frozenset({"watch_waiting", "watch_broken", "root_state", "folder_unreadable", "file_unread"})
RELOAD_EVENTS = frozenset({"root_not_watched", "root_state"})
SECOND_FILES = 3
LOST = frozenset({502, 503, 504, "error", "keyword", "quotes"})
"""Statuses, an `error` as the last line of a stream, and what comes instead of vectors and a written answer."""


@dataclass(slots=True)
class Excuse:
    """A fault, and what it explains from `since` to `until` (seconds since the epoch): events and answers."""

    fault: str
    events: frozenset[str]
    answers: frozenset[int | str]
    since: float
    until: float = float("inf")
    used: Counter[str] = field(default_factory=Counter)

    def covers(self, begun: float, ended: float) -> bool:
        return self.since - 0.1 <= ended and begun <= self.until


class Excuses:
    """All faults so far."""

    def __init__(self) -> None:
        self.all: list[Excuse] = []

    @contextlib.contextmanager
    def during(self, fault: str, events: frozenset[str], answers: frozenset[int | str]) -> Iterator[None]:
        """Run a body that does harm; it is over some time after the body."""
        excuse = Excuse(fault, events, answers, time.time())
        self.all.append(excuse)
        try:
            yield
        finally:
            excuse.until = time.time() + ECHO_SECONDS

    def event(self, name: str, begun: float, ended: float) -> bool:
        """Whether a fault explains an event of the log between these times."""
        return self._used(name, [e for e in self.all if name in e.events and e.covers(begun, ended)])

    def answer(self, what: int | str, begun: float, ended: float) -> bool:
        """Whether a fault explains what became of a request that took from `begun` to `ended`."""
        return self._used(str(what), [e for e in self.all if what in e.answers and e.covers(begun, ended)])

    def _used(self, what: str, found: list[Excuse]) -> bool:
        if found:
            found[-1].used[what] += 1
        return bool(found)


class Ollama:
    """The stand-in for Ollama, as a process that can go away and come back to its port."""

    def __init__(self) -> None:
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, str(FAKE), "--port", str(self.port), "--token-ms", "5", "--until-eof"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.port = int(self.process.stdout.readline().rpartition(":")[2])

    def stop(self) -> None:
        self.process.communicate(timeout=20)

    def fault(self, **faults: Any) -> None:
        httpx.post(f"{self.url}/_faults", json=faults, timeout=20).raise_for_status()


class Faults(threading.Thread):
    """Does one harm after the other, each once before one comes again, with a pause in which all is well again."""

    def __init__(
        self,
        daemon: Daemon,
        ollama: Ollama,
        excuses: Excuses,
        still: threading.Lock,
        *,
        seed: str,
        pause: float,
        only: str = "",
    ) -> None:
        """`still` is held while nobody may work in the folder, `pause` is the mean time between two faults.

        With `only`, a pattern, only those faults are done whose names it is found in.
        """
        super().__init__(name="faults")
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []
        self._daemon, self._ollama, self._excuses, self._still = daemon, ollama, excuses, still
        self._dice = random.Random(seed)
        self._pause = pause
        self._ended = threading.Event()
        ways: dict[str, Callable[[], None]] = {
            "ollama refuses": self.ollama_refuses,
            "ollama hangs": self.ollama_hangs,
            "ollama fails": self.ollama_fails,
            "answers are cut": self.answers_are_cut,
            "a reader is killed": self.reader_killed,
            "a backend is killed": self.backend_killed,
            "postgres is killed": self.postgres_killed,
            "the folder is away": self.folder_away,
            "the daemon is frozen": self.frozen,
            "a root comes and goes": self.reloads,
        }
        self._ways = {name: way for name, way in ways.items() if re.search(only, name)}

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        deck: list[str] = []
        while not self._ended.wait(self._dice.uniform(0.5, 1.5) * self._pause):
            if not deck:
                deck = [*self._ways]
                self._dice.shuffle(deck)
            if not deck:
                continue
            name = deck.pop()
            try:
                self._ways[name]()
            except Exception as error:  # noqa: BLE001 - that it did not come back is a finding
                self.failures.append(f"{name}: {type(error).__name__}: {error}")
            self.done[name] += 1

    # --- Ollama -------------------------------------------------------------------------

    def ollama_refuses(self) -> None:
        with self._excuses.during("ollama refuses", MODEL_EVENTS, LOST):
            self._ollama.stop()
            self._last()
            self._ollama.start()
            self._embedded()

    def ollama_hangs(self) -> None:
        with self._excuses.during("ollama hangs", MODEL_EVENTS, LOST):
            self._ollama.fault(deaf=True)
            self._last()
            self._ollama.fault()
            self._embedded()

    def ollama_fails(self) -> None:
        with self._excuses.during("ollama fails", MODEL_EVENTS, LOST):
            self._ollama.fault(embed=500, chat=500, count=10**6)
            self._last()
            self._ollama.fault()
            self._embedded()

    def answers_are_cut(self) -> None:
        how = self._dice.choice(["error_after", "cut_after", "drop_after", "stall_after"])
        with self._excuses.during("answers are cut", MODEL_EVENTS, LOST):
            self._ollama.fault(**{how: self._dice.randint(0, 6)})
            self._last()
            self._ollama.fault()

    # --- processes ----------------------------------------------------------------------

    def reader_killed(self) -> None:
        with self._excuses.during("a reader is killed", READER_EVENTS, frozenset({500})):
            self._kill(lambda: [pid for pid in children_of(self._pid) if b"worker_main" in command(pid)])

    def backend_killed(self) -> None:
        with self._excuses.during("a backend is killed", DATABASE_EVENTS, LOST):
            self._kill(lambda: backends(self._pid))
            self._back()

    def postgres_killed(self) -> None:
        with self._excuses.during("postgres is killed", DATABASE_EVENTS, LOST):
            self._kill(lambda: servers(self._pid))
            self._back()

    def frozen(self) -> None:
        """Stopped for a moment: for everybody else time passed by, for PostgreSQL and Ollama too."""
        with self._excuses.during("the daemon is frozen", MODEL_EVENTS | DATABASE_EVENTS, LOST):
            os.kill(self._pid, signal.SIGSTOP)
            self._ended.wait(self._dice.uniform(0.5, 3))
            os.kill(self._pid, signal.SIGCONT)
            self._back()

    # --- folders ------------------------------------------------------------------------

    def folder_away(self) -> None:
        """As with an unmounted disk: the folder is gone for a while, and nothing of it is forgotten."""
        away = self._daemon.base / "away"
        with self._excuses.during("the folder is away", FOLDER_EVENTS, frozenset({410})), self._still:
            known = self._known()
            self._daemon.inbox.rename(away)
            self._last()
            away.rename(self._daemon.inbox)
            wait_for(lambda: self._root(self._daemon.inbox)["state"] == "ok", seconds=BACK_SECONDS)
            if lost := known.items() - self._known().items():
                self.failures.append(f"the folder was away: {len(lost)} of {len(known)} documents were forgotten")

    def _known(self) -> dict[str, int]:
        """The numbers of the documents that hold what lies in the folder."""
        there = contents(self._daemon.inbox)
        stored = documents(self._daemon)
        return {
            path: document["id"] for path, document in stored.items() if there.get(Path(path)) == document["sha256"]
        }

    def reloads(self) -> None:
        """Reload with one more root, whose files are read; reload without it, and let go of what was read of it."""
        second, config = self._daemon.base / "second", self._daemon.config.read_text()
        with self._excuses.during("a root comes and goes", RELOAD_EVENTS, frozenset()):
            second.mkdir()
            for number in range(SECOND_FILES):
                (second / f"{number}.pdf").write_bytes(pdf(self._dice.randint(10**7, 10**8 - 1), 2))
            self._reload(config + f'\n[[watch]]\npath = "{second}"\nsettle_seconds = 0.1\n')
            wait_for(
                lambda: [d["state"] for d in self._below(second)] == ["ready"] * SECOND_FILES, seconds=BACK_SECONDS,
                why="the files of a new root to be read",
            )  # fmt: skip
            self._reload(config)
            wait_for(lambda: self._root(second)["state"] in (None, "not_watched"), seconds=BACK_SECONDS)
            self._daemon.post("/v1/forget", root=str(second))
            wait_for(lambda: not self._below(second), seconds=BACK_SECONDS, why="the root to be forgotten")
            shutil.rmtree(second)

    def _reload(self, config: str) -> None:
        self._daemon.config.write_text(config)
        os.kill(self._pid, signal.SIGHUP)

    def _below(self, folder: Path) -> list[dict[str, Any]]:
        return self._daemon.get("/v1/documents", folder=str(folder))["documents"]

    # --- waiting ------------------------------------------------------------------------

    @property
    def _pid(self) -> int:
        return self._daemon.process.pid

    def _last(self) -> None:
        """Let a fault last for a while, longer where faults are rarer."""
        self._ended.wait(max(1.0, self._dice.uniform(0.1, 0.5) * self._pause))

    def _kill(self, victims: Callable[[], list[int]]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._dice.choice(wait_for(victims, seconds=BACK_SECONDS)), signal.SIGKILL)

    def _back(self) -> None:
        time.sleep(0.5)
        wait_for(self._daemon.is_ready, seconds=BACK_SECONDS, why="the daemon to be ready again")

    def _embedded(self) -> None:
        """Wait until it is noticed that vectors can be made again."""
        wait_for(
            lambda: self._daemon.search("anything at all")["mode"] == "hybrid" and self._hopeful(),
            seconds=BACK_SECONDS, why="questions and chunks to be embedded again",
        )  # fmt: skip

    def _hopeful(self) -> bool:
        ollama = self._daemon.status()["ollama"]
        return ollama["reachable"] and not ollama["error"]

    def _root(self, path: Path) -> dict[str, Any]:
        roots = {root["path"]: root for root in self._daemon.status()["roots"]}
        return roots.get(str(path), {"state": None})


def servers(daemon: int) -> list[int]:
    """The embedded PostgreSQL that is a child of the daemon."""
    return [pid for pid in children_of(daemon) if os.path.basename(command(pid).split(b"\0")[0]) == b"postgres"]


def backends(daemon: int) -> list[int]:
    """PostgreSQL's processes that serve a connection."""
    return [
        pid for server in servers(daemon) for pid in children_of(server) if b" foliod foliod [local]" in command(pid)
    ]
