"""Chunks end where readers would pause, stay within their budget, and lose nothing."""

import re
import time
import tracemalloc
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foliod.base.model import PAGE_JOIN, Chunk, Heading
from foliod.text.chunk import MIN_BUDGET, chunk_pages, estimate_tokens, sentences

unhurried = settings(deadline=None)

ENGLISH = (
    "The virus spreads through droplets in the air. Most patients recover within two weeks, but some need a "
    "ventilator; older people are at higher risk. Masks help, and so does fresh air. "
)
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"


def cut(text: str, budget: int = 64, overlap: int = 0, headings: tuple[tuple[int, str], ...] = ()) -> list[Chunk]:
    """Chunks of a text of one page; headings as (level, text), found by their text."""
    found = tuple(Heading(text.index(name), level, name) for level, name in headings)
    return list(chunk_pages([text], budget=budget, overlap=overlap, headings=[found]))


def split(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in sentences(text)]


WORDS = (
    'word Word nonparametrically e.g. Dr. Fig. 3.14 2019. end. end? end! ... \u2026 U.S. [12] (see " \u201d ) , ; : \u2013 '
    "\u2014 - \u2022 1. a) 你好。 你好！ 世界， 价格 مرحبا؟ سلام، نعم. हाँ। नमस्ते é e\u0301 \u0301\u0302 한국어 \U0001f1e9\U0001f1ea 👍🏽 aGVsbG8gd29ybGQ"
)
SPACES = ("\n", "\n\n", " \n \n", "\t", "    ", " ", "\u2029")
RUNS = (FAMILY, "kiwa" * 30, "中" * 40, "." * 30, "\u0301" * 40, "\ud83d\ude00")
FRAGMENTS = st.sampled_from([*WORDS.split(), *SPACES, *RUNS, ENGLISH, "Introduction\n", "Age 34 56 0.03\n"])
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(FRAGMENTS, max_size=80).map("".join),
    st.lists(FRAGMENTS, max_size=80).map(" ".join),
)
PAGES = st.lists(TEXTS, max_size=6)
BUDGETS = st.integers(MIN_BUDGET, 150)


@st.composite
def pages_with_headings(draw: st.DrawFn) -> tuple[list[str], list[list[Heading]]]:
    pages, headings = [], []
    for _ in range(draw(st.integers(1, 4))):
        text, own = "", []
        for name in draw(st.lists(st.sampled_from(["", "Methods", "2.1 Long name of\na part", "Results"]), max_size=6)):
            if name:
                own.append(Heading(len(text), draw(st.integers(1, 4)), " ".join(name.split())))
                text += name + "\n\n"
            text += ENGLISH * draw(st.integers(0, 3)) + "\n\n"
        pages.append(text)
        headings.append(own)
    return pages, headings


# --- tokens -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "bert", "most"),
    [
        # How many word pieces all-MiniLM-L6-v2's tokenizer makes of each.
        (ENGLISH, 40, 1.25),
        ("新型冠状病毒感染的肺炎疫情发生以来，各地医疗机构积极应对。", 29, 1.2),
        ("臺灣的半導體產業在全球供應鏈中扮演關鍵角色", 21, 1.2),
        ("日本語の文章は、漢字とひらがなとカタカナで書かれています。", 29, 1.2),
        ("한국어는 교착어이며, 조사와 어미가 발달하였다.", 37, 1.5),
        ("أظهرت الدراسة أن الفيروس ينتقل عبر الرذاذ التنفسي", 42, 1.3),
        ("विषाणु हवा के माध्यम से फैलता है।", 18, 3),
        ("Исследование показало, что вирус передаётся воздушно-капельным путём", 59, 1.2),
        ("Hydroxychloroquine was given to patients with pneumonia caused by the novel coronavirus.", 20, 1.4),
        ("1998;13(4):227-235. 10.1371/journal.pone.0075831", 25, 1.4),
    ],
)
def test_tokens_of_many_languages(text: str, bert: int, most: float) -> None:
    """The estimate is not below what BERT's word pieces need, and not far above, whatever I write in."""
    assert bert <= estimate_tokens(text) <= bert * most


@pytest.mark.parametrize("text", ["a" * 10**6, "ab" * 500_000, "x9" * 500_000, "é" * 10**6])
def test_tokens_of_one_endless_word(text: str) -> None:
    """A word of a million characters costs about as much as its characters, not one token."""
    assert len(text) / 8 < estimate_tokens(text) <= len(text) * 1.1


