"""A stand-in for the daemon: answers on a real Unix socket in the shapes of version 1, from a script."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

EVIL = "evil\x1b]0;owned\x07\x1b[2J\u202egnp.pdf"
"""A file name that would retitle and clear a terminal, and show itself backwards."""


def document(number: int = 1, title: str = "On Tides", path: str = "/in/tides.pdf", **more: Any) -> dict[str, Any]:
    return {"id": number, "sha256": "ab" * 32, "title": title, "path": path, "paths": [path], **more}


def hit(rank: int = 1, text: str = "The moon raises the tides.", **more: Any) -> dict[str, Any]:
    return {
        "rank": rank,
        "score": 1.5,
        "scores": {"keyword": 4.2, "vector": None, "title": None},
        "document": document(),
        "pages": [3, 3],
        "heading": "Causes",
        "text": text,
        "start": 500,
        "end": 500 + len(text),
        "rects": None,
        "chunk": 7,
        **more,
    }


COVERAGE = {"documents": 12, "pages": 48, "unread_pages": 0, "pending": 0}


def sources(*hits: dict[str, Any]) -> dict[str, Any]:
    return {"type": "sources", "mode": "keyword", "hits": [{"n": h["rank"], **h} for h in hits], "coverage": COVERAGE}


def token(text: str) -> dict[str, Any]:
    return {"type": "token", "text": text}


def citation(n: int = 1, quote: str | None = "The moon raises the tides.", **more: Any) -> dict[str, Any]:
    return {"n": n, "document": document(), "pages": [3, 4], "quote": quote, "verified": True, "rects": None, **more}


def done(answer: str = "The moon [1].", *citations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "done",
        "answer": answer,
        "answered": True,
        "citations": list(citations),
        "invented": [],
        "unsupported": [],
        "generator": "ollama",
        "model": "deepseek-r1:8b",
        "mode": "hybrid",
        "coverage": COVERAGE,
        "timings_ms": {"embed": 5.0, "retrieve": 9.0, "first_token": 40.0, "total": 1234.0},
        "note": None,
        **more,
    }


def status(**more: Any) -> dict[str, Any]:
    return {
        "version": "0.1.0",
        "uptime_s": 75.0,
        "state": "indexing",
        "database": {"reachable": True, "embedded": True, "error": None},
        "ollama": {
            "reachable": True,
            "url": "http://127.0.0.1:11434",
            "version": "0.9",
            "embed_model": "mxbai-embed-large",
            "chat_model": "deepseek-r1:8b",
            "missing": [],
            "error": None,
        },
        "documents": {"queued": 2, "reading": 1, "stored": 3, "ready": 5, "damaged": 1, "failed": 0},
        "files": 13,
        "pages": 1613,
        "chunks": 4000,
        "vectors": {"have": 1000, "want": 4000, "refused": 0},
        "reembedding": None,
        "backlog": {"documents": 6, "pages_per_s": 42.0, "eta_s": 130},
        "roots": [{"path": "/in", "state": "ok", "reason": None, "files": 13, "settling": 1, "unreadable": 0}],
        "loop_lag_ms": 3.0,
        "loop_lag": {"p50": 0.1, "p99": 3.0, "max": 5.0},
        "tasks": 30,
        "counters": {},
        **more,
    }


@dataclass
class Canned:
    """What the daemon answers, by method and path, and what it was asked."""

    socket: Path
    answers: dict[str, Any] = field(default_factory=dict)
    """An object (sent as JSON), a list (sent as NDJSON), or a pair of status and object."""
    hold: threading.Event = field(default_factory=threading.Event)
    """A list stops at an entry None until this is set; at "cut" the connection is cut."""
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read() or b"null")
        self.asked.append((f"{request.method} {request.path}", dict(request.query), body))
        answer = self.answers.get(f"{request.method} {request.path}", (404, {"error": {"code": "x", "message": "?"}}))
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, web.StreamResponse):
            return answer
        if isinstance(answer, list):
            return await self._stream(request, answer)
        code, data = answer if isinstance(answer, tuple) else (200, answer)
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        return web.Response(text=text, status=code, content_type="application/json")

    async def _stream(self, request: web.Request, events: list[Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for event in events:
            if event is None:
                await asyncio.to_thread(self.hold.wait, 30)
            elif event == "cut":
                request.transport.abort()
                return response
            else:
                await response.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")
        await response.write_eof()
        return response


@contextlib.contextmanager
def answering(socket: Path) -> Iterator[Canned]:
    """Run the stand-in in a thread with a loop of its own."""
    canned = Canned(socket)
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", canned.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        started.set()
        await stop.wait()
        canned.hold.set()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="canned daemon")
    thread.start()
    assert started.wait(60)
    try:
        yield canned
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
