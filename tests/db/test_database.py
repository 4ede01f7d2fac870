"""The pool: named queries, transactions, COPY, and what happens when the server goes away."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import time

import asyncpg
import numpy as np
import pytest
from pgvector import HalfVector, SparseVector

from foliod.base.assets import asset
from foliod.base.errors import ConfigError, DatabaseUnavailableError, FoliodError
from foliod.ingest.backlog import LEASE_SECONDS
from foliod.store import pool, statements
from foliod.store.address import address_of
from foliod.store.connection import connect
from foliod.store.database import IDLE_IN_TRANSACTION_SECONDS, Database
from foliod.store.embedded import EmbeddedServer
from foliod.store.migrate import migrate
from foliod.store.statements import Query, load_queries

QUERIES = load_queries(asset("sql/queries"))
NUMBERS = {"dimensions": 8, "space": 1}


async def sql(db: Database, text: str, *args: object) -> object:
    """Run SQL that has no name."""
    async with db.transaction() as transaction:
        return await transaction.connection.fetchval(text, *args)


def with_queries(db: Database, **texts: str) -> Database:
    """Add queries of the test's own."""
    db.queries = {**db.queries, **{name: Query(name, "for a test", text) for name, text in texts.items()}}
    return db


async def asleep(dsn: str, then: str = "count(*)") -> None:
    """Wait until a query of ours sleeps in the server; `then` may do something to its process."""
    async with connect(dsn) as other:
        while not await other.fetchval(
            f"SELECT {then} FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        ):
            await asyncio.sleep(0.01)


# --- named queries ----------------------------------------------------------------------


@pytest.mark.parametrize("name", QUERIES)
async def test_every_query_fits_the_schema(template_dsn, name):
    """PostgreSQL accepts each query of sql/queries on a fresh schema, and its parameters are described."""
    query = QUERIES[name]
    text = query.text({key: value for key, value in NUMBERS.items() if key in query.placeholders})
    async with connect(template_dsn) as connection:
        parameters = (await connection.prepare(text)).get_parameters()
    for number in range(1, len(parameters) + 1):
        assert re.search(rf"\${number}\b", query.description), f"{name} does not say what ${number} means"


def test_a_query_file_is_read_by_name(tmp_path):
    """A query is its name, the comment that says what it is for, and its SQL."""
    (tmp_path / "some.sql").write_text(
        "-- About this file.\n\n-- name: one\n-- Says one.\n-- $1 nothing\nSELECT $1;\n\n-- name: two\n-- Two.\nSELECT 2 -- really\n;\n"
    )
    assert load_queries(tmp_path) == {
        "one": Query("one", "Says one.\n$1 nothing", "SELECT $1;"),
        "two": Query("two", "Two.", "SELECT 2 -- really\n;"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "-- name: Bad Name\n-- x\nSELECT 1",
        "-- name: silent\nSELECT 1",
        "-- name: empty\n-- x\n",
        "-- name: a\n-- x\nSELECT 1\n-- name: a\n-- x\nSELECT 2",
    ],
    ids=["name", "description", "sql", "twice"],
)
def test_a_query_without_name_description_or_sql_is_refused(tmp_path, text):
    """A slip in a query file is told at the start, with the file."""
    (tmp_path / "slip.sql").write_text(text)
    with pytest.raises(FoliodError, match=r"slip\.sql"):
        load_queries(tmp_path)


async def test_numbers_that_cannot_be_parameters_are_filled_in(db):
    """Dimensions and spaces become part of the SQL; forgetting one is an error, and only numbers fit."""
    with_queries(db, cast="SELECT '[1,2]'::halfvec({dimensions}) IS NOT NULL")
    assert await db.fetchval("cast", dimensions=2) is True
    with pytest.raises(ValueError, match="takes"):
        await db.fetchval("cast")
    with pytest.raises(ValueError, match="invalid literal"):
        await db.fetchval("cast", dimensions="2); DROP SCHEMA foliod")


async def test_rows_values_and_counts_come_back(db):
    """The four ways to run a query return what they say."""
    with_queries(
        db,
        numbers="SELECT n FROM generate_series(1, $1::int) n",
        settle="UPDATE foliod.lexicon SET chunks = $1",
        fill="INSERT INTO foliod.lexicon VALUES ($1, $2)",
    )
    assert [row["n"] for row in await db.fetch("numbers", 3)] == [1, 2, 3]
    row = await db.fetchrow("numbers", 3)
    assert row is not None
    assert row["n"] == 1
    assert await db.fetchrow("numbers", 0) is None
    assert await db.fetchval("numbers", 3) == 1
    await db.executemany("fill", [(1, 10), (2, 20)])
    assert await db.execute("settle", 7) == "UPDATE 2"


async def test_sessions_are_set_up_for_good(db):
    """Time-outs and planner settings hold on every connection, also after it was given back."""
    for _ in range(2):
        assert await sql(db, "SHOW statement_timeout") == "5min"
        # A host that is cut off in a transaction holds no document longer than its claim does.
        assert await sql(db, "SHOW idle_in_transaction_session_timeout") == "1min"
        assert IDLE_IN_TRANSACTION_SECONDS <= LEASE_SECONDS
        assert await sql(db, "SHOW jit") == "off"
        assert await sql(db, "SHOW random_page_cost") == "1.1"


async def test_json_arrives_as_objects(db):
    """JSON goes in and comes out as Python's own objects."""
    with_queries(db, same="SELECT $1::jsonb")
    for value in ([[0, 1, "Überschrift"]], {"a": None}, "x", 1.5):
        assert await db.fetchval("same", value) == value


# --- transactions -----------------------------------------------------------------------


async def test_a_transaction_is_all_or_nothing(db):
    """An exception undoes everything and reaches the caller as it is."""
    with_queries(db, fill="INSERT INTO foliod.lexicon VALUES ($1, 1)")
    with pytest.raises(TimeoutError, match="of somebody else"):
        async with db.transaction() as transaction:
            await transaction.execute("fill", 1)
            msg = "of somebody else"
            raise TimeoutError(msg)
    assert await sql(db, "SELECT count(*) FROM foliod.lexicon") == 0
    async with db.transaction() as transaction:
        await transaction.execute("fill", 1)
    assert await sql(db, "SELECT count(*) FROM foliod.lexicon") == 1


async def test_a_cancelled_transaction_is_undone_and_its_connection_is_free(dsn):
    """A client that hangs up in the middle of a query leaves neither rows nor a busy connection."""
    async with Database.open(dsn, pool_size=1) as db:
        with_queries(db, fill="INSERT INTO foliod.lexicon VALUES ($1, 1)", sleep="SELECT pg_sleep(60)")

        async def work() -> None:
            async with db.transaction() as transaction:
                await transaction.execute("fill", 1)
                await transaction.execute("sleep")

        task = asyncio.create_task(work())
        await asleep(dsn)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await sql(db, "SELECT count(*) FROM foliod.lexicon") == 0


async def test_whenever_a_transaction_is_cancelled_no_connection_is_left_within_it(dsn, caplog):
    """Clients that hang up while a transaction begins or ends leave nothing that has to be cleaned up, and told."""
    loop = asyncio.get_running_loop()
    async with Database.open(dsn, pool_size=1) as db:

        async def work() -> None:
            async with db.transaction() as transaction:
                await transaction.connection.fetchval("SELECT 1")

        for attempt in range(200):
            task = asyncio.create_task(work())
            end = loop.time() + attempt * 20e-6
            while loop.time() < end:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        await work()
    assert "Resetting" not in caplog.text


async def count_up(db: Database, *, attempts: int) -> None:
    """Read and write back one number, so that two at once collide."""
    together = asyncio.Barrier(2)

    async def once() -> None:
        met = False

        async def work(transaction: statements.Transaction) -> None:
            nonlocal met
            known = await transaction.fetchval("read")
            if not met:
                met = True
                await together.wait()
            await transaction.execute("write", known + 1)

        await db.retrying(work, isolation="serializable", attempts=attempts)

    await asyncio.gather(once(), once())


async def test_collisions_are_tried_again(db):
    """Two writers that collide both get through, and no count is lost."""
    with_queries(
        db,
        read="SELECT chunks FROM foliod.lexicon WHERE term = 1",
        write="UPDATE foliod.lexicon SET chunks = $1 WHERE term = 1",
    )
    await sql(db, "INSERT INTO foliod.lexicon VALUES (1, 0)")
    await count_up(db, attempts=5)
    assert await db.fetchval("read") == 2


async def test_a_collision_is_told_when_nobody_tries_again(db):
    """Without another attempt the collision is an error that passes by itself, with its cause."""
    with_queries(
        db,
        read="SELECT chunks FROM foliod.lexicon WHERE term = 1",
        write="UPDATE foliod.lexicon SET chunks = $1 WHERE term = 1",
    )
    await sql(db, "INSERT INTO foliod.lexicon VALUES (1, 0)")
    with pytest.raises(DatabaseUnavailableError, match="could not serialize") as caught:
        await count_up(db, attempts=1)
    assert isinstance(caught.value.__cause__, asyncpg.SerializationError)


async def test_a_slow_statement_is_cancelled(dsn):
    """A statement that takes too long ends as an error that passes by itself."""
    # Enough for what each connection is asked first.
    async with Database.open(dsn, statement_seconds=3.0) as db:
        with_queries(db, sleep="SELECT pg_sleep(60)")
        with pytest.raises(DatabaseUnavailableError, match="took too long"):
            await db.execute("sleep")


async def test_a_mistake_stays_a_mistake(db):
    """An error in the SQL or its arguments does not look like an outage."""
    with_queries(db, wrong="SELECT nonsense", one="SELECT $1::int")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await db.fetch("wrong")
    with pytest.raises(asyncpg.DataError):
        await db.fetch("one", "not a number")
    with pytest.raises(asyncpg.InterfaceError, match="expects 1 argument"):
        await db.fetch("one")


async def test_a_used_up_pool_says_so(dsn, monkeypatch):
    """When all connections are busy for too long, the message names the setting to raise."""
    async with Database.open(dsn, pool_size=1) as db:
        with_queries(db, one="SELECT 1")
        async with db.transaction():
            monkeypatch.setattr(pool, "ACQUIRE_SECONDS", 0.05)
            with pytest.raises(DatabaseUnavailableError, match=r"all 1 connections .* pool_size"):
                await db.fetch("one")
        monkeypatch.undo()
        assert await db.fetchval("one") == 1


# --- COPY -------------------------------------------------------------------------------


def chunk_terms(count: int, terms: int = 80):
    """Rows for foliod.chunk_terms, without the chunks that they belong to."""
    for number in range(count):
        ids = [number + k * 1000 for k in range(terms)]
        yield number, 1, ids, SparseVector(dict.fromkeys(ids, 0.5), 1_000_000_000)


@pytest.fixture
async def loose(db: Database) -> Database:
    """A database in which rows need no parents."""
    await sql(db, "ALTER TABLE foliod.chunk_terms DROP CONSTRAINT chunk_terms_chunk_id_fkey")
    await sql(db, "ALTER TABLE foliod.embeddings DROP CONSTRAINT embeddings_space_id_fkey")
    await sql(db, "ALTER TABLE foliod.pages DROP CONSTRAINT pages_document_id_fkey")
    return db


async def test_copy_takes_every_type_of_ours(loose):
    """Half vectors, sparse vectors, arrays, JSON and NULL go in through binary COPY as they are."""
    vector = np.linspace(-1, 1, 1024, dtype=np.float32)
    assert (
        await loose.copy(
            "embeddings",
            ("space_id", "text_hash", "embedding", "reason"),
            [(1, b"a", HalfVector(vector), None), (1, b"b", None, "refused")],
        )
        == 2
    )
    stored = await sql(loose, "SELECT embedding FROM foliod.embeddings WHERE text_hash = $1", b"a")
    assert np.array_equal(stored.to_numpy(), vector.astype(np.float16))

    assert await loose.copy("chunk_terms", ("chunk_id", "document_id", "terms", "weights"), chunk_terms(3)) == 3
    assert (await sql(loose, "SELECT weights FROM foliod.chunk_terms WHERE chunk_id = 2")).indices()[:2] == [2, 1002]

    columns = ("document_id", "number", "verdict", "width", "height", "rotation", "text", "headings")

    async def pages():
        yield (1, 1, "text", 595.0, 842.0, 0, "Text", [[0, 1, "Titel"]])

    assert await loose.copy("pages", columns, pages()) == 1
    assert await sql(loose, "SELECT headings FROM foliod.pages") == [[0, 1, "Titel"]]


async def test_copy_lets_others_work(loose, monkeypatch):
    """While rows are encoded, everything else on the event loop gets its turn after each slice of time."""
    monkeypatch.setattr(statements, "TURN_SECONDS", 0.0)
    turns = 0
    seen = []

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def watching():
        for row in chunk_terms(100, terms=2):
            seen.append(turns)
            yield row

    task = asyncio.create_task(others())
    await loose.copy("chunk_terms", ("chunk_id", "document_id", "terms", "weights"), watching())
    task.cancel()
    assert all(before < after for before, after in itertools.pairwise(seen))
    assert len(seen) == 100


async def test_a_copy_that_breaks_leaves_nothing(loose):
    """An error among the rows undoes the copy, reaches the caller, and leaves the pool in order."""

    def broken():
        yield from chunk_terms(100)
        msg = "the document changed"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="the document changed"):
        await loose.copy("chunk_terms", ("chunk_id", "document_id", "terms", "weights"), broken())
    assert await sql(loose, "SELECT count(*) FROM foliod.chunk_terms") == 0


