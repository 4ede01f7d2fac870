"""The doors of the daemon: a real server on real sockets, before any database is there."""

import asyncio
import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import structlog
from aiohttp import web
from structlog.testing import capture_logs

from foliod.base.config import Server, Settings
from foliod.base.errors import ConfigError, GenerationCutError, NotFoundError, StateInUseError
from foliod.base.telemetry import Telemetry
from foliod.ollama.inference import OllamaHealth
from foliod.serve import stream as streaming
from foliod.serve.api import STOPPING
from foliod.serve.bearer import bearer_token
from foliod.serve.serve import application, serving, sites
from foliod.serve.services import Services
from foliod.serve.sockets import LONGEST_PATH, tcp_sockets, unix_socket
from waiting import PATIENCE, until


async def no_ollama() -> OllamaHealth:
    return OllamaHealth(reachable=False, version=None, models=(), error="refused", url="http://127.0.0.1:9")


def settings_for(folder: Path, **server) -> Settings:
    return Settings(state_dir=folder / "state", server=Server(socket=folder / "s", **server))


def services_for(settings: Settings, **parts) -> Services:
    return Services(settings, Telemetry(), no_ollama, **parts)


@asynccontextmanager
async def client_of(path: Path):
    async with aiohttp.ClientSession("http://foliod", connector=aiohttp.UnixConnector(str(path))) as session:
        yield session


@asynccontextmanager
async def daemon(folder: Path, *, added=(), **server):
    """Serve without a database, with routes added for a test; yields a client on the Unix socket."""
    settings = settings_for(folder, **server)
    app = application(lambda: services_for(settings, trouble="PostgreSQL is being started"))
    app.add_routes(added)
    with unix_socket(settings.socket) as listener:
        async with sites(app, [listener]), client_of(settings.socket) as client:
            yield client


async def error_of(answer: aiohttp.ClientResponse) -> tuple[int, str, str]:
    body = await answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message"}
    return answer.status, body["error"]["code"], body["error"]["message"]


# --- before the database is there -------------------------------------------------------


async def test_alive_before_it_is_ready(short_dir):
    """While PostgreSQL is still starting the daemon is alive, says why it is not ready, and shows its status."""
    async with daemon(short_dir) as client:
        assert (await client.get("/healthz")).status == 200
        ready = await client.get("/readyz")
        assert ready.status == 503
        assert (await ready.json())["reasons"] == ["PostgreSQL is being started"]
        status = await (await client.get("/v1/status")).json()
        assert status["state"] == "starting"
        assert status["database"] == {"reachable": False, "embedded": True, "error": "PostgreSQL is being started"}
        assert status["ollama"]["reachable"] is False
        assert status["ollama"]["error"] == "refused"
        assert status["documents"] is None
        assert status["backlog"] == {"documents": None, "pages_per_s": None, "eta_s": None, "waiting": []}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/search", {"query": "x"}),
        ("POST", "/v1/ask", {"question": "x"}),
        ("GET", "/v1/documents", None),
        ("GET", "/v1/documents/1", None),
    ],
)
async def test_what_needs_the_database_says_so(short_dir, method, path, body):
    """A question that comes too early gets 503 and the reason."""
    async with daemon(short_dir) as client:
        assert await error_of(await client.request(method, path, json=body)) == (
            503, "not_ready", "PostgreSQL is being started",
        )  # fmt: skip


async def test_while_nothing_is_wrong_a_start_is_worth_waiting_for(short_dir):
    """Who asks too early, and not because of an outage, is told when to come again."""
    settings = settings_for(short_dir)
    with unix_socket(settings.socket) as listener:
        async with (
            sites(application(lambda: services_for(settings)), [listener]),
            client_of(settings.socket) as client,
        ):
            early = await client.get("/v1/documents")
            assert (early.status, early.headers["Retry-After"]) == (503, "1")
    async with daemon(short_dir) as client:
        assert "Retry-After" not in (await client.get("/v1/documents")).headers


