"""Who may enter, what browsers may do, and how much anybody may ask: over real sockets, before any database is there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import subprocess
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs
from test_serve import client_of, daemon, error_of, services_for, settings_for, tcp_daemon

from foliod.base.config import Settings
from foliod.base.errors import ConfigError
from foliod.serve import connection
from foliod.serve.bearer import Bearer, bearer_token, renew
from foliod.serve.request import STOPPING
from foliod.serve.serve import application, serving, sites
from foliod.serve.sockets import unix_socket
from foliod.serve.stream import STALL_SECONDS, stream
from waiting import PATIENCE, until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

ASKS = """
import os, socket, sys
uid, groups, path, line = int(sys.argv[1]), [int(g) for g in sys.argv[2].split(",") if g], sys.argv[3], sys.argv[4]
os.setgroups(groups); os.setgid(uid); os.setuid(uid)
with socket.socket(socket.AF_UNIX) as s:
    s.connect(path)
    s.sendall(f"{line} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n".encode())
    while piece := s.recv(65536):
        sys.stdout.write(piece.decode())
"""


async def asked_as(uid: int, groups: list[int], path, line: str = "GET /healthz") -> tuple[int, str]:
    """What another user is answered: the status and all of the text."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ASKS, str(uid), ",".join(map(str, groups)), str(path), line, stdout=subprocess.PIPE
    )
    told = (await process.communicate())[0].decode()
    return int(told.split()[1]), told


@asynccontextmanager
async def reloadable(folder, **server):
    """A daemon whose settings can be replaced while it serves."""
    current = [settings_for(folder, **server)]
    app = application(lambda: services_for(current[0], trouble="PostgreSQL is being started"))
    with unix_socket(current[0].socket) as listener:
        listener_path = current[0].socket
        async with sites(app, [listener]), client_of(listener_path) as client:
            yield current, client


# --- the Unix socket --------------------------------------------------------------------


@as_root
async def test_only_listed_users_and_groups_enter(short_dir):
    """With allow-lists a user who may connect, but is on none, is refused with a reason; the log says who it was."""
    async with daemon(short_dir, users=["4711"], groups=["5555"]) as client:
        (short_dir / "s").chmod(0o666)
        assert (await asked_as(4711, [], short_dir / "s"))[0] == 200
        assert (await asked_as(4712, [5555], short_dir / "s"))[0] == 200
        with capture_logs() as logs:
            status, told = await asked_as(4713, [1, 2], short_dir / "s")
        assert status == 403
        assert '"forbidden"' in told
        assert "you are user 4713" in told
        assert [entry["uid"] for entry in logs if entry["event"] == "client_refused"] == [4713]
        assert (await client.get("/healthz")).status == 200, "our own user always enters"


@as_root
async def test_without_lists_the_mode_of_the_socket_decides(short_dir):
    """Nothing listed: whoever may open the socket may ask; nobody else can even connect."""
    async with daemon(short_dir):
        with pytest.raises(IndexError):
            await asked_as(4713, [], short_dir / "s")
        (short_dir / "s").chmod(0o666)
        assert (await asked_as(4713, [], short_dir / "s"))[0] == 200


@as_root
async def test_a_changed_list_counts_for_the_next_request(short_dir):
    """A configuration that is read again lets in and shuts out at once, without a restart."""
    async with reloadable(short_dir, users=["4711"]) as (current, _):
        (short_dir / "s").chmod(0o666)
        assert (await asked_as(4712, [], short_dir / "s"))[0] == 403
        current[0] = settings_for(short_dir, users=["4712"])
        assert (await asked_as(4712, [], short_dir / "s"))[0] == 200
        assert (await asked_as(4711, [], short_dir / "s"))[0] == 403


# --- the token --------------------------------------------------------------------------


