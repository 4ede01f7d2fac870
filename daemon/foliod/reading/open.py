"""Opens a PDF, or says why it can't be read."""

from __future__ import annotations

import mmap
import os
import unicodedata
from typing import TYPE_CHECKING, Any

from foliod.base.errors import DocumentRefusedError
from foliod.reading.complaints import complaints
from foliod.reading.mupdf import count_pages, pymupdf
from foliod.reading.pagetree import mend_page_count
from foliod.reading.pdf import OpenDocument
from foliod.reading.refusal import cannot_open, needs_password, no_pages, not_pdf, refuse_other_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def open_document(source: int | str | os.PathLike[str], name: str = "", passwords: Iterable[str] = ()) -> OpenDocument:
    """Open a PDF by file descriptor or path; the descriptor stays the caller's.

    The file is mapped into memory, so that a process that may open no files can read it.

    Args:
        source: the file.
        name: its name, as people know it.
        passwords: tried in turn when the file needs one.

    Raises:
        DocumentRefusedError: with the state that the document takes.
        OSError: when the file can't be opened or read.
    """
    data = _map(source)
    refuse_other_files(data)
    pymupdf.TOOLS.reset_mupdf_warnings()
    view = memoryview(data)
    try:
        handle = pymupdf.Document(stream=view, filetype="pdf")
    except Exception as error:  # noqa: BLE001  # RuntimeError, ValueError, AssertionError and its own
        raise cannot_open(error) from None
    document = OpenDocument(handle, data, view, name)
    try:
        document.pages = _admitted_pages(handle, passwords)
        document.load_outline()
    except DocumentRefusedError:
        document.close()
        raise
    except Exception as error:  # noqa: BLE001
        document.close()
        raise cannot_open(error) from None
    return document


def _map(source: int | str | os.PathLike[str]) -> mmap.mmap | bytes:
    if not isinstance(source, int):
        with open(source, "rb") as file:
            return _map(file.fileno())
    size = os.fstat(source).st_size
    if not size:
        return b""
    try:
        return mmap.mmap(source, size, prot=mmap.PROT_READ)
    except OSError:
        # Some network and FUSE file systems can't map.
        return os.pread(source, size, 0)


def _admitted_pages(handle: Any, passwords: Iterable[str]) -> int:
    """Return how many pages the PDF says it has, after the checks that it can be read at all."""
    if not handle.is_pdf:
        raise not_pdf()
    if handle.needs_pass and not any(map(handle.authenticate, _spellings(passwords))):
        raise needs_password()
    pages = count_pages(handle)
    if pages < 1 and mend_page_count(handle):
        pymupdf.mupdf.fz_warn("the number of pages was wrong")
        pages = count_pages(handle)
    if pages < 1:
        # What is whole and has no pages gives no cause for complaint.
        raise no_pages(damaged=pages < 0 or bool(handle.is_repaired) or bool(complaints()))
    return pages


def _spellings(passwords: Iterable[str]) -> Iterator[str]:
    """Yield each password as it is, and as PDF 2.0 wants it (SASLprep, which composes letters and accents)."""
    for password in passwords:
        yield password
        if (composed := unicodedata.normalize("NFKC", password)) != password:
            yield composed