# --- bad requests -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/v1/ask", b"", "not JSON"),
        ("/v1/ask", b"{", "not JSON"),
        ("/v1/ask", b"[1]", "JSON object"),
        ("/v1/ask", b"\xff\xfe", "not JSON"),
        ("/v1/ask", b'{"question": "x", "foldr": "/a"}', 'unknown field "foldr", did you mean "folder"?'),
        ("/v1/ask", b'{"question": ""}', "question: is empty"),
        ("/v1/ask", b'{"question": " \\u0000 "}', "question: is empty"),
        ("/v1/ask", b'{"question": "a\\ud800b"}', "not JSON"),
        ("/v1/ask", b'{"question": 5}', "question: should be a valid string"),
        ("/v1/ask", b"{}", "question: Field required"),
        ("/v1/ask", b'{"question": "x", "limit": 51}', "limit: should be less than or equal to 50"),
        (
            "/v1/ask",
            b'{"question": "x", "history": [{"role": "system", "content": "y"}]}',
            'history.0.role: must be "user" or "assistant"; messages of \'system\'',
        ),
        (
            "/v1/ask",
            b'{"question": "x", "history": [{"role": "tool", "content": "y"}]}',
            "messages of 'tool' are not taken",
        ),
        ("/v1/ask", b'{"question": "x", "history": [{"role": 7, "content": "y"}]}', "history.0.role: must be"),
        ("/v1/ask", b'{"question": "x", "limit": 0}', "limit: should be greater than or equal to 1"),
        ("/v1/ask", b'{"question": "x", "limit": 1000000000}', "limit: should be less than or equal to 50"),
        ("/v1/ask", b'{"question": "x", "history": {"role": "user"}}', "history"),
        ("/v1/ask", b'{"question": "x", "wait": "later"}', "settled"),
        ("/v1/ask", b'{"question": "x", "folder": "in"}', "folder: must be an absolute path"),
        ("/v1/search", b'{"query": "x", "folder": "./in"}', "folder: must be an absolute path"),
        ("/v1/ask", b'{"question": "x", "wait_seconds": 1e9}', "wait_seconds"),
        ("/v1/ask", b'{"question": "' + b"x" * 9000 + b'"}', "question: String should have at most 8000"),
        ("/v1/search", b'{"query": "x", "limit": 0}', "limit: should be greater than or equal to 1"),
        ("/v1/search", b'{"query": "x", "limit": 1000000000}', "limit: should be less than or equal to 100"),
        ("/v1/search", b'{"query": "x", "limit": "5"}', "limit: should be a valid integer"),
        ("/v1/search", b'{"query": "x", "document": 99999999999999999999}', "document"),
        ("/v1/search", b'{"query": "x", "mode": "magic"}', "mode: should be 'hybrid'"),
        ("/v1/search", b'{"query": "x", "after": "yesterday"}', "after: must be a date such as"),
        ("/v1/search", b'{"query": "x", "before": "0001-01-01T00:00+14:00"}', "before: must be a date such as"),
        ("/v1/search", b'{"query": "x", "before": 12}', "before: must be a date such as"),
        ("/v1/search", b'{"query": "x", "after": "2024-01-02", "before": "2024-01-01"}', "earlier than before"),
        ("/v1/reembed", b'{"cancel": false}', '"cancel": false asks for nothing'),
    ],
)
async def test_a_wrong_request_is_refused_with_what_is_wrong(short_dir, path, body, told):
    """Every mistake in a request gets 400 and a sentence that names the field."""
    async with daemon(short_dir) as client:
        status, code, message = await error_of(await client.post(path, data=body))
        assert (status, code) == (400, "bad_request")
        assert told in message


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "cursor=-1", "state=lost", "page=2", "cursor=9223372036854775808"]
)
async def test_a_wrong_query_string_is_refused(short_dir, query):
    """Lists take only what is documented."""
    async with daemon(short_dir) as client:
        assert (await error_of(await client.get(f"/v1/documents?{query}")))[:2] == (400, "bad_request")


async def test_emoji_and_dates_are_fine(short_dir):
    """Unusual but valid requests get as far as the missing database."""
    async with daemon(short_dir) as client:
        body = {"question": "😀 为什么？", "after": "2024-01-01", "before": "2024-06-01T12:00:00+02:00"}
        assert (await client.post("/v1/ask", json=body)).status == 503


