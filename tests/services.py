"""foliod as a service on a booted machine: what its tests have in common."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import live
import wheels
from booted import Machine, missing
from foliod.start.service_reach import PRIVATE
from live import wait_for
from places import temporary_dir
from stilled import command
from wheels import ROOT

FOLIOD = "/opt/foliod/bin/foliod"
INBOX = "/srv/in"

numbers = itertools.count(1)


def needs_systemd() -> list[pytest.MarkDecorator]:
    """Marks of tests that boot a machine: where none can be booted they are skipped, and say why."""
    shown = [ROOT, Path(sys.prefix), Path(sys.base_prefix)]
    private = [folder for folder in PRIVATE if any(path.is_relative_to(folder) for path in shown)]
    why_not = f"services do not see {private[0]}, where this repository lies" if private else missing()
    return [
        pytest.mark.skipif(why_not is not None, reason=f"no systemd can be booted: {why_not}"),
        # The machine is made in the first test of each file.
        pytest.mark.timeout(600),
    ]


@contextlib.contextmanager
def furnished() -> Iterator[Machine]:
    """A machine on which the wheel is installed in /opt/foliod, with two users and an Ollama."""
    with temporary_dir() as folder, temporary_dir() as dist:
        wheel = wheels.build(dist)
        with Machine(folder, [ROOT, Path(sys.prefix), Path(sys.base_prefix)]) as machine:
            # Not shown: a mount below /dev/shm is in the way of a user's PrivateDevices=.
            copy = Path("/var/tmp", wheel.name)
            machine.path(copy).write_bytes(wheel.read_bytes())
            wheels.install(copy, Path("/opt/foliod"), lambda *command: machine.run(*command).stdout)
            for name in ("alice", "bob"):
                machine.run("useradd", "--create-home", "--shell", "/bin/bash", name)
            machine.run("mkdir", "-p", INBOX)
            machine.run("systemd-run", "--unit", "ollama", sys.executable, ROOT / "tests/fake_ollama.py")
            yield machine


class Service(live.Daemon):
    """The installed service, of the machine or of a user, asked at its socket and managed with systemctl."""

    def __init__(self, machine: Machine, user: str | None = None, inbox: str = INBOX) -> None:
        self.machine = machine
        self.user = user
        self.kind = [] if user is None else ["--user"]
        runtime = "/run" if user is None else f"/run/user/{machine.run('id', '-u', user).stdout.strip()}"
        self.socket = machine.path(f"{runtime}/foliod.sock")
        self.folder = inbox
        self.inbox = machine.path(inbox)

    def ctl(self, *words: str, check: bool = True) -> str:
        return self.machine.run("systemctl", *self.kind, *words, check=check, user=self.user).stdout.strip()

    def show(self, name: str, unit: str = "foliod.service") -> str:
        return self.ctl("show", "--property", name, "--value", unit)

    def pid(self) -> int:
        """The main process, as the machine counts."""
        return int(self.show("MainPID"))

    def install(self, *words: str, check: bool = True, **more):
        more = {"user": self.user} | more
        return self.machine.run(FOLIOD, "service", "install", *self.kind, *words, check=check, **more)

    def uninstall(self, *words: str, check: bool = True, **more):
        more = {"user": self.user} | more
        return self.machine.run(FOLIOD, "service", "uninstall", *self.kind, *words, check=check, **more)

    def log_text(self) -> str:
        unit = ["--unit" if self.user is None else "--user-unit", "foliod"]
        return self.machine.run("journalctl", *unit, "--output", "cat", "--no-pager").stdout

    def wait_log(self, words: str) -> None:
        """Wait until the journal has these words: what was said comes there a little later."""
        wait_for(lambda: words in self.log_text(), why=f"the journal to say: {words}")

    def is_ready(self) -> bool:
        return self.is_alive() and self.request("GET", "/readyz").status_code == 200

    def put(self, content: bytes, name: str | None = None, folder: str | None = None) -> str:
        """Put a PDF into a folder of the machine; return its path there."""
        path = f"{folder or self.folder}/{name or f'{next(numbers)}.pdf'}"
        self.machine.path(path + ".part").write_bytes(content)
        self.machine.path(path + ".part").rename(self.machine.path(path))
        return path

    def state_of(self, path: str) -> str | None:
        answer = self.get("/v1/explain", path=path)
        return (answer.get("document") or {}).get("state")

    def wait_read(self, *paths: str, state: str = "ready") -> None:
        def read() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return all(self.state_of(path) == state for path in paths)
            return False

        try:
            wait_for(read, seconds=120)
        except TimeoutError:
            raise AssertionError(f"{paths} are not {state}:\n{self.log_text()[-4000:]}") from None

    @contextlib.contextmanager
    def drop_in(self, *lines: str) -> Iterator[None]:
        """Settings of the unit that an administrator changed."""
        path = self.machine.path("/etc/systemd/system/foliod.service.d/50-test.conf")
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["[Service]", *lines, ""]))
        try:
            self.ctl("daemon-reload")
            self.ctl("restart", "foliod.service")
            yield
        finally:
            path.unlink(missing_ok=True)
            self.ctl("daemon-reload")
            self.ctl("restart", "foliod.service")


def readers(service: Service) -> list[int]:
    """The processes of the service that read PDFs, as they are numbered outside of the machine."""
    group = service.machine.path("/sys/fs/cgroup" + service.show("ControlGroup"))
    pids = [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    return sorted(pid for pid in pids if pid and b"worker_main" in command(pid))


def held(service: Service) -> list[tuple[str, dict[str, str]]]:
    """What the kernel says of the processes of the service, with what each is."""
    group = service.machine.path("/sys/fs/cgroup" + service.show("ControlGroup"))
    found = []
    for pid in (group / "cgroup.procs").read_text().split():
        # Read from outside, pids are this machine's; 0 is a process out of sight.
        with contextlib.suppress(OSError):
            line = Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode()
            status = dict(
                entry.split(":\t", 1)
                for entry in Path("/proc", pid, "status").read_text().splitlines()
                if ":\t" in entry
            )
            status["nice"] = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[16]
            kind = next((name for name in ("worker_main", "postgres") if name in line), "daemon")
            found.append((kind, status))
    return found
