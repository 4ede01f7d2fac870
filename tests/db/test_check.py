"""The check of the whole store: it finds nothing in a sound one, and every row that is wrong."""

from __future__ import annotations

import pytest
from library import system
from test_store import backlog, page, place

from foliod.base.errors import SchemaError
from foliod.base.model import DocumentFacts
from foliod.base.version import EXTRACTOR
from foliod.store.check import EXAMPLES, LATE_SECONDS, Running, check, snapshot
from foliod.store.store import Store

ONE = "SELECT min(id) FROM foliod.documents"
ANOTHER = "SELECT max(id) FROM foliod.documents"

DAMAGE = {
    "pages_in_a_row": f"DELETE FROM foliod.pages WHERE document_id = ({ONE}) AND number = 2",
    "pages_complete": f"DELETE FROM foliod.pages WHERE document_id = ({ONE}) AND number = 3",
    "verdicts": "UPDATE foliod.pages SET text = '' WHERE number = 1",
    "states": "UPDATE foliod.documents SET state = 'failed', reason = NULL",
    "history": "UPDATE foliod.history SET state = 'reading'",
    "claims": "UPDATE foliod.documents SET lease_owner = 'x:1', lease_until = now() + interval '1 minute'",
    "ocr": "UPDATE foliod.pages SET verdict = 'needs_ocr' WHERE number = 1",
    "chunk_counts": f"DELETE FROM foliod.chunks WHERE document_id = ({ONE}) AND ordinal = 2",
    "terms": f"DELETE FROM foliod.chunk_terms WHERE document_id = ({ONE})",
    "lexicon": "UPDATE foliod.lexicon SET chunks = chunks + 1",
    "vectors": "DELETE FROM foliod.embeddings",
    "dimensions": "UPDATE foliod.spaces SET dimensions = 7",
    "spaces": "DROP INDEX foliod.embeddings_hnsw_1",
    "files": "UPDATE foliod.files SET document_id = NULL",
    "unused_vectors": "UPDATE foliod.embeddings SET text_hash = sha256(text_hash)",
    "unplaced": "DELETE FROM foliod.files",
    "duplicates": """
        ALTER TABLE foliod.files DROP CONSTRAINT files_host_path_key;
        INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device, document_id)
        SELECT host, root, path, display, size, mtime_ns, ctime_ns, inode, device, document_id FROM foliod.files""",
    "orphans": f"""
        ALTER TABLE foliod.pages DROP CONSTRAINT pages_document_id_fkey;
        INSERT INTO foliod.pages SELECT 999, number, verdict, width, height, rotation, text FROM foliod.pages
        WHERE document_id = ({ONE})""",
    "indexes": "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'foliod.chunks_text_hash'::regclass",
    "chunk_text": "UPDATE foliod.pages SET text = text || ' and more' WHERE number = 1",
    "chunk_order": f"UPDATE foliod.chunks SET ordinal = 7 WHERE document_id = ({ONE}) AND ordinal = 2",
    "chunk_hash": f"UPDATE foliod.chunks SET text_hash = '\\x00' WHERE document_id = ({ONE}) AND ordinal = 0",
    "left_out": f"UPDATE foliod.pages SET text = text || ' lost' WHERE document_id = ({ONE}) AND number = 3",
    "chunk_terms": f"UPDATE foliod.chunk_terms SET weights = '{{1:1}}/1000000000' WHERE document_id = ({ONE})",
    "term_count": f"UPDATE foliod.documents SET term_count = term_count + 1 WHERE id = ({ONE})",
}
"""For each finding, what brings it about."""


async def checked(dsn: str, **more):
    async with snapshot(dsn) as tx:
        return await check(tx, **more)


async def spoil(db, sql: str) -> None:
    async with db.transaction() as tx:
        await tx.connection.execute(sql)


async def sound(db) -> None:
    """Let the library look as the daemon writes it: by the extractor of today, with files of the right size."""
    await spoil(db, f"UPDATE foliod.documents SET extractor = '{EXTRACTOR}'")


async def test_a_sound_store_has_no_findings(db, dsn):
    """Nothing is found in a store of which all is well, and the report says how much was looked at."""
    async with system(db):
        await sound(db)
        report = await checked(dsn)
    assert report.findings == []
    assert report.totals == {"documents": 2, "files": 2, "pages": 5, "chunks": 5, "vectors": 5}


