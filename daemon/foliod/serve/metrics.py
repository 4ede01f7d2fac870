"""`GET /metrics` for Prometheus, and what is counted of each request."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from foliod.base import logs
from foliod.base.errors import FoliodError
from foliod.base.gathered import ASKED, COUNTED, exposition
from foliod.base.metrics import HTTP_REQUESTS, HTTP_SECONDS
from foliod.base.version import EXTRACTOR, __version__
from foliod.serve.access import access_of
from foliod.serve.door import client_of
from foliod.serve.kept import Kept
from foliod.serve.request import SERVICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foliod.base.gathered import Values
    from foliod.serve.services import Services
    from foliod.serve.status import Status

KEPT_SECONDS = 5.0
"""How old the numbers of the store may be before a scrape has them counted anew, for the next one."""
FIRST_SECONDS = 2.0
"""The first scrape waits so long for them."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
UNMATCHED: Final = "(none)"
"""The route of requests for what there is not: their paths are the clients' invention."""

Report = tuple[float, dict[str, Any]]

routes = web.RouteTableDef()


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Tell everything that is measured. Never fails for what is away: what can't be known is left out.

    Clients who may not see all documents get no numbers of them, unless [server] metrics lets the token's holders.
    """
    services = request.app[SERVICES]()
    report: Report | None = None
    whole = False
    with suppress(TimeoutError, FoliodError):
        async with asyncio.timeout(FIRST_SECONDS):
            whole = await _may_count(request)
            report = await asyncio.shield(request.app[REPORT].get())
    values = gathered(services, report, whole=whole)
    # Writing some hundred lines takes milliseconds, which need not be the event loop's.
    accept = request.headers.get("Accept", "")
    body, content_type = await asyncio.to_thread(partial(exposition, values, accept, whole=whole))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def _may_count(request: web.Request) -> bool:
    """Say whether a client may know how many documents there are: who may see all, and who scrapes for the operator."""
    client, server = client_of(request), request.app[SERVICES]().settings.server
    if client.ours or (client.by_token and server.metrics == "all"):
        return True
    try:
        return await access_of(request, in_outages=True) is None
    except FoliodError:
        # The database was never there: what stands in it can't be told anyway, and what else is known is.
        return False


def reporting(status: Status) -> Kept[Report]:
    """Return the report of the status with its time, kept for scrapes."""

    async def report() -> Report:
        found = await status.report(None)
        return time.monotonic(), found

    return Kept(report, KEPT_SECONDS, old_meanwhile=True)


REPORT: web.AppKey[Kept[Report]] = web.AppKey("report")


def gathered(services: Services, report: Report | None, *, whole: bool) -> Values:
    """Return the values of all metrics that are not observed where they happen; of documents if the `whole` may be seen."""
    db, pipeline = services.db, services.pipeline
    shipped = logs.report()
    counters = services.telemetry.counters
    values: dict[str, float | Mapping[tuple[str, ...], float]] = {
        "foliod_build_info": {(__version__, EXTRACTOR): 1.0},
        "foliod_database_up": float(db is not None and db.pulse.away is None),
        "foliod_ready": float(
            db is not None and db.pulse.away is None and pipeline is not None and not pipeline.ready_reasons()
        ),
        "foliod_event_loop_tasks": float(len(asyncio.all_tasks())),
        "foliod_logs_summed_up_total": float(shipped["summed_up"]),
        **{f"foliod_{name}_total": float(counters[name]) for name in COUNTED if whole or name in ASKED},
    }
    if shipped["betterstack"] is not None:
        values["foliod_logs_shipped_total"] = shipped["betterstack"]["shipped"]
        values["foliod_logs_waiting"] = shipped["betterstack"]["waiting"]
        values["foliod_logs_dropped_total"] = {
            (cause,): float(lines) for cause, lines in shipped["betterstack"]["causes"].items()
        }
    if db is not None:
        use = db.pool.counts()
        values["foliod_pool_connections"] = {("busy",): use["busy"], ("idle",): use["idle"]}
        values["foliod_pool_connections_max"] = use["max"]
        values["foliod_pool_waiting"] = use["waiting"]
    if pipeline is not None:
        roots = pipeline.roots()
        values["foliod_leases_held"] = pipeline.leases
        values["foliod_roots"] = _counted(str(root["state"]) for root in roots)
        if whole:
            values["foliod_files_settling"] = sum(root["settling"] for root in roots)
        # "reader 3" is one of the readers.
        values["foliod_tasks_waiting"] = _counted(task.rstrip("0123456789 ") for task in pipeline.troubles)
    if report is not None:
        values["foliod_ollama_up"] = float(bool(report[1]["ollama"]["reachable"]))
        if whole and report[1]["documents"] is not None:
            values |= _of_the_store(*report)
    return values


def _of_the_store(at: float, report: dict[str, Any]) -> dict[str, float | Mapping[tuple[str, ...], float]]:
    vectors = report["vectors"]
    values: dict[str, float | Mapping[tuple[str, ...], float]] = {
        "foliod_store_numbers_age_seconds": time.monotonic() - at
    }
    values["foliod_documents"] = {(state,): float(count) for state, count in report["documents"].items()}
    for name in ("files", "pages", "chunks"):
        values[f"foliod_{name}"] = float(report[name])
    values["foliod_vectors"] = {("have",): vectors["have"], ("missing",): vectors["want"] - vectors["have"]}
    values["foliod_texts_refused"] = float(vectors["refused"])
    values["foliod_backlog_documents"] = report["backlog"]["documents"]
    if report["ocr"] is not None and report["ocr"]["pages_waiting"] is not None:
        values["foliod_ocr_backlog_pages"] = report["ocr"]["pages_waiting"]
    return values


def _counted(names: Any) -> dict[tuple[str, ...], float]:
    return {(name,): float(count) for name, count in Counter(names).items()}


def observe_request(request: web.Request, status: int, seconds: float) -> None:
    """Count a request under its route's template: never under a path that a client makes up."""
    resource = request.match_info.route.resource
    route = UNMATCHED if resource is None else resource.canonical
    method = request.method if request.method in METHODS else "other"
    HTTP_REQUESTS.labels(method, route, str(status)).inc()
    HTTP_SECONDS.labels(route).observe(seconds)
