"""One document from claim to ready, with real workers, a real database and Ollama's wire."""

import asyncio
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pymupdf
import pytest
from test_store import one

import made_pdfs
from fake_ollama import FakeOllama
from foliod.base.config import Ingest as Limits
from foliod.base.config import Ollama, Settings
from foliod.base.errors import BadVectorError, WorkerDiedError
from foliod.base.model import FileStat, Page, ReadSummary
from foliod.base.telemetry import Counters
from foliod.ingest import builds as ingested_builds
from foliod.ingest import ingest as ingesting
from foliod.ingest import original, reader
from foliod.ingest.backlog import MOST_SET_ASIDE, Backlog, Claim
from foliod.ingest.builds import Builds
from foliod.ingest.embedders import Embedders
from foliod.ingest.ingest import Ingest
from foliod.ingest.ocr import Recogniser
from foliod.ingest.original import Originals
from foliod.ingest.passwords import Passwords
from foliod.ingest.recognised import RecognisedText
from foliod.ingest.reembed import Reembedder
from foliod.ingest.tessdata import Tesseract
from foliod.ingest.vectors import Vectors
from foliod.ingest.workers import Workers
from foliod.ollama.inference import Inference
from foliod.store.database import Database
from foliod.store.spaces import Spaces
from foliod.store.store import Store
from waiting import PATIENCE, until

PATIENT = Settings(ingest=Limits(page_seconds=60.0))
SAMPLES = Path(__file__).parents[1] / "samples"
HOST = "here"


class Cut(Workers):
    """Readers that die after some pages, as one that a PDF killed."""

    after = 0
    read_pages = 0
    poison: frozenset[int] = frozenset()
    """Pages at which it dies; page 0 is the opening."""
    jobs = 0

    async def read(self, job):
        self.jobs += 1
        if 0 in self.poison:
            self._die(job)
        async for event in super().read(job):
            if isinstance(event, Page):
                if (self.after and self.read_pages >= self.after) or event.number in self.poison:
                    self._die(job)
                self.read_pages += 1
            yield event

    def _die(self, job):
        msg = f"{job.name}: the reader was killed"
        raise WorkerDiedError(msg)


class Bench:
    """The parts of a daemon around one Ingest."""

    def __init__(
        self,
        db,
        workers: Cut,
        embedders: Embedders,
        settings: Settings | None = None,
        recognisers: Workers | None = None,
    ) -> None:
        self.db, self.workers = db, workers
        self.counters = Counters()
        settings = settings or Settings()
        self.changed: list[bytes] = []
        self.backlog = Backlog(db, host=HOST, owner=f"{HOST}:1", max_deaths=2)
        store = Store(db)
        originals = Originals(db, HOST, self.changed.append)
        self.passwords = Passwords(db, self.backlog, settings)
        self.tesseract = Tesseract(settings.ingest)
        self.ingest = Ingest(
            store, self.backlog, workers, embedders, originals, self.passwords, self.tesseract, settings.ingest,
            self.counters,
        )  # fmt: skip
        text = RecognisedText(db, store, self.backlog, self.ingest, originals, self.passwords, self.tesseract, workers)
        self.recogniser = Recogniser(
            db, store, self.backlog, self.ingest, originals, self.passwords, self.tesseract, text,
            recognisers or workers, settings.ingest, self.counters,
        )  # fmt: skip
        self.spaces = Spaces(db, HOST)
        builds = Builds(self.spaces, embedders)
        self.vectors = Vectors(store, self.spaces, self.backlog, embedders, builds, self.counters)
        self.reembedder = Reembedder(self.spaces, store, self.backlog, embedders, builds, self.counters)

    async def place(self, path: Path) -> int:
        """Write down a file as the sweep does."""
        stat = FileStat.of(path.stat())
        async with self.db.transaction() as tx:
            document = await tx.connection.fetchval(
                "INSERT INTO foliod.documents (sha256, size) VALUES ($1, $2) RETURNING id",
                sha256(path.read_bytes()).digest(), stat.size,
            )  # fmt: skip
            await tx.connection.execute(
                "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device,"
                " document_id) VALUES ($1, '/in', $2, $3, $4, $5, $6, $7, $8, $9)",
                HOST, os.fsencode(path), str(path), stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode, stat.device,
                document,
            )  # fmt: skip
        return document

    async def due(self) -> None:
        """Let every waiting time be over."""
        async with self.db.transaction() as tx:
            await tx.connection.execute("UPDATE foliod.documents SET next_attempt_at = now()")

    async def state(self) -> str:
        return await one(self.db, "SELECT state FROM foliod.documents")

    async def reason(self) -> str:
        return await one(self.db, "SELECT reason FROM foliod.documents")


