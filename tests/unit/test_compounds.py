"""Compound words come apart at every place where two words may meet."""

from foliod.text.compounds import splits


def test_a_compound_is_read_as_its_words():
    """Also where letters link the words."""
    assert ("kündigung", "fristen") in set(splits("kündigungsfristen"))
    assert ("miet", "vertrag") in set(splits("mietvertrag"))


def test_short_words_and_numbers_stay_whole():
    """What is too short to be two words is not cut, nor is what is no word."""
    assert list(splits("vertrag")) == []
    assert list(splits("10000000000")) == []
    assert list(splits("x" * 1000)) == []
