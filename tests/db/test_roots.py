"""What may be read of the files of all hosts, in a real store: searches that leave out what a client may not see."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web
from library import LIBRARY, system
from structlog.testing import capture_logs
from test_store import HOST, one, place

from foliod.base.access import Access, Root, columns
from foliod.base.config import Settings, Watch
from foliod.base.contract import SearchRequest
from foliod.base.model import Filters
from foliod.base.telemetry import Telemetry
from foliod.serve.access import access_of, ready
from foliod.serve.bearer import Bearer, bearer_token
from foliod.serve.serve import application, sites
from foliod.serve.services import Services
from foliod.serve.sockets import tcp_sockets
from foliod.store import roots as rooms
from foliod.store.roots import KnownRoot, Roots


def watched(*paths: str, restricted: tuple[str, ...] = ()) -> list[Watch]:
    return [Watch(path=path, users=("4711",) if path in restricted else ()) for path in paths]


async def put(db, document: int, path: str, host: str = HOST, root: str = "/in") -> None:
    """One more place of a document."""
    await one(
        db,
        "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device, document_id)"
        " VALUES ($1, $2, convert_to($3, 'UTF8'), $3, 1, 1, 1, 1, 1, $4)",
        host, root, path, document,
    )  # fmt: skip


async def told(db) -> set[tuple[str, str, bool, bool]]:
    return {(r.host, r.path.decode(), r.restricted, r.watched) for r in await Roots(db, HOST).known()}


# --- what is written down ---------------------------------------------------------------


async def test_what_a_host_watches_is_known_to_all(db):
    """Each host writes its folders down; news are what is restricted now and was not."""
    here, there = Roots(db, HOST), Roots(db, "there")
    assert await here.register(watched("/in", "/secret", restricted=("/secret",)))
    assert not await here.register(watched("/in", "/secret", restricted=("/secret",)))
    assert not await there.register(watched("/in"))
    assert await told(db) == {(HOST, "/in", False, True), (HOST, "/secret", True, True), ("there", "/in", False, True)}
    assert await there.register(watched("/in", restricted=("/in",)))
    assert ("there", "/in", True, True) in await told(db)


async def test_a_folder_that_is_dropped_keeps_its_restriction(db):
    """While files of it are known, a folder that is watched no more is as open as it was; then it is forgotten."""
    roots = Roots(db, HOST)
    await roots.register(watched("/in", "/secret", "/empty", restricted=("/secret",)))
    await put(db, await place(db, "a.pdf"), "/secret/a.pdf")
    await roots.register(watched("/in"))
    assert await told(db) == {(HOST, "/in", False, True), (HOST, "/secret", True, False)}
    with capture_logs() as logs:
        await roots.register(watched("/"))
    assert [entry["folder"] for entry in logs if entry["event"] == "restriction_ended"] == ["/secret"]
    assert await told(db) == {(HOST, "/", False, True)}, "what is watched as a whole now counts for what is inside"


async def test_an_older_store_stays_as_open_as_it_was(make_database):
    """Folders of a store from before restrictions were open to everybody, on all its hosts."""
    from pathlib import Path

    import asyncpg

    from foliod.base.assets import asset

    async with make_database("TEMPLATE template0 ENCODING 'UTF8'") as url:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("CREATE SCHEMA foliod; CREATE EXTENSION IF NOT EXISTS vector")
            for file in sorted(Path(asset("sql/migrations")).glob("*.sql")):
                if file.name.startswith("0011_roots"):
                    await connection.execute(
                        "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device)"
                        " VALUES ('old', '/grün', '/grün/a', '/grün/a', 1, 1, 1, 1, 1)"
                    )
                await connection.execute(file.read_text("utf-8"))
            rows = await connection.fetch("SELECT host, path, restricted FROM foliod.roots")
        finally:
            await connection.close()
    assert [tuple(row) for row in rows] == [("old", "/grün".encode(), False)]


# --- what is found ----------------------------------------------------------------------


def seeing(*roots: tuple[str, bool], host: str = HOST) -> Access:
    return Access.of(HOST, [Root(host, path.encode(), readable) for path, readable in roots])


async def test_a_search_finds_all_of_what_may_be_read_and_nothing_else(db):
    """By words, by meaning, by both: the passages of readable documents are found as if there were no others."""
    many = {
        f"r{n}.pdf": [f"The quarterly report number {n} of the harbour office names the tide tables."]
        for n in range(40)
    }
    async with system(db, LIBRARY | many) as s:
        for n in range(0, 40, 4):
            await one(db, "UPDATE foliod.files SET path = convert_to('/open/' || $1, 'UTF8'), display = '/open/' || $1,"
                      " root = '/open' WHERE display = '/in/' || $1", f"r{n}.pdf")  # fmt: skip
        access = seeing(("/open", True), ("/in", False))
        for mode in ("keyword", "vector", "hybrid"):
            found = await s.retriever.search(
                "harbour office tide tables", limit=50, mode=mode, filters=Filters(access=access)
            )
            assert found.mode == mode
            assert {hit.document for hit in found.hits} | {c.document for hit in found.hits for c in hit.copies} == {
                s.documents[f"r{n}.pdf"] for n in range(0, 40, 4)
            }
            assert (found.coverage.documents, found.coverage.pages) == (10, 10)
            assert all(path.startswith("/open/") for hit in found.hits for path in hit.paths)
        nothing = await s.retriever.search(
            "incubation period", limit=5, filters=Filters(access=seeing(("/none", True)))
        )
        assert (nothing.hits, nothing.coverage.documents) == ((), 0)


async def test_large_parts_are_searched_through_the_indexes_with_all_neighbours(db, monkeypatch):
    """More than is compared one by one is looked for with the indexes, and just as completely."""
    from foliod.retrieve import among

    monkeypatch.setattr(among, "SMALL", 3)
    many = {f"r{n}.pdf": [f"The quarterly report number {n} names the tide tables."] for n in range(40)}
    async with system(db, many) as s:
        for n in range(20):
            await one(db, "UPDATE foliod.files SET path = convert_to('/open/' || $1, 'UTF8') WHERE display = '/in/' || $1",
                      f"r{n}.pdf")  # fmt: skip
        for mode in ("keyword", "vector", "hybrid"):
            found = await s.retriever.search(
                "tide tables", limit=50, mode=mode, filters=Filters(access=seeing(("/open", True)))
            )
            assert {hit.document for hit in found.hits} == {s.documents[f"r{n}.pdf"] for n in range(20)}


async def test_a_folder_is_looked_for_among_what_may_be_read(db):
    """That a readable document lies in a hidden folder too can't be asked by naming that folder."""
    async with system(db) as s:
        await put(db, s.documents["virus.pdf"], "/secret/merger.pdf")
        access = seeing(("/in", True), ("/secret", False))
        for folder, number in (("/secret", 0), ("/in", 1)):
            found = await s.retriever.search("incubation", limit=5, filters=Filters(folder=folder, access=access))
            assert bool(found.hits) is bool(number)


