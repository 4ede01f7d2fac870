"""The daemon under a service manager: what it tells it, what it takes from it, and what it does on its signals."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import os
import pty
import signal
import socket
import sys
import time

import pytest

import live
import plain_http
from live import wait_for
from made_pdfs import letters, many_pages, scanned
from needs_tesseract import needs_english
from ollama_process import ollama_at
from service_manager import handed_over, open_descriptors, receiving, unix_listener
from stilled import readers, servers, stilled, stop

TEXT = "The lighthouse keeper of Amrum writes down every storm."


@pytest.fixture
def received(short_dir):
    with receiving(short_dir) as received:
        yield received


def started(daemon, sockets=None, *, ready=True, command=None, **env):
    """Start a daemon as a service manager would."""
    command, fds = command or daemon.command("run", "--config", str(daemon.config)), ()
    if sockets:
        command, fds = handed_over(command, sockets)
    return daemon.start(ready=ready, command=command, env=env, pass_fds=fds)


def put(daemon, name, *pages):
    """Put a PDF into the inbox."""
    made = daemon.base / f"{name}.made"
    made.write_bytes(letters(*pages))
    return daemon.drop(made, name)


# --- socket activation ------------------------------------------------------------------


def test_a_question_that_starts_the_daemon_is_answered():
    """The service manager listens, a question comes, the daemon starts, and the question gets its answer.

    The socket stays when the daemon ends: a question in between waits for the next daemon.
    """
    with live.running(start=False) as daemon, unix_listener(daemon.socket) as listener:
        put(daemon, "a.pdf", TEXT)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            asked = pool.submit(daemon.search, "lighthouse", wait="settled")
            # It lies in the queue of the socket; nobody has taken it yet.
            wait_for(lambda: waiting_connections(daemon.socket) > 0)
            started(daemon, {"foliod.socket": listener}, ready=False)
            assert asked.result(60)["hits"][0]["document"]["title"]
            assert daemon.stop() == 0
            assert daemon.socket.is_socket()
            asked = pool.submit(daemon.ask, "Who writes down every storm?")
            wait_for(lambda: waiting_connections(daemon.socket) > 0)
            started(daemon, {"foliod.socket": listener}, ready=False)
            assert not daemon.log_events("socket_elsewhere")
            done = asked.result(60)[-1]
            assert done["type"] == "done", done
            assert done["citations"]
        daemon.kill()
        assert daemon.socket.is_socket()


def waiting_connections(path):
    """Connections to a Unix socket that nobody has accepted: listed beside the listener, with its path."""
    with open("/proc/net/unix") as table:
        return sum(line.rstrip().endswith(f" {path}") for line in table) - 1


def test_given_sockets_replace_those_of_the_configuration():
    """A Unix and a TCP socket from the service manager are used, whatever the configuration says; nothing else is bound.

    By TCP the token is wanted as ever, and no child process keeps a socket open.
    """
    with (
        live.running(start=False) as daemon,
        unix_listener(daemon.base / "given") as unix,
        socket.create_server(("127.0.0.1", 0)) as tcp,
    ):
        configured = daemon.socket
        daemon.socket = daemon.base / "given"
        started(daemon, {"foliod.socket": unix, "http": tcp})
        assert not configured.exists()
        assert str(configured) in daemon.log_events("socket_elsewhere")[0]["reason"]
        url = f"http://127.0.0.1:{tcp.getsockname()[1]}"
        assert plain_http.get(f"{url}/healthz").status_code == 401
        token = (daemon.state / "token").read_text().strip()
        assert plain_http.get(f"{url}/healthz", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        put(daemon, "a.pdf", TEXT)
        assert daemon.search("lighthouse", wait="settled")["hits"]
        ours = {name for name in open_descriptors(daemon.process.pid) if name.startswith("socket:")}
        listeners = {os.readlink(f"/proc/self/fd/{listener.fileno()}") for listener in (unix, tcp)}
        assert listeners <= ours
        children = list(daemon.look())
        assert children
        for child in children:
            assert not listeners & set(open_descriptors(child)), child
            with contextlib.suppress(OSError), open(f"/proc/{child}/environ", "rb") as environ:
                assert b"LISTEN_" not in environ.read()


def test_a_socket_that_can_not_be_used_ends_the_start():
    """A socket unit with Accept=yes is told as what it is."""
    ours, theirs = socket.socketpair()
    with live.running(start=False) as daemon, ours, theirs:
        started(daemon, {"foliod.socket": theirs}, ready=False)
        assert daemon.process.wait(60) == 2
        assert "Accept=no" in daemon.log_text()


# --- what the manager is told -----------------------------------------------------------

BROKEN = """
import asyncio, os, sys, time
from foliod.ingest.ingest import Ingest
from foliod.start import watchdog
from foliod.start.cli import app

