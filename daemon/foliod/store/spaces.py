"""Embedding spaces in the store: a change of model builds a new one beside the one that serves, then one switch.

A model is asked for once, and the newest request holds, whoever made it. All daemons follow the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import asyncpg
import numpy as np

from foliod.base.errors import ConflictError, DatabaseUnavailableError, NotFoundError
from foliod.base.model import Space
from foliod.ollama.inference import full_name
from foliod.store.plan import Plan, all_spaces, read_plan, same_model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from numpy.typing import NDArray

    from foliod.store.database import Database
    from foliod.store.statements import Transaction

How = Literal["configuration", "command", "cancel", "build"]

LEASE_SECONDS: Final = 60.0
"""Who builds a space and gives no sign of life for so long is taken for dead."""
SAMPLE: Final = 8
"""Texts by which two builds of a model are compared."""
DROP_ROWS: Final = 2000
"""Vectors removed in one transaction."""
INDEX_BYTES: Final = 1200
"""What an HNSW index (m = 16) holds in memory for a vector while it is built, on top of 2 bytes a number."""
MEMORY_MB: Final = 64
"""PostgreSQL's own default for that memory."""


class Spaces:
    """All that changes which spaces there are."""

    def __init__(self, db: Database, host: str) -> None:
        self._db = db
        self._host = host

    async def plan(self) -> Plan:
        """Return how things are."""
        return await read_plan(self._db)

    async def configured(self, model: str) -> bool:
        """Take note of this host's configuration; return whether that asks for another model than before.

        It does when it was changed since the last start, or when nobody has asked for a model yet. A host that
        comes new to a store follows the store.
        """
        async with self._db.transaction() as tx:
            await tx.execute("own_spaces")
            known = await tx.fetchval("host_configuration", self._host)
            nobody_asked = await tx.fetchrow("newest_request") is None
            asks = nobody_asked or (known is not None and not same_model(known, model))
            if asks:
                await self._ask(tx, model, "configuration")
            await tx.execute("set_host_configuration", self._host, model)
        return asks and not nobody_asked

    async def ask(self, model: str, how: How, *, digest: str | None = None, dimensions: int | None = None) -> None:
        """Ask for a model; what is being built for an earlier request is left as it is, and can be gone on with."""
        async with self._db.transaction() as tx:
            await tx.execute("own_spaces")
            await self._ask(tx, model, how, digest, dimensions)

    async def _ask(
        self, tx: Transaction, model: str, how: How, digest: str | None = None, dimensions: int | None = None
    ) -> None:
        await tx.execute("add_request", model, digest, dimensions, how, self._host)
        plan = await read_plan(tx)
        assert plan.request is not None
        if plan.building is not None and (plan.wanted is None or not plan.request.met_by(plan.building)):
            await tx.execute("set_space_state", plan.building.id, "retired")

    # --- builds -------------------------------------------------------------------------

    async def seen(self, model: str) -> tuple[str, int] | None:
        """Return digest and dimensions of the build of a model that this host saw last."""
        row = await self._db.fetchrow("host_build", self._host, full_name(model))
        return None if row is None else (row["digest"], row["dimensions"])

    async def see(self, model: str, digest: str, dimensions: int) -> None:
        """Take note of the build of a model that this host sees."""
        await self._db.execute("set_host_build", self._host, full_name(model), digest, dimensions)

    async def sample(self, space: Space) -> list[tuple[str, NDArray[np.float32]]]:
        """Return a few texts with their vectors, shape (d,)."""
        rows = await self._db.fetch("sample_vectors", space.id, SAMPLE)
        return [(row["text"], row["embedding"].to_numpy().astype(np.float32)) for row in rows]

    async def adopt(self, space: Space, digest: str) -> None:
        """Note that another build makes the same vectors."""
        await self._db.execute("adopt_digest", space.id, digest)

    # --- building -----------------------------------------------------------------------

    async def begin(self, built: Space) -> Space | None:
        """Return the space to build for what is asked for, if `built` (its id does not count) would be one.

        One that was retired is taken up again with all its vectors.
        """
        async with self._db.transaction() as tx:
            await tx.execute("own_spaces")
            plan = await read_plan(tx)
            if plan.wanted is None or not plan.wanted.met_by(built):
                return None
            if plan.building is not None:
                return plan.building
            made_so = (built.dimensions, built.query_prompt, built.document_prompt)
            for space, _ in reversed(await all_spaces(tx)):
                facts = (space.dimensions, space.query_prompt, space.document_prompt)
                if facts == made_so and same_model(space.model, built.model) and space.made_by(built.digest):
                    await tx.execute("set_space_state", space.id, "building")
                    return space
            number = await tx.fetchval("make_space", built.model, built.digest, *made_so)
            return replace(built, id=number)

    async def claim(self, space: Space, owner: str) -> bool:
        """Claim the building of a space, or keep it; False when another daemon is at it, or it is not wanted now."""
        return await self._db.fetchrow("claim_space", space.id, owner, LEASE_SECONDS) is not None

    @contextlib.asynccontextmanager
    async def claimed(self, space: Space, owner: str) -> AsyncIterator[None]:
        """Keep a claim while something is done that may take long."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(LEASE_SECONDS / 3)
                with contextlib.suppress(DatabaseUnavailableError):
                    await self.claim(space, owner)

        task = asyncio.create_task(keep(), name="keep the claim on a space")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def release(self, owner: str) -> None:
        """Give claims back: those of a daemon, or of all daemons whose name begins so."""
        await self._db.execute("release_space", owner)

    async def missing(self, space: Space, after: bytes, count: int) -> list[tuple[bytes, str]]:
        """Return up to `count` (hash, text) that have no vector in a space, in the order of hashes."""
        rows = await self._db.fetch("missing_anywhere", space.id, after, count)
        return [(row["text_hash"], row["text"]) for row in rows]

    async def documents_wait(self, owner: str) -> bool:
        """Whether documents wait for their vectors in the space that serves."""
        return bool(await self._db.fetchval("waiting_for_vectors", owner))

    async def progress(self, space: Space | None) -> dict[str, int]:
        """Count texts: `{have, want, refused}`."""
        row = await self._db.fetchrow("space_progress", None if space is None else space.id)
        assert row is not None
        return {name: row[name] for name in ("have", "want", "refused")}

    async def indexed(self, space: Space) -> bool:
        """Whether a space can be searched by its index."""
        row = await self._db.fetchrow("space_index", _index(space))
        return row is not None and row["usable"]

    async def index(self, space: Space, memory_mb: int | None) -> bool:
        """Build the index of a space that is full, as quick as a bulk build is; others go on storing vectors.

        Returns False when somebody is at it already: the server may still be at work for a daemon that was killed.
        `memory_mb` is what it may take, None is what the server allows.
        """
        row = await self._db.fetchrow("space_index", _index(space))
        if row is not None and (row["usable"] or row["under_way"]):
            return bool(row["usable"])
        if row is not None:
            # An interrupted build leaves an index that is of no use.
            await self._db.alone("drop_space_index", space=space.id)
        settings = {"client_connection_check_interval": "10s"}
        if memory_mb is not None:
            needed = (await self.progress(space))["have"] * (2 * space.dimensions + INDEX_BYTES) // 2**20
            settings |= {
                "maintenance_work_mem": f"{max(MEMORY_MB, min(needed, memory_mb))}MB",
                "max_parallel_maintenance_workers": "0",
            }
        try:
            await self._db.alone("index_space_beside", settings, space=space.id, dimensions=space.dimensions)
        except asyncpg.UniqueViolationError as error:
            msg = "another daemon builds the same index"
            raise DatabaseUnavailableError(msg) from error
        return True

    async def switch(self, space: Space) -> bool:
        """Let a space serve in place of the one that does, in one transaction.

        Returns False when it is not wanted any more, or lacks a chunk of a document that is ready.
        """
        async with self._db.transaction() as tx:
            await tx.execute("own_spaces")
            states = {row["id"]: row["state"] for row in await tx.fetch("lock_spaces")}
            # Looked at behind the lock: what became ready until now is seen, and nothing more becomes ready.
            if states.get(space.id) != "building" or await tx.fetchval("space_lacks", space.id):
                return False
            for number, state in states.items():
                if state == "active":
                    await tx.execute("set_space_state", number, "retired")
            await tx.execute("set_space_state", space.id, "active")
        return True

    # --- dropping -----------------------------------------------------------------------

    async def drop(self, name: str) -> list[Space]:
        """Mark spaces to be dropped, by number or by model; return them.

        Raises NotFoundError, ConflictError for the space that serves or is being built.
        """
        async with self._db.transaction() as tx:
            await tx.execute("own_spaces")
            found = await all_spaces(tx)
            named = [(space, state) for space, state in found if str(space.id) == name]
            named = named or [(space, state) for space, state in found if same_model(space.model, name)]
            if not named:
                known = ", ".join(f"{space.id} ({space.model})" for space, _ in found) or "none"
                msg = f"there are no vectors of {name}; there are these spaces: {known}"
                raise NotFoundError(msg)
            kept = [(space, state) for space, state in named if state in ("retired", "dropping")]
            if not kept:
                space, state = named[0]
                msg = (
                    f"the vectors of {space.model} serve: change to another model first, with foliod reembed --model"
                    if state == "active"
                    else f"the vectors of {space.model} are being made: foliod reembed --cancel stops that"
                )
                raise ConflictError(msg)
            for space, _ in kept:
                await tx.execute("set_space_state", space.id, "dropping")
            return [space for space, _ in kept]

    async def drop_some(self, space: Space) -> bool:
        """Remove a part of a space, if it still is to be dropped; False when all of it is gone.

        Another daemon may take the space up again at the very moment in which its index goes, which no lock can
        prevent: who finds the space that serves without its index makes it anew.
        """
        async with self._db.transaction() as tx:
            await tx.execute("own_spaces")
            if await tx.fetchval("space_state", space.id) != "dropping":
                return True
        await self._db.alone("drop_space_index", space=space.id)
        if await self._db.fetchval("drop_some_vectors", space.id, DROP_ROWS):
            return True
        await self._db.execute("drop_space", space.id)
        return False

    async def listed(self) -> list[Mapping[str, Any]]:
        """Return all spaces as people see them: id, model, digest, dimensions, state, vectors, refused, bytes."""
        return [dict(row) for row in await self._db.fetch("listed_spaces")]


def _index(space: Space) -> str:
    return f"foliod.embeddings_hnsw_{space.id}"
