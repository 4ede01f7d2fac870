"""What the routes have in common: the parts they reach, the bodies they take, the shapes they answer in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from foliod.base.contract import Body, parse
from foliod.base.errors import BadRequestError, NotReadyError, StartingError, TooLargeError
from foliod.serve.status import Status
from foliod.serve.stream import Stopping, dumps

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import asyncpg

    from foliod.serve.services import Services

BODY_SECONDS = 30.0
"""A request's body has so long to arrive."""

SERVICES: web.AppKey[Callable[[], Services]] = web.AppKey("services")
STATUS = web.AppKey("status", Status)
STOPPING = web.AppKey("stopping", Stopping)

Part = TypeVar("Part")
Shape = TypeVar("Shape", bound=Body)


def answer_json(data: object, *, status: int = 200) -> web.Response:
    """Return an answer in JSON."""
    return web.Response(text=dumps(data) + "\n", status=status, content_type="application/json")


async def body(request: web.Request, shape: type[Shape]) -> Shape:
    """Read a JSON body in its shape. Raises BadRequestError, TooLargeError."""
    limit = request.app[SERVICES]().settings.server.max_request_kb * 1024
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.content.iter_any():
                received += part
                # Counted here: `client_max_size` does not bound what is read from the stream.
                if len(received) > limit:
                    raise TooLargeError(f"the request is larger than {limit // 1024} kB ([server] max_request_kb)")
    except TimeoutError:
        raise BadRequestError(f"the body did not arrive within {BODY_SECONDS:g} s") from None
    return parse(shape, bytes(received))


def needed(part: Part | None, services: Services) -> Part:
    """Return a part of the daemon that is there. Raises NotReadyError when it is not yet."""
    if part is None:
        raise NotReadyError(services.trouble) if services.trouble else StartingError()
    return part


def document_row(row: asyncpg.Record) -> dict[str, Any]:
    """Return a document as the lists show it."""
    paths = list(row["paths"])
    return {
        "id": row["id"],
        "sha256": row["sha256"],
        "title": row["title"],
        "author": row["author"],
        "path": paths[0] if paths else None,
        "paths": paths,
        "state": row["state"],
        "partial": row["partial"],
        "reason": row["reason"],
        "pages": row["page_count"],
        "chunks": row["chunk_count"],
        "size": row["size"],
        **{
            name: moment(row[name])
            for name in ("created_at", "modified_at", "seen_at", "stored_at", "ready_at", "next_attempt_at")
        },
    }


def moment(at: datetime | None) -> str | None:
    """Return a time as answers show it."""
    return None if at is None else at.isoformat()
