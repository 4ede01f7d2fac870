"""foliod as a service of the whole machine, on a real systemd that is booted for these tests."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import pytest

from booted import Machine
from live import wait_for
from made_pdfs import letters, many_pages, scanned
from needs_tesseract import needs_english
from services import FOLIOD, INBOX, Service, furnished, held, needs_systemd, readers
from stilled import stilled

pytestmark = needs_systemd()

UNIT = "/etc/systemd/system/foliod.service"
CONFIG = "/etc/foliod/foliod.toml"
SLOW = """
import asyncio
from foliod.start.cli import app
from foliod.store.embedded import EmbeddedServer

ready = EmbeddedServer._ready

async def slow(self, child):
    await asyncio.sleep(12)
    return await ready(self, child)

EmbeddedServer._ready = slow
app(prog_name="foliod")
"""
"""The daemon with a PostgreSQL that is at work for longer before it answers."""
TOKEN = "a-token-that-root-has-written-down"
MOST_EXPOSED = 13
"""Tenths of the scale from 0 to 10 on which systemd-analyze tells how much a service could do."""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine on which foliod can be installed."""
    with furnished() as machine:
        yield machine


@pytest.fixture(scope="module")
def installed(machine) -> Service:
    """The service, installed once, with a configuration and a secret that were there before."""
    service = Service(machine)
    machine.run("mkdir", "-p", "/etc/foliod", "/etc/credstore")
    machine.path(CONFIG).write_text(
        f"""
        [server]
        http = "127.0.0.1:8420"
        [ollama]
        url = "http://127.0.0.1:11434"
        [[watch]]
        path = "{INBOX}"
        settle_seconds = 0.1
        """
    )
    machine.run("sh", "-c", f"umask 077; echo {TOKEN} >/etc/credstore/foliod.token")
    service.install()
    return service


@pytest.fixture
def service(installed) -> Service:
    """The service, running."""
    if installed.show("ActiveState") != "active":
        installed.ctl("reset-failed", check=False)
        installed.ctl("start", "foliod.socket", "foliod.service")
    wait_for(installed.is_ready, why="the service to be ready")
    return installed


# --- before anything is installed -------------------------------------------------------


def files_of(machine: Machine) -> str:
    """Everything in the folders that an installation could touch, with times and owners."""
    return machine.run(
        "sh",
        "-c",
        "find /etc /usr/local /home /var/lib -maxdepth 3 -path '/var/lib/*/*' -prune -o"
        " -path /var/lib/foliod -prune -o -printf '%p %u %m %T@ %l\\n'",
    ).stdout


def test_a_rehearsal_changes_nothing(machine):
    """--dry-run tells every step, and takes none."""
    before = files_of(machine)
    told = Service(machine).install("--dry-run", "--watch", INBOX).stdout
    assert files_of(machine) == before
    for path in (UNIT, UNIT.replace("service", "socket"), CONFIG, "/etc/sysusers.d/foliod.conf"):
        assert f"would write {path}" in told
    assert "would make the user and group foliod" in told
    assert "would start foliod.socket and foliod.service" in told
    assert machine.run("getent", "passwd", "foliod", check=False).stdout == ""
    assert machine.run("systemctl", "is-enabled", "foliod", check=False).stdout.strip() != "enabled"


def test_who_is_not_root_is_told_what_to_do(machine):
    """Without root there is no service for the machine, and the message says what there is."""
    done = Service(machine).install(user="alice", check=False)
    assert done.returncode == 1
    assert "run this with sudo" in done.stderr
    assert "service install --user" in done.stderr


