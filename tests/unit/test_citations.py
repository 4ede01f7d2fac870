"""What is cited, what is claimed, and what is said to be missing."""

import time

import pytest

from foliod.answer.absent import denies_knowledge
from foliod.answer.citations import Checker
from foliod.answer.claims import claims
from foliod.answer.markers import settle
from foliod.answer.proof import Quote, locate
from foliod.base.model import Hit


def hit(text: str, *, page: int = 1, last: int | None = None, document: int = 1) -> Hit:
    return Hit(
        rank=1, score=1.0, keyword=1.0, vector=None, title_score=None, chunk=document, document=document, sha256="00",
        title="T", paths=("/in/t.pdf",), first_page=page, last_page=last or page, heading=None, text=text, start=0,
    )  # fmt: skip


VIRUS = hit(
    "Coronaviruses are a family of viruses. The incubation period of the virus is 5 to 6 days on average. "
    "Symptoms include fever and cough.\nThe genome has 30,000 bases."
)
TRAVEL = hit("Many people travelled in January. Airports were closed later that year.", document=2)
LEASE = hit(
    "The deposit is 900 EUR. Dogs are not allowed. The materials contain no asbestos. The tenant pays in advance."
)
INCUBATION = (1, "The incubation period of the virus is 5 to 6 days on average.")
AIRPORTS = (2, "Airports were closed later that year.")


def cited(answer: str, question: str = "What is it?") -> list[tuple[int, str | None]]:
    checked = Checker(question, [VIRUS, TRAVEL]).check(answer)
    return [(n, sentence.text if sentence else None) for n, sentence in checked.quotes]


@pytest.mark.parametrize(
    "answer",
    [
        "The incubation period is 5 days [1]. The airports closed [2].",
        "The incubation period is 5 days. [1] The airports closed. [2]",
        "The incubation period is 5 days【1】. The airports closed【2】.",
        "- incubation period: 5 days [1]\n- airports closed [2]",
        "| incubation period | 5 days [1] |\n|---|---|\n| airports | closed (source 2) |",
    ],
)
def test_numbers_lead_to_the_sentence_behind_them(answer):
    """Numbers before or after the full stop, in lists or tables, lead to the sentence that says what they follow."""
    assert cited(answer) == [INCUBATION, AIRPORTS]


def test_several_numbers_count_each():
    """[1, 2] and [1-2] are two citations, and a passage named twice is one."""
    for answer in ("airports and incubation period [1, 2] and again [2].", "airports, incubation period [1-2]"):
        assert [n for n, _ in cited(answer)] == [1, 2]


def test_an_answer_in_another_language_is_quoted_by_the_question():
    """When the answer shares no word with its passage, the question finds the sentence; else there is no quote."""
    assert cited("Das dauert fünf bis sechs Tage [1].", "incubation period?") == [INCUBATION]
    assert cited("So etwas [2].", "Warum?") == [(2, None)]


def test_what_claims_nothing_is_no_claim():
    """Openings, headings, rules of tables, questions and good wishes are not held against the sources."""
    answer = settle(
        "Here is what I found:\n\n## Incubation period\n- **Time**: 5 days [1]\n\n| Item | Sum of it |\n|---|---|\n| Travel | 412 [2] |\n"
        "[1] says that it is long. Is that enough? I hope this helps!",
        2,
    )
    said = [(c.text, c.named) for c in claims(answer) if c.claims]
    assert said == [("**Time**: 5 days", (1,)), ("| Travel | 412  |", (2,)), ("says that it is long.", (1,))]


@pytest.mark.parametrize(
    "answer",
    [
        "Please note that the deposit is 5000 EUR [1].",
        "Sure, the deposit is 5000 EUR [1].",
        "Sure, the landlord was painted by Rembrandt.",
        "If you have a dog, the deposit is 5000 EUR [1].",
        "Certainly: the deposit is due in March 1999.",
        "Here is the deposit, 5000 EUR.",
        "Here is what Rembrandt painted of it [1].",
        "Is the deposit 5000 EUR? [1]",
        "The deposit is 5000 EUR [1]:",
    ],
)
def test_a_claim_is_checked_however_it_begins(answer):
    """What is invented is listed, be it dressed as a courtesy, a lead or a question."""
    said = Checker("What is the deposit?", [LEASE]).check(answer).unsupported
    assert [s["text"] for s in said] == [answer.removesuffix(" [1]") if "? " in answer else answer]