async def test_a_request_is_measured_in_bytes(short_dir):
    """A request that is too large is refused also when it does not say how large it is."""

    async def endless():
        for _ in range(1000):
            yield b'{"question": "' + b"x" * 1024

    async with daemon(short_dir, max_request_kb=16) as client:
        with contextlib.suppress(aiohttp.ClientError):
            status, code, message = await error_of(await client.post("/v1/ask", data=endless()))
            assert (status, code) == (413, "too_large")
            assert "16 kB" in message
        answer = await client.post("/v1/ask", data=b'{"question": "' + b"x" * 20_000 + b'"}')
        assert (await error_of(answer))[:2] == (413, "too_large")


async def test_compressed_requests_are_not_unpacked(short_dir):
    """A small body that would unpack to a large one is refused as what it is: not JSON."""
    import zlib

    async with daemon(short_dir) as client:
        bomb = zlib.compress(b'{"question": "' + b"x" * 50_000_000)
        answer = await client.post("/v1/ask", data=bomb, headers={"Content-Encoding": "deflate"})
        assert (await error_of(answer))[:2] == (400, "bad_request")


async def test_what_is_no_http_is_refused(short_dir):
    """Bytes that are no HTTP get 400, and the daemon goes on."""
    async with daemon(short_dir) as client:
        reader, writer = await asyncio.open_unix_connection(str(short_dir / "s"))
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.0 400")
        writer.close()
        assert (await client.get("/healthz")).status == 200


async def test_unknown_routes_and_methods_are_told_in_json(short_dir):
    """A wrong path and a wrong method get the same form of error as everything else."""
    async with daemon(short_dir) as client:
        assert (await error_of(await client.get("/nothing")))[:2] == (404, "not_found")
        assert (await error_of(await client.get("/v1/documents/abc")))[:2] == (404, "not_found")
        answer = await client.get("/v1/ask")
        assert (await error_of(answer))[:2] == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "POST"


async def test_a_crash_is_an_error_with_an_id(short_dir):
    """A bug in the daemon gives 500 with the id under which the log tells more; the log keeps it."""

    async def crash(request):
        raise ZeroDivisionError

    async with daemon(short_dir, added=[web.get("/crash", crash)]) as client:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            answer = await client.get("/crash", headers={"X-Request-Id": "mine-1"})
        status, code, message = await error_of(answer)
        assert (status, code) == (500, "internal")
        assert "mine-1" in message
        assert answer.headers["X-Request-Id"] == "mine-1"
        [crashed] = [entry for entry in logs if entry["event"] == "request_crashed"]
        assert crashed["request_id"] == "mine-1"
        assert crashed["exc_info"]


async def test_every_request_is_logged_with_who_and_how_long(short_dir):
    """Each request leaves a line with an id, its time and the asking user; a query string does not reach it."""
    async with daemon(short_dir) as client:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            answer = await client.get("/v1/documents?q=secret", headers={"X-Request-Id": "bad id\u00e9"})
        [entry] = [entry for entry in logs if entry["event"] == "request"]
        assert entry["request_id"] == answer.headers["X-Request-Id"]
        assert (entry["path"], entry["status"], entry["uid"]) == ("/v1/documents", 503, os.getuid())
        assert entry["ms"] >= 0
        assert "secret" not in str(logs)


async def test_addresses_that_there_are_not_come_to_no_log(short_dir):
    """Who asks for a wrong address may have put a question into it: the log names only addresses that there are."""
    async with daemon(short_dir) as client:
        with capture_logs() as logs:
            assert (await client.get("/v1/search/why-was-alice-dismissed")).status == 404
            assert (await client.get("/v1/search?why-was-alice-dismissed")).status == 405
            assert (await client.get("/healthz?why-was-alice-dismissed")).status == 200
        assert "alice" not in str(logs)
        assert [entry["path"] for entry in logs if entry["event"] == "request"][0::2] == ["(none of ours)", "/healthz"]


async def test_the_callers_trace_is_in_the_lines_of_its_request(short_dir):
    """Lines of a request that came with a traceparent carry its trace and span; of one with nonsense, none."""
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    async with daemon(short_dir) as client:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            await client.get("/v1/documents", headers={"traceparent": f"00-{trace}-{span}-01"})
            await client.get("/v1/documents", headers={"traceparent": f"00-{trace}-0-01"})
            await client.get("/v1/documents")
    first, second, third = [entry for entry in logs if entry["event"] == "request"]
    assert (first["trace_id"], first["span_id"]) == (trace, span)
    assert not {"trace_id", "span_id"} & (second.keys() | third.keys())


