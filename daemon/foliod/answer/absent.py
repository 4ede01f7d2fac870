"""Answers that say that the documents do not hold what was asked for, in the words of several languages."""

from __future__ import annotations

import re

_IT = (
    r"(?:(?:the|these|those|your|any of the|all|provided|given|available|above|supplied|retrieved|uploaded|of) )*"
    r"(?:passages?|documents?|sources?|texts?|excerpts?|context|files?|materials?|information (?:provided|given|available))"
)
_ES = r"(?:contain|include|provide|mention|say|state|specify|address|answer|discuss|give|hold|indicate|describe|have|offer|reveal|cover|list|report|tell)"
_DOKUMENTE = r"(?:dokument\w*|passagen?|quellen?|text\w*|auszüg\w*|abschnitt\w*|unterlagen|kontext)"
_PHRASES = (
    rf"{_IT}(?: themselves| only| (?:that )?(?:you|i|we|was|were|have|been| )*(?:provided|given|gave|have|supplied))? (?:do|does|did)(?: not|n't) (?:\w+ ){{0,2}}{_ES}",
    rf"(?:is|are|was|were) (?:not|nowhere) (?:\\w+ )?(?:in|part of|covered by) {_IT}",
    rf"{_IT} (?:contain|include|provide|give|have|hold|make)s? (?:no|nothing|neither)\b",
    rf"(?:not|nowhere|never) (?:\w+ ){{0,2}}(?:contained|found|mentioned|stated|specified|provided|given|included|answered|addressed|discussed|described|available) (?:anywhere )?(?:in|by|within|from) {_IT}",
    rf"(?:no|none of|neither of|nothing in)\b[^.]{{0,60}}\b{_IT}\b[^.]{{0,40}}\b(?:{_ES}s?|about|answers?)",
    rf"(?:no|insufficient|not enough) (?:\w+ ){{0,3}}(?:information|mention|answer|details?|evidence|data|statement)\b[^.]{{0,80}}\b(?:in|by|within|from) {_IT}",
    rf"(?:there is|there's|there are|i (?:can|could) (?:find|see)) (?:no|nothing)\b[^.]{{0,80}}\b(?:in|within) {_IT}",
    r"i (?:can(?:not|'t)|could(?: not|n't)|am (?:not able|unable) to|was (?:not able|unable) to|do(?: not|n't)) (?:\w+ ){0,2}(?:find|answer|determine|locate|know|see)\b",
    rf"(?:cannot|can't|can not|could not) be (?:\w+ )?(?:answered|determined|found|derived|inferred)\b(?:[^.]{{0,40}}{_IT})?",
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
_DENIES = re.compile("|".join(f"(?:{phrase})" for phrase in _PHRASES), re.IGNORECASE)
# Most sentences deny nothing, and this is found out sooner.
_NEGATES = re.compile(
    r"n[o']t\b|\bn(?:o|on|one|either|othing|owhere|ever|e|iet|iets|icht|ichts)\b|\b(?:insufficient|unable|geen|kein\w*)\b|没|未|沒|不|ない|ません",
    re.IGNORECASE,
)
_BUT = re.compile(
    r"[,;]?\s*\b(?:but|however|although|though|while|except|only that|apart from|they do|aber|jedoch|allerdings|sondern|mais|pero|sin embargo|ma|但|しかし)\b",
    re.IGNORECASE,
)


def denies_knowledge(sentence: str) -> bool:
    """Whether a sentence says that the documents do not hold something, and nothing beside it."""
    if _NEGATES.search(sentence) is None:
        return False
    found = _DENIES.search(sentence)
    return found is not None and _BUT.search(sentence, found.end()) is None
