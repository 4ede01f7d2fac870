"""Answers that say that the documents do not hold what was asked for, in the words of several languages."""

from __future__ import annotations

import re

_THE = r"(?:the|these|those|your|any of the|all|provided|given|available|above|supplied|retrieved|uploaded|of) "
_HELD = r"(?:passages?|documents?|sources?|excerpts?|information (?:provided|given|available))"
# What documents may be about too: "Insulation materials contain no asbestos".
_THINGS = r"(?:texts?|files?|materials?)"
_IT = rf"(?:(?:{_THE}){{0,6}}+(?:{_HELD}|context)|(?:{_THE}){{1,6}}+{_THINGS})"
# A sentence that cites must name them as such: "The materials contain no asbestos [1]" is what that passage says.
_CITED_IT = rf"(?:(?:(?:{_THE}){{1,6}}+|(?<!\w )\b){_HELD}|(?:the )?(?:provided|given|available|supplied|retrieved) (?:texts?|context))"
_ES = r"(?:contain|include|provide|mention|say|state|specify|address|answer|discuss|give|hold|indicate|describe|have(?! to\b)|offer|reveal|cover|list|report|tell)"
_DOKUMENTE = r"(?:dokument\w*|passagen?|quellen?|text(?:e[ns]?|s)?|auszüg\w*|abschnitt\w*|unterlagen|kontext)"


def _denial(it: str, *, named: bool) -> re.Pattern[str]:
    """Return what says that the documents, in words of `it`, do not hold something; whether they must be `named`."""
    phrases = (
        rf"{it}(?: themselves| only| (?:that )?(?:you|i|we|was|were|have|been| ){{0,8}}+(?:provided|given|gave|have|supplied))? (?:do|does|did)(?: not|n't) (?:\w+ ){{0,2}}{_ES}",
        rf"(?:is|are|was|were) (?:not|nowhere) (?:\w+ )?(?:in|part of|covered by) {it}",
        rf"{it} (?:contain|include|provide|give|have|hold|make)s? (?:no|nothing|neither)\b",
        rf"(?:not|nowhere|never) (?:\w+ ){{0,2}}(?:contained|found|mentioned|stated|specified|provided|given|included|answered|addressed|discussed|described|available) (?:anywhere )?(?:in|by|within|from) {it}",
        rf"(?:no|none of|neither of|nothing in)\b[^.]{{0,60}}\b{it}\b[^.]{{0,40}}\b(?:{_ES}s?|about|answers?)",
        rf"(?:no|insufficient|not enough) (?:\w+ ){{0,3}}(?:information|mention|answer|details?|evidence|data|statement)\b[^.]{{0,80}}\b(?:in|by|within|from) {it}",
        rf"(?:there is|there's|there are|i (?:can|could) (?:find|see)) (?:no|nothing)\b[^.]{{0,80}}\b(?:in|within) {it}",
        r"i (?:can(?:not|'t)|could(?: not|n't)|am (?:not able|unable) to|was (?:not able|unable) to|do(?: not|n't)) (?:\w+ ){0,2}(?:find|answer|determine|locate|know|see)\b",
        r"(?:cannot|can't|can not|could not) be (?:\w+ )?(?:answered|determined|found|derived|inferred)\b"
        + (rf"[^.]{{0,40}}{it}" if named else ""),
        rf"{_DOKUMENTE}\b[^.]{{0,60}}\b(?:enthalten|enthält|nennen|nennt|erwähnen|erwähnt|geben|gibt|sagen|sagt|beantworten|beantwortet|liefern|machen)\b[^.]{{0,60}}\b(?:nicht|nichts|kein\w*)",
        rf"\b(?:nicht|nichts|kein\w*)\b[^.]{{0,80}}\b(?:in|aus) (?:den|ihren|diesen|der|dem|die)(?: \w+)? {_DOKUMENTE}",
        rf"\b(?:in|aus) (?:den|ihren|diesen|der|dem)(?: \w+)? {_DOKUMENTE}\b[^.]{{0,80}}\b(?:nicht|nichts|kein\w*)",
        r"(?:kann|konnte|lässt sich|ließ sich)\b[^.]{0,60}\b(?:nicht|keine)\b[^.]{0,40}\b(?:finden|beantworten|beantwortet|gefunden|entnehmen)",
        r"(?:documents?|passages?|sources?|textes?|extraits?)\b[^.]{0,40}\bne (?:\w+ ){0,2}(?:contien|mention|fourni|donn|précis|indiqu|répond|permet)\w*[^.]{0,40}\b(?:pas|aucun\w*|rien)",
        r"(?:aucun\w*|pas) (?:\w+ ){0,3}(?:information|mention|réponse)\w*\b[^.]{0,80}\b(?:documents?|passages?|sources?|textes?)",
        r"(?:documentos?|pasajes?|fuentes?|textos?)\b[^.]{0,40}\bno (?:\w+ )?(?:contien|menciona|proporciona|incluy|indica|dic|ofrec|respond|especific|contêm|contém)\w*",
        r"(?:documenti|passaggi|fonti|testi)\b[^.]{0,40}\bnon (?:\w+ )?(?:conten|menzion|forni|indic|rispond|specific)\w*",
        r"(?:documenten|passages|bronnen)\b[^.]{0,60}\b(?:niet|geen|niets)\b",
        r"(?:文档|文件|文獻|文献|资料|資料|段落|文書|ドキュメント)[^。]{0,30}(?:没有|未|沒有|不包含|不含|ありません|ない|記載されていません|含まれていません)",
    )
    return re.compile("|".join(f"(?:{phrase})" for phrase in phrases), re.IGNORECASE)


