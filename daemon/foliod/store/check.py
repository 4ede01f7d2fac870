"""Checks the whole store, changes nothing: every missing, duplicated, orphaned or half-stored row is a finding.

All of it is seen in one snapshot, so that a daemon at work does not matter: what it has committed is whole,
and what is under way (a claimed document with some of its pages) is no finding. Memory does not grow
with the store: PostgreSQL compares the rows, and the texts come in a stream.
"""

from __future__ import annotations

import shlex
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from foliod.base.assets import asset
from foliod.base.errors import SchemaError
from foliod.base.paths import bounds
from foliod.store.address import address_of
from foliod.store.connection import connect, prepare
from foliod.store.migrate import load_migrations
from foliod.store.proofread import proofread
from foliod.store.statements import Transaction, load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

EXAMPLES: Final = 20
"""Findings of one kind that are told; the others are counted."""
PATIENT: Final = ("idle_in_transaction_session_timeout", "statement_timeout", "transaction_timeout")
"""Limits of the server (the last of 17 and later) that would end a snapshot which others read in for hours."""
LATE_SECONDS: Final = 300.0
"""A daemon that runs extends its claims, and forgets what is due, long before."""
READ_AGAIN: Final = "foliod retry {file}"
REINDEX: Final = "reindex the database (REINDEX SCHEMA foliod), then check again"
REPORT: Final = "this should never happen: report it, with what you see here"
RECOUNT: Final = (
    "stop foliod, and run in the database: TRUNCATE foliod.lexicon; INSERT INTO foliod.lexicon SELECT t, count(*) "
    "FROM foliod.chunk_terms, unnest(terms) t GROUP BY t"
)
BY_ITSELF: Final = "a running foliod mends this by itself within the hour"


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold: the query that finds where it does not, what that means, and how to mend it."""

    query: str
    message: str
    fix: str
    passing: bool = False
    """Whether a running daemon puts it right without being asked."""


RULES: Final = (
    Rule("check_duplicates", "there is more than one row for one thing: {what}", REINDEX),
    Rule("check_orphans", "a row belongs to nothing: {what}", REPORT),
    Rule("check_indexes", "PostgreSQL does not vouch for {what}", REINDEX),
    Rule("check_states", "its record contradicts itself: {what}", READ_AGAIN),
    Rule("check_history", "its history does not end with what it is: {what}", REPORT),
    Rule("check_claims", "its claim contradicts its state: {what}", "restart foliod: it frees what it had claimed"),
    Rule("check_pages_in_a_row", "its pages are not in a row: {what}", READ_AGAIN),
    Rule("check_pages_complete", "pages are missing, and it is not marked as read in part: {what}", READ_AGAIN),
    Rule("check_verdicts", "a page is not what its verdict says: {what}", READ_AGAIN),
    Rule("check_ocr", "pages wait for OCR, and will not get it: {what}", READ_AGAIN),
    Rule("check_chunk_counts", "it has not the chunks that it should have: {what}", READ_AGAIN),
    Rule("check_terms", "chunks and their terms do not belong together: {what}", READ_AGAIN),
    Rule("check_lexicon", "the counts that keyword search weighs words by are wrong: {what}", RECOUNT),
    Rule("check_vectors", "it is said to be ready, and can't be found by meaning as a whole: {what}", READ_AGAIN),
    Rule("check_dimensions", "a vector does not fit its space: {what}", REPORT),
    Rule("check_spaces", "search by meaning is slow or wrong: {what}", REPORT),
    Rule("check_files", "the record of a file contradicts itself: {what}", REPORT),
    Rule("check_unused_vectors", "a vector is left that no text uses: {what}", BY_ITSELF, passing=True),
    Rule("check_unplaced", "no file holds this document: {what}", BY_ITSELF, passing=True),
)
TEXT_MESSAGES: Final = {
    "chunk_text": ("the text of a chunk is not what its pages say: {what}", READ_AGAIN),
    "chunk_order": ("its chunks are not in order: {what}", READ_AGAIN),
    "chunk_hash": ("a chunk's vector is filed under another text: {what}", READ_AGAIN),
    "left_out": ("text of its pages is in no chunk, and can't be found: {what}", READ_AGAIN),
    "chunk_terms": ("keyword search weighs it by wrong words: {what}", READ_AGAIN),
    "term_count": ("the length of its text is wrong: {what}", READ_AGAIN),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not be: `name` for programs, the message for people, and how to mend it.

    `passing` is what a running daemon puts right by itself.
    """

    name: str
    message: str
    fix: str
    document: int | None = None
    file: str | None = None
    passing: bool = False


