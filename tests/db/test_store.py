"""Documents, pages, chunks and vectors, all or nothing; and the backlog that claims them."""

import asyncio
import hashlib
import tracemalloc

import numpy as np
import pytest
from structlog.testing import capture_logs

from foliod.base.errors import DatabaseUnavailableError, LeaseLostError
from foliod.base.model import Chunk, DocumentFacts, Heading, Page, Verdict
from foliod.base.patience import why_patient
from foliod.ingest import backlog as backlog_module
from foliod.ingest.backlog import MOST_ATTEMPTS, Backlog
from foliod.ingest.progress import Progress
from foliod.store.files import Files
from foliod.store.renew import Renewed
from foliod.store.store import Store
from foliod.text.lexical import term_id, tokenize, weigh
from waiting import PATIENCE, until

HOST = "here"


async def place(db, name: str, host: str = HOST) -> int:
    """Write down a document with one file, as the sweep does."""
    async with db.transaction() as tx:
        document = await tx.connection.fetchval(
            "INSERT INTO foliod.documents (sha256, size) VALUES ($1, 1) RETURNING id",
            hashlib.sha256(name.encode()).digest(),
        )
        await tx.connection.execute(
            "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device, document_id)"
            " VALUES ($1, '/in', $2, $3, 1, 1, 1, 1, 1, $4)",
            host, f"/in/{name}".encode(), f"/in/{name}", document,
        )  # fmt: skip
    return document


async def one(db, sql: str, *args):
    async with db.transaction() as tx:
        return await tx.connection.fetchval(sql, *args)


def backlog(db, owner: str = "here:1", max_deaths: int = 2) -> Backlog:
    return Backlog(db, host=HOST, owner=owner, max_deaths=max_deaths)


def page(number: int, text: str) -> Page:
    return Page(number, Verdict.TEXT, text, 612.0, 792.0, 0, (Heading(0, 1, "Title"),))


def chunk(ordinal: int, text: str) -> Chunk:
    return Chunk(ordinal, 1, 1, 0, len(text), text, 10, "Title")


async def write_text(store: Store, document: int, owner: str, texts: list[str]) -> None:
    async with store.writing_text(document, owner) as writer:
        for ordinal, text in enumerate(texts):
            await writer.add(chunk(ordinal, text), weigh(text))
        await writer.finish(state="stored", partial=False, reason=None)


async def lexicon(db) -> dict[int, int]:
    async with db.transaction() as tx:
        rows = await tx.connection.fetch("SELECT term, chunks FROM foliod.lexicon WHERE chunks <> 0")
    return {row["term"]: row["chunks"] for row in rows}


async def counted(db) -> dict[int, int]:
    """Count the lexicon anew, from the chunks."""
    async with db.transaction() as tx:
        rows = await tx.connection.fetch("SELECT t, count(*) n FROM foliod.chunk_terms, unnest(terms) t GROUP BY t")
    return {row["t"]: row["n"] for row in rows}


async def test_a_document_is_found_as_a_whole_or_not_at_all(db):
    """When storing breaks in the middle, nothing of the document can be found."""
    store, work = Store(db), backlog(db)
    document = await place(db, "a.pdf")
    await work.claim_for_reading()
    with pytest.raises(RuntimeError):
        async with store.writing_text(document, work.owner) as writer:
            for ordinal in range(300):
                await writer.add(chunk(ordinal, f"virus number {ordinal}"), weigh(f"virus number {ordinal}"))
            raise RuntimeError
    assert await one(db, "SELECT count(*) FROM foliod.chunks") == 0
    assert await lexicon(db) == {}
    await write_text(store, document, work.owner, [f"virus number {i}" for i in range(300)])
    assert await one(db, "SELECT count(*) FROM foliod.chunks") == 300
    assert await one(db, "SELECT state FROM foliod.documents") == "stored"