def test_tokens_of_noise() -> None:
    """Base64 and emoji cost more than words of their length."""
    assert estimate_tokens("TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24=") > 30
    assert estimate_tokens(FAMILY) > 10
    assert estimate_tokens("electroencephalographically") > 2 * estimate_tokens("information")


def test_tokens_of_nothing() -> None:
    """Nothing and single spaces cost nothing."""
    assert estimate_tokens("") == 0
    assert estimate_tokens(" \n ") == 0


@unhurried
@given(TEXTS, TEXTS)
def test_tokens_add_up(one: str, two: str) -> None:
    """The estimates of two parts divided by a space add up, but for rounding and the white space between."""
    both = estimate_tokens(one.strip() + " " + two.strip())
    assert 0 <= estimate_tokens(one.strip()) + estimate_tokens(two.strip()) - both <= 1


# --- sentences --------------------------------------------------------------------------


@unhurried
@given(TEXTS)
@example(" \n\n ")
@example("\n\na")
def test_sentences_tile(text: str) -> None:
    """Every character of a text is in exactly one sentence, and no sentence is empty."""
    spans = sentences(text)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)
    if text.strip():
        assert all(text[start:end].strip() for start, end in spans)


@unhurried
@given(st.lists(TEXTS.map(str.strip).filter(bool), min_size=2, max_size=4))
def test_blank_line_ends_a_sentence(paragraphs: list[str]) -> None:
    """A blank line ends a sentence, whatever stands before and after."""
    text = "\n \n".join(paragraphs)
    starts = {start for start, _ in sentences(text)}
    at = 0
    for paragraph in paragraphs[:-1]:
        at += len(paragraph) + 3
        assert at in starts


@pytest.mark.parametrize(
    "text",
    [
        # abbreviations, initials and names, each followed by a capital or a number
        "We thank Dr. Smith and Prof. Jones.",
        "It is shown in Fig. 3 and Eq. 4 of Ref. 12.",
        "This agrees with Smith et al. (2020) and with Jones et al. 2019.",
        "Salt, e.g. NaCl, vs. Water, i.e. H2O, cf. Table 1.",
        "J. R. R. Tolkien and J.-P. Sartre met S. Aureus.",
        "Das gilt z. B. für Wasser, d. h. H2O, bzw. Eis am 3. Mai im 19. Jahrhundert.",
        "See No. 5, pp. 12 and Vol. 3.",
        "The U.S. Government paid Acme Inc. London.",
        "قال د. أحمد ذلك",
        "डॉ. शर्मा आए",
        # numbers
        "It rose by 3.14 % to 1,234.56 (p < .05), see 10.1371/journal.pone.0075831 at www.example.org.",
        "价格是3.5元",
        # ellipses and quotes that go on
        "Wait... what is this?",
        '"Why?" he asked.',
        "He (surprised!) left.",
        # numbers of lists and headings
        "1. Introduction",
        "2.1. Methods of the study",
        "iv. The fourth part",
        # lines of a paragraph
        "The patients who were admitted\nto the hospital in Wuhan with the\nNew virus had fever.",
        "infection with S.\naureus was found in the\n12 patients of Smith et al.\nin 2019",
    ],
)
def test_one_sentence(text: str) -> None:
    """Abbreviations, initials, decimals, list numbers and wrapped lines do not end a sentence."""
    assert split(text) == [text]


@pytest.mark.parametrize(
    "parts",
    [
        ["It rained.", "We left!", "Did you?", "Yes."],
        ["They grew S. aureus, E. coli etc.", "The rest died."],
        ["He lived in the U.S.", "The end."],
        ["It was done by Smith et al.", "However, it failed."],
        ["It was in 2019.", "30 patients died."],
        ["He left...", "Then she came."],
        ['"Stop!"', "She ran.", "(It was late.)", "The end."],
        ["It is so.[12]", "Next."],
        ["It is so [12] .", "Next."],
        ["a strong infection.12", "The virus.3,4", "Next."],
        ["It was vitamin C.", "The dose was low."],
        ["It binds mRNA.", "mRNA is read."],
        ["Das war so.", "Und nun?"],
        ["1. It begins.", "It ends."],
        ["ما هذا؟", "هذا كتاب.", "نعم۔", "انتهى."],
        ["क्या यह सच है?", "हाँ।", "ठीक है॥", "अंत।"],
        ["Ի՞նչ։", "Այո։"],
    ],
)
def test_many_sentences(parts: list[str]) -> None:
    """Stops of Latin, Arabic and Devanagari end sentences, with their quotes, brackets and citations."""
    assert split(" ".join(parts)) == parts


