"""Real and made PDFs are read as a reader would read them, and what can't be read is said."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import made_pdfs
from foliod.base.errors import DocumentRefusedError
from foliod.base.model import DocumentFacts, Heading, Page, Verdict
from foliod.reading.flow import flow
from foliod.reading.lines import Line
from foliod.reading.metadata import parse_date, sane, sensible_title, title_of
from foliod.reading.open import open_document
from foliod.reading.pdf import OpenDocument
from foliod.text.normalize import clean, cut_words
from foliod.text.shifted import shift_of
from made_pdfs import Sheet, pymupdf

SAMPLES = Path(__file__).parents[1] / "samples"
TWO_COLUMNS = ["PMC5477389.pdf", "PMC7068164.pdf", "PMC7079436.pdf", "multicolumn.pdf"]
LEFT = [
    "The left column begins with this line and it",
    "goes on to its second line with more words, so",
    "that it looks like a column of prose, whose",
    "lines are about as long as they are in print,",
    "which is all that is needed to see where the",
    "columns are and in which order to read them.",
]
RIGHT = [
    "Right of it stands another column of prose to",
    "be read when the left one has come to its end,",
    "which every reader knows, and every program has",
    "to learn from the white space that runs between",
    "the two columns from the top to the bottom, and",
    "from nothing else, since PDF does not say it.",
]
LEFT_TEXT, RIGHT_TEXT = " ".join(LEFT), " ".join(RIGHT)


@pytest.fixture
def made(tmp_path):
    """Return a way to read a PDF given as bytes: its pages, and what is said to be missing."""

    def read(content: bytes, max_chars: int = 1_000_000) -> tuple[list[Page], str | None]:
        path = tmp_path / "made.pdf"
        path.write_bytes(content)
        with open_document(path) as document:
            return pages_of(document, max_chars), document.trouble()

    return read


def pages_of(document: OpenDocument, max_chars: int = 1_000_000) -> list[Page]:
    return [document.read_page(number, max_chars) for number in range(1, document.pages + 1)]


def sample(name: str) -> tuple[list[Page], DocumentFacts]:
    with open_document(SAMPLES / name, name) as document:
        pages = pages_of(document)
        return pages, document.facts(pages[0])


# --- order ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TWO_COLUMNS)
def test_the_left_column_is_read_before_the_right_one(name):
    """In papers with two columns every line of the left one comes before the right one."""
    pages, _ = sample(name)
    pdf = pymupdf.open(SAMPLES / name)
    for page, ours in zip(pdf, pages, strict=True):
        if "Table 1" in ours.text:
            continue
        middle = page.rect.width / 2
        # The titles on the first pages span both columns.
        words = [word for word in page.get_text("words") if page.number or word[1] > 240]
        everything = Counter(word[4] for word in words)
        text = ours.text.split()
        once = {word for word, count in Counter(text).items() if count == 1 and everything[word] == 1}
        left = [text.index(word[4]) for word in words if word[2] < middle and word[4] in once]
        right = [text.index(word[4]) for word in words if word[0] > middle and word[4] in once]
        assert len(left) > 10
        assert max(left) < min(right, default=len(text))


def test_a_sentence_goes_on_in_the_next_column():
    """A sentence that runs from the left column into the right one is one sentence."""
    pages, _ = sample("multicolumn.pdf")
    assert "Phasellus adipiscing semper elit. Proin fermentum massa" in pages[0].text


def test_columns_drawn_line_by_line(made):
    """Columns are told apart when their lines were drawn in turns."""
    sheet = Sheet()
    sheet.write(50, 70, "A title across both of the columns", size=18)
    for i, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        sheet.write(50, 100 + 12 * i, left)
        sheet.write(310, 100 + 12 * i, right)
    (page,), _ = made(sheet.bytes())
    assert page.text == f"A title across both of the columns\n{LEFT_TEXT}\n\n{RIGHT_TEXT}"


def test_parts_drawn_in_any_order(made):
    """Header, title, columns and footer are read from top to bottom however they were drawn."""
    sheet = Sheet()
    sheet.write(290, 820, "17")
    sheet.write(310, 100, *RIGHT)
    sheet.write(50, 100, *LEFT)
    sheet.write(50, 190, "A remark below both of the columns that spans them, drawn before the title.")
    sheet.write(50, 70, "A title across both of the columns", size=18)
    sheet.write(50, 30, "Journal of Columns, vol. 3")
    (page,), _ = made(sheet.bytes())
    parts = page.text.split("\n\n")
    assert parts[0] == "Journal of Columns, vol. 3"
    assert parts[1] == f"A title across both of the columns\n{LEFT_TEXT}"
    assert parts[2] == RIGHT_TEXT
    assert parts[3].startswith("A remark below")
    assert parts[4] == "17"


def test_right_to_left_columns(made):
    """In Hebrew the right column is read first."""
    sheet = Sheet()
    html = '<p dir="rtl" style="font-size:10px">{}</p>'
    sheet.page.insert_htmlbox((40, 100, 280, 300), html.format("העמודה השמאלית נקראת אחרי העמודה הימנית בעברית " * 6))
    sheet.page.insert_htmlbox(
        (310, 100, 555, 300), html.format("הטור הראשון נמצא בצד ימין של הדף ולכן קוראים אותו קודם " * 6)
    )
    (page,), _ = made(sheet.bytes())
    assert page.text.index("הראשון") < page.text.index("השמאלית")


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
@pytest.mark.parametrize("written", [0, 90, 180, 270])
def test_turned_pages_and_turned_text(made, turned, written):
    """Text is read along its lines, whichever way the page or the text is turned."""
    sheet = Sheet(800, 800)
    for i, line in enumerate(LEFT):
        x, y = {0: (100, 100 + 12 * i), 90: (100 + 12 * i, 700), 180: (700, 700 - 12 * i), 270: (700 - 12 * i, 100)}[
            written
        ]
        sheet.page.insert_text((x, y), line, fontsize=10, rotate=written)
    sheet.page.insert_text((400, 400), "stamp", fontsize=10, rotate=(written + 90) % 360)
    sheet.page.set_rotation(turned)
    (page,), _ = made(sheet.bytes())
    assert page.text == f"{LEFT_TEXT}\n\nstamp"
    assert page.rotation == turned


def test_a_turned_page_has_the_size_that_is_seen(made):
    """Width and height are those of the page as displayed."""
    sheet = Sheet(595, 842)
    sheet.write(50, 100, *LEFT)
    sheet.page.set_rotation(90)
    (page,), _ = made(sheet.bytes())
    assert (page.width, page.height) == (842, 595)


# --- paragraphs -------------------------------------------------------------------------


def test_indented_paragraphs_are_told_apart(made):
    """A paragraph that begins with an indent is a paragraph, and its lines are one flowing text."""
    sheet = Sheet()
    for k in range(3):
        sheet.write(62, 100 + 72 * k, f"Paragraph {k} begins here, indented, and its")
        sheet.write(50, 112 + 72 * k, *LEFT[1:5], "the columns stand.")
    (page,), _ = made(sheet.bytes())
    assert [part[:12] for part in page.text.split("\n\n")] == ["Paragraph 0 ", "Paragraph 1 ", "Paragraph 2 "]
    assert "\n" not in page.text.replace("\n\n", "")


def test_double_spaced_lines_are_one_paragraph(made):
    """Wide line spacing does not make every line a paragraph."""
    sheet = Sheet()
    sheet.write(50, 100, *LEFT, pitch=2.3)
    (page,), _ = made(sheet.bytes())
    assert page.text == LEFT_TEXT


def test_lists_and_tables_keep_their_lines():
    """Short lines, and the rows of a table, stay lines of their own; footnotes come in their order."""
    (page,), facts = sample("google-doc-document.pdf")
    assert "Beautiful is better than ugly.\nExplicit is better than implicit.\n" in page.text
    assert "\nCapital Jakarta Berlin Vienna Paris Vatican City\n" in page.text
    assert page.text.endswith("1 2021 estimate\n2 2020 estimate\n3 2020 estimate")
    assert facts.title == "PDF Example Document"


def test_raised_numbers_do_not_spoil_numbers_and_words():
    """The mark of a footnote is no digit of the number before it."""
    (page,), _ = sample("google-doc-document.pdf")
    assert "273.879.750 1" in page.text


def test_numbered_items_are_lines(made):
    """Each item of a list begins a line, and goes on flowing."""
    sheet = Sheet()
    sheet.write(50, 100, "1. The first item is so long that it needs a", "   second line to come to its end.")
    sheet.write(50, 124, "2. The second item is short.", "3. So is the third.", "- And a dash.")
    (page,), _ = made(sheet.bytes())
    assert page.text.split("\n") == [
        "1. The first item is so long that it needs a second line to come to its end.",
        "2. The second item is short.",
        "3. So is the third.",
        "- And a dash.",
    ]


def test_words_broken_at_line_ends_are_whole():
    """The German script breaks many words at line ends; none stays broken."""
    pages, _ = sample("GeoTopo-komprimiert.pdf")
    text = "\n".join(page.text for page in pages)
    assert "Zusammenhangskomponente" in text
    assert "Homöomorphismus" in text
    assert "Homöo-" not in text


LINES = st.builds(
    Line,
    text=st.text(st.sampled_from("aB1.-•) \u0301漢ש"), min_size=1, max_size=12).filter(str.strip),
    x0=st.floats(0, 500),
    y0=st.floats(0, 800),
    x1=st.floats(0, 600),
    y1=st.floats(0, 842),
    base=st.floats(0, 842),
    size=st.floats(0.5, 40),
    bold=st.booleans(),
    block=st.integers(0, 5),
)


@given(st.lists(LINES, max_size=40))
@settings(deadline=None, max_examples=200)
def test_no_letter_is_lost_however_lines_lie(lines):
    """Wherever lines stand on a page, their letters are in its text, once, and headings are where they say."""
    text, headings, _ = flow([replace(line) for line in lines], 595, 842)
    kept = Counter(char for char in text if char.isalnum())
    assert kept == Counter(char for line in lines for char in clean(line.text) if char.isalnum())
    for heading in headings:
        assert text[heading.offset :].startswith(heading.text)


# --- headings and facts -----------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.pdf")), ids=lambda path: path.stem)
def test_every_sample_gives_clean_text_and_true_headings(path):
    """Texts can be stored as they are, and a heading stands where it says."""
    with open_document(path, path.name, ["openpassword"]) as document:
        for page in pages_of(document):
            assert clean(page.text) == page.text
            for heading in page.headings:
                assert page.text[heading.offset :].startswith(heading.text)
                assert heading.offset == 0 or page.text[heading.offset - 1] == "\n"


def test_headings_by_size_and_by_outline():
    """Larger type makes a heading; where the PDF has an outline, it names the levels."""
    pages, _ = sample("pdflatex-outline.pdf")
    assert [(h.level, h.text) for h in pages[1].headings] == [(1, "1 Foo"), (1, "2 Bar"), (1, "3 Baz"), (1, "4 Foo")]
    script, facts = sample("GeoTopo-komprimiert.pdf")
    levels = {h.text: h.level for page in script for h in page.headings}
    assert levels["1.2 Metrische Räume"] == 2
    assert levels["1 Topologische Grundbegriffe"] == 1
    assert facts == DocumentFacts(
        pages=117,
        title="Geometrie und Topologie",
        author="Martin Thoma",
        created=datetime(2016, 12, 31, 18, 43, 23, tzinfo=timezone(timedelta(hours=1))),
        modified=datetime(2023, 6, 23, 6, 39, 33, tzinfo=UTC),
    )


def test_bold_lines_are_headings(made):
    """A short bold line of its own is a heading, a bold word within a paragraph is none."""
    sheet = Sheet()
    sheet.write(50, 100, "Materials and methods", font="hebo")
    sheet.write(50, 120, *LEFT)
    (page,), _ = made(sheet.bytes())
    assert page.headings == (Heading(0, 3, "Materials and methods"),)


def test_the_title_is_the_largest_text_of_page_one(made, tmp_path):
    """Where the file names no title, its first page does."""
    sheet = Sheet()
    sheet.write(50, 60, "Annual report", size=12)
    sheet.write(50, 100, "Of the white space between", "the columns of a page", size=20)
    sheet.write(50, 200, *LEFT)
    path = tmp_path / "report.pdf"
    path.write_bytes(sheet.bytes())
    with open_document(path, "report.pdf") as document:
        assert document.facts(document.read_page(1, 10**6)).title == "Of the white space between the columns of a page"
        assert document.facts(None).title is None


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("The Origin of Species", "The Origin of Species"),
        ("Hamlet", "Hamlet"),
        ("COVID-19", "COVID-19"),
        ("  A\x00 title\ud800 of \n two lines ", "A title of two lines"),
        ("untitled", None),
        ("Microsoft Word - report_final2.doc", None),
        ("paper.dvi", None),
        ("My Thesis.docx", None),
        ("scan0001", None),
        ("paper_final_v2", None),
        ("doi:10.1016/j.cell.2020.1", None),
        ("PowerPoint Presentation", None),
        ("sample", None),
        ("...", None),
        ("", None),
        (None, None),
    ],
)
def test_which_titles_are_titles(said, title):
    """Names of programs and files are no titles."""
    assert sensible_title(said, "/in/sample.pdf") == title


def test_long_entries_are_cut():
    """A megabyte of author is cut to a line."""
    assert len(sane("word " * 200_000)) <= 300
    assert sane("x" * 1_000_000) == "x" * 299 + "…"


def test_contents_is_no_title():
    """A first page that is a table of contents names no title."""
    page = Page(1, Verdict.TEXT, "Contents", 1, 1, 0, (Heading(0, 1, "Contents"),))
    assert title_of(page) is None


@pytest.mark.parametrize(
    ("said", "date"),
    [
        ("D:20161231184323+01'00'", datetime(2016, 12, 31, 18, 43, 23, tzinfo=timezone(timedelta(hours=1)))),
        ("D:20230623063933Z", datetime(2023, 6, 23, 6, 39, 33, tzinfo=UTC)),
        ("D:2020", datetime(2020, 1, 1, tzinfo=UTC)),
        ("20200229", datetime(2020, 2, 29, tzinfo=UTC)),
        ("2020-02-29T01:02:03-05:00", datetime(2020, 2, 29, 1, 2, 3, tzinfo=timezone(timedelta(hours=-5)))),
        ("D:20200230", None),
        ("D:99999999999999", None),
        ("D:00000000", None),
        ("D:20200101000000+99'99'", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_dates(said, date):
    """Dates have a time zone; days that never were are none."""
    assert parse_date(said) == date


# --- verdicts ---------------------------------------------------------------------------


def test_pictures_need_ocr():
    """Pages that are pictures are known as such."""
    pages, _ = sample("imagemagick-images.pdf")
    assert {page.verdict for page in pages} == {Verdict.NEEDS_OCR}


def test_a_scan_with_a_stamp_needs_ocr(made):
    """A page number printed over a scan does not make it text; a logo beside a line does not make it a scan."""
    pixels = pymupdf.Pixmap(pymupdf.csGRAY, pymupdf.IRect(0, 0, 60, 80), False)
    pixels.clear_with(200)
    scan = Sheet()
    scan.page.insert_image(scan.page.rect, pixmap=pixels)
    scan.write(290, 820, "Page 17")
    logo = Sheet()
    logo.page.insert_image((20, 20, 120, 120), pixmap=pixels)
    logo.write(50, 300, "A short letter.")
    assert made(scan.bytes())[0][0].verdict is Verdict.NEEDS_OCR
    assert made(logo.bytes())[0][0].verdict is Verdict.TEXT


def test_a_scan_in_black_and_white_needs_ocr(made):
    """A picture that is a mask, as scanners make them, is a picture."""
    mask = b"q 612 0 0 792 0 0 cm BI /W 8 /H 8 /IM true /BPC 1 ID \xaa\x55\xaa\x55\xaa\x55\xaa\x55 EI Q"
    assert made(made_pdfs.one_page(mask))[0][0].verdict is Verdict.NEEDS_OCR


def test_a_blank_page_is_empty(made):
    """A page with nothing on it, or nothing but a frame, is empty."""
    sheet = Sheet()
    assert made(sheet.bytes())[0][0].verdict is Verdict.EMPTY
    sheet.page.draw_rect((50, 50, 500, 700))
    assert made(sheet.bytes())[0][0].verdict is Verdict.EMPTY


def test_text_that_no_one_can_read_is_garbage(made):
    """A font whose letters mean nothing gives a page without text, said to be garbage."""
    pages, _ = made(made_pdfs.glyphs(["FFFF", "E000", "0001", "202E", "0041"], [1, 2, 3, 4, 5] * 20))
    assert (pages[0].verdict, pages[0].text) == (Verdict.GARBAGE, "")


def test_one_font_without_letters_does_not_spoil_the_page(made):
    """What other fonts say on the page is read, the rest is left out, and that is said."""
    pages, trouble = made(two_fonts(shown=b"\\001\\002\\003" * 10, times=1))
    assert (pages[0].verdict, pages[0].text) == (Verdict.TEXT, "Letters of a font that names them all.")
    assert "page 1 has text in fonts that name no letters" in trouble
    pages, _ = made(two_fonts(shown=b"\\001\\002\\003" * 10, times=3))
    assert (pages[0].verdict, pages[0].text) == (Verdict.GARBAGE, "")


def two_fonts(shown: bytes, times: int) -> bytes:
    """Return a PDF with a line in Helvetica, and `shown` so many times in a font whose glyphs have no names."""
    line = b"BT /F2 12 Tf 72 %d Td (" + shown + b") Tj ET\n"
    return made_pdfs.one_page(
        b"BT /F1 12 Tf 72 720 Td (Letters of a font that names them all.) Tj ET\n"
        + b"".join(line % (700 - 20 * i) for i in range(times)),
        more={
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
            b"/Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>",
            6: b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1000 1000] /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 1 "
            b"/LastChar 3 /Widths [600 600 600] /CharProcs << /g1 7 0 R /g2 7 0 R /g3 7 0 R >> "
            b"/Encoding << /Type /Encoding /Differences [1 /g1 /g2 /g3] >> >>",
            7: made_pdfs.stream(b"600 0 0 0 500 500 d1 0 0 500 500 re f"),
        },
    )


def test_a_few_signs_and_nothing_else_are_no_empty_page(made):
    """A page of which not one letter can be read is not said to be empty."""
    pages, _ = made(made_pdfs.glyphs(["FFFF", "FFFE"], [1, 2, 1, 2]))
    assert pages[0].verdict is Verdict.GARBAGE


@pytest.mark.parametrize("shift", [1, -1, 3])
def test_letters_that_are_wrong_by_the_same_distance_are_garbage(made, shift):
    """Prose that a damaged font map turned into other letters is not taken for text."""
    sheet = Sheet()
    sheet.write(50, 100, *["".join(chr(ord(c) + shift) if c != " " else c for c in line) for line in LEFT + RIGHT])
    assert made(sheet.bytes())[0][0].verdict is Verdict.GARBAGE


@pytest.mark.parametrize(
    "text",
    [
        "ACGTTGCAAC GATTACAGAT CCGATAGCTA " * 20,
        "deadbeef 0badcafe 1234abcd " * 20,
        "XK-4711 PQ/12 ZZ-9 QRS.7 WVX-33 " * 20,
        "tähän kirjoitettu teksti ei ole englantia eikä saksaa vaan suomea " * 10,
        "AlignLeft AlignLeft-Border_Small AlignCenter-Border_Wide " * 20,
    ],
    ids=["genes", "numbers", "parts", "finnish", "names"],
)
def test_what_is_no_prose_is_left_alone(text):
    """Sequences, numbers, names and unknown languages are no wrong letters."""
    assert shift_of(text) == 0


def test_nul_and_surrogates_leave_the_text(made):
    """What PostgreSQL can't store is not in the text."""
    (page,), _ = made(made_pdfs.glyphs(["0061", "0000", "D800", "DC00", "0062"], [1, 2, 3, 4, 5] * 3))
    assert page.verdict is Verdict.TEXT
    assert set(page.text) <= set("ab\ufffd")