async def test_names_that_may_not_be_seen_find_nothing(db):
    """A document that lies in a hidden folder too is not recognised by the name that it has there."""
    from foliod.store.titles import catch_up

    async with system(db) as s:
        await put(db, s.documents["virus.pdf"], "/in/secret/zebrafusion.pdf")
        while await catch_up(db):
            pass
        seen = await s.retriever.search("zebrafusion incubation", limit=1)
        assert seen.hits[0].title_score > 0
        hidden = await s.retriever.search(
            "zebrafusion incubation", limit=1, filters=Filters(access=seeing(("/in", True), ("/in/secret", False)))
        )
        assert hidden.hits[0].document == s.documents["virus.pdf"]
        assert not hidden.hits[0].title_score
        assert hidden.rest == "zebrafusion incubation"


@pytest.mark.parametrize("small", [0, 5000], ids=["by the indexes", "one by one"])
@pytest.mark.parametrize("mode", ["keyword", "hybrid"])
async def test_no_score_tells_whether_a_word_stands_in_hidden_documents(db, monkeypatch, mode, small):
    """Words and names of hidden documents change nothing that is found, nor any score: they are as unknown as any word."""
    from foliod.retrieve import among
    from foliod.store.titles import catch_up

    monkeypatch.setattr(among, "SMALL", small)
    hidden = {
        f"virus zebrafusion {n}.pdf": ["The quokka merger of the canteen is signed by Adalbert on Friday."]
        for n in range(9)
    }
    async with system(db, LIBRARY | {"canteen.pdf": ["The canteen opens at noon."]} | hidden) as s:
        await one(db, "UPDATE foliod.files SET path = convert_to('/secret' || substr(display, 4), 'UTF8')"
                  " WHERE display LIKE '%zebrafusion%'")  # fmt: skip
        await put(db, s.documents["canteen.pdf"], "/secret/wolverine.pdf")
        while await catch_up(db):
            pass
        access = seeing(("/in", True), ("/secret", False))

        async def told(query: str) -> list[tuple[object, ...]]:
            found = await s.retriever.search(query, limit=20, mode=mode, filters=Filters(access=access))
            return [(hit.document, hit.score, hit.keyword, hit.title_score) for hit in found.hits]

        if mode == "keyword":
            assert await told("quokka") == []
            for word in ("quokka", "merger", "zebrafusion", "wolverine", "Adalbert"):
                assert await told(f"canteen {word}") == await told("canteen xyzzyq"), word
        assert {number for number, *_ in await told("canteen quokka zebrafusion")} <= {*map(s.documents.get, LIBRARY),
                                                                                     s.documents["canteen.pdf"]}  # fmt: skip
        before = [await told(query) for query in ("canteen", "virus incubation")]
        assert before[1][0][3] > 0, "known by its name"
        numbers = [s.documents[name] for name in hidden]
        await one(db, "DELETE FROM foliod.files WHERE document_id = ANY($1)", numbers)
        await one(db, "DELETE FROM foliod.documents WHERE id = ANY($1)", numbers)
        await one(db, "UPDATE foliod.lexicon l SET chunks = (SELECT count(*) FROM foliod.chunk_terms t"
                  " WHERE l.term = ANY(t.terms))")  # fmt: skip
        s.retriever._reader._corpus = (0.0, 0, 0, ())
        assert before == [await told(query) for query in ("canteen", "virus incubation")], "nor how many there are"


