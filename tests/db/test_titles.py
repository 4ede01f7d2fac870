"""What documents are called is found, and follows when files are renamed, added and removed."""

import asyncio
import shutil
from random import choices

import numpy as np
import pytest
from test_retrieve import direction, fill, retriever
from test_store import backlog, chunk, one, place

from foliod.base.access import UNRESTRICTED
from foliod.base.assets import asset
from foliod.retrieve import candidates
from foliod.store.connection import connect
from foliod.store.database import Database
from foliod.store.migrate import migrate
from foliod.store.statements import Transaction
from foliod.store.store import Store
from foliod.store.titles import catch_up
from foliod.text.lexical import query_terms, weigh
from waiting import PATIENCE

ROW = "Purchases of property, plant and equipment 1,577 1,491"
OTHERS = ["Legal proceedings are described in note 14.", "The board met nine times."]


def report(*axes: int) -> list[tuple[str, np.ndarray]]:
    return [(ROW, direction(*axes)), *((text, direction(6)) for text in OTHERS)]


async def titles(db) -> set[int]:
    async with db.transaction() as tx:
        return {row["term"] for row in await tx.connection.fetch("SELECT term FROM foliod.titles")}


def ids(words: str) -> set[int]:
    return set(query_terms(words))


@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
async def test_reports_of_a_series_are_told_apart_by_their_names(db, mode):
    """The same row stands in every report: the one that the question names comes first, though the row does not say so."""
    found = await fill(
        db,
        {
            f"{company}_{year}_10K.pdf": [
                (f"{ROW} {company[0]}{year}", direction(1)),
                (OTHERS[0] + str(year), direction(6)),
            ]
            for company in ("ACME", "BOREAL", "CALDER")
            for year in range(2018, 2023)
        },
    )
    hits = (
        await retriever(db, direction(1)).search(
            "capital purchases of property at Boreal in FY2020", limit=5, mode=mode
        )
    ).hits
    assert hits[0].document == found["BOREAL_2020_10K.pdf"]
    assert hits[0].text.startswith(ROW)
    assert hits[0].title_score > max(hit.title_score for hit in hits if hit.document != hits[0].document)


async def test_the_page_that_repeats_the_name_is_not_what_is_meant(db):
    """The name is taken for said on every page of its document: the cover, full of it, does not come first."""
    names = [f"{company}_{year}.pdf" for company in ("ACME", "BOREAL", "CALDER") for year in range(2018, 2023)]
    pages = [("{0} {1} annual report. {0} {1}. Copyright {0} {1}.", direction(6)), (ROW + " {0}", direction(5))]
    found = await fill(
        db,
        {
            name: [(text.format(*name.removesuffix(".pdf").split("_")) if "Copy" in text else ROW + name[:2], where)
                   for text, where in pages]
            for name in names
        },
    )  # fmt: skip
    hits = (
        await retriever(db).search("purchases of equipment and property of Boreal 2020", limit=3, mode="keyword")
    ).hits
    assert hits[0].document == found["BOREAL_2020.pdf"]
    assert hits[0].text.startswith(ROW)


async def test_a_named_document_is_searched_as_a_whole(db, monkeypatch):
    """Where hundreds of pages fit better, the passages of the document that is meant are looked at all the same."""
    monkeypatch.setattr(candidates, "CANDIDATES", 3)
    many = {
        f"other{n}.pdf": [(f"The dividend of share class {n} was paid, dividend {n}", direction(1))] for n in range(30)
    }
    found = await fill(
        db, {"zephyr-2021.pdf": [("Distributions of 3 a share. The dividend.", direction(1, 2))], **many}
    )
    hits = (await retriever(db, direction(1)).search("dividend of Zephyr 2021", limit=3)).hits
    assert hits[0].document == found["zephyr-2021.pdf"]


async def test_the_name_is_not_looked_for_by_meaning(db):
    """The question is embedded without the name of the document that it names, so that what it asks counts."""
    names = [f"{company}_{year}.pdf" for company in ("boreal", "acme", "calder", "dorn") for year in range(2018, 2022)]
    await fill(db, {name: [(f"Nothing of note in {name}.", direction(3))] for name in names})
    search = retriever(db, direction(1))
    asked = []

    async def embed(text: str, *, seconds: float, model: str | None = None):
        asked.append(text)
        return await type(search._embedder).embed_query(search._embedder, text, seconds=seconds)

    search._embedder.embed_query = embed
    await search.search("How much did Boreal spend on equipment in 2020?", limit=3)
    await search.search("How much did Boreal spend on equipment in 2020?", limit=3, mode="vector")
    await search.search("Boreal 2020?", limit=3)
    assert asked == [
        "How much did spend on equipment in", "How much did Boreal spend on equipment in 2020?", "Boreal 2020?",
    ]  # fmt: skip


