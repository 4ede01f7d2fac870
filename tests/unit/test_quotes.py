"""Answers made of sentences, and the sentences that an answer's numbers stand for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foliod.answer.citations import citations
from foliod.answer.quotes import LONGEST, MOST_QUOTES, choose
from foliod.base.model import Hit


def hit(text: str, *, score: float = 1.0, page: int = 1, document: int = 1) -> Hit:
    return Hit(
        rank=1, score=score, keyword=score, vector=None, title_score=None, chunk=document, document=document,
        sha256="00", title="T", paths=("/in/t.pdf",), first_page=page, last_page=page, heading=None, text=text, start=0,
    )  # fmt: skip


VIRUS = hit(
    "Coronaviruses are a family of viruses. The incubation period of the virus is 5 to 6 days on average. "
    "Symptoms include fever and cough.\nThe genome has 30,000 bases.",
    score=9.0,
)
TRAVEL = hit("Many people travelled in January. Airports were closed later that year.", score=2.0, document=2)


def test_the_sentence_that_answers_comes_first():
    """The best quote is the sentence that speaks to the question, not the beginning of the passage."""
    chosen = choose("What is the incubation period of the virus?", [VIRUS, TRAVEL])
    assert chosen[0].text == "The incubation period of the virus is 5 to 6 days on average."
    assert chosen[0].n == 1


def test_quotes_come_from_where_the_answer_is():
    """A sentence in a later passage is found, and named by that passage's number."""
    [first, *_] = choose("When were airports closed?", [VIRUS, TRAVEL])
    assert first.text == "Airports were closed later that year."
    assert first.n == 2


def test_nothing_is_quoted_where_nothing_fits():
    """When no passage holds a word of the question, there are no quotes."""
    assert choose("xylophone tuning", [VIRUS, TRAVEL]) == []
    assert choose("?!", [VIRUS]) == []
    assert choose("virus", []) == []


def test_the_same_sentence_is_quoted_once():
    """Overlapping passages and copies of a document do not repeat a quote."""
    chosen = choose("incubation period", [VIRUS, hit(VIRUS.text, document=3), hit(VIRUS.text.upper(), document=4)])
    assert len([s for s in chosen if "incubation" in s.text.lower()]) == 1


def test_a_heading_does_not_beat_a_sentence():
    """A title that only repeats the words of the question is not the answer, however good its passage is."""
    heading = hit("Incubation period\n\nThe genome has 30,000 bases.")
    sentence = hit("In most patients of the hospital the incubation period was found to be five days.", document=2)
    assert choose("incubation period", [heading, sentence])[0].n == 2


def test_text_without_any_stop_is_quoted_in_parts():
    """A passage that never ends a sentence is quoted in parts that end between words."""
    endless = " ".join(f"word{n}" for n in range(400))
    [quote, *_] = choose("word300", [hit(endless)])
    assert "word300" in quote.text.split()
    assert len(quote.text) <= LONGEST
    assert set(quote.text.split()) <= set(endless.split())


def test_tables_without_sentences_are_quoted_in_lines():
    """A table without full stops is quoted by a few lines, not as a whole page."""
    table = "\n".join(f"Region {n} sales {n * 1000} profit {n * 10}" for n in range(200))
    for sentence in choose("sales of region 77", [hit(table)]):
        assert len(sentence.text) <= LONGEST
    assert "Region 77 sales 77000" in choose("sales of region 77", [hit(table)])[0].text


PASSAGES = st.lists(
    st.text(alphabet=st.sampled_from("abc virus.!? \n。12病毒"), max_size=700).map(hit), min_size=1, max_size=4
)


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="abc virus病毒12", max_size=30), PASSAGES)
def test_every_quote_stands_in_its_passage(question, passages):
    """Whatever the documents hold, quotes are few, short, verbatim and different from each other."""
    chosen = choose(question, passages)
    assert len(chosen) <= MOST_QUOTES
    assert len({sentence.text for sentence in chosen}) == len(chosen)
    for sentence in chosen:
        assert sentence.text in passages[sentence.n - 1].text
        assert 0 < len(sentence.text) <= LONGEST


def cited(answer: str, question: str = "What is it?") -> list[tuple[int, str | None]]:
    return [(c["n"], c["quote"]) for c in citations(answer, question, [VIRUS, TRAVEL])]


INCUBATION = (1, "The incubation period of the virus is 5 to 6 days on average.")
AIRPORTS = (2, "Airports were closed later that year.")


def test_a_number_leads_to_the_sentence_behind_it():
    """A citation quotes the sentence of its passage that says what the answer says, with document and pages."""
    [citation] = citations("It has an incubation period of 5 to 6 days [1].", "How long?", [VIRUS, TRAVEL])
    assert (citation["n"], citation["quote"]) == INCUBATION
    assert citation["document"]["id"] == 1
    assert citation["document"]["path"] == "/in/t.pdf"
    assert citation["pages"] == [1, 1]
    assert citation["verified"] is None
    assert citation["rects"] is None


@pytest.mark.parametrize(
    "answer",
    [
        "The incubation period is 5 days [1]. The airports closed [2].",
        "The incubation period is 5 days. [1] The airports closed. [2]",
        "The incubation period is 5 days【1】. The airports closed【2】.",
        "- incubation period: 5 days [1]\n- airports closed [2]",
    ],
)
def test_numbers_are_found_however_they_are_written(answer):
    """Numbers before or after the full stop, in lists, or in Chinese brackets belong to what they follow."""
    assert cited(answer) == [INCUBATION, AIRPORTS]


def test_several_numbers_in_one_bracket_count_each():
    """[1, 2] and [1-2] are two citations, and a passage named twice is one."""
    for answer in ("airports and incubation period [1, 2] and again [2].", "airports, incubation period [1-2]"):
        assert [n for n, _ in cited(answer)] == [1, 2]


def test_invented_numbers_are_no_citations():
    """A number that no passage has, a year, or a bracket that is something else does not become a citation."""
    assert cited("It is so [9]. In [2020] it was [0], see [Fig. 1] and [a].") == []
    assert cited("") == []


def test_an_answer_in_another_language_is_quoted_by_the_question():
    """When the answer shares no word with its passage, the question finds the sentence; else there is no quote."""
    assert cited("Das dauert fünf bis sechs Tage [1].", "incubation period?") == [INCUBATION]
    assert cited("So etwas [2].", "Warum?") == [(2, None)]
