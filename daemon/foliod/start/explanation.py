"""How an explanation looks: the state and the reason first, then what the folder, the store and the pages say."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.text import Text

from foliod.start.show import pages, style
from foliod.start.terminal import Terminal, count, safe

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]
LATEST = 12
"""Entries of the history that are shown; --json has all."""


def show_explanation(terminal: Terminal, answer: Object) -> None:
    """Show the answer of `/v1/explain`."""
    out = terminal.out
    state = answer["state"] or "unknown"
    out.print(Text.assemble((safe(answer["path"]), "bold")), soft_wrap=True)
    lines = [("state", Text(state, style(state)))]
    lines += [(name, Text(safe(value))) for name, value in _lines(answer) if value]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        out.print(Text.assemble("  ", (f"{name:<{width}}", "dim"), "  ", value), soft_wrap=True)
    if answer["history"]:
        out.print(Text("  history", style="dim"))
        for entry in answer["history"][-LATEST:]:
            said = Text.assemble(f"{_when(entry['at'])}  ", (entry["state"], style(entry["state"])))
            if entry["reason"]:
                said.append(f": {safe(entry['reason'])}")
            out.print(Padding(said, (0, 0, 0, 4), expand=False), soft_wrap=True)
        if len(answer["history"]) > LATEST:
            terminal.say(f"These are the last {LATEST} of {len(answer['history'])}; --json has all.", "dim")


def _lines(answer: Object) -> Iterator[tuple[str, str | None]]:
    yield "because", answer["reason"]
    at = f" (at {_when(answer['next_at'])})" if answer["next_at"] else ""
    yield "next", answer["next"] and f"{answer['next']}{at}"
    yield "holds", ", ".join(f"{number:,} {state}" for state, number in answer["holds"].items())
    file, document, progress = answer["file"], answer["document"], answer["progress"]
    if file is not None:
        gone = f", missing since {_when(file['gone_at'])}" if file["gone_at"] else ""
        yield "file", f"{file['size']:,} bytes, seen {_when(file['seen_at'])}{gone}"
    if document is not None:
        title = f", {document['title']}" if document["title"] else ""
        yield "document", f"{document['id']}{title}"
        partial = " (some of its text is missing)" if document["partial"] else ""
        yield "text", f"{count(document['chunks'], 'passage')}{partial}" if document["chunks"] else None
        others = [path for path in document["paths"] if path != file["path"]]
        yield "also at", ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    if document is not None and document["pages"] is not None:
        verdicts = ", ".join(f"{number} {verdict}" for verdict, number in answer["verdicts"].items())
        yield "pages", f"{document['pages']:,}" + (f": {verdicts}" if verdicts else "")
        for run in answer["page_verdicts"]:
            if run["verdict"] not in ("text", "ocr", "empty"):
                yield "", f"{pages([run['first'], run['last']])}: {run['verdict']}"
    if progress is not None:
        ends = f", {count(progress['abnormal_ends'], 'abnormal end')}" if progress["abnormal_ends"] else ""
        yield "attempts", f"{progress['attempts']}{ends}" if progress["attempts"] or ends else None
        yield "held by", progress["held_by"] and progress["held_by"].partition(":")[0]


def _when(moment: str) -> str:
    """Return a time as people of this place write it down, to the second."""
    try:
        return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return moment  # "-infinity"
