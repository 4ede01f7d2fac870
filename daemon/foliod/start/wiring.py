"""Which part of the daemon gets which others, and what a new configuration means to each."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import TYPE_CHECKING

from foliod.answer.answer import Answerer
from foliod.ingest.backlog import Backlog
from foliod.ingest.builds import Builds
from foliod.ingest.ingest import Ingest
from foliod.ingest.ocr import Recogniser
from foliod.ingest.original import Originals
from foliod.ingest.passwords import Passwords
from foliod.ingest.recognised import RecognisedText
from foliod.ingest.reembed import Reembedder
from foliod.ingest.renew import Renewal
from foliod.ingest.tessdata import Tesseract
from foliod.ingest.vectors import Vectors
from foliod.ingest.workers import Workers, tell_sandbox
from foliod.retrieve import facsimile
from foliod.retrieve.retrieve import Retriever
from foliod.start.pipeline import Pipeline
from foliod.store.files import Files
from foliod.store.roots import Roots
from foliod.store.spaces import Spaces
from foliod.store.store import Store
from foliod.watch.folders import Folders
from foliod.watch.sweep import Sweeper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AsyncExitStack

    from foliod.base.config import Ingest as IngestSettings
    from foliod.base.config import Settings, Watch
    from foliod.base.telemetry import Counters
    from foliod.ingest.embedders import Embedders
    from foliod.ollama.inference import Inference
    from foliod.serve.services import Services
    from foliod.start.state import State
    from foliod.store.database import Database

INDEX_MEMORY_SHARE = 8
"""Building an index that fits into memory is several times quicker; an eighth holds 300,000 vectors on 8 GB."""


def readers_of(settings: Settings) -> int:
    """Return how many processes read PDFs."""
    return settings.ingest.workers or max(1, (os.cpu_count() or 1) - 1)


class Wiring:
    """Everything that rests on the database. Make it with `open`."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        state: State,
        inference: Inference,
        embedders: Embedders,
        counters: Counters,
        workers: Workers,
        recognisers: Workers,
        drawers: Workers,
        watched: Callable[[], Sequence[Watch]],
    ) -> None:
        """`workers` read, `recognisers` do OCR, `drawers` make pictures of pages; `watched` is watched now."""
        ingest = settings.ingest
        self._db = db
        self._inference = inference
        self._embedders = embedders
        self._drawers = drawers
        owner = f"{state.host}:{os.getpid()}-{time.time_ns()}"
        roots = Roots(db, state.host)

        def forgotten() -> None:
            roots.forgotten()
            for sweeper in folders:
                sweeper.hint()

        self._backlog = backlog = Backlog(
            db, host=state.host, owner=owner, max_deaths=ingest.max_attempts, when_forgotten=forgotten
        )
        files = Files(db, state.host)

        def sweeper(root: Watch, settings: IngestSettings) -> Sweeper:
            return Sweeper(root, settings, files, backlog.wake, counters)

        folders = Folders(sweeper, settings.watch, ingest)

        def changed(path: bytes) -> None:
            for sweeper in folders:
                sweeper.hint(path)

        store = Store(db)
        self._originals = originals = Originals(db, state.host, changed)
        self._passwords = passwords = Passwords(db, backlog, settings)
        self._tesseract = tesseract = Tesseract(ingest)
        self._ingest = Ingest(store, backlog, workers, embedders, originals, passwords, tesseract, ingest, counters)
        spaces = Spaces(db, state.host)
        builds = Builds(spaces, embedders)
        vectors = Vectors(store, spaces, backlog, embedders, builds, counters)
        reembedder = Reembedder(
            spaces, store, backlog, embedders, builds, counters,
            index_memory_mb=_index_memory_mb() if settings.database.embedded else None,
        )  # fmt: skip
        text = RecognisedText(db, store, backlog, self._ingest, originals, passwords, tesseract, workers)
        self._recogniser = Recogniser(
            db, store, backlog, self._ingest, originals, passwords, tesseract, text, recognisers, ingest, counters
        )
        self._drawing = ingest, self._facsimiles(ingest)
        """What makes pictures of pages, with the settings it goes by: kept while they stay, for the sake of its cache."""
        renewal = Renewal(db, store, backlog, self._ingest, originals, passwords, tesseract, workers, counters)
        self.pipeline = Pipeline(
            db,
            files,
            backlog,
            self._ingest,
            vectors,
            reembedder,
            folders,
            originals,
            passwords,
            self._recogniser,
            renewal,
            roots,
            watched=watched,
            readers=readers_of(settings),
            grace_seconds=ingest.grace_seconds,
        )

    @classmethod
    async def open(
        cls,
        stack: AsyncExitStack,
        settings: Settings,
        db: Database,
        state: State,
        inference: Inference,
        embedders: Embedders,
        counters: Counters,
        watched: Callable[[], Sequence[Watch]],
    ) -> Wiring:
        """Return all parts, with the processes they need, which end with `stack`."""
        tell_sandbox()
        workers = await stack.enter_async_context(Workers(readers_of(settings)))
        recognisers = await stack.enter_async_context(Workers(1))
        drawers = await stack.enter_async_context(
            Workers(facsimile.PROCESSES, urgent=True, keep_seconds=facsimile.KEEP_SECONDS)
        )
        return cls(settings, db, state, inference, embedders, counters, workers, recognisers, drawers, watched)

    def services(self, before: Services) -> Services:
        """Return what the handlers reach, made for the settings that are in `before`."""
        s, db = before.settings, self._db
        retriever = Retriever(db, self._embedders, s.search, arriving=self.pipeline.arriving, host=self.pipeline.host)
        if self._drawing[0] != s.ingest:
            self._drawing = s.ingest, self._facsimiles(s.ingest)
        return dataclasses.replace(
            before,
            db=db,
            retriever=retriever,
            answerer=Answerer(retriever, self._inference, self._embedders, s, db),
            pipeline=self.pipeline,
            reembedder=self.pipeline.reembedder,
            roots=self.pipeline.shared_roots,
            facsimiles=self._drawing[1],
        )

    def _facsimiles(self, settings: IngestSettings) -> facsimile.Facsimiles:
        return facsimile.Facsimiles(self._db, self._originals, self._passwords, self._drawers, settings)

    async def configure(self, settings: Settings) -> None:
        """Go by these settings from now on, all but what `foliod.start.reload` says can't change."""
        self._backlog.configure(max_deaths=settings.ingest.max_attempts)
        self._passwords.configure(settings)
        self._tesseract.configure(settings.ingest)
        self._ingest.configure(settings.ingest)
        self._recogniser.configure(settings.ingest)
        await self.pipeline.configure(settings)


def _index_memory_mb() -> int:
    """Return how much of this machine's memory PostgreSQL may take to build an index."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 // INDEX_MEMORY_SHARE