async def test_the_lexicon_equals_the_chunks(db):
    """How many chunks hold a word is always exactly known, also after a document is written anew."""
    store, work = Store(db), backlog(db)
    first, second = await place(db, "a.pdf"), await place(db, "b.pdf")
    await work.claim_for_reading()
    await work.claim_for_reading()
    await write_text(store, first, work.owner, ["the virus spreads", "a vaccine"])
    await write_text(store, second, work.owner, ["virus and vaccine"])
    assert await lexicon(db) == await counted(db) != {}
    async with db.transaction() as tx:
        await tx.connection.execute("UPDATE foliod.documents SET state='reading', lease_owner=$1", work.owner)
    await write_text(store, first, work.owner, ["something else"])
    assert await lexicon(db) == await counted(db) != {}


async def rewrite(db, store: Store, work: Backlog, document: int):
    """Open what writes a document anew, as a newer extractor does."""
    await one(db, "UPDATE foliod.documents SET lease_owner = $2 WHERE id = $1 RETURNING 1", document, work.owner)
    return store.replacing_text(document, work.owner, Renewed(DocumentFacts(1)), "9+x")


async def test_others_write_while_a_document_is_written_anew(db):
    """The chunks of a large document may take minutes: documents with the same words are stored and removed meanwhile."""
    store, work = Store(db), backlog(db)
    old, new, gone = [await place(db, name) for name in ("old.pdf", "new.pdf", "gone.pdf")]
    for document in (old, new, gone):
        assert await work.claim_for_reading()
        if document != new:
            await write_text(store, document, work.owner, ["common words about revenue"])
    await one(db, "UPDATE foliod.files SET gone_at = '-infinity' WHERE document_id = $1 RETURNING 1", gone)
    async with await rewrite(db, store, work, old) as writer:
        await writer.add(chunk(0, "common words"), weigh("common words"))
        await writer._flush()
        async with asyncio.timeout(PATIENCE):
            assert await Files(db, HOST).forget_gone(1) == 1
            await write_text(store, new, work.owner, ["revenue of another document"])
        await writer.finish(state="stored", partial=False, reason=None)
    assert await lexicon(db) == await counted(db) != {}


async def test_writers_of_old_and_new_words_never_wait_in_a_circle(db):
    """One writes a document anew with a word that another one also writes, in whichever order they come."""
    store, work = Store(db), backlog(db)
    old, new = await place(db, "old.pdf"), await place(db, "new.pdf")
    assert await work.claim_for_reading()
    assert await work.claim_for_reading()
    low, high = sorted(["apple", "zebra"], key=lambda word: term_id(tokenize(word, "english")[0]))
    await write_text(store, old, work.owner, [high])
    async with await rewrite(db, store, work, old) as writer:
        both = f"{high} {low}"
        await writer.add(chunk(0, both), weigh(both))
        other = asyncio.create_task(write_text(store, new, work.owner, [both]))
        # It is through, or it waits for a lock of ours.
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        await until(lambda: other.done() or one(db, waits))
        await writer.finish(state="stored", partial=False, reason=None)
    await other
    assert await lexicon(db) == await counted(db) != {}


async def test_pages_survive_a_kill(db):
    """Pages stored before a kill are not read again; pages of another extractor are."""
    store, work = Store(db), backlog(db)
    document = await place(db, "a.pdf")
    await work.claim_for_reading()
    await store.put_facts(document, work.owner, DocumentFacts(pages=5, title="T"), "x1")
    await store.put_pages(document, work.owner, [page(1, "one"), page(2, "two")], 60)
    await store.put_pages(document, work.owner, [page(4, "four")], 60)
    stored = await store.stored_pages(document, "x1")
    assert len(stored) == 2
    assert [p async for p in stored] == [page(1, "one"), page(2, "two")]
    assert not await store.stored_pages(document, "x2")


async def test_who_lost_the_lease_writes_nothing(db):
    """A daemon that was believed dead can't overwrite what another one stored meanwhile."""
    store, work = Store(db), backlog(db)
    document = await place(db, "a.pdf")
    await work.claim_for_reading()
    with pytest.raises(LeaseLostError):
        await store.put_pages(document, "there:9", [page(1, "one")], 60)
    with pytest.raises(LeaseLostError):
        await write_text(store, document, "there:9", ["x"])
    assert await one(db, "SELECT count(*) FROM foliod.pages") == 0