def test_an_installation_that_the_service_can_not_read_is_refused(machine):
    """In a closed home, or in /tmp, the service's user would not find the program: nothing is changed."""
    machine.run("cp", "-a", "/opt/foliod", "/home/alice/venv")
    machine.run("chmod", "700", "/home/alice")
    machine.run("cp", "-a", "/opt/foliod", "/tmp/venv")
    before = files_of(machine)
    for python, reason in (("/home/alice/venv", "/home/alice can't be entered"), ("/tmp/venv", "installed in /tmp")):
        done = machine.run(f"{python}/bin/python", "-m", "foliod", "service", "install", check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in done.stderr
        assert "/opt/foliod/bin/foliod service install" in done.stderr
    assert files_of(machine) == before
    machine.run("rm", "-r", "/home/alice/venv", "/tmp/venv")


def test_a_unit_of_somebody_else_is_not_touched(machine):
    """Where a unit of this name stands already, nothing is changed, and it is named."""
    machine.path(UNIT).write_text("[Service]\nExecStart=/bin/true\n")
    before = files_of(machine)
    done = Service(machine).install(check=False)
    assert done.returncode == 1
    assert f"{UNIT} was not written by foliod" in done.stderr
    assert files_of(machine) == before
    machine.path(UNIT).unlink()


# --- installed --------------------------------------------------------------------------


def test_install_makes_a_service_that_runs(service):
    """One command: user, folders, configuration, units; enabled, started, ready; systemd has nothing to object to."""
    machine = service.machine
    assert service.ctl("is-enabled", "foliod.socket", "foliod.service").split() == ["enabled", "enabled"]
    assert service.ctl("is-active", "foliod.socket", "foliod.service").split() == ["active", "active"]
    assert machine.run("stat", "-c", "%U:%G %a", "/run/foliod.sock").stdout.strip() == "root:foliod 660"
    assert machine.run("stat", "-c", "%U:%G %a", "/var/lib/foliod").stdout.strip() == "foliod:foliod 700"
    verified = machine.run("systemd-analyze", "verify", UNIT, UNIT.replace("service", "socket"))
    assert (verified.stdout, verified.stderr) == ("", "")
    # Nor has it left anything out when it started them.
    assert machine.run("journalctl", "--quiet", "--no-pager", "--priority=warning", "_PID=1").stdout == ""
    assert "ExecStart=/opt/foliod/bin/foliod run --config /etc/foliod/foliod.toml" in machine.path(UNIT).read_text()


def test_the_journal_knows_what_is_a_warning(service):
    """`journalctl -p warning` shows foliod's warnings and nothing milder; each message is the JSON of its line."""
    service.put(b"no PDF at all")
    unit = ("journalctl", "--unit", "foliod", "--output", "json", "--no-pager", "_COMM=foliod")

    def told(*words: str) -> list[dict]:
        return [json.loads(line) for line in service.machine.run(*unit, *words).stdout.splitlines()]

    wait_for(lambda: [entry for entry in told("-p", "warning") if "document_refused" in str(entry["MESSAGE"])])
    for entry in told():
        line = json.loads(entry["MESSAGE"])
        assert entry["PRIORITY"] == {"debug": "7", "info": "6", "warning": "4", "error": "3"}[line["level"]]


def test_exposure_is_low(service):
    """Systemd's own measure of what a service could do."""
    done = service.machine.run(
        "systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", UNIT, check=False
    )
    assert done.returncode == 0, done.stdout[-300:]


def test_installing_twice_changes_nothing(service):
    """The second time everything is kept, and the daemon is not disturbed."""
    before, pid = files_of(service.machine), service.pid()
    done = service.install("--json")
    told = json.loads(done.stdout)
    assert {step["verb"] for step in told["steps"]} == {"keep"}
    assert not told["dry_run"]
    assert service.pid() == pid
    assert files_of(service.machine) == before


def test_documents_are_read_under_the_hardened_unit(service):
    """PostgreSQL, readers and vectors work, and every process of the service is held."""
    path = service.put(letters("The heron stands in the reeds of Lake Plön."))
    service.wait_read(path)
    hits = service.search("heron in the reeds", mode="vector")["hits"]
    assert hits[0]["document"]["path"] == path
    # One that has just been started has not taken everything from itself yet.
    processes = wait_for(lambda: settled if confined(settled := held(service)) else None, why="all to be held")
    for kind, status in processes:
        assert status["Seccomp"] == "2", kind
        assert status["NoNewPrivs"] == "1", kind
        assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0, kind
        assert status["Uid"].split()[0] == service.machine.run("id", "-u", "foliod").stdout.strip(), kind
    service.wait_log("Landlock")


def confined(processes: list[tuple[str, dict[str, str]]]) -> bool:
    """Whether PostgreSQL and readers are there, and each reader holds itself."""
    unit = {int(status["Seccomp_filters"]) for kind, status in processes if kind == "daemon"}
    readers = [status for kind, status in processes if kind == "worker_main"]
    return (
        {"daemon", "postgres", "worker_main"} <= {kind for kind, _ in processes}
        # The reader's own filter comes on top of the unit's.
        and {int(status["Seccomp_filters"]) - 1 for status in readers} == unit
        # And it could be told to let questions go first.
        and {status["nice"] for status in readers} == {"10"}
    )


@needs_english
def test_scans_are_recognised_under_the_hardened_unit(service):
    """Tesseract finds its language files and runs."""
    path = service.put(scanned(letters("The cormorant dries its wings on the harbour wall.")))
    service.wait_read(path)
    assert service.search("cormorant wings")["hits"][0]["document"]["path"] == path


def test_a_folder_in_a_home_is_read_and_not_written(service):
    """Documents may lie in homes that are open to the service; nothing but its state folder can be written."""
    machine = service.machine
    pid = str(service.pid())
    for path, may in (
        ("/home/x", False),
        ("/usr/x", False),
        ("/etc/x", False),
        ("/srv/in/x", False),
        ("/var/lib/foliod/x", True),
    ):
        done = machine.run("nsenter", "-t", pid, "--mount", "touch", path, check=False)
        assert (done.returncode == 0) is may, path
    machine.run("rm", "/var/lib/foliod/x")


def test_members_of_the_group_may_ask_and_others_not(service):
    """Who is in the group foliod gets answers, with nothing to configure; others are turned away by the kernel."""
    machine = service.machine
    service.wait_read(service.put(letters("The gannet dives for herring.")))
    refused = machine.run(FOLIOD, "search", "gannet", user="bob", check=False)
    assert refused.returncode == 1
    assert "usermod -aG foliod bob" in refused.stderr
    machine.run("usermod", "-aG", "foliod", "alice")
    assert "gannet" in machine.run(FOLIOD, "ask", "Which bird dives for herring?", user="alice").stdout
    # What is for the administrator is not done to an installation of hers that there is not.
    for command in (("token", "--new"), ("hosts",), ("backup", "/tmp/b")):
        refused = machine.run(FOLIOD, *command, user="alice", check=False)
        assert (refused.returncode, refused.stdout) == (2, ""), command
        assert "the service of this machine answers at /run/foliod.sock" in refused.stderr
    assert not machine.path("/home/alice/.local").exists()
    assert "daemon: version" in machine.run(FOLIOD, "doctor", user="alice").stdout


def test_a_question_before_the_daemon_is_up_is_answered(service):
    """Systemd listens: the question starts the daemon, waits, and gets its answer."""
    service.wait_read(service.put(letters("The bittern booms at dusk.")))
    service.ctl("stop", "foliod.service")
    assert service.show("ActiveState") == "inactive"
    assert service.show("ActiveState", "foliod.socket") == "active"
    hits = service.search("bittern")["hits"]
    assert "bittern" in hits[0]["text"]
    assert service.show("ActiveState") in ("activating", "active")


def test_after_kill_9_it_is_back_and_has_lost_nothing(service):
    """Killed while it reads, the daemon is started again by systemd and reads on."""
    before = int(service.show("NRestarts"))
    # Its readers, which are there since they read something, stand still, so that it is killed while it reads.
    service.wait_read(service.put(letters("The shoveler sieves the water.")))
    wait_for(lambda: readers(service), why="a reader")
    with stilled(lambda: readers(service)):
        paths = [service.put(many_pages(40, f"Page %d about the {bird}.")) for bird in ("teal", "smew", "garganey")]
        wait_for(lambda: any(service.state_of(path) == "reading" for path in paths), why="a document to be read")
        service.ctl("kill", "--signal=KILL", "--kill-whom=main", "foliod.service")
    wait_for(lambda: int(service.show("NRestarts")) == before + 1, why="systemd to start it again")
    service.wait_read(*paths)
    listed = service.get("/v1/documents", limit=500)["documents"]
    assert sorted(path for d in listed for path in d["paths"] if path in paths) == sorted(paths)


def test_reload_takes_a_new_folder_in(service):
    """A reload with systemctl returns when the new configuration is in force: its folder is read, and the daemon goes on."""
    machine = service.machine
    machine.run("mkdir", "-p", "/home/open/more")
    path = service.put(letters("The dunlin probes the mudflats."), folder="/home/open/more")
    config = machine.path(CONFIG)
    good = config.read_text()
    config.write_text(good + '\n[[watch]]\npath = "/home/open/more"\nsettle_seconds = 0.1\n')
    pid = service.pid()
    service.ctl("reload", "foliod.service")
    assert "/home/open/more" in {root["path"] for root in service.status()["roots"]}
    service.wait_read(path)
    assert service.pid() == pid
    config.write_text(good.replace("8420", "8421"))
    service.ctl("reload", "foliod.service")
    assert service.show("ActiveState") == "active"
    service.wait_log("[server] http: that takes a restart")
    config.write_text(good + "\n[serch]\n")
    done = machine.run("systemctl", "reload", "foliod.service", check=False)
    config.write_text(good)
    assert done.returncode != 0
    service.wait_log("serch")
    assert (service.show("ActiveState"), service.pid()) == ("active", pid)
    service.ctl("reload", "foliod.service")


def test_a_frozen_daemon_is_started_again(service):
    """A daemon that is alive and does nothing is noticed by systemd's watchdog, and what it had to do is done."""
    # Longer than a busy machine keeps it from saying that it is alive.
    with service.drop_in("WatchdogSec=8"):
        wait_for(service.is_ready, why="the service to be ready")
        before = int(service.show("NRestarts"))
        service.ctl("kill", "--signal=STOP", "--kill-whom=main", "foliod.service")
        path = service.put(many_pages(60, "Page %d about the whimbrel of Amrum."))
        wait_for(lambda: int(service.show("NRestarts")) > before, why="systemd to start it again")
        service.wait_log("Watchdog timeout")
        service.wait_read(path)


def test_a_start_that_takes_longer_than_systemd_allows_is_waited_for(service):
    """A PostgreSQL that takes its time after a power cut: the daemon asks systemd for more, and gets it."""
    service.machine.path("/opt/slow.py").write_text(SLOW)
    slow = ("ExecStart=", f"ExecStart=/opt/foliod/bin/python /opt/slow.py run --config {CONFIG}", "TimeoutStartSec=10")
    with service.drop_in(*slow):
        assert (service.show("ActiveState"), service.show("Result")) == ("active", "success")
        started, ready = (
            int(service.show(name)) for name in ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
        )
        assert ready - started > 10e6


def test_it_stops_in_time_while_it_reads(service):
    """Systemctl stop in the middle of the work ends cleanly, well before systemd would kill."""
    service.put(many_pages(3000, "Page %d of the long chronicle of Husum."), "chronicle.pdf")
    wait_for(lambda: service.state_of(f"{INBOX}/chronicle.pdf") == "reading", why="the document to be read")
    group = service.machine.path("/sys/fs/cgroup" + service.show("ControlGroup"))
    started = time.monotonic()
    service.ctl("stop", "foliod.service")
    assert time.monotonic() - started < 17, "systemd would kill it after 20"
    assert service.show("Result") == "success"
    assert service.show("ExecMainStatus") == "0"
    assert not group.exists() or (group / "cgroup.procs").read_text() == ""
    service.machine.path(f"{INBOX}/chronicle.pdf").unlink()


def test_a_configuration_that_can_not_be_used_is_not_tried_for_ever(service):
    """The service ends with the reason in the journal, and stays down until somebody mends it."""
    config = service.machine.path(CONFIG)
    good = config.read_text()
    config.write_text(good + "\n[serch]\n")
    try:
        service.machine.run("systemctl", "restart", "foliod.service", check=False)
        wait_for(lambda: service.show("ActiveState") == "failed", why="the service to give up")
        assert service.show("ExecMainStatus") == "2"
        service.wait_log("serch")
        done = service.install(check=False)
        assert done.returncode == 2
        assert "serch" in done.stderr
    finally:
        config.write_text(good)
    assert "started foliod.socket and foliod.service" in service.install().stdout


def test_secrets_come_as_credentials(service):
    """A token that root put into /etc/credstore is the one that the localhost door takes."""
    machine = service.machine
    ask = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "http://127.0.0.1:8420/healthz"]
    assert machine.run(*ask, "--header", f"Authorization: Bearer {TOKEN}").stdout == "200"
    assert machine.run(*ask, "--header", "Authorization: Bearer another-token-altogether").stdout == "401"
    assert not machine.path("/var/lib/foliod/token").exists()
    assert TOKEN not in service.log_text()
    assert machine.run(FOLIOD, "token").stdout == "/etc/credstore/foliod.token\n"
    refused = machine.run(FOLIOD, "token", "--new", check=False)
    assert refused.returncode == 1
    assert "/etc/credstore/foliod.token" in refused.stderr
    assert not machine.path("/var/lib/foliod/token").exists()


