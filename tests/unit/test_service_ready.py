"""Whether a service that was started is ready."""

from __future__ import annotations

from aiohttp import web

from foliod.start.service_ready import readiness


def test_a_service_that_is_not_ready_is_not_called_so(daemon, environ):
    """What keeps it is told; what is over in a moment is waited for."""
    reasons = [["the folders are being looked through"], []]
    daemon.answers["GET /readyz"] = lambda _: ready(reasons.pop(0))
    assert readiness(environ) == "ready"
    daemon.answers["GET /readyz"] = lambda _: ready(["PostgreSQL can't be reached"])
    assert readiness(environ, 0) == "not ready yet: PostgreSQL can't be reached"


def ready(reasons):
    return web.json_response({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)