async def test_a_topic_in_a_long_title_is_no_name(db):
    """A title of many words tells of a subject: it does not put its document above the passage that answers."""
    await fill(db, {"a.pdf": [("Nothing is said here.", direction(5))]}, title="On the spread of influenza in hospitals of "
               "northern and southern provinces during the cold and the warm season")  # fmt: skip
    found = await fill(db, {"b.pdf": [("Influenza spread in hospitals by droplets.", direction(1))]})
    hits = (await retriever(db, direction(1)).search("How did influenza spread in hospitals?", limit=2)).hits
    assert hits[0].document == found["b.pdf"]


async def test_joined_words_of_a_file_name_come_apart(db):
    """HARBORLIGHTENERGY is found by "Harbor Light", since its text has these words."""
    await fill(db, {"HARBORLIGHTENERGY_2019.pdf": [("Harbor Light Energy sells power.", direction(1))]})
    assert ids("harbor light energy 2019") <= await titles(db)
    await fill(db, {"ABCDEFGHIJ_2019.pdf": [("Nothing like it.", direction(1))]})
    assert ids("abc") & await titles(db) == set()


async def test_eighty_long_words_in_a_path_cost_little(db, monkeypatch):
    """A path of gibberish is not taken to pieces as a whole; the joined name among ordinary words still comes apart."""
    gibberish = "/".join("".join(choices("bcdfghjklmnp", k=29)) for _ in range(80))
    looked_up = []
    fetch = Transaction.fetch

    async def counting(tx, name, *args):
        if name == "terms_within":
            looked_up.append(len(args[1]))
        return await fetch(tx, name, *args)

    monkeypatch.setattr(Transaction, "fetch", counting)
    await fill(db, {f"{gibberish}.pdf": report(1)})
    assert sum(looked_up) < 5000
    folders = "documents/downloads/finance/reports/archive/statements/projects"
    await fill(db, {f"{folders}/HARBORLIGHTENERGY.pdf": [("Harbor Light Energy sells power.", direction(1))]})
    assert ids("harbor light energy") <= await titles(db)


async def test_of_many_copies_some_name_their_document(db):
    """A document that lies in a thousand places is called by the first twenty of them."""
    document = (await fill(db, {"first.pdf": report(1)}))["first.pdf"]
    async with db.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device, document_id)"
            " SELECT 'here', '/in', convert_to(name, 'UTF8'), name, 1, 1, 1, 1, 1, $1::bigint"
            " FROM (SELECT '/in/copy' || n || '.pdf' FROM generate_series(10, 1009) n) made (name)", document,
        )  # fmt: skip
        assert [len(row["names"]) for row in await tx.fetch("names_of", [document], 20, *UNRESTRICTED)] == [20]
    assert await catch_up(db)
    assert not await catch_up(db)
    assert ids("first copy28") <= await titles(db)
    assert not ids("copy29") & await titles(db)


async def test_a_renamed_file_is_found_by_its_new_name(db):
    """After a move the new name and folder count, and the old ones no more."""
    found = await fill(db, {"draft.pdf": report(1)})
    assert ids("draft") <= await titles(db)
    async with db.transaction() as tx:
        document = found["draft.pdf"]
        await tx.connection.execute(
            "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device, document_id)"
            " VALUES ('h', '/in', '/in/boreal/2020.pdf', '/in/boreal/2020.pdf', 1, 1, 1, 1, 1, $1)", document,
        )  # fmt: skip
        await tx.connection.execute("DELETE FROM foliod.files WHERE display = '/in/draft.pdf'")
    assert ids("draft") <= await titles(db)
    assert await catch_up(db)
    assert ids("boreal 2020") <= await titles(db)
    assert not ids("draft") & await titles(db)
    assert not await catch_up(db)


async def add_place(tx, document: int, path: str) -> None:
    await tx.connection.execute(
        "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device, document_id)"
        " VALUES ('here', '/in', convert_to($1, 'UTF8'), $1, 1, 1, 1, 1, 1, $2)", path, document,
    )  # fmt: skip


@pytest.mark.parametrize("moment", ["drop_titles", "names_taken"])
async def test_a_name_that_comes_while_names_are_taken_in_counts(db, monkeypatch, moment):
    """A copy that is found at the very moment in which its document's names are looked at is found by its name."""
    document = (await fill(db, {"alpha.pdf": report(1)}))["alpha.pdf"]
    async with db.transaction() as tx:
        await add_place(tx, document, "/in/boreal.pdf")
    execute = Transaction.execute

    async def meanwhile(tx, name, *args, **named):
        await execute(tx, name, *args, **named)
        if name == moment:
            monkeypatch.undo()
            async with asyncio.timeout(PATIENCE), db.transaction() as other:
                await add_place(other, document, "/in/zephyr_2021.pdf")

    monkeypatch.setattr(Transaction, "execute", meanwhile)
    while await catch_up(db):
        pass
    assert ids("alpha boreal zephyr 2021") <= await titles(db)


