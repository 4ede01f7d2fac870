"""Where sentences, paragraphs and clauses end in text from PDFs, in one pass and without a model."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CLOSERS = "\"'\u2019\u201d\u00bb\u203a)\\]}\u300d\u300f\u3011\u3009\u300b"
_OPENERS = "\"'\u2018\u201c\u00ab\u2039(\\[{\u00bf\u00a1\u201e\u201a\u300c\u300e"
_CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
# Marks that end a sentence wherever they stand: Chinese and Japanese, Devanagari, Arabic and Urdu,
# Armenian, Ethiopic, Khmer, Myanmar, Tibetan.
_FULL_STOPS = (
    "\u3002\uff61\uff0e\uff01\uff1f\u0964\u0965\u061f\u06d4\u0589\u1362\u1367\u17d4\u17d5\u104a\u104b\u0f0d\u0f0e"
)

# A line that goes on in small letters, without numbers or gaps: the line end before it needs no second look.
_PROSE = r"[a-z]{1,30}[ ,;.)'][^\n\d|\t]*+\n"
_CANDIDATE = re.compile(
    rf"""[\n\u2029.!?\u2026{_FULL_STOPS}]  # One set in front: the search then runs over it at the speed of C.
     (?: (?<=\n) (?: (?P<paragraph> (?:[^\S\n]*+\n)++ \s*+ ) | (?!{_PROSE}) (?P<line> \s*+ ) )
       | (?<=\u2029) (?P<separator> \s*+ )
       | (?<=[.!?\u2026]) (?P<stop> [.!?\u2026]*+ [{_CLOSERS}]*+ )
       | (?<=[{_FULL_STOPS}]) (?P<full> [{_FULL_STOPS}.!?\u2026]*+ [{_CLOSERS}]*+ ) )""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*+")
_NEXT_WORD = re.compile(rf"[{_OPENERS}\u2013\u2014-]{{0,4}}\s?([\w']{{1,24}})")
_IS_CJK = re.compile(f"[{_CJK}]")
# Numbers of references right behind a stop: "infection.12 The", "infection.[3,4] The".
_CITATION = re.compile(r"(?:\d{1,3}(?:[,\u2013-]\d{1,3}){0,8}|\[[\d,\u2013 -]{1,40}\])(?=\s)")
_LETTERS_AND_DOTS = re.compile(r"(?:[^\W\d_]\.-?){0,6}[^\W\d_]")
_LIST_NUMBER = re.compile(r"\d{1,3}(?:\.\d{1,3}){0,4}|[ivxIVX]{1,5}")

# Abbreviations that something follows: never the end of a sentence.
_BEFORE_MORE = frozenset(
    "dr mr mrs ms prof st rev hon gen col lt sgt capt fig figs eq eqs ref refs tab sec sect chap ch no nos nr vol vols "
    "pp p cf vs viz e.g i.e eg ie approx ca resp ed eds ser art al.s bzw vgl abb abs bsp ggf evtl sog inkl zzgl hr fr "
    "bd kap anm usf u.a z.b d.h z.t i.d.r o.g s.o s.u m.e mme mlle sr sra dott sig ing "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun \u0921\u0949 \u0926".split()
)
# Abbreviations that can end a sentence: they do when a usual first word follows.
_BEFORE_ANY = frozenset(
    "al etc inc ltd co corp jr sr esq dept univ assoc bros usw ph.d m.d b.sc m.sc u.s u.k u.n a.m p.m a.d b.c sp spp "
    "var subsp min max hrs hr yr yrs est ext int temp conc dil wt ht mol sci med biol chem phys ann proc natl acad".split()
)
_FIRST_WORDS = frozenset(
    "the a an this these those that it its in on at as for from if we our he she they their there here i you when while "
    "where what who how why after before although though because since however thus therefore hence moreover "
    "furthermore finally also both each all some many most several such no not one two three to by with among during "
    "under using based given taken according in addition despite "
    "der die das ein eine es er sie wir ihr dies diese dieser dieses im bei nach vor mit auch wenn als da so "
    "le la les un une des il elle nous ce cette el los las en se es".split()
)
_AFTER_ORDINALS = frozenset(
    "januar februar m\u00e4rz april mai juni juli august september oktober november dezember jahrhundert jahrhunderts".split()
)
# Words that leave a line open: the next line goes on with the sentence.
_OPEN_ENDS = frozenset(
    "the a an of and or to in on at by for from with as is are was were be been that than which who whose this these "
    "their its our his her der die das den dem des ein eine einer und oder von vom zu zum zur mit im in am f\u00fcr "
    "de la le les du et des el los y en un une".split()
)

