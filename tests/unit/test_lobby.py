"""Who gets a connection: nobody who only knocks shuts out those who may enter."""

from __future__ import annotations

import asyncio
import os

from test_serve import client_of, services_for, settings_for

from foliod.serve.connection import SPARE, Lobby
from foliod.serve.peers import Peer
from foliod.serve.serve import serving
from waiting import PATIENCE

OURS = Peer(os.geteuid())


def test_all_addresses_of_this_machine_are_one_client():
    """127.0.0.0/8 and ::1 give nobody more connections than one client may have."""
    keys = {Peer(address=a).key for a in ("127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.9", "::1%lo")}
    assert len(keys) == 1
    assert len({*keys, Peer(address="192.0.2.1").key, Peer(address="192.0.2.2").key, Peer(address="gone").key}) == 4


def test_who_is_turned_away_does_not_count():
    """However many knock, only those who were let in count, and some places are the daemon's own people's."""
    lobby = Lobby(lambda: 16)
    said = [lobby.enter(Peer(address=f"127.0.0.{n % 200}")) for n in range(100)]
    assert (said.count(True), said.count(False), said.count(None)) == (12, SPARE, 100 - 12 - SPARE)
    assert not lobby.enter(Peer(4711)), "what is kept is not for every user"
    assert [lobby.enter(OURS) for _ in range(4)] == [True] * 4
    for admitted in said:
        lobby.leave(Peer(address="127.0.0.1"), admitted)
    assert lobby.enter(Peer(4711))
    assert [lobby.enter(Peer(address="127.0.0.1")) for _ in range(2)] == [True, True]


async def test_one_who_holds_connections_without_the_token_shuts_nobody_out(short_dir):
    """A hundred connections to the localhost door, from many addresses, leave the socket to those who may use it."""
    settings = settings_for(short_dir, http="127.0.0.1:0", max_connections=16)
    async with serving(lambda: services_for(settings), settings) as addresses:
        port = int(addresses[1].rpartition(":")[2])
        held = [
            (await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.1.{n + 1}", 0)))[1]
            for n in range(100)
        ]
        try:
            async with client_of(settings.socket) as client:
                assert (await client.get("/healthz")).status == 200
        finally:
            for writer in held:
                writer.close()


async def test_who_is_refused_holds_no_connection(short_dir):
    """After an answer of 401 or 421 the connection is closed."""
    settings = settings_for(short_dir, http="127.0.0.1:0")
    async with serving(lambda: services_for(settings), settings) as addresses:
        port = int(addresses[1].rpartition(":")[2])
        for host, status in (("localhost", b"401"), ("evil.example", b"421")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode())
            assert status in (await asyncio.wait_for(reader.read(), PATIENCE)).splitlines()[0]
            writer.close()
