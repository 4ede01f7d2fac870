"""What a sentence stands or falls with beside its words: numbers with their units, names, negation, opposites."""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER = re.compile(
    r"(?<![\w.])(?:[-\u2212](?=\d))?(?P<digits>\d{1,3}(?:[,\u202f\u00a0' ]\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+(?:[.,:/]\d+)*)"
    r"(?P<unit>\s?(?:%|\u2030|°\s?[CF]?|€|\$|£|[a-zA-Zµμ]+\b)|-(?=[a-z])[a-z]+)?"
)
# Letters, and digits or capitals among them: "MERS-CoV", "H1N1", "COVID-19", "2019-nCoV".
_NAME = re.compile(r"(?<![\w-])(?=\w*[^\W\d_])[\w]+(?:[-/][\w]+)*")
_LETTER_DASH = re.compile(r"[^\W\d_]-\Z")
_PARTS = re.compile(r"\d[:/]\d|\d\.\d++\.\d|\d,\d++,\d{1,2}$")
_BESIDE = re.compile(r"\d\D{0,2}May|May\D{0,2}\d")
_MEASURE = re.compile(r"[\d.,]+(?:st|nd|rd|th|[a-zµμ]{1,3})?", re.IGNORECASE)
_COUNTED = re.compile(r"\b([^\W\d_]{2,})(?=[ -]([^\W\d_]{2,}))")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

_UNITS = {
    name: unit
    for unit, names in {
        "%": "% percent prozent pct", "‰": "‰ promille", "day": "day days d tag tage tagen", "week": "week weeks wk wks woche wochen",
        "month": "month months mo monat monate monaten", "year": "year years yr yrs y jahr jahre jahren", "hour": "hour hours h hr hrs stunde stunden",
        "minute": "minute minutes min mins minuten", "second": "second seconds s sec secs sekunde sekunden", "ms": "ms",
        "kg": "kg kilogram kilograms", "g": "g gram grams gramm", "mg": "mg milligram milligrams", "µg": "µg μg ug microgram micrograms", "t": "t ton tons tonnes tonne tonnen",
        "km": "km kilometre kilometres kilometer kilometers", "m": "m metre metres meter meters", "cm": "cm", "mm": "mm", "nm": "nm", "µm": "µm μm um",
        "l": "l litre litres liter liters", "ml": "ml", "µl": "µl μl ul", "mm-molar": "mm", "°c": "°c °", "°f": "°f",
        "million": "million millions mio millionen", "billion": "billion billions bn mrd milliarde milliarden", "thousand": "thousand tausend k",
        "€": "€ eur euro euros", "$": "$ usd dollar dollars", "£": "£ gbp pounds", "kb": "kb kilobase kilobases", "bp": "bp", "kda": "kda", "fold": "fold",
    }.items()
    for name in names.split()
}  # fmt: skip

_WORDS = {
    word: str(value)
    for value, words in {
        2: "two twice zwei deux dos", 3: "three drei trois tres", 4: "four vier quatre cuatro", 5: "five fünf cinq cinco",
        6: "six sechs seis", 7: "seven sieben sept siete", 8: "eight acht huit ocho", 9: "nine neun neuf nueve", 10: "ten zehn dix diez",
        11: "eleven elf onze", 12: "twelve zwölf douze doce dozen", 13: "thirteen", 14: "fourteen vierzehn quatorze", 15: "fifteen quinze",
        16: "sixteen", 17: "seventeen", 18: "eighteen", 19: "nineteen", 20: "twenty zwanzig vingt veinte", 30: "thirty dreißig trente",
        40: "forty vierzig", 50: "fifty fünfzig", 60: "sixty sechzig", 70: "seventy siebzig", 80: "eighty achtzig", 90: "ninety neunzig",
        100: "hundred hundert cent cien", 1000: "thousand tausend mille mil",
    }.items()
    for word in words.split()
}  # fmt: skip