def test_an_endless_word_is_cut_and_said(made):
    """A word of a megabyte is kept with its beginning, what stands around it as it is, and that is said."""
    content = b"BT /F1 0.001 Tf 72 700 Td (before " + b"x" * 20_000 + b" after) Tj ET"
    (page,), trouble = made(made_pdfs.one_page(content))
    assert page.text == f"before {'x' * 1000} after"
    assert "page 1 has words of more than 1000 characters" in trouble
    unspaced = "\u0e01\u0e02" * 2000
    assert cut_words(unspaced) is unspaced


def test_too_much_text_is_cut_and_said(made):
    """A page longer than allowed is cut, and the document says so."""
    sheet = Sheet()
    sheet.write(50, 100, *LEFT)
    (page,), trouble = made(sheet.bytes(), 50)
    assert page.text == LEFT_TEXT[:50].rstrip()
    assert "page 1 has more text" in trouble


# --- damage and lies --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "state", "words"),
    [
        (b"", "empty", "0 bytes"),
        (b"\0" * 10_000, "damaged", "zeros"),
        (b"%PDF-1.7\n", "damaged", "damaged"),
        (b"<!DOCTYPE html><p>Log in to download", "not_pdf", "a web page"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 99, "not_pdf", "a PNG image"),
        (b"just a text\n" * 9, "not_pdf", "not a PDF"),
        (
            made_pdfs.raw_pdf({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [] /Count 0 >>"}),
            "empty",
            "no pages",
        ),
    ],
    ids=["empty", "zeros", "header", "html", "png", "text", "no-pages"],
)
def test_what_is_no_readable_pdf_is_refused(made, content, state, words):
    """Every refusal has its state, and a reason for people."""
    with pytest.raises(DocumentRefusedError, match=words) as refusal:
        made(content)
    assert refusal.value.state == state


def test_passwords():
    """A PDF with a user password is refused, and opens with the right one among several."""
    path = SAMPLES / "libreoffice-writer-password.pdf"
    with pytest.raises(DocumentRefusedError, match="password") as refusal:
        open_document(path)
    assert refusal.value.state == "needs_password"
    with open_document(path, "", ["wrong", "openpassword"]) as document:
        assert document.read_page(1, 10**6).text.startswith("Lorem ipsum dolor sit amet")


@pytest.mark.parametrize(
    ("encryption", "password"),
    [
        # Before AES-256, PDF knows Latin letters only.
        *itertools.product(["RC4_40", "RC4_128", "AES_128", "AES_256"], ["plain", "pässwört-€", " with blanks "]),
        ("AES_256", "日本語"),
    ],
)
def test_passwords_of_every_kind(tmp_path, encryption, password):
    """Whatever a PDF is encrypted with, its password opens it, also in letters beyond ASCII."""
    path = tmp_path / "locked.pdf"
    kind = getattr(pymupdf, f"PDF_ENCRYPT_{encryption}")
    path.write_bytes(made_pdfs.locked(made_pdfs.letters("A secret page"), password, kind))
    with open_document(path, "", ["wrong", password]) as document:
        assert document.read_page(1, 1000).text == "A secret page"
    with pytest.raises(DocumentRefusedError) as refusal:
        open_document(path, "", ["wrong", password + "x", "x" + password])
    assert refusal.value.state == "needs_password"


def test_accents_may_be_composed_or_not(tmp_path):
    """A password typed on a system that keeps accents apart opens a PDF locked on another one."""
    path = tmp_path / "locked.pdf"
    path.write_bytes(made_pdfs.locked(made_pdfs.letters("A secret page"), unicodedata.normalize("NFC", "Café-Élan")))
    with open_document(path, "", [unicodedata.normalize("NFD", "Café-Élan")]) as document:
        assert document.pages == 1


def test_encryption(made, tmp_path):
    """Owner passwords do not keep readers out; unknown encryption is said to be unsupported."""
    sheet = Sheet()
    sheet.write(50, 100, *LEFT)
    pdf = pymupdf.open(stream=sheet.bytes())
    owned = pdf.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, owner_pw="owner", permissions=0)
    assert made(owned)[0][0].text == LEFT_TEXT
    locked = made_pdfs.one_page(b"", more={6: b"<< /Filter /Adobe.PubSec /V 4 >>"}).replace(
        b"/Root 1", b"/Encrypt 6 0 R /Root 1"
    )
    with pytest.raises(DocumentRefusedError, match="encryption") as refusal:
        made(locked)
    assert refusal.value.state == "unsupported"