async def test_no_document_is_claimed_twice(db):
    """Many readers at once share the documents without overlap."""
    for number in range(20):
        await place(db, f"{number}.pdf")
    owners = [backlog(db, f"here:{n}") for n in range(4)]

    async def claim_all(work: Backlog) -> list[int]:
        found = []
        while (claim := await work.claim_for_reading()) is not None:
            found.append(claim.document)
        return found

    claimed = [d for part in await asyncio.gather(*map(claim_all, owners)) for d in part]
    assert len(claimed) == len(set(claimed)) == 20


async def test_only_a_host_that_has_the_file_reads_it(db):
    """A document whose file lies on another host is not claimed here."""
    await place(db, "far.pdf", host="elsewhere")
    assert await backlog(db).claim_for_reading() is None


async def test_a_dead_daemons_work_is_taken_over(db):
    """After a kill the next daemon of the host goes on at once; other hosts' claims are left alone."""
    await place(db, "a.pdf")
    first = backlog(db, "here:1")
    assert await first.claim_for_reading() is not None
    second = backlog(db, "here:2")
    assert await second.claim_for_reading() is None
    other = Backlog(db, host="her", owner="her:1", max_deaths=2)
    await other.recover()
    assert await second.claim_for_reading() is None
    await second.recover()
    claim = await second.claim_for_reading()
    assert claim is not None
    assert claim.attempts == 2


async def test_a_document_that_was_read_at_a_kill_goes_behind_the_others(db):
    """After a kill the others go first, in case that the document had a part in it."""
    first, second = await place(db, "a.pdf"), await place(db, "b.pdf")
    work = backlog(db, "here:1")
    assert (await work.claim_for_reading()).document == first
    work = backlog(db, "here:2")
    await work.recover()
    assert [(await work.claim_for_reading()).document for _ in range(2)] == [second, first]


async def test_an_expired_lease_is_free(db):
    """A host that died for good does not keep its documents."""
    await place(db, "a.pdf")
    await backlog(db, "here:1").claim_for_reading()
    async with db.transaction() as tx:
        await tx.connection.execute("UPDATE foliod.documents SET lease_until = now() - interval '1 s'")
    assert await backlog(db, "here:2").claim_for_reading() is not None


async def test_two_abnormal_ends_quarantine_a_document(db):
    """A document that kills its reader twice is set aside with the reason, and the others go on."""
    document = await place(db, "poison.pdf")
    work = backlog(db)
    claim = await work.claim_for_reading()
    assert await work.failed(claim, "the reader was killed") == "queued"
    assert await work.claim_for_reading() is None, "the next attempt waits"
    async with db.transaction() as tx:
        await tx.connection.execute("UPDATE foliod.documents SET next_attempt_at = now()")
    claim = await work.claim_for_reading()
    assert (claim.attempts, claim.deaths) == (2, 1)
    assert await work.failed(claim, "the reader was killed") == "failed"
    assert await one(db, "SELECT reason FROM foliod.documents WHERE id=$1", document) == "the reader was killed"


async def test_giving_back_costs_no_attempt(db):
    """A daemon that is stopped in the middle of a document does not hold that against the document."""
    await place(db, "a.pdf")
    work = backlog(db)
    claim = await work.claim_for_reading()
    await work.release([claim.document])
    claim = await work.claim_for_reading()
    assert claim.attempts == 1
    assert work.held == {claim.document}


async def test_leases_are_kept_also_while_a_document_is_written(db):
    """A document whose row is locked by its own writer does not hold up the other leases."""
    await place(db, "a.pdf")
    await place(db, "b.pdf")
    work, store = backlog(db), Store(db)
    first = await work.claim_for_reading()
    second = await work.claim_for_reading()
    async with store.writing_text(first.document, work.owner):
        rows = await asyncio.wait_for(
            db.fetch("extend_lease", [first.document, second.document], work.owner, 60.0), PATIENCE
        )
    assert {(row["id"], row["ours"]) for row in rows} == {(first.document, True), (second.document, True)}


