"""A change of embedding model in a real database: the old vectors serve until the new ones are complete."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_ingest import Bench, bench
from test_store import backlog, one, stored_document

from fake_ollama import FakeOllama
from foliod.base.assets import asset
from foliod.base.config import Search
from foliod.base.errors import (
    BadVectorError,
    BuildChangedError,
    ConflictError,
    DatabaseUnavailableError,
    ModelMissingError,
    NotFoundError,
)
from foliod.base.model import Space
from foliod.base.patience import why_patient
from foliod.ingest import reembed
from foliod.ingest.builds import Builds
from foliod.ingest.divide import PROBE
from foliod.ingest.reembed import Reembedder
from foliod.retrieve.retrieve import Retriever
from foliod.store import spaces as store_spaces
from foliod.store.connection import connect
from foliod.store.database import Database
from foliod.store.files import Files
from foliod.store.migrate import migrate
from foliod.store.spaces import Spaces
from foliod.store.store import Store
from foliod.store.writer import text_hash
from waiting import PATIENCE, until

SAMPLES = Path(__file__).parents[1] / "samples"
OLD, NEW = "mxbai-embed-large", "all-minilm"
QUESTION = "coronavirus transmission"
POOL = 4
"""Connections of the fixture `db`."""


@contextlib.asynccontextmanager
async def library(db, *, old: str = OLD):
    """Two documents with their vectors by the old model; the new one gives others, of another length."""
    async with FakeOllama() as ollama, bench(db, ollama, embed_model=old) as parts:
        ollama.models[f"{NEW}:latest"].dimensions = 100
        ollama.models[f"{NEW}:latest"].seed = 7
        await parts.reembedder.begin()
        for name in ("pdflatex-4-pages.pdf", "PMC7068164.pdf"):
            await parts.place(SAMPLES / name)
            assert await parts.ingest.read_next()
        while await parts.vectors.embed_next():
            pass
        yield ollama, parts


async def work(parts: Bench) -> None:
    """Do all that the daemon does in the background, until nothing is left."""
    while await parts.vectors.embed_next() or await parts.reembedder.step():
        pass


async def states(db) -> dict[str, str]:
    return {row["model"]: row["state"] for row in await db.fetch("all_spaces")}


def search(db, parts: Bench) -> Retriever:
    return Retriever(db, parts.vectors._embedders, Search(embed_seconds=5))


def embedded_by(ollama: FakeOllama, model: str) -> Counter[str]:
    pairs = zip(ollama.answered_by, ollama.answered, strict=True)
    texts = (text for name, answered in pairs if name == f"{model}:latest" for text in answered)
    return Counter(text for text in texts if PROBE not in text and text != QUESTION and QUESTION not in text)


async def test_vectors_of_a_build_that_comes_while_work_is_claimed_are_not_mixed_in(db, monkeypatch):
    """A question may notice first that Ollama has another build: what was about to be embedded waits, and all stays well."""
    async with library(db) as (ollama, parts):
        await parts.place(SAMPLES / "PMC5477389.pdf")
        assert await parts.ingest.read_next()
        before = await one(db, "SELECT count(*) FROM foliod.embeddings")
        claim, old = parts.backlog.claim_for_embedding, ollama.models[f"{OLD}:latest"].dimensions

        async def claimed(count: int) -> list[int]:
            ollama.models[f"{OLD}:latest"].dimensions = 100
            vector, _ = await parts.vectors._embedder.embed_query("What is it?", seconds=10)
            assert len(vector) == 100
            return await claim(count)

        monkeypatch.setattr(parts.backlog, "claim_for_embedding", claimed)
        assert await parts.vectors.embed_next()
        assert "another build" in parts.vectors._embedder.outage.reason
        assert await one(db, "SELECT count(*) FROM foliod.embeddings") == before
        monkeypatch.undo()
        ollama.models[f"{OLD}:latest"].dimensions = old
        await work(parts)
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'ready'") == 3


# --- one change, from beginning to end --------------------------------------------------


async def test_the_old_vectors_serve_until_the_new_ones_are_complete(db):
    """While another model embeds everything, documents stay ready and questions go to the old one; then all switch."""
    async with library(db) as (ollama, parts):
        retriever = search(db, parts)
        before = [hit.text for hit in (await retriever.search(QUESTION, limit=3)).hits]
        answer = await parts.reembedder.ask(NEW)
        assert (answer["state"], answer["serving"], answer["have"]) == ("building", OLD, 0)
        assert answer["want"] == await one(db, "SELECT count(DISTINCT text_hash) FROM foliod.chunks")
        told = set()
        while (await states(db))[OLD] == "active":
            found = await retriever.search(QUESTION, limit=3)
            assert (found.mode, [hit.text for hit in found.hits]) == ("hybrid", before)
            assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'ready'") == 2
            told.add((await parts.reembedder.report())["phase"])
            assert await parts.reembedder.step()
        assert await states(db) == {OLD: "retired", NEW: "active"}
        assert {"embedding", "indexing"} <= told
        assert await parts.reembedder.report() is None
        assert (await retriever.search(QUESTION, limit=3)).mode == "hybrid"
        assert ollama.embeds[-1]["model"] == NEW
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'ready'") == 2
        times = embedded_by(ollama, NEW)
        assert len(times) == answer["want"]
        assert set(times.values()) == {1}


async def test_going_back_finds_the_old_vectors(db):
    """A model that served before has its vectors still: only what came meanwhile is embedded by it."""
    async with library(db) as (ollama, parts):
        await parts.reembedder.ask(NEW)
        await work(parts)
        await parts.place(SAMPLES / "pdflatex-outline.pdf")
        assert await parts.ingest.read_next()
        await work(parts)
        asked = embedded_by(ollama, OLD)
        answer = await parts.reembedder.ask(f"{OLD}:latest")
        left = answer["want"] - answer["have"]
        assert 0 < left < answer["have"]
        await work(parts)
        assert await states(db) == {OLD: "active", NEW: "retired"}
        assert (embedded_by(ollama, OLD) - asked).total() == left
        assert (await parts.reembedder.ask(OLD))["state"] == "active"


async def test_what_comes_meanwhile_is_embedded_by_both(db, monkeypatch):
    """A document dropped during the change is found by meaning at once, and is complete in the new space too."""
    async with library(db) as (_, parts):
        monkeypatch.setattr(reembed, "TEXTS", 5)
        await parts.reembedder.ask(NEW)
        assert await parts.reembedder.step()
        await parts.place(SAMPLES / "pdflatex-outline.pdf")
        assert await parts.ingest.read_next()
        # The new document goes first: nothing is embedded for the new space while it waits.
        there = await one(db, "SELECT count(*) FROM foliod.embeddings")
        assert await parts.reembedder.step()
        assert await one(db, "SELECT count(*) FROM foliod.embeddings") == there
        assert await parts.vectors.embed_next()
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'ready'") == 3
        assert (await states(db))[OLD] == "active"
        await work(parts)
        assert (await states(db))[NEW] == "active"
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'ready'") == 3
        report = await db.fetchrow("space_progress", (await parts.spaces.plan()).active.id)
        assert report["have"] == report["want"]


async def test_documents_wait_no_longer_than_the_change_when_the_old_model_is_gone(db):
    """Without the old model search goes by keyword, new documents wait, and the switch comes all the same."""
    async with library(db) as (ollama, parts):
        await parts.reembedder.ask(NEW)
        del ollama.models[f"{OLD}:latest"]
        parts.vectors._embedder.known.doubt()
        await parts.place(SAMPLES / "pdflatex-outline.pdf")
        assert await parts.ingest.read_next()
        found = await search(db, parts).search(QUESTION, limit=3)
        assert found.mode == "keyword"
        assert f"ollama pull {OLD}" in found.note
        assert await parts.vectors.embed_next()
        while (await parts.spaces.plan()).wanted is not None:
            assert await parts.reembedder.step()
        await work(parts)
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'ready'") == 3
        assert (await search(db, parts).search(QUESTION, limit=3)).mode == "hybrid"


async def test_a_text_that_only_the_new_model_refuses(db):
    """A refusal counts in its own space only, and does not hold up the change."""
    async with library(db) as (ollama, parts):
        await parts.reembedder.ask(NEW)
        ollama.fault(poison="incubation")
        await work(parts)
        assert (await states(db))[NEW] == "active"
        listed = {row["model"]: row["refused"] for row in await parts.reembedder.listed()}
        assert listed[OLD] == 0
        assert listed[NEW] > 0
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'ready'") == 2


# --- who may ask ------------------------------------------------------------------------


async def test_a_configuration_asks_once(db):
    """Only a changed configuration asks for a model; hosts with different ones never take turns."""
    a, b = Spaces(db, "a"), Spaces(db, "b")
    assert not await a.configured("m1"), "the first model of a store is no change"
    await Store(db).activate_space("m1", "d1", 4, "", "")
    assert not await b.configured("m2"), "who comes new to a store follows it"
    assert not await b.configured("m2")
    assert not await a.configured("m1:latest")
    assert (await a.plan()).wanted is None
    assert await a.configured("m3")
    assert (await b.plan()).wanted.model == "m3"
    assert not await a.configured("m3")
    await b.ask("m4", "command")
    assert not await b.configured("m2")
    assert not await a.configured("m3")
    assert (await a.plan()).wanted.model == "m4", "the newest request wins"
    assert await b.configured("m1")
    assert (await a.plan()).wanted is None


async def test_a_newer_request_replaces_what_is_built(db):
    """Asking for a third model gives up the second; its vectors stay, and asking again goes on with them."""
    async with library(db) as (ollama, parts):
        await parts.reembedder.ask(NEW)
        assert await parts.reembedder.step()
        await parts.spaces.ask("third", "command")
        assert (await states(db))[NEW] == "retired"
        with pytest.raises(ModelMissingError, match="ollama pull other"):
            await parts.reembedder.ask("other")
        assert (await parts.spaces.plan()).wanted.model == "third"
        have = (await parts.reembedder.ask(NEW))["have"]
        assert have > 0
        await work(parts)
        assert (await states(db))[NEW] == "active"
        assert set(embedded_by(ollama, NEW).values()) == {1}


async def test_a_change_can_be_given_up(db):
    """The old model stays; without a change there is nothing to give up."""
    async with library(db) as (_, parts):
        with pytest.raises(ConflictError, match="nothing"):
            await parts.reembedder.cancel()
        await parts.reembedder.ask(NEW)
        assert await parts.reembedder.step()
        assert await parts.reembedder.cancel() == {"cancelled": NEW, "serving": OLD}
        await work(parts)
        assert await states(db) == {OLD: "active", NEW: "retired"}


async def test_a_model_whose_vectors_no_index_takes_is_refused(db):
    """More than 4,000 dimensions, a missing model or one that can't embed: told at once, and nothing is changed."""
    async with library(db) as (ollama, parts):
        requests = await one(db, "SELECT count(*) FROM foliod.model_requests")
        ollama.models[f"{NEW}:latest"].dimensions = 4096
        with pytest.raises(BadVectorError, match=r"4096 .* 4000"):
            await parts.reembedder.ask(NEW)
        with pytest.raises(ModelMissingError, match="ollama pull nosuch"):
            await parts.reembedder.ask("nosuch")
        assert await one(db, "SELECT count(*) FROM foliod.model_requests") == requests
        assert await states(db) == {OLD: "active"}
        # The same by a changed configuration: the request stands, the old vectors serve, and it is said why.
        await parts.spaces.ask(NEW, "configuration")
        assert await parts.reembedder.step()
        assert "4096" in (await parts.reembedder.report())["error"]
        assert await states(db) == {OLD: "active"}


