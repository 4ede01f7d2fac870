"""The routes over a real Unix socket, from a real store."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from library import LIBRARY, VIRUS, System, system
from structlog.testing import capture_logs
from test_store import backlog, one, place

from foliod.base.errors import NotFoundError, WaitTimeoutError
from foliod.base.telemetry import Telemetry
from foliod.serve.serve import application, sites
from foliod.serve.services import Services
from foliod.serve.sockets import unix_socket

INCUBATION = "How long is the incubation period of the virus?"


class Swept:
    """Stands for the pipeline, which belongs to other tests: all swept, `/in/late.pdf` never done."""

    def __init__(self) -> None:
        self.waited: list[tuple[str | None, float]] = []
        self.reasons: list[str] = []
        self.troubles: dict[str, str] = {}

    def trouble(self, task: str) -> str | None:
        return next(iter(self.troubles.values()), None)

    async def wait(self, path: str | None, seconds: float) -> None:
        self.waited.append((path, seconds))
        if path == "/in/late.pdf":
            raise WaitTimeoutError(f"{path} is not searchable after {seconds:g} s")
        if path == "/elsewhere":
            raise NotFoundError

    def roots(self) -> list[dict]:
        return [{"path": "/in", "files": 2, "state": "watching"}]

    def needs(self) -> dict:
        return {"passwords": [], "ocr": {"available": True, "problem": None}}

    def ready_reasons(self) -> list[str]:
        return self.reasons


@pytest.fixture
def pipeline() -> Swept:
    return Swept()


@asynccontextmanager
async def served(s: System, folder: Path, pipeline: Swept, telemetry: Telemetry | None = None):
    """Serve a system on a Unix socket; yields a client."""
    services = Services(
        s.settings, telemetry or Telemetry(), s.inference.health, s.db, s.retriever, s.answerer, pipeline
    )
    with unix_socket(folder / "s") as listener:
        async with sites(application(lambda: services), [listener]):
            connector = aiohttp.UnixConnector(str(folder / "s"))
            async with aiohttp.ClientSession("http://foliod", connector=connector) as client:
                yield client


async def json_of(answer: aiohttp.ClientResponse, status: int = 200) -> dict:
    assert answer.status == status, await answer.text()
    assert answer.content_type == "application/json"
    return await answer.json()


# --- search and ask ---------------------------------------------------------------------


async def test_search_by_http(db, short_dir, pipeline):
    """A search answers in the documented shape."""
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        body = await json_of(await client.post("/v1/search", json={"query": INCUBATION, "limit": 3}))
    assert body.keys() == {"mode", "hits", "coverage", "took_ms", "note"}
    assert body["mode"] == "hybrid"
    assert body["coverage"] == {"documents": 2, "pages": 5, "unread_pages": 0, "pending": 0}
    hit = body["hits"][0]
    assert hit.keys() == {
        *("rank", "score", "scores", "document", "pages", "heading", "text", "start", "end", "rects", "chunk", "copies")
    }
    assert (hit["start"], hit["end"]) == (len(VIRUS[0]) + 1, len(VIRUS[0]) + 1 + len(VIRUS[1]))
    assert hit["scores"].keys() == {"keyword", "vector", "title"}
    assert (hit["rank"], hit["text"], hit["pages"], hit["rects"]) == (1, VIRUS[1], [2, 2], None)
    assert hit["document"].keys() == {"id", "sha256", "title", "path", "paths", "places", "host"}
    assert (hit["document"]["paths"], hit["document"]["places"]) == (["/in/virus.pdf"], 1)
    assert len(body["hits"]) == 3


async def test_a_document_in_thousands_of_places_makes_no_large_answer(db, short_dir, pipeline):
    """A hit names some of the places where its document is, always the same ones, and says how many there are."""
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        await one(
            db,
            "INSERT INTO foliod.files (host, path, display, root, size, mtime_ns, inode, ctime_ns, device, document_id, gone_at)"
            " SELECT 'here', convert_to('/in/' || n, 'UTF8'), '/in/' || n, '/in', 1, 1, 1, 1, 1, $1,"
            " CASE WHEN n % 2 = 0 THEN now() END FROM generate_series(1, 5000) n",
            s.documents["virus.pdf"],
        )
        answer = await client.post("/v1/search", json={"query": INCUBATION, "limit": 1})
        document = (await json_of(answer))["hits"][0]["document"]
    assert document["places"] == 5001
    assert document["paths"] == ["/in/virus.pdf", *(f"/in/{n}" for n in range(1, 39, 2))]


async def test_filters_by_http(db, short_dir, pipeline):
    """Folder, document and dates narrow a search; what nothing fits finds nothing."""
    async with system(db) as s, served(s, short_dir, pipeline) as client:

        async def hits(**narrowed) -> list[dict]:
            return (await json_of(await client.post("/v1/search", json={"query": "virus April", **narrowed})))["hits"]

        assert {h["document"]["title"] for h in await hits(document=s.documents["tax.pdf"])} == {"tax"}
        assert await hits(folder="/in/")
        assert await hits(folder="/other") == []
        assert await hits(before="2001-01-01") == []
        assert await hits(after="2001-01-01")
        assert await hits(folder="")
        for path, body in (("search", {"query": "virus"}), ("ask", {"question": "virus"})):
            answer = await json_of(await client.post(f"/v1/{path}", json={**body, "document": 999}), 404)
            assert (
                answer["error"]["code"],
                "there is no document 999; `foliod documents`, or GET /v1/documents, lists"
                in answer["error"]["message"],
            ) == (
                "not_found",
                True,
            )


async def test_asking_by_http(db, short_dir, pipeline):
    """A question is answered in lines of JSON; without streaming the last of them is the whole answer."""
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        answer = await client.post("/v1/ask", json={"question": INCUBATION})
        assert answer.content_type == "application/x-ndjson"
        events = [json.loads(line) async for line in answer.content]
        done = await json_of(await client.post("/v1/ask", json={"question": INCUBATION, "stream": False}))
    assert [events[0]["type"], events[1]["type"], events[-1]["type"]] == ["sources", "token", "done"]
    assert done.keys() == events[-1].keys()
    assert done["answer"] == events[-1]["answer"]
    assert done["citations"] == events[-1]["citations"]


async def test_asking_with_all_fields(db, short_dir, pipeline):
    """Every documented field of a question is taken."""
    body = {
        "question": INCUBATION, "history": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}],
        "limit": 1, "model": "deepseek-r1:8b", "think": False, "stream": True, "mode": "keyword", "folder": "/in",
        "after": "2001-01-01", "before": "2100-01-01T00:00:00Z", "wait": "settled", "wait_seconds": 5,
    }  # fmt: skip
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        body["document"] = s.documents["virus.pdf"]
        text = await (await client.post("/v1/ask", json=body, headers={"Accept": "text/event-stream"})).text()
        assert s.ollama.chats[0]["think"] is False
    assert text.startswith("event: sources\ndata: {")
    assert '"model":"deepseek-r1:8b"' in text


async def test_a_break_in_mid_answer_is_the_last_line(db, short_dir, pipeline):
    """When the model breaks off, a stream ends with an error line, and a whole answer is an error."""
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        s.ollama.fault(cut_after=2)
        lines = (await (await client.post("/v1/ask", json={"question": INCUBATION})).text()).splitlines()
        assert json.loads(lines[-1])["type"] == "error"
        assert json.loads(lines[-1])["code"] == "generation_cut"
        body = await json_of(await client.post("/v1/ask", json={"question": INCUBATION, "stream": False}), 502)
        assert body["error"]["code"] == "generation_cut"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_hangs_up_stops_the_model(db, short_dir, pipeline, stream):
    """When the client closes its connection, Ollama is told to stop, streaming or not."""
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        s.ollama.token_gate.clear()
        asking = asyncio.create_task(client.post("/v1/ask", json={"question": INCUBATION, "stream": stream}))
        await s.ollama.until(lambda: s.ollama.counts["chats"] == 1)
        if stream:
            answer = await asking
            await answer.content.readline()
            answer.close()
        else:
            asking.cancel()
        await s.ollama.until(lambda: s.ollama.counts["chats_cancelled"] == 1)


async def test_questions_are_logged_without_their_words(db, short_dir, pipeline):
    """Each answer leaves a line with timings and counts under fields that the log withholds unless told otherwise."""
    telemetry = Telemetry()
    async with system(db) as s, served(s, short_dir, pipeline, telemetry) as client:
        with capture_logs() as logs:
            await (await client.post("/v1/ask", json={"question": INCUBATION})).read()
            await client.post("/v1/search", json={"query": INCUBATION})
    told = {entry["event"]: entry for entry in logs}
    assert told["answered"]["timings_ms"]["total"] > 0
    assert told["answered"]["generator"] == "ollama"
    assert told["searched"]["mode"] == "hybrid"
    for entry in logs:
        assert INCUBATION not in str({k: v for k, v in entry.items() if k not in ("question", "query")})
    assert telemetry.counters.totals() == {"questions": 1, "searches": 1}


async def test_waiting_before_asking(db, short_dir, pipeline):
    """A client can wait for all files or for one; a file that takes too long is 504, an unknown one 404."""
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        for wait, seconds in (("settled", 60), ("/in/virus.pdf", 5)):
            body = {"query": "virus", "wait": wait, "wait_seconds": seconds}
            assert (await json_of(await client.post("/v1/search", json=body)))["hits"]
        assert pipeline.waited == [(None, 60), ("/in/virus.pdf", 5)]
        body = {"question": "virus", "wait": "/in/late.pdf", "wait_seconds": 1}
        assert (await json_of(await client.post("/v1/ask", json=body), 504))["error"]["code"] == "wait_timeout"
        body = {"question": "virus", "wait": "/elsewhere"}
        assert (await json_of(await client.post("/v1/ask", json=body), 404))["error"]["code"] == "not_found"


# --- documents --------------------------------------------------------------------------


async def test_documents_are_listed_page_by_page(db, short_dir, pipeline):
    """A list of any length is walked by its cursor, each document once."""
    library = {f"{n}.pdf": [f"text number {n}"] for n in range(5)}
    async with system(db, library) as s, served(s, short_dir, pipeline) as client:
        seen, cursor, pages = [], "", 0
        while cursor is not None:
            body = await json_of(await client.get(f"/v1/documents?limit=2{cursor and f'&cursor={cursor}'}"))
            seen += [document["path"] for document in body["documents"]]
            cursor, pages = body["cursor"], pages + 1
    assert seen == [f"/in/{n}.pdf" for n in range(5)]
    assert pages == 3


async def test_documents_are_filtered(db, short_dir, pipeline):
    """State, folder and words in title or path narrow the list."""
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        await place(db, "sub/100%_late.pdf")

        async def paths(**query) -> list[str]:
            body = await json_of(await client.get("/v1/documents", params=query))
            return [document["path"] for document in body["documents"]]

        assert await paths() == ["/in/virus.pdf", "/in/tax.pdf", "/in/sub/100%_late.pdf"]
        assert await paths(state="ready") == ["/in/virus.pdf", "/in/tax.pdf"]
        assert await paths(state="queued", folder="/in") == ["/in/sub/100%_late.pdf"]
        assert await paths(folder="/in/sub/") == ["/in/sub/100%_late.pdf"]
        assert await paths(folder="/in/su") == []
        assert await paths(q="TAX") == ["/in/tax.pdf"]
        assert await paths(q="0%_") == ["/in/sub/100%_late.pdf"]
        assert await paths(q="%") == ["/in/sub/100%_late.pdf"]


async def test_one_document_with_files_and_pages(db, short_dir, pipeline):
    """A document shows its state, all its places, and what became of each page."""
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        number = s.documents["virus.pdf"]
        async with db.transaction() as tx:
            await tx.connection.execute(
                "UPDATE foliod.pages SET verdict = 'needs_ocr' WHERE document_id = $1 AND number = 2", number
            )
            await tx.connection.execute(
                "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device,"
                " document_id, gone_at) SELECT host, root, 'gone', '/in/gone.pdf', 1, 1, 1, 1, 1, document_id, now()"
                " FROM foliod.files WHERE document_id = $1",
                number,
            )
        body = await json_of(await client.get(f"/v1/documents/{number}"))
        for unknown in (0, 999, 10**18 - 1):
            assert (await json_of(await client.get(f"/v1/documents/{unknown}"), 404))["error"]["code"] == "not_found"
        assert (await client.get(f"/v1/documents/{10**30}")).status == 404
    assert (body["id"], body["state"], body["pages"], body["chunks"]) == (number, "ready", 3, 3)
    assert body["paths"] == ["/in/virus.pdf", "/in/gone.pdf"]
    assert [file["path"] for file in body["files"]] == ["/in/virus.pdf", "/in/gone.pdf"]
    assert body["files"][0]["gone_at"] is None
    assert body["files"][1]["gone_at"]
    assert body["verdicts"] == {"text": 2, "needs_ocr": 1}
    assert body["page_verdicts"] == [
        {"first": 1, "last": 1, "verdict": "text"},
        {"first": 2, "last": 2, "verdict": "needs_ocr"},
        {"first": 3, "last": 3, "verdict": "text"},
    ]


# --- status -----------------------------------------------------------------------------


async def test_status_adds_up(db, short_dir, pipeline):
    """The status counts documents, pages, chunks and vectors, and tells of Ollama and the folders."""
    telemetry = Telemetry()
    async with system(db) as s, served(s, short_dir, pipeline, telemetry) as client:
        await place(db, "late.pdf")
        status = await json_of(await client.get("/v1/status"))
    assert status["state"] == "indexing"
    assert status["database"] == {"reachable": True, "embedded": True, "error": None}
    assert status["ollama"] == {
        "reachable": True, "url": s.ollama.url, "version": status["ollama"]["version"], "embed_model": "all-minilm",
        "chat_model": "scripted", "missing": [], "error": None,
    }  # fmt: skip
    assert {state: n for state, n in status["documents"].items() if n} == {"ready": 2, "queued": 1}
    assert len(status["documents"]) == 11
    assert (status["files"], status["pages"], status["chunks"]) == (3, 5, 5)
    assert status["vectors"] == {"have": 5, "want": 5, "refused": 0}
    assert status["backlog"] == {"documents": 1, "pages_per_s": 0.0, "eta_s": None, "waiting": []}
    assert status["roots"] == [{"path": "/in", "files": 2, "state": "watching"}]
    assert status["loop_lag"].keys() == {"p50", "p99", "max"}
    assert status["loop_lag_ms"] == status["loop_lag"]["p99"]
    assert status["tasks"] >= 1
    assert status["uptime_s"] >= 0
    assert status["version"]


async def test_status_counts_missing_vectors(db, short_dir, pipeline):
    """While vectors are missing, the status says how many, and how long the rest will take."""
    from foliod.base.model import Chunk
    from foliod.store.store import Store
    from foliod.text.lexical import weigh

    telemetry = Telemetry()
    async with system(db) as s, served(s, short_dir, pipeline, telemetry) as client:
        store, work = Store(db), backlog(db)
        document = await place(db, "new.pdf")
        await work.claim_for_reading()
        async with store.writing_text(document, work.owner) as writer:
            for n, text in enumerate([LIBRARY["tax.pdf"][0], "new one", "new two"]):
                await writer.add(Chunk(n, 1, 1, 0, len(text), text, 5, None), weigh(text))
            await writer.finish(state="stored", partial=False, reason=None)
        telemetry.counters.add("texts_embedded", 10)
        status = await json_of(await client.get("/v1/status"))
    assert status["vectors"] == {"have": 6, "want": 8, "refused": 0}, (
        "one text of the new document has its vector from another"
    )
    assert status["backlog"]["documents"] == 1
    assert status["backlog"]["eta_s"] == 0


async def test_status_is_cheap(db, short_dir, pipeline):
    """However many ask for the status at once, the store is counted once."""
    asked = []
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        fetch = db.fetch

        async def counting(name, *args, **named):
            asked.append(name)
            return await fetch(name, *args, **named)

        db.fetch = counting
        await asyncio.gather(*(client.get("/v1/status") for _ in range(20)))
    assert asked.count("document_counts") == 1


async def test_missing_models_are_told(db, short_dir, pipeline):
    """The status names models that Ollama does not have."""
    async with system(db, chat_model="missing-model") as s, served(s, short_dir, pipeline) as client:
        assert (await json_of(await client.get("/v1/status")))["ollama"]["missing"] == ["missing-model"]


async def test_ready_when_swept_and_reachable(db, short_dir, pipeline):
    """Ready means that the database answers and every folder was looked through once; Ollama is not needed."""
    async with system(db) as s, served(s, short_dir, pipeline) as client:
        await s.ollama.stop()
        assert await json_of(await client.get("/readyz")) == {"ready": True, "reasons": []}
        pipeline.reasons = ["/in is being looked through for the first time"]
        assert (await json_of(await client.get("/readyz"), 503))["reasons"] == pipeline.reasons
        assert (await json_of(await client.get("/v1/status")))["state"] == "starting"


async def test_every_query_of_the_api_keeps_to_its_indexes(db):
    """Listing goes on from the cursor by the primary key instead of sorting the whole table."""
    async with db.transaction() as tx:
        await tx.connection.execute(
            "INSERT INTO foliod.documents (sha256, size) SELECT sha256(i::text::bytea), 1 FROM generate_series(1, 5000) i"
        )
        await tx.connection.execute("ANALYZE foliod.documents")
    async with db.transaction() as tx:
        sql = db.queries["list_documents"].text({})
        rows = await tx.connection.fetch("EXPLAIN " + sql, None, None, None, 100, 51, None, None, None)
    plan = "\n".join(row[0] for row in rows)
    assert "documents_pkey" in plan
    assert "Sort  (" not in plan.split("->")[0]
