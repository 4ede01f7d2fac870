"""What a document comes to that was read: its state, and what people are told of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from foliod.base.model import DocumentState, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foliod.base.errors import DocumentRefusedError
    from foliod.base.model import ReadSummary
    from foliod.ingest.backlog import Claim
    from foliod.ingest.tessdata import Tesseract
    from foliod.store.writer import TextWriter

MOST_CHARS = 2000
"""Of a reason."""


def told_of(message: str, file: str) -> str:
    """Return what went wrong with a file without its name: the same bytes may lie where others look, for whom it is stored."""
    return message.removeprefix(f"{file}: ")


def after_deaths(claim: Claim, refusal: DocumentRefusedError) -> tuple[str, str]:
    """Return state and reason of a refused document: what gives no text after pages were given up is quarantined."""
    if claim.set_aside and refusal.state in (DocumentState.DAMAGED, DocumentState.EMPTY):
        return DocumentState.FAILED, f"no page gave text: {claim.reason}"
    return refusal.state, refusal.message


def with_earlier(summary: ReadSummary, troubles: Mapping[str, Sequence[int]]) -> ReadSummary:
    """Return a summary that also says what other processes met on pages that were stored before this one read on."""
    said = [summary.partial] if summary.partial else []
    for trouble, pages in troubles.items():
        named = ", ".join(map(str, pages[:5])) + (" and others" if len(pages) > 5 else "")
        said.append(f"page {named} {trouble}")
    return replace(summary, partial="; ".join(said)[:MOST_CHARS] or None)


NOTE = " — "
"""What pages wait for stands behind it, at the end of a reason, and is replaced when that changes (`note_ocr`)."""


def nothing_to_search(verdicts: dict[Verdict, int], summary: ReadSummary, note: str | None) -> tuple[str, str]:
    """Return the state of a document that gave no text, and why; `note` is what pages wait for that need OCR."""
    pages = sum(verdicts.values())
    if summary.partial is not None and not (verdicts.get(Verdict.NEEDS_OCR) or verdicts.get(Verdict.GARBAGE)):
        return DocumentState.DAMAGED, f"no text could be read: {summary.partial}"
    if verdicts.get(Verdict.FAILED) == pages and pages:
        return DocumentState.DAMAGED, "not one page could be read; the file may be damaged"
    but = f"; {summary.partial}" if summary.partial else ""
    if scans := verdicts.get(Verdict.NEEDS_OCR):
        return DocumentState.NEEDS_OCR, _noted(
            f"{scans} of {pages} pages are pictures without text; they need OCR{but}", note
        )
    if garbage := verdicts.get(Verdict.GARBAGE):
        return DocumentState.NEEDS_OCR, _noted(
            f"the text of {garbage} of {pages} pages can't be decoded (their fonts name no letters); they need OCR{but}",
            note,
        )
    return (
        DocumentState.EMPTY,
        "the PDF has no text, and no picture that could hold any" if pages else "the PDF has no pages",
    )


def nothing_recognised(verdicts: dict[Verdict, int], trouble: str | None) -> tuple[str, str]:
    """Return the state of a document that gave no text by OCR either, and why; `trouble` as in `what_is_missing`."""
    pages = sum(verdicts.values())
    but = f"; {trouble}" if trouble else ""
    if failed := verdicts.get(Verdict.FAILED):
        # What the file itself is to blame for is damage; the rest is OCR's.
        state = DocumentState.DAMAGED if trouble else DocumentState.FAILED
        return state, f"no text could be read: {failed} of {pages} pages failed, before OCR or by it{but}"
    return DocumentState.EMPTY, f"OCR found no text in the pictures of its {pages} pages{but}"


def what_is_missing(verdicts: dict[Verdict, int], trouble: str | None, note: str | None) -> str | None:
    """Return what a searchable document lacks, or None when every page gave its text.

    `trouble` is what the reader says against it, `note` what pages wait for that need OCR.
    """
    pages = sum(verdicts.values())
    named = {
        Verdict.NEEDS_OCR: "are pictures without text and need OCR",
        Verdict.FAILED: "could not be read",
        Verdict.GARBAGE: "have text that can't be decoded",
    }
    parts = [f"{verdicts[v]} of {pages} pages {why}" for v, why in named.items() if verdicts.get(v)]
    if trouble is not None:
        parts.append(trouble)
    return _noted("; ".join(parts), note) if parts else None


async def finish_text(writer: TextWriter, tesseract: Tesseract, *, trouble: str | None, language: str) -> None:
    """Make a document searchable by the text that was written, and say what it lacks; see `what_is_missing`."""
    verdicts = await writer.verdicts()
    reason = what_is_missing(verdicts, trouble, await tesseract.note_for(verdicts))
    await writer.finish(
        state=DocumentState.STORED, partial=reason is not None, reason=reason, language=language, trouble=trouble
    )


def _noted(reason: str, note: str | None) -> str:
    return reason if note is None else reason + NOTE + note
