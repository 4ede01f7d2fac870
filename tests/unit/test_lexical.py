"""Words as keyword search sees them."""

from hypothesis import given
from hypothesis import strategies as st

from foliod.text import lexical
from foliod.text.lexical import (
    DIMENSIONS,
    inverse_document_frequency,
    query_terms,
    term_id,
    tokenize,
    weigh,
)


def test_inflections_meet():
    """A question about 'infected children' finds text about 'infecting a child'."""
    assert set(tokenize("infected children")) & set(tokenize("infecting"))
    assert tokenize("studies") == tokenize("study") == tokenize("STUDY")


def test_function_words_carry_nothing():
    """Words that stand everywhere are no terms."""
    assert tokenize("What is the of and in") == []


def test_file_names_are_taken_apart():
    """`ACME_2022_10K` and `FY2022` both answer to 2022."""
    assert "2022" in tokenize("ACME_2022_10K.pdf")
    assert "2022" in tokenize("FY2022")
    assert "acm" in tokenize("ACME_2022_10K") or "acme" in tokenize("ACME_2022_10K")


def test_hyphenated_names_are_found_by_their_parts():
    """COVID-19 and `COVID 19` are the same words."""
    assert tokenize("COVID-19") == tokenize("COVID 19")


def test_accents_do_not_matter():
    """`resume` finds `résumé`; letters with marks in other scripts keep theirs."""
    assert tokenize("Résumé") == tokenize("resume")
    assert tokenize("क्षेत्र") != tokenize("कषतर")


def test_chinese_is_searched_by_pairs():
    """A Chinese word inside a sentence is found without spaces."""
    assert set(tokenize("病毒")) <= set(tokenize("新型冠状病毒感染"))
    assert tokenize("书") == ["书"]


def test_a_mixed_run_gives_both_scripts():
    """`COVID病毒` is found by either part."""
    assert set(tokenize("covid病毒")) >= {"covid", "病毒"}


def test_a_rare_word_weighs_more_than_a_common_one():
    """The rarer a word, the more it counts, and no word counts against a passage."""
    assert inverse_document_frequency(1000, 1) > inverse_document_frequency(1000, 500) > 0
    assert inverse_document_frequency(10, 12) > 0


def test_repetition_saturates():
    """A word said fifty times counts for more than once, but not fifty times as much."""
    once = dict(zip(weigh("virus").ids, weigh("virus").weights, strict=True))[term_id("virus")]
    often = dict(zip(weigh("virus " * 50).ids, weigh("virus " * 50).weights, strict=True))[term_id("virus")]
    assert once < often < 5 * once


@given(st.text(max_size=300))
def test_any_text_gives_valid_sparse_vectors(text):
    """No text, however odd, gives a term that the database refuses."""
    terms = weigh(text)
    assert len(terms.ids) == len(set(terms.ids)) == len(terms.weights)
    assert all(1 <= i < DIMENSIONS for i in terms.ids)
    assert all(w > 0 for w in terms.weights)
    assert terms.length == len(tokenize(text))
    assert set(query_terms(text)) == set(terms.ids)


def test_long_words_are_not_kept_in_mind():
    """A megabyte without a space is a term by its beginning, and costs no memory afterwards."""
    before = lexical._terms_of_word.cache_info().currsize
    assert lexical.tokenize("x" * 1_000_000) == ["x" * 64]
    assert len(lexical.tokenize("漢" * 1000)) == 999
    assert lexical._terms_of_word.cache_info().currsize == before
