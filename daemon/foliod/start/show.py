"""How answers, hits, documents and checks look on a terminal, and without one."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from foliod.start.hyperlinks import linked, page_of, path_here
from foliod.start.terminal import NARROW_CELLS, Flow, Terminal, count, safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rich.status import Status

Object = dict[str, Any]

SNIPPET_CHARS = 400
STYLES = {
    "ready": "green",
    "stored": "cyan",
    "queued": "dim",
    "reading": "dim",
    "failed": "red",
    "damaged": "red",
    "ok": "green",
    "warn": "yellow",
    "fail": "bold red",
}
"""Colours of states and verdicts; all other states are yellow."""


def style(state: str) -> str:
    """Return the colour of a state."""
    return STYLES.get(state, "yellow")


def pages(first_last: Sequence[int]) -> str:
    """Return "page 3" or "pages 3-4"."""
    first, last = first_last
    return f"page {first}" if first == last else f"pages {first}\N{EN DASH}{last}"


def title(document: Mapping[str, Any]) -> str:
    """Return what to call a document: its title, else its file's name."""
    path = document.get("path")
    return safe(document.get("title") or (os.path.basename(path) if path else f"document {document['id']}"))


class Answer:
    """Shows an answer while it is written: words and sources to standard output, all else to standard error."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._answer = Flow(terminal.out)
        self._thinking = Flow(terminal.err, "dim")
        self._thought = False
        self._waiting: Status | None = None
        self._wait("looking for passages")

    def show(self, event: Object) -> None:
        """Show one event of `/v1/ask` (an error is not one of them)."""
        kind = event.get("type")
        if kind == "sources":
            self._wait(f"reading {count(len(event['hits']), 'passage')}")
        elif kind == "thinking":
            self._rest()
            self._thought = True
            self._thinking.write(event["text"])
        elif kind == "token":
            self._rest()
            self._end_thinking()
            self._answer.write(event["text"])
        elif kind == "done":
            self.end()
            self._sources(event)
            self._footer(event)

    def end(self) -> None:
        """End what is being written, also when the answer broke off."""
        self._rest()
        self._end_thinking()
        self._answer.end()

    def _sources(self, done: Object) -> None:
        out = self._terminal.out
        by_number: dict[int, list[Object]] = {}
        for citation in done["citations"]:
            by_number.setdefault(citation["n"], []).append(citation)
        quoted = done["generator"] == "quotes"
        if by_number:
            heading = (
                "Sources (the closest sentences, quoted; no model judged whether they answer)" if quoted else "Sources"
            )
            out.print()
            out.print(Text(heading, style="bold"))
        elif not quoted and done.get("answered", True):
            self._terminal.say("The answer names no passage; check it against the documents.", "yellow")
        for n, citations in sorted(by_number.items()):
            document = citations[0]["document"]
            name = linked(out, title(document), path_here(document), page_of(citations[0]))
            out.print(Text.assemble((f"[{n}] ", "bold"), name, ", ", pages(citations[0]["pages"])))
            # A quoted answer is its quotes: they stand above already.
            lines = [] if quoted else [_quote(c) for c in citations if c["quote"]]
            lines += _place(document)
            for line in lines:
                out.print(Padding(line, (0, 0, 0, 4), expand=False))

    def _footer(self, done: Object) -> None:
        seconds = done["timings_ms"]["total"] / 1000
        by = f"by {safe(done['model'])}" if done["model"] else "without a model"
        self._terminal.err.print()
        self._terminal.say(f"{by}, {_searched(done['mode'], done['coverage'])}, {seconds:.1f} s", "dim")
        _doubt(self._terminal, done)
        _warn(self._terminal, done)

    def _wait(self, what: str) -> None:
        if not self._terminal.err.is_terminal:
            return
        if self._waiting is None:
            self._waiting = self._terminal.err.status(what)
            self._waiting.start()
        else:
            self._waiting.update(what)

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None

    def _end_thinking(self) -> None:
        if self._thought:
            self._thinking.end()
            self._terminal.err.print()
            self._thought = False


def show_hits(terminal: Terminal, answer: Object) -> None:
    """Show the answer of `/v1/search`."""
    out = terminal.out
    for hit in answer["hits"]:
        name = linked(out, title(hit["document"]), path_here(hit["document"]), page_of(hit), "bold")
        out.print(Text.assemble((f"{hit['rank']}. ", "bold"), name, ", ", pages(hit["pages"])))
        snippet = safe(hit["text"])
        if len(snippet) > SNIPPET_CHARS:
            snippet = snippet[:SNIPPET_CHARS].rsplit(" ", 1)[0] + " \N{HORIZONTAL ELLIPSIS}"
        lines = [Text(snippet)]
        if hit.get("heading"):
            lines.insert(0, Text(safe(hit["heading"]), style="italic"))
        lines += _place(hit["document"])
        for line in lines:
            out.print(Padding(line, (0, 0, 0, 3), expand=False))
        out.print()
    found = count(len(answer["hits"]), "passage")
    terminal.say(f"{found}, {_searched(answer['mode'], answer['coverage'])}, {answer['took_ms']:.0f} ms", "dim")
    _warn(terminal, answer)


def _place(document: Object) -> list[Text]:
    """Return the line that says where a document lies, also on which host when that is another one."""
    path, host = document.get("path"), document.get("host")
    return [Text(safe(f"{host}: {path}" if host else path), style="dim")] if path else []


def show_documents(terminal: Terminal, answer: Object) -> None:
    """Show documents: a table on a terminal, else a line each with tabs between the fields."""
    documents = answer["documents"]
    if not terminal.out.is_terminal:
        for d in documents:
            fields = [d["id"], d["state"], d["pages"], d["title"], d["path"], _trouble(d)]
            # Not through rich, which makes spaces of tabs.
            terminal.out.file.write("\t".join("" if field is None else safe(field) for field in fields) + "\n")
    elif terminal.out.width < NARROW_CELLS:
        for d in documents:
            number = "" if d["pages"] is None else f", {count(d['pages'], 'page')}"
            terminal.out.print(Text.assemble(f"{d['id']}. ", (d["state"], style(d["state"])), number))
            terminal.out.print(Padding(_described(d), (0, 0, 0, 3), expand=False))
    else:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("id", justify="right", no_wrap=True)
        table.add_column("state", no_wrap=True)
        table.add_column("pages", justify="right", no_wrap=True)
        table.add_column("document", overflow="fold")
        for d in documents:
            number = "" if d["pages"] is None else f"{d['pages']:,}"
            table.add_row(str(d["id"]), Text(d["state"], style(d["state"])), number, _described(d))
        if documents:
            terminal.out.print(table)
    if not documents:
        terminal.say("no documents", "dim")
    if answer.get("cursor") is not None:
        terminal.say(f"These are the first {len(documents)}; --limit 0 shows all.", "dim")


def _described(document: Mapping[str, Any]) -> Text:
    """Return a document's title, path and trouble, each on a line of its own."""
    text = Text(title(document))
    for line, colour in ((document["path"], "dim"), (_trouble(document), "yellow")):
        if line:
            text.append("\n").append(safe(line), colour)
    return text