# --- the server goes away ---------------------------------------------------------------


async def test_lost_connections_heal(dsn):
    """When the server drops all our connections, the queries in hand fail as passing errors, and the next ones work."""
    async with Database.open(dsn, pool_size=2) as db:
        with_queries(db, sleep="SELECT pg_sleep(60), pg_advisory_xact_lock(1)", one="SELECT 1")
        sleeping = asyncio.create_task(db.execute("sleep"))
        await asleep(dsn, "count(pg_terminate_backend(pid))")
        with pytest.raises(DatabaseUnavailableError) as caught:
            await sleeping
        assert isinstance(caught.value.__cause__, asyncpg.AdminShutdownError | asyncpg.PostgresConnectionError)
        assert await db.fetchval("one") == 1


async def test_whatever_an_administrator_ends_is_an_error_that_passes(dsn, seconds=4.0):
    """Backends terminated and statements cancelled at random moments give no other error than one that passes."""
    passed: list[DatabaseUnavailableError] = []
    end = time.monotonic() + seconds

    def enough() -> bool:
        return time.monotonic() > end and len(passed) > 10

    async def work(db: Database, number: int) -> None:
        while not enough():
            try:
                assert [row["n"] for row in await db.fetch("numbers", 200)] == list(range(1, 201))
                async with db.transaction() as tx:
                    await tx.execute("fill", number)
                    await tx.copy("lexicon", ("term", "chunks"), [(number + 100 + n, 1) for n in range(50)])
                    await tx.execute("empty", number)
            except DatabaseUnavailableError as error:
                passed.append(error)
                await asyncio.sleep(0.001)

    async def end_some() -> None:
        async with connect(dsn) as other:
            while not enough():
                for what in ("pg_terminate_backend", "pg_cancel_backend"):
                    await other.fetchval(
                        f"SELECT count({what}(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                        " AND datname = current_database() AND application_name = 'foliod' AND random() < 0.3"
                    )
                    await asyncio.sleep(0.01)

    async with Database.open(dsn, pool_size=4) as db:
        with_queries(
            db,
            numbers="SELECT n FROM generate_series(1, $1::int) n",
            fill="INSERT INTO foliod.lexicon VALUES ($1, 1)",
            empty="DELETE FROM foliod.lexicon WHERE term = $1 OR term BETWEEN $1 + 100 AND $1 + 149",
        )
        await asyncio.gather(end_some(), *(work(db, number * 1000) for number in range(6)))
    # On a connection that nobody wanted to end: the last word may still be on its way to ours.
    async with connect(dsn) as other:
        assert await other.fetchval("SELECT count(*) FROM foliod.lexicon") == 0