async def stuck(self):
    await asyncio.Event().wait()

async def blocking(self):
    os.write(2, b"now it hangs\\n")
    time.sleep(3600)

Ingest.read_next = {fault}
watchdog.LONGEST_SECONDS = {longest}
watchdog.MARGIN_SECONDS = 1
app(sys.argv[1:])
"""
"""A daemon with a bug: its readers wait for what never comes, or hold up the event loop. What is a limit of minutes
in the real one is three seconds here, so all that is configured has to be below that too."""
LONGEST = 2
SHORT = "[ingest]\npage_seconds = 2\nocr_page_seconds = 2\n[ollama]\nsilence_seconds = 2\n"


def broken(daemon, fault, longest=LONGEST):
    return [sys.executable, "-c", BROKEN.format(fault=fault, longest=longest), "run", "--config", str(daemon.config)]


def test_the_manager_is_told_what_goes_on(received):
    """READY comes when searches are answered, STATUS follows the backlog, the watchdog is fed, STOPPING ends it."""
    with live.running(start=False) as daemon:
        started(daemon, ready=False, NOTIFY_SOCKET=str(received.path), WATCHDOG_USEC="400000")
        wait_for(lambda: received.said("READY=1"))
        lines = received.lines()
        assert daemon.search("anything")["hits"] == []
        assert "EXTEND_TIMEOUT_USEC" in {line.partition("=")[0] for line in lines[: lines.index("READY=1")]}
        wait_for(lambda: received.last("STATUS") == "watching 1 folder, 0 documents")
        put(daemon, "a.pdf", TEXT)
        daemon.search("lighthouse", wait="settled")
        wait_for(lambda: str(received.last("STATUS")).startswith("1 of 1 document wait for their vectors: Ollama"))
        fed = received.said("WATCHDOG=1")
        wait_for(lambda: received.said("WATCHDOG=1") > fed + 3)
        for child in daemon.look():
            with contextlib.suppress(OSError), open(f"/proc/{child}/environ", "rb") as environ:
                assert b"NOTIFY_SOCKET" not in environ.read()
        assert daemon.stop() == 0
        lines = received.lines()
        end = lines[lines.index("STOPPING=1") :]
        assert end[1].startswith("EXTEND_TIMEOUT_USEC=")
        assert end[2] == "STATUS=stopping"
        assert not [line for line in end[3:] if line.startswith("STATUS")]
        assert received.said("READY=1") == 1


def test_a_database_that_is_away_at_the_start_is_no_reason_to_end(received):
    """With a database elsewhere that is away, the start is over, STATUS says what is waited for, and the watchdog is fed."""
    with live.running('[database]\nurl = "postgresql://u@127.0.0.1:9/x"\n', start=False) as daemon:
        started(daemon, ready=False, NOTIFY_SOCKET=str(received.path), WATCHDOG_USEC="400000")
        wait_for(lambda: received.said("READY=1"))
        away = "waiting for the database: PostgreSQL at 127.0.0.1:9/x"
        wait_for(lambda: str(received.last("STATUS")).startswith(away))
        fed = received.said("WATCHDOG=1")
        wait_for(lambda: received.said("WATCHDOG=1") > fed + 3)
        assert received.said("READY=1") == 1
        before = time.monotonic()
        assert daemon.request("POST", "/v1/search", json={"query": "x"}).status_code == 503
        assert time.monotonic() - before < 10


def test_a_stuck_reader_stops_the_feeding(received):
    """A task of the pipeline that waits for what never comes is named with its stack, and the watchdog starves."""
    with live.running(SHORT, start=False) as daemon:
        started(
            daemon, ready=False, command=broken(daemon, "stuck"),
            NOTIFY_SOCKET=str(received.path), WATCHDOG_USEC="400000",
        )  # fmt: skip
        # On a slow machine others may need longer than is allowed here, until they get on.
        [told, *_] = wait_for(lambda: [e for e in daemon.log_events("task_stuck") if e["task"].startswith("reader ")])
        assert "in stuck:" in told["stack"]
        wait_for(lambda: "reader 1" in str(received.last("STATUS")).partition("stuck: ")[2])
        fed = received.said("WATCHDOG=1")
        assert fed
        time.sleep(1.5)  # seven times what it takes to be fed
        assert received.said("WATCHDOG=1") == fed
        # All else goes on, until the service manager ends it.
        assert daemon.status()["state"]


def test_a_loop_that_hangs_feeds_nobody_and_leaves_its_stack(received):
    """Code that blocks the event loop starves the watchdog; its SIGABRT writes into the log where it hung."""
    with live.running(SHORT, start=False) as daemon:
        started(
            daemon, ready=False, command=broken(daemon, "blocking"),
            NOTIFY_SOCKET=str(received.path), WATCHDOG_USEC="400000",
        )  # fmt: skip
        wait_for(lambda: received.said("READY=1") and "now it hangs" in daemon.log_text())
        wait_for(lambda: quiet(received, 1.5))
        daemon.look()
        daemon.process.send_signal(signal.SIGABRT)
        assert daemon.process.wait(60) == -signal.SIGABRT
        assert "in blocking" in daemon.log_text()


def quiet(received, seconds):
    """Whether the watchdog was not fed for so long."""
    fed = [at for at, line in received.messages if line == "WATCHDOG=1"]
    received.lines()
    return bool(fed) and time.monotonic() - fed[-1] > seconds


def test_a_stopped_process_is_not_taken_for_a_stuck_one(received):
    """A daemon that was stopped for longer than anything may take feeds nobody then, and goes on afterwards."""
    # Nothing is wrong here, so that a busy machine needs more than where something hangs.
    longest = 3 * LONGEST
    with live.running(SHORT.replace("= 2", f"= {longest}"), start=False) as daemon:
        started(
            daemon, command=broken(daemon, "Ingest.read_next", longest),
            NOTIFY_SOCKET=str(received.path), WATCHDOG_USEC="400000",
        )  # fmt: skip
        wait_for(lambda: received.said("WATCHDOG=1") > 3)
        stop([daemon.process.pid])
        fed = received.said("WATCHDOG=1")
        time.sleep(longest + 2)  # longer than anything may take in this daemon
        assert received.said("WATCHDOG=1") == fed
        daemon.process.send_signal(signal.SIGCONT)
        wait_for(lambda: received.said("WATCHDOG=1") > fed + 5)
        assert not daemon.log_events("task_stuck")
        put(daemon, "a.pdf", TEXT)
        assert daemon.search("lighthouse", wait="settled")["hits"]


# --- SIGHUP -----------------------------------------------------------------------------


def configure(daemon, text):
    """Write another configuration; the state and the socket stay."""
    daemon.config.write_text(f'state_dir = "{daemon.state}"\n[server]\nsocket = "{daemon.socket}"\n{text}')


def root(path, more=""):
    return f'[[watch]]\npath = "{path}"\nsettle_seconds = 0.1\n{more}\n'


def reload(daemon, event="reloaded"):
    """Have the configuration read again, and return what the log says of it."""
    before = len(daemon.log_events(event))
    daemon.process.send_signal(signal.SIGHUP)
    return wait_for(lambda: daemon.log_events(event)[before:])[0]


OLLAMA = '[ollama]\nurl = "http://127.0.0.1:9"\nembed_model = "all-minilm"\n'


def test_roots_come_and_go_without_a_restart(received):
    """SIGHUP adds a folder, removes one and changes a third while files are read; nothing is read twice, nothing lost.

    What was read of a folder that is watched no more is still found, and is told as such.
    """
    with live.running(start=False) as daemon:
        keep, leave, join = (daemon.base / name for name in ("keep", "leave", "join"))
        for folder in (keep, leave, join):
            folder.mkdir()
        # Readers that stand still are not taken for dead.
        patient = OLLAMA + "[ingest]\npage_seconds = 120\n"
        configure(daemon, patient + root(keep) + root(leave))
        started(daemon, NOTIFY_SOCKET=str(received.path))
        fill(range(3), keep, leave)
        wait_for(lambda: daemon.status()["counters"].get("documents_read", 0) == 6)
        # The readers stand still, so that all this comes while files are read.
        wait_for(lambda: readers(daemon), why="a reader")
        with stilled(lambda: readers(daemon)):
            fill(range(3), join)
            fill(range(3, 12), keep, leave, join)
            wait_for(lambda: (s := daemon.status())["files"] == 24 and s["documents"]["reading"])
            configure(daemon, patient + root(keep) + root(join))
            assert "[[watch]]" in reload(daemon)["keys"]
        [changed] = daemon.log_events("roots_changed")
        assert (changed["added"], changed["removed"], changed["restarted"]) == ([str(join)], [str(leave)], [])
        daemon.search("x", wait="settled")
        found = {row["path"]: row["state"] for row in daemon.status()["roots"]}
        assert found == {str(keep): "ok", str(join): "ok", str(leave): "not_watched"}
        assert daemon.search(f"{leave.name} number", folder=str(leave))["hits"]
        waited = daemon.request("POST", "/v1/search", json={"query": "x", "wait": str(leave / "1.pdf")})
        assert waited.status_code == 404
        laid(leave / "unseen.pdf", letters("nobody looks here any more"))
        # The counts may be some seconds old.
        wait_for(lambda: daemon.status()["counters"]["documents_read"] == sum(daemon.states().values()))
        read = daemon.status()["counters"]["documents_read"]
        # Another option of a folder: that one is looked through anew, the other stays as it is.
        laid(keep / "odd.txt", letters("an odd name"))
        configure(daemon, patient + root(keep, 'include = ["*.pdf", "*.txt"]') + root(join))
        reload(daemon)
        assert daemon.log_events("roots_changed")[-1]["restarted"] == [str(keep)]
        assert daemon.search("an odd name", wait="settled", folder=str(keep))["hits"]
        assert read_then(daemon, read + 1) == read + 1
        # And back again: what lay there is known, and what came meanwhile is read.
        configure(daemon, patient + root(keep) + root(leave))
        reload(daemon)
        assert daemon.search("nobody looks here", wait="settled", folder=str(leave))["hits"]
        assert read_then(daemon, read + 2) == read + 2
        wait_for(lambda: received.said("READY=1") >= 4)
        lines = received.lines()
        assert lines.count("RELOADING=1") == 3
        assert lines.count("READY=1") == 4
        for at, said in enumerate(lines):
            if said == "RELOADING=1":
                assert lines[at + 1].startswith("MONOTONIC_USEC=")
        assert daemon.stop() == 0


def fill(numbers, *folders):
    """Put so many documents into each folder."""
    for number in numbers:
        for folder in folders:
            laid(folder / f"{number}.pdf", letters(f"{folder.name} number {number}: {TEXT}", "more"))


def laid(path, content):
    """Put a file there that is whole as soon as it is seen."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.rename(path)