def _trouble(document: Mapping[str, Any]) -> str | None:
    """Return why a document is not searchable, or not all of it."""
    return document["reason"] or ("some of its text is missing" if document["partial"] else None)


def show_checks(terminal: Terminal, checks: Iterable[Object]) -> None:
    """Show what the doctor found."""
    for check in checks:
        text = Text.assemble((safe(check["name"]), "bold"), ": ", safe(check["message"]))
        if check["fix"]:
            text.append(f"\n\N{RIGHTWARDS ARROW} {safe(check['fix'])}", "cyan")
        table = Table.grid(padding=(0, 1))
        table.add_row(Text(f"{check['status']:<4}", style(check["status"])), text)
        if terminal.out.is_terminal:
            terminal.out.print(table)
        else:
            indented = text.plain.replace("\n", "\n     ")
            terminal.out.print(Text(f"{check['status']:<4} {indented}"))


def show_settings(terminal: Terminal, settings: Object, source: Path | None) -> None:
    """Show settings as a configuration file; what is unset is a comment."""
    terminal.say(f"# from {source}, the environment and the defaults" if source else "# no configuration file is read")
    sections = [("", {key: value for key, value in settings.items() if not isinstance(value, dict | list)})]
    sections += [("[[watch]]", watch) for watch in settings["watch"]]
    sections += [(f"[{key}]", value) for key, value in settings.items() if isinstance(value, dict)]
    for number, (header, table) in enumerate(sections):
        lines = [header] if header else []
        lines += [
            f"# {key} is not set" if value is None else f"{key} = {json.dumps(value, ensure_ascii=False)}"
            for key, value in table.items()
        ]
        terminal.out.print(Text("\n" * bool(number) + safe("\n".join(lines), lines=True)), soft_wrap=True)


def _searched(mode: str, coverage: Object) -> str:
    by = {"keyword": "by keyword", "vector": "by meaning", "hybrid": "by keyword and meaning"}.get(mode, mode)
    return f"found {by} in {count(coverage['documents'], 'document')}"


def _quote(citation: Object) -> Text:
    quote = f"\N{LEFT DOUBLE QUOTATION MARK}{safe(citation['quote'])}\N{RIGHT DOUBLE QUOTATION MARK}"
    # Null is not known: an older daemon, or a database that went away.
    return Text.assemble(
        quote, (" (does not stand in the document any more)", "yellow") if citation["verified"] is False else ""
    )


def _doubt(terminal: Terminal, done: Object) -> None:
    """Say what of a written answer does not stand in its sources."""
    for sentence in done.get("unsupported", ()):
        quote = f"\N{LEFT DOUBLE QUOTATION MARK}{safe(sentence['text'])}\N{RIGHT DOUBLE QUOTATION MARK}"
        terminal.say(f"Not found in the sources: {quote} ({safe(sentence['why'])})", "yellow")
    if invented := done.get("invented"):
        numbers = ", ".join(f"[{n}]" for n in invented)
        terminal.say(f"The model named sources that there are not: {numbers}", "yellow")


def _warn(terminal: Terminal, answer: Object) -> None:
    """Say what an answer could not see, and why it is not what was asked for."""
    coverage = answer["coverage"]
    if coverage["pending"]:
        terminal.say(
            f"{count(coverage['pending'], 'document')} still to be read; ask again later for all of it.", "yellow"
        )
    for gap in coverage.get("unread", ()):
        where = ", ".join(pages(run) for run in gap["pages"])
        named = f"{title(gap['document'])}, {where}" if where else title(gap["document"])
        terminal.say(f"Not read: {named} ({safe(gap['reason'])})", "yellow")
    if coverage["unread_pages"]:
        of = f" of {coverage['pages']:,}" if coverage.get("pages") else ""
        terminal.say(f"{count(coverage['unread_pages'], 'page')}{of} could not be read.", "yellow")
    with contextlib.suppress(KeyError):  # older daemons
        if answer["note"]:
            terminal.say(f"Note: {safe(answer['note'])}", "yellow")
