"""Names of documents and the names in questions meet, however they are written."""

import pytest

from foliod.text.names import asked_names, joined_words, name_terms, parts_of

ENGLISH = ["english"]


@pytest.mark.parametrize(
    ("name", "question", "shared"),
    [
        ("ACME_2022_10K", "What does ACME's 10-K for FY2022 say?", {"acm", "2022", "10k"}),
        ("AnnualReport2021_Lumen", "Lumen's annual report of 2021", {"annual", "report", "2021", "lumen"}),
        ("Northwind Freight - FY21", "Northwind Freight in fiscal 2021", {"northwind", "freight", "2021"}),
        ("HARBORLIGHTENERGY_2019", "Harbor Light Energy 2019", {"harborlightenergi", "2019"}),
        ("calder-voss/2020/annual-report", "Calder & Voss, 2020", {"calder", "voss", "2020"}),
        ("thermoflow-300_v2.1_manual", "ThermoFlow 300, version 2.1", {"thermoflow", "300", "2.1"}),
        ("BestBuy-2023Q2", "best buy, second quarter (Q2) of 2023", {"best", "buy", "q2", "2023"}),
    ],
)
def test_a_question_meets_the_name_of_its_document(name, question, shared):
    """Company, year and version are found in a file name however people write it."""
    asked = {term for group in asked_names(question, ENGLISH) for term in group.terms}
    assert shared <= asked & set(name_terms(name, ENGLISH))


def test_a_version_is_not_its_parts():
    """Version 2.1 is neither version 2 nor 1."""
    assert name_terms("manual_v2.1", ENGLISH) == ["manual", "2.1"]
    assert name_terms("manual_v2", ENGLISH) == ["manual", "2"]


def test_words_keep_their_places():
    """What a question says of a name can be taken out of it."""
    question = "How did Best Buy do?"
    joined = next(group for group in asked_names(question, ENGLISH) if group.terms == ["bestbuy"])
    assert [question[start:end] for start, end in joined.places] == ["Best", "Buy"]


def test_names_are_stemmed_in_the_languages_at_hand():
    """A German title is found by other forms of its words."""
    assert "mietvertrag" in name_terms("Mietverträge", ["english", "german"])


def test_long_titles_are_cut():
    """A title of a thousand words does not fill the index."""
    assert len(name_terms(" ".join(f"word{n}x" for n in range(1000)), ENGLISH)) == 100


def test_joined_words_come_apart_evenly():
    """A joined word is read as few parts, the evenest reading first."""
    ways = list(parts_of("bestbuy"))
    assert ways[0] in (("best", "buy"), ("bes", "tbuy"))
    assert ("be", "st", "buy") in ways
    assert all(min(map(len, way)) > 1 for way in ways)
    assert joined_words("HARBORLIGHT_2019_10K ab") == ["harborlight"]