def read_then(daemon, least):
    """How many documents were read, once so many were."""
    return wait_for(lambda: (read := daemon.status()["counters"]["documents_read"]) >= least and read)


def test_what_can_change_does_and_the_rest_is_named(received):
    """Search, limits, models and logs follow the file at once; what takes a restart is named in log, STATUS and status.

    A file that is wrong changes nothing, and says why.
    """
    with live.running(start=False) as daemon:
        configure(daemon, OLLAMA + root(daemon.inbox))
        started(daemon, NOTIFY_SOCKET=str(received.path))
        put(daemon, "a.pdf", TEXT)
        put(daemon, "b.pdf", f"Another one. {TEXT}")
        assert len(daemon.search("lighthouse", wait="settled")["hits"]) == 2
        before = daemon.status()["configuration"]
        assert (before["restart_needed"], before["error"]) == ([], None)
        changed = OLLAMA.replace("all-minilm", "nomic-embed-text") + 'chat_model = "other"\n[search]\nlimit = 1\n'
        changed += '[ingest]\nworkers = 3\npage_seconds = 7\n[log]\nlevel = "debug"\n'
        configure(daemon, changed + root(daemon.inbox))
        assert set(reload(daemon)["keys"]) == {
            "[ollama] chat_model", "[search] limit", "[ingest] page_seconds", "[log] level",
        }  # fmt: skip
        assert len(daemon.search("lighthouse")["hits"]) == 1
        wait_for(lambda: daemon.status()["ollama"]["chat_model"] == "other")
        # A request is told when its answer is over.
        wait_for(lambda: any(request["level"] == "debug" for request in daemon.log_events("request")))
        needed = ["[ollama] embed_model", "[ingest] workers"]
        assert daemon.status()["configuration"]["restart_needed"] == needed
        assert f"restart needed for {', '.join(needed)}" in daemon.cli("status").stdout.replace(
            "a restart is", "restart"
        )
        wait_for(lambda: f"; restart needed for {', '.join(needed)}" in str(received.last("STATUS")))
        # A mistake: nothing changes, and everybody is told.
        configure(daemon, changed.replace("limit = 1", "limt = 2") + root(daemon.inbox))
        told = reload(daemon, "reload_failed")
        assert "limt" in told["reason"]
        assert len(daemon.search("lighthouse")["hits"]) == 1
        after = daemon.status()["configuration"]
        assert "did you mean limit?" in after["error"]
        assert after["restart_needed"] == needed
        assert after["read_at"] > after["loaded_at"] > before["read_at"]
        wait_for(
            lambda: "configuration not reloaded: " in str(received.last("STATUS")) and received.said("READY=1") >= 3
        )
        assert received.lines().count("RELOADING=1") == 2
        assert received.lines().count("READY=1") == 3
        # And mended.
        configure(daemon, OLLAMA + root(daemon.inbox))
        reload(daemon)
        # The log tells of it when it is in force, and the status then too.
        now = daemon.status()["configuration"]
        assert (now["restart_needed"], now["error"]) == ([], None)
        assert now["loaded_at"] >= before["loaded_at"]