_LINE_CHARS = 200
"""A line with more characters than this is a paragraph that someone has already joined."""
_SHORT_LINE = 0.6
"""Below this part of the next line's length, a line that ends without a stop ends what it says."""
_BULLET = re.compile(r"[\u2022\u2023\u25aa\u25cf\u25cb\u25e6\u2219\u00b7\u25a0\u25a1\u25b6\u25ba*-]\s+\S")
_DASH_ITEM = re.compile(r"[\u2013\u2014]\s+\S")
_NUMBERED = re.compile(
    r"\d{1,2}[.)]\s+\S | \(?(?:\d{1,2}|[a-z]|[ivx]{1,4})\)\s+\S | \[\d{1,3}\]\s+\S | \d{1,2}(?:\.\d{1,2}){1,3}\.?\s+\S",
    re.VERBOSE,
)
_HEADING_NUMBER = re.compile(r"(?:\d{1,2}(?:\.\d{1,2}){0,3}\.?|[IVX]{1,4}\.|[A-Z]\.)\s+[^\W\d_a-z]")
_GAP = re.compile(r"(?<=\S)(?: {2,}|\t| ?\| ?)(?=\S)")
_NUMBER = re.compile(r" [<>=\u00b1\u2212(-]?\d")
_REAL_WORD = re.compile(r"[^\W\d_]{3,}|" + f"[{_CJK}]" + "{2,}")
_ENDED = tuple(".:;!?\u2026\u3002\uff1b\uff1a\u0964\u06d4\u061f")