@pytest.mark.parametrize(
    "parts",
    [
        ["你好。", "今天天气很好！", "我们去公园吗？", "好。"],
        ["他说：“走吧。”", "然后走了。"],
        ["好吗?", "好!", "价格是3.5元。"],  # NFKC makes wide marks narrow
        ["「はい。」", "と言った。"],
    ],
)
def test_sentences_without_spaces(parts: list[str]) -> None:
    """Chinese and Japanese sentences end without a space behind them."""
    assert split("".join(parts)) == parts


@pytest.mark.parametrize(
    "lines",
    [
        ["Introduction", "The virus was first seen in China and has spread to many countries since."],
        ["2.1 Study design", "Patients were enrolled."],
        ["MATERIALS AND METHODS", "Cells were grown in plates."],
        ["We bought", "• apples", "• pears", "- plums"],
        ["The steps are:", "1. wash the cells", "2. count the cells", "3) throw them away"],
        ["Age 34 56 0.03", "Sex (male) 12 33", "no symptoms 5 7"],
        ["Introduction ........ 5", "Methods ....... 7"],
        ["第一章 引言", "新型冠状病毒感染的肺炎疫情发生以来各地医疗机构积极应对。"],
    ],
)
def test_lines_that_stand_alone(lines: list[str]) -> None:
    """Headings, list items and rows of tables are sentences of their own."""
    assert split("\n".join(lines)) == lines


# --- chunks -----------------------------------------------------------------------------


def check(pages: list[str], chunks: list[Chunk], budget: int, overlap: int) -> None:
    """All that holds for every document."""
    text = PAGE_JOIN.join(pages)
    page_of = [n for n, page in enumerate(pages, start=1) for _ in page + PAGE_JOIN]
    covered = bytearray(len(text))
    for n, chunk in enumerate(chunks):
        assert chunk.ordinal == n
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text
        assert chunk.text == chunk.text.strip()
        assert chunk.tokens == estimate_tokens(chunk.text) <= budget
        assert (chunk.first_page, chunk.last_page) == (page_of[chunk.start], page_of[chunk.end - 1])
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    assert all(covered[i] or char.isspace() for i, char in enumerate(text))
    for one, two in pairwise(chunks):
        assert one.start < two.start
        assert one.end < two.end
        if two.start < one.end:
            assert estimate_tokens(text[two.start : one.end]) <= overlap


@settings(unhurried, max_examples=300)
@given(PAGES, BUDGETS, st.integers(0, 100))
@example(
    [
        "0",
        "e.g.wordwordAge 34 56 0.03\nwordWord\U0001f1e9\U0001f1ea\U0001f1e9\U0001f1ea",
        "000000:0:0:00:0:000000000000:0:0:ABAAALAF000000000b.0 <0",
    ],
    65,
    37,
)
def test_chunks_of_anything(pages: list[str], budget: int, overlap: int) -> None:
    """Chunks are slices in order within their budget that lose no character and know their pages."""
    chunks = list(chunk_pages(pages, budget=budget, overlap=overlap))
    check(pages, chunks, budget, overlap)
    starts = {start for start, _ in sentences(PAGE_JOIN.join(pages))}
    for one, two in pairwise(chunks):
        assert two.start >= one.end or two.start in starts, "overlaps begin with a sentence"


@unhurried
@given(
    PAGES,
    BUDGETS,
    st.lists(st.lists(st.builds(Heading, st.integers(-5, 400), st.integers(-1, 9), st.text(max_size=20))), max_size=8),
)
def test_chunks_with_senseless_headings(pages: list[str], budget: int, headings: list[list[Heading]]) -> None:
    """Headings that are not where they claim to be can spoil names, never text."""
    check(pages, list(chunk_pages(pages, budget=budget, overlap=20, headings=headings)), budget, 20)


