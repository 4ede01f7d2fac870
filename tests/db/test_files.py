"""The files that the store knows, and what goes when a document's last place is gone."""

import asyncio
import hashlib

import numpy as np
import pytest
from test_store import HOST, backlog, counted, lexicon, one, write_text

from foliod.base.errors import LeaseLostError
from foliod.base.paths import IDENTITY
from foliod.store.files import Files
from foliod.store.store import Store
from waiting import PATIENCE

ROOT = b"/in"


def look(size: int = 1, mtime: int = 2, ctime: int = 3, inode: int = 4, device: int = 5, folder: int = 5) -> bytes:
    """A signature, made up."""
    return b"".join(n.to_bytes(8, "big", signed=True) for n in (size, mtime, ctime, inode, device, folder))


def sha(content: str) -> bytes:
    return hashlib.sha256(content.encode()).digest()


async def put(files: Files, path: bytes, content: str, seen: bytes = look()) -> int:
    return (await files.record(path, ROOT, seen, sha(content))).document


async def rows(db, sql: str, *args) -> list[tuple]:
    async with db.transaction() as tx:
        return [tuple(row) for row in await tx.connection.fetch(sql, *args)]


async def paths(db) -> list[bytes]:
    return [path for (path,) in await rows(db, "SELECT path FROM foliod.files ORDER BY path")]


async def documents(db) -> list[int]:
    return [number for (number,) in await rows(db, "SELECT id FROM foliod.documents ORDER BY id")]


async def age(db, path: bytes, seconds: float) -> None:
    """Let a file have been gone for so long."""
    await rows(
        db,
        "UPDATE foliod.files SET gone_at = now() - make_interval(secs => $2) WHERE path = $1 RETURNING id",
        path,
        seconds,
    )


async def searchable(db, document: int, texts: list[str]) -> None:
    """Store the text of a document and vectors for all of it."""
    store, work = Store(db), backlog(db)
    claim = await work.claim_for_reading()
    assert claim is not None and claim.document == document
    await write_text(store, document, work.owner, texts)
    space, _ = await store.activate_space("m", "d", 2, "", "")
    missing = await store.missing_texts(space, [document], 1000)
    await store.put_vectors(space, [(key, np.array([1.0, 0.5])) for key, _ in missing])
    assert await store.finish_vectors(space, [document]) == [document]


async def test_new_content_is_a_document_that_waits(db):
    """A new file becomes a queued document with its place."""
    files = Files(db, HOST)
    recorded = await files.record(b"/in/a.pdf", ROOT, look(size=9), sha("a"))
    assert (recorded.known, recorded.state, recorded.before, recorded.others) == (False, "queued", None, ())
    assert await rows(db, "SELECT host, root, display, size, document_id, reason FROM foliod.files") == [
        (HOST, "/in", "/in/a.pdf", 9, recorded.document, None)
    ]
    assert await one(db, "SELECT size FROM foliod.documents") == 9
    assert await files.document_at(b"/in/a.pdf") == recorded.document
    assert await files.document_at(b"/in/b.pdf") is None


async def test_the_same_content_elsewhere_is_the_same_document(db):
    """A copy adds a place and says where the content lies already."""
    files = Files(db, HOST)
    first = await put(files, b"/in/a.pdf", "same", look(inode=7))
    copy = await files.record(b"/in/b\xff.pdf", ROOT, look(), sha("same"))
    assert copy.known and copy.document == first
    assert [(place.path, place.inode) for place in copy.others] == [(b"/in/a.pdf", 7)]
    assert await one(db, "SELECT display FROM foliod.files WHERE path = $1", b"/in/b\xff.pdf") == "/in/b\ufffd.pdf"
    elsewhere = await Files(db, "other").record(b"/in/a.pdf", ROOT, look(), sha("same"))
    assert elsewhere.known and elsewhere.others == ()