_CLAUSE = re.compile(
    rf"""[,;:\u060c\u061b] [{_CLOSERS}]*+ (?:\s++|(?=[{_CJK}]))
       | [\u3001\uff0c\uff1b\uff1a\uff64] [{_CLOSERS}]*+ \s*+
       | \s [\u2013\u2014-]{{1,3}} \s++ | \u2014++ \s*+ | \n \s*+""",
    re.VERBOSE,
)


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of a text; they tile it, white space goes to the one before."""
    spans = []
    start = 0
    for end, _ in ends(text):
        spans.append((start, end))
        start = end
    if start < len(text):
        spans.append((start, len(text)))
    return spans


def ends(text: str) -> Iterator[tuple[int, bool]]:
    """Yield where sentences end inside a text (the next one's first character), rising, each once.

    The second value says whether a paragraph ends there too. The end of the text is not yielded.
    """
    start = len(text) - len(text.lstrip())
    for match in _CANDIDATE.finditer(text, start):
        kind = match.lastgroup
        paragraph = kind in {"paragraph", "separator"}
        if paragraph:
            end: int | None = match.end()
        elif kind == "line":
            end = match.end() if _line_ends(text, match.start(), match.end()) else None
        else:
            end = _stop_ends(text, match, start)
        if end is not None and start < end < len(text):
            yield end, paragraph
            start = end


def clauses(text: str, start: int, end: int) -> Iterator[int]:
    """Yield where clauses end inside text[start:end]: behind commas, semicolons, colons, dashes, lines."""
    for match in _CLAUSE.finditer(text, start, end):
        if start < match.end() < end:
            yield match.end()


def _stop_ends(text: str, match: re.Match[str], start: int) -> int | None:
    """Return where the next sentence begins if the marks of `match` end one that began at `start`."""
    end = match.end()
    if end >= len(text):
        return None
    if not text[end].isspace():
        if match.lastgroup == "full":
            return end
        unspaced = _ends_unspaced(text, match)
        if unspaced is None:
            return None
        end = unspaced
    space = _SPACE.match(text, end)
    following = space.end() if space else end
    if text.count("\n", end, following) > 1:
        return None  # The blank line is met next and ends the sentence as a paragraph.
    if match.lastgroup == "full" or following >= len(text) or end == following:
        return following
    return following if _ends_before(text, match, following, start) else None


def _ends_unspaced(text: str, match: re.Match[str]) -> int | None:
    """Return where a sentence ends whose stop touches what follows: Chinese, or the number of a reference."""
    before, after = text[match.start() - 1 : match.start()], text[match.end()]
    if _IS_CJK.match(after):
        return match.end() if _IS_CJK.match(before) or match[0][0] in "!?" else None
    if _IS_CJK.match(before) and match[0][0] in "!?":
        return match.end()
    citation = _CITATION.match(text, match.end())
    if citation and (before.islower() or before in _CLOSERS) and match[0] == ".":
        return citation.end()
    return None


def _ends_before(text: str, match: re.Match[str], following: int, start: int) -> bool:
    """Whether marks with white space behind them end a sentence, by the words on both sides."""
    if text[following] in ".,;:!?\u2026)]}\u00bb\u201d":
        return False
    found = _NEXT_WORD.match(text, following)
    after = found[1] if found else ""
    if after.islower():
        return False  # "e.g. this"; "mRNA" and other mixed words may begin a sentence.
    marks = match[0]
    if not marks.startswith(".") or marks[:2] == "..":
        return not marks.startswith("....")  # Dots that lead to a page number are no stop.
    lead = text[max(start, match.start() - 24) : match.start()]
    if not lead or lead[-1].isspace():
        return not lead.rstrip().endswith(".")
    raw = lead.split()[-1]
    word = raw.lstrip(_OPENERS)
    lower = word.lower()
    if lower in _BEFORE_MORE:
        return False
    if lower in _BEFORE_ANY or _LETTERS_AND_DOTS.fullmatch(word):
        return after[:1].isupper() and after.lower() in _FIRST_WORDS
    if word.isdigit() and after.lower() in _AFTER_ORDINALS:
        return False
    at = match.start() - len(raw)
    begins = at == start or text[at - 1] == "\n"
    return not (begins and _LIST_NUMBER.fullmatch(word))


def _line_ends(text: str, stop: int, following: int) -> bool:
    """Whether the line end between text[:stop] and text[following:] ends a sentence without a stop."""
    begin = text.rfind("\n", max(0, stop - _LINE_CHARS), stop) + 1
    if begin == 0 and stop > _LINE_CHARS:
        begin = stop - _LINE_CHARS
    end = text.find("\n", following, following + _LINE_CHARS)
    line = text[begin:stop].strip()
    after = text[following : end if end >= 0 else following + _LINE_CHARS].strip()
    if not line or not after:
        return False
    if not after[0].isalpha() or ")" in after[1:6]:
        ended = line.endswith(_ENDED)
        if _BULLET.match(after) or (_DASH_ITEM.match(after) and (ended or _DASH_ITEM.match(line))):
            return True
        if _NUMBERED.match(after) and (ended or len(line) < 40 or _NUMBERED.match(line)):
            return True
    if _is_row(line) or _is_row(after):
        return True
    if not _begins_upper(after) or line.endswith((",", ";", "-", "\u2013", "(")) or not _REAL_WORD.search(line):
        return False
    if line.split()[-1].lower() in _OPEN_ENDS:
        return False
    short = len(line) < _SHORT_LINE * len(after)
    return short or (len(line) < 100 and (_HEADING_NUMBER.match(line) is not None or line.isupper() > after.isupper()))


def _is_row(line: str) -> bool:
    """Whether a line looks like a row of a table: wide gaps, or as many numbers as words."""
    if len(line) >= _LINE_CHARS:
        return False
    if "...." in line or (("  " in line or "\t" in line or "|" in line) and len(_GAP.findall(line)) > 1):
        return True
    numbers = len(_NUMBER.findall(f" {line}"))
    return numbers > 1 and numbers * 2 > line.count(" ")


def _begins_upper(line: str) -> bool:
    for char in line[:6]:
        if char.isalpha():
            return not char.islower()
    return False