@asynccontextmanager
async def bench(
    db,
    ollama: FakeOllama,
    readers: int = 1,
    config: Settings | None = None,
    recognisers: Workers | None = None,
    **settings,
) -> AsyncIterator[Bench]:
    model = Ollama(url=ollama.url, **settings)
    with pytest.MonkeyPatch.context() as patch:
        # On a busy machine a page would else be put off that takes longer than a first look may.
        patch.setattr(ingesting, "FIRST_LOOK_SECONDS", 600.0)
        async with Inference(model) as inference, Embedders(inference, model) as embedders, Cut(readers) as workers:
            yield Bench(db, workers, embedders, config or PATIENT, recognisers)


async def test_a_document_goes_the_whole_way(db):
    """A PDF is read, stored and embedded; nothing is left to do, and no lease is held."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / "PMC7068164.pdf")
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"
        assert await parts.vectors.embed_next()
        assert await parts.state() == "ready"
        assert not await parts.ingest.read_next()
        assert not await parts.vectors.embed_next()
        assert parts.backlog.held == set()
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE lease_owner IS NOT NULL") == 0
        assert parts.counters["pages_read"] == 3
        assert parts.counters["texts_embedded"] == await one(db, "SELECT count(*) FROM foliod.embeddings") > 5


async def test_pages_read_before_a_death_are_not_read_again(db):
    """When the reader dies on page 100, the next attempt starts there, and the text is whole."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / "GeoTopo-komprimiert.pdf")
        parts.workers.after = 100
        assert await parts.ingest.read_next()
        assert await parts.state() == "queued"
        stored = await one(db, "SELECT count(*) FROM foliod.pages")
        assert stored >= 64
        parts.workers.after, parts.workers.read_pages = 0, 0
        await parts.due()
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"
        assert parts.workers.read_pages == 117 - stored
        assert await one(db, "SELECT count(*) FROM foliod.pages") == 117


async def read_to_the_end(parts: Bench) -> None:
    """Make all attempts that are made."""
    await parts.due()
    while await parts.ingest.read_next():
        await parts.due()


async def test_what_was_missing_before_a_death_is_still_said(db, tmp_path):
    """Text that was left out on a page stays said when another process reads the document to its end."""
    path = tmp_path / "endless_words.pdf"
    path.write_bytes(made_pdfs.many_pages(3, f"%d {'x' * 1500}").replace(b"/F1 12 Tf", b"/F1 .1 Tf"))
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(path)
        parts.workers.after = 2
        await parts.ingest.read_next()
        parts.workers.after = 0
        await parts.due()
        await parts.ingest.read_next()
        assert await one(db, "SELECT partial FROM foliod.documents")
        assert "page 1, 2 has words of more than 1000 characters" in await parts.reason()


@pytest.mark.parametrize("poison", [{0}, {1}, {0, 1, 2}])
async def test_a_document_that_kills_its_readers_is_set_aside(db, tmp_path, poison):
    """A document that can't be opened or read without its reader's death is quarantined with the reason."""
    path = tmp_path / "poison.pdf"
    with pymupdf.open() as pdf:
        pdf.new_page().insert_text((72, 72), "one page")
        pdf.save(path)
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(path)
        parts.workers.poison = frozenset(poison)
        await read_to_the_end(parts)
        assert await parts.state() == "failed"
        assert "the reader was killed" in await parts.reason()
        told = await one(db, "SELECT string_agg(reason, ';') FROM foliod.history")
        assert path.name not in told + await parts.reason(), "the same bytes may lie in a folder that others may read"
        assert parts.workers.jobs <= 4
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE lease_owner IS NOT NULL") == 0