# --- the Unix socket --------------------------------------------------------------------


def test_only_owner_and_group_may_connect(short_dir):
    """The socket has mode 0660, whatever the umask is, and is gone afterwards with its lock."""
    for mask in (0o000, 0o077, 0o777):
        before = os.umask(mask)
        try:
            path = short_dir / "s"
            with unix_socket(path):
                assert stat.S_IMODE(path.stat().st_mode) == 0o660
        finally:
            os.umask(before)
        assert list(short_dir.iterdir()) == []


def test_the_socket_is_never_open_to_all(short_dir, monkeypatch):
    """Not for a moment can others connect, even when the umask allows everything."""
    modes = []
    chmod = Path.chmod

    def looking(path, mode):
        modes.append(stat.S_IMODE(path.stat().st_mode))
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", looking)
    before = os.umask(0)
    try:
        with unix_socket(short_dir / "s"):
            assert modes == [0o660]
    finally:
        os.umask(before)


def test_a_lock_that_goes_away_meanwhile_is_taken_anew(short_dir, monkeypatch):
    """When the daemon before removes its lock just as we take it, we hold a lock that others can see."""
    from foliod.serve import sockets

    flock = sockets.fcntl.flock
    removed = []

    def late(fd, how):
        if not removed:
            removed.append((short_dir / "s.lock").unlink())
        flock(fd, how)

    monkeypatch.setattr(sockets.fcntl, "flock", late)
    with unix_socket(short_dir / "s"):
        assert (short_dir / "s.lock").exists()
        with pytest.raises(StateInUseError), unix_socket(short_dir / "s"):
            pass


def test_a_socket_that_nobody_listens_on_is_replaced(short_dir):
    """What a killed daemon left behind does not keep the next one from starting."""
    path = short_dir / "s"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    (short_dir / "s.lock").touch()
    with unix_socket(path) as listener:
        listener.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_live_socket_is_never_taken(short_dir):
    """A second daemon on the same socket is told so, and the first goes on, even when it is too busy to accept."""
    path = short_dir / "s"
    with unix_socket(path) as first:
        with pytest.raises(StateInUseError, match="already"), unix_socket(path):
            pass
        assert path.exists()
        first.listen(0)
        (short_dir / "s.lock").unlink()
        waiting = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(10):
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(str(path))
        with pytest.raises(StateInUseError), unix_socket(path):
            pass
        for client in waiting:
            client.close()
        assert path.exists()


def test_trouble_of_the_body_is_its_own(short_dir):
    """An error while the socket is in use is not mistaken for one of the socket."""
    with pytest.raises(FileNotFoundError), unix_socket(short_dir / "s"):
        (short_dir / "missing").read_text()
    assert list(short_dir.iterdir()) == []


def test_another_socket_at_our_path_is_not_removed(short_dir):
    """A daemon that stops leaves a socket alone that somebody else has put in its place."""
    path = short_dir / "s"
    with unix_socket(path):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    assert path.exists()


def test_what_is_no_socket_is_left_alone(short_dir):
    """A file at the socket's path is the user's; the daemon refuses to start."""
    path = short_dir / "s"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="not a socket"), unix_socket(path):
        pass
    assert path.read_text() == "precious"
    assert list(short_dir.iterdir()) == [path]


def test_a_path_that_is_too_long_is_told(short_dir):
    """A socket path that Linux can't take gives an error with both lengths; the longest one works."""
    folder = short_dir / "d"
    longest = folder / ("x" * (LONGEST_PATH - len(str(folder)) - 1))
    with unix_socket(longest):
        assert longest.exists()
    with (
        pytest.raises(ConfigError, match="108 bytes, Linux allows 107"),
        unix_socket(longest.with_name(longest.name + "x")),
    ):
        pass


def test_a_folder_that_can_not_be_written_is_told(short_dir):
    """A socket that can't be made gives an error that names it."""
    (short_dir / "file").touch()
    with pytest.raises(ConfigError, match="can't be made"), unix_socket(short_dir / "file" / "s"):
        pass


RIVAL = """
import sys, pathlib
from foliod.base.errors import StateInUseError
from foliod.serve.sockets import unix_socket
print("at the line", flush=True)
sys.stdin.readline()
try:
    with unix_socket(pathlib.Path(sys.argv[1])) as listener:
        listener.listen()
        print("won", flush=True)
        sys.stdin.readline()
except StateInUseError:
    print("lost", flush=True)
"""


