"""Holds lines of the log against the catalogue of events, and prints it: `python -m foliod.base.conform`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foliod.base.events import ALWAYS, BOUND, EVENTS, FIELDS, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

SHAPES: dict[Kind, tuple[type, ...]] = {
    "text": (str,),
    "path": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "texts": (list, tuple),
    "integers": (list, tuple),
    "object": (dict,),
}


def problems(record: Mapping[str, Any]) -> list[str]:
    """Return where a line of foliod's own log differs from the catalogue; empty when it conforms."""
    name = record.get("event")
    event = EVENTS.get(str(name))
    if event is None:
        return [f"{name}: no such event in the catalogue"]
    found = [f"{name}: level {record.get('level')}"] if record.get("level") not in event.levels.split() else []
    missing = event.required - record.keys()
    unknown = record.keys() - event.allowed - ALWAYS.keys() - BOUND.keys()
    found += [f"{name}: {field} is missing" for field in sorted(missing)]
    found += [f"{name}: {field} is not in the catalogue" for field in sorted(unknown)]
    for key in sorted(record.keys() - unknown):
        field = FIELDS.get(key) or BOUND.get(key) or ALWAYS[key]
        value = record[key]
        if not (isinstance(value, SHAPES[field.kind]) or (value is None and field.nullable)):
            found.append(f"{name}: {key} is {value!r}, not {field.kind}")
    return found


def markdown() -> str:
    """Return the catalogue as a page for people."""
    lines = [
        "# Events in foliod's log",
        "",
        "Made from `foliod.base.events`. Each line of the log is one JSON object with the fields below, and for what",
        "belongs to a request or a document, its ids. `?` marks fields that are not always there. Lines of libraries",
        "have the library's name as `logger` and its sentence as `event`.",
        "",
        "| Event | Level | Means | Fields |",
        "|---|---|---|---|",
    ]
    for name, event in EVENTS.items():
        fields = [f"`{key}`" for key in event.fields.split()] + [f"`{key}`?" for key in event.optional.split()]
        lines.append(f"| `{name}` | {event.levels.replace(' ', ', ')} | {event.meaning} | {', '.join(fields)} |")
    for title, known in (("Always there", ALWAYS), ("May be in any line", BOUND), ("Fields of events", FIELDS)):
        lines += ["", f"## {title}", "", "| Field | Type | Unit | Means |", "|---|---|---|---|"]
        for key, field in known.items():
            kind = field.kind + (" or null" if field.nullable else "")
            lines.append(f"| `{key}` | {kind} | {field.unit} | {field.meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 - this is what it is for
