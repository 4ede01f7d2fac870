"""Makes text from PDFs fit for reading, searching and storing: one form of every character, whole words.

Whatever goes through `clean` can be stored in PostgreSQL, and is the same when it goes through again.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# What fonts without Unicode maps put into the private use area, and means the same everywhere:
# bullets and marks of Symbol and Wingdings, Apple's ligatures, Adobe's old-style figures and small capitals.
_PRIVATE: dict[int, str] = {
    0xF001: "fi",
    0xF002: "fl",
    0xF02D: "-",
    0xF0FC: "✓",
    **dict.fromkeys(map(ord, "\uf0a7\uf0b7\uf06e\uf06c\uf076\uf071\uf0d8\uf0a8\uf09f"), "•"),
    **dict.fromkeys(map(ord, "\uf0ae\uf0e0\uf0e8\uf0f0"), "→"),
    **{0xF730 + i: str(i) for i in range(10)},
    **{0xF761 + i: chr(ord("a") + i) for i in range(26)},
}
_UNPRINTABLE = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls, but for white space
    "\ud800-\udfff"  # lone surrogates
    "\ufdd0-\ufdef\ufffe\uffff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))  # non-characters
)
_PRIVATE_USE = "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"
# Invisible: zero-width spaces, byte order marks, text direction overrides, soft hyphens. The zero-width
# joiners U+200C and U+200D stay: Persian, Indic scripts and emoji are spelled with them.
_INVISIBLE = "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"

_SOFT_HYPHEN_AT_END = re.compile(r"\u00ad[ \t]*(?:\r\n?|\n)[ \t]*")
_LINE_END = re.compile("\r\n?|[\u0085\u2028\u2029\x0b\x0c]")
_REMOVED = re.compile(f"[{_UNPRINTABLE}{_INVISIBLE}]")
_UNKNOWN = re.compile(f"[{_PRIVATE_USE}]")
_GARBAGE = re.compile(f"[{_UNPRINTABLE}{_PRIVATE_USE}\ufffd]")
_SPACE = re.compile(r"[^\S\n ]")
_SPACES = re.compile(r" {2,}")
_SPACED_LINE_END = re.compile(r" \n ?|\n ")
_MANY_LINE_ENDS = re.compile(r"\n{3,}")
_HYPHENATED = re.compile(r"(?<=[^\W_])-\n(?=[^\W_])")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W_]+)*")
_LAST_WORD = re.compile(r"[^\s–—/(\[]*$")
_FIRST_WORD = re.compile(r"[^\s–—/)\],.;:!?]*")
WORD_CHARS = 1000
"""No word, name or address that somebody would look for is longer."""
# Scripts from U+0E00 on (Thai, Tibetan, Chinese …) are written without spaces.
_ENDLESS_WORD = re.compile(rf"([^\s\u0e00-\U0010ffff]{{{WORD_CHARS}}})[^\s\u0e00-\U0010ffff]+")
_QUOTES = "\"'“”‘’«»„*"

# English is full of compounds whose hyphen is their own. First parts that keep it unless an ending follows
# (`high-risk`, but `highly`), second parts that keep it unless a prefix stands before (`age-related`, `unrelated`).
_COMPOUND_FIRST = frozenset(
    "cross double eight five four half high large long low nine self seven short single six small ten three two "
    "well".split()
)
_ENDING = re.compile(r"(?:ness|ment|ity|ing|ary|teen|teenth|ty|ly|less|ed|er|est|ish|let|ful|able|age|en|fare|ton)s?")
_COMPOUND_SECOND = frozenset(
    "acquired activated adapted assisted associated attenuated aware based bearing borne bound competent conjugated "
    "containing defective deficient dependent derived driven encoded encoding exposed expressing forming funded gated "
    "generation independent induced inducible infected labeled labelled led lived mediated negative onset oriented "
    "positive presenting producing regulated related releasing resistant scale seeking sensitive shaped side sized "
    "specific stage stimulated strand stranded term tested threatening transfected treated tuned up vectored wide "
    "year".split()
)
_PREFIXES = frozenset(
    "anti cor counter dis extra hyper inter intra mis multi non out over poly pre semi sub super trans tri uni under "
    "un".split()
)
_CLOSED_FIRST = frozenset("every further here mean more never other over some there under where with".split())
# Words that may follow a hanging hyphen: "pre- and postoperative", "Ein- und Ausgang".
_CLOSED_FIRST = frozenset("every further here mean more never other over some there under where with".split())
_CONJUNCTIONS = frozenset("and or to nor und oder bis sowie et ou".split())
# Scripts written without spaces between words.
_BROKEN_ADDRESS = re.compile(r"(?:https?://|www\.)\S*[/_=&?#]$")
_ADDRESS_PART = re.compile(r"\S*[\d/_=&?#%]\S*(?:\s|$)")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u31f0-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003fffd]"
)


def clean(text: str, known: frozenset[str] = frozenset()) -> str:
    r"""Return the text in NFKC, without what can't be printed or stored, with whole words.

    Words hyphenated at line ends are joined, with their hyphen where it belongs to the word
    (`known`, as `words` returns them, helps to decide); tabs and runs of spaces become one
    space; line ends are `\n`, at most two together; nothing blank stands at the ends of lines.
    Private-use characters become what they are known to mean, else U+FFFD. Idempotent.
    """
    # Most text is plain; to ask so costs a hundredth of looking for what isn't.
    if not text.replace("\n", "").isprintable():
        # Removing can bring a letter beside its accent, so NFKC comes last.
        text = _REMOVED.sub("", _SOFT_HYPHEN_AT_END.sub("", text))
        text = _LINE_END.sub("\n", _UNKNOWN.sub("\ufffd", text.translate(_PRIVATE)))
        text = _SPACE.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2010", "-")
    if "  " in text:
        text = _SPACES.sub(" ", text)
    text = _MANY_LINE_ENDS.sub("\n\n", _SPACED_LINE_END.sub("\n", text)).strip(" \n")
    return _dehyphenate(text, known) if "-\n" in text else text


def join_lines(lines: Sequence[str], known: frozenset[str] = frozenset()) -> str:
    r"""Return the lines of one paragraph as flowing text: cleaned, words whole, no line ends.

    Lines of scripts without spaces are joined without one.
    """
    first, *rest = clean("\n".join(lines), known).split("\n")
    out = [first]
    for line in rest:
        if line:
            unspaced = out[-1] and _UNSPACED.match(out[-1][-1]) and _UNSPACED.match(line)
            unspaced = unspaced or (_BROKEN_ADDRESS.search(out[-1][-300:]) and _ADDRESS_PART.match(line))
            out.append(line if unspaced else f" {line}")
    return "".join(out).strip()


def cut_words(text: str) -> str:
    """Return the text with no word longer than WORD_CHARS; the same object when there is none."""
    return _ENDLESS_WORD.sub(r"\1", text) if len(text) > WORD_CHARS else text


def words(text: str) -> frozenset[str]:
    """Return the words of a text in small letters, those with hyphens as a whole, those broken at line ends not."""
    lines = text.lower().split("\n")
    for i, line in enumerate(lines):
        if line.rstrip().endswith(("-", "\u2010")) and i + 1 < len(lines):
            lines[i] = line.rstrip().rpartition(" ")[0]
            lines[i + 1] = lines[i + 1].lstrip().partition(" ")[2]
    return frozenset(_WORD.findall("\n".join(lines)))


def garbage_share(text: str) -> float:
    """Return the share, 0 to 1, of characters that stand for nothing a reader could read.

    Counted are control, private-use, replacement and non-characters and lone surrogates in raw text,
    before `clean`; white space and the private-use characters whose meaning is known are not.
    """
    if text.isprintable() and "\ufffd" not in text:
        return 0.0
    garbage = sum(ord(char) not in _PRIVATE for char in _GARBAGE.findall(text))
    if not garbage:
        return 0.0
    return garbage / max(1, sum(not char.isspace() for char in text))


def _dehyphenate(text: str, known: frozenset[str]) -> str:
    known = known or words(text)
    out: list[str] = []
    done = 0
    for match in _HYPHENATED.finditer(text):
        hyphen, end = match.span()
        last = _LAST_WORD.search(text, max(done, hyphen - 80), hyphen)
        first = _FIRST_WORD.match(text, end, end + 80)
        before, after = last[0].strip(_QUOTES) if last else "", first[0].strip(_QUOTES) if first else ""
        if after.lower() in _CONJUNCTIONS and (before + after).lower() not in known:
            continue
        out.append(text[done : hyphen if _is_one_word(before, after, known) else hyphen + 1])
        done = end
    out.append(text[done:])
    return "".join(out)


def _is_one_word(before: str, after: str, known: frozenset[str]) -> bool:
    """Whether the hyphen is the typesetter's (`inter-national`), not the word's (`COVID-19`, `well-known`)."""
    first, second = before.lower(), after.lower()
    hyphenated = f"{first}-{second}"
    if hyphenated in known:
        return False
    if first + second in known:
        return True
    # RNA-binding, T-cell, 2019-nCoV, Anglo-American, state-of-the-art keep it.
    if not (len(before) > 1 and before.isalpha() and before[1:].islower() and len(after) > 1 and after.isalpha()):
        return False
    if not after.islower() or hyphenated == "so-called":
        return False
    # Combining forms end in -o: `seropositive`.
    if second in _COMPOUND_SECOND and len(first) > 2 and first[-1] != "o" and first not in _PREFIXES:
        return False
    if _ENDING.fullmatch(second) or first in _CLOSED_FIRST:
        return True
    two_words = len(first) > 3 and len(second) > 3 and first in known and second in known
    return not two_words and first not in _COMPOUND_FIRST