MONTHS = {
    name: month
    for month, names in enumerate(
        ("january januar jan janvier enero", "february februar feb février febrero", "march märz mar mars marzo", "april apr avril abril",
         "may mai mayo", "june juni jun juin junio", "july juli jul juillet julio", "august aug août agosto", "september sep sept septembre septiembre",
         "october oktober oct okt octobre octubre", "november nov novembre noviembre", "december dezember dec dez décembre diciembre"),
        start=1,
    )
    for name in names.split()
}  # fmt: skip

_NEGATIONS = frozenset(
    "not no never none neither nor without cannot can't don't doesn't didn't isn't aren't wasn't weren't won't hasn't haven't "
    "couldn't shouldn't wouldn't unable lack lacks lacked lacking absence absent hardly "
    "nicht kein keine keinen keinem keiner nie niemals ohne weder ne pas jamais sans aucun aucune sin nunca ningún ninguna".split()
)
_SIDES = [
    (word, axis, side)
    for axis, sides in enumerate((
        (("increase increases increased increasing rise rises rose risen rising grow grows grew grown growing gain gains gained extend extends extended lengthen lengthens lengthened prolong prolonged raise raises raised expand expanded "
         "upregulated enhance enhances enhanced improve improves improved steigt stieg gestiegen erhöht zugenommen"),
         ("decrease decreases decreased decreasing fall falls fell fallen falling decline declines declined declining drop drops dropped reduce reduces reduced reducing shrink shrank "
         "lose loses lost losing shorten shortens shortened downregulated diminish diminished worsen worsened sinkt sank gesunken verringert gesenkt abgenommen")),
        ("more higher high greater larger elevated increased höher hohe mehr größer", "less lower low fewer smaller reduced decreased niedriger niedrig weniger kleiner"),
        ("most highest largest greatest maximum majority höchste größte meisten", "least lowest smallest fewest few minimum minority niedrigste kleinste wenigsten"),
        ("before prior preceding vor vorher", "after following subsequent subsequently nach nachher"), ("early earlier früh früher", "late later spät später"),
        ("positive", "negative"), ("male males men man boys", "female females women woman girls"),
        ("activate activates activated activation promote promotes promoted stimulates stimulated induce induces induced",
         "inhibit inhibits inhibited inhibition suppress suppresses suppressed block blocks blocked prevent prevents prevented"),
        ("able effective possible common frequent sufficient known likely stable dependent direct susceptible mandatory required compulsory",
         "unable ineffective impossible rare infrequent insufficient unknown unlikely unstable independent indirect resistant optional voluntary"),
        ("upper above over", "lower below under"), ("acute", "chronic"), ("presence present", "absence absent"), ("always", "never"), ("fast faster fastest quick", "slow slower slowest"),
        ("allowed permitted allow allows erlaubt gestattet", "forbidden prohibited banned forbid prohibits verboten untersagt"), ("true", "false"), ("import imports imported", "export exports exported"), ("major", "minor"),
        ("buyer", "seller"), ("tenant", "landlord"), ("profit profits gewinn", "loss losses verlust"), ("north northern", "south southern"), ("east eastern", "west western"), ("left", "right"),
        ("open opened opens geöffnet", "closed close closes geschlossen"), ("begin begins began begun start starts started", "end ends ended finished"), ("include includes included including covered covers", "exclude excludes excluded excluding"),
        ("accept accepted accepts approved adopted angenommen genehmigt", "reject rejected rejects refused abgelehnt"), ("win won", "lose lost"), ("agree agreed agrees", "disagree disagreed"), ("inside indoors", "outside outdoors"),
    ))
    for side, words in enumerate(sides)
    for word in words.split()
]  # fmt: skip
_OPPOSITES: dict[str, list[tuple[int, int]]] = {}
for _word, _axis, _side in _SIDES:
    _OPPOSITES.setdefault(_word, []).append((_axis, 1 << _side))
_MULTIPLES = {"thousand": 3, "million": 6, "billion": 9}


class Number(NamedTuple):
    """A number of a text: the forms that it may be meant in, and its unit ("" is none that is known)."""

    text: str
    forms: tuple[str, ...]
    unit: str


