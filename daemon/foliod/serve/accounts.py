"""The allow-lists of the configuration: names of users and groups as the numbers that the kernel tells of a peer."""

from __future__ import annotations

import asyncio
import contextvars
import grp
import pwd
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from foliod.serve.peers import sees_all_users

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from foliod.base.config import Settings
    from foliod.serve.peers import Peer

AGAIN_SECONDS = 60.0
"""An account that was not known may have been made since."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AllowList:
    """Users and groups by number; `everybody` when nothing was listed."""

    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()
    everybody: bool = False

    def has(self, peer: Peer) -> bool:
        """Say whether a peer is among them. Who can't be told who it is is only where everybody is."""
        return self.everybody or peer.uid in self.users or not self.groups.isdisjoint(peer.groups)


@dataclass(frozen=True, slots=True)
class AllowLists:
    """Who may enter, and who may read which folder."""

    enter: AllowList
    read: dict[Path, AllowList]


class Accounts:
    """Looks the accounts of a configuration up, once for each."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._lists: AllowLists | None = None
        self._again_at = 0.0

    async def lists(self, settings: Settings) -> AllowLists:
        """Return the allow-lists of a configuration. A name that nobody has allows nobody, and is told in the log."""
        if settings is self._settings and self._lists is not None and time.monotonic() < self._again_at:
            return self._lists
        lists, unknown = await asyncio.to_thread(_looked_up, settings)
        if settings is not self._settings:
            # Whose request comes first after a change of the configuration has nothing to do with it.
            if unknown:
                reason = "nobody has these names, so they allow nobody"
                contextvars.Context().run(log.warning, "accounts_unknown", accounts=unknown, reason=reason)
            listed = any((settings.server.users, settings.server.groups, *(w.restricted for w in settings.watch)))
            if listed and not sees_all_users():
                reason = (
                    "the daemon runs in a user namespace that does not have all users (PrivateUsers= of systemd):"
                    " it can't tell them apart, and the lists let in those only that it knows"
                )
                contextvars.Context().run(log.warning, "accounts_not_seen", reason=reason)
        self._again_at = time.monotonic() + AGAIN_SECONDS if unknown else float("inf")
        self._settings, self._lists = settings, lists
        return lists


def _looked_up(settings: Settings) -> tuple[AllowLists, list[str]]:
    unknown: dict[str, None] = {}

    def numbers(names: Sequence[str], find: Callable[[str], int], kind: str) -> frozenset[int]:
        found = set()
        for name in names:
            try:
                found.add(int(name) if name.isascii() and name.isdigit() else find(name))
            except KeyError:
                unknown[f"{kind} {name}"] = None
        return frozenset(found)

    def listed(users: Sequence[str], groups: Sequence[str]) -> AllowList:
        return AllowList(
            numbers(users, lambda name: pwd.getpwnam(name).pw_uid, "user"),
            numbers(groups, lambda name: grp.getgrnam(name).gr_gid, "group"),
            everybody=not users and not groups,
        )

    lists = AllowLists(
        listed(settings.server.users, settings.server.groups),
        {watch.path: listed(watch.users, watch.groups) for watch in settings.watch},
    )
    return lists, list(unknown)
