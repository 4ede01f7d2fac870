"""Who is at the other end of a connection, by what the kernel says."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from foliod.base.config import Settings
from foliod.serve.accounts import Accounts, AllowList
from foliod.serve.peers import Peer, peer_of

CONNECTS = """
import os, socket, sys
uid, groups, path = int(sys.argv[1]), [int(g) for g in sys.argv[2].split(",") if g], sys.argv[3]
os.setgroups(groups); os.setgid(uid); os.setuid(uid)
with socket.socket(socket.AF_UNIX) as s:
    s.connect(path)
    print("connected", flush=True)
    sys.stdin.readline()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def told_of(path, uid: int, groups: list[int]) -> Peer:
    """What is told of a client that is another user with other groups."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()
        client = subprocess.Popen(
            [sys.executable, "-c", CONNECTS, str(uid), ",".join(map(str, groups)), str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert client.stdout.readline() == "connected\n"
            with listener.accept()[0] as connected:
                return peer_of(connected)
        finally:
            client.communicate("end\n")


@as_root
def test_a_peer_has_its_own_groups(short_dir):
    """Groups are those that the process has, not those that a file says of its user."""
    peer = told_of(short_dir / "s", 4711, [100, 5, 12345])
    assert peer == Peer(4711, frozenset({4711, 100, 5, 12345}))
    assert not peer.ours
    assert peer.local


@as_root
def test_a_peer_may_have_very_many_groups(short_dir):
    """A user in more groups than fit into Python's buffer is known by all of them."""
    groups = list(range(10_000, 11_000))
    assert told_of(short_dir / "s", 4711, groups).groups == frozenset([*groups, 4711])


def test_we_are_ourselves():
    """The daemon's own user is known as such, and counted under its number."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        peer = peer_of(ours)
    assert peer.uid == os.geteuid()
    assert peer.ours
    assert peer.key == f"uid {os.geteuid()}"
    assert not Peer(address="127.0.0.1").ours


LISTENS = """
import ctypes, json, socket, sys
if ctypes.CDLL(None).unshare(0x10000000):
    print("refused", flush=True); sys.exit()
from foliod.serve.peers import peer_of, sees_all_users
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1]); listener.listen()
    print("listening", flush=True)
    with listener.accept()[0] as connected:
        peer = peer_of(connected)
        print(json.dumps([peer.uid, sorted(peer.groups), peer.ours, sees_all_users()]), flush=True)
"""


def test_who_comes_from_another_namespace_is_nobody(short_dir):
    """A user whom the daemon's namespace does not have is not taken for the user nobody, nor for its own."""
    path = short_dir / "s"
    daemon = subprocess.Popen([sys.executable, "-c", LISTENS, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        if daemon.stdout.readline() != "listening\n":
            pytest.skip("this machine lets nobody make user namespaces")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            assert json.loads(daemon.stdout.readline()) == [None, [], False, False]
    finally:
        daemon.wait(10)
        daemon.stdout.close()


def test_who_can_not_be_told_is_on_no_list():
    """An allow-list with the overflow user's number does not let in everybody whom nobody knows."""
    unknown = Peer(None, frozenset())
    assert not AllowList(frozenset({65534}), frozenset({65534})).has(unknown)
    assert AllowList(everybody=True).has(unknown)
    assert not unknown.ours


async def test_names_become_numbers(monkeypatch):
    """Lists take names and numbers; a name that nobody has allows nobody, and is told once."""
    from structlog.testing import capture_logs

    settings = Settings(
        server={"users": ["root", 4711, "no-such-user"], "groups": ["no-such-group"]},
        watch=[{"path": "/in", "groups": ["root"]}, {"path": "/open"}],
    )
    accounts = Accounts()
    with capture_logs() as logs:
        lists = await accounts.lists(settings)
        assert await accounts.lists(settings) is lists
    assert lists.enter == AllowList(frozenset({0, 4711}), frozenset())
    assert not lists.enter.has(Peer(1234))
    inbox, public = (lists.read[watch.path] for watch in settings.watch)
    assert (inbox.groups, inbox.everybody, public.everybody) == (frozenset({0}), False, True)
    assert [entry["accounts"] for entry in logs if entry["event"] == "accounts_unknown"] == [
        ["user no-such-user", "group no-such-group"]
    ]


async def test_lists_that_can_not_work_are_told(monkeypatch):
    """In a namespace without all users the log says that the lists can't tell them apart."""
    from structlog.testing import capture_logs

    from foliod.serve import accounts

    monkeypatch.setattr(accounts, "sees_all_users", lambda: False)
    with capture_logs() as logs:
        await Accounts().lists(Settings(server={"users": ["root"]}))
        await Accounts().lists(Settings())
    assert [entry["event"] for entry in logs] == ["accounts_not_seen"]