def test_of_two_that_start_at_once_one_wins(short_dir):
    """However close two daemons start on a dead daemon's socket, exactly one of them gets it."""
    path = short_dir / "s"
    for _ in range(3):
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(path))
        dead.close()
        rivals = [
            subprocess.Popen(
                [sys.executable, "-c", RIVAL, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(3)
        ]
        try:
            assert [rival.stdout.readline() for rival in rivals] == ["at the line\n"] * 3
            for rival in rivals:
                rival.stdin.write("go\n")
                rival.stdin.flush()
            assert sorted(rival.stdout.readline() for rival in rivals) == ["lost\n", "lost\n", "won\n"]
        finally:
            for rival in rivals:
                rival.communicate("end\n")
        assert not path.exists()


# --- TCP --------------------------------------------------------------------------------


@asynccontextmanager
async def tcp_daemon(folder: Path):
    """Serve on the Unix socket and on a free port of localhost."""
    settings = settings_for(folder, http="127.0.0.1:0")
    async with serving(lambda: services_for(settings), settings) as addresses:
        token = (folder / "state" / "token").read_text().strip()
        async with aiohttp.ClientSession(addresses[1]) as client:
            yield client, {"Authorization": f"Bearer {token}"}, settings


async def test_tcp_needs_the_token(short_dir):
    """By TCP nobody gets in without the bearer token, not even to see whether the daemon is alive."""
    async with tcp_daemon(short_dir) as (client, bearer, settings):
        assert (await client.get("/healthz", headers=bearer)).status == 200
        for wrong in ({}, {"Authorization": "Bearer x"}, {"Authorization": bearer["Authorization"][7:]},
                      {"Authorization": bearer["Authorization"] + "x"},
                      {"Authorization": bearer["Authorization"].replace("Bearer", "Basic")}):  # fmt: skip
            for path in ("/healthz", "/nothing"):
                status, code, message = await error_of(await client.get(path, headers=wrong))
                assert (status, code) == (401, "unauthorized")
                assert bearer["Authorization"][7:] not in message
                assert "<state_dir>/token" in message
        async with client_of(settings.socket) as local:
            assert (await local.get("/healthz")).status == 200


async def test_the_token_is_secret_and_stays(short_dir):
    """The token is made once, readable by its owner alone; a short or empty one is refused."""
    path = short_dir / "state" / "token"
    token = bearer_token(path)
    assert len(token) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert bearer_token(path) == token
    assert [entry.name for entry in path.parent.iterdir()] == ["token"]
    for bad in ("", "short", "x" * 15 + "é"):
        path.write_text(bad)
        with pytest.raises(ConfigError, match="token"):
            bearer_token(path)


async def test_a_foreign_host_name_is_refused(short_dir):
    """A web page that points its own name at this machine gets nothing, even with the token."""
    async with tcp_daemon(short_dir) as (client, bearer, _):
        for host in ("evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil", ""):
            status, code, _ = await error_of(await client.get("/healthz", headers=bearer | {"Host": host}))
            assert (status, code) == (421, "misdirected")
        for host in ("localhost", "LOCALHOST:8420", "127.0.0.1:1", "[::1]:8420", "[::1]"):
            assert (await client.get("/healthz", headers=bearer | {"Host": host})).status == 200


async def test_without_a_door_nobody_enters_by_tcp(short_dir):
    """A TCP socket handed to an application that was told no token stays shut."""
    settings = settings_for(short_dir)
    app = application(lambda: services_for(settings))
    async with sites(app, tcp_sockets("127.0.0.1:0")) as [address], aiohttp.ClientSession(address) as client:
        assert (await error_of(await client.get("/healthz")))[0] == 421


async def test_a_taken_port_is_told(short_dir):
    """When another program has the port, the error names it and what to change; no socket is left."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        settings = settings_for(short_dir, http=f"127.0.0.1:{port}")
        with pytest.raises(StateInUseError, match=rf"127\.0\.0\.1:{port} already.*\[server\] http"):
            async with serving(lambda: services_for(settings), settings):
                pass
        assert not settings.socket.exists()
    with pytest.raises(ConfigError, match="host no-such-host"):
        tcp_sockets("no-such-host.invalid:8420")
    with pytest.raises(ConfigError, match="no address of this machine"):
        tcp_sockets("192.0.2.1:8420")


async def test_peers_are_told_apart_by_their_door(short_dir):
    """The log names who asked by TCP by address, and by the Unix socket by user."""
    async with tcp_daemon(short_dir) as (client, bearer, _):
        with capture_logs() as logs:
            await client.get("/nothing", headers=bearer)
        assert [entry["peer"] for entry in logs if entry["event"] == "request"] == ["127.0.0.1"]


# --- streams ----------------------------------------------------------------------------


class Source:
    """A stream of events to watch: how many were taken, and whether it was closed."""

    def __init__(self, events: int = 5, size: int = 10, error: Exception | None = None, hold_at: int | None = None):
        self.taken = 0
        self.closed = asyncio.Event()
        self.held = asyncio.Event()
        self._events, self._size, self._error, self._hold_at = events, size, error, hold_at

    async def events(self):
        try:
            for n in range(self._events):
                if n == self._hold_at:
                    self.held.set()
                    await asyncio.Event().wait()
                self.taken += 1
                yield {"type": "token", "text": f"{n} " + "ä" * self._size}
            if self._error:
                raise self._error
            yield {"type": "done"}
        finally:
            self.closed.set()

    async def handler(self, request):
        return await streaming.stream(request, self.events(), request.app[STOPPING])


def streamed(folder: Path, source: Source):
    return daemon(folder, added=[web.get("/stream", source.handler)])


async def test_events_are_lines_of_json(short_dir):
    """An answer is one JSON object a line, as it comes."""
    source = Source(events=3, hold_at=1)
    async with streamed(short_dir, source) as client, client.get("/stream") as answer:
        assert answer.content_type == "application/x-ndjson"
        assert json.loads(await answer.content.readline())["type"] == "token"
        assert source.held.is_set() or await source.held.wait()
    await asyncio.wait_for(source.closed.wait(), PATIENCE)


async def test_browsers_get_server_sent_events(short_dir):
    """Who accepts text/event-stream gets SSE: the type as the event, the object as data."""
    async with streamed(short_dir, Source(events=1)) as client:
        answer = await client.get("/stream", headers={"Accept": "text/event-stream"})
        assert answer.content_type == "text/event-stream"
        first, second, rest = (await answer.text()).split("\n\n")
        assert first.splitlines()[0] == "event: token"
        assert json.loads(first.splitlines()[1].removeprefix("data: "))["text"].startswith("0 ä")
        assert second == 'event: done\ndata: {"type":"done"}'
        assert rest == ""


async def test_an_error_before_the_first_event_has_its_status(short_dir):
    """What fails before anything is sent is an ordinary error with its status."""
    async with streamed(short_dir, Source(events=0, error=NotFoundError("nothing here"))) as client:
        assert await error_of(await client.get("/stream")) == (404, "not_found", "nothing here")
    async with streamed(short_dir, Source(events=0, error=KeyError("secret"))) as client:
        status, code, message = await error_of(await client.get("/stream"))
        assert (status, code) == (500, "internal")
        assert "secret" not in message


@pytest.mark.parametrize(
    ("error", "code"), [(GenerationCutError("the model broke"), "generation_cut"), (KeyError("secret"), "internal")]
)
async def test_a_stream_that_breaks_says_so(short_dir, error, code):
    """When it breaks half way, the last line is the error: nobody takes half an answer for a whole one."""
    async with streamed(short_dir, Source(events=2, error=error)) as client:
        lines = (await (await client.get("/stream")).text()).splitlines()
        assert len(lines) == 3
        last = json.loads(lines[-1])
        assert (last["type"], last["code"]) == ("error", code)
        assert "secret" not in last["message"]


async def test_a_client_that_hangs_up_ends_the_work(short_dir):
    """When the reader goes away, what makes the events is closed at once."""
    source = Source(hold_at=2)
    async with streamed(short_dir, source) as client:
        answer = await client.get("/stream")
        await answer.content.readline()
        await asyncio.wait_for(source.held.wait(), PATIENCE)
        assert not source.closed.is_set()
        answer.close()
        await asyncio.wait_for(source.closed.wait(), PATIENCE)


async def test_a_client_that_hangs_up_when_the_answer_begins_is_no_fault(short_dir):
    """Whoever is gone when the first byte is to be sent has hung up (499): nothing crashed, and nothing is complained of."""

    async def late(request):
        request.transport.close()
        await web.StreamResponse().prepare(request)

    async def broken(request):
        raise ConnectionResetError

    added = [web.post("/late", late), web.get("/broken", broken)]
    async with daemon(short_dir, added=added) as client:
        with capture_logs() as logs:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await client.post("/late")
            assert (await client.get("/broken")).status == 500
        told = [entry for entry in logs if entry["log_level"] != "info"]
        assert [entry["event"] for entry in told] == ["request_crashed"], "that of a connection to somebody else"
        assert [entry["status"] for entry in logs if entry["event"] == "request"] == [499, 500]


async def send_and_not_read(folder: Path) -> socket.socket:
    slow = socket.socket(socket.AF_UNIX)
    slow.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(slow, str(folder / "s"))
    await loop.sock_sendall(slow, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    return slow


async def test_a_slow_reader_slows_the_source(short_dir):
    """A client that does not read holds up only its own stream: no more is made than its buffers take."""
    source = Source(events=1000, size=20_000)
    async with streamed(short_dir, source) as client:
        slow = await send_and_not_read(short_dir)
        for _ in range(20):
            assert (await client.get("/healthz")).status == 200
        await until(lambda: source.taken)
        assert source.taken < 100, "40 kB each: a few fill the socket's and the server's buffers"
        read = bytearray()
        while not read.endswith(b"0\r\n\r\n"):
            read += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(slow, 1 << 20), PATIENCE)
        slow.close()
        assert source.taken == 1000


async def test_a_reader_that_stalls_is_cut(short_dir, monkeypatch):
    """A client that stops reading for good does not hold a model for ever."""
    monkeypatch.setattr(streaming, "STALL_SECONDS", 0.2)
    source = Source(events=1000, size=20_000)
    async with streamed(short_dir, source):
        slow = await send_and_not_read(short_dir)
        with capture_logs() as logs:
            await asyncio.wait_for(source.closed.wait(), PATIENCE)
        slow.close()
        assert source.taken < 100
        assert not [entry for entry in logs if entry["log_level"] == "error"]


async def test_a_stop_ends_streams_with_a_word(short_dir):
    """When the daemon stops, an answer under way ends with an error line that says so, within seconds."""
    source = Source(hold_at=2)
    settings = settings_for(short_dir)
    app = application(lambda: services_for(settings))
    app.add_routes([web.get("/stream", source.handler)])
    async with client_of(settings.socket) as client:
        with unix_socket(settings.socket) as listener:
            async with sites(app, [listener]):
                answer = await client.get("/stream")
                await asyncio.wait_for(source.held.wait(), PATIENCE)
            lines = (await asyncio.wait_for(answer.text(), PATIENCE)).splitlines()
    assert source.closed.is_set()
    assert len(lines) == 3
    assert json.loads(lines[-1]) == {
        "type": "error", "code": "stopping", "message": "The daemon is stopping; ask again when it runs.",
    }  # fmt: skip


async def test_a_stop_does_not_wait_for_a_stalled_reader(short_dir):
    """A client that reads nothing can't keep the daemon from stopping."""
    source = Source(events=1000, size=20_000)
    # Half of what a client may stall for.
    async with asyncio.timeout(streaming.STALL_SECONDS / 2):
        async with streamed(short_dir, source):
            slow = await send_and_not_read(short_dir)
            await until(lambda: source.taken)
    assert source.closed.is_set()
    slow.close()


async def test_requests_that_come_while_it_stops_are_told(short_dir):
    """From the first moment of stopping on the daemon is not ready, and new streams are refused."""

    async def stop(request: web.Request) -> web.Response:
        request.app[STOPPING].begin()
        return web.Response()

    async with daemon(short_dir, added=[web.get("/stream", Source().handler), web.get("/stop", stop)]) as client:
        assert (await client.get("/stop")).status == 200
        assert (await (await client.get("/readyz")).json())["reasons"] == ["the daemon is stopping"]
        assert (await error_of(await client.get("/stream")))[:2] == (503, "stopping")
        assert (await (await client.get("/v1/status")).json())["state"] == "stopping"