@pytest.mark.parametrize(
    "answer",
    [
        "Sure, here is what the documents say.", "Certainly!", "I hope this helps.", "If you have any questions, just ask me.",
        "Please let me know what else you need.", "Shall I look for the contract of 1650?", "In the year 2023:",
    ],
)  # fmt: skip
def test_courtesies_are_no_claims(answer):
    """What is said about the answer, and not about the documents, is not listed."""
    assert Checker("What is the deposit?", [LEASE]).check(answer).unsupported == []


def test_places_of_claims_are_places_in_the_answer():
    """What is listed as unsupported can be marked in the answer by its offsets."""
    answer = settle("It rose【1】. \n\n  * It fell by 7 % [2].\n[1] It stayed.", 2)
    for claim in claims(answer):
        assert answer.text[claim.start : claim.end].strip() == answer.text[claim.start : claim.end]
    assert [answer.text[c.start : c.end] for c in claims(answer)][1] == "It fell by 7 % [2]."


NOT_THERE = """
The documents do not contain an answer to this question.
The provided passages do not mention the price of the lease.
I cannot find any information about this in the documents.
There is no information on this in your documents.
None of the passages say when the contract ends.
The question cannot be answered from the passages.
Unfortunately, the passages you provided do not specify the exact date.
This is not in your documents.
Context does not mention the price.
This is not explicitly covered by the documents.
That is not directly in the passages.
The supplied materials do not mention this, so the question is not answered.
The documents do not say when, where and how it is paid.
I cannot answer this; the documents are about something else.
The passages do not mention the revenue of 2021, 2022 and 2023.
Die Dokumente enthalten keine Antwort auf diese Frage.
Dazu finde ich nichts in den Dokumenten.
Aus den Passagen lässt sich die Frage nicht beantworten.
Les documents ne contiennent pas la réponse.
Los documentos no contienen esta información.
I documenti non contengono questa informazione.
De documenten bevatten geen antwoord.
这些文档中没有相关信息。
文書には記載されていません。
""".strip().splitlines()
SAID = """
The incubation period is 5 days.
The contract does not contain a termination clause.
Pets are not permitted without consent.
The documents do not contain the price, but they say that it rose by 5 %.
No deaths were reported in the study.
Der Vertrag enthält keine Kündigungsklausel.
The virus was not found in blood samples.
El contrato no incluye gastos.
Insulation materials contain no asbestos.
The documents do not have to be signed.
I do not know who asked, the deposit is 5000 EUR.
The documents do not mention 900 EUR; the deposit is 5000 EUR.
The documents contain no lead and were painted by Rembrandt.
Die Textilien enthalten kein Blei.
""".strip().splitlines()


@pytest.mark.parametrize("sentence", NOT_THERE)
def test_that_it_is_not_there_is_understood(sentence):
    """However a model says that the documents do not hold it, in several languages, it has not answered."""
    assert denies_knowledge(sentence)
    assert Checker("Why?", [VIRUS]).check(sentence).answered is False


@pytest.mark.parametrize("sentence", SAID)
def test_a_denial_of_the_documents_is_an_answer(sentence):
    """What the documents themselves deny is an answer."""
    assert not denies_knowledge(sentence)