@pytest.mark.parametrize("name", DAMAGE)
async def test_every_damage_is_found(db, dsn, name):
    """Whatever row is missing, doubled, orphaned or wrong, the check names it, the file, and how to mend it."""
    async with system(db):
        await sound(db)
        await spoil(db, DAMAGE[name])
        report = await checked(dsn)
    found = [finding for finding in report.findings if finding.name == name]
    assert found, report.findings
    assert report.counts[name] >= len(found)
    for finding in found:
        assert finding.message
        assert finding.fix
        assert "{" not in finding.message + finding.fix
        if finding.document is not None and name not in ("unplaced", "orphans"):
            assert finding.file in ("/in/virus.pdf", "/in/tax.pdf")
            assert finding.file in finding.message
    assert finding.passing == (name in ("unused_vectors", "unplaced"))


async def test_work_under_way_is_no_finding(db, dsn):
    """A document that is being read, with some of its pages stored, and one that waits are as they should be."""
    async with system(db):
        await sound(db)
        store, work = Store(db), backlog(db, owner="here:1-1")
        await place(db, "waits.pdf")
        document = await place(db, "half.pdf")
        claimed = {(await work.claim_for_reading()).document, (await work.claim_for_reading()).document}
        assert document in claimed
        await work.release(claimed - {document})
        await store.put_facts(document, work.owner, DocumentFacts(pages=9), "x")
        await store.put_pages(document, work.owner, [page(1, "one"), page(2, "two")], 60)
        report = await checked(dsn, running=Running("here", 1, 60))
    assert report.findings == []


async def test_pages_being_recognised_are_no_finding(db, dsn):
    """While a document's pages wait for OCR, the recognised ones are ahead of its chunks, and it may be claimed."""
    async with system(db):
        await sound(db)
        await spoil(
            db,
            "UPDATE foliod.pages SET verdict = 'ocr', text = text || ' recognised' WHERE number = 1;"
            "UPDATE foliod.pages SET verdict = 'needs_ocr' WHERE number = 2;"
            "UPDATE foliod.documents SET ocr_at = now(), lease_owner = 'here:1', lease_until = now() + '1 minute'",
        )
        report = await checked(dsn)
    assert report.findings == []


async def test_what_a_running_daemon_left_undone_is_found(db, dsn):
    """With a daemon running, a claim that ran out long ago and a file that should have been forgotten are findings."""
    async with system(db):
        await sound(db)
        late = LATE_SECONDS + 61
        await spoil(db, f"UPDATE foliod.files SET gone_at = now() - make_interval(secs => {late}) WHERE id = 1")
        await spoil(
            db,
            "UPDATE foliod.documents SET state = 'stored', ready_at = NULL, lease_owner = 'here:1',"
            f" lease_until = now() - make_interval(secs => {late}) WHERE id = ({ANOTHER})",
        )
        assert (await checked(dsn)).findings == []
        found = (await checked(dsn, running=Running("here", 1, 60))).findings
        assert sorted(finding.name for finding in found) == ["overdue", "stuck_claims"]
        kept = (await checked(dsn, running=Running("here", 1, 60, held=[b"/in"]))).findings
        assert [finding.name for finding in kept] == ["stuck_claims"]


async def test_a_claim_of_a_dead_daemon_is_found(db, dsn):
    """A claim that an earlier daemon of this host left is a finding as soon as another one runs; others' are not."""
    async with system(db):
        await sound(db)
        await spoil(
            db,
            "UPDATE foliod.documents SET state = 'stored', ready_at = NULL, lease_until = now() + interval '1 minute',"
            f" lease_owner = CASE WHEN id = ({ONE}) THEN 'here:12-1' ELSE 'there:7-1' END",
        )
        assert (await checked(dsn, running=Running("here", 12, 60))).findings == []
        [finding] = (await checked(dsn, running=Running("here", 1, 60))).findings
        assert finding.name == "stuck_claims"
        assert finding.file == "/in/virus.pdf"


async def test_many_findings_are_counted(db, dsn):
    """Of findings of one kind some are told and all are counted."""
    async with system(db):
        await sound(db)
        await spoil(db, DAMAGE["lexicon"])
        report = await checked(dsn)
    assert len(report.findings) == EXAMPLES < report.counts["lexicon"]


async def test_a_store_that_was_not_set_up_is_refused(empty_dsn):
    """A database that foliod never set up, or another version did, is not judged."""
    with pytest.raises(SchemaError, match="was not set up by foliod"):
        await checked(empty_dsn)
