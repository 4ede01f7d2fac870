"""Locked PDFs open with the passwords in the user's files, and are tried again when those change, with a real database."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from test_ingest import HOST, bench
from test_store import one

import made_pdfs
from fake_ollama import FakeOllama
from foliod.base.config import Ingest, Settings, Watch
from foliod.ingest import passwords
from foliod.ingest.backlog import Backlog
from foliod.ingest.passwords import Passwords
from made_pdfs import pymupdf
from waiting import PATIENCE


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Nobody waits for the next look at the files."""
    monkeypatch.setattr(passwords, "LOOK_SECONDS", 0.0)


@pytest.fixture
def locked(tmp_path) -> Path:
    path = tmp_path / "in" / "locked.pdf"
    path.parent.mkdir()
    path.write_bytes(made_pdfs.locked(made_pdfs.letters("The treasure lies under the oak."), "sesame"))
    return path


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "passwords"


def settings(file: Path | None, **watch: Path) -> Settings:
    return Settings(
        ingest=Ingest(passwords_file=file),
        watch=tuple(Watch(path=watch["root"], passwords_file=own) for own in [watch.get("own")] if watch),
    )


async def test_a_locked_document_is_read_when_its_password_is_there(db, locked, file):
    """A PDF that needs a password is read as soon as the password stands in the file, and not tried in between."""
    async with FakeOllama() as ollama, bench(db, ollama, config=settings(file)) as parts:
        await parts.place(locked)
        await parts.passwords.look()
        assert await parts.ingest.read_next()
        assert await parts.state() == "needs_password"
        assert f"there was no password to try; put its password on a line of {file}" in await parts.reason()
        assert "No such file" in await parts.reason()
        for _ in range(3):
            await parts.passwords.look()
        assert not await parts.ingest.read_next()
        file.write_text("wrong\nalso wrong\n")
        await parts.passwords.look()
        assert await parts.ingest.read_next()
        assert await parts.state() == "needs_password"
        assert "2 passwords were tried in vain" in await parts.reason()
        await parts.passwords.look()
        assert not await parts.ingest.read_next()
        file.write_text("wrong\nsesame\n")
        await parts.passwords.look()
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"
        assert await parts.reason() is None
        assert "treasure" in await one(db, "SELECT text FROM foliod.chunks")
        everything = await one(db, "SELECT string_agg(t, ' ') FROM (SELECT d::text t FROM foliod.documents d "
                               "UNION ALL SELECT h::text FROM foliod.history h) a")  # fmt: skip
        assert "sesame" not in everything


async def test_a_file_that_changed_while_the_daemon_was_stopped(db, locked, file):
    """A password added while foliod was not running is tried at the next start; an unchanged file is not."""
    file.write_text("wrong\n")
    async with FakeOllama() as ollama, bench(db, ollama, config=settings(file)) as parts:
        await parts.place(locked)
        assert await parts.ingest.read_next()
        assert await parts.state() == "needs_password"
    async with FakeOllama() as ollama, bench(db, ollama, config=settings(file)) as parts:
        await parts.passwords.look()
        assert await parts.state() == "needs_password"
    file.write_text("wrong\nsesame\n")
    async with FakeOllama() as ollama, bench(db, ollama, config=settings(file)) as parts:
        await parts.passwords.look()
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"


async def test_a_file_that_changes_while_a_document_is_tried(db, locked, file):
    """A password written in the moment in which the old ones are tried in vain is not overlooked."""
    file.write_text("wrong\n")
    async with FakeOllama() as ollama, bench(db, ollama, config=settings(file)) as parts:
        await parts.place(locked)
        await parts.passwords.look()
        read = parts.workers.read

        async def meddled(job):
            if job.passwords:
                file.write_text("sesame\n")
                await parts.passwords.look()
            async for event in read(job):
                yield event

        parts.workers.read = meddled
        assert await parts.ingest.read_next()
        assert await parts.state() == "needs_password"
        await parts.passwords.look()
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"