async def test_pending_counts_what_may_be_read(db):
    """How many documents are still to be read is told of readable ones only."""
    async with system(db) as s:
        await put(db, await place(db, "new.pdf", host="there"), "/open/new.pdf")
        await place(db, "hidden.pdf")
        for access, pending in ((seeing(("/open", True)), 1), (seeing(("/in", True)), 1), (None, 2)):
            found = await s.retriever.search("virus", limit=1, filters=Filters(access=access))
            assert found.coverage.pending == pending


# --- several hosts ----------------------------------------------------------------------


async def access_by_token(db, short_dir, settings: Settings) -> Access | None:
    """What a client with the token may see, asked through a real door."""
    found = []

    async def look(request: web.Request) -> web.Response:
        found.append(await access_of(request))
        return web.Response()

    services = Services(settings, Telemetry(), None, db, roots=Roots(db, HOST))
    token = bearer_token(short_dir / "state" / "token")
    app = application(lambda: services, bearer=Bearer(short_dir / "state" / "token"))
    app.add_routes([web.get("/look", look)])
    async with sites(app, tcp_sockets("127.0.0.1:0")) as [address], aiohttp.ClientSession(address) as client:
        answer = await client.get("/look", headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 200, await answer.text()
    return found[0]


def settings_of(short_dir, *watch: dict) -> Settings:
    return Settings(
        state_dir=short_dir / "state", server={"socket": short_dir / "s", "http": "127.0.0.1:0"}, watch=watch
    )


async def test_a_hit_names_no_host_that_may_not_be_seen(db):
    """A hit says on which other host the place lies that it names first: of those that this client may see."""
    async with system(db, {"a.pdf": ["The tide tables of the harbour office are printed once a year."]}) as s:
        number = s.documents["a.pdf"]
        await one(db, "UPDATE foliod.files SET host = 'first' WHERE document_id = $1", number)
        await put(db, number, "/docs/a.pdf", host="second", root="/docs")
        await put(db, number, "/here/a.pdf", root="/here")
        s.retriever._host = HOST

        async def found(access: Access | None) -> tuple[str | None, int]:
            [hit] = (await s.retriever.search("tide tables", limit=1, filters=Filters(access=access))).hits
            return hit.host, len(hit.paths)

        assert await found(None) == ("first", 3)
        assert await found(seeing(("/docs", True), host="second")) == ("second", 1)
        assert await found(seeing(("/here", True))) == (None, 1)


async def test_without_restrictions_nothing_is_filtered(db, short_dir):
    """Where no host restricts a folder, everybody who may enter is answered by the same queries as before."""
    await Roots(db, "there").register(watched("/docs"))
    assert await access_by_token(db, short_dir, settings_of(short_dir, {"path": "/in"})) is None


async def test_what_another_host_restricts_is_not_seen_here(db, short_dir):
    """Of other hosts' folders those are seen that are open there; restricted and unknown ones are not."""
    await Roots(db, "there").register(watched("/docs", "/secret", restricted=("/secret",)))
    access = await access_by_token(db, short_dir, settings_of(short_dir, {"path": "/in"}))
    document = {}
    for host, path in (
        ("there", "/docs/a"),
        ("there", "/secret/a"),
        ("unknown", "/docs/a"),
        (HOST, "/in/a"),
        (HOST, "/secret/a"),
    ):
        document[host, path] = number = await place(db, f"{host}{path}", host="nowhere")
        await put(db, number, path, host=host)
    rows = await db.fetch("seen_documents", list(document.values()), *columns(access))
    assert {row["id"] for row in rows} == {document["there", "/docs/a"], document[HOST, "/in/a"]}


async def test_the_token_opens_a_restricted_folder_only_where_that_is_said(db, short_dir):
    """`token = true` lets clients of the localhost door read a folder that only some users may."""
    secret, other = ({"path": path, "users": ["4711"]} for path in ("/secret", "/other"))
    access = await access_by_token(db, short_dir, settings_of(short_dir, secret, other))
    assert not access.reads(b"/secret/a.pdf")
    access = await access_by_token(db, short_dir, settings_of(short_dir, secret | {"token": True}, other))
    assert not access.reads(b"/other/a.pdf")
    assert access.reads(b"/secret/a.pdf")


async def test_who_may_read_everything_is_searched_for_as_without_restrictions(db, short_dir):
    """Where every folder is open to a client, nothing is filtered for it, though others are held to limits."""
    settings = settings_of(short_dir, {"path": "/in"}, {"path": "/secret", "users": ["4711"], "token": True})
    assert await access_by_token(db, short_dir, settings) is None


async def test_who_waited_sees_what_may_be_seen_then(db, short_dir):
    """A request that waits is answered by the rights of when it is answered, not of when it began."""
    before = settings_of(short_dir, {"path": "/in"}, {"path": "/secret"})
    after = settings_of(short_dir, {"path": "/in"}, {"path": "/secret", "users": ["4711"]})

    class Restricting:
        """A wait that takes until the configuration has changed."""

        async def wait(self, path: str | None, seconds: float) -> None:
            current[0] = replace(current[0], settings=after)

    async def look(request: web.Request) -> web.Response:
        found.append(await ready(request, current[0], SearchRequest(query="x", wait="settled")))
        return web.Response()

    found: list[Filters] = []
    current = [Services(before, Telemetry(), None, db, pipeline=Restricting(), roots=Roots(db, HOST))]
    token = bearer_token(short_dir / "state" / "token")
    app = application(lambda: current[0], bearer=Bearer(short_dir / "state" / "token"))
    app.add_routes([web.get("/look", look)])
    async with sites(app, tcp_sockets("127.0.0.1:0")) as [address], aiohttp.ClientSession(address) as client:
        answer = await client.get("/look", headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 200, await answer.text()
    assert found[0].access is not None
    assert not found[0].access.reads(b"/secret/a.pdf")


async def test_what_others_restrict_is_known_within_a_second(db, monkeypatch):
    """The folders of other hosts are asked for again and again, not once."""
    here, there = Roots(db, HOST), Roots(db, "there")
    assert await here.known() == ()
    await there.register(watched("/docs", restricted=("/docs",)))
    assert await here.known() == (), "asked a moment ago"
    monkeypatch.setattr(rooms, "KNOWN_SECONDS", 0.0)
    assert await here.known() == (KnownRoot("there", b"/docs", restricted=True, watched=True),)


async def test_what_others_restrict_is_known_through_an_outage_that_follows_a_start_or_reload(db, monkeypatch):
    """Who starts, or changes their own folders, knows the others' from then on: that is what counts in an outage."""
    await Roots(db, "there").register(watched("/secret", restricted=("/secret",)))
    roots = Roots(db, HOST)
    await roots.register(watched("/in"))
    await roots.register(watched("/in", "/more"))
    monkeypatch.setattr(db.pulse, "away", "PostgreSQL is away")
    assert [root.path for root in await roots.known_last() if root.restricted] == [b"/secret"]


@pytest.mark.parametrize("query", ["list_documents", "hit_details", "document_files", "names_of"])
async def test_who_sees_everything_pays_nothing(db, query):
    """Without restrictions the plans hold no trace of them."""
    arguments = {
        "list_documents": (None, None, None, 0, 51),
        "hit_details": ([1, 2], 20, None),
        "names_of": ([1, 2], 20),
        "document_files": (1,),
    }[query]
    async with db.transaction() as tx:
        rows = await tx.connection.fetch("EXPLAIN " + db.queries[query].text({}), *arguments, None, None, None)
        plan = "\n".join(row[0] for row in rows)
        assert "unnest" not in plan.lower()
        assert "Function Scan" not in plan
        rows = await tx.connection.fetch(
            "EXPLAIN " + db.queries[query].text({}), *arguments, ["h"], [b"/in/"], [b"/in0"]
        )
        assert "span" in "\n".join(row[0] for row in rows)