async def test_a_document_forgotten_while_it_is_claimed_was_taken_by_nobody(db, monkeypatch):
    """What is deleted while it waits for its vectors is let go of quietly; what another took over is told."""
    monkeypatch.setattr(backlog_module, "LEASE_SECONDS", 0.3)
    await place(db, "a.pdf")
    await place(db, "b.pdf")
    await place(db, "c.pdf")
    work = backlog(db)
    gone, taken, kept = [(await work.claim_for_reading()).document for _ in range(3)]
    async with db.transaction() as tx:
        await tx.connection.execute("DELETE FROM foliod.files WHERE document_id = $1", gone)
        await tx.connection.execute("DELETE FROM foliod.documents WHERE id = $1", gone)
        await tx.connection.execute("UPDATE foliod.documents SET lease_owner = 'other:1' WHERE id = $1", taken)
    with capture_logs() as logs:
        leases = asyncio.create_task(work.keep_leases())
        try:
            async with asyncio.timeout(10):
                while work.held != {kept}:
                    await asyncio.sleep(0.02)
        finally:
            leases.cancel()
            await asyncio.gather(leases, return_exceptions=True)
    assert [entry["document_ids"] for entry in logs if entry["event"] == "lease_lost"] == [[taken]]


async def stored_document(db, store: Store, work: Backlog, name: str, texts: list[str]) -> int:
    document = await place(db, name)
    claim = await work.claim_for_reading()
    assert claim.document == document
    await write_text(store, document, work.owner, texts)
    work.done([document])
    return document


async def test_equal_text_is_embedded_once(db):
    """The same passage in two documents is sent to the model once."""
    store, work = Store(db), backlog(db)
    first = await stored_document(db, store, work, "a.pdf", ["same", "one"])
    second = await stored_document(db, store, work, "b.pdf", ["same", "two"])
    space, switched = await store.activate_space("m", "d", 4, "", "")
    assert switched
    missing = await store.missing_texts(space, [first, second], 100)
    assert sorted(text for _, text in missing) == ["one", "same", "two"]


async def test_a_document_is_ready_when_every_chunk_has_its_vector(db):
    """Half the vectors leave a document searchable by keyword; all of them make it ready; a refusal counts."""
    store, work = Store(db), backlog(db)
    document = await stored_document(db, store, work, "a.pdf", ["one", "two", "three"])
    space, _ = await store.activate_space("m", "d", 4, "", "")
    assert await work.claim_for_embedding(10) == [document]
    missing = await store.missing_texts(space, [document], 100)
    vectors = [(key, np.eye(4, dtype=np.float32)[i]) for i, (key, _) in enumerate(missing[:2])]
    await store.put_vectors(space, vectors)
    assert await store.finish_vectors(space, [document]) == []
    await store.put_vectors(space, [(missing[2][0], "the model gave NaN")])
    assert await store.finish_vectors(space, [document]) == [document]
    assert await one(db, "SELECT state FROM foliod.documents") == "ready"


async def test_vectors_that_another_daemon_stored_meanwhile_do_no_harm(db):
    """Two daemons that embed the same text at the same time both succeed."""
    store = Store(db)
    space, _ = await store.activate_space("m", "d", 4, "", "")
    vector = np.ones(4, np.float32)
    await store.put_vectors(space, [(b"a", vector)])
    await store.put_vectors(space, [(b"a", vector), (b"b", vector)])
    assert await one(db, "SELECT count(*) FROM foliod.embeddings") == 2


async def test_what_an_outage_interrupts_is_given_back_afterwards(db, monkeypatch):
    """A document whose reading was cut off by a database outage is claimed again when it is over."""
    await place(db, "a.pdf")
    work = backlog(db)
    claim = await work.claim_for_reading()

    async def away(*_args: object, **_named: object) -> str:
        raise DatabaseUnavailableError

    with monkeypatch.context() as outage:
        outage.setattr(db, "execute", away)
        await work.release([claim.document])
    assert work.held == set()
    again = await work.claim_for_reading()
    assert again is not None
    assert again.attempts == 1