@pytest.mark.parametrize(
    "count", ["/Count 0", "", "/Count -1", "/Count 5", "/Count 1000000", "/Count 2147483647", "/Count (x)"]
)
def test_a_wrong_number_of_pages_is_put_right(made, count):
    """The page that is there is read whatever the file says about its pages, and the error is said."""
    pages, trouble = made(made_pdfs.one_page(b"BT /F1 12 Tf 72 720 Td (one real page) Tj ET", count=count.encode()))
    assert [page.text for page in pages] == ["one real page"]
    assert "pages" in trouble


@pytest.mark.parametrize("lost", [b"/Type /Catalog", b"/Kids [", b"/Type /Pages"], ids=["catalog", "kids", "tree"])
def test_pages_without_a_tree_are_found(made, lost):
    """Where nothing leads to the pages any more, they are read all the same, and the damage is said."""
    pages, trouble = made(
        made_pdfs.many_pages(3).replace(lost, b"/Lost".ljust(len(lost)) if lost[-1:] != b"[" else b"/Lost [")
    )
    assert [page.text[:6] for page in pages] == ["Page 1", "Page 2", "Page 3"]
    assert trouble


def test_pages_of_a_download_that_broke_off_are_found(made):
    """The pages that came are read when the tree that led to them did not come."""
    whole = made_pdfs.many_pages(30)
    pages, trouble = made(whole[: whole.index(b"\n40 0 obj")].replace(b"/Type /Catalog /Pages 2 0 R", b""))
    assert pages[0].text.startswith("Page 1 of the long document")
    assert "damaged" in trouble


