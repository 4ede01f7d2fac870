"""PostgreSQL for tests: one server a session, one migrated template, a fresh clone a test.

The server is the embedded one, without durability, or `FOLIOD_TEST_DATABASE_URL` (a role that
may create databases). Tests that ask for none of these fixtures start none.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
import hypothesis
import pytest

from places import temporary_dir

T = TypeVar("T")

# A shell starts what it puts into the background with Ctrl-C ignored, and all children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of processes of foliod are started, and each would compile all of it for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The same examples in every run, however slow; who wants to look further: pytest --hypothesis-profile=default.
hypothesis.settings.load_profile("ci")

numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, long ones come first: at the end none waits long for another."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        rooms = ["whole", "db", "unit"]
        items.sort(key=lambda item: rooms.index(item.path.parent.name))


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A folder with a path short enough for sockets, which PostgreSQL's user may enter even when we are root."""
    with temporary_dir() as path:
        yield path


@pytest.fixture(scope="session")
def new_dir() -> Callable[[], AbstractContextManager[Path]]:
    """For more of such folders, each a context."""
    return temporary_dir


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Address of a server on which databases may be made."""
    if given := os.environ.get("FOLIOD_TEST_DATABASE_URL"):
        yield given
        return
    with temporary_dir() as path, serving(path / "state") as url:
        yield url


@pytest.fixture(scope="session")
def template(postgres_url: str) -> Iterator[str]:
    """Name of a migrated database to clone."""
    from foliod.store.migrate import migrate

    name = f"foliod_test_{os.getpid()}_template"
    aside(statement(postgres_url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
    try:
        aside(migrate(database_url(postgres_url, name)))
        yield name
    finally:
        aside(statement(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def template_dsn(postgres_url: str, template: str) -> str:
    """Address of the template itself, for tests that only look at the schema."""
    return database_url(postgres_url, template)


@pytest.fixture
def make_database(postgres_url: str) -> Callable[[str], AbstractAsyncContextManager[str]]:
    """Databases that the test describes itself, in the words that follow CREATE DATABASE x."""
    return functools.partial(own_database, postgres_url)


@pytest.fixture
async def dsn(postgres_url: str, template: str) -> AsyncIterator[str]:
    """Address of a migrated database of the test's own."""
    async with own_database(postgres_url, f"TEMPLATE {template} STRATEGY file_copy") as url:
        yield url


@pytest.fixture
async def empty_dsn(postgres_url: str) -> AsyncIterator[str]:
    """Address of a new database in which nothing has been made."""
    async with own_database(postgres_url, "TEMPLATE template0 ENCODING 'UTF8'") as url:
        yield url


@contextlib.asynccontextmanager
async def own_database(postgres_url: str, how: str) -> AsyncIterator[str]:
    """Make a database for one test, and drop it whatever it left open."""
    name = f"foliod_test_{os.getpid()}_{next(numbers)}"
    await statement(postgres_url, f"CREATE DATABASE {name} {how}")
    try:
        yield database_url(postgres_url, name)
    finally:
        await statement(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def serving(state: Path) -> Iterator[str]:
    """Run the embedded server in a thread with a loop of its own.

    The tests' loops come and go; the server's output has to be read all the time.
    """
    from foliod.store.embedded import EmbeddedServer

    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        try:
            async with EmbeddedServer(state, 64, sync=False) as server:
                stop = asyncio.Event()
                started.set_result((server.url, asyncio.get_running_loop(), stop))
                await stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="postgres")
    thread.start()
    url, loop, stop = started.result()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def aside(work: Coroutine[object, object, T]) -> T:
    """Run a coroutine in a thread, so that the loop of the tests is not touched."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def statement(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def database_url(url: str, name: str) -> str:
    """The same server, another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()