@pytest.mark.parametrize("poison", [{1}, {50}, {117}, {3, 70}])
async def test_a_page_that_kills_its_readers_costs_only_itself(db, poison):
    """Two deaths at one page give up that page; the others can be found, and the document says what it lacks."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / "GeoTopo-komprimiert.pdf")
        parts.workers.poison = frozenset(poison)
        await read_to_the_end(parts)
        assert await parts.state() == "stored"
        assert f"{len(poison)} of 117 pages could not be read" in await parts.reason()
        assert await one(db, "SELECT partial FROM foliod.documents")
        failed = "SELECT array_agg(number ORDER BY number) FROM foliod.pages WHERE verdict = 'failed'"
        assert set(await one(db, failed)) == poison
        assert await one(db, "SELECT count(*) FROM foliod.pages") == 117
        # Two attempts for each page that kills, one for the rest; and no page is read twice.
        assert parts.workers.jobs == 2 * len(poison) + 1
        assert parts.workers.read_pages == 117 - len(poison)
        told = await one(db, "SELECT array_agg(reason ORDER BY id) FROM foliod.history WHERE reason IS NOT NULL")
        assert any("the reader was killed; page" in reason for reason in told)


async def test_a_document_full_of_poison_is_not_read_for_ever(db):
    """When page after page kills its reader, the rest is given up; what was read before stays."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / "GeoTopo-komprimiert.pdf")
        parts.workers.poison = frozenset(range(20, 118))
        await read_to_the_end(parts)
        assert await parts.state() == "stored"
        assert "98 of 117 pages could not be read" in await parts.reason()
        assert parts.workers.jobs == 2 * MOST_SET_ASIDE + 1
        assert await one(db, "SELECT max(last_page) FROM foliod.chunks") == 19


async def test_a_file_that_changed_since_it_was_seen_is_not_read(db, tmp_path):
    """A file rewritten after it was hashed is looked at again instead of being stored under the old hash."""
    path = tmp_path / "a.pdf"
    shutil.copy(SAMPLES / "pdflatex-4-pages.pdf", path)
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(path)
        shutil.copy(SAMPLES / "multicolumn.pdf", path)
        assert await parts.ingest.read_next()
        assert await parts.state() == "queued"
        assert parts.changed == [os.fsencode(path)]
        assert await one(db, "SELECT count(*) FROM foliod.pages") == 0


@pytest.mark.parametrize("rewritten", [False, True])
async def test_a_file_that_changes_while_its_text_is_stored(db, tmp_path, rewritten):
    """A file moved or touched at the last moment is stored all the same; other content is not stored under its name."""
    path = tmp_path / "a.pdf"
    shutil.copy(SAMPLES / "PMC7068164.pdf", path)
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(path)
        read = parts.workers.read

        async def meddled(job):
            async for event in read(job):
                if isinstance(event, ReadSummary):
                    if rewritten:
                        # In place, so that the reader's own descriptor sees it.
                        with path.open("r+b") as file:
                            file.write(b"%PDF-9.9")
                    else:
                        path.rename(tmp_path / "moved.pdf")
                yield event

        parts.workers.read = meddled
        async with asyncio.timeout(PATIENCE):
            assert await parts.ingest.read_next()
        assert await parts.state() == ("queued" if rewritten else "stored")
        assert (await one(db, "SELECT count(*) FROM foliod.pages") == 0) == rewritten
        assert (await one(db, "SELECT count(*) FROM foliod.chunks") == 0) == rewritten