async def test_without_a_file_a_locked_document_rests(db, locked):
    """Where no passwords are configured, the reason says how to, and the document is not read again and again."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(locked)
        assert await parts.ingest.read_next()
        assert "[ingest] passwords_file" in await parts.reason()
        for _ in range(3):
            await parts.passwords.look()
        assert not await parts.ingest.read_next()


async def test_each_folder_has_its_own_passwords(db, locked, file, tmp_path):
    """A folder's own file is for its documents, not for those of other folders; the common one is for all."""
    file.write_text("sesame\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with FakeOllama() as ollama, bench(db, ollama, config=settings(None, root=elsewhere, own=file)) as parts:
        await parts.place(locked)
        assert await parts.ingest.read_next()
        assert await parts.state() == "needs_password"
    async with FakeOllama() as ollama, bench(db, ollama, config=settings(None, root=locked.parent, own=file)) as parts:
        await parts.passwords.look()
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"
        keys = await parts.passwords.of([os.fsencode(locked)])
        assert keys.passwords == ("sesame",)


async def test_two_hosts_do_not_take_a_document_from_each_other(db, locked, file, tmp_path, monkeypatch):
    """Hosts with different files try a shared document once each, not in turns for ever."""
    monkeypatch.setattr(passwords, "COMPARE_SECONDS", 0.0)
    file.write_text("wrong\n")
    other = tmp_path / "others"
    other.write_text("wrong too\n")
    async with FakeOllama() as ollama, bench(db, ollama, config=settings(file)) as parts:
        document = await parts.place(locked)
        async with db.transaction() as tx:
            await tx.connection.execute(
                "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device,"
                " document_id) SELECT 'there', root, path, display, size, mtime_ns, ctime_ns, inode, device, document_id"
                " FROM foliod.files WHERE document_id = $1",
                document,
            )
        there = Passwords(db, Backlog(db, host="there", owner="there:1", max_deaths=2), settings(other))
        tries = 0
        for _ in range(6):
            await parts.passwords.look()
            await there.look()
            tries += await parts.ingest.read_next()
        assert tries == 2
        assert await one(db, "SELECT passwords_tried ? $1 FROM foliod.documents", HOST)


async def test_hundreds_of_passwords_are_tried(db, tmp_path, file):
    """The last of hundreds of passwords opens a PDF whose encryption makes each try slow, for as long as that takes."""
    path = tmp_path / "slow.pdf"
    path.write_bytes(made_pdfs.locked(made_pdfs.letters("Open"), "thé end", pymupdf.PDF_ENCRYPT_AES_256))
    file.write_text("\n".join([*(f'wrong {i} \\ " é' for i in range(299)), "thé end"]))
    config = Settings(ingest=Ingest(passwords_file=file, page_seconds=100))
    async with FakeOllama() as ollama, bench(db, ollama, config=config) as parts:
        await parts.place(path)
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"


async def test_a_file_of_passwords_that_hangs_holds_up_no_other(db, tmp_path, monkeypatch):
    """The passwords of one folder lie on a dead network mount: those of others are read, and so is all else."""
    answers, dead = threading.Event(), tmp_path / "dead"
    (tmp_path / "alive").write_text("swordfish")
    read = passwords.read_passwords

    def read_or_hang(path: Path) -> passwords.PasswordFile:
        if path == dead:
            answers.wait(300)
        return read(path)

    monkeypatch.setattr(passwords, "read_passwords", read_or_hang)
    watched = [Watch(path=tmp_path / name, passwords_file=tmp_path / name) for name in ("dead", "alive")]
    known = Passwords(db, Backlog(db, host="h", owner="h:1", max_deaths=2), Settings(watch=watched))
    most = min(32, (os.cpu_count() or 1) + 4) + 1
    waiting = [asyncio.create_task(known.of([bytes(dead / "a.pdf")])) for _ in range(most)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            assert (await known.of([bytes(tmp_path / "alive" / "a.pdf")])).passwords == ("swordfish",)
            await asyncio.to_thread(lambda: None)
        assert not any(task.done() for task in waiting)
    finally:
        answers.set()
    for keys in await asyncio.gather(*waiting):
        assert keys.passwords == ()