async def test_one_daemon_at_a_time_builds(db, monkeypatch):
    """Two daemons on a store do not embed the same texts; when one dies the other goes on in its place."""
    async with library(db) as (ollama, parts):
        await parts.reembedder.ask(NEW)
        assert await parts.reembedder.step()
        other = Reembedder(
            Spaces(db, "there"), Store(db), backlog(db), parts.vectors._embedders, parts.vectors._builds, parts.counters
        )
        # Its name is another one, as a daemon's elsewhere is.
        other._backlog.owner = "there:1"
        assert not await other.step()
        assert (await other.report())["phase"] == "elsewhere"
        async with db.transaction() as tx:
            await tx.connection.execute("UPDATE foliod.spaces SET builder_until = now() - interval '1 second'")
        while (await parts.spaces.plan()).wanted is not None:
            assert await other.step()
        assert set(embedded_by(ollama, NEW).values()) == {1}


async def migrated(dsn: str, folder: Path, left: str) -> None:
    """Make a store from before a change of model could be asked for, let it hold what is `left` in it, and update it."""
    old = asset("sql/migrations")
    [ours] = old.glob("*_change_of_model.sql")
    for path in old.glob("*.sql"):
        if path.name < ours.name:
            shutil.copy(path, folder)
    await migrate(dsn, folder=folder)
    async with connect(dsn) as connection:
        await connection.execute(
            "INSERT INTO foliod.spaces (model, digest, dimensions, query_prompt, document_prompt, state)"
            f" VALUES ('m0', 'd0', 4, '', '', 'retired'), ('m1', 'd1', 4, '', '', 'active');{left}"
        )
    await migrate(dsn)


