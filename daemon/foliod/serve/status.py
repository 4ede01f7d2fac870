"""What `/v1/status` and `/readyz` say, gathered at most once a second however many ask."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

from foliod.base import logs
from foliod.base.access import columns
from foliod.base.errors import FoliodError
from foliod.base.model import DocumentState
from foliod.base.paths import without_paths
from foliod.base.version import __version__
from foliod.serve.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from foliod.base.access import Access
    from foliod.serve.services import Services

STORE_SECONDS = 1.0
OLLAMA_SECONDS = 2.0
"""How old the numbers of the store and Ollama's health may be."""
MOST_PARTS = 32
"""Clients with other rights than others, of whom numbers are kept."""
PING_SECONDS = 2.0
COUNT_SECONDS = 10.0


class Status:
    """Looks at all parts of the daemon; `services` returns those that are there now."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._store = Kept(self._count, STORE_SECONDS)
        self._parts: OrderedDict[Access, Kept[dict[str, Any]]] = OrderedDict()
        """The store's numbers of what clients see that don't see everything."""
        self._ollama = Kept(self._ask_ollama, OLLAMA_SECONDS, old_meanwhile=True)

    def outdate(self) -> None:
        """Have the store's numbers counted anew for whoever asks next: they were just changed by a request."""
        for kept in (self._store, *self._parts.values()):
            kept.outdate()

    def _numbers(self, access: Access | None) -> Kept[dict[str, Any]]:
        if access is None:
            return self._store
        kept = self._parts.setdefault(access, Kept(partial(self._count, access), STORE_SECONDS))
        self._parts.move_to_end(access)
        while len(self._parts) > MOST_PARTS:
            self._parts.popitem(last=False)
        return kept

    async def reasons(self, *, ours: bool = True) -> list[str]:
        """Return why the daemon is not ready; empty when it is. Only who is `ours` is told of folders by name."""
        services = self._services()
        if (trouble := await _unreachable(services)) is not None:
            return [trouble if ours else without_paths(trouble)]
        if services.pipeline is None:
            return ["the folders are not watched yet"]
        reasons = services.pipeline.ready_reasons()
        if reasons and not ours and any(watch.restricted for watch in services.settings.watch):
            return ["the folders are being looked through for the first time"]
        return reasons

    async def report(self, access: Access | None, *, ours: bool = True) -> dict[str, Any]:
        """Return everything that a client may see; what can't be known now is null.

        Only who is `ours` is told of files and folders that are no documents.
        """
        services, store = self._services(), self._numbers(access)
        database: dict[str, Any] = {"reachable": True, "embedded": services.settings.database.embedded, "error": None}
        numbers: dict[str, Any] = {}
        try:
            if services.db is None:
                database |= {"reachable": False, "error": services.trouble or "PostgreSQL is being started"}
            else:
                async with asyncio.timeout(COUNT_SECONDS):
                    # What takes longer is counted to its end all the same, for who asks next.
                    numbers = await asyncio.shield(store.get())
        except TimeoutError:
            trouble = await _unreachable(services)
            database |= {"reachable": trouble is None, "error": trouble}
            numbers = store.last or {}
        except FoliodError as error:
            database |= {"reachable": False, "error": error.message}
        troubles = services.pipeline.troubles if services.pipeline else {}
        if database["error"] is None:
            # Searches go on while nothing can be written: a full disk, a server that is read-only.
            database["error"] = next((why for task, why in troubles.items() if task != "embedder"), None)
        ready = database["reachable"] and services.pipeline is not None and not services.pipeline.ready_reasons()
        halted = database["error"] is not None and services.pipeline is not None
        documents = numbers.get("documents")
        reembedding = numbers.get("reembedding")
        ollama = _with_models(await self._ollama.get(), numbers.get("serving"), reembedding)
        telemetry = services.telemetry.snapshot()
        needs = services.pipeline.needs() if services.pipeline else {"passwords": [], "ocr": None}
        waiting = {*troubles.values(), *filter(None, [_reading_trouble(services)])}
        ocr = needs["ocr"] and {**needs["ocr"], "pages_waiting": numbers.get("pages_for_ocr")}
        if not ours:
            database["error"] = database["error"] and without_paths(database["error"])
            waiting = {without_paths(why) for why in waiting}
            ocr = ocr and ocr | {"problem": ocr["problem"] and without_paths(ocr["problem"])}
        return {
            "version": __version__,
            "uptime_s": telemetry["uptime_s"],
            "configuration": _configuration(services, ours=ours),
            "state": _state(numbers, ready=bool(ready), halted=halted, ollama=ollama),
            "database": database,
            "ollama": ollama,
            "documents": documents,
            "files": numbers.get("files"),
            "pages": numbers.get("pages"),
            "chunks": numbers.get("chunks"),
            "vectors": numbers.get("vectors"),
            "reembedding": reembedding,
            "backlog": self._backlog(services, documents, numbers.get("vectors"), all_of_it=access is None)
            | {"waiting": sorted(waiting)},
            "roots": [
                _root(root, database, ours=ours)
                for root in (services.pipeline.roots() if services.pipeline else [])
                if access is None or access.root(root["path"])
            ],
            "passwords": needs["passwords"] if ours else [],
            "ocr": ocr,
            "loop_lag_ms": telemetry["loop_lag"]["p99"],
            "loop_lag": telemetry["loop_lag"],
            "logs": logs.report() if access is None else None,
            "tasks": telemetry["tasks"],
            "counters": telemetry["counters"] if access is None else {},
        }

    async def _count(self, access: Access | None = None) -> dict[str, Any]:
        services = self._services()
        db, reembedder = services.db, services.reembedder
        assert db is not None
        # Before it is asked which model serves: a change that is over by then must not look like one that was given up.
        reembedding = await reembedder.report() if reembedder and access is None else None
        rows = await db.fetch("document_counts", *columns(access))
        chunks = sum(row["chunks"] for row in rows)
        active = await db.fetchrow("active_space")
        space = None if active is None else active["id"]
        missing = await db.fetchval("missing_vectors", space, *columns(access))
        refused = await db.fetchval("refused_texts", space) if access is None else 0
        return {
            "documents": {str(state): 0 for state in DocumentState} | {row["state"]: row["documents"] for row in rows},
            "files": await db.fetchval("file_count", *columns(access)),
            "pages": sum(row["pages"] for row in rows),
            "chunks": chunks,
            "vectors": {"have": chunks - missing, "want": chunks, "refused": refused},
            "pages_for_ocr": await db.fetchval("pages_for_ocr") if access is None else None,
            "reembedding": reembedding,
            "serving": None if active is None else active["model"],
        }

    async def _ask_ollama(self) -> dict[str, Any]:
        settings = self._services().settings.ollama
        health = await self._services().health()
        return {
            "reachable": health.reachable,
            "url": health.url,
            "version": health.version,
            "embed_model": settings.embed_model,
            "chat_model": settings.chat_model,
            "models": health.models,
            "error": health.error,
        }

    def _backlog(
        self, services: Services, documents: dict[str, int] | None, vectors: dict[str, int] | None, *, all_of_it: bool
    ) -> dict[str, Any]:
        """Return what is still to be done and, who sees `all_of_it`, for how long, at the speed of the last minute."""
        if documents is None or vectors is None:
            return {"documents": None, "pages_per_s": None, "eta_s": None}
        counters = services.telemetry.counters
        unread = documents[DocumentState.QUEUED] + documents[DocumentState.READING]
        if not all_of_it:
            return {"documents": unread + documents[DocumentState.STORED], "pages_per_s": None, "eta_s": None}
        # Reading and embedding go on side by side: the slower of both says when all is done.
        parts = [
            (unread, counters.per_second("documents_read")),
            (vectors["want"] - vectors["have"], counters.per_second("texts_embedded")),
        ]
        known = all(rate > 0 for left, rate in parts if left)
        return {
            "documents": unread + documents[DocumentState.STORED],
            "pages_per_s": round(counters.per_second("pages_read"), 1),
            "eta_s": round(max((left / rate for left, rate in parts if left), default=0.0)) if known else None,
        }