def reached(service: Service, url: str) -> bool:
    """Whether a process of the service gets an answer from there."""
    group = "/sys/fs/cgroup" + service.show("ControlGroup")
    command = f"echo $$ >{group}/cgroup.procs; exec curl --silent --show-error --connect-timeout 5 --max-time 60 {url}"
    return service.machine.run("sh", "-c", command, check=False).returncode == 0


def test_an_upgrade_renews_the_units_and_lets_it_reach_what_is_configured(service):
    """`install` once more: units of an older version are renewed, servers elsewhere may be talked to, drop-ins stay."""
    machine = service.machine
    machine.run("ip", "address", "replace", "192.0.2.1/32", "dev", "lo")
    server = [sys.executable, "-m", "http.server", "--bind", "192.0.2.1", "8000"]
    machine.run("systemd-run", "--unit", "elsewhere", "--working-directory", INBOX, *server)
    machine.wait_for(
        lambda: machine.run("curl", "--silent", "http://192.0.2.1:8000", check=False).returncode == 0, 60, "a server"
    )
    if "does not support BPF" not in machine.run("journalctl", "--no-pager").stdout:
        assert not reached(service, "http://192.0.2.1:8000")
    assert reached(service, "http://127.0.0.1:11434")
    config, added = machine.path(CONFIG), machine.path(f"{UNIT}.d/50-mine.conf")
    good = config.read_text()
    config.write_text(good.replace('"http://127.0.0.1:11434"', '["http://127.0.0.1:11434", "http://192.0.2.1:8000"]'))
    added.parent.mkdir(exist_ok=True)
    added.write_text("[Service]\nNice=5\n")
    older = machine.path(UNIT).read_text().partition("\n")[2].replace("WatchdogSec=60", "WatchdogSec=61")
    sign = "import sys; from foliod.start.service_steps import signature as s; t = sys.stdin.read(); sys.stdout.write(s(t) + t)"
    machine.path(UNIT).write_text(machine.run("/opt/foliod/bin/python", "-c", sign, input=older).stdout)
    pid = service.pid()
    told = service.install().stdout
    assert f"wrote {UNIT}\n" in told
    assert f"wrote {UNIT}.d/10-foliod.conf" in told
    assert "started foliod.service" in told
    assert service.pid() != pid
    assert service.show("WatchdogUSec") == "1min"
    assert service.show("Nice") == "5"
    assert reached(service, "http://192.0.2.1:8000")
    config.write_text(good)
    assert f"removed {UNIT}.d/10-foliod.conf" in service.install().stdout
    assert added.exists()
    added.unlink()


