"""Sockets that the service manager hands over."""

import json
import os
import socket
import subprocess
import sys

import pytest

from foliod.serve.inherited import NONE, inherited
from service_manager import handed_over, unix_listener

TAKES = """
import json, os, socket
from foliod.base.errors import ConfigError
from foliod.serve.inherited import inherited
try:
    given = inherited()
except ConfigError as error:
    print(json.dumps({"error": error.message}))
else:
    print(json.dumps({
        "unix": [s.getsockname() for s in given.unix], "tcp": [s.getsockname()[1] for s in given.tcp],
        "fds": [s.fileno() for s in (*given.unix, *given.tcp)],
        "inheritable": [os.get_inheritable(s.fileno()) for s in (*given.unix, *given.tcp)],
        "left": [name for name in os.environ if name.startswith("LISTEN_")],
    }))
"""


def taken(sockets, **env):
    """What a process makes of sockets that it is started with."""
    command, fds = handed_over([sys.executable, "-c", TAKES], sockets)
    done = subprocess.run(
        command, pass_fds=fds, capture_output=True, text=True, check=True, env=os.environ | env, timeout=30
    )
    return json.loads(done.stdout)


def test_sockets_are_taken_by_their_kind(short_dir):
    """A Unix socket and a TCP socket are told apart; children get neither them nor the variables."""
    with unix_listener(short_dir / "s") as unix, socket.create_server(("127.0.0.1", 0)) as tcp:
        found = taken({"foliod.socket": unix, "http": tcp})
        assert found == {
            "unix": [str(short_dir / "s")], "tcp": [tcp.getsockname()[1]], "fds": [3, 4],
            "inheritable": [False, False], "left": [],
        }  # fmt: skip


def test_sockets_for_another_process_are_left_alone(short_dir):
    """What a wrapper was given is not taken for ours, and our children do not take it for theirs."""
    with unix_listener(short_dir / "s") as unix:
        found = taken({"foliod.socket": unix}, TEST_LISTEN_PID="1")
        assert found == {"unix": [], "tcp": [], "fds": [], "inheritable": [], "left": []}


def test_without_a_service_manager_there_are_none():
    """Nothing is taken for a socket where nobody says that there is one."""
    assert inherited({}) is NONE
    assert inherited({"LISTEN_PID": str(os.getpid())}) is NONE
    assert inherited({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"}) is NONE


def test_what_can_not_be_answered_at_is_refused_by_name(short_dir):
    """A mistake in the socket unit is told with the name of the socket and the line to correct."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(str(short_dir / "d"))
        error = taken({"odd.socket": datagrams})["error"]
        assert "odd.socket (descriptor 3)" in error
        assert "ListenStream=" in error
    connected, other = socket.socketpair()
    with connected, other:
        assert "Accept=no" in taken({"one.socket": connected})["error"]
    with (short_dir / "file").open("w") as file:
        error = taken({"file": file})["error"]
        assert "is no socket" in error


def test_descriptors_that_are_not_there_are_told():
    """LISTEN_FDS that promises more than there is ends the start with a sentence."""
    done = subprocess.run(
        [sys.executable, "-c", "import os; os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='9')\n" + TAKES],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert "unnamed (descriptor 3), which can't be used: Bad file descriptor" in json.loads(done.stdout)["error"]


@pytest.mark.parametrize("family", [socket.AF_INET6])
def test_names_are_not_needed(family):
    """Sockets without names are told by their kind alone."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = socket.create_server(("::1", 0), family=family)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with listener:
        assert len(taken({"": listener})["tcp"]) == 1
