"""Which language a text is in, by its script and its commonest words: enough to see that two texts differ."""

from __future__ import annotations

import re

_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to in is was for that with are by as from this which were has be on at not it an or",
        "de": "der die das und ist in den von zu mit nicht ein eine für auf dem des sich auch werden wird im sind oder nach bei wurde",
        "fr": "le la les de des et est dans pour une un que qui par sur avec pas du au sont ce cette aux ont",
        "es": "el la los las de y en que es un una por con para del se no al como más son fue su",
        "it": "il la le di che e è un una per con non del della in sono gli nel alla dei da si",
        "nl": "de het een en van is in dat op te voor met niet zijn aan door als bij worden",
        "pt": "o a os as de e em que é um uma para com não do da no na por são ao",
    }.items()
}
_SCRIPTS = (
    ("cjk", re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")),
    ("cyrillic", re.compile("[\u0400-\u04ff]")),
    ("greek", re.compile("[\u0370-\u03ff]")),
    ("arabic", re.compile("[\u0600-\u06ff]")),
)
_WORD = re.compile(r"[^\W\d_]+")
_SHARE = 0.3
"""Share of a text's letters that a script other than Latin must have."""
FEWEST = 2
"""Common words that a language must have in a text, and lead by."""
SAMPLE = 8000
"""Characters that are looked at."""


def language(text: str) -> str | None:
    """Return a language's code, or a script's name; None where it is not clear."""
    text = text[:SAMPLE]
    words = _WORD.findall(text.lower())
    letters = sum(map(len, words)) or 1
    for script, signs in _SCRIPTS:
        if len(signs.findall(text)) > _SHARE * letters:
            return script
    counts = sorted(((sum(word in known for word in words), name) for name, known in _WORDS.items()), reverse=True)
    (most, name), (second, _) = counts[:2]
    return name if most >= FEWEST and most > second else None
