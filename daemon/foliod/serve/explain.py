"""Everything that is known of a path, for people who ask why: what was seen when, what came of it, what happens next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from foliod.base.access import columns
from foliod.base.errors import NotFoundError
from foliod.base.model import DocumentState, Verdict
from foliod.base.paths import bounds, display, without_paths
from foliod.serve.request import document_row, moment

if TYPE_CHECKING:
    import asyncpg

    from foliod.base.access import Access
    from foliod.serve.services import Pipeline
    from foliod.store.database import Database

AGAIN = "it is read again when the file changes, or with: foliod retry"
"""What happens next to documents that stay as they are."""
NOTHING = "nothing by itself; "
INSPECT_SECONDS = 10.0
"""A folder that shows nothing for so long lies on a file system that hangs, or is being swept for a very long time."""
END_STATES = {
    DocumentState.NOT_PDF: NOTHING + AGAIN,
    DocumentState.UNSUPPORTED: NOTHING + AGAIN,
    DocumentState.DAMAGED: NOTHING + AGAIN,
    DocumentState.EMPTY: NOTHING + AGAIN,
    DocumentState.FAILED: "it is set aside so that others go on; " + AGAIN,
    DocumentState.NEEDS_PASSWORD: "it is tried again when the file that passwords_file names changes",
    DocumentState.NEEDS_OCR: "its pages are read by OCR as soon as Tesseract's language data is there",
}


async def explain(db: Database, pipeline: Pipeline, path: bytes, access: Access | None) -> dict[str, Any]:
    """Return what folder and store know of a path on this host, as far as a client may see it.

    `{path, state, reason, next, next_at, folder, holds, file, document, verdicts, page_verdicts, progress, history}`;
    what there is nothing of is null or empty. `holds` counts the files below a folder by state. Raises
    NotFoundError for a path that lies in no watched folder and is not known.
    """
    unknown = NotFoundError(f"{display(path)} lies in no watched folder, and nothing is known of it")
    if access is not None and not access.reads(path):
        raise unknown
    seen = await _inspected(pipeline, path)
    file = await db.fetchrow("file_at", pipeline.host, path, display(path))
    # A name that is not UTF-8 is found by how it is shown, which another file's may equal.
    if file is not None and access is not None and not access.reads(file["path"]):
        file = None
    if file is not None and seen is None:
        seen = await _inspected(pipeline, file["path"])
    if file is None and seen is None:
        raise unknown
    answer: dict[str, Any] = {
        "path": display(path),
        "state": None,
        "reason": None,
        "next": None,
        "next_at": None,
        "folder": seen,
        "holds": {},
        "file": None if file is None else _file(file),
        "document": None,
        "verdicts": {},
        "page_verdicts": [],
        "progress": None,
        "history": [],
    }
    if file is not None and file["document_id"] is not None:
        answer |= await _document(db, pipeline, file["document_id"], access)
    elif file is None:
        rows = await db.fetch("states_below", pipeline.host, *bounds(path), *columns(access))
        answer["holds"] = {row["state"]: row["files"] for row in rows}
    answer |= _summary(answer)
    return answer


async def _inspected(pipeline: Pipeline, path: bytes) -> dict[str, Any] | None:
    """Return what the folder shows; a file system that hangs is not waited for."""
    try:
        async with asyncio.timeout(INSPECT_SECONDS):
            return await pipeline.inspect(path)
    except TimeoutError:
        return {
            "root": None,
            "verdict": "busy",
            "reason": f"the folder did not answer within {INSPECT_SECONDS:g} s",
            "next": "ask again; if it stays so, its file system hangs",
            "at": None,
            "stat": None,
        }


def _file(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "path": row["display"],
        "root": row["root"],
        "size": row["size"],
        "document": row["document_id"],
        "reason": row["reason"],
        "seen_at": moment(row["seen_at"]),
        "gone_at": moment(row["gone_at"]),
    }


async def _document(db: Database, pipeline: Pipeline, number: int, access: Access | None) -> dict[str, Any]:
    rows = await db.fetch("list_documents", None, None, None, number - 1, 1, *columns(access))
    progress = await db.fetchrow("document_progress", number)
    if not rows or rows[0]["id"] != number or progress is None:
        return {}  # removed meanwhile
    runs = [dict(row) for row in await db.fetch("verdict_runs", number)]
    history = await db.fetch("document_history", number)
    trouble = pipeline.trouble("embedder" if rows[0]["state"] == DocumentState.STORED else "reader")
    return {
        "document": document_row(rows[0]),
        "verdicts": verdict_counts(runs),
        "page_verdicts": runs,
        "progress": {
            "attempts": progress["attempts"],
            "abnormal_ends": progress["deaths"],
            "pages_given_up": progress["set_aside"],
            "pages_stored": progress["pages_stored"],
            "vectors_missing": progress["vectors_missing"],
            # Of others' documents, and of what the daemon has on its hands, only those learn who may see all.
            "documents_ahead": progress["ahead"] if access is None else None,
            "held_by": progress["lease_owner"] if access is None else None,
            "held_until": moment(progress["lease_until"]),
            "next_attempt_at": moment(progress["next_attempt_at"]),
            "waiting_for": trouble if access is None else trouble and without_paths(trouble),
        },
        "history": [
            {
                "at": moment(row["at"]),
                "state": row["state"],
                "reason": row["reason"],
                "by": row["owner"] if access is None else None,
            }
            for row in history
        ],
    }


def verdict_counts(runs: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many pages have which verdict, from runs of pages with one verdict."""
    counts: dict[str, int] = {}
    for run in runs:
        counts[run["verdict"]] = counts.get(run["verdict"], 0) + run["last"] - run["first"] + 1
    return counts