def numbers(text: str) -> list[Number]:
    """Return the numbers of a text in order, months among them; the parts of a date or a time are numbers of their own."""
    found = []
    for match in _NUMBER.finditer(text):
        unit = match["unit"] or ""
        # "COVID-19" and "2019nCoV" are names.
        if _LETTER_DASH.search(text, max(0, match.start() - 2), match.start()) or (
            unit[:1].isalpha() and not unit.islower() and unit not in _UNITS
        ):
            continue
        name = unit.strip(" -")
        known = _UNITS.get(name) or _UNITS.get(name.lower().replace("° ", "°"), "")
        forms = written(match["digits"])
        if known in _MULTIPLES:
            forms += tuple(_times(form, _MULTIPLES[known]) for form in forms)
        parts = [(form,) for form in forms] if _PARTS.search(match["digits"]) else [forms]
        found += [Number(match["digits"], part, known) for part in parts]
    for match in _COUNTED.finditer(text):
        word, unit = match[1].lower(), _UNITS.get(match[2].lower(), "")
        if word in _WORDS and unit:
            found.append(Number(match[1], (_WORDS[word],), unit))
    for match in _WORD.finditer(text):
        month = MONTHS.get(match[0].lower()) if match[0][0].isupper() else None
        if month and (match[0] != "May" or _BESIDE.search(text[max(0, match.start() - 6) : match.end() + 6])):
            found.append(Number(match[0], (f"month {month}",), ""))
    return found


def word_numbers(text: str) -> set[str]:
    """Return the numbers that are written as words, as digits."""
    return {_WORDS[word] for word in map(str.lower, _WORD.findall(text)) if word in _WORDS}


def written(digits: str) -> tuple[str, ...]:
    """Return a number in the forms it may be meant in: "1.000" is a thousand in German and one in English."""
    plain = re.sub(r"[\u202f\u00a0' ]", "", digits)
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", plain):
        return (_plain(plain.replace(",", "")),)
    if re.fullmatch(r"\d{1,3}(\.\d{3})+(,\d+)?", plain):
        german = _plain(plain.replace(".", "").replace(",", "."))
        return (german, _plain(plain)) if plain.count(".") == 1 and "," not in plain else (german,)
    if re.fullmatch(r"\d+,\d+", plain):
        return (_plain(plain.replace(",", ".")),)
    if re.fullmatch(r"\d+(\.\d+)?", plain):
        return (_plain(plain),)
    return tuple(dict.fromkeys(_plain(part) for part in re.split(r"[.,:/]", plain) if part))


def names(text: str, language: str | None = None) -> set[str]:
    """Return what looks like a name, folded: capitals inside a sentence (not in German), or letters mixed with digits or capitals."""
    found: set[str] = set()
    for match in _NAME.finditer(text):
        word = match[0]
        if len(word) < 2 or _MEASURE.fullmatch(word):
            continue
        mixed = any(c.isdigit() for c in word) or any(c.isupper() for c in word[1:])
        begins = not text[: match.start()].strip(" \t\n\"'“„(*-#") or text[: match.start()].rstrip()[-1:] in ".:!?"
        if mixed or (word[0].isupper() and not begins and language != "german"):
            found.update(part.casefold() for part in re.split(r"[-/]", word) if len(part) > 1)
    return found


def negations(text: str) -> int:
    """Return how many words of a text deny."""
    return sum(word in _NEGATIONS for word in (w.lower().replace("’", "'") for w in _WORD.findall(text)))


def sides(text: str) -> dict[int, int]:
    """Return the opposites that a text takes a side in: 1 is the one, 2 the other, 3 both."""
    found: dict[int, int] = {}
    for word in _WORD.findall(text):
        for axis, side in _OPPOSITES.get(word.lower(), ()):
            found[axis] = found.get(axis, 0) | side
    return found


def _times(number: str, zeros: int) -> str:
    whole, _, part = number.partition(".")
    return _plain(whole + part[:zeros].ljust(zeros, "0") + "." + part[zeros:])


def _plain(number: str) -> str:
    whole, _, part = number.partition(".")
    part = part.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{part}" if part else "")
