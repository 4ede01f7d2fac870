"""The routes for the embedding model: which vectors there are, and having all embedded by another model."""

from __future__ import annotations

from aiohttp import web

from foliod.base.contract import ReembedRequest
from foliod.serve.access import access_of
from foliod.serve.door import only_ours
from foliod.serve.request import SERVICES, STATUS, answer_json, body, needed

routes = web.RouteTableDef()


@routes.get("/v1/reembed")
async def spaces(request: web.Request) -> web.Response:
    """Tell which vectors there are, and how far a change of model is."""
    services = request.app[SERVICES]()
    reembedder = needed(services.reembedder, services)
    if await access_of(request) is not None:
        only_ours(request, "ask what vectors there are where folders are restricted")
    return answer_json({"reembedding": await reembedder.report(), "spaces": await reembedder.listed()})


@routes.post("/v1/reembed")
async def reembed(request: web.Request) -> web.Response:
    """Have everything embedded anew in the background, give that up, or drop what a model left."""
    services = request.app[SERVICES]()
    only_ours(request, "change the embedding model of all documents")
    asked = await body(request, ReembedRequest)
    reembedder = needed(services.reembedder, services)
    try:
        if asked.cancel:
            return answer_json(await reembedder.cancel())
        if asked.drop is not None:
            return answer_json(await reembedder.drop(asked.drop), status=202)
        answer = await reembedder.ask(asked.model)
    finally:
        request.app[STATUS].outdate()
    return answer_json(answer, status=200 if answer["state"] == "active" else 202)
