"""Where Tesseract's language files are, and which are missing. OCR needs nothing else: the engine is part of PyMuPDF."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, replace
from glob import escape, glob
from typing import TYPE_CHECKING, Any

import structlog

from foliod.base.model import Verdict
from foliod.base.patience import FILES, patiently

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from foliod.base.config import Ingest

KNOWN_FOLDERS = (
    "/usr/share/tesseract-ocr/*/tessdata",  # Debian, Ubuntu
    "/usr/share/tesseract-ocr/tessdata",
    "/usr/share/tessdata",  # Alpine, Arch, openSUSE
    "/usr/share/tesseract/tessdata",  # Fedora
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)
SUFFIX = ".traineddata"
LOOK_SECONDS = 10.0
"""How often is looked whether the files are there."""
BROKEN_SECONDS = 600.0
"""A Tesseract that could not be started is tried again after so long: it may have been short of memory only."""
LATER = "that is done when no other document waits"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tessdata:
    """What was found. OCR can be done when `missing` is None, else that says what to do."""

    folder: str | None
    languages: tuple[str, ...]
    """Those that were asked for, as Tesseract's codes."""
    missing: str | None
    signature: tuple[int, ...] = ()
    """Differs when one of the files was changed: then what failed is tried again."""


class Tesseract:
    """Whether OCR can be done, looked at again and again."""

    def __init__(self, settings: Ingest) -> None:
        self._settings = settings
        self._found = Tessdata(None, settings.ocr_languages, None)
        self._broken: tuple[tuple[int, ...], str, float] | None = None
        self._started_with: tuple[int, ...] | None = None
        """The files with which it has started since a page was blamed last."""
        self._until = 0.0
        self._said: str | None = None

    def configure(self, settings: Ingest) -> None:
        """Go by these settings from the next look on, which comes at once."""
        self._settings = settings
        self._until = 0.0

    async def look(self) -> Tessdata:
        """Return what there is; looked for every LOOK_SECONDS."""
        if time.monotonic() >= self._until:
            with patiently(FILES):
                self._found = await asyncio.to_thread(find, self._settings)
            self._until = time.monotonic() + LOOK_SECONDS
            if self._broken is not None and not self._found.missing:
                files, reason, until = self._broken
                if files == self._found.signature and time.monotonic() < until:
                    self._found = replace(self._found, missing=reason)
            if self.note != self._said:
                self._said = self.note
                log.info("ocr", folder=self._found.folder, languages=self._found.languages, note=self.note)
        return self._found

    def started(self) -> None:
        """Say that Tesseract could be started with what was found."""
        self._started_with = self._found.signature

    def not_started(self, reason: str) -> bool:
        """Say that Tesseract could not be started for a page; return whether that is the page's fault.

        It is when Tesseract started with these files since a page was blamed last. Else Tesseract is broken, and
        is not tried again before its files change or BROKEN_SECONDS are over.
        """
        if self._started_with == self._found.signature:
            self._started_with = None
            return True
        self._broken = self._found.signature, reason, time.monotonic() + BROKEN_SECONDS
        self._until = 0.0
        return False

    @property
    def note(self) -> str:
        """What pages wait for that need OCR."""
        return self._found.missing or LATER

    async def note_for(self, verdicts: dict[Verdict, int]) -> str | None:
        """Return what a document's pages wait for; None when none of them needs OCR."""
        if not (verdicts.get(Verdict.NEEDS_OCR) or verdicts.get(Verdict.GARBAGE)):
            return None
        await self.look()
        return self.note

    def report(self) -> dict[str, Any]:
        """Return `{available, problem, languages, tessdata}`."""
        found = self._found
        return {
            "available": found.missing is None,
            "problem": found.missing,
            "languages": list(found.languages),
            "tessdata": found.folder,
        }


def find(settings: Ingest) -> Tessdata:
    """Look for the folder that has the files of all languages; the one named, else the usual ones."""
    wanted = settings.ocr_languages
    if not settings.ocr:
        return Tessdata(None, wanted, "OCR is switched off ([ingest] ocr)")
    best: tuple[str, list[str]] | None = None
    for folder in _folders(settings):
        lacking = [language for language in wanted if not os.path.isfile(_file(folder, language))]
        if not lacking:
            return Tessdata(folder, wanted, None, _looks(folder, wanted))
        if (best is None or len(lacking) < len(best[1])) and _has_any(folder):
            best = folder, lacking
    if best is None:
        if settings.tessdata is not None:
            why = f"{settings.tessdata} holds no {_names(wanted)}: correct [ingest] tessdata"
        else:
            why = (
                f"Tesseract's language files are not there: apt install tesseract-ocr{_packages(wanted)}, or name their "
                "folder as [ingest] tessdata"
            )
        return Tessdata(None, wanted, why)
    folder, lacking = best
    why = f"{folder} holds no {_names(lacking)}: apt install tesseract-ocr{_packages(lacking)}"
    return Tessdata(folder, wanted, f"{why}, or correct [ingest] ocr_languages")


def _folders(settings: Ingest) -> Iterator[str]:
    if settings.tessdata is not None:
        yield str(settings.tessdata)
        return
    if prefix := os.environ.get("TESSDATA_PREFIX"):
        # Older Tesseracts wanted the folder above.
        yield prefix
        yield os.path.join(prefix, "tessdata")
    for pattern in KNOWN_FOLDERS:
        yield from sorted(glob(pattern), reverse=True)


def _file(folder: str, language: str) -> str:
    return os.path.join(folder, language + SUFFIX)


def _names(languages: Iterable[str]) -> str:
    return ", ".join(language + SUFFIX for language in languages)


def _packages(languages: Iterable[str]) -> str:
    """Return the rest of the name of Debian's package, when it is one; English comes with Tesseract."""
    others = [language.lower().replace("_", "-") for language in languages if language != "eng"]
    return "".join(f" tesseract-ocr-{other}" if i else f"-{other}" for i, other in enumerate(others))


def _has_any(folder: str) -> bool:
    return bool(glob(os.path.join(escape(folder), "*" + SUFFIX)))


def _looks(folder: str, languages: Iterable[str]) -> tuple[int, ...]:
    looks: list[int] = []
    for language in languages:
        try:
            found = os.stat(_file(folder, language))
        except OSError:
            continue
        looks += found.st_size, found.st_mtime_ns, found.st_ino
    return tuple(looks)
