"""The daemon under a service manager: what it tells it, what it takes from it, and what it does on its signals."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import socket

import httpx
import pytest

import live
from live import wait_for
from made_pdfs import letters
from service_manager import handed_over, open_descriptors, receiving, unix_listener

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
        url = f"http://127.0.0.1:{tcp.getsockname()[1]}"
        assert httpx.get(f"{url}/healthz").status_code == 401
        token = (daemon.state / "token").read_text().strip()
        assert httpx.get(f"{url}/healthz", headers={"Authorization": f"Bearer {token}"}).status_code == 200
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
        assert daemon.process.wait(20) == 2
        assert "Accept=no" in daemon.log_text()