async def test_an_older_store_goes_on_with_its_model(empty_dsn, tmp_path):
    """A store from before a change of model was asked for keeps its space; a configuration changed since then asks."""
    await migrated(
        empty_dsn, tmp_path,
        "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device)"
        " VALUES ('a', '/in', '/in/a.pdf', '/in/a.pdf', 0, 0, 0, 0, 0)",
    )  # fmt: skip
    async with Database.open(empty_dsn, pool_size=2) as db:
        assert not await Spaces(db, "new").configured("m2")
        a = Spaces(db, "a")
        assert await a.seen("m1") == ("d1", 4)
        assert not await a.configured("m1")
        assert (await a.plan()).wanted is None
        assert await a.configured("m2")


@pytest.mark.parametrize("model", ["m1", "m2"])
async def test_an_older_store_without_files_knows_its_model(empty_dsn, tmp_path, model):
    """Where all files were gone at the update, the first start asks for a model that was changed; the next host does not."""
    await migrated(empty_dsn, tmp_path, "")
    async with Database.open(empty_dsn, pool_size=2) as db:
        assert await Spaces(db, "a").configured(model) == (model == "m2")
        assert not await Spaces(db, "b").configured("m3")


async def test_the_first_model_has_nothing_to_be_built_beside(db):
    """On an empty store a model that is asked for serves at once, and the configured one is not begun."""
    async with FakeOllama() as ollama, bench(db, ollama, embed_model=OLD) as parts:
        await parts.reembedder.begin()
        answer = await parts.reembedder.ask(NEW)
        assert (answer["state"], answer["want"], answer["serving"]) == ("active", 0, NEW)
        assert not await parts.vectors.embed_next()
        assert await states(db) == {NEW: "active"}


