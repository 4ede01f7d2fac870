"""The background half of the daemon: watching, sweeping, reading and embedding as named tasks.

Each task is a loop that never ends by itself. An outage of the database or of Ollama makes it
wait, longer each time; a bug ends it, and with it the daemon, which says so and is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from foliod.base.errors import DatabaseUnavailableError, NotFoundError, OllamaError
from foliod.base.paths import display
from foliod.start.until import until_searchable
from foliod.store.roots import KNOWN_SECONDS
from foliod.store.titles import catch_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from foliod.base.access import Access
    from foliod.base.config import Settings, Watch
    from foliod.ingest.backlog import Backlog
    from foliod.ingest.ingest import Ingest
    from foliod.ingest.ocr import Recogniser
    from foliod.ingest.original import Originals
    from foliod.ingest.passwords import Passwords
    from foliod.ingest.reembed import Reembedder
    from foliod.ingest.renew import Renewal
    from foliod.ingest.vectors import Vectors
    from foliod.store.database import Database
    from foliod.store.files import Files
    from foliod.store.roots import Roots
    from foliod.watch.folders import Folders

T = TypeVar("T")

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
"""Seconds between two tries while the database or Ollama can't be reached; doubled each time."""
FORGET_SECONDS = 5.0
"""How often is looked for files whose grace period is over; more often when that is shorter."""

log = structlog.get_logger()