async def test_readers_do_not_wait_for_each_others_connections(dsn):
    """As many documents as there are connections can be stored at the same time."""
    async with Database.open(dsn, pool_size=2) as db, FakeOllama() as ollama, bench(db, ollama, readers=2) as parts:
        for name in ("PMC7068164.pdf", "PMC7079436.pdf"):
            await parts.place(SAMPLES / name)
        together = asyncio.Barrier(2)
        finish = parts.ingest._finish

        async def met(*args):
            await together.wait()
            await finish(*args)

        parts.ingest._finish = met
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(parts.ingest.read_next(), parts.ingest.read_next())
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'stored'") == 2


async def test_a_copy_that_is_left_is_read_instead(db, tmp_path):
    """When the first of two places is gone, the document is read from the second."""
    first, second = tmp_path / "a.pdf", tmp_path / "b.pdf"
    shutil.copy(SAMPLES / "pdflatex-4-pages.pdf", first)
    shutil.copy(SAMPLES / "pdflatex-4-pages.pdf", second)
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        document = await parts.place(first)
        stat = FileStat.of(second.stat())
        async with db.transaction() as tx:
            await tx.connection.execute(
                "INSERT INTO foliod.files (host, root, path, display, size, mtime_ns, ctime_ns, inode, device,"
                " document_id) VALUES ($1, '/in', $2, $3, $4, $5, $6, $7, $8, $9)",
                HOST, os.fsencode(second), str(second), stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode,
                stat.device, document,
            )  # fmt: skip
        first.unlink()
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"


@pytest.mark.parametrize(
    ("name", "state"),
    [("libreoffice-writer-password.pdf", "needs_password"), ("imagemagick-images.pdf", "needs_ocr")],
)
async def test_what_gives_no_text_says_why(db, name, state):
    """A locked or scanned PDF takes its state with a reason, and is not tried again and again."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / name)
        assert await parts.ingest.read_next()
        assert await parts.state() == state
        assert await parts.reason()
        await parts.due()
        assert not await parts.ingest.read_next()


async def test_vectors_of_another_length_by_the_same_build_are_not_believed_at_once(db, monkeypatch):
    """A fault of Ollama does not throw away a whole space; only what lasts is taken for the truth."""
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / "pdflatex-4-pages.pdf")
        assert await parts.ingest.read_next()
        assert await parts.vectors.embed_next()
        await parts.place(SAMPLES / "PMC7068164.pdf")
        assert await parts.ingest.read_next()
        ollama.fault(dimensions=100)
        for _ in range(3):
            assert await parts.vectors.embed_next()
        assert "100 numbers" in parts.vectors._embedder.outage.reason
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'ready'") == 1
        ollama.fault()
        while await parts.vectors.embed_next():
            pass
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'ready'") == 2
        assert await one(db, "SELECT count(*) FROM foliod.spaces") == 1
        ollama.fault(dimensions=100)
        monkeypatch.setattr(ingested_builds, "SURE_SECONDS", 0.0)
        parts.vectors._embedder.outage.begin(BadVectorError("looked at anew"))
        while await parts.vectors.embed_next() or await parts.reembedder.step():
            pass
        assert await one(db, "SELECT dimensions FROM foliod.spaces WHERE state = 'active'") == 100
        assert await one(db, "SELECT count(*) FROM foliod.documents WHERE state = 'ready'") == 2


async def test_a_model_with_too_many_dimensions_is_refused_plainly(db):
    """A model whose vectors can't be indexed is named, and keyword search stays."""
    async with FakeOllama(dimensions=4096) as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / "pdflatex-4-pages.pdf")
        assert await parts.ingest.read_next()
        with pytest.raises(BadVectorError, match=r"4096 .* 4000.*embed_model"):
            await parts.vectors.space()
        assert await parts.vectors.embed_next()
        assert "embed_model" in (await parts.vectors._embedders.health()).error
        assert await parts.state() == "stored"