# --- builds of one model ----------------------------------------------------------------


async def test_a_build_that_makes_the_same_vectors_is_taken_over(db):
    """A pull that changes a model's digest and not its vectors costs eight texts, and not all of them."""
    async with library(db) as (ollama, parts):
        model = ollama.models[f"{OLD}:latest"]
        asked, old = ollama.counts["embedded_texts"], model.digest
        model.digest = "b" * 64
        parts.vectors._embedder.known.doubt()
        assert not await parts.vectors.embed_next()
        assert ollama.counts["embedded_texts"] - asked <= store_spaces.SAMPLE + 1
        active = (await parts.spaces.plan()).active
        assert active.made_by(old)
        assert active.made_by("b" * 64)
        assert not await parts.reembedder.step()
        assert (await search(db, parts).search(QUESTION, limit=3)).mode == "hybrid"


async def test_who_waits_while_builds_are_compared_is_not_stuck(db):
    """An Ollama that takes minutes to compare builds holds up others too: no reason to start again."""
    async with library(db) as (ollama, parts):
        ollama.models[f"{OLD}:latest"].digest = "b" * 64
        active = (await parts.spaces.plan()).active
        parts.vectors._embedder.known.doubt()
        await parts.vectors._embedder.facts()
        ollama.embed_gate.clear()
        makers = [asyncio.create_task(parts.vectors._builds.maker(active)) for _ in range(2)]
        try:
            await until(lambda: [why_patient(task) is None for task in makers] == [True, False])
        finally:
            ollama.embed_gate.set()
        assert await makers[0] is await makers[1]


async def test_a_build_that_makes_other_vectors_is_never_compared(db):
    """Questions by a changed model go by keyword until all is embedded anew; that happens by itself."""
    async with library(db) as (ollama, parts):
        model = ollama.models[f"{OLD}:latest"]
        model.digest, model.seed = "b" * 64, 3
        parts.vectors._embedder.known.doubt()
        assert not await parts.vectors.embed_next()
        found = await search(db, parts).search(QUESTION, limit=3)
        assert found.mode == "keyword"
        assert "another build" in found.note
        assert "embedded anew" in (await parts.vectors._embedders.health()).error
        with pytest.raises(ConflictError, match="another build"):
            await parts.reembedder.cancel()
        await work(parts)
        assert (await search(db, parts).search(QUESTION, limit=3)).mode == "hybrid"
        assert await one(db, "SELECT digest FROM foliod.spaces WHERE state = 'active'") == "b" * 64
        assert (await parts.vectors._embedders.health()).error is None