@dataclass(slots=True)
class Report:
    """What a check saw and found: `findings` holds at most EXAMPLES of a kind, `counts` how many there are."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    totals: dict[str, int] = field(default_factory=dict)
    """Documents, files, pages, chunks and vectors."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Running:
    """What is known of a daemon that has been running for long enough that nothing may be overdue."""

    host: str
    pid: int
    grace_seconds: float
    held: Sequence[bytes] = ()
    """Roots that must not lose anything now, because they are not there, or not watched any more."""


@asynccontextmanager
async def snapshot(dsn: str) -> AsyncIterator[Transaction]:
    """Open one connection that sees the store as it is now, and can't change it.

    Raises DatabaseUnavailableError, ConfigError; SchemaError when the store is not of this version.
    """
    async with connect(dsn) as connection:
        queries = load_queries(asset("sql/queries"))
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tx = Transaction(connection, queries, address_of(dsn))
            # Those of them that this server knows.
            await tx.execute("without_limits", list(PATIENT))
            await _check_schema(tx)
            await prepare(connection)
            yield tx


async def check(tx: Transaction, *, running: Running | None = None) -> Report:
    """Check everything in an open snapshot.

    `running` is given when a daemon has been at work for long enough: then overdue is a finding too.
    """
    started = time.monotonic()
    report = Report()
    totals = await tx.fetchrow("check_totals")
    report.totals = dict(totals or {})
    for rule in RULES:
        if rule.query == "check_duplicates":
            await tx.execute("check_without_indexes")
        await _apply(tx, report, rule)
        if rule.query == "check_duplicates":
            await tx.execute("check_with_indexes")
    if running is not None:
        await _overdue(tx, report, running)
    async for name, document, what in proofread(tx):
        report.counts[name] += 1
        if report.counts[name] <= EXAMPLES:
            message, fix = TEXT_MESSAGES[name]
            report.findings.append(Finding(name, message.format(what=what), fix, document))
    await _name_files(tx, report)
    report.seconds = time.monotonic() - started
    return report


async def _check_schema(tx: Transaction) -> None:
    known = len(load_migrations(asset("sql/migrations")))
    applied = await tx.fetchval("check_schema") if await tx.fetchval("check_set_up") else 0
    if applied != known:
        what = f"has the schema {applied}" if applied else "was not set up by foliod"
        msg = f"{tx.address} {what}, and this foliod knows the schema {known}: start it once, or install the other version"
        raise SchemaError(msg)


async def _apply(tx: Transaction, report: Report, rule: Rule, *more: object) -> None:
    name = rule.query.removeprefix("check_")
    for row in await tx.fetch(rule.query, EXAMPLES, *more):
        report.counts[name] = row["total"]
        message = rule.message.format(what=row["what"])
        report.findings.append(Finding(name, message, rule.fix, row["document"], row["file"], rule.passing))


async def _overdue(tx: Transaction, report: Report, running: Running) -> None:
    stuck = Rule("check_stuck_claims", "nobody works at it, and nobody takes it over: {what}", "restart foliod")
    await _apply(tx, report, stuck, LATE_SECONDS, running.host, running.pid)
    forget = Rule(
        "check_overdue", "it is gone, and should have been forgotten: {what}", "restart foliod, then check again"
    )
    held = [bounds(root) for root in running.held]
    await _apply(
        tx, report, forget, running.grace_seconds + LATE_SECONDS, running.host,
        [low for low, _ in held], [high for _, high in held],
    )  # fmt: skip


async def _name_files(tx: Transaction, report: Report) -> None:
    """Say of each finding which file it is about, as far as one is."""
    documents = {f.document for f in report.findings if f.document is not None and f.file is None}
    named = {row["document_id"]: row["display"] for row in await tx.fetch("check_places", list(documents))}
    report.findings = [_about(finding, named) for finding in report.findings]


def _about(finding: Finding, named: dict[int, str]) -> Finding:
    file = finding.file or (named.get(finding.document) if finding.document is not None else None)
    subject = file or ("the store" if finding.document is None else "a document without a file")
    number = "" if finding.document is None else f" (document {finding.document})"
    fix = finding.fix.format(file="--all" if file is None else shlex.quote(file))
    return Finding(finding.name, f"{subject}{number}: {finding.message}", fix, finding.document, file, finding.passing)
