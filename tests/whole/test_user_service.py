"""foliod as a service of one user, on a real systemd that is booted for these tests. They tell one story, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from booted import Machine
from live import wait_for
from made_pdfs import letters
from services import FOLIOD, Service, furnished, held, needs_systemd

pytestmark = needs_systemd()

HOME = "/home/alice"
INBOX = f"{HOME}/in box"
UNITS = f"{HOME}/.config/systemd/user"
CONFIG = f"{HOME}/.config/foliod/foliod.toml"
STATE = f"{HOME}/.local/share/foliod"
MOST_EXPOSED = 18
"""As in test_systemd; 4 of them because systemd-analyze takes a unit without User= for root's."""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine on which alice has a service manager, as after a login, and bob has none."""
    with furnished() as machine:
        machine.run("loginctl", "enable-linger", "alice")
        machine.wait_for(
            lambda: machine.run("systemctl", "--user", "is-system-running", user="alice", check=False).returncode == 0,
            60,
            "the service manager of alice",
        )
        machine.run("mkdir", INBOX, user="alice")
        yield machine


@pytest.fixture(scope="module")
def service(machine) -> Service:
    """The service of alice."""
    return Service(machine, "alice", INBOX)


def test_who_has_no_service_manager_is_told_how_to_get_one(machine):
    """Without a login there is no bus: the message says what to do, and nothing is changed."""
    done = Service(machine, "bob").install(check=False)
    assert done.returncode == 1
    assert "loginctl enable-linger bob" in done.stderr
    assert machine.run("find", "/home/bob", "-newer", "/home/bob/.profile", "-type", "f").stdout == ""


def test_one_command_installs_it(service):
    """A user installs it with one command: it runs, reads, and answers; nobody else can ask."""
    machine = service.machine
    told = service.install("--watch", INBOX)
    for path in (f"{UNITS}/foliod.service", f"{UNITS}/foliod.socket", CONFIG):
        assert f"wrote {path}" in told.stdout
    assert "started foliod.socket and foliod.service (enabled, ready" in told.stdout
    assert service.ctl("is-enabled", "foliod.socket", "foliod.service").split() == ["enabled", "enabled"]
    assert machine.run("stat", "-c", "%U:%G %a", CONFIG).stdout.strip() == "alice:alice 600"
    path = service.put(letters("The plover runs along the tide line."))
    service.wait_read(path)
    assert "The plover runs" in machine.run(FOLIOD, "search", "plover", user="alice").stdout
    refused = machine.run(FOLIOD, "search", "plover", user="bob", check=False)
    assert refused.returncode == 3
    assert machine.run("systemd-analyze", "--user", "verify", f"{UNITS}/foliod.service", user="alice").stderr == ""


def test_exposure_is_as_low_as_a_user_can_have_it(service):
    """What systemd measures, and that it is in force: in a user's unit much of it can silently be left out."""
    machine = service.machine
    analyze = ["systemd-analyze", "--user", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager"]
    done = machine.run(*analyze, f"{UNITS}/foliod.service", user="alice", check=False)
    assert done.returncode == 0, done.stdout[-300:]
    assert "ignoring" not in machine.run("journalctl", "--user-unit", "foliod", "--no-pager").stdout

    def everybody() -> list[tuple[str, dict[str, str]]] | None:
        found = held(service)
        return found if {"daemon", "postgres", "worker_main"} <= {kind for kind, _ in found} else None

    processes = wait_for(everybody, why="all processes")
    for kind, status in processes:
        assert status["Seccomp"] == "2", kind
        assert status["NoNewPrivs"] == "1", kind
        assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0, kind
    for path, may in ((f"{HOME}/x", False), (f"{INBOX}/x", False), (f"{STATE}/x", True), ("/tmp/x", True)):
        assert written(service, path) is may, path
    assert not machine.path("/tmp/x").exists()


def written(service: Service, path: str) -> bool:
    """Whether a process that sees the files as the service does can write there."""
    enter = ["nsenter", "-t", str(service.pid()), "--user", "--mount", "--preserve-credentials"]
    return service.machine.run(*enter, "touch", path, check=False, user="alice").returncode == 0


def test_a_question_starts_it(service):
    """The socket is systemd's: who asks while the daemon is down waits, and is answered."""
    service.ctl("stop", "foliod.service")
    assert "The plover runs" in service.machine.run(FOLIOD, "search", "plover", user="alice").stdout
    # The answer may come before the start is over.
    wait_for(lambda: service.show("ActiveState") == "active", why="the start to be over")


def test_every_reload_succeeds(service):
    """The configuration can be read again as often as one likes: each time it is in force when the command ends."""
    times = {service.status()["configuration"]["read_at"]}
    for _ in range(4):
        service.ctl("reload", "foliod.service")
        times.add(service.status()["configuration"]["read_at"])
    assert len(times) == 5


def test_installing_twice_changes_nothing_for_the_user(service):
    """The second time everything is kept, and --watch of a folder that is watched already is no reason to complain."""
    pid = service.pid()
    told = json.loads(service.install("--json", "--watch", INBOX).stdout)
    assert {step["verb"] for step in told["steps"]} == {"keep"}
    assert service.pid() == pid
    refused = service.install("--watch", "/srv/in", check=False)
    assert refused.returncode == 2
    assert f"{CONFIG} is there already and is not changed" in refused.stderr


def test_a_kernel_that_gives_users_no_namespaces_is_coped_with(service):
    """Where no user namespace can be had the service runs all the same, with less to hold it, and that is told."""
    machine = service.machine
    uid = machine.run("id", "-u", "alice").stdout.strip()
    refusal = machine.path("/etc/systemd/system/user@.service.d/refusal.conf")

    def begin_anew() -> None:
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", f"user@{uid}.service")

    # For the system's own limit (user.max_user_namespaces) is that of the machine that runs the tests too.
    refusal.parent.mkdir()
    refusal.write_text("[Service]\nRestrictNamespaces=~user\n")
    begin_anew()
    try:
        told = service.install()
        assert f"wrote {UNITS}/foliod.service.d/10-foliod.conf" in told.stdout
        assert "this kernel allows users no namespaces" in told.stderr
        assert "The plover runs" in machine.run(FOLIOD, "search", "plover", user="alice").stdout
    finally:
        refusal.unlink()
        begin_anew()
    assert f"removed {UNITS}/foliod.service.d/10-foliod.conf" in service.install().stdout


def test_the_user_takes_it_back(service):
    """Uninstalled, data and configuration stay; with --purge only the documents do."""
    machine = service.machine
    done = service.uninstall()
    assert f"removed {UNITS}/foliod.service" in done.stdout
    assert f"kept data: {STATE}" in done.stderr
    wait_for(lambda: machine.run("find", UNITS, "-name", "*foliod*").stdout == "", why="the units to be gone")
    assert machine.run(FOLIOD, "search", "plover", user="alice", check=False).returncode == 3
    # Written by a test, and therefore none of foliod's.
    machine.path(f"{STATE}/x").unlink()
    purged = service.uninstall("--purge")
    assert f"removed {STATE} (data)" in purged.stdout
    wait_for(lambda: machine.run("find", HOME, "-name", "*foliod*").stdout == "", why="all of it to be gone")
    assert any(machine.path(INBOX).glob("*.pdf"))