@unhurried
@given(pages_with_headings(), BUDGETS, st.integers(0, 30))
def test_chunks_with_headings(document: tuple[list[str], list[list[Heading]]], budget: int, overlap: int) -> None:
    """A chunk names the headings above its start, outermost first, and text is not followed by a lone heading."""
    pages, headings = document
    chunks = list(chunk_pages(pages, budget=budget, overlap=overlap, headings=headings))
    check(pages, chunks, budget, overlap)
    for chunk in chunks:
        above: list[Heading] = []
        offset = 0
        for page, own in zip(pages, headings, strict=True):
            for heading in own:
                if offset + heading.offset <= chunk.start:
                    above = [h for h in above if h.level < heading.level] + [heading]
            offset += len(page) + len(PAGE_JOIN)
        assert chunk.heading == (" › ".join(h.text for h in above) or None)
    names = {heading.text for own in headings for heading in own}
    for chunk in chunks[:-1]:
        if "." in chunk.text.replace("2.1", ""):
            assert not any(" ".join(chunk.text.split()).endswith(name) for name in names)


@unhurried
@given(st.lists(st.sampled_from([ENGLISH, "Short one. ", "Of 12 patients, 3.5 % died. ", "\n\n"])), st.integers(0, 40))
def test_short_sentences_stay_whole(parts: list[str], overlap: int) -> None:
    """Sentences that are small beside the budget are never cut, neither at the start nor at the end of a chunk."""
    text = "".join(parts)
    bounds = {start for start, _ in sentences(text)} | {
        start + len(text[start:end].rstrip()) for start, end in sentences(text)
    }
    for chunk in cut(text, budget=80, overlap=overlap):
        assert chunk.start in bounds or not text[: chunk.start].strip()
        assert chunk.end in bounds


@pytest.mark.parametrize("text", ["", " ", "\n\n \t", "\u3000\u2029"])
def test_nothing_gives_no_chunks(text: str) -> None:
    """A document of white space has no chunks, however many pages."""
    assert cut(text) == []
    assert list(chunk_pages([text] * 3, budget=64, overlap=10)) == []
    assert list(chunk_pages([], budget=64, overlap=10)) == []


def test_too_small_a_budget() -> None:
    """A budget into which one word may not fit is refused with what is needed."""
    with pytest.raises(ValueError, match=f"at least {MIN_BUDGET} tokens"):
        cut("text", budget=MIN_BUDGET - 1)
    with pytest.raises(ValueError, match="no negative overlap"):
        cut("text", overlap=-1)


def test_ends_at_a_paragraph() -> None:
    """A paragraph's end in the second half of the budget is better than one more sentence that fits."""
    first = "The virus spreads through droplets in the air. " * 3
    chunks = cut(first + "\n\n" + first, budget=48)
    assert [chunk.text for chunk in chunks] == [first.strip(), first.strip()]


def test_ends_at_a_sentence_before_a_late_clause() -> None:
    """Where no paragraph ends, the last sentence that fits ends the chunk, not the clause after it."""
    chunks = cut(
        "We saw many patients in the hospital last year. " + "Some were old, and others were not so old, " * 5,
        budget=40,
    )
    assert chunks[0].text == "We saw many patients in the hospital last year."


def test_cuts_a_long_sentence_at_a_clause() -> None:
    """A sentence beyond the budget is cut behind a comma or dash, not in the middle of a phrase."""
    for mark in (", ", "; ", ": ", " \u2013 ", "، "):
        text = mark.join(["some patients were very old and ill"] * 20) + "."
        assert all(chunk.text.endswith(("ill" + mark).rstrip()) for chunk in cut(text)[:-1]), mark
    assert all(chunk.text.endswith("，") for chunk in cut("有些病人年纪很大，" * 40)[:-1])


def test_cuts_at_a_clause_before_a_longer_one() -> None:
    """A clause that does not fit whole is left for the next chunk when the clauses before it fill a quarter."""
    first = "Although some patients were very old and ill and others had not been in the hospital for long,"
    chunks = cut(first + " we saw many more of them" * 30 + ".")
    assert chunks[0].text == first


def test_cuts_at_words_when_nothing_else_ends() -> None:
    """Text without any marks is cut between words."""
    chunks = cut("alpha beta gamma delta " * 100)
    assert {word for chunk in chunks for word in chunk.text.split()} == {"alpha", "beta", "gamma", "delta"}
    assert all(chunk.tokens > 60 for chunk in chunks[:-2])


@pytest.mark.parametrize(
    "seen",
    ["e\u0301", "कि", FAMILY, "👍🏽", "\U0001f1e9\U0001f1ea", "❤\ufe0f", "\u1112\u1161\u11ab", "\ud83d\ude00", "กำ้"],
)
@pytest.mark.parametrize("shift", ["", "x", "中中"])
def test_cuts_between_what_is_seen_as_characters(seen: str, shift: str) -> None:
    """Without a space in reach the cut falls between characters as a reader sees them, accents and flags whole."""
    chunks = cut(shift + seen * 300)
    assert len(chunks) > 3
    for chunk in chunks:
        assert chunk.text.removeprefix(shift).replace(seen, "") == "", ascii(chunk.text)


