"""Hostile files by name: how each is made, the state it must end in, and what must be found of it.

All are made here and harmless to people: no scripts, no launch actions. They are smaller than what
one meets, so that a test can drop all of them at once; limits in the test's settings are lower to match.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import made_pdfs
from made_pdfs import FONT, many_pages, one_page, pymupdf, raw_pdf, stream


@dataclass(frozen=True)
class Nasty:
    """A file: `make` returns its content; `finds` are words that a search must find in it, and in no other."""

    make: Callable[[], bytes]
    state: str
    """One, or two with "or" between."""
    finds: str = ""
    partial: bool = False
    verdicts: str = ""
    """How many pages came to what, such as `text 3, failed 1`; empty where that does not matter."""


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox %s /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"


def line(text: str, x: int = 72, y: int = 720, size: float = 12) -> bytes:
    return b"BT /F1 %g Tf %d %d Td (%s) Tj ET\n" % (size, x, y, text.encode("latin-1"))


def said(text: str) -> bytes:
    return one_page(line(text))


def good() -> bytes:
    return said("A perfectly good small document about watched folders.")


def book(word: str, pages: int = 60) -> bytes:
    return many_pages(pages, f"Page %d of the {word} with an ordinary sentence on it.")


def boxed(text: str, box: bytes, x: int = 72, y: int = 720) -> bytes:
    return one_page(line(text, x, y), more={3: PAGE % box})


def png() -> bytes:
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0\xff\0\0")))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body + b"\0\0\0\0IEND\xaeB`\x82"


# --- damage -----------------------------------------------------------------------------


def half(word: str) -> bytes:
    whole = book(word)
    return whole[: len(whole) // 2]


def zero_filled(word: str) -> bytes:
    begun = half(word)
    return begun + b"\0" * len(begun)


def without_xref(word: str) -> bytes:
    whole = book(word)
    return whole[: whole.rindex(b"xref\n0")]


def corrupt_stream() -> bytes:
    whole = bytearray(one_page(b"".join(line(f"line {i} of text", y=780 - i) for i in range(700))))
    at = whole.index(b"stream\n") + 100
    whole[at : at + 200] = b"\xff" * 200
    return bytes(whole)


# --- bombs ------------------------------------------------------------------------------


def twice_deflated(megabytes: int) -> bytes:
    packed = zlib.compress(zlib.compress(b" " * (megabytes << 20), 9), 9)
    content = b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >>\nstream\n%s\nendstream" % (len(packed), packed)
    return one_page(b"", more={4: content})


def laughing(first_page: str = "") -> bytes:
    """Return a PDF with a page that takes ten billion forms within forms, behind a good one if that is wanted."""
    levels = 10
    forms = {
        10 + i: stream(
            b"/X Do\n" * 10 if i < levels - 1 else line("laugh"),
            b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] "
            b"/Resources << /Font << /F1 5 0 R >> /XObject << /X %d 0 R >> >>" % min(11 + i, 9 + levels),
        )
        for i in range(levels)
    }
    if first_page:
        forms[2] = b"<< /Type /Pages /Kids [30 0 R 3 0 R] /Count 2 >>"
        forms[30] = (PAGE % b"[0 0 612 792]").replace(b"4 0 R", b"31 0 R")
        forms[31] = stream(line(first_page))
    return one_page(b"/X Do\n", resources=b"/XObject << /X 10 0 R >>", more=forms)


def crowded(word: str, lines: int) -> bytes:
    words = (b"word%05d " % i for i in range(lines))
    return one_page(
        line(word)
        + b"".join(b"BT /F1 1 Tf 10 %d Td (%s) Tj ET\n" % (780 - i % 760, w * 10) for i, w in enumerate(words))
    )


# --- loops and lies ---------------------------------------------------------------------


def deep_tree(text: str, depth: int) -> bytes:
    last = 10 + depth
    nodes = {
        10 + i: b"<< /Type /Pages /Count 1 /Kids [%d 0 R] %s >>" % (11 + i, b"/Parent %d 0 R" % (9 + i) if i else b"")
        for i in range(depth)
    }
    page = (PAGE % b"[0 0 612 792]").replace(b"/Parent 2", b"/Parent %d" % (last - 1))
    return raw_pdf({1: b"<< /Type /Catalog /Pages 10 0 R >>", **nodes, last: page, 4: stream(line(text)), 5: FONT})


def tree_in_a_circle() -> bytes:
    nodes = {
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1000 /Parent 3 0 R >>",
        3: b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 1000 /Parent 2 0 R >>",
    }
    return raw_pdf({1: CATALOG, **nodes})


def one_page_many_times(text: str, times: int) -> bytes:
    return one_page(line(text), more={2: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b"3 0 R " * times, times)})


def form_in_itself(text: str) -> bytes:
    form = stream(
        b"/X Do\n", b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /XObject << /X 6 0 R >> >>"
    )
    return one_page(line(text) + b"/X Do\n", resources=b"/XObject << /X 6 0 R >>", more={6: form})


def content_again_and_again(text: str, times: int) -> bytes:
    page = (PAGE % b"[0 0 612 792]").replace(b"/Contents 4 0 R", b"/Contents [" + b"4 0 R " * times + b"]")
    return one_page(line(text), more={3: page})


def nested(depth: int) -> bytes:
    catalog = b"<< /Type /Catalog /Pages 2 0 R /X " + b"[" * depth + b"]" * depth + b" >>"
    return raw_pdf({1: catalog, 2: b"<< /Type /Pages /Kids [] /Count 0 >>"})


def no_pages() -> bytes:
    return raw_pdf({1: CATALOG, 2: b"<< /Type /Pages /Kids [] /Count 0 >>"})


# --- text -------------------------------------------------------------------------------


def spelled(text: str, more: tuple[str, ...] = (), shift: int = 0) -> bytes:
    """Return a PDF whose font names the letters of `text`, each so much too high, and shows glyphs for `more` between."""
    letters = sorted(set(text))
    meanings = [(chr(ord(char) + shift)).encode("utf-16-be").hex().upper() for char in letters] + list(more)
    strange = [len(letters) + 1 + i for i in range(len(more))]
    codes = [code for char in text for code in (letters.index(char) + 1, *(strange if char == "~" else ()))]
    return made_pdfs.glyphs(meanings, codes)


def metadata(text: str) -> bytes:
    info = (
        b"<< /Title <FEFF0041000000420043D8000044> /Author (" + b"A" * 1_000_000 + b") "
        b"/CreationDate (D:99999999999999) /Producer (x\\000y) >>"
    )
    objects = {1: CATALOG, 2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", 3: PAGE % b"[0 0 612 792]"}
    return raw_pdf({**objects, 4: stream(line(text)), 5: FONT, 6: info}, b"/Info 6 0 R")


def locked(text: str, method: str, **passwords: object) -> bytes:
    with pymupdf.open(stream=said(text)) as pdf:
        return pdf.tobytes(encryption=getattr(pymupdf, method), **passwords)


def scan(text: str, pages: int, last: str = "") -> bytes:
    """Return a PDF of pictures of `text`, and a page that is text behind them if that is wanted."""
    with pymupdf.open(stream=said(text)) as pdf, pymupdf.open() as out:
        picture = pdf[0].get_pixmap(dpi=100)
        for _ in range(pages):
            out.new_page().insert_image(pymupdf.Rect(0, 0, 595, 842), pixmap=picture)
        if last:
            out.new_page().insert_text((72, 72), last)
        return out.tobytes(deflate=True)


def portfolio(text: str) -> bytes:
    with pymupdf.open(stream=said(text)) as pdf:
        for i in range(50):
            pdf.embfile_add(f"f{i}.txt", b"hidden text %d" % i)
        return pdf.tobytes()


PROSE = "Ordinary English that copies as gibberish because the map is shifted. "

PDFS = {
    # no PDFs at all
    "zero_byte": Nasty(bytes, "empty"),
    "text_named": Nasty(lambda: b"This is just a text file.\n" * 200, "not_pdf"),
    "html_named": Nasty(lambda: b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>", "not_pdf"),
    "svg_named": Nasty(lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><text>svg</text></svg>', "not_pdf"),
    "png_named": Nasty(png, "not_pdf"),
    "random_64k": Nasty(lambda: random.Random(1).randbytes(65536), "not_pdf"),
    # damaged
    "truncated": Nasty(partial(half, "halfbook"), "stored", "halfbook", partial=True),
    "no_xref": Nasty(partial(without_xref, "xrefless"), "stored", "xrefless", partial=True, verdicts="text 60"),
    "header_only": Nasty(lambda: b"%PDF-1.7\n", "damaged"),
    "html_before": Nasty(
        lambda: b"<!-- " + b"x" * 890 + b" -->\n" + said("prefixed by a page"), "stored", "prefixed", partial=True
    ),
    "zero_filled": Nasty(partial(zero_filled, "preallocated"), "stored", "preallocated", partial=True),
    "corrupt_stream": Nasty(corrupt_stream, "damaged"),
    "lost_tree": Nasty(
        lambda: book("treeless").replace(CATALOG, b"<< /Type /Catalog >>"), "stored", "treeless", partial=True,
        verdicts="text 60",
    ),
    # big, and bombs
    "pages_at_limit": Nasty(partial(book, "thick", 1000), "stored", "thick", verdicts="text 1000"),
    "pages_over_limit": Nasty(partial(book, "endless", 3000), "stored", "endless", partial=True, verdicts="text 1000"),
    # Memory or time is up first, as the machine likes.
    "memory_bomb": Nasty(made_pdfs.memory_bomb, "damaged or failed", verdicts="failed 1"),
    "spaces_20mb": Nasty(lambda: one_page(b" " * 20_000_000 + line("behind spaces")), "stored", "behind spaces"),
    "double_flate": Nasty(partial(twice_deflated, 20), "empty"),
    "crowded_page": Nasty(partial(crowded, "crowded", 1000), "stored", "crowded"),
    "endless_word": Nasty(
        lambda: one_page(b"BT /F1 0.001 Tf 10 700 Td (lengthy " + b"x" * 100_000 + b") Tj ET"),
        "stored", "lengthy", partial=True,
    ),
    # Time or memory is up first, as the machine is slow or quick.
    "laughing_page": Nasty(laughing, "failed or damaged", verdicts="failed 1"),
    "laughing_second_page": Nasty(
        partial(laughing, "cheerful first page"), "stored", "cheerful", partial=True, verdicts="failed 1, text 1"
    ),
    "content_4000_times": Nasty(partial(content_again_and_again, "tireless", 4000), "stored", "tireless"),
    # loops and lies
    "huge_page": Nasty(partial(boxed, "gigantic", b"[0 0 1000000000 1000000000]", 10**6, 10**6), "stored", "gigantic"),
    "bad_page_box": Nasty(partial(boxed, "boxless", b"[nan -5 (x) null]"), "stored", "boxless"),
    "deep_tree": Nasty(partial(deep_tree, "bottomless page", 10_000), "stored", "bottomless", partial=True),
    "tree_in_a_circle": Nasty(tree_in_a_circle, "damaged"),
    "two_billion_pages": Nasty(
        lambda: one_page(line("boasting"), count=b"/Count 2147483647"), "stored", "boasting", partial=True
    ),
    "two_billion_objects": Nasty(
        lambda: said("overstated").replace(b"/Size 6", b"/Size 2147483647"), "stored", "overstated", partial=True
    ),
    "form_in_itself": Nasty(partial(form_in_itself, "recursive"), "stored", "recursive"),
    "page_100000_times": Nasty(partial(one_page_many_times, "repetitive", 100_000), "stored", "repetitive", partial=True),
    "nested_arrays": Nasty(partial(nested, 100_000), "damaged"),
    "zero_pages": Nasty(no_pages, "empty"),
    # text
    "nul": Nasty(partial(spelled, "nullified~letters", ("0000",)), "stored", "letters"),
    "lone_surrogates": Nasty(partial(spelled, "orphaned~words", ("D800", "DC00")), "stored", "words"),
    "no_letters": Nasty(
        lambda: made_pdfs.glyphs(["FFFF", "FFFE", "E000", "F8FF", "0001", "202E", "0041"], [*range(1, 8)] * 20),
        "needs_ocr", verdicts="garbage 1",
    ),
    "wrong_letters": Nasty(partial(spelled, PROSE * 20, shift=1), "needs_ocr", verdicts="garbage 1"),
    "one_glyph_256_letters": Nasty(
        lambda: made_pdfs.glyphs(["0041" * 256], [1] * 5000), "stored", partial=True, verdicts="text 1"
    ),
    "bad_metadata": Nasty(partial(metadata, "authored"), "stored", "authored"),
    "many_scripts": Nasty(
        partial(spelled, "scripted \u4f60\u597d \u65e5\u672c\u8a9e \U0001f600 \U0001d70e e\u0301 \ufb01le \u0e44\u0e17\u0e22"),
        "stored", "scripted",
    ),
    # locked, and pictures
    "user_password": Nasty(
        partial(locked, "secret", "PDF_ENCRYPT_AES_256", user_pw="user", owner_pw="owner"), "needs_password"
    ),
    "old_user_password": Nasty(
        partial(locked, "secret", "PDF_ENCRYPT_RC4_40", user_pw="user", owner_pw="owner"), "needs_password"
    ),
    "owner_password": Nasty(
        partial(locked, "unguarded", "PDF_ENCRYPT_AES_256", owner_pw="owner", permissions=0), "stored", "unguarded"
    ),
    "scan": Nasty(partial(scan, "ONLY PIXELS", 3), "needs_ocr", verdicts="needs_ocr 3"),
    "scan_and_text": Nasty(
        partial(scan, "ONLY PIXELS", 3, "textual fourth page"), "stored", "textual", partial=True,
        verdicts="needs_ocr 3, text 1",
    ),
    "portfolio": Nasty(partial(portfolio, "enveloping cover"), "stored", "enveloping"),
}  # fmt: skip

NAMES = (
    b"line\nbreak.pdf", "emoji_\U0001f4c4\U0001f525.pdf".encode(), b"bad_utf8_\xff\xfe\x80.pdf", b"n" * 251 + b".pdf",
    ("\xe9" * 125 + "x.pdf").encode(), b"-rf.pdf", b" lead and trail .pdf", "rtl_\u202efdp.exe.pdf".encode(),
    "nfc_\xe9.pdf".encode(), "nfc_e\u0301.pdf".encode(), b"UPPER.PDF", b"back\\slash.pdf", b"quote'\"$(id);`id`.pdf",
    b"%s%n%00.pdf", b".hidden.pdf", b"~$lock.pdf", b"tab\there.pdf", b"ctrl\x01\x1b[31m.pdf", b".pdf", b"CON.pdf",
)  # fmt: skip
"""Names under which a good file must be taken."""
OTHER_NAMES = (b"x.pdf.part", b"a.pdf.", b"a.pdf.tmp", b"a.pdfx")
"""Names that are none of a PDF."""


# --- mutants ----------------------------------------------------------------------------


def mutant(original: bytes, chance: random.Random) -> bytes:
    """Return a copy of a PDF with random damage of one to three kinds."""
    for _ in range(chance.randint(1, 3)):
        original = chance.choice(_DAMAGE)(original, chance) or b"%PDF-1.7\n"
    return original


def _flip(pdf: bytes, chance: random.Random) -> bytes:
    out = bytearray(pdf)
    for _ in range(chance.choice([1, 10, 100, 1000])):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def _cut(pdf: bytes, chance: random.Random) -> bytes:
    return pdf[: chance.randrange(1, len(pdf) + 1)]


def _zero(pdf: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(pdf))
    return (pdf[:at] + b"\0" * chance.choice([16, 512, 4096, 65536]))[: len(pdf)] + pdf[at + 65536 :]


def _drop(pdf: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(pdf))
    return pdf[:at] + pdf[at + chance.choice([1, 16, 512, 4096]) :]


def _double(pdf: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(pdf))
    return pdf[: at + chance.choice([16, 512, 4096, 65536])] + pdf[at:]


def _lie(pdf: bytes, chance: random.Random) -> bytes:
    key = chance.choice([b"/Length ", b"/Count ", b"/Size ", b"/First ", b"/Width ", b"/Columns ", b"/Prev "])
    return pdf.replace(key, key + chance.choice([b"0", b"-", b"2147483648", b"9"]))


def _mislead(pdf: bytes, chance: random.Random) -> bytes:
    keys = [b"/Pages", b"/Kids", b"/Parent", b"/Contents", b"/Font", b"/ToUnicode", b"/Filter", b"/Root", b"/Resources"]
    return pdf.replace(chance.choice(keys), chance.choice(keys))


_DAMAGE = (_flip, _cut, _zero, _drop, _double, _lie, _mislead)