def _with_models(ollama: dict[str, Any], serving: str | None, reembedding: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is said of Ollama with the models that are missing there, one that is to serve included.

    The store says which model serves; before there is one, the configuration does.
    """
    models = ollama["models"]
    told = {key: value for key, value in ollama.items() if key != "models"} | {
        "embed_model": serving or ollama["embed_model"]
    }
    wanted = dict.fromkeys([told["embed_model"], *([reembedding["model"]] if reembedding else []), told["chat_model"]])
    return told | {
        "missing": [model for model in wanted if model.strip() and not _has(models, model)]
        if told["reachable"]
        else None,
    }


def _state(numbers: dict[str, Any], *, ready: bool, halted: bool, ollama: dict[str, Any]) -> str:
    """Return one word for what the daemon does; "waiting" is for the database, or for Ollama's vectors."""
    documents, reembedding = numbers.get("documents"), numbers.get("reembedding")
    if halted:
        return "waiting"
    if not ready or documents is None:
        return "starting"
    if documents[DocumentState.QUEUED] or documents[DocumentState.READING]:
        return "indexing"
    if reembedding is not None and reembedding["error"] is None:
        return "indexing"
    if documents[DocumentState.STORED]:
        return "indexing" if ollama["reachable"] and not ollama["error"] else "waiting"
    return "idle"


def _root(root: dict[str, Any], database: dict[str, Any], *, ours: bool) -> dict[str, Any]:
    """Return what is said of a folder: without the database nothing of it can be written down."""
    if root.get("problem") is not None and not ours:
        root = root | {"problem": "there are folders in it that can't be looked into", "fix": None}
    if database["reachable"] or root["state"] not in ("ok", "sweeping"):
        return root
    return root | {"state": "waiting", "reason": "what changes in it is written down when the database is back"}


def _configuration(services: Services, *, ours: bool) -> dict[str, Any] | None:
    """Return since when the settings are in force, and what of the file is not."""
    if services.configuration is None:
        return None
    found = services.configuration()
    return {
        "loaded_at": found.loaded_at.isoformat(),
        "read_at": found.read_at.isoformat(),
        "restart_needed": list(found.restart_needed),
        "error": found.error if ours or found.error is None else without_paths(found.error),
    }


def _reading_trouble(services: Services) -> str | None:
    return None if services.pipeline is None else services.pipeline.trouble("reader")


async def _unreachable(services: Services) -> str | None:
    """Return why PostgreSQL can't be used, None when it can."""
    if services.db is None:
        return services.trouble or "PostgreSQL is being started"
    try:
        async with asyncio.timeout(PING_SECONDS):
            await services.db.ping()
    except TimeoutError:
        return f"PostgreSQL did not answer within {PING_SECONDS:g} s"
    except FoliodError as error:
        return error.message
    return None


def _has(models: tuple[str, ...], model: str) -> bool:
    name = model.lower()
    return name in models or f"{name}:latest" in models
