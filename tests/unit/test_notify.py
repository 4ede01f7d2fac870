"""What the service manager is told, and what it says of itself in the environment."""

import os
import socket

import pytest

from foliod.start.notify import Manager
from service_manager import receiving


def test_without_a_service_manager_nothing_is_sent():
    """In a terminal the daemon does the same, and talks to nobody."""
    environ = {"HOME": "/"}
    manager = Manager.found(environ)
    manager.begin()
    manager.say("watching")
    assert manager.ready
    assert manager.watchdog_seconds is None
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_is_said_once_and_status_when_it_changes(short_dir, abstract):
    """The manager hears each thing once, whichever kind of address it gave."""
    name = f"@foliod-test-{os.getpid()}" if abstract else str(short_dir / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name[1:] if abstract else name)
        receiver.settimeout(5)
        manager = Manager.found({"NOTIFY_SOCKET": name})
        manager.say("starting")
        manager.say("starting")
        manager.begin()
        manager.begin()
        manager.say("a status\nREADY=0 of two lines")
        assert [receiver.recv(4096).decode() for _ in range(3)] == [
            "STATUS=starting", "READY=1", "STATUS=a status READY=0 of two lines",
        ]  # fmt: skip
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            receiver.recv(4096)


def test_children_are_told_nothing_of_the_manager():
    """PostgreSQL must not say READY in the daemon's name."""
    environ = {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "A": "b"}
    assert Manager.found(environ).watchdog_seconds == 30
    assert environ == {"A": "b"}


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [("2500000", "", 2.5), ("2500000", "1", None), ("", "", None), ("0", "", None), ("often", "", None)],
)
def test_a_watchdog_for_another_process_is_not_ours(usec, pid, seconds):
    """WATCHDOG_PID says whom the manager watches."""
    assert Manager.found({"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}).watchdog_seconds == seconds


def test_a_reload_is_told_with_its_time(short_dir):
    """RELOADING carries the time by which systemd knows that it is not an old one; READY ends it."""
    with receiving(short_dir) as received:
        manager = Manager(str(received.path))
        manager.reloading()
        assert received.lines() == []  # it is not ready yet: READY=1 after it would be a lie
        manager.begin()
        manager.reloading()
        manager.begin()
        manager.stopping(11.5)
        lines = received.lines()
    assert [line.partition("=")[0] for line in lines] == [
        "READY", "RELOADING", "MONOTONIC_USEC", "READY", "STOPPING", "EXTEND_TIMEOUT_USEC",
    ]  # fmt: skip
    assert int(lines[2].partition("=")[2]) > 0
    assert lines[5] == "EXTEND_TIMEOUT_USEC=11500000"


def test_who_stops_is_not_ready_any_more(short_dir):
    """A reload that SIGTERM overtook does not tell the manager that the daemon is ready again."""
    with receiving(short_dir) as received:
        manager = Manager(str(received.path))
        manager.begin()
        manager.reloading()
        manager.stopping(1)
        manager.begin()
        lines = received.lines()
    assert [line.partition("=")[0] for line in lines][-2:] == ["STOPPING", "EXTEND_TIMEOUT_USEC"]
    assert not manager.ready


def test_a_manager_that_is_busy_hears_it_later(short_dir):
    """READY is not lost when the manager's queue is full; what is out of date by then is not sent."""
    with receiving(short_dir, busy=True) as received:
        manager = Manager(str(received.path))
        sent = 0
        while manager._send(["X=1"]):
            sent += 1
        manager.begin()
        manager.alive()
        manager.say("watching")
        assert received.said("READY=1") == 0
        assert len(received.lines()) == sent
        manager.say("watching")
        assert received.lines()[sent:] == ["READY=1", "STATUS=watching"]
        manager.say("watching")
        assert len(received.lines()) == sent + 2


def test_a_manager_that_is_gone_harms_nothing(short_dir):
    """The daemon goes on when nobody reads what it says."""
    manager = Manager(str(short_dir / "nobody"))
    manager.begin()
    manager.say("watching")
    manager.alive()
    assert manager.ready
