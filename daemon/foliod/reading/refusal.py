"""Why a file can't be read as a PDF: the state that its document takes, and a sentence for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from foliod.base.errors import DocumentRefusedError
from foliod.base.model import DocumentState

if TYPE_CHECKING:
    import mmap

_HEAD = 4096
_NO_MEMORY = re.compile("alloc|memory")
_OTHER_KINDS = (
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<svg", "a drawing"),
    (b"<?xml", "an XML file"),
    (b"\x89png", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"ii*\x00", "a TIFF image"),
    (b"mm\x00*", "a TIFF image"),
    (b"pk\x03\x04", "a ZIP archive or an Office document"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"%!ps", "a PostScript file"),
    (b"\x1f\x8b", "a gzip archive"),
)


def refuse_other_files(data: mmap.mmap | bytes) -> None:
    """Refuse what can be no PDF before a parser for something else looks at it.

    Raises:
        DocumentRefusedError: `empty`, `damaged` or `not_pdf`.
    """
    if not len(data):
        raise DocumentRefusedError(DocumentState.EMPTY, "the file is empty (0 bytes); copy or download it again")
    head = bytes(data[:_HEAD])
    # Readers forgive rubbish before the header, and MuPDF a missing one.
    if b"%PDF-" in head or data.find(b"endobj", 0, 1 << 20) >= 0:
        return
    if not head.strip(b"\0"):
        raise DocumentRefusedError(
            DocumentState.DAMAGED, "the file begins with zeros, as broken downloads do; copy or download it again"
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kind = next((kind for magic, kind in _OTHER_KINDS if start.startswith(magic)), None)
    raise not_pdf(kind)


def not_pdf(kind: str | None = None) -> DocumentRefusedError:
    """Return the refusal of a file that is something else."""
    what = f"the file is {kind}, not a PDF" if kind else "the file is not a PDF"
    return DocumentRefusedError(DocumentState.NOT_PDF, f"{what}; if it should be one, download or export it again")


def cannot_open(error: Exception) -> DocumentRefusedError:
    """Return the refusal of a PDF that MuPDF can't open; only the text of its error tells the causes apart."""
    if "crypt" in _said(error):
        return DocumentRefusedError(
            DocumentState.UNSUPPORTED, "the PDF's encryption is not supported; save it without encryption"
        )
    if wants_memory(error):
        return DocumentRefusedError(
            DocumentState.DAMAGED,
            "the PDF needs more memory than allowed to be opened; worker_memory_mb sets the limit, "
            "but a file of this kind may be made to do harm",
        )
    return DocumentRefusedError(
        DocumentState.DAMAGED, "the PDF is damaged and can't be opened; look for an intact copy"
    )


def wants_memory(error: BaseException) -> bool:
    """Whether MuPDF, or Python on its behalf, got no more memory."""
    # PyMuPDF's C code wraps a MemoryError into a SystemError.
    return (
        isinstance(error, MemoryError)
        or isinstance(error.__cause__, MemoryError)
        or bool(_NO_MEMORY.search(_said(error)))
    )


def _said(error: BaseException) -> str:
    return f"{error} {error.__cause__ or ''}".lower()


def needs_password() -> DocumentRefusedError:
    """Return the refusal of a PDF that opens with a password only."""
    return DocumentRefusedError(
        DocumentState.NEEDS_PASSWORD, "the PDF opens with a password only; save a copy without one"
    )


def no_tesseract(languages: str, tessdata: str) -> DocumentRefusedError:
    """Return the refusal of a page whose picture can't be read because Tesseract does not start."""
    return DocumentRefusedError(
        DocumentState.NEEDS_OCR,
        f"Tesseract can't be started with the files of {languages} in {tessdata}: they are damaged, or made for "
        "another version; install them again",
    )


def no_pages(*, damaged: bool) -> DocumentRefusedError:
    """Return the refusal of a PDF without pages."""
    if damaged:
        return DocumentRefusedError(
            DocumentState.DAMAGED, "the PDF is damaged and no page is left; look for an intact copy"
        )
    return DocumentRefusedError(DocumentState.EMPTY, "the PDF has no pages")