def test_names_that_nobody_has_are_told_at_the_reload():
    """Users and groups that a new configuration misspells stand in the log before its reload is said to be done."""
    with live.running(start=False) as daemon:
        configure(daemon, OLLAMA + root(daemon.inbox))
        daemon.start()
        configure(daemon, OLLAMA + root(daemon.inbox, 'users = ["no-such-user"]'))
        reload(daemon)
        events = daemon.log_events()
        told = [line["event"] for line in events if line["event"] in ("accounts_unknown", "reloaded")]
        assert told == ["accounts_unknown", "reloaded"]
        assert daemon.log_events("accounts_unknown")[0]["accounts"] == ["user no-such-user"]


def test_a_reload_during_an_outage_of_the_database_waits_for_nothing():
    """PostgreSQL is stopped, folders change all the same, and are looked through when it is back."""
    with live.running() as daemon:
        put(daemon, "a.pdf", TEXT)
        daemon.search("lighthouse", wait="settled")
        with stilled(lambda: servers(daemon)) as still:
            assert still
            wait_for(lambda: not daemon.status()["database"]["reachable"])
            other = daemon.base / "other"
            other.mkdir()
            (other / "b.pdf").write_bytes(letters("the other folder"))
            configure(daemon, OLLAMA + root(daemon.inbox) + root(other))
            reload(daemon)
            assert [row["path"] for row in daemon.status()["roots"]] == [str(daemon.inbox), str(other)]
        wait_for(lambda: daemon.request("GET", "/readyz").status_code == 200)
        assert daemon.search("the other folder", wait="settled")["hits"]


