"""A folder with all its subfolders under watch, those that come included."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Final, Self

from foliod.base.config import Watch
from foliod.base.paths import Wanted, below, display
from foliod.watch import inotify
from foliod.watch.inotify import Event, Inotify

LIMIT_ADVICE: Final = (
    "the kernel gives no more watches of folders: raise fs.inotify.max_user_watches with sysctl; "
    "until then the folder is looked through every few seconds instead"
)
INSTANCES_ADVICE: Final = "there are too many inotify instances: raise fs.inotify.max_user_instances with sysctl"


class EventsLostError(Exception):
    """The kernel's queue was full."""


class RootGoneError(Exception):
    """The watched folder was deleted, moved or unmounted."""


class Tree:
    """The watches of one root. `grow` runs in a thread, the rest in the event loop. All may raise OSError."""

    def __init__(self, root: Watch) -> None:
        self._path = os.fsencode(root.path)
        self._wanted = Wanted(self._path, root.include, root.exclude, recursive=root.recursive)
        self._folders: dict[int, bytes] = {}
        self._watches: dict[bytes, int] = {}
        self.denied: set[bytes] = set()
        """Folders that can't be watched, as they can't be read."""
        try:
            self._inotify = Inotify()
        except OSError as error:
            if error.errno == errno.EMFILE:
                raise OSError(errno.EMFILE, INSTANCES_ADVICE) from None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._inotify.__exit__()

    def grow(self, top: bytes) -> None:
        """Watch a folder and all below it."""
        folders = [top]
        while folders:
            folder = folders.pop()
            try:
                # Before its entries are listed: what comes later tells of itself.
                watch = self._inotify.add(folder, follow=folder == self._path)
                self._folders[watch], self._watches[folder] = folder, watch
                self.denied.discard(folder)
                if not self._wanted.recursive:
                    return
                with os.scandir(folder) as entries:
                    inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
                folders += [path for path in inner if not self._wanted.excluded(path)]
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.ENOMEM):
                    raise OSError(errno.ENOSPC, LIMIT_ADVICE) from None
                if error.errno == errno.EBADF:
                    return
                if error.errno in (errno.EACCES, errno.EPERM):
                    self.denied.add(folder)
                if folder == self._path:
                    raise

    async def changes(self, step: float, most: float, wait: float) -> set[bytes]:
        """Return the paths to which something happened, none after `wait` seconds without.

        Events are gathered until none came for `step` seconds, at most for `most`. New folders are watched
        by the time they are named. Raises EventsLostError, RootGoneError.
        """
        changed: set[bytes] = set()
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while (left := end - loop.time()) > 0:
            came = False
            for event in self._inotify.read():
                came = True
                for path in self._take(event):
                    changed.add(path)
                    if event.mask & inotify.FOLDER and path not in self._watches and self._wanted.folder(path):
                        await asyncio.to_thread(self.grow, path)
            if came:
                end = min(end, loop.time() + most) if left > most else end
                await asyncio.sleep(0)
            elif not await self._more(min(left, step) if changed else left):
                break
        return changed

    async def _more(self, seconds: float) -> bool:
        """Wait for more events; return whether there are some. Not listened to at other times, which would spin."""
        readable, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._inotify.fd, readable.set)
        try:
            async with asyncio.timeout(seconds):
                await readable.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._inotify.fd)
        return True

    def _take(self, event: Event) -> list[bytes]:
        """Take note of what happened to folders; return the paths that have to be looked at."""
        if event.mask & inotify.OVERFLOW:
            raise EventsLostError
        folder = self._folders.get(event.watch)
        if folder is None:
            return []
        if event.mask & (inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.UNMOUNT | inotify.IGNORED):
            if folder == self._path:
                raise RootGoneError
            if event.mask & inotify.IGNORED:
                del self._folders[event.watch]
                if self._watches.get(folder) == event.watch:
                    del self._watches[folder]
            return [folder] if event.mask & inotify.UNMOUNT else []
        path = os.path.join(folder, event.name) if event.name else folder
        if event.mask & inotify.FOLDER and event.mask & (inotify.MOVED_FROM | inotify.DELETE):
            self._cut(path)
            self.denied = {folder for folder in self.denied if folder != path and not below(folder, path)}
        return [path]

    def _cut(self, top: bytes) -> None:
        """Watch a folder that was moved away no more, nor what lies below it: its names are not right any more."""
        if top in self._watches:
            for folder in [folder for folder in self._watches if folder == top or below(folder, top)]:
                watch = self._watches.pop(folder)
                self._folders.pop(watch, None)
                self._inotify.remove(watch)

    def reason(self) -> str | None:
        """Return why there are no events of everything."""
        if not self.denied:
            return None
        return f"{display(min(self.denied))} can't be read, so that it is not watched" + (
            f", nor are {len(self.denied) - 1} others" if len(self.denied) > 1 else ""
        )
