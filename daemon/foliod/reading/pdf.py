"""An open PDF, read with MuPDF: pages with their text, and what the file says of itself."""

from __future__ import annotations

import math
import mmap
import time
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

from foliod.base.boxes import pack
from foliod.base.model import DocumentFacts, Heading, Page, Verdict
from foliod.reading.complaints import Complaints, complaints
from foliod.reading.flow import flow
from foliod.reading.locate import locate
from foliod.reading.metadata import parse_date, sane, sensible_title, title_of
from foliod.reading.mupdf import FLAGS, count_pages, pymupdf
from foliod.reading.ocr import looks_like_text, seen_lines, zoom
from foliod.reading.refusal import no_tesseract, wants_memory
from foliod.reading.spans import drop_unreadable, upright_lines
from foliod.reading.verdict import judge
from foliod.text.normalize import WORD_CHARS, clean, cut_words, garbage_share, join_lines

if TYPE_CHECKING:
    from foliod.reading.lines import Line

OUTLINE_ENTRIES = 5000
OUTLINE_SECONDS = 2.0


class OpenDocument:
    """An open PDF. A context manager; not for use by several threads."""

    def __init__(self, handle: Any, data: mmap.mmap | bytes, view: memoryview, name: str) -> None:
        self._pdf = handle
        self._data = data
        self._view = view
        self._name = name
        self._complaints = Complaints(handle)
        self._outline: dict[int, list[tuple[int, str]]] = {}
        self.pages = 0
        """Pages that the file says it has."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._pdf.close()
        self._pdf.stream = None
        self._view.release()
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    def facts(self, first: Page | None) -> DocumentFacts:
        """Return what the PDF says about itself; `first` is page 1, which names the title where the file doesn't."""
        said = self._pdf.metadata or {}
        title = sensible_title(said.get("title"), self._name)
        if title is None and first is not None:
            title = title_of(first)
        return DocumentFacts(
            pages=self.pages,
            title=title,
            author=sane(said.get("author")),
            created=parse_date(said.get("creationDate")),
            modified=parse_date(said.get("modDate")),
        )

    def read_page(self, number: int, max_chars: int) -> Page:
        """Return page `number`, from 1; its text is cut at `max_chars`. A page that can't be read has failed."""
        before = self._complaints.so_far()
        return self._complaints.told_of(self._read_page(number, max_chars), before)

    def _read_page(self, number: int, max_chars: int) -> Page:
        try:
            page = self._pdf.load_page(number - 1)
            width, height = _length(page.rect.width), _length(page.rect.height)
            rotation = page.rotation % 360
            text_page = page.get_textpage(flags=FLAGS)
            blocks = text_page.extractDICT()["blocks"]
            turn = tuple(page.rotation_matrix) if rotation else None
            lines, aside = upright_lines(blocks, rotation, turn, width, height)
            raw = "".join([line.text for line in lines])
            lost = 0
            if garbage_share(raw) and (lost := drop_unreadable(blocks)):
                lines, aside = upright_lines(blocks, rotation, turn, width, height)
                raw = "".join([line.text for line in lines])
            text, headings, lines = self._flow(number, lines, width, height)
            apart = [join_lines([line.text for line in block]) for block in aside]
            text = "\n\n".join([part for part in (text, *apart) if part])
            if not (text or lost):
                # Where boxes are beyond the precision of floats, there are letters but no lines.
                text = clean(text_page.extractText())
            del text_page
            verdict = judge(raw, lost, blocks, text, page)
            if verdict is Verdict.EMPTY and (self._complaints.listen() or not self._has_content(page)):
                # Nothing came of it, but there was something.
                verdict = Verdict.FAILED
        except Exception as error:  # noqa: BLE001  # a hostile page raises whatever it likes; the next one may be good
            if wants_memory(error):
                self._complaints.note(number, "needs more memory than worker_memory_mb allows")
            return Page(number, Verdict.FAILED, "", 0.0, 0.0, 0)
        finally:
            self._complaints.listen()
        if verdict is Verdict.GARBAGE:
            # Kept out of chunks, answers and vectors alike; the page is in the ledger.
            return Page(number, verdict, "", width, height, rotation)
        if lost:
            self._complaints.note(number, "has text in fonts that name no letters, it was left out")
        text, headings = self._cut_at(max_chars, number, text, headings)
        boxes = pack(locate(chain(lines, *aside), text), width, height)
        return Page(number, verdict, text, width, height, rotation, headings, boxes=boxes)

    def recognise_page(self, number: int, languages: str, tessdata: str, max_chars: int) -> Page:
        """Return page `number` with the text that Tesseract finds in its picture: `ocr`, or `empty` without any.

        Args:
            number: from 1.
            languages: Tesseract's codes, joined by "+".
            tessdata: the folder of Tesseract's language files.
            max_chars: the text is cut there.

        Raises:
            DocumentRefusedError: `needs_ocr`, when Tesseract can't be started.
        """
        # What MuPDF complained of when it opened the file is told by who writes the document's text.
        self._complaints.listen()
        before = self._complaints.so_far()
        return self._complaints.told_of(self._recognise_page(number, languages, tessdata, max_chars), before)

    def _recognise_page(self, number: int, languages: str, tessdata: str, max_chars: int) -> Page:
        try:
            page = self._pdf.load_page(number - 1)
            width, height = _length(page.rect.width), _length(page.rect.height)
            rotation = page.rotation % 360
            scale = zoom(width, height)
            # In colour: with grey pictures Tesseract finds nothing.
            picture = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csRGB, alpha=False)
            self._complaints.listen()
            picture.set_dpi(*[max(1, round(scale * 72))] * 2)
            recognised = picture.pdfocr_tobytes(compress=True, language=languages, tessdata=tessdata)
            del picture
            with pymupdf.Document(stream=recognised, filetype="pdf") as seen:
                unzoom = width / max(1.0, seen[0].rect.width)
                text_page = seen[0].get_textpage(flags=FLAGS, matrix=pymupdf.Matrix(unzoom, unzoom))
                lines = seen_lines(text_page.extractDICT()["blocks"], width, height)
                del text_page
            text, headings, lines = self._flow(number, lines, width, height)
        except Exception as error:  # noqa: BLE001  # see read_page
            if "initialisation failed" in str(error):
                raise no_tesseract(languages, tessdata) from None
            if wants_memory(error):
                self._complaints.note(number, "needs more memory than worker_memory_mb allows")
            return Page(number, Verdict.FAILED, "", 0.0, 0.0, 0)
        finally:
            # Complaints of what Tesseract made are none of the file.
            complaints()
        if not looks_like_text(text):
            return Page(number, Verdict.EMPTY, "", width, height, rotation)
        text, headings = self._cut_at(max_chars, number, text, headings)
        boxes = pack(locate(lines, text), width, height)
        return Page(number, Verdict.OCR, text, width, height, rotation, headings, boxes=boxes)

    def _cut_at(
        self, max_chars: int, number: int, text: str, headings: tuple[Heading, ...]
    ) -> tuple[str, tuple[Heading, ...]]:
        if len(shorter := cut_words(text)) < len(text):
            self._complaints.note(
                number, f"has words of more than {WORD_CHARS} characters, the rest of them was left out"
            )
            headings = tuple(h for h in headings if shorter.startswith(h.text, h.offset))
            text = shorter
        if len(text) <= max_chars:
            return text, headings
        self._complaints.note(number, "has more text than max_page_chars allows, the rest was left out")
        text = text[:max_chars].rstrip()
        return text, tuple(h for h in headings if h.offset + len(h.text) <= len(text))

    def _flow(
        self, number: int, lines: list[Line], width: float, height: float
    ) -> tuple[str, tuple[Heading, ...], list[Line]]:
        try:
            return flow(lines, width, height, self._outline.get(number, ()))
        except (ArithmeticError, ValueError, LookupError, RecursionError):
            # Where lines can't be put in order, their text is worth more than none.
            return clean("\n".join([line.text for line in lines])), (), lines

    def page(self, number: int) -> Any:
        """Return MuPDF's page `number`, from 1, for drawing; raises whatever a hostile file makes it raise."""
        return self._pdf.load_page(number - 1)

    def count_pages(self) -> int:
        """Return how many pages the file says it has by now: a page that is not there can lower the number."""
        self.pages = max(0, min(self.pages, count_pages(self._pdf)))
        return self.pages

    def _has_content(self, page: Any) -> bool:
        """Whether a page's contents, if it ever had any, are still in the file."""
        kind, said = self._pdf.xref_get_key(page.xref, "Contents")
        return kind == "null" or (all(map(self._pdf.xref_is_stream, page.get_contents())) and said != "[]")

    @property
    def repaired(self) -> bool:
        """Whether the file was damaged; can become true with any page."""
        return bool(self._pdf.is_repaired)

    def trouble(self) -> str | None:
        """Return why text may be missing, or None; to be asked after the last page."""
        return self._complaints.told()

    def load_outline(self) -> None:
        """Learn the titles of the document's outline by page; a bad or endless one is left out."""
        until = time.monotonic() + OUTLINE_SECONDS
        waiting = [(self._pdf.outline, 1)]
        entries = 0
        try:
            while waiting and entries < OUTLINE_ENTRIES and time.monotonic() < until:
                entry, level = waiting.pop()
                if not entry:
                    continue
                entries += 1
                if entry.page >= 0 and (title := sane(entry.title)):
                    self._outline.setdefault(entry.page + 1, []).append((level, title))
                waiting += [(entry.next, level), (entry.down, level + 1)]
        except Exception:  # noqa: BLE001  # an outline is a help, not a need
            self._outline.clear()


def _length(value: float) -> float:
    return float(value) if math.isfinite(value) and 0 < value < 1e7 else 0.0
