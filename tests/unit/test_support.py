"""Whether a passage says what an answer says."""

import pytest

from foliod.answer.facts import names, numbers, sides
from foliod.answer.pool import Pool
from foliod.answer.support import Evidence
from foliod.base.model import Hit

LEASE = (
    "The Tenant shall pay a monthly rent of EUR 1,450, due on the third working day of each month. The lease begins on "
    "1 April 2021 and runs for five years. Pets are not permitted without the Landlord's written consent."
)
REVENUE = (
    "Revenue for fiscal 2022 was $4.2 billion, an increase of 8% over fiscal 2021, driven mainly by the Services segment. "
    "Operating margin declined to 15.9% because of higher freight costs. The trial of Novatex took 26 weeks."
)


def hit(text: str) -> Hit:
    return Hit(
        rank=1, score=1.0, keyword=1.0, vector=None, title_score=None, chunk=1, document=1, sha256="00", title="T",
        paths=(), first_page=1, last_page=1, heading=None, text=text, start=0,
    )  # fmt: skip


PASSAGES = [hit(LEASE), hit(REVENUE)]


def supported(statement: str, *cited: int) -> bool:
    return Evidence(PASSAGES, Pool(PASSAGES)).judge(statement, cited).supported


@pytest.mark.parametrize(
    "statement",
    [
        "The monthly rent is EUR 1,450 and is due on the third working day.",
        "The lease started in April 2021 and runs for 5 years.",
        "The lease runs for five years.",
        "Keeping pets requires the written consent of the landlord.",
    ],
)
def test_what_is_said_in_other_words_is_supported(statement):
    """A passage supports what it says, in other words and with numbers written in another way."""
    assert supported(statement, 1)
    assert supported(statement)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("The monthly rent is EUR 1,540.", "another number"),
        ("The lease began on 1 May 2021.", "another month"),
        ("The lease runs for six years.", "another number in words"),
        ("The lease runs for five months.", "another unit in words"),
        ("The monthly rent is 1,450 EUR, due on 5 working days' notice of 7 %.", "one number of several"),
        ("Pets are permitted without the Landlord's written consent.", "the denial left out"),
        ("The Tenant shall not pay a monthly rent.", "a denial put in"),
        ("The monthly rent is paid to Miller & Sons.", "a name that is nowhere"),
        ("Bananas grow on small farms in the hills.", "something else altogether"),
    ],
)
def test_what_is_not_said_is_not_supported(statement, what):
    """A changed number, month, unit or name, a denial more or less, and what is not there at all: none is supported."""
    assert not supported(statement, 1), what


def test_a_denial_is_seen_where_all_words_are_the_same():
    """A sentence that differs from its passage in nothing but a "not" is not supported, nor one that lacks it."""
    assert supported("The trial of Novatex took 26 weeks.", 2)
    assert not supported("The trial of Novatex never took 26 weeks.", 2)
    passage = [hit("The trial of Novatex never took 26 weeks.")]
    assert not Evidence(passage, Pool(passage)).judge("The trial of Novatex took 26 weeks.", (1,)).supported


def test_opposites_are_seen():
    """A rise is no fall."""
    assert supported("Revenue increased by 8% in fiscal 2022.", 2)
    assert not supported("Revenue decreased by 8% in fiscal 2022, driven by Services.", 2)
    assert not supported("Operating margin rose to 15.9% because of freight costs.", 2)


def test_only_the_cited_passages_count():
    """What another passage says does not support a sentence that cites this one; without a number all of them count."""
    statement = "Operating margin declined to 15.9%."
    assert supported(statement, 2)
    assert supported(statement, 1, 2)
    assert supported(statement)
    assert not supported(statement, 1)


def test_another_language_is_judged_by_numbers_and_names():
    """A German answer on English passages is not said to be unsupported for its words, but for a wrong number or name."""
    assert supported("Die Miete beträgt 1.450 Euro im Monat und ist am dritten Tag zu zahlen.", 1)
    assert not supported("Die Miete beträgt 1.540 Euro im Monat und ist am dritten Tag zu zahlen.", 1)
    assert not supported("Die Miete ist an die Firma XR-77 zu zahlen und nicht bar.", 1)


def test_numbers_are_the_same_however_they_are_written():
    """1,000 and 1000, 2.50 and 2.5, 5,2 and 5.2, 30th and 30, 4.2 billion and 4,200,000,000 are each the same number."""
    forms = {n.text: n.forms for n in numbers("1,000 and 2.50 and 5,2 and 30th and 4.2 billion and 4,200,000,000")}
    assert forms["1,000"] == ("1000",)
    assert forms["2.50"] == ("2.5",)
    assert forms["5,2"] == ("5.2",)
    assert "4200000000" in forms["4.2"]
    assert forms["4,200,000,000"] == ("4200000000",)
    assert [n.forms for n in numbers("1.000")] == [("1000", "1")]
    assert [n.unit for n in numbers("5 mg, 14-day, 10kg, 7 %, six weeks")] == ["mg", "day", "kg", "%", "week"]
    assert numbers("COVID-19, H1N1 and 2019-nCoV")[0].text == "2019"
    assert [n.forms for n in numbers("on 3 May, it may be")] == [("3",), ("month 5",)]


def test_names_are_told_from_words():
    """Names have capitals inside a sentence, digits or more capitals; the first word of a sentence has one anyway, as have German nouns."""
    assert names("The trial of Novatex by H1N1 and MERS-CoV took 10kg.") == {"novatex", "h1n1", "mers", "cov"}
    assert names("Die Miete der Wohnung von XR-7", "german") == {"xr"}


def test_sides_are_told():
    """A word that has an opposite takes a side; a text with both takes none."""
    assert sides("it rose") != sides("it fell")
    assert set(sides("it rose and fell").values()) == {3}


def test_odd_statements_are_judged_too():
    """Signs, emoji, endless words: a judgement comes of anything."""
    for statement in ("", "🦠 🦠", "x" * 5000, "1" * 400, "((((((", "\0", "%", "[[1]]"):
        Evidence(PASSAGES, Pool(PASSAGES)).judge(statement, (1,))
    Evidence([hit("")], Pool([hit("")])).judge("It is so.", (1,))