async def test_the_pool_heals_after_the_server_died(short_dir):
    """A server killed under a transaction gives passing errors until it is back; then the same pool works again."""
    async with EmbeddedServer(short_dir / "state", 16, sync=False) as server:
        await migrate(server.url)
        async with Database.open(server.url, pool_size=2) as db:
            with_queries(
                db, fill="INSERT INTO foliod.lexicon VALUES ($1, 1)", count="SELECT count(*) FROM foliod.lexicon"
            )
            await db.execute("fill", 1)
            with pytest.raises(DatabaseUnavailableError, match=re.escape(str(short_dir))):
                async with db.transaction() as transaction:
                    await transaction.execute("fill", 2)
                    assert server.pid is not None
                    os.kill(server.pid, signal.SIGKILL)
                    await server.wait_died()
                    while True:
                        await transaction.execute("count")
            with pytest.raises(DatabaseUnavailableError) as caught:
                await db.fetchval("count")
            assert isinstance(caught.value.__cause__, OSError)
            await server.restart()
            assert await db.fetchval("count") == 1


async def test_a_closed_pool_is_unavailable(dsn):
    """A query that comes after the end is refused as passing, not as a bug."""
    async with Database.open(dsn) as db:
        with_queries(db, one="SELECT 1")
    with pytest.raises(DatabaseUnavailableError, match="stopping"):
        await db.fetch("one")