async def test_changed_content_leaves_the_old_document_for_the_grace_period(db):
    """What a rewrite replaced goes after the grace period, and not when it is back within it."""
    files = Files(db, HOST)
    old = await put(files, b"/in/a.pdf", "old")
    await files.forget_gone(60)
    recorded = await files.record(b"/in/a.pdf", ROOT, look(mtime=9), sha("new"))
    assert (recorded.known, recorded.before) == (False, old)
    assert await files.forget_gone(60) == 0
    assert await documents(db) == [old, recorded.document]
    assert await put(files, b"/in/b.pdf", "old") == old
    await files.forget_gone(0)
    assert await documents(db) == [old, recorded.document]
    await put(files, b"/in/b.pdf", "newest")
    assert await files.forget_gone(60) == 0 and await files.forget_gone(0) == 1
    assert old not in await documents(db)


async def test_known_files_come_back_as_they_were_written(db, monkeypatch):
    """Whatever the number of files: each comes once, with its signature and what is wrong with it."""
    monkeypatch.setattr("foliod.store.files.BATCH", 3)
    files = Files(db, HOST)
    for n in range(7):
        await put(files, b"/in/%d.pdf" % n, "x", look(size=n, mtime=-n, inode=-1))
    await put(files, b"/input/no.pdf", "x")
    await files.miss([b"/in/1.pdf", b"/in/3.pdf", b"/in/4.pdf", b"/in/5.pdf"])
    await files.refuse(b"/in/2.pdf", ROOT, look(), "why")
    known = await files.known_below(ROOT)
    assert sorted(known) == [b"/in/%d.pdf" % n for n in range(7)]
    assert known[b"/in/6.pdf"] == look(size=6, mtime=-6, inode=-1) + b"\0"
    assert [known[b"/in/%d.pdf" % n][-1] for n in range(7)] == [0, 2, 1, 2, 2, 2, 0]
    assert await files.known_at([b"/in/6.pdf", b"/in/no.pdf"]) == {b"/in/6.pdf": known[b"/in/6.pdf"]}
    assert await Files(db, "other").known_below(ROOT) == {}
    assert len(await files.known_below(b"/")) == 8


async def test_an_unreadable_file_keeps_what_it_held(db):
    """When only permissions differ the document stays; when the content must be another one it does not."""
    files = Files(db, HOST)
    document = await put(files, b"/in/a.pdf", "a", look())
    assert await files.refuse(b"/in/a.pdf", ROOT, look(ctime=9), "no permission")
    assert not await files.refuse(b"/in/a.pdf", ROOT, look(ctime=9), "no permission"), "that is no news"
    assert await files.document_at(b"/in/a.pdf") == document
    assert await files.refuse(b"/in/a.pdf", ROOT, look(size=99, ctime=10), "too large")
    assert await files.document_at(b"/in/a.pdf") is None
    assert await put(files, b"/in/a.pdf", "a", look(ctime=11)) == document
    assert await one(db, "SELECT reason FROM foliod.files") is None


async def test_a_file_that_is_back_in_time_loses_nothing(db):
    """Missed and back within the grace period: the document never left."""
    files = Files(db, HOST)
    document = await put(files, b"/in/a.pdf", "a")
    await files.miss([b"/in/a.pdf"])
    assert await files.document_at(b"/in/a.pdf") is None
    assert await files.forget_gone(60) == 0
    await files.refresh({b"/in/a.pdf": look(device=8, folder=9)})
    assert await files.forget_gone(0) == 0 and await documents(db) == [document]
    assert (await files.known_below(ROOT))[b"/in/a.pdf"] == look(device=8, folder=9) + b"\0"


async def test_a_moved_file_lies_in_one_place(db):
    """The old place of a moved file is forgotten, unless it holds something else by now."""
    files = Files(db, HOST)
    document = await put(files, b"/in/a.pdf", "a")
    await put(files, b"/in/b.pdf", "a")
    await files.moved(b"/in/a.pdf", document + 1)
    assert await paths(db) == [b"/in/a.pdf", b"/in/b.pdf"]
    await files.moved(b"/in/a.pdf", document)
    assert await paths(db) == [b"/in/b.pdf"]


