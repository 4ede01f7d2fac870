"""The routes for a document as it looks: its file, and pictures of its pages."""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog
from aiohttp import web

from foliod.base.contract import PictureQuery, parse_query
from foliod.base.errors import ChangedWhileReadError
from foliod.base.paths import display
from foliod.serve.access import access_of, seen
from foliod.serve.request import SERVICES, answer_json, needed
from foliod.serve.stream import STALL_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from foliod.base.access import Access
    from foliod.ingest.original import Original
    from foliod.retrieve.facsimile import Facsimiles
    from foliod.serve.services import Services

PIECE_BYTES = 256 * 1024
NAME_CHARS = 150
"""Of a file name that a client is given."""

_DOCUMENT = r"/v1/documents/{id:\d{1,18}}"
_UNSAFE = re.compile(r'[\\/:*?"<>|]')

log = structlog.get_logger()
routes = web.RouteTableDef()


@routes.get(_DOCUMENT + "/file")
async def document_file(request: web.Request) -> web.StreamResponse:
    """Send a document's file, or a range of it: the bytes that were read, or an error."""
    services = request.app[SERVICES]()
    facsimiles = needed(services.facsimiles, services)
    number, access = int(request.match_info["id"]), await access_of(request)
    await seen(services, number, access)
    async with await facsimiles.file(number, within=_folders(services, access)) as original:
        etag = original.claim.sha256
        headers = {
            "ETag": f'"{etag}"',
            "Cache-Control": "private, no-cache",
            "Accept-Ranges": "bytes",
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": _inline(original.display),
        }
        if _has(request, etag):
            return web.Response(status=304, headers=headers)
        size = original.before.size
        try:
            asked = _asked_range(request, etag, size)
        except ValueError:
            answer = answer_json(
                {"error": {"code": "bad_range", "message": f"the file has {size} bytes, there are none in that range"}},
                status=416,
            )
            answer.headers["Content-Range"] = f"bytes */{size}"
            return answer
        start, stop = asked or (0, size)
        response = web.StreamResponse(status=206 if asked else 200, headers=headers)
        response.content_type = "application/pdf"
        response.content_length = stop - start
        if asked:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        await response.prepare(request)
        if request.method != "HEAD":
            await _send(request, response, facsimiles, original, start, stop)
        return response


@routes.get(_DOCUMENT + r"/pages/{n:\d{1,9}}.png")
async def page_picture(request: web.Request) -> web.Response:
    """Draw a page, with a passage marked."""
    services = request.app[SERVICES]()
    facsimiles = needed(services.facsimiles, services)
    asked = parse_query(PictureQuery, dict(request.query))
    number, page = int(request.match_info["id"]), int(request.match_info["n"])
    access = await access_of(request)
    await seen(services, number, access)
    view = await facsimiles.view(number, page, dpi=asked.dpi, chunk=asked.chunk, span=asked.span)
    headers = {
        "ETag": f'"{view.etag}"',
        "Cache-Control": "private, max-age=300",
        "X-Content-Type-Options": "nosniff",
        # Null in searches and answers, here: so that a picture without a mark is no riddle.
        "X-Marked": "unknown" if view.marks is None else str(len(view.marks)),
    }
    if _has(request, view.etag):
        return web.Response(status=304, headers=headers)
    return web.Response(
        body=await facsimiles.picture(view, within=_folders(services, access)),
        content_type="image/png",
        headers=headers,
    )


def _folders(services: Services, access: Access | None) -> tuple[bytes, ...]:
    """Return the folders in which files may be opened for a client, by the configuration in force.

    Watched ones lie in none another; one that was watched before may hold one that is restricted now.
    """
    watched = [os.fsencode(watch.path) for watch in services.settings.watch]
    return tuple(path for path in watched if access is None or access.root(display(path)))


async def _send(
    request: web.Request,
    response: web.StreamResponse,
    facsimiles: Facsimiles,
    original: Original,
    start: int,
    stop: int,
) -> None:
    """Send bytes of a file; a client whose file changes or vanishes meanwhile is cut off: it must not take it for whole."""
    try:
        async for piece in _pieces(facsimiles, original, start, stop):
            await _taken(response.write(piece))
        await _taken(response.write_eof())
    except (ChangedWhileReadError, TimeoutError, OSError) as error:
        if not isinstance(error, ConnectionError):
            log.warning("file_not_sent", file=original.display, reason=str(error))
        if request.transport is not None:
            request.transport.abort()


async def _taken(sending: Awaitable[None]) -> None:
    """Wait until a client has taken what is sent. Raises TimeoutError: an open file is not held for one who reads nothing."""
    try:
        async with asyncio.timeout(STALL_SECONDS):
            await sending
    except TimeoutError:
        msg = f"the client took nothing for {STALL_SECONDS:g} s"
        raise TimeoutError(msg) from None


async def _pieces(facsimiles: Facsimiles, original: Original, start: int, stop: int) -> AsyncIterator[bytes]:
    while start < stop:
        piece = await facsimiles.read(original, start, min(PIECE_BYTES, stop - start))
        start += len(piece)
        # Before the last piece goes out, so that what has come is whole only when it is right.
        if not piece or start >= stop:
            await facsimiles.unchanged(original)
        if not piece:
            raise ChangedWhileReadError
        yield piece


def _has(request: web.Request, etag: str) -> bool:
    """Whether the client has this version already."""
    try:
        return any(tag.value in {etag, "*"} for tag in request.if_none_match or ())
    except ValueError:
        return False


def _asked_range(request: web.Request, etag: str, size: int) -> tuple[int, int] | None:
    """Return what part is asked for, None for the whole; what makes no sense is not heeded (RFC 9110, 14.2).

    Raises ValueError for a part beyond the end.
    """
    if request.headers.get("If-Range", f'"{etag}"') != f'"{etag}"':
        return None
    try:
        asked = request.http_range
    except ValueError:
        return None
    if (asked.start, asked.stop) == (None, None):
        return None
    start, stop, _ = asked.indices(size)
    if start >= stop:
        raise ValueError
    return start, stop


def _inline(path: str) -> str:
    """Return the header that gives a file its name, to be shown and not saved: once in ASCII, once as it is."""
    name = "".join(char for char in path.rpartition("/")[2] if unicodedata.category(char)[0] != "C")
    name = _UNSAFE.sub("_", name)[-NAME_CHARS:].strip(". ") or "document.pdf"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().replace("%", "_") or "document.pdf"
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
