"""The real daemon as a process, for tests and benchmarks: started, asked over its socket, stopped or killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

import cluster
from foliod.base.conform import problems
from places import temporary_dir
from plain_http import NO_TLS

DEADLINE = 120.0


def wait_for(what: Callable[[], Any], *, seconds: float = DEADLINE, why: str = "") -> Any:
    """Return the first true value of `what()`; fail after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        if value := what():
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {why or what}")
        time.sleep(0.05)


class Daemon:
    """One daemon with its own state folder and one watched folder, `inbox`."""

    python = sys.executable
    """The environment whose foliod runs."""

    def __init__(
        self,
        base: Path,
        *,
        inbox: Path | None = None,
        config: str = "",
        ollama: str | None = None,
        fresh: bool = False,
    ) -> None:
        """Without a database elsewhere it gets one that is empty and migrated, unless it shall be `fresh`."""
        self.base = base
        self.inbox = inbox or base / "inbox"
        self.state = base / "state"
        self.socket = base / "s"
        self.log = base / "log"
        self.config = base / "foliod.toml"
        if inbox is None:
            self.inbox.mkdir(exist_ok=True)
        if "[ollama]" not in config:
            config += f'\n[ollama]\nurl = "{ollama or "http://127.0.0.1:9"}"\nembed_model = "all-minilm"\nchat_model = "scripted"\n'
        if "[[watch]]" not in config:
            config += f'\n[[watch]]\npath = "{self.inbox}"\nsettle_seconds = 0.1\n'
        if "[server]" not in config:
            config += f'\n[server]\nsocket = "{self.socket}"\n'
        self.config.write_text(f'state_dir = "{self.state}"\n' + config)
        self.provided = fresh or "[database]" in config or self.python != sys.executable
        self.process: subprocess.Popen[bytes] | None = None
        self.family: dict[int, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        found = {k: v for k, v in os.environ.items() if not k.startswith(("FOLIOD_", "XDG_", "STATE_DIR"))}
        # Scans come to the same end on machines with and without Tesseract, unless a test is about it.
        if "ocr" not in (config := self.config.read_text()) and "tessdata" not in config:
            found["FOLIOD_INGEST__OCR"] = "false"
        return found

    def command(self, *args: str) -> list[str]:
        return [str(self.python), "-m", "foliod", *args]

    def start(
        self,
        *,
        ready: bool = True,
        command: list[str] | None = None,
        env: dict[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> Daemon:
        if not self.provided and not self.state.exists():
            cluster.provide(self.state)
        self.provided = True
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command or self.command("run", "--config", str(self.config)),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment | (env or {}),
                cwd=self.base, start_new_session=True, pass_fds=pass_fds,
            )  # fmt: skip
        if ready:
            wait_for(self.is_ready, why="the daemon to be ready")
        return self

    def is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the daemon ended with {self.process.returncode}:\n{self.log_text()[-4000:]}")
        return self.is_alive() and self.request("GET", "/readyz").status_code == 200

    def is_alive(self) -> bool:
        # Asked with a plain socket, because httpx leaks the one that was refused.
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        with self.client() as client:
            return client.request(method, path, **more)

    def client(self, timeout: float = 60) -> httpx.Client:
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.socket), verify=NO_TLS),
            base_url="http://foliod",
            timeout=timeout,
        )

    def get(self, path: str, /, **params: Any) -> Any:
        with self.client() as client:
            answer = client.get(path, params=params)
            answer.raise_for_status()
            return answer.json()

    def post(self, path: str, /, **body: Any) -> Any:
        with self.client() as client:
            answer = client.post(path, json=body)
            answer.raise_for_status()
            return answer.json()

    def search(self, query: str, **more: Any) -> Any:
        return self.post("/v1/search", query=query, **more)

    def ask(self, question: str, **more: Any) -> list[dict[str, Any]]:
        with self.client() as client, client.stream("POST", "/v1/ask", json={"question": question, **more}) as answer:
            # Not iter_lines: it also splits at U+2028, which JSON may hold.
            return [json.loads(line) for line in answer.read().split(b"\n") if line]

    def status(self) -> Any:
        return self.get("/v1/status")

    def states(self) -> dict[str, int]:
        # None while the database can't be asked.
        return {k: v for k, v in (self.status()["documents"] or {}).items() if v}

    def wait_states(self, seconds: float = DEADLINE, **expected: int) -> dict[str, int]:
        """Wait until the documents' states are exactly these."""
        try:
            wait_for(lambda: self.states() == expected, seconds=seconds)
        except TimeoutError:
            raise AssertionError(f"expected {expected}, found {self.states()}\n{self.log_text()[-3000:]}") from None
        return expected

    def drop(self, source: Path, name: str | None = None) -> Path:
        """Put a copy into the inbox as a careful program would: under another name, then renamed."""
        target = self.inbox / (name or source.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        shutil.copyfile(source, part)
        part.rename(target)
        return target

    def cli(
        self, *args: str, timeout: float = 60, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*args), capture_output=True, text=True, timeout=timeout, check=False,
            env=self.environment | {"FOLIOD_CONFIG": str(self.config)} | (env or {}),
        )  # fmt: skip

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_events(self, event: str | None = None) -> list[dict[str, Any]]:
        events = []
        for line in self.log_text().splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if event is None or record.get("event") == event:
                    events.append(record)
        return events

    def stop(self, seconds: float = 60) -> int:
        """SIGTERM, and wait for the end; returns the exit code, which is 0 only when it kept to its own time."""
        assert self.process is not None
        self.look()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Kill -9."""
        if self.process is not None and self.process.poll() is None:
            self.look()
            self.process.kill()
        if self.process is not None:
            self.process.wait(60)

    def end(self) -> None:
        """Stop the daemon if it runs, and see to it that nothing of it stays."""
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: not self.children(), seconds=10)
        for pid in self.children():
            os.kill(pid, signal.SIGKILL)
        if self.python == sys.executable:
            self.conforms()

    def conforms(self) -> None:
        """Fail where foliod's own lines of the log differ from the catalogue of events."""
        own = [line for line in self.log_events() if str(line.get("logger")).startswith("foliod.")]
        if wrong := sorted({wrong for line in own for wrong in problems(line)}):
            raise AssertionError(f"not as foliod.base.events says: {wrong}")

    def children(self) -> list[int]:
        """Processes that name our state folder, or that the daemon had started when it was last looked at."""
        found = [pid for pid, born in self.family.items() if self.born(pid) == born]
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if str(self.base).encode() in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
        return sorted(set(found))

    def look(self) -> dict[int, str]:
        """Note the daemon's processes, those of its children included, by the time they were born."""
        assert self.process is not None
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        members = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in members} - members:
            members |= more
        self.family |= {pid: born for pid in members - {self.process.pid} if (born := self.born(pid))}
        return self.family

    @staticmethod
    def born(pid: int) -> str | None:
        """When a process started, in ticks since boot; None when it is gone or only waits to be collected."""
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return None if fields[0] == "Z" else fields[19]
        return None


@contextlib.contextmanager
def running(config: str = "", *, start: bool = True, **more: Any) -> Iterator[Daemon]:
    """A daemon in a temporary folder that also PostgreSQL's user may enter; all of it is gone afterwards."""
    with temporary_dir() as base:
        daemon = Daemon(base, config=config, **more)
        try:
            if start:
                daemon.start()
            yield daemon
        finally:
            daemon.end()