# --- the end ----------------------------------------------------------------------------


ON_A_TERMINAL = """
import os, signal, sys
terminal, nohup, *command = sys.argv[1:]
os.open(terminal, os.O_RDWR)  # the first one that the leader of a session opens becomes its own
# Whoever runs the tests under nohup has it ignored, and so would the daemon.
signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
os.execv(command[0], command)
"""


def on_a_terminal(daemon, nohup=""):
    """Start a daemon as a shell on a terminal would; returns the terminal's other end."""
    master, slave = pty.openpty()
    command = daemon.command("run", "--config", str(daemon.config))
    daemon.start(command=[sys.executable, "-c", ON_A_TERMINAL, os.ttyname(slave), nohup, *command])
    os.close(slave)
    return master


def test_closing_its_terminal_ends_the_daemon():
    """In a terminal, SIGHUP is a reload as long as the terminal is there; closing the terminal ends the daemon."""
    with live.running(start=False) as daemon:
        terminal = on_a_terminal(daemon)
        assert reload(daemon)["keys"] == []
        daemon.look()
        os.close(terminal)
        assert daemon.process.wait(60) == 0
        assert daemon.log_events("terminal_closed")


def test_under_nohup_the_daemon_stays():
    """Whoever starts it with nohup may close the terminal."""
    with live.running(start=False) as daemon:
        os.close(on_a_terminal(daemon, "nohup"))
        wait_for(lambda: daemon.log_events("reloaded"))
        assert daemon.status()["state"]
        assert daemon.stop() == 0


