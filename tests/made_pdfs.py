"""Small PDFs made for tests: pages with text at known places, and files that lie or do harm."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

from foliod.reading.mupdf import pymupdf  # it decides how pymupdf is loaded

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def raw_pdf(objects: dict[int, bytes], trailer: bytes = b"") -> bytes:
    """Return a PDF of numbered objects; 1 is the catalog."""
    out, places = bytearray(b"%PDF-1.7\n"), {}
    for number, body in sorted(objects.items()):
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    xref, size = len(out), max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 65535 f \n"
    return bytes(out + b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, xref))


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """Return a compressed stream object."""
    packed = zlib.compress(content, 9)
    return b"<< /Length %d /Filter /FlateDecode %s >>\nstream\n%s\nendstream" % (len(packed), entries, packed)


def many_pages(count: int, text: str = "Page %d of the long document, with an ordinary sentence on it.") -> bytes:
    """Return a PDF of so many pages with one line each."""
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R >>", 3: FONT}
    for i in range(count):
        line = b"BT /F1 12 Tf 72 720 Td (%s) Tj ET" % (text % (i + 1)).encode("latin-1")
        objects[4 + 2 * i] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (5 + 2 * i)
        )
        objects[5 + 2 * i] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(line), line)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * i) for i in range(count))
    objects[2] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (count, kids)
    return raw_pdf(objects)


def one_page(content: bytes, *, count: bytes = b"/Count 1", resources: bytes = b"", more: Any = ()) -> bytes:
    """Return a PDF of one page with this content stream; `count` is what the page tree says."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] %s >>" % count,
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> %s >> >>" % resources,
        4: stream(content),
        5: FONT,
    }
    return raw_pdf(objects | dict(more))


def glyphs(meanings: Iterable[str], codes: Iterable[int]) -> bytes:
    """Return a PDF whose font says that glyph 1, 2, … means these UTF-16 codes, and which shows `codes`."""
    pairs = "\n".join(f"<{i + 1:04X}> <{meaning}>" for i, meaning in enumerate(meanings))
    to_unicode = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        f"1 begincodespacerange <0000> <FFFF> endcodespacerange\n{pairs.count(chr(10)) + 1} beginbfchar\n{pairs}\n"
        "endbfchar endcmap end end"
    )
    shown = "".join(f"{code:04X}" for code in codes)
    return one_page(
        f"BT /F1 6 Tf 36 700 Td <{shown}> Tj ET".encode(),
        more={
            5: b"<< /Type /Font /Subtype /Type0 /BaseFont /Helvetica /Encoding /Identity-H /DescendantFonts [6 0 R] "
            b"/ToUnicode 7 0 R >>",
            6: b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Helvetica /DW 600 /FontDescriptor 8 0 R "
            b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
            7: stream(to_unicode.encode()),
            8: b"<< /Type /FontDescriptor /FontName /Helvetica /Flags 4 /FontBBox [0 0 1000 1000] /ItalicAngle 0 "
            b"/Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>",
        },
    )


def endless_page() -> bytes:
    """Return a PDF with a good page, and one that takes ten billion forms within forms to draw."""
    levels = 10
    more = {
        2: b"<< /Type /Pages /Kids [30 0 R 3 0 R] /Count 2 >>",
        30: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 31 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        31: stream(b"BT /F1 12 Tf 72 720 Td (a good page) Tj ET"),
    }
    more |= {
        10 + i: stream(
            b"/X Do\n" * 10 if i < levels - 1 else b"BT /F1 12 Tf 72 720 Td (laugh) Tj ET",
            b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /Font << /F1 5 0 R >> "
            b"/XObject << /X %d 0 R >> >>" % (11 + i if i < levels - 1 else 10 + i),
        )
        for i in range(levels)
    }
    return one_page(b"/X Do\n", resources=b"/XObject << /X 10 0 R >>", more=more)


def memory_bomb() -> bytes:
    """Return 80 KB that want some 700 MB when they are read."""
    return one_page(b"BT /F1 1 Tf 10 700 Td (compression bomb text) Tj ET\n" * 500_000)


def scanned(pdf: bytes, dpi: int = 150, turned: int = 0) -> bytes:
    """Return a PDF whose pages are pictures of another's; `turned` degrees, as scanners leave them, shown upright."""
    out = pymupdf.open()
    with pymupdf.open(stream=pdf, filetype="pdf") as source:
        for page in source:
            page.set_rotation(-turned % 360)
            picture = page.get_pixmap(dpi=dpi)
            sheet = out.new_page(width=picture.width * 72 / dpi, height=picture.height * 72 / dpi)
            sheet.insert_image(sheet.rect, stream=picture.tobytes("jpg"))
            sheet.set_rotation(turned)
    return out.tobytes(deflate=True)


def letters(*pages: str) -> bytes:
    """Return a PDF with a text on each page, a line a line, in letters that Tesseract reads without fail."""
    out = pymupdf.open()
    for text in pages:
        page = out.new_page(width=500, height=300)
        for i, line in enumerate(text.splitlines()):
            page.insert_text((40, 60 + 26 * i), line, fontsize=17, fontname="tiro")
    return out.tobytes()


def joined(*pdfs: bytes) -> bytes:
    """Return one PDF with the pages of all."""
    out = pymupdf.open()
    for pdf in pdfs:
        with pymupdf.open(stream=pdf, filetype="pdf") as source:
            out.insert_pdf(source)
    return out.tobytes()


def locked(pdf: bytes, password: str, encryption: int = pymupdf.PDF_ENCRYPT_AES_256) -> bytes:
    """Return a PDF that opens with a password only."""
    with pymupdf.open(stream=pdf, filetype="pdf") as source:
        return source.tobytes(encryption=encryption, user_pw=password, owner_pw=password + "?", permissions=0)


class Sheet:
    """A page to write on, in the order in which it is to be drawn."""

    def __init__(self, width: float = 595, height: float = 842) -> None:
        self._pdf = pymupdf.open()
        self.page = self._pdf.new_page(width=width, height=height)

    def write(self, x: float, y: float, *lines: str, size: float = 10, font: str = "helv", pitch: float = 1.2) -> None:
        """Draw lines from (x, y) downwards; `pitch` is their distance in font sizes."""
        for i, line in enumerate(lines):
            self.page.insert_text((x, y + i * pitch * size), line, fontsize=size, fontname=font)

    def bytes(self) -> bytes:
        """Return the PDF."""
        return self._pdf.tobytes(garbage=3, deflate=True)