class Pipeline:
    """Runs everything that happens without being asked."""

    def __init__(
        self,
        db: Database,
        files: Files,
        backlog: Backlog,
        ingest: Ingest,
        vectors: Vectors,
        reembedder: Reembedder,
        folders: Folders,
        originals: Originals,
        passwords: Passwords,
        recogniser: Recogniser,
        renewal: Renewal,
        shared_roots: Roots,
        *,
        watched: Callable[[], Sequence[Watch]],
        readers: int,
        grace_seconds: float,
    ) -> None:
        self._db = db
        self._files = files
        self._backlog = backlog
        self._ingest = ingest
        self._vectors = vectors
        self.reembedder = reembedder
        self._folders = folders
        self.readable = originals.readable
        self._passwords = passwords
        self._recogniser = recogniser
        self._renewal = renewal
        self.shared_roots = shared_roots
        self._watched_now = watched
        self._readers = readers
        self._grace_seconds = grace_seconds
        self._unwatched: list[dict[str, Any]] | None = None
        self.troubles: dict[str, str] = {}
        """Tasks that wait for the database, and why."""
        self._tasks: list[asyncio.Task[Any]] = []

    async def run(self) -> None:
        """Run until cancelled; raises what broke one of the tasks, after ending the others."""
        # What comes first waits for the database as everything does, and is looked after as well.
        self._tasks = [task for task in [asyncio.current_task()] if task]
        await self._persist("roots", self._share_roots)
        await self._persist("recover", self._backlog.recover)
        await self._persist("model", self.reembedder.begin)
        steps: dict[str, Callable[[], Awaitable[bool]]] = {
            "forget": self._forget,
            "roots": self._keep_roots_shared,
            **{f"reader {number}": self._ingest.read_next for number in range(1, self._readers + 1)},
            "embedder": self._vectors.embed_next,
            "reembedder": self.reembedder.step,
            "passwords": self._passwords.look,
            "titles": partial(catch_up, self._db),
            "ocr": self._recogniser.recognise_next,
            "renewal": self._renewal.renew_next,
        }
        async with self._backlog.present(), asyncio.TaskGroup() as group:
            group.create_task(self._folders.run(), name="folders")
            self._tasks = [
                group.create_task(self._backlog.keep_leases(), name="leases"),
                *(group.create_task(self._forever(name, step), name=name) for name, step in steps.items()),
            ]

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that do the work: each should get on with it."""
        return [*self._tasks, *self._folders.tasks()]

    async def configure(self, settings: Settings) -> None:
        """Go by these settings from now on; folders that are watched no more become known as such."""
        self._grace_seconds = settings.ingest.grace_seconds
        # Who may read a folder is known to all hosts before anything of it is; in an outage, as soon as it is over.
        with contextlib.suppress(DatabaseUnavailableError):
            await self._share_roots()
        await self._folders.change(settings.watch, settings.ingest)
        self._unwatched = None
        # Otherwise the next look for what is to be forgotten finds it out.
        with contextlib.suppress(DatabaseUnavailableError):
            self._unwatched = await self._left_behind()

    async def _forever(self, name: str, step: Callable[[], Awaitable[bool]]) -> None:
        """Take step after step; wait for work when there is none."""
        while True:
            if not await self._persist(name, step):
                await self._backlog.idle(name)

    async def _persist(self, name: str, step: Callable[[], Awaitable[T]]) -> T:
        """Take one step, again and again while the database or Ollama is away; return its result."""
        wait = FIRST_WAIT
        while True:
            try:
                return await step()
            except (DatabaseUnavailableError, OllamaError) as outage:
                self.troubles[name] = outage.message
                # That the database is away is told once, by its pulse.
                if self._db.pulse.away is None:
                    log.warning("waiting", task=name, reason=outage.message, seconds=wait)
            await self._db.pulse.pause(wait)
            # A step can take minutes: that it goes on is told from its beginning.
            del self.troubles[name]
            wait = min(wait * 2, LONGEST_WAIT)

    async def _share_roots(self) -> None:
        """Write down for other hosts what is watched here, and who may read it, before anything of it is."""
        if await self.shared_roots.register(self._watched_now()):
            await asyncio.sleep(KNOWN_SECONDS)

    async def _keep_roots_shared(self) -> bool:
        """Write it down again when the configuration changes."""
        await asyncio.sleep(KNOWN_SECONDS)
        await self._share_roots()
        return True

    async def _forget(self) -> bool:
        """Forget what has been gone for longer than the grace period."""
        if self._unwatched is None:
            self._unwatched = await self._left_behind()
        await self._files.forget_gone(self._grace_seconds)
        # By the clock: what wakes the readers is nothing to forget, and would ask the database after every document.
        await asyncio.sleep(min(FORGET_SECONDS, max(self._grace_seconds, 0.5)))
        return True

    async def _left_behind(self) -> list[dict[str, Any]]:
        """Return the folders whose files are in the store though no watched folder covers them any more."""
        left = []
        for root, files in (await self._files.left_behind(self._folders.paths)).items():
            reason = "not watched any more; what was read of it is still found, and changes go unnoticed"
            log.warning("root_not_watched", root=root, files=files, reason=reason)
            left.append({
                "path": root, "state": "not_watched", "reason": reason, "files": files,
                "settling": 0, "unfinished": 0, "unreadable": 0, "problem": None, "fix": None, "swept_at": None, "sweep_ms": None,
                "noticed_by": None, "noticed_reason": None,
            })  # fmt: skip
        return left

    # --- what the doors ask -------------------------------------------------------------

    def needs(self) -> dict[str, Any]:
        """Return what locked and scanned documents need, and what is wrong with it: `{passwords, ocr}`."""
        return {"passwords": self._passwords.report(), "ocr": self._recogniser.report()}

    def trouble(self, task: str) -> str | None:
        """Return why tasks of a kind (`reader`, `embedder`) can't go on now, None when they can."""
        why = next((why for name, why in self.troubles.items() if name.startswith(task)), None)
        return why or (self._vectors.trouble if task == "embedder" else self._ingest.trouble)

    @property
    def leases(self) -> int:
        """How many documents this daemon has claimed."""
        return len(self._backlog.held)

    @property
    def host(self) -> str:
        """The name under which the store knows this host's files."""
        return self._backlog.host

    async def inspect(self, path: bytes) -> dict[str, Any] | None:
        """Return what the folder that a path lies in shows there, None when it lies in no watched folder."""
        sweeper = self._folders.at(path)
        return None if sweeper is None else await sweeper.explain(path)

    def look(self, path: bytes | None) -> bool:
        """Have a path, or everything, looked at now; return whether it lies in a watched folder."""
        sweepers = self._folders if path is None else filter(None, [self._folders.at(path)])
        looked = False
        for sweeper in sweepers:
            sweeper.hint(path)
            looked = True
        return looked

    def resumed(self) -> None:
        """Have everything looked at: the daemon was stopped (SIGSTOP) and may have missed what happened meanwhile."""
        log.info(
            "resumed", reason="SIGCONT: if the daemon was stopped, events got lost; all folders are looked through"
        )
        for sweeper in self._folders:
            sweeper.resumed()

    def wake(self) -> None:
        """Say that there may be something to read."""
        self._backlog.wake()

    async def forget(self, root: bytes) -> int:
        """Forget what is missing from a watched folder, or all of one that is watched no more; return how many files.

        Of the latter, what lies in a watched folder stays.

        Raises NotFoundError when `root` is neither, FileUnreadableError when it can't be listed.
        """
        sweeper = next((sweeper for sweeper in self._folders if sweeper.path == root), None)
        left = next((left for left in self._unwatched or () if left["path"] == display(root)), None)
        if sweeper is not None:
            count = await sweeper.forget()
            self._files.release(root)
        elif left is not None:
            count = await self._files.forget_below(root, self._folders.paths)
        else:
            # Not which there are: some may be hidden from who asks.
            raise NotFoundError(f"{display(root)} is no watched folder, and was none")
        await self._files.forget_gone(self._grace_seconds)
        self._unwatched = None
        return count

    def roots(self) -> list[dict[str, Any]]:
        """Return the watched folders with their state, then those that are watched no more."""
        return [*(sweeper.report() for sweeper in self._folders), *(self._unwatched or ())]

    def arriving(self, access: Access | None = None) -> int:
        """Return how many files were seen and are not written down yet: they may still be changing."""
        return sum(s.pending() for s in self._folders if access is None or access.root(display(s.path)))

    def ready_reasons(self) -> list[str]:
        """Return why not every folder has been compared with the store yet."""
        return [
            f"{sweeper.root.path} is being looked through for the first time"
            for sweeper in self._folders
            if not sweeper.first_sweep_done.is_set()
        ]

    async def wait(self, path: str | None, seconds: float) -> None:
        """Return when `path`, or everything that lies in the folders now, is searchable; see `until_searchable`."""
        await until_searchable(self._db, self.host, self._folders, path, seconds)
