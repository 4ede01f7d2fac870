"""Whatever PostgreSQL says that is not a document's fault, no document is blamed for it."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from test_ingest import Bench, bench
from test_store import one

from fake_ollama import FakeOllama
from foliod.base.errors import DatabaseUnavailableError

SAMPLES = Path(__file__).parents[1] / "samples"

TROUBLES = {
    "25006": "cannot execute COPY FROM in a read-only transaction",
    "40001": "could not serialize access",
    "40P01": "deadlock detected",
    "42501": "permission denied for table",
    "53100": "could not extend file: No space left on device",
    "53200": "out of memory",
    "53300": "too many clients already",
    "55P03": "canceling statement due to lock timeout",
    "57014": "canceling statement due to statement timeout",
    "57P01": "terminating connection due to administrator command",
    "57P03": "the database system is starting up",
    "58030": "could not read block: Input/output error",
    "XX001": "invalid page in block",
    "XX002": "index is corrupt",
}


async def spoil(parts: Bench, table: str, code: str) -> None:
    """Let every write to a table fail."""
    async with parts.db.transaction() as tx:
        await tx.connection.execute(
            "CREATE OR REPLACE FUNCTION foliod.trouble() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{TROUBLES[code]}' USING ERRCODE = '{code}'; END $$;"
            f"CREATE OR REPLACE TRIGGER trouble BEFORE INSERT ON foliod.{table} EXECUTE FUNCTION foliod.trouble()"
        )


async def mend(parts: Bench) -> None:
    async with parts.db.transaction() as tx:
        await tx.connection.execute("DROP FUNCTION foliod.trouble CASCADE")


@pytest.mark.parametrize("table", ["pages", "chunks"])
async def test_no_document_is_blamed_for_the_database(db, table):
    """While the database refuses to store pages or text, the document waits as if it had not been tried; then it is read."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / "pdflatex-4-pages.pdf")
        for code in TROUBLES:
            await spoil(parts, table, code)
            with pytest.raises(DatabaseUnavailableError) as caught:
                await parts.ingest.read_next()
            assert isinstance(caught.value.__cause__, asyncpg.PostgresError)
            assert caught.value.__cause__.sqlstate == code
            row = await one(db, "SELECT (state, deaths, attempts, lease_owner IS NULL)::text FROM foliod.documents")
            assert row == "(queued,0,0,t)"
            assert parts.backlog.held == set()
        await mend(parts)
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"
        assert await one(db, "SELECT count(*) FROM foliod.pages") == 4


async def test_vectors_that_cannot_be_stored_follow(db):
    """When the database refuses vectors, the text stays searchable, and the vectors come later."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / "pdflatex-4-pages.pdf")
        assert await parts.ingest.read_next()
        for code in TROUBLES:
            await spoil(parts, "embeddings", code)
            with pytest.raises(DatabaseUnavailableError):
                await parts.vectors.embed_next()
            assert await parts.state() == "stored"
            assert await one(db, "SELECT count(*) FROM foliod.documents WHERE lease_owner IS NOT NULL") == 0
        await mend(parts)
        assert await parts.vectors.embed_next()
        assert await parts.state() == "ready"
