"""Behind a pooler in transaction mode: no state of a session is relied on, and none is left behind."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import asyncpg
import numpy as np
import pytest
from library import system
from pgvector import HalfVector, SparseVector
from test_ingest import bench
from test_store import one

from fake_ollama import FakeOllama
from foliod.base.assets import asset
from foliod.base.errors import DatabaseUnavailableError
from foliod.store.connection import behind_pooler
from foliod.store.database import Database
from foliod.store.migrate import load_migrations, migrate
from foliod.store.statements import Query
from pgbouncer import MISSING, PROGRAM, PgBouncer
from waiting import PATIENCE

SAMPLES = Path(__file__).parents[1] / "samples"
INCUBATION = "How long is the incubation period of the virus?"
SHOWN = "SELECT current_setting('jit') || current_setting('random_page_cost') || current_setting('statement_timeout')"

real = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


async def test_a_direct_server_is_no_pooler(dsn):
    """A server that takes settings for a session gets them, once."""
    assert await behind_pooler(dsn) is False


async def test_settings_hold_in_every_query_and_nowhere_else(dsn):
    """Time-outs and planner settings hold for each query and transaction, and are gone with it."""
    async with Database.open(dsn, pool_size=1, pooled=True) as db:
        db.queries = {**db.queries, "shown": Query("shown", "for a test", SHOWN)}
        assert await db.fetchval("shown") == "off1.15min"
        async with db.transaction(isolation="serializable") as tx:
            assert await tx.fetchval("shown") == "off1.15min"
            assert await tx.connection.fetchval("SHOW transaction_isolation") == "serializable"
        # A server connection that others use next has to be as it was.
        async with db.pool.lent() as (connection, _), connection.transaction():
            assert "1.15min" not in await connection.fetchval(SHOWN)
            assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") == 0


@real
async def test_a_pooler_is_noticed(dsn, short_dir):
    """PgBouncer is told from a server, whether it refuses settings or swallows them."""
    with PgBouncer(short_dir, dsn, pool_size=2) as pooler:
        assert await behind_pooler(pooler.url) is True
    swallow = {
        "ignore_startup_parameters": "random_page_cost,jit,statement_timeout,idle_in_transaction_session_timeout"
    }
    with PgBouncer(short_dir, dsn, pool_size=2, **swallow) as pooler:
        assert await behind_pooler(pooler.url) is True


@real
async def test_told_that_it_is_none_a_pooler_says_what_to_do(dsn, short_dir):
    """Who sets pooled = false before a pooler is told to set it to true."""
    told = pytest.raises(DatabaseUnavailableError, match=r"\[database\] pooled = true")
    with PgBouncer(short_dir, dsn, pool_size=2) as pooler, told:
        async with Database.open(pooler.url, pooled=False):
            pass


@real
async def test_many_at_once_share_two_connections(dsn, short_dir):
    """Queries, transactions and COPY of every type from ten tasks go through two connections without mixing up."""
    with PgBouncer(short_dir, dsn, pool_size=2) as pooler:
        async with Database.open(pooler.url, pool_size=10, pooled=None) as db:
            db.queries = {
                **db.queries,
                "same": Query("same", "for a test", "SELECT $1::jsonb, $2::halfvec(3), $3::bigint"),
            }
            async with db.transaction() as tx:
                await tx.connection.execute(
                    "ALTER TABLE foliod.embeddings DROP CONSTRAINT embeddings_space_id_fkey;"
                    "ALTER TABLE foliod.chunk_terms DROP CONSTRAINT chunk_terms_chunk_id_fkey"
                )

            async def work(number: int) -> None:
                vector = HalfVector(np.array([number, 1, 2], dtype=np.float32))
                for turn in range(20):
                    row = await db.fetchrow("same", {"task": number, "turn": turn}, vector, turn)
                    assert row is not None
                    assert (row[0], row[1], row[2]) == ({"task": number, "turn": turn}, vector, turn)
                async with db.transaction() as tx:
                    key = number.to_bytes(1, "big")
                    await tx.copy(
                        "embeddings", ("space_id", "text_hash", "embedding", "reason"), [(1, key, vector, None)]
                    )
                    weights = SparseVector({number: 0.5}, 1_000_000_000)
                    columns = ("chunk_id", "document_id", "terms", "weights")
                    await tx.copy("chunk_terms", columns, [(number, 1, [number], weights)])

            async with asyncio.timeout(60):
                await asyncio.gather(*(work(number) for number in range(10)))
            async with db.transaction() as tx:
                assert await tx.connection.fetchval("SELECT count(*) FROM foliod.embeddings") == 10
                assert await tx.connection.fetchval("SELECT count(*) FROM foliod.chunk_terms") == 10
        async with asyncio.timeout(PATIENCE):
            connection = await asyncpg.connect(dsn)
            used = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert await connection.fetchval(used) == 2
            await connection.close()


@real
async def test_a_document_goes_the_whole_way_through_a_pooler(dsn, short_dir):
    """A PDF is read, stored and embedded through one single connection to the server."""
    with PgBouncer(short_dir, dsn, pool_size=1) as pooler:
        async with Database.open(pooler.url, pooled=None) as db, FakeOllama() as ollama, bench(db, ollama) as parts:
            await parts.place(SAMPLES / "PMC7068164.pdf")
            assert await parts.ingest.read_next()
            assert await parts.vectors.embed_next()
            assert await parts.state() == "ready"
            assert await one(db, "SELECT count(*) FROM foliod.embeddings") > 5


@real
async def test_another_model_takes_over_through_a_pooler(dsn, short_dir):
    """A change of model, the index of its vectors included, goes through one single connection; the old ones can be dropped."""
    with PgBouncer(short_dir, dsn, pool_size=1) as pooler:
        async with Database.open(pooler.url, pooled=None) as db, FakeOllama() as ollama, bench(db, ollama) as parts:
            await parts.place(SAMPLES / "PMC7068164.pdf")
            await parts.ingest.read_next()
            await parts.vectors.embed_next()
            await parts.reembedder.ask("all-minilm")
            while await parts.reembedder.step():
                pass
            plan = await parts.spaces.plan()
            assert plan.active.model == "all-minilm"
            assert await parts.spaces.indexed(plan.active)
            await parts.reembedder.drop("mxbai-embed-large")
            while await parts.reembedder.step():
                pass
            assert [space["model"] for space in await parts.reembedder.listed()] == ["all-minilm"]


@real
async def test_searches_go_through_a_pooler(dsn, short_dir):
    """Searches by word and by meaning, filtered or not, find the same through a pooler as without."""
    async with Database.open(dsn) as db, system(db) as direct:
        expected = [h.text for h in (await direct.retriever.search(INCUBATION, limit=5)).hits]
    with PgBouncer(short_dir, dsn, pool_size=1) as pooler:
        async with Database.open(pooler.url, pooled=None) as db, contextlib.AsyncExitStack() as stack:
            s = await stack.enter_async_context(system(db, {}))
            found = await asyncio.gather(*(s.retriever.search(INCUBATION, limit=5) for _ in range(8)))
            assert {result.mode for result in found} == {"hybrid"}
            assert [[h.text for h in result.hits] for result in found] == [expected] * 8


@real
async def test_daemons_that_start_together_set_the_database_up_through_a_pooler(empty_dsn, short_dir):
    """Migrations through a pooler are applied once, by one at a time."""
    with PgBouncer(short_dir, empty_dsn, pool_size=3) as pooler:
        async with asyncio.timeout(60):
            counts = await asyncio.gather(*(migrate(pooler.url, pooled=True) for _ in range(3)))
        assert sum(counts) == len(load_migrations(asset("sql/migrations")))
        assert await migrate(pooler.url, pooled=True) == 0
