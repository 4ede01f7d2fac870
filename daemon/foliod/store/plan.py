"""Which embedding spaces there are, and what was asked for last: what is to be built follows from these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foliod.base.model import Space
from foliod.ollama.inference import full_name

if TYPE_CHECKING:
    from datetime import datetime

    from foliod.store.statements import Session


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a model; `digest` and `dimensions` are None when any build will do. `how` tells who asked."""

    model: str
    digest: str | None
    dimensions: int | None
    how: str
    host: str | None
    asked_at: datetime

    def met_by(self, space: Space) -> bool:
        """Whether a space holds what is asked for."""
        return (
            same_model(self.model, space.model)
            and (self.digest is None or space.made_by(self.digest))
            and self.dimensions in (None, space.dimensions)
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The space that serves, the one that is built, one that is being dropped, and what was asked for last."""

    active: Space | None
    building: Space | None
    dropping: Space | None
    request: Request | None

    @property
    def wanted(self) -> Request | None:
        """What is asked for and does not serve yet; None when nothing is to be built."""
        if self.active is None or self.request is None or self.request.met_by(self.active):
            return None
        return self.request


async def read_plan(session: Session) -> Plan:
    """Return how things are."""
    by_state = {state: space for space, state in await all_spaces(session)}
    row = await session.fetchrow("newest_request")
    return Plan(
        active=by_state.get("active"),
        building=by_state.get("building"),
        dropping=by_state.get("dropping"),
        request=None if row is None else Request(**dict(row)),
    )


async def all_spaces(session: Session) -> list[tuple[Space, str]]:
    """Return every space with its state, in the order in which they were made."""
    return [
        (Space(**{name: value for name, value in row.items() if name != "state"}), row["state"])
        for row in await session.fetch("all_spaces")
    ]


def same_model(one: str, other: str) -> bool:
    """Whether two names are one model's to Ollama."""
    return full_name(one) == full_name(other)