def test_cuts_even_what_should_not_be() -> None:
    """A thousand accents on one letter still fit into chunks."""
    chunks = cut("a" + "\u0301" * 1000)
    assert "".join(chunk.text for chunk in chunks) == "a" + "\u0301" * 1000


def test_wide_gaps_are_left_out() -> None:
    """A hundred thousand spaces between two words are nobody's text."""
    assert [chunk.text for chunk in cut("one" + " " * 100_000 + "two")] == ["one", "two"]


def test_pages_of_a_chunk() -> None:
    """A chunk that runs over a page's end says so; empty pages count; white space does not."""
    pages = ["", "It begins here and", "  ends there.  \n\n", " ", "Next."]
    chunks = list(chunk_pages(pages, budget=64, overlap=0))
    assert [(chunk.first_page, chunk.last_page, chunk.text) for chunk in chunks] == [
        (2, 5, "It begins here and\n  ends there.  \n\n\n \nNext.")
    ]
    long = list(chunk_pages([ENGLISH * 3, ENGLISH * 3], budget=64, overlap=0))
    assert {(chunk.first_page, chunk.last_page) for chunk in long} >= {(1, 1), (2, 2)}
    assert all(chunk.last_page == 1 for chunk in long if chunk.end <= len(ENGLISH) * 3)


def test_overlaps_by_whole_sentences() -> None:
    """Each chunk begins with as many of the last sentences of the one before as the overlap allows."""
    text = " ".join(f"Patient {n} had fever." for n in range(40))
    for overlap, shared in ((0, 0), (5, 0), (6, 1), (12, 2), (19, 3)):
        chunks = cut(text, budget=64, overlap=overlap)
        for one, two in pairwise(chunks[:-1]):
            repeated = text[two.start : one.end]
            assert repeated.count("Patient") == shared
            assert two.start >= one.end or repeated.startswith("Patient")
            assert estimate_tokens(repeated) <= overlap


def test_overlap_gives_way_to_new_text() -> None:
    """A repeated sentence is left out when it would force the next sentence to be cut."""
    short, long = "Patient 1 had fever. ", "Then " + "there were many more cases " * 9 + "in town. "
    chunks = cut((short * 8 + long) * 2, budget=54, overlap=20)
    assert all(chunk.text.endswith(".") for chunk in chunks)
    assert any(chunk.text.startswith("Then") for chunk in chunks)
    assert any(chunk.text.startswith("Patient") and long.strip() in chunk.text for chunk in chunks) is False


def test_begins_anew_at_a_heading() -> None:
    """A heading begins a new chunk, without overlap, once the one before is a third full, and not earlier."""
    text = f"Methods\n\n{ENGLISH}\n\nResults\n\n{ENGLISH}"
    first, second = cut(text, budget=100, overlap=30, headings=((1, "Methods"), (1, "Results")))
    assert (first.heading, second.heading) == ("Methods", "Results")
    assert second.text.startswith("Results")
    assert first.end <= second.start
    assert len(cut(text, budget=150, headings=((1, "Methods"), (1, "Results")))) == 1


def test_breadcrumb() -> None:
    """The trail of headings holds what encloses the chunk: a new section drops the deeper ones."""
    names = ((1, "Methods"), (2, "Cells"), (3, "Growth"), (2, "Mice"), (1, "Results"))
    text = "".join(f"{name}\n\n{ENGLISH}{ENGLISH}\n\n" for _, name in names)
    trails = list(
        dict.fromkeys(chunk.heading for chunk in cut("Preface. " + ENGLISH * 2 + "\n\n" + text, headings=names))
    )
    assert trails == [None, "Methods", "Methods › Cells", "Methods › Cells › Growth", "Methods › Mice", "Results"]


def test_heading_over_two_lines() -> None:
    """A heading that the page breaks over two lines is still known as one and keeps what follows."""
    text = ENGLISH + "\n\nA long heading on\nTwo lines\n\n" + ENGLISH
    at = len(ENGLISH) + 2
    heading = Heading(at, 1, "A long heading on Two lines")
    chunks = list(chunk_pages([text], budget=50, overlap=0, headings=[[heading]]))
    assert chunks[1].text.startswith("A long heading on\nTwo lines\n\nThe virus")
    assert chunks[1].heading == "A long heading on Two lines"


