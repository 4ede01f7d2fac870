"""Answers made of sentences."""

from hypothesis import given, settings
from hypothesis import strategies as st

from foliod.answer import quotes
from foliod.answer.pool import LONGEST, Pool, Sentence
from foliod.answer.quotes import MOST_QUOTES, evidence, readable
from foliod.base.model import Hit


def choose(question: str, passages: list[Hit]) -> list[Sentence]:
    return quotes.choose(question, passages, Pool(passages))


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


def test_a_question_for_a_number_is_answered_by_a_number():
    """Asked how many or when, the sentence with the number or the date comes before one that only has the words."""
    text = hit(
        "Many patients of the hospital were infected with the virus during the outbreak in the city. "
        "In the city 412 patients were infected with it. The hospital was opened to patients on 3 May 1998 in the city."
    )
    assert "412" in choose("How many patients were infected in the city?", [text])[0].text
    assert "1998" in choose("When was the hospital opened to patients in the city?", [text])[0].text


def test_references_and_contents_are_no_answers():
    """An entry of a reference list or of a table of contents is not quoted when a sentence says it."""
    text = hit(
        "Incubation period of the virus . . . . . . . . 12\n"
        "[3] Smith J, Doe A. Incubation period of the virus. J Virol. 2019;93:1-9.\n"
        "We found that in most people the incubation period of the virus was about five days long."
    )
    chosen = choose("incubation period of the virus", [text])
    assert chosen[0].text.startswith("We found")
    assert not any(". . . ." in sentence.text for sentence in chosen)


def test_a_row_of_a_table_can_be_read():
    """The cells of a row are told apart on one line, whatever stood between them; other text is left as it is."""
    assert readable("Norway   0.41%\t[0.09%-1.2%]") == "Norway | 0.41% | [0.09%-1.2%]"
    assert readable("| a | b |") == "a | b"
    assert readable("It is\n so.") == "It is so."


def test_what_is_rare_in_the_question_must_stand_in_the_passages():
    """Passages that hold all of a question are evidence, those that share its common words only are not."""
    passages = [VIRUS, TRAVEL]
    pool = Pool(passages)
    asked = {term: 3.0 for term in pool.tokenize("incubation period virus")}
    assert evidence(passages, pool, asked) > 1.2
    assert evidence(passages, pool, {"virus": 1.0, "castl": 6.0, "bordeaux": 7.0}) < 0.5
    assert evidence(passages, pool, {}) == 0
