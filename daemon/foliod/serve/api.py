"""The routes of version 1: what each request needs, which room answers it, and the shape of the answer."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from foliod.answer.answer import Question
from foliod.answer.prompt import Turn
from foliod.base.access import columns
from foliod.base.contract import (
    AskRequest,
    DocumentsQuery,
    SearchRequest,
    parse_query,
)
from foliod.base.errors import NoDocumentError
from foliod.base.metrics import ANSWER_SECONDS, FIRST_TOKEN
from foliod.base.objects import coverage_object, hit_object
from foliod.serve.access import access_of, ready
from foliod.serve.door import client_of
from foliod.serve.explain import verdict_counts
from foliod.serve.request import (
    SERVICES,
    STATUS,
    STOPPING,
    answer_json,
    body,
    document_row,
    moment,
    needed,
)
from foliod.serve.starting import when_started
from foliod.serve.stream import stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


log = structlog.get_logger()
routes = web.RouteTableDef()


# --- health -----------------------------------------------------------------------------


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    """Say that the event loop turns."""
    del request
    return answer_json({"status": "alive"})


@routes.get("/readyz")
async def readyz(request: web.Request) -> web.Response:
    """Say whether questions can be answered, and if not, why."""
    reasons = (
        ["the daemon is stopping"]
        if request.app[STOPPING].begun
        else await request.app[STATUS].reasons(ours=client_of(request).ours)
    )
    return answer_json({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)


@routes.get("/v1/status")
async def status(request: web.Request) -> web.Response:
    """Tell how everything is."""
    access = await access_of(request, in_outages=True) if request.app[SERVICES]().db else None
    report = await request.app[STATUS].report(access, ours=client_of(request).ours)
    if request.app[STOPPING].begun:
        report["state"] = "stopping"
    return answer_json(report)


# --- searching and asking ---------------------------------------------------------------


@routes.post("/v1/search")
async def search(request: web.Request) -> web.Response:
    """Find passages."""
    asked = await body(request, SearchRequest)
    services = await when_started(request)
    retriever = needed(services.retriever, services)
    filters = await ready(request, services, asked)
    started = time.perf_counter()
    services.telemetry.counters.add("searches")
    limit = asked.limit or services.settings.search.limit
    result = await retriever.search(asked.query, limit=limit, mode=asked.mode, filters=filters)
    took_ms = round((time.perf_counter() - started) * 1000, 1)
    log.info(
        "searched",
        query=asked.query,
        mode=result.mode,
        hits=len(result.hits),
        took_ms=took_ms,
        timings_ms=result.timings_ms,
        note=result.note,
    )
    return answer_json(
        {
            "mode": result.mode,
            "hits": [hit_object(hit) for hit in result.hits],
            "coverage": coverage_object(result.coverage),
            "took_ms": took_ms,
            "note": result.note,
        }
    )


@routes.post("/v1/ask")
async def ask(request: web.Request) -> web.StreamResponse:
    """Answer a question, as it is written or all at once."""
    asked = await body(request, AskRequest)
    services = await when_started(request)
    answerer = needed(services.answerer, services)
    filters = await ready(request, services, asked)
    services.telemetry.counters.add("questions")
    events = _logged(
        asked,
        answerer.ask(
            Question(
                text=asked.question,
                history=tuple(Turn(turn.role, turn.content) for turn in asked.history),
                limit=asked.limit,
                model=asked.model,
                think=asked.think,
                mode=asked.mode,
                filters=filters,
            )
        ),
    )
    if asked.stream:
        return await stream(request, events, request.app[STOPPING])
    done: dict[str, Any] = {}
    async with aclosing(events), request.app[STOPPING].interrupts():
        async for event in events:
            done = event
    return answer_json(done)


async def _logged(
    asked: AskRequest, events: AsyncGenerator[dict[str, Any], None]
) -> AsyncGenerator[dict[str, Any], None]:
    """Pass events on; log the question when it is answered."""
    async with aclosing(events):
        async for event in events:
            if event["type"] == "done":
                timings = event["timings_ms"]
                ANSWER_SECONDS.labels(event["generator"]).observe(timings["total"] / 1000)
                if timings["first_token"] is not None:
                    FIRST_TOKEN.labels(event["generator"]).observe(timings["first_token"] / 1000)
                log.info(
                    "answered",
                    question=asked.question,
                    answer=event["answer"],
                    generator=event["generator"],
                    model=event["model"],
                    mode=event["mode"],
                    citations=len(event["citations"]),
                    timings_ms=event["timings_ms"],
                    note=event["note"],
                )
            yield event


# --- documents --------------------------------------------------------------------------


@routes.get("/v1/documents")
async def documents(request: web.Request) -> web.Response:
    """List documents, a page at a time: `cursor` of one answer asks for the next, null is the end."""
    services = request.app[SERVICES]()
    asked = parse_query(DocumentsQuery, dict(request.query))
    db = needed(services.db, services)
    wanted = asked.state, asked.folder or None, asked.q or None, asked.cursor, asked.limit + 1
    rows = await db.fetch("list_documents", *wanted, *columns(await access_of(request)))
    page = rows[: asked.limit]
    return answer_json(
        {
            "documents": [document_row(row) for row in page],
            "cursor": str(page[-1]["id"]) if len(rows) > asked.limit else None,
        }
    )


@routes.get(r"/v1/documents/{id:\d{1,18}}")
async def document(request: web.Request) -> web.Response:
    """Tell everything of one document: its files, and what became of each page."""
    services = request.app[SERVICES]()
    db = needed(services.db, services)
    number, access = int(request.match_info["id"]), await access_of(request)
    rows = await db.fetch("list_documents", None, None, None, number - 1, 1, *columns(access))
    if not rows or rows[0]["id"] != number:
        raise NoDocumentError(number)
    runs = [dict(row) for row in await db.fetch("verdict_runs", number)]
    return answer_json(
        {
            **document_row(rows[0]),
            "files": [
                {**dict(row), "seen_at": moment(row["seen_at"]), "gone_at": moment(row["gone_at"])}
                for row in await db.fetch("document_files", number, *columns(access))
            ],
            "verdicts": verdict_counts(runs),
            "page_verdicts": runs,
        }
    )