_DENIES = _denial(_IT, named=False)
_DENIES_CITED = _denial(_CITED_IT, named=True)
# Most sentences deny nothing, and this is found out sooner.
_NEGATES = re.compile(
    r"n[o']t\b|\bn(?:o|on|one|either|othing|owhere|ever|e|iet|iets|icht|ichts)\b|\b(?:insufficient|unable|geen|kein\w*)\b|没|未|沒|不|ない|ません",
    re.IGNORECASE,
)
_BUT = re.compile(
    r"\b(?:but|however|although|though|while|except|only that|(?<=, )only|apart from|they do|aber|jedoch|allerdings|sondern|mais|pero|sin embargo|ma)\b|但|しかし",
    re.IGNORECASE,
)

# Parts of a sentence, and which of them state something: "the deposit is 5000 EUR", not "which is what you asked".
_PART = re.compile(
    r"(?P<stop>^|[,;:\u2013\u2014]|\band\b(?= (?:is|are|was|were|has|had)\b))\s*+(?P<part>(?:(?!\band (?:is|are|was|were|has|had)\b)[^,;:\u2013\u2014])*+)"
)
_STATES = re.compile(
    r"\b(?:is|are|was|were|has|had|amounts?|costs?|ist|sind|war|waren|hat|beträgt|est|sont|es|son)\b", re.IGNORECASE
)
_LEANS = re.compile(
    r"(?:(?:and|or|nor|und|oder|et|ou) )?(?:which|whether|who|whom|whose|when|where|what|how|why|if|that|as|because|based|according|regarding|"
    r"ob|wann|wer|was|wie|wo|warum|dass|weil|da)\b",
    re.IGNORECASE,
)
_ABOUT_THEM = re.compile(
    rf"{_HELD}|{_THINGS}|context|{_DOKUMENTE}|question|answer|information|frage|antwort", re.IGNORECASE
)


def denies_knowledge(sentence: str, *, cites: bool = False) -> bool:
    """Whether a sentence says that the documents do not hold something, and nothing beside it.

    One that `cites` a passage says more often what stands there: it must name the documents.
    """
    if _NEGATES.search(sentence) is None:
        return False
    sentence = " ".join(sentence.split())
    found = (_DENIES_CITED if cites else _DENIES).search(sentence)
    if found is None or _BUT.search(sentence, found.end()) is not None:
        return False
    return not any(
        _is_statement(part["part"], stop=part["stop"], cites=cites)
        for part in _PART.finditer(sentence)
        if part.start("part") >= found.end() or part.end("part") <= found.start()
    )


def _is_statement(part: str, *, stop: str, cites: bool) -> bool:
    """Whether a part of a sentence states something of its own, beside what the rest says to be missing."""
    numbered = any(map(str.isdigit, part))
    if not (_STATES.search(part) or (numbered and stop == ";")) or _LEANS.match(part) or _NEGATES.search(part):
        return False
    return cites or numbered or _ABOUT_THEM.search(part) is None