def test_a_configuration_that_the_service_can_not_read_is_told(service):
    """A configuration of root alone is named, with the way to let the service read it."""
    service.machine.run("chmod", "600", CONFIG)
    done = service.install(check=False)
    service.machine.run("chmod", "644", CONFIG)
    assert done.returncode == 2
    assert f"chgrp foliod {CONFIG}; chmod g+rX {CONFIG}" in done.stderr


def test_a_unit_that_somebody_changed_is_not_overwritten(service):
    """Changes in the unit itself are named, with where they belong; nothing is changed."""
    unit = service.machine.path(UNIT)
    good = unit.read_text()
    unit.write_text(good.replace("WatchdogSec=60", "WatchdogSec=62"))
    done = service.install(check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{UNIT} was changed after foliod wrote it; move the changes into a drop-in" in done.stderr
    unit.write_text(good)


# --- and taken away ---------------------------------------------------------------------


def test_uninstall_takes_back_what_was_installed_and_keeps_the_data(service):
    """Everything that `install` wrote is gone, nothing else is; installed again, all documents are there."""
    machine = service.machine
    path = service.put(letters("The avocet wades in the brackish lagoon."))
    service.wait_read(path)
    rehearsed = service.uninstall("--dry-run").stdout
    assert f"would remove {UNIT}" in rehearsed
    assert service.ctl("is-active", "foliod.service") == "active"
    done = service.uninstall()
    assert f"removed {UNIT}" in done.stdout
    assert "kept data: /var/lib/foliod" in done.stderr
    assert f"kept configuration: {CONFIG}" in done.stderr
    # What systemd itself notes of a unit goes a little later than the unit.
    kept = ["/etc/credstore/foliod.token", "/etc/foliod", CONFIG]
    find = ("find", "/etc", "/run", "-name", "*foliod*")
    wait_for(lambda: sorted(machine.run(*find).stdout.split()) == kept, why="all that was installed to be gone")
    assert "0 unit files" in service.ctl("list-unit-files", "foliod*", check=False)
    again = service.uninstall()
    assert (again.returncode, again.stdout) == (0, "")
    service.install()
    wait_for(service.is_ready)
    assert service.search("avocet")["hits"][0]["document"]["path"] == path


def test_purge_takes_data_and_configuration_too(service):
    """With --purge nothing of foliod is left but the documents; a second time there is nothing to do."""
    machine = service.machine
    service.put(letters("The ruff shows its collar."))
    done = service.uninstall("--purge")
    assert "removed /var/lib/foliod (data)" in done.stdout
    find = ("find", "/etc", "/run", "/var/lib", "-name", "*foliod*")
    wait_for(lambda: machine.run(*find).stdout == "", why="all of it to be gone")
    assert machine.run("getent", "passwd", "foliod", check=False).stdout == ""
    assert any(machine.path(INBOX).glob("*.pdf"))
    again = service.uninstall("--purge")
    assert (again.returncode, again.stdout) == (0, "")
    assert "nothing of a service is installed here" in again.stderr


def test_documents_of_a_foliod_in_the_foreground_are_kept(machine):
    """Tried first as `sudo foliod run`, then installed: the service has all that was read, and says that it took it over."""
    machine.run("mkdir", "/srv/first")
    service = Service(machine, inbox="/srv/first")
    path = service.put(letters("The dunlin probes the mud of the estuary."))
    search = [FOLIOD, "search", "dunlin", "--wait", path, "--json"]
    foreground = ("--unit", "foreground", "--property", "KillMode=mixed", "--property", "UMask=0022")
    machine.run("systemd-run", *foreground, FOLIOD, "run", "--watch", "/srv/first")
    wait_for(lambda: machine.path("/var/lib/foliod/foliod.sock").exists(), why="the daemon to listen")
    assert json.loads(machine.run(*search).stdout)["hits"]
    before = files_of(machine)
    refused = service.install("--watch", "/srv/first", check=False)
    assert refused.returncode == 1
    assert "another foliod (process " in refused.stderr
    assert files_of(machine) == before
    machine.run("systemctl", "stop", "foreground")
    assert "would give /var/lib/foliod" in service.install("--watch", "/srv/first", "--dry-run").stdout
    told = service.install("--watch", "/srv/first").stdout
    assert "gave /var/lib/foliod (data of " in told
    assert "the user root, to foliod)" in told
    wait_for(service.is_ready, why="the service to be ready")
    assert json.loads(machine.run(*search).stdout)["hits"]
    assert service.status()["counters"].get("documents_read", 0) == 0
    assert machine.run("find", "/var/lib/foliod", "!", "-user", "foliod").stdout == ""
    assert "gave" not in service.install().stdout
    service.uninstall("--purge")