@pytest.mark.parametrize("words", [35, 45, 55, 70, 200])
@pytest.mark.parametrize(
    "name",
    [
        "A heading of\nsome six words",
        "A heading\nwhose second line goes on and on over the whole of the page in many words",
        "A heading of very many words " * 4 + "that goes on and on in words",
    ],
)
def test_heading_stays_with_a_long_sentence(name: str, words: int) -> None:
    """Even a sentence that fills a whole chunk does not leave its heading behind."""
    text = f"{'Most patients recover. ' * 3}\n\n{name}\n{'the old man said so ' * (words // 5)}."
    chunks = list(
        chunk_pages([text], budget=64, overlap=0, headings=[[Heading(text.index("A"), 1, name.replace("\n", " "))]])
    )
    assert not any(chunk.text.endswith("words") for chunk in chunks)


def test_heading_without_blank_lines() -> None:
    """A heading that only the layout shows divides the text, whatever its line and the next begin with."""
    text = f"{ENGLISH}\npre-mRNA splicing\nwe grew cells in plates with " + "more and more " * 12
    chunks = cut(text, headings=((1, "pre-mRNA splicing"),))
    assert chunks[1].text.startswith("pre-mRNA splicing\nwe grew")
    assert [chunk.heading for chunk in chunks[:2]] == [None, "pre-mRNA splicing"]


def test_tiny_end_is_joined() -> None:
    """A last chunk of a few words is joined to the one before when both fit, else the two share the text evenly."""
    paragraph = "The virus spreads through droplets in the air. " * 4
    joined = cut(paragraph + "\n\nThe end.", budget=48)
    assert len(joined) == 1
    even = cut("Some sentence of about ten words stands here, dear. " * 5 + "The end.", budget=64)
    assert [chunk.tokens > 20 for chunk in even] == [True, True]
    words = cut("alpha beta gamma delta " * 100)
    assert words[-1].tokens > 20
    for repeats in range(12, 40):
        text = "Patient one had fever. " * repeats
        *_, before, last = cut(text, budget=64, overlap=12)
        assert estimate_tokens(text[before.end : last.end]) > 9


def test_huge_overlap_still_moves_on() -> None:
    """An overlap beyond the budget is taken as half of it."""
    text = "Patient one had fever. " * 60
    chunks = cut(text, budget=64, overlap=10_000)
    assert len(chunks) < 4 * estimate_tokens(text) / 64
    check([text], chunks, 64, 32)


ADVERSARIAL = {
    "no space": "a",
    "line ends": "\n",
    "letters on lines": "a\n",
    "dots": ".",
    "stops": "A. ",
    "brackets": '. ("',
    "Chinese": "中",
    "accents": "\u0301",
    "families": FAMILY,
    "flags": "\U0001f1e9",
    "commas": ", ",
    "paragraphs": "a.\n\n",
    "joiners": "\u200d",
    "gaps": "a          ",
    "prose": ENGLISH,
}


@pytest.mark.parametrize("text", ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
def test_time_grows_with_length(text: str) -> None:
    """Eight times the text takes about eight times as long; a quadratic step would take sixty-four times."""

    def seconds(characters: int) -> float:
        pages = [text * (characters // len(text))]
        best = 9e9
        for _ in range(2):
            begin = time.process_time()
            for _ in chunk_pages(pages, budget=220, overlap=40):
                pass
            best = min(best, time.process_time() - begin)
        return best

    small, large = seconds(8_000), seconds(64_000)
    assert large < 24 * max(small, 0.002)


@unhurried
@given(st.text(alphabet=st.characters(categories=["L", "M", "So", "Cs"]), min_size=1, max_size=400))
def test_accents_stay_with_their_letters(text: str) -> None:
    """No chunk begins with a mark that belongs to the letter before, unless the marks alone exceed a chunk."""
    for chunk in cut(text, budget=48)[1:]:
        assert unicodedata.category(chunk.text[0])[0] != "M" or re.search(r"[^\w\s]{10}", text)


def test_a_text_without_sentences_is_not_copied():
    """A whole document may be one sentence: cutting it takes no memory that grows with it."""
    text = "word 😀 sentence. " * 12_000
    chunks = chunk_pages([text], budget=220, overlap=40)
    next(chunks)
    tracemalloc.start()
    try:
        assert sum(1 for _ in chunk_pages([text], budget=4000, overlap=40)) > 10
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 2_000_000
