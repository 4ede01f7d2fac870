"""The state of the daemon at a glance: once, or again and again with bars that move."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from foliod.start.terminal import NARROW_CELLS, Terminal, count, safe

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

Object = dict[str, Any]

SEARCHABLE = ("stored", "ready")
UNREAD = ("queued", "reading")
LOOK_SECONDS = 1.0
BAR_CELLS = 24


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the dashboard; `done` and `total` make a bar."""

    label: str
    text: str
    style: str = ""
    done: int = 0
    total: int | None = None


def show_status(terminal: Terminal, status: Object) -> None:
    """Show the answer of `/v1/status` once."""
    if terminal.out.is_terminal:
        terminal.out.print(_table(status, terminal.out.width))
    else:
        for row in rows(status):
            terminal.out.print(Text(f"{row.label}: {row.text}"))


def watch_status(terminal: Terminal, look: Callable[[], Object], *, until: Callable[[Object], bool]) -> Object:
    """Show the status again and again until `until` says that it is enough; return the last one.

    Without a terminal a line is printed whenever the numbers change.
    """
    status = look()
    if not terminal.out.is_terminal:
        last = None
        while True:
            line = summary(status)
            if line != last:
                terminal.out.print(Text(line))
                last = line
            if until(status):
                return status
            time.sleep(LOOK_SECONDS)
            status = look()
    with Live(_table(status, terminal.out.width), console=terminal.out, auto_refresh=False) as live:
        while not until(status):
            time.sleep(LOOK_SECONDS)
            status = look()
            live.update(_table(status, terminal.out.width), refresh=True)
    return status


def summary(status: Object) -> str:
    """Return one line: how far reading and embedding are."""
    return "; ".join(
        f"{row.label.lower()}: {row.text}" for row in rows(status) if row.total is not None or row.label == "Problem"
    )


def rows(status: Object) -> list[Row]:
    """Return what there is to say; all texts are safe to print."""
    found = [Row("foliod", f"{status['version']}, {status['state']}, up {duration(status['uptime_s'])}")]
    found += _configuration(status.get("configuration") or {})
    if status["state"] == "waiting" and (waiting := status["backlog"].get("waiting")):
        found.append(Row("Waiting for", safe("; ".join(waiting)), "yellow"))
    found += [_database(status["database"]), _ollama(status["ollama"])]
    if status["documents"] is not None:
        found += _progress(status)
    found += [_root(root) for root in status["roots"]]
    found += [*_needs(status), *_shipping(status.get("logs") or {})]
    if not status["roots"] and status["documents"] is not None:
        found.append(Row("Watching", "no folder; name one with --watch or [[watch]]", "yellow"))
    return found