def _summary(answer: dict[str, Any]) -> dict[str, Any]:
    """Return state, reason, and what happens next and when: of the folder first, for it comes before the store."""
    folder, file, document = answer["folder"], answer["file"], answer["document"]
    if file is not None and file["gone_at"] is not None:
        return {
            "state": "gone",
            "reason": "the file is missing",
            "next": "it leaves the answers when the grace period is over ([ingest] grace_seconds), unless it comes back"
            if folder is not None
            else "it is kept: its folder is not watched any more; foliod forget removes it",
        }
    if answer["holds"] and (folder is None or folder["verdict"] == "folder"):
        step = "foliod documents --folder lists the documents in it"
        if unread := answer["holds"].get("unread"):
            step += f"; {unread:,} unread here, and in no list: foliod explain FILE, and the log (file_unread), say why"
        if folder is None:
            return {"state": "folder", "next": step}
        return {"state": "folder", "reason": folder["reason"], "next": f"{folder['next']}; {step}"}
    if document is None or (folder is not None and folder["verdict"] not in ("known", "busy")):
        if folder is None:
            return {"state": "unread", "reason": file and file["reason"], "next": NOTHING + AGAIN}
        reason = folder["reason"] if file is None or file["reason"] is None else file["reason"]
        return {"state": folder["verdict"], "reason": reason, "next": folder["next"], "next_at": folder["at"]}
    step, at = _next(document, answer["progress"])
    waiting = sum(answer["verdicts"].get(verdict, 0) for verdict in (Verdict.NEEDS_OCR, Verdict.GARBAGE))
    if waiting and document["state"] in (DocumentState.STORED, DocumentState.READY):
        step = f"{step}; {waiting:,} of its pages wait for OCR"
    return {"state": document["state"], "reason": document["reason"], "next": step, "next_at": at}


def _next(document: dict[str, Any], progress: dict[str, Any]) -> tuple[str, str | None]:
    """Return what happens next to a document, and when."""
    match document["state"]:
        case DocumentState.QUEUED if document["next_attempt_at"] is not None:
            return "it is tried again", document["next_attempt_at"]
        case DocumentState.QUEUED:
            ahead = progress["documents_ahead"]
            before = {None: "", 0: ": it is the next"}.get(ahead, f": {ahead or 0:,} others are read before it")
            return _but(f"it waits to be read{before}", progress), None
        case DocumentState.READING:
            pages = document["pages"]
            return f"it is being read: {progress['pages_stored']} of {pages or 'unknown'} pages are stored", None
        case DocumentState.STORED:
            missing = progress["vectors_missing"]
            step = f"{missing:,} of {document['chunks']:,} passages still get their vectors; keyword search finds all"
            return _but(step, progress), None
        case DocumentState.READY:
            return "nothing: it can be found by keyword and by meaning", None
    return END_STATES[DocumentState(document["state"])], None


def _but(step: str, progress: dict[str, Any]) -> str:
    return f"{step}; at the moment: {progress['waiting_for']}" if progress["waiting_for"] else step