async def test_closing_does_not_wait_for_those_who_hang(dsn, monkeypatch):
    """A query that never ends can't hold up the end of the daemon."""
    monkeypatch.setattr(pool, "CLOSE_SECONDS", 0.05)
    started = time.monotonic()
    async with Database.open(dsn) as db:
        with_queries(db, sleep="SELECT pg_sleep(60)")
        sleeping = asyncio.create_task(db.execute("sleep"))
        await asleep(dsn)
    with pytest.raises(DatabaseUnavailableError):
        await sleeping
    assert time.monotonic() - started < 30


# --- addresses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:hunter2@127.0.0.1:1/db",
        "postgresql://u:hunter2@127.0.0.1:1,127.0.0.1:2/db?sslmode=disable",
        "postgresql://u:hun/ter2@127.0.0.1:1/db",
        "postgresql://u:hunter2?@127.0.0.1:1/db",
        "postgresql://u:hunter2#@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=u&password=hunter2",
        "postgresql:///db?user=u&password=hunter2&host=/nowhere",
        "postgresql://u:hunter2@127.0.0.1:port/db",
        "postgresql://u:hunter2@[::1/db",
        "postgresql://u:hunter2@127.0.0.1:1/db?sslmode=hunter2",
    ],
)
async def test_passwords_are_never_told(dsn):
    """Whatever is wrong with an address, its password stays out of messages, causes and names."""
    with pytest.raises((DatabaseUnavailableError, ConfigError)) as caught:
        async with Database.open(dsn):
            pass
    error: BaseException | None = caught.value
    while error is not None:
        for secret in ("hunter2", "hun", "ter2"):
            assert secret not in str(error).replace("user:password", "")
        error = error.__cause__
    assert "hun" not in address_of(dsn)


async def test_a_wrong_login_says_what_to_check(dsn):
    """A database that does not exist is told with the setting to look at."""
    parts = dsn.replace("/foliod_test", "/no_such_foliod_test")
    with pytest.raises(DatabaseUnavailableError, match=r"refuses the login.*check \[database\] url"):
        async with Database.open(parts):
            pass


async def test_a_missing_certificate_is_told():
    """A certificate check without its certificate says which file is missing."""
    with pytest.raises(ConfigError, match=r"No such file or directory \(sslrootcert=/nowhere/ca.pem"):
        async with Database.open("postgresql://u:secret@localhost/db?sslrootcert=/nowhere/ca.pem&sslmode=verify-full"):
            pass


async def test_the_name_of_a_database_is_its_address(db):
    """Printing the pool shows where it is connected to."""
    assert re.fullmatch(r"<Database .+/foliod_test_\d+_\d+>", repr(db))