async def test_a_document_goes_with_its_last_place(db):
    """Places go one by one; with the last one all pages, chunks, terms and vectors go, and nothing of others."""
    files = Files(db, HOST)
    goes = await put(files, b"/in/a.pdf", "a")
    await put(files, b"/in/b.pdf", "a")
    await searchable(db, goes, ["only here", "in both documents"])
    stays = await put(files, b"/in/c.pdf", "c")
    await searchable(db, stays, ["in both documents", "only there"])

    await files.miss([b"/in/a.pdf"])
    assert await files.forget_gone(0) == 0
    assert await documents(db) == [goes, stays] and await paths(db) == [b"/in/b.pdf", b"/in/c.pdf"]

    await files.miss([b"/in/b.pdf"])
    assert await files.forget_gone(0) == 1
    assert await documents(db) == [stays]
    assert await one(db, "SELECT count(*) FROM foliod.chunks") == 2
    assert await one(db, "SELECT count(*) FROM foliod.chunk_terms") == 2
    assert await lexicon(db) == await counted(db)
    assert await one(db, "SELECT count(*) FROM foliod.lexicon WHERE chunks <= 0") == 0
    vectors = await rows(db, "SELECT text_hash FROM foliod.embeddings ORDER BY 1")
    assert vectors == await rows(db, "SELECT text_hash FROM foliod.chunks ORDER BY 1")


async def test_a_place_on_another_host_keeps_the_document(db):
    """Several daemons share a store: one that loses its copy takes nothing from the others."""
    here, there = Files(db, HOST), Files(db, "other")
    document = await put(here, b"/in/a.pdf", "a")
    await put(there, b"/in/a.pdf", "a")
    await here.miss([b"/in/a.pdf"])
    assert await here.forget_gone(0) == 0 and await documents(db) == [document]
    assert await rows(db, "SELECT host FROM foliod.files") == [("other",)]


async def test_a_root_that_is_held_loses_nothing(db):
    """While a root is missing or not looked at yet nothing of it is forgotten; others go on."""
    files = Files(db, HOST)
    files.hold(b"/in")
    await put(files, b"/in/a.pdf", "a")
    await files.refuse(b"/in/bad.pdf", ROOT, look(), "why")
    await put(files, b"/input/b.pdf", "b")
    await files.miss([b"/in/a.pdf", b"/in/bad.pdf", b"/input/b.pdf"])
    assert await files.forget_gone(0) == 1
    assert await paths(db) == [b"/in/a.pdf", b"/in/bad.pdf"]
    files.release(b"/in")
    assert await files.forget_gone(0) == 1 and await paths(db) == []


async def test_the_user_may_say_that_a_folder_is_not_coming_back(db):
    """What is forgotten on purpose goes without grace, although its root was held."""
    files = Files(db, HOST)
    files.hold(b"/in")
    await put(files, b"/in/a.pdf", "a")
    kept = await put(files, b"/other/b.pdf", "b")
    assert await files.forget_below(b"/in", []) == 1
    assert await files.forget_gone(60) == 1 and await documents(db) == [kept]


async def test_the_grace_period_is_kept(db):
    """A file leaves when it has been gone for so long, and not before."""
    files = Files(db, HOST)
    await put(files, b"/in/a.pdf", "a")
    await age(db, b"/in/a.pdf", 50)
    assert await files.forget_gone(60) == 0
    await age(db, b"/in/a.pdf", 61)
    assert await files.forget_gone(60) == 1


async def test_a_document_that_is_written_this_moment_is_passed_over(db):
    """Forgetting never waits for a reader, and a reader whose document was forgotten is told."""
    files, store, work = Files(db, HOST), Store(db), backlog(db)
    document = await put(files, b"/in/a.pdf", "a")
    await work.claim_for_reading()
    await files.miss([b"/in/a.pdf"])
    async with store.writing_text(document, work.owner) as writer:
        assert await asyncio.wait_for(files.forget_gone(0), PATIENCE) == 0
        await writer.finish(state="stored", partial=False, reason=None)
    assert await files.forget_gone(0) == 1
    with pytest.raises(LeaseLostError):
        await store.drop_pages(document, work.owner)