def duration(seconds: float) -> str:
    """Return a time for people: "12 s", "3 min", "2 h 10 min", "4 d 3 h"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if hours == 0:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days == 0 else f"{days} d {hours % 24} h"


def _configuration(configuration: Object) -> list[Row]:
    if error := configuration.get("error"):
        return [Row("Settings", f"not reloaded: {safe(error)}", "yellow")]
    if keys := configuration.get("restart_needed"):
        return [Row("Settings", f"a restart is needed for {safe(', '.join(keys))}", "yellow")]
    return []


def _database(database: Object) -> Row:
    kind = "embedded PostgreSQL" if database.get("embedded") else "PostgreSQL"
    if database["reachable"] and not database.get("error"):
        return Row("Database", f"{kind}, reachable")
    return Row("Database", f"{kind}: {safe(database.get('error') or 'not reachable')}", "yellow")


def _ollama(ollama: Object) -> Row:
    if not ollama["reachable"]:
        reason = safe(ollama.get("error") or "not reachable")
        return Row("Ollama", f"{reason}. Search goes by keyword, answers are quoted.", "yellow")
    models = " and ".join(safe(ollama[model]) for model in ("embed_model", "chat_model") if ollama[model].strip())
    if missing := ollama.get("missing"):
        pulls = ", ".join(f"ollama pull {safe(model)}" for model in missing)
        return Row("Ollama", f"reachable; missing models: {pulls}", "yellow")
    if error := ollama.get("error"):
        return Row("Ollama", f"reachable, but {safe(error)}. Documents wait for their vectors.", "yellow")
    return Row("Ollama", f"reachable, with {models}")


def _progress(status: Object) -> list[Row]:
    documents: dict[str, int] = {state: n for state, n in status["documents"].items() if n}
    total = sum(documents.values())
    read = total - sum(documents.get(state, 0) for state in UNREAD)
    searchable = sum(documents.get(state, 0) for state in SEARCHABLE)
    vectors, backlog = status["vectors"], status["backlog"]
    left = "" if not backlog.get("eta_s") else f", about {duration(backlog['eta_s'])} left"
    speed = f", {backlog['pages_per_s']:g} pages/s" if backlog.get("pages_per_s") and read < total else ""
    found = [
        Row(
            "Documents",
            f"{read:,} of {total:,} read, {searchable:,} searchable{speed}{left if read < total else ''}",
            done=read,
            total=total,
        )
    ]
    if vectors["want"]:
        have, want = vectors["have"], vectors["want"]
        text = f"{have:,} of {want:,}{left if read == total and have < want else ''}"
        if refused := vectors.get("refused"):
            text += f"; {count(refused, 'passage')} refused by the model, found by keyword only"
        found.append(Row("Vectors", text, done=have, total=want))
    if (reembedding := status.get("reembedding")) is not None:
        found.append(_reembedding(reembedding))
    if total:
        found.append(Row("States", ", ".join(f"{safe(state)} {n:,}" for state, n in documents.items())))
    holds = f"{count(status['files'], 'file')}, {count(status['pages'], 'page')}, {count(status['chunks'], 'passage')}"
    found.append(Row("Holding", holds))
    return found


def _reembedding(now: Object) -> Row:
    """Return how far a change of the embedding model is."""
    text = f"{now['have']:,} of {now['want']:,} texts by {safe(now['model'])}"
    if now["phase"] == "indexing":
        text += ", being indexed"
    elif now["per_s"] and now["have"] < now["want"]:
        text += f", {now['per_s']:g}/s"
        text += f", about {duration(now['eta_s'])} left" if now["eta_s"] else ""
    if now["refused"]:
        text += f"; {count(now['refused'], 'passage')} refused by it"
    if now["error"]:
        text += f"; waits: {safe(now['error'])}"
    return Row("New vectors", text, done=now["have"], total=now["want"])


def _root(root: Object) -> Row:
    text = f"{safe(root['path'])}: {count(root['files'], 'file')}"
    if root.get("settling"):
        text += f", {root['settling']} still changing"
    if root.get("unfinished"):
        text += f" ({root['unfinished']} of them still being written, as it seems)"
    if root.get("unreadable"):
        text += f", {root['unreadable']} unreadable"
    if root.get("problem"):
        text += f"; {safe(root['problem'])}" + (f"; {safe(root['fix'])}" if root.get("fix") else "")
    if root["state"] == "ok" and root.get("noticed_by") == "sweeps":
        return Row("Watching", f"{text}; there are no events: {safe(root.get('noticed_reason') or '')}", "yellow")
    if root["state"] == "ok":
        return Row("Watching", text, "yellow") if root.get("unreadable") else Row("Watching", text)
    return Row("Watching", f"{text}; {safe(root.get('reason') or root['state'])}", "yellow")


def _needs(status: Object) -> list[Row]:
    """Return what locked and scanned documents wait for."""
    found = [
        Row("Passwords", safe(file["problem"]), "yellow") for file in status.get("passwords", ()) if file["problem"]
    ]
    ocr = status.get("ocr")
    if ocr and ocr.get("pages_waiting"):
        pages = count(ocr["pages_waiting"], "page")
        if ocr["problem"]:
            found.append(Row("OCR", f"{pages} to recognise; {safe(ocr['problem'])}", "yellow"))
        else:
            found.append(Row("OCR", f"{pages} to recognise, when no other document waits"))
    return found


def _shipping(logs: Object) -> list[Row]:
    """Return what keeps the log from Better Stack."""
    shipping = logs.get("betterstack") or {}
    told = (
        [] if not shipping.get("error") else [f"{safe(shipping['error'])}; {count(shipping['waiting'], 'line')} wait"]
    )
    told += [f"{count(shipping['dropped'], 'line')} dropped"] if shipping.get("dropped") else []
    return [Row("Better Stack", "; ".join(told), "yellow")] if told else []


def _table(status: Object, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for row in rows(status):
        if row.total is None:
            table.add_row(row.label, Text(row.text, row.style))
            continue
        bar = ProgressBar(total=max(row.total, 1), completed=row.done, width=BAR_CELLS)
        if width < NARROW_CELLS:
            table.add_row(row.label, bar)
            table.add_row("", row.text)
        else:
            both = Table.grid(padding=(0, 2))
            both.add_row(bar, Text(row.text))
            table.add_row(row.label, both)
    return table
