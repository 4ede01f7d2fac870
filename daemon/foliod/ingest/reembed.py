"""A change of embedding model without downtime: the new space is filled beside the one that serves, then one switch.

What is done is in the store, batch by batch; a daemon that is killed goes on where it was. One daemon at a
time embeds for the new space, and documents that wait for their vectors in the old one go first.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import structlog

from foliod.base.errors import BuildChangedError, ConflictError, OllamaError
from foliod.base.model import Space
from foliod.ingest.builds import check_dimensions
from foliod.ingest.pace import Pace
from foliod.store.plan import same_model

if TYPE_CHECKING:
    from foliod.base.telemetry import Counters
    from foliod.ingest.backlog import Backlog
    from foliod.ingest.builds import Builds
    from foliod.ingest.embed import Embedder
    from foliod.ingest.embedders import Embedders
    from foliod.ingest.embedding_model import EmbedderFacts
    from foliod.store.plan import Plan, Request
    from foliod.store.spaces import Spaces
    from foliod.store.store import Store

TEXTS = 256
"""Fetched at a time."""
LOOK_SECONDS = 0.2
"""How often is looked whether documents still wait for their vectors."""

log = structlog.get_logger()


class Reembedder:
    """Builds the space that is asked for, one step after the other; takes requests of people."""

    def __init__(
        self,
        spaces: Spaces,
        store: Store,
        backlog: Backlog,
        embedders: Embedders,
        builds: Builds,
        counts: Counters,
        *,
        index_memory_mb: int | None = None,
    ) -> None:
        """`index_memory_mb` bounds what building an index may take; None is what the server allows."""
        self._spaces = spaces
        self._store = store
        self._backlog = backlog
        self._embedders = embedders
        self._builds = builds
        self._counts = counts
        self._index_memory_mb = index_memory_mb
        self._cursor: tuple[int, bytes] = (0, b"")
        """The space that is filled, and the hash of the last text that was embedded for it."""
        self._phase = "waiting"
        self._trouble: str | None = None
        self._pace = Pace()

    async def begin(self) -> None:
        """Take note of the configuration, and free what an earlier daemon of this host left claimed. Call at start."""
        await self._spaces.release(f"{self._backlog.host}:")
        if await self._spaces.configured(self._embedders.configured):
            log.info("model_asked_for", model=self._embedders.configured, how="configuration")
        plan = await self._spaces.plan()
        serving = plan.wanted or plan.active
        if serving is not None and not same_model(serving.model, self._embedders.configured):
            log.warning(
                "model_of_the_store", model=serving.model, configured=self._embedders.configured,
                reason="the newest request holds for all daemons of a store; foliod reembed asks for another model",
            )  # fmt: skip

    async def step(self) -> bool:
        """Do some of what is to be done; False when there is nothing now.

        While Ollama can't go on this waits, a few seconds at a time.
        """
        plan = await self._spaces.plan()
        if plan.active is not None:
            self._embedders.serving = plan.active.model
        if plan.dropping is not None:
            if not await self._spaces.drop_some(plan.dropping):
                log.info("space_dropped", space=plan.dropping.id, model=plan.dropping.model)
            return True
        if plan.wanted is None:
            if plan.active is not None and not await self._spaces.indexed(plan.active):
                return await self._index(plan.active)
            self._rest("waiting")
            return False
        embedder = self._embedders.of(plan.wanted.model)
        try:
            return await self._build(plan, plan.wanted, embedder)
        except BuildChangedError as error:
            self._rest("waiting", error.message)
            return False
        except OllamaError as error:
            self._rest("waiting", error.message)
            embedder.outage.begin(error)
            await embedder.outage.pause()
            return True

    async def _build(self, plan: Plan, wanted: Request, embedder: Embedder) -> bool:
        if embedder.outage.reason is not None:
            await embedder.check()
        space = plan.building
        if space is None:
            facts = await embedder.facts()
            check_dimensions(facts)
            await self._builds.fits(wanted, facts)
            space = await self._spaces.begin(_space(facts))
            if space is None:
                return True
            log.info("space_begun", space=space.id, model=space.model, dimensions=space.dimensions)
        else:
            facts = await self._builds.maker(space)
        if not await self._spaces.claim(space, self._backlog.owner):
            self._rest("elsewhere")
            return False
        async with self._spaces.claimed(space, self._backlog.owner):
            with structlog.contextvars.bound_contextvars(space=space.id):
                return await self._fill(space, embedder, facts)

    async def _fill(self, space: Space, embedder: Embedder, facts: EmbedderFacts) -> bool:
        """Embed some of what is missing; when nothing is, index the space, then let it serve."""
        if self._cursor[0] != space.id:
            self._cursor = space.id, b""
        if await self._documents_first():
            await asyncio.sleep(LOOK_SECONDS)
            return True
        texts = await self._spaces.missing(space, self._cursor[1], TEXTS)
        if texts:
            self._rest("embedding", self._trouble)
            async with contextlib.aclosing(embedder.embed_texts([text for _, text in texts], facts)) as batches:
                async for batch in batches:
                    await self._store.put_vectors(space, [(texts[i][0], vector) for i, vector in batch])
                    self._counts.add("texts_reembedded", len(batch))
                    self._cursor = space.id, texts[batch[-1][0]][0]
                    self._trouble = None
                    if await self._documents_first():
                        break
        elif self._cursor[1]:
            # What came meanwhile may stand before the cursor.
            self._cursor = space.id, b""
        elif not await self._spaces.indexed(space):
            return await self._index(space)
        elif await self._spaces.switch(space):
            self._rest("waiting")
            self._embedders.serving = space.model
            self._embedders.trouble = None
            log.info("space_activated", space=space.id, model=space.model, dimensions=space.dimensions)
            self._backlog.wake()
        else:
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _documents_first(self) -> bool:
        """Whether documents wait for vectors that can be made now."""
        serving = self._embedders.of(self._embedders.serving)
        if serving.outage.reason is not None or self._embedders.trouble is not None:
            return False
        return await self._spaces.documents_wait(self._backlog.owner)

    async def _index(self, space: Space) -> bool:
        self._rest("indexing")
        started = time.monotonic()
        if not await self._spaces.index(space, self._index_memory_mb):
            return False
        log.info("space_indexed", space=space.id, ms=round((time.monotonic() - started) * 1000))
        return True

    def _rest(self, phase: str, trouble: str | None = None) -> None:
        self._phase, self._trouble = phase, trouble

    # --- what the doors ask -------------------------------------------------------------

    async def ask(self, model: str | None) -> dict[str, Any]:
        """Have everything embedded by `model`, by the configured one when it is None.

        Returns `{model, digest, dimensions, space, state, have, want, refused, serving}`; `state` is "active" when that
        is so already, `serving` the model that answers meanwhile. Raises OllamaError, and changes nothing then.
        """
        embedder = self._embedders.of(model or self._embedders.configured)
        await embedder.check()
        facts = await embedder.facts()
        check_dimensions(facts)
        plan = await self._spaces.plan()
        if plan.active is not None and same_model(plan.active.model, facts.model):
            with contextlib.suppress(OllamaError):
                await self._builds.maker(plan.active)
            plan = await self._spaces.plan()
        settled = plan.wanted is None and plan.active is not None and _made_by(plan.active, facts)
        space = plan.active if settled else None
        if not settled:
            await self._spaces.ask(facts.model, "command", digest=facts.digest, dimensions=facts.dimensions)
            if plan.active is None:
                # The first model of a store has nothing to be built beside.
                space, _ = await self._store.activate_space(
                    facts.model, facts.digest, facts.dimensions, facts.query_prompt, facts.document_prompt
                )
            else:
                space = await self._spaces.begin(_space(facts))
            plan = await self._spaces.plan()
            log.info("model_asked_for", model=facts.model, how="command")
            self._backlog.wake()
        return {
            "model": facts.model,
            "digest": facts.digest,
            "dimensions": facts.dimensions,
            "space": None if space is None else space.id,
            "state": "active" if plan.wanted is None else "building",
            "serving": None if plan.active is None else plan.active.model,
            **await self._spaces.progress(space or plan.active),
        }

    async def cancel(self) -> dict[str, Any]:
        """Give up what is being built, and stay with the model that serves; what was embedded is kept.

        Raises ConflictError when nothing is built, or when the model that serves is not there any more.
        """
        plan = await self._spaces.plan()
        if plan.wanted is None or plan.active is None:
            msg = "nothing is being embedded anew"
            raise ConflictError(msg)
        if same_model(plan.wanted.model, plan.active.model):
            msg = (
                f"{plan.active.model} is another build now than the one that made the stored vectors: without new ones "
                "there is no search by meaning; foliod reembed --model asks for another model instead"
            )
            raise ConflictError(msg)
        await self._spaces.ask(plan.active.model, "cancel")
        log.info("model_asked_for", model=plan.active.model, how="cancel")
        self._backlog.wake()
        return {"cancelled": plan.wanted.model, "serving": plan.active.model}

    async def drop(self, name: str) -> dict[str, Any]:
        """Have the vectors of a model that serves no more removed, in the background; by the space's number or its model.

        Raises NotFoundError, ConflictError.
        """
        dropped = await self._spaces.drop(name)
        self._backlog.wake()
        return {"dropping": [{"id": space.id, "model": space.model} for space in dropped]}

    async def listed(self) -> list[dict[str, Any]]:
        """Return all spaces: `{id, model, digest, dimensions, state, state_at, vectors, refused, bytes}`."""
        return [{**row, "state_at": row["state_at"].isoformat()} for row in await self._spaces.listed()]

    async def report(self) -> dict[str, Any] | None:
        """Return how far the change of model is, None when there is none.

        `{model, serving, phase, have, want, refused, per_s, eta_s, asked_at, how, error}`, counted in texts.
        """
        plan = await self._spaces.plan()
        if plan.wanted is None or plan.active is None:
            self._pace.forget()
            return None
        counted = await self._spaces.progress(plan.building)
        rate = self._pace.rate(0 if plan.building is None else plan.building.id, counted["have"])
        left = counted["want"] - counted["have"]
        return {
            "model": plan.wanted.model,
            "serving": plan.active.model,
            "phase": self._phase,
            **counted,
            "per_s": None if rate is None else round(rate, 1),
            "eta_s": round(left / rate) if rate else None,
            "asked_at": plan.wanted.asked_at.isoformat(),
            "how": plan.wanted.how,
            "error": self._trouble,
        }


def _space(facts: EmbedderFacts) -> Space:
    return Space(0, facts.model, facts.digest, facts.dimensions, facts.query_prompt, facts.document_prompt)


def _made_by(space: Space, facts: EmbedderFacts) -> bool:
    return same_model(space.model, facts.model) and space.made_by(facts.digest) and space.dimensions == facts.dimensions
