"""Text from PDFs becomes fit for reading, searching and storing."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foliod.text.normalize import clean, garbage_share, join_lines, words

# Every code point, lone surrogates included, with much of what decides: hyphens, line ends, letters.
RAW = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs", "Co", "Cc", "Cf", "Mn"]),
        st.sampled_from("-\n \t\u00ad\u2011aber AND19.ﬁé\u0301\uf0b7漢字"),
    )
)


@given(RAW)
@settings(deadline=None, max_examples=500)
@example("pre-\nand-\nor-\nand")
@example("a\u00ad \r\n\u0308b")
@example("\uffa0\u3164\u1160")
def test_cleaning_twice_changes_nothing(raw):
    """What is cleaned is clean, for good."""
    once = clean(raw)
    assert clean(once) == once


@given(RAW)
@settings(deadline=None, max_examples=500)
def test_clean_text_can_be_stored(raw):
    """No NUL, control character, lone surrogate or private-use character is left, and the text is NFKC."""
    text = clean(raw)
    text.encode("utf-8")
    assert unicodedata.is_normalized("NFKC", text)
    assert not [c for c in text if unicodedata.category(c) in {"Cc", "Cs", "Co"} and c != "\n"]
    assert "\n\n\n" not in text
    assert text == text.strip()


@given(st.lists(RAW, min_size=1, max_size=6))
@settings(deadline=None)
def test_a_joined_paragraph_is_one_clean_line(lines):
    """The lines of a paragraph become one flowing line that is clean itself."""
    text = join_lines(lines)
    assert "\n" not in text
    assert clean(text) == text


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
@settings(deadline=None)
def test_readable_text_is_no_garbage(text):
    """Letters, digits, punctuation and symbols of any script are never counted as garbage."""
    assert garbage_share(text.replace("\ufffd", "")) == 0.0


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("inter-\nnational", "international"),
        ("inter\u00ad\nnational and so\u00adft", "international and soft"),
        ("inter\u2010\nnational", "international"),
        ("COVID-\n19", "COVID-19"),
        ("COVID\u201119", "COVID-19"),
        ("well-\nknown", "well-known"),
        ("high-\nrisk and high-\nly", "high-risk and highly"),
        ("state-of-the-\nart", "state-of-the-art"),
        ("one-\nto-one", "one-to-one"),
        ("RNA-\nbinding T-\ncells", "RNA-binding T-cells"),
        ("Anglo-\nAmerican", "Anglo-American"),
        ("2019-\nnCoV", "2019-nCoV"),
        ("pages 12-\n15", "pages 12-15"),
        ("pre-\nand postoperative", "pre-\nand postoperative"),
        ("age-\nrelated but un-\nrelated and sero-\npositive", "age-related but unrelated and seropositive"),
        ("strand positive of positive-\nstrand", "strand positive of positive-strand"),
        ("there with-\nout a word, there-\nfore", "there without a word, therefore"),
        ("so-\ncalled", "so-called"),
        ("a dash -\nand more", "a dash -\nand more"),
        ("(“inter-\nnational”)", "(“international”)"),
        ("Verschlüsse-\nlung", "Verschlüsselung"),
    ],
)
def test_words_broken_at_line_ends(raw, wanted):
    """A word broken at a line end is whole again; a hyphen that belongs to the word stays."""
    assert clean(raw) == wanted


def test_the_rest_of_the_text_decides_about_a_hyphen():
    """How a text writes a word elsewhere is how it is joined at a line end."""
    assert clean("co-infection; co-\ninfection") == "co-infection; co-infection"
    assert clean("coinfection; co-\ninfection") == "coinfection; coinfection"
    assert join_lines(["a meta-", "analysis"], words("Meta-analysis of")) == "a meta-analysis"


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("ﬁnd the eﬃcient ﬂow", "find the efficient flow"),
        ("a\x00b\x07c\ud800d\ufeff\u200be", "abcde"),
        ("e\x00\u0301", "é"),
        ("a\tb  \n\n\n\n c \r\nd\x0ce", "a b\n\nc\nd\ne"),
        ("\uf0b7 point \ue123", "• point \ufffd"),
        ("می\u200cخواهم 👨\u200d👩\u200d👧", "می\u200cخواهم 👨\u200d👩\u200d👧"),
        ("invoice \u202efdp.exe", "invoice fdp.exe"),
        ("", ""),
    ],
)
def test_characters(raw, wanted):
    """Ligatures are letters, invisible characters are gone, white space is plain."""
    assert clean(raw) == wanted


def test_lines_of_a_paragraph_flow():
    """Lines are joined by a space, in scripts without spaces by nothing, and a hanging hyphen keeps its space."""
    assert join_lines(["The virus", "spreads."]) == "The virus spreads."
    assert join_lines(["我们的研究", "表明"]) == "我们的研究表明"
    assert join_lines(["한국어 문장은", "띄어 씁니다"]) == "한국어 문장은 띄어 씁니다"
    assert join_lines(["see https://a.org/articles/", "PMC4794670/ or"]) == "see https://a.org/articles/PMC4794670/ or"
    assert join_lines(["see https://a.org/", "It is there."]) == "see https://a.org/ It is there."
    assert join_lines(["pre-", "and postoperative"]) == "pre- and postoperative"
    assert join_lines([]) == ""


def test_garbage_is_measured_on_raw_text():
    """Controls, private-use and replacement characters count, spaces and known bullets do not."""
    assert garbage_share("") == 0.0
    assert garbage_share("abc \x01\ue000\ufffd") == 0.5
    assert garbage_share("\uf0b7 a \uf0b7 b") == 0.0
