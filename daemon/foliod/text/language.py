"""Which language a text is in, for stemming: by its function words, or by its script.

A few dozen words make up two fifths of any text and differ between languages, so counting them
decides pages of text without doubt. Libraries that know more keep 75 MB of tables (py3langid)
in every process that reads; what is too short to be sure of is taken for English.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT: Final = "english"
SAMPLE_CHARS: Final = 200_000
"""Characters that are looked at, from the second quarter of the pages on, where no imprint or contents stand."""
_SHARE: Final = 0.06
"""Of the words of running text at least this part are function words; in tables and lists there are fewer."""
_FEWEST: Final = 4

_FUNCTION_WORDS: Final[dict[str, str]] = {
    "english": "the of and to in is that for with was as on are by this be at from which or an not have it were",
    "german": "der die das und ist nicht ein eine mit von den dem des zu sich auf für im auch werden wird oder bei nach",
    "french": "le la les de des et est une dans du que pour qui au sur pas par avec sont plus ne ce cette ou aux",
    "spanish": "el la los las de del y que en un una es por con para se su al no como más son este lo ha",
    "italian": "il la di che è e un una per non con del della dei le si da in sono al alla gli nel anche come",
    "portuguese": "o a os as de do da dos das e que em um uma não para com por se no na ao são mais foi",
    "dutch": "de het een van en in is dat op te zijn met voor niet aan er ook door bij naar wordt deze als om",
    "danish": "og i det at en den til er af på med for der de ikke som et har fra ved blev eller kan også",
    "norwegian": "og i det at en den til er av på med for som de ikke et har fra ved ble eller kan også etter",
    "swedish": "och i det att en den till är av på med för som de inte ett har från vid var eller kan också efter",
    "finnish": "ja on ei että se hän oli joka mutta ovat myös kuin tai sekä ole voi sen tämä niin kun jos mukaan",
    "hungarian": "a az és hogy nem is egy ez meg van volt de csak vagy mint azt már el kell ha még után amely",
    "romanian": "și de în la cu pe nu este o care din un mai pentru sunt că să ale prin fi sau a fost lui",
    "polish": "i w na z się nie do jest że o to jak od po za dla oraz są przez który być lub ze przy",
    "czech": "a v na se je z že to s o do i pro jako by ve za po od jsou k nebo které ze být",
    "turkish": "ve bir bu için ile da de olarak olan daha ne gibi çok kadar en sonra ya veya değil her olduğu",
    "russian": "и в на не что с по как для от из к это о за при или до так было также его который все быть",
    "catalan": "el la els les de del i que en un una és per amb no al es dels més com són aquest seva ha",
    "indonesian": "yang dan di dari untuk dengan ini pada tidak adalah dalam itu oleh ke atau sebagai akan juga dapat",
}  # fmt: skip
_SCRIPTS: Final = {
    "greek": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
    "arabic": re.compile(r"[\u0620-\u065f\u0750-\u077f]"),
    "hindi": re.compile(r"[\u0900-\u097f]"),
    "tamil": re.compile(r"[\u0b80-\u0bff]"),
    "armenian": re.compile(r"[\u0530-\u058f]"),
}
"""Scripts that one language with a stemmer uses, or one far more than others."""
LANGUAGES: Final = frozenset({*_FUNCTION_WORDS, *_SCRIPTS, "persian"})
"""All that `detect` may say."""
_PERSIAN: Final = re.compile("[\u067e\u0686\u0698\u06af\u06cc\u06a9]")
_CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_CYRILLIC: Final = re.compile("[\u0400-\u04ff]")
_SPOKEN_LEAD: Final = 2
"""Function words that a sentence must have more of its language than of any other: "her" is Danish too."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_LANGUAGES_OF: Final[dict[str, tuple[str, ...]]] = {}
for _language, _words in _FUNCTION_WORDS.items():
    for _word in set(_words.split()):
        _LANGUAGES_OF[_word] = (*_LANGUAGES_OF.get(_word, ()), _language)


def detect(pages: Sequence[str]) -> str:
    """Return the language of a document under the name that its Snowball stemmer has; `DEFAULT` when unsure.

    Chinese, Japanese and Korean need no stemmer: what stands between is stemmed as English.
    """
    sample = _sample(pages).casefold()
    words = _WORD.findall(sample)
    letters = sum(map(len, words))
    for language, script in _SCRIPTS.items():
        if len(script.findall(sample)) > letters / 2:
            return "persian" if language == "arabic" and len(_PERSIAN.findall(sample)) > letters / 25 else language
    counts = Counter(language for word in words for language in _LANGUAGES_OF.get(word, ()))
    if not counts:
        return DEFAULT
    # A word of several languages speaks for each of them; the true one has its other words besides.
    language, found = max(counts.items(), key=lambda item: (item[1], item[0] == DEFAULT))
    return language if found >= max(_FEWEST, _SHARE * len(words)) else DEFAULT


def _sample(pages: Sequence[str]) -> str:
    parts: list[str] = []
    room = SAMPLE_CHARS
    for number in range(len(pages)):
        page = pages[(len(pages) // 4 + number) % len(pages)]
        parts.append(page[:room])
        room -= len(parts[-1])
        if not room:
            break
    return "\n".join(parts)


def spoken(text: str) -> str | None:
    """Return the language of a sentence or two, or "cjk" or "cyrillic"; None where it is not clear."""
    folded = text[:SAMPLE_CHARS].casefold()
    words = _WORD.findall(folded)
    letters = sum(map(len, words))
    for name, script in (*_SCRIPTS.items(), ("cjk", _CJK), ("cyrillic", _CYRILLIC)):
        if len(script.findall(folded)) > letters / 3:
            return name
    counts = Counter(language for word in words for language in _LANGUAGES_OF.get(word, ())).most_common(2)
    lead = counts[0][1] - (counts[1][1] if len(counts) > 1 else 0) if counts else 0
    return counts[0][0] if lead >= _SPOKEN_LEAD else None