async def test_many_writers_and_a_forgetter_end_consistently(db):
    """The same few contents come and go in many places at once: no deadlock, no orphan, nothing twice."""
    files = Files(db, HOST)

    async def churn(number: int) -> None:
        for turn in range(12):
            path = b"/in/%d.pdf" % ((number + turn) % 5)
            await put(files, path, f"content {(number * turn) % 3}", look(mtime=turn))
            await files.miss([b"/in/%d.pdf" % (turn % 5)])

    async def forget() -> None:
        for _ in range(12):
            await files.forget_gone(0)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(churn(number))
        group.create_task(forget())
    await files.miss(await paths(db))
    await files.forget_gone(0)
    files._replaced = True
    await files.forget_gone(0)
    assert await documents(db) == [] and await paths(db) == []


async def test_vectors_that_come_too_late_are_removed(db):
    """The model answers after its document was forgotten: the vectors go at the next tidying."""
    files, store = Files(db, HOST), Store(db)
    kept = await put(files, b"/in/a.pdf", "a")
    await searchable(db, kept, ["kept"])
    space = await store.active_space()
    await store.put_vectors(space, [(sha("late"), np.array([1.0, 0.0]))])
    await files.forget_gone(60)
    assert await rows(db, "SELECT text_hash FROM foliod.embeddings") == [(sha("kept"),)]


async def test_what_lies_in_a_watched_folder_is_not_left_behind(db):
    """A folder above, or below, the old one is watched now: only files that nobody watches count, and can be forgotten."""
    files = Files(db, HOST)
    for path in (b"/data/sub/a.pdf", b"/data/sub/deep/b.pdf", b"/data/subway/c.pdf"):
        await files.record(path, b"/data/sub", look(), sha(path.decode()))
    await files.refuse(b"/data/sub/d.pdf", b"/data/sub", look(), "why")
    await files.miss([b"/data/sub/a.pdf"])
    assert await files.left_behind([]) == {"/data/sub": 4}
    assert await files.left_behind([b"/data"]) == {}
    assert await files.forget_below(b"/data/sub", [b"/data"]) == 0
    assert await files.left_behind([b"/other", b"/data/sub/deep"]) == {"/data/sub": 3}
    assert await files.forget_below(b"/data/sub", [b"/other", b"/data/sub/deep"]) == 2
    assert await files.forget_gone(60) == 1
    assert await paths(db) == [b"/data/sub/deep/b.pdf", b"/data/subway/c.pdf"]


async def test_hot_queries_use_their_indexes(db):
    """Loading known files and looking for what to forget stay quick with many files."""
    await rows(
        db,
        "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device) "
        "SELECT 'here', '/in', ('/in/' || n)::bytea, 'x', 1, 1, 1, 1, 1 FROM generate_series(1, 20000) n RETURNING id",
    )
    async with db.transaction() as tx:
        await tx.connection.execute("ANALYZE foliod.files")
        for name, args in {
            "known_files": (HOST, b"/in/", b"/in0", 2000),
            "known_places": (HOST, [b"/in/1"]),
            "documents_to_forget": (HOST, 60.0, [], [], 2000, 0),
            "forget_unread": (HOST, 60.0, [], []),
        }.items():
            plan = await tx.connection.fetch(f"EXPLAIN {tx.queries[name].sql}", *args)
            text = "\n".join(row[0] for row in plan)
            assert "Seq Scan on files" not in text, f"{name}:\n{text}"


def test_the_made_up_signatures_are_like_real_ones():
    """The tests' signatures have the shape of those that a walk makes."""
    assert len(look()) == 48 and look(mtime=1)[IDENTITY] != look(mtime=2)[IDENTITY]
    assert look(device=1)[IDENTITY] == look(device=2)[IDENTITY]
