"""Checks everything foliod needs, and says how to mend what is wrong. Changes nothing."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from foliod.base.config import Watch
from foliod.base.errors import ConfigError, EmbeddedServerError, ModelMissingError, OllamaError
from foliod.base.sources import find as find_source
from foliod.ingest.passwords import read_passwords
from foliod.ingest.tessdata import find
from foliod.ollama.inference import Inference
from foliod.reading.sandbox import offered
from foliod.start.checks import Check
from foliod.start.command import settings_of, socket_of
from foliod.start.doctor_daemon import change_of_model, look, look_at_anothers, look_at_the_machines
from foliod.start.doctor_database import examine_database
from foliod.start.doctor_folders import folders, inotify
from foliod.start.doctor_rights import accounts, barred, better_stack, token
from foliod.start.fallback import what_can_be_known
from foliod.start.whose import of_another, of_the_machine
from foliod.store.lodging import USERS, User, first_barred
from foliod.watch.unread import reader

if TYPE_CHECKING:
    from foliod.base.config import Settings


async def examine(settings: Settings, source: Path | None) -> AsyncIterator[Check]:
    """Yield all checks, in the order in which things have to be mended."""
    where = str(source) if source is not None else "no configuration file; defaults and environment"
    yield Check("configuration", "ok", where)
    running, daemon = await asyncio.to_thread(look, socket_of(settings, source))
    # What `foliod run --watch` was given stands in no file.
    roots = [
        Watch(path=Path(root["path"])) for root in (running or {}).get("roots", []) if root["state"] != "not_watched"
    ]
    watched = settings.watch or tuple(roots)
    for check in await asyncio.to_thread(
        lambda: [*folders(watched, running, *barred(settings, source)), *inotify(watched), _state(settings)]
    ):
        yield check
    yield _sandbox()
    for check in await asyncio.to_thread(
        lambda: [*_passwords(settings), _ocr(settings), *accounts(settings), *token(settings, source)]
    ):
        yield check
    async for check in examine_database(settings, running):
        yield check
    async for check in _ollama(settings):
        yield check
    if running is not None and (change := change_of_model(settings, running)) is not None:
        yield change
    # What is seen only when vectors are really made: the model crashes, or gives what can't be stored.
    if running is not None and running["ollama"]["reachable"] and (trouble := running["ollama"]["error"]):
        yield Check(
            "vectors", "warn", str(trouble), "the log of Ollama tells more; the vectors follow when it is mended"
        )
    for check in [*await asyncio.to_thread(lambda: [*better_stack(settings, running)]), *daemon]:
        yield check


async def diagnose(file: Path | None) -> AsyncIterator[Check]:
    """Yield all checks that can be made: also with a configuration that can't be used, and by whoever may only ask."""
    source = file or find_source()
    try:
        if of_the_machine(settings_of(file), file):
            for check in await asyncio.to_thread(look_at_the_machines):
                yield check
            return
        # Without secrets also who may not read them gets here.
        if (owner := await asyncio.to_thread(of_another, known := settings_of(file), file)) is not None:
            for check in await asyncio.to_thread(look_at_anothers, owner, socket_of(known, file)):
                yield check
            return
        settings = settings_of(file, secrets=True)
    except ConfigError as error:
        yield Check("configuration", "fail", error.message, "correct it; `foliod config --defaults` is a sample")
        yield _sandbox()
        known = await asyncio.to_thread(what_can_be_known, file)
        for check in (await asyncio.to_thread(look, socket_of(known, file)))[1]:
            yield check
        return
    async for check in examine(settings, source):
        yield check


