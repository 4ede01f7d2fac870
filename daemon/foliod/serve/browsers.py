"""What browsers are asked and told: which pages may use the localhost door, and what they may do with answers.

A page of any address can have a browser send requests to localhost. It gets nothing without the token; what is
refused here is refused also to a page that has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from foliod.base.errors import ForbiddenError

if TYPE_CHECKING:
    from collections.abc import Collection

METHODS: Final = "GET, HEAD, POST"
HEADERS: Final = "Authorization, Content-Type, Range, If-None-Match, X-Request-Id, traceparent"
EXPOSED: Final = "Accept-Ranges, Content-Range, ETag, Retry-After, X-Marked, X-Request-Id"
PREFLIGHT_SECONDS: Final = 600
SITES: Final = ("same-origin", "none")
"""Values of Sec-Fetch-Site for our own page, and for what a person typed or opened from a bookmark."""

NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"
POLICIES: Final = {
    # Chromium and Firefox show a PDF by a page of their own, which must not be forbidden its parts.
    "application/pdf": "frame-ancestors 'self'",
    "image/png": "default-src 'none'; frame-ancestors 'self'",
    # Our own page: its own scripts, styles, pictures and questions, and frames for PDFs.
    "text/html": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " frame-src 'self'; object-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}
SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def check_page(request: web.Request, allowed: Collection[str]) -> None:
    """Refuse what a page of another address asks. Programs send neither header. Raises ForbiddenError."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None:
        if not _ours(request, origin) and origin.lower() not in allowed:
            msg = f"pages of {origin[:200]} may not ask here; [server] allowed_origins names those that may"
            raise ForbiddenError(msg)
        return
    site = request.headers.get("Sec-Fetch-Site", "none")
    # A link on another page may be followed: what comes is shown to the person, not to that page.
    followed = request.method == hdrs.METH_GET and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if site not in SITES and not (followed and request.headers.get("Sec-Fetch-Dest") == "document"):
        msg = "pages of other addresses may not ask here"
        raise ForbiddenError(msg)


def preflight(request: web.Request) -> web.Response | None:
    """Answer a browser that asks whether a page may ask, of one that may; None for all other requests."""
    if request.method != hdrs.METH_OPTIONS or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
        return None
    answer = web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: HEADERS,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(PREFLIGHT_SECONDS),
        },
    )
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        answer.headers["Access-Control-Allow-Private-Network"] = "true"
    return answer


def secure(response: web.StreamResponse) -> None:
    """Add what every answer says: it is what it says it is, and is shown and kept nowhere else."""
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", POLICIES.get(response.content_type, NOTHING))
    # Without the versions that aiohttp tells of itself and Python.
    response.headers["Server"] = "foliod"


def share(request: web.Request, response: web.StreamResponse, allowed: Collection[str]) -> None:
    """Let a page of an allowed address read an answer; nothing is said to others, or when none is allowed."""
    if not allowed:
        return
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin.lower() in allowed:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED


def _ours(request: web.Request, origin: str) -> bool:
    """Whether a page came from here: its address is the Host that it asks, which was looked at before."""
    return origin.lower() == f"http://{request.headers.get(hdrs.HOST, '').strip().lower()}"
