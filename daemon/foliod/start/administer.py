"""The commands of an administrator of a shared store: bringing the schema up to date, and the hosts that share it."""

# ruff: noqa: PLC0415 - imports inside commands are what keeps the others quick to start

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from foliod.base.errors import ConflictError, ForbiddenError, NotFoundError
from foliod.start.arguments import Config, Json
from foliod.start.command import print_json, socket_of, terminal

Forget = Annotated[
    str | None,
    typer.Option("--forget", metavar="HOST", help="Forget this host, which is gone for good, and what only it has."),
]


def migrate(config: Config = None, as_json: Json = False) -> None:
    """Bring the database's schema up to date, and end.

    For a role that owns the schema where the daemon's own may not change it (sql/grants.sql). Uses [database]
    direct_url where that is set, else url. The embedded database needs none of this.
    """
    import asyncio

    from foliod.start.logs import open_error_log
    from foliod.start.whose import own_settings
    from foliod.store.address import parse
    from foliod.store.connection import behind_pooler
    from foliod.store.migrate import migrate as bring_up

    settings = own_settings(config, secrets=True)
    open_error_log(settings)
    if settings.database.embedded:
        if as_json:
            print_json({"applied": 0, "database": "embedded"})
        else:
            terminal().say("the embedded database is brought up to date whenever foliod starts")
        return

    async def work() -> int:
        dsn = settings.database.direct
        return await bring_up(dsn, pooled=await behind_pooler(dsn))

    applied = asyncio.run(work())
    shown = parse(settings.database.direct).shown
    if as_json:
        print_json({"applied": applied, "database": shown})
        return
    from foliod.start.terminal import count

    terminal().say(f"{count(applied, 'migration')} applied to {shown}" if applied else f"{shown} is up to date")


def hosts(forget: Forget = None, config: Config = None, as_json: Json = False) -> None:
    """List the hosts that share the store, or forget one.

    A host that does not come back keeps its files in the store until it is forgotten. Of one that runs nothing is
    forgotten.
    """
    import asyncio

    from foliod.start.logs import open_error_log
    from foliod.start.whose import own_settings

    settings = own_settings(config, secrets=True)
    open_error_log(settings)
    answer = asyncio.run(_hosts(settings, config, forget))
    if as_json:
        print_json(answer)
        return
    from foliod.start.terminal import count

    to = terminal()
    if forget is not None:
        files, documents = count(answer["files"], "file"), count(answer["documents"], "document")
        to.say(f"{forget} is forgotten: {files}; {documents} that lay nowhere else")
        return
    if not answer["hosts"]:
        to.say("there are no hosts: nothing is stored yet", "dim")
    for host in answer["hosts"]:
        here = " (this one)" if host["this"] else ""
        version = f", foliod {host['version']}" if host["version"] else ""
        only = count(host["only_here"], "document")
        to.out.print(
            f"{host['host']}{here}: {_seen(host)}{version}; {count(host['files'], 'file')}, {only} only here",
            markup=False,
        )


def _seen(host: dict[str, Any]) -> str:
    """Return whether a host's daemon runs, as far as that can be known here."""
    when = f"{host['seen_at'][:16].replace('T', ' ')} UTC"
    if host["alive"]:
        return "runs" if host["this"] else f"seen {host['seconds']:.0f} s ago"
    if host["left_at"] is not None:
        return f"stopped at {when}"
    return f"does not run, last seen {when}" if host["this"] else f"last seen {when}"


async def _hosts(settings: Any, file: Path | None, forget: str | None) -> dict[str, Any]:
    from datetime import UTC

    from foliod.start.reach import host_of, reached, status_of
    from foliod.start.state import held
    from foliod.start.whose import of_another
    from foliod.store.connection import behind_pooler
    from foliod.store.database import Database
    from foliod.store.hosts import forget as forget_host
    from foliod.store.hosts import listed

    own = host_of(settings.state)
    if forget is not None and forget == own:
        msg = f"{forget} is this host: `foliod forget FOLDER` forgets its folders one by one"
        raise ConflictError(msg)
    if settings.database.embedded and (owner := of_another(settings, file)) is not None:
        msg = f"the daemon of the user {owner} answers at {socket_of(settings, file)}, and this is for who runs it"
        raise ForbiddenError(msg)
    running = status_of(settings) is not None
    # Before the folder is held for the database's sake; a sign of life may be of a daemon that was killed, or of a backup.
    alive = held(settings.state)
    async with reached(settings, running=running) as dsn:
        if dsn is None:
            if forget is not None:
                raise NotFoundError(f"there is no host {forget}: nothing is stored yet")
            return {"hosts": []}
        async with Database.open(dsn, pool_size=2, pooled=await behind_pooler(dsn)) as db:
            if forget is not None:
                return {"host": forget, **await forget_host(db, forget)}
            found = await listed(db)
    for host in found:
        host["this"] = host["host"] == own
        if host["this"] and alive is not None:
            host["alive"] = alive
        for name in ("started_at", "seen_at", "left_at"):
            host[name] = None if host[name] is None else host[name].astimezone(UTC).isoformat()
    return {"hosts": found}
