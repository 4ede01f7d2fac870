"""What is missing from a folder is forgotten at once when somebody says that it is not coming back."""

from __future__ import annotations

import asyncio

import structlog

from foliod.base.errors import FileUnreadableError
from foliod.base.paths import display
from foliod.store.files import Files
from foliod.watch import walk

Confirmed = list[asyncio.Future[int]]

log = structlog.get_logger()


class Confirmations:
    """Those who say so of one root."""

    def __init__(self, root: bytes, files: Files) -> None:
        self._root = display(root)
        self._files = files
        self._asked: Confirmed = []

    async def answer(self) -> int:
        """Wait until what is missing is forgotten; return how many files that were.

        Raises FileUnreadableError when the folder is there but can't be listed.
        """
        confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked.append(confirmed)
        try:
            return await confirmed
        finally:
            # Also when who asked hung up.
            self._asked.remove(confirmed)

    def end(self, error: Exception) -> None:
        """Tell those who wait that nobody will look any more."""
        for future in self.now():
            future.set_exception(error)

    def now(self) -> Confirmed:
        """Return those who wait."""
        return [future for future in self._asked if not future.done()]

    async def forget(
        self, confirmed: Confirmed, trouble: tuple[str, str] | None, known: dict[bytes, bytes], found: walk.Findings
    ) -> tuple[str, str] | None:
        """Forget what is missing, of what is `known` and what was `found`; return what trouble is left."""
        refused, missing = None, list[bytes]()
        if trouble is not None and trouble[0] == "unreadable":
            refused = FileUnreadableError(f"{self._root}: {trouble[1]}; nothing is forgotten")
        else:
            missed = [path for path, old in known.items() if trouble is not None or old[-1:] == walk.GONE]
            missing = [*found.gone, *found.unmounted, *missed]
            await self._files.forget_paths(missing)
            log.info("root_forgotten", root=self._root, files=len(missing))
            if trouble is not None and trouble[0] == "empty":
                trouble = None
        found.gone, found.unmounted = [], []
        for future in confirmed:
            if not future.done():
                future.set_exception(refused) if refused else future.set_result(len(missing))
        return trouble