@pytest.mark.parametrize(
    ("answer", "unsupported"),
    [
        ("The materials contain no asbestos [1].", 0),
        ("The materials contain no lead and were painted by Rembrandt in 1650 [1].", 1),
        ("The documents contain no lead and were painted by Rembrandt in 1650 [1].", 1),
        ("The documents do not mention 900 EUR; the deposit is 5000 EUR [1].", 1),
        ("The documents do not mention a deposit of 900 EUR, only 5000 EUR [1].", 1),
        ("The documents do not mention a fee, the deposit is 5000 EUR [1].", 1),
        ("I do not know who asked, the deposit is 5000 EUR [1].", 1),
        ("The cause of death cannot be determined [1].", 1),
    ],
)
def test_what_is_said_with_a_number_is_an_answer_and_is_checked(answer, unsupported):
    """A sentence that denies something and cites what says so is an answer: it keeps its quote and is checked."""
    checked = Checker("What does the lease say?", [LEASE]).check(answer)
    assert checked.answered is True
    assert [n for n, _ in checked.quotes] == [1]
    assert len(checked.unsupported) == unsupported


@pytest.mark.parametrize(
    "answer",
    [
        "The passages [1][2] do not mention the price.",
        "The provided context does not contain an answer [1].",
        "This is not stated in the documents [1, 2].",
    ],
)
def test_a_model_may_number_what_it_did_not_find(answer):
    """Numbers behind "the documents do not say" make no answer of it."""
    checked = Checker("What is the price?", [VIRUS, LEASE]).check(answer)
    assert (checked.answered, checked.quotes, checked.unsupported) == (False, [], [])


@pytest.mark.parametrize(
    "part",
    ["(" + " " * 1900 + "a b ", "[1] ", "It. [1] ", "[1]", "`[1]` ", "([1] ", "no " + "the " * 5000, "It is not known" + " " * 3000, "#", "1"],
)  # fmt: skip
def test_a_model_that_writes_nonsense_costs_no_more_than_one_that_answers(part):
    """40 kB of brackets, numbers, articles or spaces are checked in well under two seconds of the processor."""
    answer = (part * (40_000 // len(part) + 1))[:40_000]
    checker = Checker("What is it?", [LEASE])
    begun = time.thread_time()
    checker.check(answer)
    assert time.thread_time() - begun < 2


def test_a_sentence_without_end_is_cut():
    """What goes on without a stop is cut between words, and every part is checked."""
    answer = "the deposit was painted by Rembrandt and " * 200
    said = Checker("What is it?", [LEASE]).check(answer).unsupported
    assert len(said) == 5
    assert " ".join(s["text"] for s in said) == answer.strip()


def test_a_quote_is_found_in_its_page():
    """A quote is verified where its words stand in the stored page in this order, whatever white space is between them."""
    passage = hit("It is\nso. It is blue.", page=3)
    quote = Quote(passage, 0, "It is\nso.")
    assert locate(quote, {(1, 3): "Before. It is\nso. It is blue. After."}) == (True, 3, 3)
    assert locate(quote, {(1, 3): "Read anew: It  is so. It\nis blue."}) == (True, 3, 3)
    for page in ("It is so", "It so is.", "it is so.", ""):
        assert locate(quote, {(1, 3): page}).verified is False
    assert locate(quote, {}) == (False, 3, 3)


def test_a_quote_has_its_own_pages():
    """A passage over three pages is cited with those on which the quote stands; a quote may cross from one to the next."""
    passage = hit("one two.\nthree four.\nfive six.", page=7, last=9)
    pages = {(1, 7): "one two.", (1, 8): "three four.", (1, 9): "five six."}
    assert locate(Quote(passage, 9, "three four."), pages) == (True, 8, 8)
    assert locate(Quote(passage, 15, "four.\nfive"), pages) == (True, 8, 9)
    assert locate(Quote(passage, 21, "five six."), {(1, 9): "five six.\nand one two."}) == (True, 9, 9)


def test_the_same_words_elsewhere_on_the_page_are_not_meant():
    """Where a sentence stands twice, the one of the passage is meant."""
    passage = hit("Second. See below.", page=1, last=2)
    pages = {(1, 1): "First. See below.", (1, 2): "Second. See below."}
    assert locate(Quote(passage, 8, "See below."), pages) == (True, 2, 2)
