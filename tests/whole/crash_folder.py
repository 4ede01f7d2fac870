"""A folder in which somebody works all the time: PDFs come, change, move and go while a test looks on.

Every content is new and has the text of its serial number on each page, so that no two pages are
alike; contents of as many pages are of the same size.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from made_pdfs import FONT, raw_pdf

LINES = 8
WORDS = [
    f"{a}{b}{c}" for a in ("sta", "ver", "lom", "tri", "pan") for b in "aeiou" for c in ("ter", "ning", "dal", "rox")
]
MOST_PAGES = 300
MOST_FILES = 45
FEWEST_FILES = 20


def pdf(serial: int, pages: int) -> bytes:
    """Return a PDF whose every page says things of its own; its size depends on the number of pages alone."""
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R >>", 3: FONT}
    for number in range(pages):
        dice = random.Random(f"{serial} {number}")
        lines = [f"Document {serial:08d} has the page {number + 1:04d} of {pages:04d} and says:"]
        lines += [" ".join(dice.choice(WORDS) for _ in range(11)).ljust(88, ".")[:88] + "." for _ in range(LINES)]
        shown = b" T* ".join(b"(%s) Tj" % line.encode() for line in lines)
        content = b"BT /F1 10 Tf 14 TL 40 720 Td %s ET" % shown
        objects[4 + 2 * number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (5 + 2 * number)
        )
        objects[5 + 2 * number] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(pages))
    objects[2] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids)
    return raw_pdf(objects)


def contents(folder: Path) -> dict[Path, str]:
    """Return what lies in a folder: the SHA-256 of every file."""
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


class Folder(threading.Thread):
    """Works in the folder until `stop` is called."""

    def __init__(self, folder: Path, seed: str) -> None:
        super().__init__(name="folder")
        self.folder = folder
        self.fed = False
        """Whether nothing new needs to come for now."""
        self.done: dict[str, int] = {}
        """How often each thing was done."""
        self.broken: Exception | None = None
        self._dice = random.Random(seed)
        self._pages: dict[Path, int] = {}
        """The files that are there, and how many pages they have; 0 is no PDF."""
        self._serial = 0
        self._ended = threading.Event()

    def stop(self) -> None:
        """Let it finish what it is at; raises what broke it."""
        self._ended.set()
        self.join()
        if self.broken is not None:
            raise self.broken

    def run(self) -> None:
        ways: dict[Callable[[], None], int] = {
            self.add: 30, self.add_slowly: 6, self.change_same_size: 9, self.change: 5, self.replace: 7, self.move: 12,
            self.copy: 6, self.delete: 4, self.move_folder: 4, self.delete_folder: 1, self.touch: 3,
        }  # fmt: skip
        try:
            while not self._ended.wait(self._dice.expovariate(6)):
                (way,) = self._dice.choices(list(ways), list(ways.values()))
                if len(self._pages) > MOST_FILES:
                    way = self.delete
                elif len(self._pages) < FEWEST_FILES:
                    way = self.add
                elif self.fed and way in (
                    self.add, self.add_slowly, self.change, self.change_same_size, self.replace,
                ):  # fmt: skip
                    continue
                self._do(way)
            # At the end everything once more, on files that stay as they are then.
            for way in (self.move_folder, self.delete, self.change_same_size, self.change_same_size, self.change,
                        self.replace, self.move, self.copy, self.add):  # fmt: skip
                self._do(way)
        except Exception as error:  # noqa: BLE001 - raised in the test's own thread
            self.broken = error

    def _do(self, way: Callable[[], None]) -> None:
        way()
        self.done[way.__name__] = self.done.get(way.__name__, 0) + 1

    # --- what is done -------------------------------------------------------------------

    def add(self) -> None:
        """A careful program writes under another name, then renames."""
        self._put(self._new_path(), *self._content())

    def add_slowly(self) -> None:
        """A careless one writes under the final name, with pauses."""
        path = self._new_path()
        data, pages = self._content()
        self._pages[path] = pages
        with path.open("wb", buffering=0) as file:
            for start in range(0, len(data), len(data) // 3 + 1):
                file.write(data[start : start + len(data) // 3 + 1])
                time.sleep(self._dice.uniform(0, 0.3))

    def change_same_size(self, path: Path | None = None) -> None:
        """Other bytes in the same place, as many as before; sometimes with a pause in the middle."""
        path = path or self._some_file()
        size = path.stat().st_size
        data, _ = self._content(self._pages[path])
        assert len(data) == size
        with path.open("r+b", buffering=0) as file:
            file.write(data[: size // 2])
            if self._dice.random() < 0.5:
                time.sleep(self._dice.uniform(0, 0.3))
            file.write(data[size // 2 :])

    def change(self) -> None:
        """Written anew in place."""
        path = self._some_file()
        data, self._pages[path] = self._content()
        path.write_bytes(data)

    def replace(self) -> None:
        """Another file takes the name."""
        self._put(self._some_file(), *self._content())

    def move(self) -> None:
        old, new = self._some_file(), self._new_path()
        old.rename(new)
        self._pages[new] = self._pages.pop(old)

    def copy(self) -> None:
        old, new = self._some_file(), self._new_path()
        shutil.copyfile(old, new.with_suffix(".part"))
        new.with_suffix(".part").rename(new)
        self._pages[new] = self._pages[old]

    def delete(self) -> None:
        path = self._some_file()
        path.unlink()
        del self._pages[path]

    def move_folder(self) -> None:
        if (old := self._some_folder()) is None:
            return
        new = self.folder / f"folder {self._number()}"
        old.rename(new)
        self._pages = {
            new / path.relative_to(old) if path.is_relative_to(old) else path: pages
            for path, pages in self._pages.items()
        }

    def delete_folder(self) -> None:
        if (old := self._some_folder()) is None:
            return
        shutil.rmtree(old)
        self._pages = {path: pages for path, pages in self._pages.items() if not path.is_relative_to(old)}

    def touch(self) -> None:
        os.utime(self._some_file())

    # --- with what ----------------------------------------------------------------------

    def _number(self) -> int:
        self._serial += 1
        return self._serial

    def _content(self, pages: int | None = None) -> tuple[bytes, int]:
        """Return something new, and its number of pages; now and then no PDF at all."""
        if pages is None:
            kind = self._dice.random()
            # A third are long, so that most kills meet one that is half read.
            pages = self._dice.randint(80, MOST_PAGES) if kind > 0.67 else round(40 ** self._dice.random())
            pages = 0 if kind < 0.05 else pages
        if not pages:
            return b"<html>This is number %08d, and no PDF</html>" % self._number(), 0
        return pdf(self._number(), pages), pages

    def _put(self, path: Path, data: bytes, pages: int) -> None:
        part = path.with_name(path.name + ".part")
        part.write_bytes(data)
        part.rename(path)
        self._pages[path] = pages

    def _new_path(self) -> Path:
        folders = [self.folder, *self._folders()]
        if len(folders) < 6 and self._dice.random() < 0.2:
            parent = self._dice.choice(folders[:3]) / f"folder {self._number()}"
            parent.mkdir()
        else:
            parent = self._dice.choice(folders)
        return parent / f"file {self._number()}.pdf"

    def _some_file(self) -> Path:
        return self._dice.choice(list(self._pages))

    def _folders(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_dir())

    def _some_folder(self) -> Path | None:
        folders = self._folders()
        return self._dice.choice(folders) if folders else None