async def test_a_host_with_a_foreign_build_follows_the_store(db):
    """Two hosts whose Ollamas have different builds of one model do not take turns; who differs searches by keyword."""
    async with library(db) as (_, parts):
        async with FakeOllama() as elsewhere, bench(db, elsewhere, embed_model=OLD) as theirs:
            spaces = Spaces(db, "there")
            builds = Builds(spaces, theirs.vectors._embedders)
            model = elsewhere.models[f"{OLD}:latest"]
            model.digest, model.seed = "b" * 64, 3
            active = (await spaces.plan()).active
            for _ in range(2):
                with pytest.raises(BuildChangedError, match="foliod reembed"):
                    await builds.maker(active)
            assert (await spaces.plan()).wanted is None
            # With the same build it takes part, and a change of it there is a change.
            model.digest, model.seed = active.digest, 0
            theirs.vectors._embedder.known.doubt()
            await builds.maker(active)
            model.digest, model.seed = "c" * 64, 4
            theirs.vectors._embedder.known.doubt()
            with pytest.raises(BuildChangedError, match="anew"):
                await builds.maker(active)
        wanted = (await parts.spaces.plan()).wanted
        assert (wanted.digest, wanted.how, wanted.host) == ("c" * 64, "build", "there")


# --- the switch -------------------------------------------------------------------------


async def two_spaces(db, texts: list[str]) -> tuple[Store, Spaces, Space, Space, int]:
    """A ready document in a space that serves, beside an empty one of other dimensions."""
    store, spaces, queue = Store(db), Spaces(db, "here"), backlog(db)
    document = await stored_document(db, store, queue, "a.pdf", texts)
    old, _ = await store.activate_space("m1", "d1", 4, "", "")
    await fill(store, spaces, old)
    assert await store.finish_vectors(old, [document]) == [document]
    await spaces.ask("m2", "command")
    new = await spaces.begin(Space(0, "m2", "d2", 3, "q: ", ""))
    assert new is not None
    return store, spaces, old, new, document


async def fill(store: Store, spaces: Spaces, space: Space) -> None:
    rng = np.random.default_rng(1)
    while missing := await spaces.missing(space, b"", 1000):
        vectors = rng.normal(size=(len(missing), space.dimensions)).astype(np.float32)
        await store.put_vectors(space, [(key, vector) for (key, _), vector in zip(missing, vectors, strict=True)])


async def test_nothing_switches_before_every_chunk_has_its_vector(db):
    """A ready document that lacks a chunk in the new space keeps the old one serving."""
    store, spaces, old, new, _ = await two_spaces(db, ["one", "two"])
    await store.put_vectors(new, [(text_hash("one"), np.ones(3, np.float32))])
    assert not await spaces.switch(new)
    await store.put_vectors(new, [(text_hash("two"), "refused")])
    assert await spaces.switch(new)
    assert (await store.active_space()).id == new.id
    assert not await spaces.switch(old), "nobody asked for it"


async def test_no_document_becomes_ready_by_the_old_vectors_after_the_switch(db):
    """A document embedded by the old model while the switch happens gets its new vectors before it is ready."""
    store, spaces, old, new, _ = await two_spaces(db, ["one"])
    await fill(store, spaces, new)
    late = await stored_document(db, store, backlog(db), "b.pdf", ["late"])
    await store.put_vectors(old, [(text_hash("late"), np.ones(4, np.float32))])
    finishing: asyncio.Task[list[int]] | None = None
    async with db.transaction() as tx:
        await tx.fetch("lock_spaces")
        finishing = asyncio.create_task(store.finish_vectors(old, [late]))
        await waiting_for_a_lock(db)
        await tx.execute("set_space_state", old.id, "retired")
        await tx.execute("set_space_state", new.id, "active")
    assert await finishing == []
    assert await one(db, f"SELECT state FROM foliod.documents WHERE id = {late}") == "stored"


