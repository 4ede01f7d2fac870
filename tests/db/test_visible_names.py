"""What documents are called for a client that sees some of their places only: no score tells of the others."""

from __future__ import annotations

import pytest
from library import LIBRARY, System, system
from test_roots import put, seeing
from test_store import one

from foliod.base.access import Access, columns
from foliod.base.model import Filters
from foliod.retrieve import names
from foliod.store.titles import catch_up

VISIBLE = {
    "HARBORLIGHTENERGY_2019.pdf": ["Harbor Light Energy sells power at noon.", "The dividend was paid in May."],
    "archive/Boreal annual report FY20.pdf": ["Purchases of property, plant and equipment 1,577 1,491."],
    "Boreal/2021.pdf": ["Purchases of property, plant and equipment 1,611 1,577."],
}
ACCESS = seeing(("/in", True), ("/secret", False))
NAMING = [
    "Harbor Light 2019 dividend",
    "purchases of property at Boreal in 2020",
    "Boreal 2021 equipment",
    "Canine Distemper power",
]
QUESTIONS = [*NAMING, "dividend", "wolverine purchases", "virus incubation"]


async def told(
    s: System, query: str, mode: str = "keyword", access: Access | None = ACCESS
) -> list[tuple[object, ...]]:
    """All that an answer says of how well things fit."""
    while await catch_up(s.db):
        pass
    found = await s.retriever.search(query, limit=20, mode=mode, filters=Filters(access=access))
    return [
        (hit.document, hit.rank, hit.score, hit.keyword, hit.title_score, hit.paths, hit.places, found.rest)
        for hit in found.hits
    ]


async def hide(s: System, name: str, hidden: str) -> None:
    """Put a copy of a visible document into the folder that may not be seen."""
    await put(s.db, s.documents[name], f"/secret/{hidden}", root="/secret")


@pytest.mark.parametrize("mode", ["keyword", "hybrid"])
async def test_no_score_tells_that_a_document_lies_in_a_hidden_folder_too(db, mode):
    """With copies in a folder that a client may not read, under the same name or others, it gets the very same scores."""
    async with system(db, LIBRARY | VISIBLE) as s:
        await one(db, "UPDATE foliod.documents SET title = 'Canine Distemper' WHERE id = $1",
                  s.documents["HARBORLIGHTENERGY_2019.pdf"])  # fmt: skip
        before = {query: await told(s, query, mode) for query in QUESTIONS}
        assert all(before[query][0][4] > 0.1 for query in NAMING), "known by their names"
        of_all = await told(s, "wolverine purchases", mode, None)
        await hide(s, "HARBORLIGHTENERGY_2019.pdf", "HARBORLIGHTENERGY_2019.pdf")
        assert before == {query: await told(s, query, mode) for query in QUESTIONS}
        for name in VISIBLE:
            for n in range(25):
                await hide(s, name, f"{name[:2]} wolverine Boreal 2020 harbor dividend {n}.pdf")
            # The hidden ones are more than are taken in of a document, and were there first.
            await one(db, "DELETE FROM foliod.files WHERE display = '/in/' || $1", name)
            await put(db, s.documents[name], f"/in/{name}")
        assert before == {query: await told(s, query, mode) for query in QUESTIONS}
        assert of_all != await told(s, "wolverine purchases", mode, None), "who sees them finds by their names"


async def test_a_visible_name_counts_while_its_folder_is_away_and_only_then(db):
    """A place that is gone names its document until a visible one is there: hidden ones make no difference."""
    query = "Boreal 2021 equipment"
    async with system(db, VISIBLE) as s:
        document = s.documents["Boreal/2021.pdf"]
        expected = []
        for hidden in (False, True):
            if hidden:
                await hide(s, "Boreal/2021.pdf", "other.pdf")
            await one(db, "UPDATE foliod.files SET gone_at = '2026-01-01' WHERE display = '/in/Boreal/2021.pdf'")
            expected.append(await told(s, query))
            await put(db, document, "/in/plain.pdf")
            expected.append(await told(s, query))
            await one(db, "DELETE FROM foliod.files WHERE display = '/in/plain.pdf'")
            await one(db, "UPDATE foliod.files SET gone_at = NULL WHERE display = '/in/Boreal/2021.pdf'")
        assert expected[:2] == expected[2:]
        assert expected[0] != expected[1]


async def test_a_document_that_is_partly_hidden_is_found_by_its_new_name(db, monkeypatch):
    """A visible file that is renamed is found by its new name at once, and by the old one no more; few are kept in mind."""
    monkeypatch.setattr(names, "MOST_KEPT", 1)
    async with system(db, VISIBLE) as s:
        for name in VISIBLE:
            await hide(s, name, f"x{name[-8:]}")
        assert (await told(s, "Boreal 2021 equipment"))[0][4] > 0.1
        await one(db, "UPDATE foliod.files SET display = '/in/Zephyr/2018.pdf', path = '/in/Zephyr/2018.pdf'"
                  " WHERE display = '/in/Boreal/2021.pdf'")  # fmt: skip
        assert (await told(s, "Zephyr 2018 equipment"))[0][4] > 0.1
        assert s.documents["Boreal/2021.pdf"] not in [
            hit[0] for hit in await told(s, "Boreal 2021 equipment") if hit[4] > 0.1
        ]
        assert len(s.retriever._visible._kept) == 1


async def test_the_place_in_the_folder_that_is_asked_for_is_named_first(db):
    """Asked for a folder, a hit and a list name the place in it first, and its host, wherever else the document lies."""
    async with system(db, LIBRARY) as s:
        document = s.documents["virus.pdf"]
        await put(db, document, "/desk/health/flu.pdf", host="there", root="/desk")
        await put(db, document, "/desktop/flu.pdf", root="/desktop")
        everywhere = ["/in/virus.pdf", "/desk/health/flu.pdf", "/desktop/flu.pdf"]
        for folder, first in ((None, 0), ("/in", 0), ("/desk", 1), ("/desk/health/", 1), ("/desktop", 2)):
            for access in (None, seeing(("/in", True), ("/desktop", True))):
                visible = [path for n, path in enumerate(everywhere) if access is None or n != 1]
                found = await s.retriever.search("incubation", limit=1, filters=Filters(folder=folder, access=access))
                rows = await db.fetch("list_documents", None, folder, None, document - 1, 1, *columns(access))
                if everywhere[first] not in visible:
                    assert (found.hits, rows) == ((), [])
                    continue
                expected = sorted(visible, key=lambda path: path != everywhere[first])
                assert list(found.hits[0].paths) == rows[0]["paths"] == expected
                assert found.hits[0].host == ("there" if first == 1 else "here")