def test_a_tree_that_can_not_be_parsed_is_damage(made):
    """A file whose pages can't be made out is damaged, not empty."""
    with pytest.raises(DocumentRefusedError) as refusal:
        made(made_pdfs.raw_pdf({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [7 0 R >>"}))
    assert refusal.value.state == "damaged"


def test_a_font_with_units_of_its_own(made):
    """Letters of a font whose size says next to nothing are read like any other."""
    content = b"BT /F1 0.24 Tf 72 700 Td (abab) Tj 0 -30 Td (baba) Tj ET"
    font = {
        5: b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 30 40] /FontMatrix [1 0 0 1 0 0] /FirstChar 97 /LastChar 98 "
        b"/Widths [30 30] /CharProcs << /a 7 0 R /b 7 0 R >> /Encoding << /Type /Encoding /Differences [97 /a /b] >> >>",
        7: made_pdfs.stream(b"30 0 0 0 25 40 d1 0 0 25 40 re f"),
    }
    (page,), trouble = made(made_pdfs.one_page(content, more=font))
    assert (page.verdict, page.text.split()) == (Verdict.TEXT, ["abab", "baba"])
    assert trouble is None


def test_text_that_can_not_be_put_in_order_is_kept(made, monkeypatch):
    """When the layout of a page is beyond us, its text is there, if in the order of drawing."""

    def beyond(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("foliod.reading.pdf.flow", beyond)
    sheet = Sheet()
    sheet.write(50, 100, *LEFT)
    assert made(sheet.bytes())[0][0].text == "\n".join(LEFT)


def test_memory_is_said_to_be_what_was_missing(made, monkeypatch):
    """A page that needs more memory than allowed says so, and which setting would help."""

    def greedy(*_, **__):
        msg = "code=2: calloc (4104 x 1 bytes) failed"
        raise RuntimeError(msg)

    monkeypatch.setattr(pymupdf.Page, "get_textpage", greedy)
    (page,), trouble = made(made_pdfs.one_page(b""))
    assert page.verdict is Verdict.FAILED
    assert "page 1 needs more memory than worker_memory_mb allows" in trouble


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_truncated_copy_never_looks_whole(made, part):
    """Of a copy that broke off, nothing is lost without a word: it is refused, or said to be damaged."""
    whole = made_pdfs.many_pages(30)
    try:
        pages, trouble = made(whole[: int(len(whole) * part)])
    except DocumentRefusedError as refusal:
        assert refusal.state == "damaged"
    else:
        assert "damaged" in trouble
        assert Verdict.EMPTY not in {page.verdict for page in pages}
        assert [page for page in pages if page.verdict is Verdict.TEXT]


def test_reading_twice_gives_the_same():
    """Pages do not depend on what was read before them."""
    with open_document(SAMPLES / "pdflatex-outline.pdf") as document:
        forwards = pages_of(document)
        backwards = [document.read_page(number, 10**6) for number in range(document.pages, 0, -1)]
    assert forwards == backwards[::-1]


def test_no_stray_output(capfd, made):
    """MuPDF's complaints do not reach the terminal."""
    whole = made_pdfs.many_pages(5)
    for part in itertools.chain([200], range(400, len(whole), 300)):
        try:
            made(whole[:part])
        except DocumentRefusedError:
            continue
    assert capfd.readouterr() == ("", "")