async def test_a_switch_waits_for_a_document_that_becomes_ready(db, dsn):
    """What becomes ready in the moment of the switch is seen by it."""
    store, spaces, old, new, _ = await two_spaces(db, ["one"])
    await fill(store, spaces, new)
    late = await stored_document(db, store, backlog(db), "b.pdf", ["late"])
    await store.put_vectors(old, [(text_hash("late"), np.ones(4, np.float32))])
    async with db.transaction() as tx:
        assert await tx.fetch("vectors_finished", old.id, [late])
        switching = asyncio.create_task(spaces.switch(new))
        await waiting_for_a_lock(db)
    assert await switching is False


async def waiting_for_a_lock(db: Database) -> None:
    """Return when a query of ours waits for a lock."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    await until(lambda: one(db, waits))


# --- the index --------------------------------------------------------------------------


def nearest(space: Space) -> str:
    """A search as the daemon makes it."""
    vector = [1] * space.dimensions
    return (
        f"SELECT text_hash FROM foliod.embeddings WHERE space_id = {space.id} AND embedding IS NOT NULL"
        f" ORDER BY embedding::halfvec({space.dimensions}) <=> '{vector}' LIMIT 5"
    )


async def test_vectors_are_stored_while_the_index_is_built(db, dsn):
    """Building the index of the new space holds up neither who stores vectors nor who searches."""
    store, spaces, old, new, _ = await two_spaces(db, [f"text {n}" for n in range(50)])
    await fill(store, spaces, new)
    async with connect(dsn) as other, other.transaction(isolation="repeatable_read"):
        # CREATE INDEX CONCURRENTLY waits for this old snapshot: it is under way for as long as we like.
        await other.fetchval("SELECT count(*) FROM foliod.embeddings")
        building = asyncio.create_task(spaces.index(new, 64))
        await until(
            lambda: one(db, "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()")
        )
        assert not await spaces.index(new, None), "it is seen that somebody is at it"
        async with asyncio.timeout(PATIENCE):
            for space in (old, new):
                await store.put_vectors(space, [(b"more", np.ones(space.dimensions, np.float32))])
                async with db.transaction() as tx:
                    assert await tx.connection.fetch(nearest(space))
        assert not building.done(), "nothing waited for it"
    assert await building
    assert await spaces.indexed(new)
    # What came while it was built is in it.
    async with db.transaction() as tx:
        await tx.connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        assert f"embeddings_hnsw_{new.id}" in str(await tx.connection.fetch("EXPLAIN " + nearest(new)))
        assert b"more" in [row["text_hash"] for row in await tx.connection.fetch(nearest(new))]
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(POOL):
            tx = await stack.enter_async_context(db.transaction())
            assert await tx.connection.fetchval("SHOW statement_timeout") == "5min", "every connection is as it was"


async def test_an_index_that_was_interrupted_is_built_again(db, dsn):
    """What a kill leaves of an index is removed, and the index made anew."""
    store, spaces, _, new, _ = await two_spaces(db, ["one"])
    await fill(store, spaces, new)
    async with connect(dsn) as other, other.transaction(isolation="repeatable_read"):
        await other.fetchval("SELECT count(*) FROM foliod.embeddings")
        building = asyncio.create_task(spaces.index(new, None))
        await until(
            lambda: one(
                db,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_progress_create_index"
                " WHERE phase LIKE 'waiting%' AND datname = current_database()",
            )
        )
        with pytest.raises(DatabaseUnavailableError):
            await building
    assert not await spaces.indexed(new)
    assert await one(db, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 1
    assert await spaces.index(new, 64)
    assert await spaces.indexed(new)


async def test_looking_for_what_is_missing_goes_by_the_index(db):
    """The next texts of a space that is built are found without sorting all chunks."""
    async with db.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO foliod.documents (sha256, size) SELECT sha256(n::text::bytea), 0 FROM generate_series(1, 20) n;"
            "INSERT INTO foliod.chunks (document_id, ordinal, first_page, last_page, start_offset, end_offset, tokens,"
            " text, text_hash) SELECT d.id, n, 1, 1, 0, 1, 1, 'x', sha256((d.id || ' ' || n)::bytea)"
            " FROM foliod.documents d, generate_series(1, 1000) n;"
            "INSERT INTO foliod.spaces (model, digest, dimensions, query_prompt, document_prompt, state)"
            " VALUES ('m', 'd', 3, '', '', 'building');"
            "INSERT INTO foliod.embeddings SELECT 1, text_hash, '[1,2,3]', NULL FROM foliod.chunks"
            " WHERE get_byte(text_hash, 0) < 128;"
            "ANALYZE foliod.chunks, foliod.embeddings"
        )
        plan = str(await tx.connection.fetch("EXPLAIN " + db.queries["missing_anywhere"].sql, 1, b"", 256))
    assert "chunks_text_hash" in plan
    assert "Seq Scan" not in plan
    assert "Sort" not in plan


# --- dropping and tidying ---------------------------------------------------------------


async def test_vectors_that_serve_no_more_can_be_dropped(db, monkeypatch):
    """Those of a retired model go, in steps, with their index; those that serve or are made are refused."""
    async with library(db) as (_, parts):
        await parts.reembedder.ask(NEW)
        with pytest.raises(ConflictError, match="serve"):
            await parts.reembedder.drop(OLD)
        with pytest.raises(ConflictError, match="--cancel"):
            await parts.reembedder.drop(NEW)
        with pytest.raises(NotFoundError, match="nosuch"):
            await parts.reembedder.drop("nosuch")
        await work(parts)
        monkeypatch.setattr(store_spaces, "DROP_ROWS", 3)
        old = await one(db, "SELECT id FROM foliod.spaces WHERE state = 'retired'")
        kept = await one(db, f"SELECT count(*) FROM foliod.embeddings WHERE space_id <> {old}")
        assert (await parts.reembedder.drop(str(old)))["dropping"] == [{"id": old, "model": OLD}]
        counts = []
        while await parts.reembedder.step():
            counts.append(await one(db, f"SELECT count(*) FROM foliod.embeddings WHERE space_id = {old}"))
        assert max(a - b for a, b in itertools.pairwise(counts)) == 3
        assert await states(db) == {NEW: "active"}
        assert await one(db, f"SELECT to_regclass('foliod.embeddings_hnsw_{old}')") is None
        assert await one(db, "SELECT count(*) FROM foliod.embeddings") == kept


async def test_dropped_and_asked_for_again(db, monkeypatch):
    """A model whose vectors are just being dropped can be asked for: what is left of them is kept."""
    async with library(db) as (_, parts):
        await parts.reembedder.ask(NEW)
        await work(parts)
        monkeypatch.setattr(store_spaces, "DROP_ROWS", 3)
        await parts.reembedder.drop(OLD)
        assert await parts.reembedder.step()
        answer = await parts.reembedder.ask(OLD)
        assert answer["want"] - answer["have"] == 3
        await work(parts)
        assert (await states(db))[OLD] == "active"
        assert await parts.spaces.indexed((await parts.spaces.plan()).active)


async def test_another_daemon_takes_up_what_one_is_about_to_drop(db):
    """Who decided to drop vectors looks again before their index goes: they may be asked for meanwhile."""
    async with library(db) as (_, parts):
        await parts.reembedder.ask(NEW)
        await work(parts)
        await parts.reembedder.drop(OLD)
        decided = (await parts.spaces.plan()).dropping
        await parts.reembedder.ask(OLD)
        assert await parts.spaces.drop_some(decided)
        assert await parts.spaces.indexed(decided)


async def test_a_lost_index_is_made_anew(db):
    """When the index of the vectors that serve is not there, the daemon builds it by itself."""
    async with library(db) as (_, parts):
        active = (await parts.spaces.plan()).active
        await db.alone("drop_space_index", space=active.id)
        assert not await parts.spaces.indexed(active)
        await work(parts)
        assert await parts.spaces.indexed(active)


async def test_texts_of_no_chunk_are_tidied_in_all_spaces(db):
    """Vectors whose text is gone leave every space; those of texts that are there stay in every space."""
    store, spaces, old, new, _ = await two_spaces(db, ["one", "two"])
    await fill(store, spaces, new)
    for space in (old, new):
        await store.put_vectors(space, [(text_hash("late"), np.ones(space.dimensions, np.float32))])
    files = Files(db, "here")
    await files.forget_gone(60)
    rows = await db.fetch("listed_spaces")
    assert [row["vectors"] for row in rows] == [2, 2]
    assert (await spaces.plan()).building.id == new.id
