"""The language of a document is told by its function words or its script."""

import pytest

from foliod.text.language import LANGUAGES, detect

TEXTS = {
    "english": "The tenant may end the contract at the end of a quarter, and this must be done in writing.",
    "german": "Die Kündigungsfrist beträgt drei Monate zum Ende des Quartals und ist schriftlich zu erklären.",
    "french": "Le contrat est résilié par le bailleur dans un délai de trois mois, et les frais sont à sa charge.",
    "spanish": "El contrato se rescinde en un plazo de tres meses a partir de la notificación por escrito.",
    "portuguese": "O contrato não pode ser rescindido em menos de três meses após a notificação por escrito.",
    "italian": "Il contratto non può essere risolto in meno di tre mesi dalla notifica scritta della parte.",
    "dutch": "Het contract kan niet worden opgezegd binnen drie maanden na de schriftelijke kennisgeving van een partij.",
    "danish": "Det er ikke tilladt at parkere her efter klokken otte, og bilen bliver fjernet, hvis der ikke er betalt.",
    "swedish": "Det är inte tillåtet att parkera här efter klockan åtta och bilen kan bortforslas av polisen.",
    "polish": "Umowa nie może być rozwiązana w ciągu trzech miesięcy od dnia jej zawarcia przez strony.",
    "russian": "Договор не может быть расторгнут в течение трёх месяцев, и это не зависит от сторон.",
    "greek": "Η σύμβαση δεν μπορεί να λυθεί πριν από τρεις μήνες.",
    "arabic": "لا يمكن فسخ العقد قبل ثلاثة أشهر",
    "persian": "این قرارداد را نمی‌توان پیش از سه ماه فسخ کرد",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_sentence_tells_its_language(language):
    """One sentence is enough, where it has function words."""
    assert detect([TEXTS[language]]) == language
    assert language in LANGUAGES


@pytest.mark.parametrize("text", ["", "1,234 2,345 (45)", "合同终止须提前三个月书面通知", "Bilanz", "XJ-9 PX 4"])
def test_what_tells_nothing_is_taken_for_english(text):
    """Tables, single words and scripts without stemmers do no harm."""
    assert detect([text]) == "english"


def test_an_english_imprint_does_not_make_a_german_book_english():
    """What most pages are in counts, not the first one."""
    imprint = TEXTS["english"] * 3
    assert detect([imprint, *[TEXTS["german"]] * 7]) == "german"


def test_an_english_paper_that_quotes_stays_english():
    """A quotation in another language does not change how the rest is stemmed."""
    assert detect([TEXTS["english"] * 5, TEXTS["french"], TEXTS["english"]]) == "english"


def test_a_long_book_is_not_read_as_a_whole(monkeypatch):
    """Of very long texts a part decides."""
    monkeypatch.setattr("foliod.text.language.SAMPLE_CHARS", 1000)
    pages = [TEXTS["german"] * 20, *[TEXTS["english"] * 20] * 2, TEXTS["german"] * 20]
    assert detect(pages) == "english"
