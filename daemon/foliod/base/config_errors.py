"""What is wrong with a configuration, told by the place where the user wrote it.

That is the file with its line, the variable of the environment, or the command line.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from foliod.base.config import Settings, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

Table = dict[str, Any]
Place = tuple[str | int, ...]

PREFIX = "FOLIOD_"
SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
} | {"watch": Watch}
KINDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "string": "must be text in quotes",
    "path": "must be a path in quotes",
    "tuple": "must be a list",
}
"""What pydantic's error types mean, by how they start."""


def told(error: ValidationError, path: Path | None, text: str, tables: Sequence[Table]) -> str:
    """Return a line for each thing that is wrong.

    `text` is that of the file at `path`; `tables` are the file's, the environment's and the
    command line's values.
    """
    lines = []
    for problem in error.errors(include_url=False):
        place = tuple(problem["loc"])
        key = _key(place)
        lines.append(f"{_where(place, path, text, tables)}: {f'{key} ' if key else ''}{_wrong(problem, place)}")
    return "\n".join(dict.fromkeys(lines))


def misspelt(what: str, line: Sequence[str]) -> str:
    """Return what is wrong with a line that is no TOML, as tomllib calls it; `line` is empty where there is none."""
    written = line[0].partition("#")[0].strip() if line else ""
    if written.startswith("[") and what.startswith(("Cannot declare", "Cannot overwrite")):
        return f"the section {written} is there already; keep one, with all its keys below it"
    if what.startswith(("Cannot overwrite", "Cannot mutate")):
        return f"{written.partition('=')[0].strip()} is set a second time; keep one of the two"
    return f'{what[:1].lower()}{what[1:]}; a line reads key = value, with text in "quotes"'


def nearest(wrong: str, known: Mapping[str, Any], cutoff: float = 0.6) -> str:
    """Return "; did you mean …?" for a name that is nearly a known one, else nothing."""
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=cutoff)
    return f"; did you mean {near[0]}?" if near else ""


def _where(place: Place, path: Path | None, text: str, tables: Sequence[Table]) -> str:
    _, environment, arguments = tables
    if _holds(arguments, place):
        return "on the command line"
    if _holds(environment, place):
        return PREFIX + "__".join(str(part) for part in place or ("watch",) if not isinstance(part, int)).upper()
    if path is None:
        return "the configuration"
    line = _line(text, place)
    return f"{path}, line {line}" if line else str(path)


def _key(place: Place) -> str:
    """Return a key as it is written in the file: `[database] pool_size`."""
    match place:
        case ():
            return ""
        case ("watch", int(number), *rest):
            return " ".join([f"[[watch]] number {number + 1}", *map(str, rest[:1])])
        case (section, *rest) if section in SECTIONS:
            return " ".join([f"[{section}]", *map(str, rest[:1])])
        case _:
            return str(place[0])


def _wrong(problem: ErrorDetails, place: Place) -> str:
    """Say what is wrong with a value, without the value where that may be a secret."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        section = SECTIONS.get(str(place[0])) if len(place) > 1 else None
        known = (section or Settings).model_fields
        near = nearest(str(place[-1]), known)
        return "is not a known key" + (near or f"; known are {', '.join(sorted(known))}")
    if kind == "missing":
        return "is missing"
    said = {
        "value_error": str(context.get("error")),
        "literal_error": f"must be one of {str(context.get('expected')).replace(' or ', ', ').replace(chr(39), chr(34))}",
        "greater_than": f"must be more than {context.get('gt')}",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than": f"must be less than {context.get('lt')}",
        "less_than_equal": f"must be at most {context.get('le')}",
        "too_short": "must not be an empty list",
        "finite_number": "must be a finite number",
        "model_type": "must be a section: a line with its name in brackets, then its keys",
    }.get(kind) or next((words for start, words in KINDS.items() if kind.startswith(start)), problem["msg"])
    shown = problem["input"]
    # What looks like an address with a login may have come to a wrong key by mistake.
    secret = place in (("database",), ("database", "url"), ("database", "direct_url")) or (
        isinstance(shown, str) and "@" in shown
    )
    if kind == "value_error" or secret or not isinstance(shown, str | int | float):
        return said
    return f"{said}, not {json.dumps(shown, ensure_ascii=False)[:80]}"


def _holds(table: Any, place: Place) -> bool:
    """Say whether what is wrong at a place came from this source."""
    if not place:
        return "watch" in table
    for part in place:
        if isinstance(table, list) and isinstance(part, int):
            table = table[part]
        elif isinstance(table, dict) and not isinstance(part, int):
            if part not in table:
                return False
            table = table[part]
    # A section as a whole is wrong because of keys that may come from several sources.
    return len(place) > 1 or not isinstance(table, dict)


def _line(text: str, place: Place) -> int | None:
    """Return the line of a key in the file, counted from 1; None where it is not written plainly."""
    for number, section, key in _keys(text):
        match place:
            case ("watch", int(index), str(name), *_) if (section, key) == (f"watch {index}", name):
                return number
            case (str(part), str(name), *_) if (section, key) == (part, name):
                return number
            case (str(name),) if (not section and key == name) or (section == name and not key):
                return number
            case _:
                pass
    return None


def _keys(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, section and key of all lines that hold one; a section's own line has no key."""
    section, watched = "", -1
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[{1,2}\s*([\w.-]+)\s*\]", line):
            section = header[1]
            if section == "watch":
                watched += 1
                section = f"watch {watched}"
            yield number, section, ""
        elif key := re.match(r'\s*"?([\w-]+)"?\s*=', line):
            yield number, section, key[1]
