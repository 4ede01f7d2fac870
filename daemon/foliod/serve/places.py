"""The routes for what people ask of one path: explain it, read it again, forget what is missing from it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import structlog
from aiohttp import web

from foliod.base.contract import ForgetRequest, RetryRequest
from foliod.base.errors import BadRequestError, ConflictError, NoDocumentError, NotFoundError
from foliod.base.paths import display
from foliod.serve.access import access_of, seen_among
from foliod.serve.door import only_ours
from foliod.serve.explain import explain
from foliod.serve.request import SERVICES, answer_json, body, needed
from foliod.store.again import begin_again, ended_badly

if TYPE_CHECKING:
    from foliod.base.access import Access
    from foliod.serve.services import Pipeline
    from foliod.store.database import Database

log = structlog.get_logger()
routes = web.RouteTableDef()


@routes.get("/v1/explain")
async def explained(request: web.Request) -> web.Response:
    """Tell everything that is known of a path."""
    services = request.app[SERVICES]()
    path = _asked_path(request.rel_url.raw_query_string)
    db, pipeline = needed(services.db, services), needed(services.pipeline, services)
    return answer_json(await explain(db, pipeline, path, await access_of(request)))


@routes.post("/v1/retry")
async def retry(request: web.Request) -> web.Response:
    """Read documents again that ended badly, or one that is named."""
    services = request.app[SERVICES]()
    asked = await body(request, RetryRequest)
    db, pipeline = needed(services.db, services), needed(services.pipeline, services)
    path = None if asked.path is None else _normal(asked.path)
    access = await access_of(request)
    if path is not None and access is not None and not access.reads(path):
        raise NotFoundError(f"{display(path)} lies in no watched folder, and nothing is known of it")
    # A file that could not be opened has no document; the folder has to be looked at.
    looked = asked.document is None and pipeline.look(path)
    if path is not None:
        wanted = await _documents_at(db, pipeline, path, access)
        if not wanted and not looked:
            raise NotFoundError(f"{display(path)} lies in no watched folder, and nothing is known of it")
        if not wanted and (seen := await pipeline.inspect(path)) is not None and seen["verdict"] == "not_there":
            raise NotFoundError(f"{display(path)}: {seen['reason']}")
    elif asked.document is not None:
        wanted = [asked.document]
    else:
        wanted = await ended_badly(db, pipeline.host)
    if access is not None or asked.document is not None:
        wanted = await seen_among(services, wanted, access)
    if asked.document is not None and not wanted:
        raise NoDocumentError(asked.document)
    # The text is not given up for nothing.
    if len(wanted) == 1 and not await pipeline.readable(wanted[0]):
        msg = f"no file of document {wanted[0]} can be opened now; what was read of it stays, and nothing was done"
        raise ConflictError(msg)
    begun = await begin_again(db, wanted)
    pipeline.wake()
    log.info("retry_asked", documents=len(begun), path=None if path is None else display(path))
    return answer_json({"documents": begun, "looked_at": None if path is None else display(path)}, status=202)


@routes.post("/v1/forget")
async def forget(request: web.Request) -> web.Response:
    """Forget what is missing from a watched folder, because the user says that it is not coming back.

    All that was read of a folder that is watched no more is forgotten by the daemon's own people only.
    """
    services = request.app[SERVICES]()
    asked = await body(request, ForgetRequest)
    pipeline = needed(services.pipeline, services)
    root, access = _normal(asked.root), await access_of(request)
    if access is not None and not access.root(display(root)):
        raise NotFoundError(f"{display(root)} is no watched folder, and was none")
    if any(left["path"] == display(root) and left["state"] == "not_watched" for left in pipeline.roots()):
        only_ours(request, "forget all of a folder that is watched no more")
    return answer_json({"root": display(root), "files": await pipeline.forget(root)})


async def _documents_at(db: Database, pipeline: Pipeline, path: bytes, access: Access | None) -> list[int]:
    """Return the document that a file holds, or those that ended badly in a folder."""
    file = await db.fetchrow("file_at", pipeline.host, path, display(path))
    # A name that is not UTF-8 is found by how it is shown, which another file's may equal.
    if file is not None and access is not None and not access.reads(file["path"]):
        return []
    if file is None:
        return await ended_badly(db, pipeline.host, path)
    return [] if file["document_id"] is None else [file["document_id"]]


def _asked_path(query: str) -> bytes:
    """Return the path of a query string. Its name need not be UTF-8, which neither aiohttp nor pydantic can hold."""
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    if [name for name, _ in pairs] != ["path"]:
        msg = "name one path: /v1/explain?path=/folder/file.pdf"
        raise BadRequestError(msg)
    path = pairs[0][1]
    if not path.startswith("/") or "\0" in path:
        msg = "path: must be an absolute path"
        raise BadRequestError(msg)
    return _normal(path)


def _normal(path: str) -> bytes:
    return os.path.normpath(os.fsencode(path))