async def test_who_queues_behind_a_claim_that_somebody_elses_lock_holds_up_is_not_stuck(db):
    """An administrator's VACUUM FULL of some minutes is no reason to start the daemon again, over and over."""
    work = backlog(db)
    async with db.transaction() as tx:
        await tx.connection.execute("LOCK TABLE foliod.documents IN ACCESS EXCLUSIVE MODE")
        claims = [asyncio.create_task(work.claim_for_reading()) for _ in range(3)]
        # The first one has the time limit of its statement.
        await until(lambda: [why_patient(task) is None for task in claims] == [True, False, False])
    assert await asyncio.gather(*claims) == [None] * 3


async def test_a_claim_whose_answer_was_lost_is_made_again_at_once(db):
    """A connection that breaks just after a claim does not keep the document from being read."""
    document = await place(db, "a.pdf")
    work = backlog(db)
    await work.claim_for_reading()
    work.held.clear()
    assert (await work.claim_for_reading()).document == document
    assert await work.claim_for_reading() is None
    assert await backlog(db, "here:2").claim_for_reading() is None, "it is nobody else's"


async def test_a_machine_that_slept_does_not_read_twice(db):
    """A lease that ran out in the machine's sleep does not let the same daemon claim the document once more."""
    await place(db, "a.pdf")
    work = backlog(db)
    claim = await work.claim_for_reading()
    async with db.transaction() as tx:
        await tx.connection.execute("UPDATE foliod.documents SET lease_until = now() - interval '1 s'")
    assert await work.claim_for_reading() is None
    await work.release([claim.document])
    assert await work.claim_for_reading() is not None


async def test_pages_that_another_daemon_stored_meanwhile_are_a_lost_lease(db):
    """Who comes late with a page that is there already gives up the document and does not blame it."""
    store, work = Store(db), backlog(db)
    document = await place(db, "a.pdf")
    await work.claim_for_reading()
    await store.put_pages(document, work.owner, [page(1, "one")], 60)
    with pytest.raises(LeaseLostError):
        await store.put_pages(document, work.owner, [page(1, "one")], 60)


async def test_a_document_that_ends_the_daemon_again_and_again_is_set_aside(db):
    """A document at which foliod itself died again and again without getting further is quarantined."""
    await place(db, "a.pdf")
    for number in range(MOST_ATTEMPTS):
        work = backlog(db, f"here:{number}")
        await work.recover()
        assert await work.claim_for_reading() is not None, number
    work = backlog(db, "here:last")
    await work.recover()
    assert await work.claim_for_reading() is None
    assert await one(db, "SELECT state FROM foliod.documents") == "failed"
    assert f"{MOST_ATTEMPTS} times" in await one(db, "SELECT reason FROM foliod.documents")


async def test_a_large_ledger_is_taken_in_parts(db):
    """The pages of an earlier attempt can be larger than the daemon may be: they are fetched some at a time."""
    store, work = Store(db), backlog(db)
    document = await place(db, "a.pdf")
    await work.claim_for_reading()
    await store.put_facts(document, work.owner, DocumentFacts(pages=40, title="T"), "x1")
    for number in range(1, 41):
        await store.put_pages(document, work.owner, [page(number, "x" * 1_000_000)], 60)
    tracemalloc.start()
    try:
        stored = await store.stored_pages(document, "x1")
        assert [p.number async for p in stored] == list(range(1, 41))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32_000_000
    await store.drop_pages(document, work.owner)
    with pytest.raises(LeaseLostError):
        _ = [p async for p in stored]


async def test_pages_in_hand_are_few_when_they_are_large():
    """Pages of a million characters are stored two at a time, small ones by the dozen."""
    put = []

    async def store(pages) -> None:
        put.append(len(pages))

    progress = Progress(store)
    for number in range(1, 6):
        await progress.brought(page(number, "x" * 1_000_000))
    await progress.ended()
    assert put == [2, 2, 1]