def _state(settings: Settings) -> Check:
    name, folder = "state folder", settings.state
    there = folder
    while not os.path.lexists(there):
        there = there.parent
    fix = "set state_dir to a folder that you may write"
    if not there.is_dir():
        return Check(name, "fail", f"{there} is not a folder", fix)
    if not os.access(there, os.W_OK | os.X_OK):
        return Check(name, "fail", f"{folder} can't be {'written' if there == folder else 'made'} by {reader()}", fix)
    if settings.database.embedded and os.geteuid() == 0:
        try:
            barred = first_barred(
                _unprivileged(), "-x", [*reversed(there.parents), *([there] if there != folder else [])]
            )
        except EmbeddedServerError as error:
            return Check(name, "fail", error.message, None)
        if barred is not None:
            message = f"{barred} can't be entered by the user as whom PostgreSQL runs"
            return Check(name, "fail", message, "set state_dir to a folder elsewhere, such as /var/lib/foliod")
    return Check(name, "ok", f"{folder}{'' if there == folder else ' (made at the first start)'}")


def _unprivileged() -> User:
    """Return as whom the embedded server runs when we are root."""
    for name in USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(entry.pw_uid, entry.pw_gid, name)
    msg = "PostgreSQL refuses to run as root, and there is no other user for it: run useradd --system foliod"
    raise EmbeddedServerError(msg)


def _sandbox() -> Check:
    """What the kernel has to hold the processes that read PDFs; the daemon's own system may offer it less."""
    name, offer = "sandbox", offered()
    if offer.lacks is None:
        return Check(name, "ok", f"{offer} hold the processes that read PDFs")
    missing = " and ".join(filter(None, ["" if offer.landlock else "Landlock", "" if offer.seccomp else "seccomp"]))
    fix = f"use a kernel of 5.13 or later with {missing} switched on, and a container that does not forbid it"
    return Check(name, "warn", f"without {missing} a PDF that takes over its reader could {offer.lacks}", fix)


# --- locked and scanned documents -------------------------------------------------------


def _passwords(settings: Settings) -> Iterator[Check]:
    name = "passwords"
    files = {settings.ingest.passwords_file, *(watch.passwords_file for watch in settings.watch)} - {None}
    for path in sorted(filter(None, files)):
        found = read_passwords(path)
        if found.problem is not None:
            fix = f"correct it, its right to be read by {reader()}, or its name (passwords_file)"
            yield Check(name, "warn", found.problem, fix)
        elif path.stat().st_mode & 0o077:
            yield Check(name, "warn", f"others than its owner may read {path}", f"chmod 600 '{path}'")
        else:
            yield Check(name, "ok", f"{len(found.passwords):,} in {path}")


def _ocr(settings: Settings) -> Check:
    name = "OCR"
    found = find(settings.ingest)
    if found.missing is None:
        return Check(name, "ok", f"{', '.join(found.languages)} in {found.folder}")
    if not settings.ingest.ocr:
        return Check(name, "ok", found.missing)
    what, _, fix = found.missing.partition(": ")
    return Check(name, "warn", f"{what}; scanned pages are not read", fix)


# --- models -----------------------------------------------------------------------------


async def _ollama(settings: Settings) -> AsyncIterator[Check]:
    name, s = "Ollama", settings.ollama
    async with Inference(s) as inference:
        health = await inference.health()
        if not health.reachable:
            fix = "get it from https://ollama.com; without it search goes by keyword, and answers are quoted"
            yield Check(name, "warn", health.error or "not reachable", fix)
            return
        yield Check(name, "ok", f"version {health.version} at {health.url}")
        yield await _model(inference, "embedding model", s.embed_model, "embedding", "search goes by keyword")
        if s.chat_model.strip():
            yield await _model(inference, "chat model", s.chat_model, "completion", "answers are quoted")
        else:
            yield Check("chat model", "ok", "none is wanted; answers are quoted")


async def _model(inference: Inference, name: str, model: str, needed: str, without: str) -> Check:
    try:
        facts = await inference.describe(model)
    except ModelMissingError:
        return Check(name, "warn", f"Ollama does not have {model}; {without}", f"ollama pull {model}")
    except OllamaError as error:
        return Check(name, "warn", error.message, None)
    if facts.capabilities and needed not in facts.capabilities:
        fix = f"set [ollama] {'embed_model' if needed == 'embedding' else 'chat_model'} to another one"
        return Check(name, "fail", f"{model} is not made for {needed}", fix)
    context = f", context of {facts.context_length:,} tokens" if facts.context_length else ""
    return Check(name, "ok", f"{model}{context}")