@pytest.fixture
def ollama():
    """The stand-in for Ollama, whose models never come to an end; yields its address."""
    with ollama_at("--token-ms", "20") as url:
        plain_http.post(
            f"{url}/_faults", json={"answer": " ".join(map("".join, itertools.permutations("abcdefg")))}
        ).raise_for_status()
        yield url


@needs_english
def test_it_ends_in_time_while_everything_is_busy(received, ollama):
    """While files are read, a page is recognised and a model streams, SIGTERM ends the daemon long before it is killed.

    The client gets a last word, and nothing stays.
    """
    config = f'[ollama]\nurl = "{ollama}"\nembed_model = "all-minilm"\nchat_model = "scripted"\n[ingest]\nocr = true\n'
    with live.running(config, start=False) as daemon:
        started(daemon, NOTIFY_SOCKET=str(received.path))
        put(daemon, "a.pdf", TEXT)
        daemon.search("lighthouse", wait="settled")
        scan = daemon.base / "scan.made"
        scan.write_bytes(scanned(letters(*[f"Scanned {n}. {TEXT}\n{TEXT}" for n in range(8)]), dpi=300))
        daemon.drop(scan, "scan.pdf")
        wait_for(lambda: daemon.status()["ocr"]["pages_waiting"])
        with concurrent.futures.ThreadPoolExecutor() as pool:
            asked = pool.submit(daemon.ask, "Who writes down every storm?")
            wait_for(lambda: plain_http.get(f"{ollama}/_counts").json().get("chats"))
            wait_for(lambda: recognising(daemon))
            laid(daemon.inbox / "large.pdf", many_pages(1500))
            wait_for(lambda: daemon.status()["counters"].get("pages_parsed", 0) > 50)
            before = time.monotonic()
            assert daemon.stop() == 0
            # The units give it twenty.
            assert time.monotonic() - before < 15
            last = asked.result(60)[-1]
            assert (last["type"], last.get("code")) == ("error", "stopping"), last
        wait_for(lambda: not daemon.children())
        assert "STOPPING=1" in received.lines()
        assert not daemon.log_events("not_drained")


def recognising(daemon):
    """Whether a page is being recognised: its process is at work, with the lowest priority."""
    return any(pid for pid in daemon.look() if nice(pid) > 10)


def nice(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[16])
    return 0