async def test_a_file_system_that_hangs_holds_up_nobody_else(db, tmp_path, monkeypatch):
    """A document on a mount that does not answer is left for later; the others are read meanwhile."""
    monkeypatch.setattr(original, "OPEN_SECONDS", 0.2)
    hung, answers = tmp_path / "hung.pdf", threading.Event()
    shutil.copy(SAMPLES / "multicolumn.pdf", hung)
    open_inside = original._open_inside

    def slow(path, root):
        if path == os.fsencode(hung):
            answers.wait(300)
        return open_inside(path, root)

    monkeypatch.setattr(original, "_open_inside", slow)
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        first = await parts.place(hung)
        second = await parts.place(SAMPLES / "PMC7068164.pdf")
        await one(db, "UPDATE foliod.files SET root = '/elsewhere' WHERE document_id = $1 RETURNING 1", second)
        assert await parts.ingest.read_next()
        # The other folder has all the time that it needs.
        monkeypatch.setattr(original, "OPEN_SECONDS", 60.0)
        assert await parts.ingest.read_next()
        states = "SELECT state FROM foliod.documents WHERE id = $1"
        assert (await one(db, states, first), await one(db, states, second)) == ("queued", "stored")
        await parts.due()
        assert await parts.ingest.read_next(), "the hung folder is not asked once more"
        answers.set()

        async def answered() -> bool:
            await parts.due()
            await parts.ingest.read_next()
            return await one(db, states, first) == "stored"

        await until(answered)


async def test_a_file_that_nobody_waits_for_any_more_is_closed(db, tmp_path, monkeypatch):
    """A client that hangs up while its file is being opened leaves no file open."""
    path, answers, asked = tmp_path / "left.pdf", threading.Event(), threading.Event()
    shutil.copy(SAMPLES / "multicolumn.pdf", path)
    open_inside = original._open_inside

    def slow(path, root):
        asked.set()
        answers.wait(300)
        return open_inside(path, root)

    def opened() -> list[str]:
        return [name for fd in os.listdir("/proc/self/fd") if (name := _link(f"/proc/self/fd/{fd}")) == str(path)]

    monkeypatch.setattr(original, "_open_inside", slow)
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        document = await parts.place(path)
        claim = Claim(document, sha256(path.read_bytes()).hexdigest(), 0, 0)
        originals = Originals(db, HOST, parts.changed.append)
        client = asyncio.create_task(originals.open(claim).__aenter__())
        assert await asyncio.to_thread(asked.wait, PATIENCE)
        client.cancel()
        await asyncio.wait([client])
        assert opened() == []
        answers.set()
        async with originals.open(claim):
            assert len(opened()) == 1
        assert opened() == []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


async def test_a_document_that_can_not_be_opened_is_tried_ever_later(db, tmp_path):
    """What lies in a folder that is away does not keep the readers busy, and is read soon when it is back."""
    path = tmp_path / "away.pdf"
    shutil.copy(SAMPLES / "PMC7068164.pdf", path)
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(path)
        path.rename(tmp_path / "elsewhere.pdf")
        waits = []
        for _ in range(7):
            await parts.due()
            assert await parts.ingest.read_next()
            # From when it was given back on, however long ago that is.
            given_back = "(SELECT at FROM foliod.history ORDER BY id DESC LIMIT 1)"
            waits.append(
                await one(db, f"SELECT extract(epoch FROM next_attempt_at - {given_back})::float FROM foliod.documents")
            )
        assert [*map(round, waits)] == sorted(map(round, waits))
        assert waits[0] < 6
        assert 100 < waits[-1] <= 120
        (tmp_path / "elsewhere.pdf").rename(path)
        await parts.due()
        assert await parts.ingest.read_next()
        assert await parts.state() == "stored"


async def test_readers_that_can_not_be_started_are_told_and_blame_nobody(db, monkeypatch):
    """When no process can be started the reason is there for the status, and the documents wait."""
    monkeypatch.setattr(reader, "COMMAND", (sys.executable, "-c", "raise SystemExit('no space left')"))
    async with FakeOllama() as ollama, bench(db, ollama) as parts:
        await parts.place(SAMPLES / "PMC7068164.pdf")
        assert not await parts.ingest.read_next()
        assert "no space left" in parts.ingest.trouble
        assert await parts.state() == "queued"
        monkeypatch.undo()
        await parts.due()
        assert await parts.ingest.read_next()
        assert parts.ingest.trouble is None
        assert await parts.state() == "stored"