async def test_a_new_token_ends_the_old_one_at_once(short_dir):
    """`foliod token --new` needs no restart: the next request with the old token is refused, on old connections too."""
    async with tcp_daemon(short_dir) as (client, bearer, settings):
        assert (await client.get("/healthz", headers=bearer)).status == 200
        renew(settings.state / "token")
        assert (await client.get("/healthz", headers=bearer)).status == 401
        new = {"Authorization": f"Bearer {(settings.state / 'token').read_text().strip()}"}
        assert new != bearer
        assert (await client.get("/healthz", headers=new)).status == 200
        assert stat.S_IMODE((settings.state / "token").stat().st_mode) == 0o600
        assert [entry.name for entry in settings.state.iterdir()] == ["token"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
async def test_a_token_that_others_can_read_is_refused(short_dir, mode):
    """A token file that group or others may read opens no door, at the start and later, and it is told how to mend it."""
    async with tcp_daemon(short_dir) as (client, bearer, settings):
        path = settings.state / "token"
        path.chmod(mode)
        with capture_logs() as logs:
            assert (await client.get("/healthz", headers=bearer)).status == 401
            assert (await client.get("/healthz", headers=bearer)).status == 401
        assert len([entry for entry in logs if entry["event"] == "token_unusable"]) == 1
        with pytest.raises(ConfigError, match=r"can be read by others \(mode 06\d\d\).*chmod 600.*token --new"):
            bearer_token(path)
        path.chmod(0o600)
        assert (await client.get("/healthz", headers=bearer)).status == 200
        path.unlink()
        assert (await client.get("/healthz", headers=bearer)).status == 401


def test_credentials_of_systemd_look_as_if_a_group_could_read_them(short_dir, monkeypatch):
    """What LoadCredential= gives is taken, whatever its mode says."""
    path = short_dir / "token"
    path.write_text("x" * 40)
    path.chmod(0o440)
    with pytest.raises(ConfigError, match="others"):
        bearer_token(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(short_dir))
    assert bearer_token(path) == "x" * 40


@as_root
def test_root_renews_the_token_of_the_daemon_s_user(short_dir):
    """A token that root renews still belongs to the user that the daemon runs as, through a link too."""
    path, link = short_dir / "token", short_dir / "link"
    path.write_text("x" * 40)
    path.chmod(0o600)
    os.chown(path, 4711, 4712)
    link.symlink_to(path)
    renew(link)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (4711, 4712, 0o600)
    assert link.is_symlink()


def test_tokens_are_compared_in_constant_time(short_dir, monkeypatch):
    """How much of a wrong token is right can't be measured: every comparison goes through compare_digest."""
    from foliod.serve import bearer

    asked = []
    compare = bearer.hmac.compare_digest
    monkeypatch.setattr(bearer.hmac, "compare_digest", lambda a, b: asked.append((a, b)) or compare(a, b))
    guard = Bearer(short_dir / "token")
    token = bearer_token(short_dir / "token")
    assert [guard.fits(token), guard.fits(token[:-1]), guard.fits(""), guard.fits("ä\udcff")] == [
        True,
        False,
        False,
        False,
    ]
    assert len(asked) == 4


async def test_the_daemon_s_own_folders_are_not_named_to_others(short_dir):
    """What is wrong with the daemon is told to all; where its folders are, to its own people only."""
    settings = settings_for(short_dir, http="127.0.0.1:0")
    trouble = "PostgreSQL at /var/lib/foliod/pg is being started"
    async with (
        serving(lambda: services_for(settings, trouble=trouble), settings) as addresses,
        aiohttp.ClientSession(addresses[1]) as client,
        client_of(settings.socket) as ours,
    ):
        bearer = {"Authorization": f"Bearer {(settings.state / 'token').read_text().strip()}"}
        for path in ("/v1/documents", "/v1/status", "/readyz"):
            told = await (await client.get(path, headers=bearer)).text()
            assert "PostgreSQL at (a path) is being started" in told
            assert "/var" not in told
            assert trouble in await (await ours.get(path)).text()


async def test_who_guesses_a_token_is_seen(short_dir):
    """Refusals are told with their reason and address on every route, on those too that are asked again and again."""
    async with tcp_daemon(short_dir) as (client, bearer, _):
        with capture_logs() as logs:
            for path in ("/healthz", "/v1/status", "/metrics", "/v1/documents"):
                assert (await client.get(path, headers={"Authorization": "Bearer guessed"})).status == 401
            assert (await client.get("/healthz")).status == 401
            assert (await client.get("/healthz", headers=bearer | {"Host": "evil.example"})).status == 421
            assert (await client.get("/healthz", headers=bearer | {"Origin": "https://evil.example"})).status == 403
            assert (await client.get("/healthz", headers=bearer)).status == 200
    refused = [entry for entry in logs if entry["event"] == "client_refused"]
    assert {(entry["log_level"], entry["peer"]) for entry in refused} == {("warning", "127.0.0.1")}
    assert [entry["reason"] for entry in refused] == [
        *["a wrong token"] * 4,
        "no token",
        "the host asked for is not in [server] allowed_hosts",
        "a web page whose origin is not in [server] allowed_origins",
    ]
    assert "guessed" not in str(logs)
    assert "evil" not in str(refused)


async def test_a_token_that_only_changed_its_rights_is_no_new_one(short_dir):
    """Nothing is told of a token that stayed the same; of a file that is gone it is told in words what to do."""
    async with tcp_daemon(short_dir) as (client, bearer, settings):
        path = settings.state / "token"
        with capture_logs() as logs:
            os.utime(path, (1, 1))
            path.chmod(0o400)
            assert (await client.get("/healthz", headers=bearer)).status == 200
            assert {entry["event"] for entry in logs} == {"request"}
            path.unlink()
            assert (await client.get("/healthz", headers=bearer)).status == 401
        [told] = [entry["reason"] for entry in logs if entry["event"] == "token_unusable"]
        assert told == f"the token file {path} is gone; make a token with: foliod token --new"


# --- browsers ---------------------------------------------------------------------------

EVIL = "https://evil.example"


@pytest.mark.parametrize(
    "page",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
async def test_a_page_of_another_address_is_refused(short_dir, page):
    """A web page from elsewhere that a browser shows gets nothing here, even if it had the token."""
    async with tcp_daemon(short_dir) as (client, bearer, _):
        for method in ("GET", "POST"):
            answer = await client.request(method, "/healthz", headers=bearer | page)
            assert (await error_of(answer))[:2] == (403, "forbidden")
            assert not [name for name in answer.headers if name.startswith("Access-Control")]


async def test_our_own_page_and_programs_may_ask(short_dir):
    """The page that foliod itself serves is of the same origin; a link to it may be followed from anywhere."""
    async with tcp_daemon(short_dir) as (client, bearer, _):
        host = f"127.0.0.1:{client._base_url.port}"
        for page in (
            {},
            {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        ):
            assert (await client.get("/healthz", headers=bearer | page)).status == 200, page


async def test_preflights_of_foreign_pages_are_refused(short_dir):
    """A browser that asks whether a foreign page may ask is told no, and learns nothing."""
    asks = {"Origin": EVIL, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with tcp_daemon(short_dir) as (client, _, _):
        answer = await client.options("/v1/search", headers=asks)
        assert (await error_of(answer))[:2] == (403, "forbidden")
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


async def test_an_allowed_page_gets_what_cors_wants(short_dir):
    """A page of [server] allowed_origins may ask with the token; caches are told that answers differ by origin."""
    good = "https://intranet.example"
    settings = settings_for(short_dir, http="127.0.0.1:0", allowed_origins=[good])
    async with (
        serving(lambda: services_for(settings), settings) as addresses,
        aiohttp.ClientSession(addresses[1]) as client,
    ):
        bearer = {"Authorization": f"Bearer {(settings.state / 'token').read_text().strip()}"}
        asks = {"Origin": good, "Access-Control-Request-Method": "POST"}
        answer = await client.options("/v1/search", headers=asks)
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == good
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert answer.headers["Vary"] == "Origin"
        answer = await client.get("/healthz", headers=bearer | {"Origin": good})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, good)
        assert "Access-Control-Allow-Credentials" not in answer.headers
        without = await client.get("/healthz", headers={"Origin": good})
        assert (without.status, without.headers["Access-Control-Allow-Origin"]) == (401, good)
        plain = await client.get("/healthz", headers=bearer)
        assert plain.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Origin" not in plain.headers
        assert (await client.options("/v1/search", headers=asks | {"Origin": EVIL})).status == 403


@pytest.mark.parametrize("wrong", ["*", "null", "https://a.example/page", "a.example", "https://*.example"])
def test_origins_are_whole_addresses(wrong):
    """A star, or half an address, is no origin."""
    with pytest.raises(ValueError, match="origin"):
        Settings(server={"allowed_origins": [wrong]})


async def test_every_answer_says_how_it_may_be_used(short_dir):
    """Answers and errors are kept by nobody, shown in no frame, taken for nothing else, and tell no versions."""
    async with tcp_daemon(short_dir) as (client, bearer, _):
        answers = [
            await client.get("/healthz", headers=bearer),
            await client.get("/healthz"),
            await client.get("/nothing", headers=bearer),
            await client.get("/healthz", headers=bearer | {"Host": "evil.example"}),
            await client.post("/v1/search", data=b"{", headers=bearer),
        ]
        assert [answer.status for answer in answers] == [200, 401, 404, 421, 400]
        for answer in answers:
            told = answer.headers
            assert told["X-Content-Type-Options"] == "nosniff"
            assert told["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert told["Referrer-Policy"] == "no-referrer"
            assert told["Cache-Control"] == "no-store"
            assert told["Cross-Origin-Resource-Policy"] == "same-origin"
            assert told["Server"] == "foliod"


async def test_what_is_no_http_tells_no_version(short_dir):
    """Garbage and heads that are too large are answered in JSON, without a version and without repeating them."""
    async with daemon(short_dir):
        for sent in (b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/1.1\r\nX-A: " + b"secret" * 4000 + b"\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n"):  # fmt: skip
            reader, writer = await asyncio.open_unix_connection(str(short_dir / "s"))
            writer.write(sent)
            answer = (await asyncio.wait_for(reader.read(), PATIENCE)).decode()
            assert " 400 " in answer.splitlines()[0]
            assert '"code":"bad_request"' in answer
            assert "Server: foliod" in answer
            assert "aiohttp" not in answer
            assert "secret" not in answer
            writer.close()


# --- how much and how long --------------------------------------------------------------


class Held:
    """Requests that stay under way until they are let go."""

    def __init__(self) -> None:
        self.under_way = 0
        self.go = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.under_way += 1
        await self.go.wait()
        return web.Response(text="done")

    async def until(self, number: int) -> None:
        await until(lambda: self.under_way >= number)


async def test_one_client_gets_so_much_at_once(short_dir):
    """More requests than a client may have under way get 429 and are asked to come again; health is always told."""
    held = Held()
    async with daemon(short_dir, added=[web.get("/held", held.answer)], max_client_requests=3) as client:
        under_way = [asyncio.create_task(client.get("/held")) for _ in range(3)]
        await held.until(3)
        answer = await client.get("/v1/status")
        status, code, message = await error_of(answer)
        assert (status, code) == (429, "too_many_requests")
        assert "3 requests of yours" in message
        assert answer.headers["Retry-After"] == "1"
        assert (await client.get("/healthz")).status == 200
        held.go.set()
        assert [(await task).status for task in under_way] == [200] * 3
        assert (await client.get("/held")).status == 200


@as_root
async def test_all_together_get_so_much_at_once(short_dir):
    """The limit for all holds for other users; the daemon's own people are still answered."""
    held = Held()
    async with daemon(short_dir, added=[web.get("/held", held.answer)], max_requests=2) as client:
        (short_dir / "s").chmod(0o666)
        others = [asyncio.create_task(asked_as(uid, [], short_dir / "s", "GET /held")) for uid in (4711, 4712)]
        await held.until(2)
        status, told = await asked_as(4713, [], short_dir / "s", "GET /held")
        assert (status, "too_many_requests" in told) == (429, True)
        own = asyncio.create_task(client.get("/held"))
        await held.until(3)
        held.go.set()
        assert (await own).status == 200
        assert [status for status, _ in await asyncio.gather(*others)] == [200, 200]


@as_root
async def test_a_greedy_client_does_not_shut_out_others(short_dir):
    """One user who uses all that one may leaves the others theirs."""
    held = Held()
    async with daemon(short_dir, added=[web.get("/held", held.answer)], max_client_requests=2) as client:
        (short_dir / "s").chmod(0o666)
        greedy = [asyncio.create_task(client.get("/held")) for _ in range(2)]
        await held.until(2)
        assert (await client.get("/v1/status")).status == 429
        assert (await asked_as(4711, [], short_dir / "s", "GET /v1/status"))[0] in (200, 503)
        held.go.set()
        await asyncio.gather(*greedy)


async def test_a_client_that_hangs_up_is_counted_no_more(short_dir):
    """Requests whose clients have gone make room for others."""
    held = Held()
    async with daemon(short_dir, added=[web.get("/held", held.answer)], max_client_requests=2) as client:
        under_way = [asyncio.create_task(client.get("/held")) for _ in range(2)]
        await held.until(2)
        for task in under_way:
            task.cancel()

        async def free() -> bool:
            return (await client.get("/v1/status")).status != 429

        await until(free)


async def test_a_head_that_never_ends_is_not_waited_for(short_dir, monkeypatch):
    """Clients that send their requests letter by letter, or nothing at all, are hung up on; others are answered."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    async with daemon(short_dir) as client:
        silent = await asyncio.open_unix_connection(str(short_dir / "s"))
        slow = await asyncio.open_unix_connection(str(short_dir / "s"))
        later = await asyncio.open_unix_connection(str(short_dir / "s"))
        later[1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await asyncio.wait_for(later[0].readuntil(b"}\n"), PATIENCE)
        later[1].write(b"GET /hea")

        async def dribble() -> None:
            with contextlib.suppress(ConnectionError):
                for letter in b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 1000:
                    slow[1].write(bytes([letter]))
                    await slow[1].drain()
                    await asyncio.sleep(0.02)

        dribbling = asyncio.create_task(dribble())
        assert await asyncio.wait_for(silent[0].read(), PATIENCE) == b""
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(slow[0].read(), PATIENCE) == b""
        assert await asyncio.wait_for(later[0].read(), PATIENCE) == b""
        dribbling.cancel()
        for _, writer in (silent, slow, later):
            writer.close()
        assert (await client.get("/healthz")).status == 200


async def test_a_connection_that_rests_between_requests_is_kept(short_dir, monkeypatch):
    """The time for a head begins with its first byte: a client may keep its connection and ask again later."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    async with daemon(short_dir):
        reader, writer = await asyncio.open_unix_connection(str(short_dir / "s"))
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"alive"), PATIENCE)
            await asyncio.sleep(0.5)
        writer.close()


async def test_a_body_that_never_ends_is_not_waited_for(short_dir, monkeypatch):
    """A client that does not send its whole body is told so after a while."""
    from foliod.serve import request

    monkeypatch.setattr(request, "BODY_SECONDS", 0.2)
    async with daemon(short_dir):
        reader, writer = await asyncio.open_unix_connection(str(short_dir / "s"))
        writer.write(b"POST /v1/reembed HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        assert b" 400 " in answer.splitlines()[0]
        assert b"did not arrive" in answer
        writer.close()


async def test_a_request_ends_when_its_time_is_over(short_dir):
    """A request that takes too long gets 504; a stream ends with a word that says so."""

    async def endless(request: web.Request) -> web.StreamResponse:
        async def events():
            yield {"type": "token", "text": "x"}
            await asyncio.Event().wait()

        return await stream(request, events(), request.app[STOPPING])

    held = Held()
    added = [web.get("/held", held.answer), web.get("/endless", endless)]
    async with daemon(short_dir, added=added, request_seconds=1.0) as client:
        assert (await error_of(await client.get("/held")))[:2] == (504, "request_timeout")
        lines = (await (await client.get("/endless")).text()).splitlines()
        assert '"token"' in lines[0]
        assert '"request_timeout"' in lines[-1]
        assert len(lines) == 2
    assert STALL_SECONDS > 1.0, "what ended it was not the stall of a reader"


async def ended(reader: asyncio.StreamReader) -> None:
    """Wait until a connection on which nobody was asked anything is hung up on."""
    with contextlib.suppress(ConnectionError):
        assert await reader.read(1) == b""


async def test_so_many_connections_and_no_more(short_dir):
    """Over the limit a connection is told so and to come again; far over it, it is hung up on. Room is used again."""
    async with daemon(short_dir, max_connections=8) as client:
        held = [await asyncio.open_unix_connection(str(short_dir / "s")) for _ in range(8)]
        answer = await client.get("/v1/status")
        assert (await error_of(answer))[:2] == (503, "too_many_connections")
        assert answer.headers["Retry-After"] == "1"
        more = [await asyncio.open_unix_connection(str(short_dir / "s")) for _ in range(40)]
        ends = [asyncio.create_task(ended(reader)) for reader, _ in more]
        await until(lambda: sum(end.done() for end in ends) >= 40 - connection.SPARE)
        for _, writer in [*held, *more]:
            writer.close()
        await asyncio.gather(*ends)

        async def well() -> bool:
            return (await client.get("/healthz")).status == 200

        await until(well)


@as_root
async def test_one_user_can_not_hold_all_connections(short_dir):
    """Connections that one user holds open leave room for another."""
    async with daemon(short_dir, max_connections=16):
        (short_dir / "s").chmod(0o666)
        held = [await asyncio.open_unix_connection(str(short_dir / "s")) for _ in range(15)]
        assert (await asked_as(4711, [], short_dir / "s"))[0] == 200
        for _, writer in held:
            writer.close()


def test_a_flood_is_bounded(short_dir):
    """A thousand questions at once are all answered or told to come again, and the daemon goes on."""

    async def flood() -> list[int]:
        async with daemon(short_dir, max_requests=16, max_client_requests=8, max_connections=64) as client:
            statuses: list[int] = []

            async def ask() -> None:
                for _ in range(25):
                    async with client.get("/readyz" if len(statuses) % 2 else "/v1/status") as answer:
                        await answer.read()
                        statuses.append(answer.status)

            await asyncio.gather(*(ask() for _ in range(40)))
            assert (await client.get("/healthz")).status == 200
            return statuses

    statuses = asyncio.run(flood())
    assert len(statuses) == 1000
    assert set(statuses) <= {200, 429, 503}
