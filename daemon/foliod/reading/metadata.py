"""What a PDF says about itself, made trustworthy: titles that are titles, dates that exist."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from foliod.text.normalize import clean

if TYPE_CHECKING:
    from foliod.base.model import Page

MAX_CHARS = 300
"""Longer titles and lists of authors are cut."""

_PROGRAM = re.compile(
    r"(?i)(?:microsoft (?:word|powerpoint|excel|office)\b|powerpoint pr[eé]sentation|presentation\d*$|slide ?\d*$"
    r"|layout ?\d*$|document ?\d*$|dokument ?\d*$|book ?\d*$|sheet ?\d*$|no job name|print(?:ing)?$|scan\w*[ _-]?\d*$"
    r"|untitled|unbenannt|sans (?:titre|nom)|sin t[ií]tulo|titel?$|title(?: page)?$|none$|null$|unknown$|doi:|pii:|https?:)"
)
_SECTION = re.compile(
    r"(?i)(?:table of )?contents|abstract|summary|introduction|preface|index|acknowledge?ments?|inhalt(?:sverzeichnis)?"
    r"|vorwort|einleitung|zusammenfassung|table des mati[eè]res|sommaire|r[eé]sum[eé]|[ií]ndice|resumen|confidential"
)
_FILE = re.compile(
    r"(?i).*\.(?:pdf|docx?|odt|rtf|tex|dvi|e?ps|indd|qxd|qxp|p65|fm|pptx?|odp|xlsx?|html?|txt|md|cdr|ai|jpe?g|png|tiff?|pub|wpd)"
)
_DATE = re.compile(
    r"(?:D:)?\s*(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d))?)?)?)?)?"
    r"\s*(?:(Z)|([+-])(\d\d)'?(\d\d)?'?)?.*"
)


def sane(raw: object) -> str | None:
    """Return a metadata entry as one clean line of at most MAX_CHARS, or None when it says nothing."""
    if not isinstance(raw, str):
        return None
    # Cleaning a megabyte of author would take longer than reading the page.
    text = " ".join(clean(raw[: 8 * MAX_CHARS]).split())
    if len(text) > MAX_CHARS:
        text = text[: MAX_CHARS - 1].rsplit(" ", 1)[0] + "…"
    return text if any(char.isalnum() for char in text) else None


def sensible_title(raw: object, name: str) -> str | None:
    """Return a PDF's own title, or None when it is a program's or a file's name rather than a title.

    Args:
        raw: what the PDF says.
        name: name of the file.
    """
    title = sane(raw)
    if title is None or _PROGRAM.match(title) or _FILE.fullmatch(title):
        return None
    if " " not in title:
        stem = name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
        # One "word" with many digits, underscores or path separators is a number or a file's name.
        if title.casefold() == stem.casefold() or re.search(r"\d{3}|[_/\\]", title) or len(title) < 3:
            return None
    return title


def title_of(page: Page) -> str | None:
    """Return the largest heading of a document's first page, or None when none can be a title."""
    for heading in sorted(page.headings, key=lambda heading: (heading.level, heading.offset)):
        if not _SECTION.fullmatch(heading.text) and (heading.level <= 2 or heading.offset == 0):
            return sane(heading.text)
    return None


def parse_date(raw: object) -> datetime | None:
    """Return a PDF date (ISO 32000, 7.9.4) or an ISO 8601 date, or None when there is no such day.

    A date without a time zone is taken as UTC.
    """
    if not isinstance(raw, str) or len(raw) > 64:
        return None
    try:
        date = _iso(raw) if re.match(r"\s*\d{4}-", raw) else _pdf_date(raw)
    except (ValueError, OverflowError):
        return None
    # Times near the ends of the calendar leave it in other time zones.
    return date if date is not None and 1900 <= date.year <= 2200 else None


def _iso(raw: str) -> datetime:
    date = datetime.fromisoformat(raw.strip())
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _pdf_date(raw: str) -> datetime | None:
    match = _DATE.fullmatch(raw.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, _, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    return datetime(
        int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=zone
    )