async def test_a_file_is_recorded_while_its_document_is_written(db):
    """The text of a large document may take minutes to write: its copies are recorded meanwhile, and named afterwards."""
    document = (await fill(db, {"alpha.pdf": report(1)}))["alpha.pdf"]
    async with db.transaction() as tx:
        await tx.connection.execute("SELECT 1 FROM foliod.documents WHERE id = $1 FOR NO KEY UPDATE", document)
        async with asyncio.timeout(PATIENCE), db.transaction() as other:
            await add_place(other, document, "/in/copy.pdf")
        assert not await catch_up(db)
    assert await catch_up(db)
    assert ids("copy") <= await titles(db)


async def test_a_copy_that_comes_while_a_document_is_read_first_counts(db):
    """What is noted of a document that somebody reads is kept until its text is there; of all others it is forgotten."""
    store, work = Store(db), backlog(db)
    document = await place(db, "first.pdf")
    assert await work.claim_for_reading()
    async with store.writing_text(document, work.owner) as writer:
        await writer.add(chunk(0, "some words"), weigh("some words"))
        await writer.finish(state="stored", partial=False, reason=None)
        async with db.transaction() as other:
            await add_place(other, document, "/in/copy.pdf")
        assert not await catch_up(db)
    await place(db, "unread.pdf")
    while await catch_up(db):
        pass
    assert ids("first copy") <= await titles(db)
    assert await one(db, "SELECT count(*) FROM foliod.renamed") == 0


async def test_a_file_that_was_away_keeps_its_name(db):
    """While its folder is not there a document is still found by its name, and also when it has come back."""
    document = (await fill(db, {"alpha_2021.pdf": report(1)}))["alpha_2021.pdf"]
    await db.execute("miss_files", "here", [b"/in/alpha_2021.pdf"])
    assert await catch_up(db)
    assert ids("alpha 2021") <= await titles(db)
    async with db.transaction() as tx:
        await add_place(tx, document, "/in/boreal.pdf")
    assert await catch_up(db)
    assert not ids("alpha") & await titles(db)
    await db.execute("refresh_files", "here", [b"/in/alpha_2021.pdf"], [1], [1])
    assert await catch_up(db)
    assert ids("alpha 2021 boreal") <= await titles(db)
    assert not await catch_up(db)


async def test_documents_of_an_older_store_get_their_names(empty_dsn, tmp_path):
    """After an update what was read before is found by its names as well."""
    for path in asset("sql/migrations").glob("000[1-7]_*.sql"):
        shutil.copy(path, tmp_path)
    await migrate(empty_dsn, folder=tmp_path)
    async with connect(empty_dsn) as connection:
        await connection.execute(
            "INSERT INTO foliod.documents (sha256, size, chunk_count) VALUES (sha256('a'), 1, 1);"
            "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device, document_id)"
            " SELECT 'here', '/in', '/in/a.pdf', '/in/boreal.pdf', 1, 1, 1, 1, 1, id FROM foliod.documents"
        )
    await migrate(empty_dsn)
    async with Database.open(empty_dsn, pool_size=2) as db:
        assert await catch_up(db)
        assert await titles(db) == ids("boreal")


async def test_other_content_under_a_name_takes_the_name_along(db):
    """A file that is overwritten names its new document, and the old one no longer."""
    found = await fill(db, {"old.pdf": report(1), "new.pdf": report(2)})
    async with db.transaction() as tx:
        await tx.connection.execute(
            "UPDATE foliod.files SET document_id = $1 WHERE document_id = $2", found["new.pdf"], found["old.pdf"]
        )
    assert await catch_up(db)
    async with db.transaction() as tx:
        rows = await tx.connection.fetch("SELECT DISTINCT document_id FROM foliod.titles")
    assert [row["document_id"] for row in rows] == [found["new.pdf"]]
    assert ids("old new") <= await titles(db)


async def test_what_is_forgotten_is_named_no_more(db):
    """The names of a removed document go with it."""
    found = await fill(db, {"secret.pdf": report(1)})
    async with db.transaction() as tx:
        await tx.connection.execute("DELETE FROM foliod.files")
        await tx.connection.execute("DELETE FROM foliod.documents WHERE id = $1", found["secret.pdf"])
    assert await titles(db) == set()
