"""Documents are read in processes of their own, and whatever becomes of those, the daemon goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
import weakref
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import made_pdfs
from foliod.base.assets import PACKAGE
from foliod.base.errors import DocumentRefusedError, FileChangedError, FoliodError, WorkerDiedError, WorkerTimeoutError
from foliod.base.model import PAGE_JOIN, Chunk, DocumentFacts, DocumentState, Heading, Page, ReadSummary, Terms, Verdict
from foliod.ingest import reader
from foliod.ingest.reader import Reader
from foliod.ingest.workers import ReadJob, ReadLimits, Workers
from foliod.reading import wire
from foliod.reading.decoder import Decoder
from foliod.reading.strict import MalformedError
from foliod.reading.transcript import Transcript
from waiting import until

SAMPLES = Path(__file__).parents[1] / "samples"
LIMITS = ReadLimits(
    chunk_tokens=220,
    overlap_tokens=40,
    max_pages=20_000,
    max_page_chars=1_000_000,
    page_seconds=30.0,
    document_seconds=60.0,
    memory_mb=1024,
)


def limits(**changes: float) -> ReadLimits:
    return ReadLimits(**{name: getattr(LIMITS, name) for name in ReadLimits.__slots__} | changes)


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    async with Workers(2) as pool:
        yield pool


@pytest.fixture
def long_pdf(tmp_path) -> Path:
    """A PDF of so many pages that what they say does not fit into the socket's buffers."""
    path = tmp_path / "long.pdf"
    path.write_bytes(made_pdfs.many_pages(3000))
    return path


class Ledger(tuple[Page, ...]):
    """Stored pages as the store gives them: one after the other."""

    __slots__ = ()

    async def __aiter__(self) -> AsyncIterator[Page]:
        for page in self:
            yield page


@contextlib.contextmanager
def job(path: Path, stored: tuple[Page, ...] = (), **changes: float):
    fd = os.open(path, os.O_RDONLY)
    try:
        yield ReadJob(fd, path.name, limits(**changes), Ledger(stored))
    finally:
        os.close(fd)


async def read(pool: Workers, path: Path, stored: tuple[Page, ...] = (), **changes: float) -> list:
    with job(path, stored, **changes) as it:
        return [event async for event in pool.read(it)]


def children() -> list[int]:
    """Return the processes that read for this one."""
    out = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True
    )
    readers = ("worker_main", "parasite")
    return [int(line.split()[0]) for line in out.stdout.splitlines() if any(name in line for name in readers)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# --- what is read -----------------------------------------------------------------------


async def test_facts_pages_chunks_summary(workers):
    """A document comes as facts, its pages in order, its chunks with their terms, and a summary."""
    facts, *middle, summary = await read(workers, SAMPLES / "PMC7068164.pdf")
    pages = [event for event in middle if isinstance(event, Page)]
    chunks = middle[len(pages) :]
    assert isinstance(facts, DocumentFacts)
    assert facts.title.startswith("First cases of coronavirus disease 2019")
    assert [page.number for page in pages] == [1, 2, 3]
    text = PAGE_JOIN.join(page.text for page in pages)
    for ordinal, (chunk, terms) in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert chunk.text == text[chunk.start : chunk.end]
        assert 0 < chunk.tokens <= LIMITS.chunk_tokens
        assert len(terms.ids) == len(terms.weights) <= terms.length
    assert summary == ReadSummary(3, None, summary.extractor)
    assert (workers.busy, workers.deaths) == (0, 0)


async def test_refusals_come_with_their_state(workers, tmp_path):
    """What can't be read is refused with a state and a reason, and the process reads on."""
    (tmp_path / "page.pdf").write_bytes(b"<html>not found</html>")
    for path, state in [
        (SAMPLES / "libreoffice-writer-password.pdf", "needs_password"),
        (tmp_path / "page.pdf", "not_pdf"),
        (tmp_path, "not_pdf"),
    ]:
        with pytest.raises(DocumentRefusedError) as refusal:
            await read(workers, path)
        assert refusal.value.state == state
    assert len(children()) == 1
    assert workers.deaths == 0


async def test_pictures_alone_are_a_summary_without_chunks(workers):
    """A scan is read to its end: every page is said to need OCR, and nothing is embedded."""
    facts, *pages, summary = await read(workers, SAMPLES / "imagemagick-images.pdf")
    assert {page.verdict for page in pages} == {Verdict.NEEDS_OCR}
    assert len(pages) == facts.pages == summary.pages == 6


async def test_damaged_and_without_text_is_damaged(workers, tmp_path):
    """A broken file of which no text is left is damaged, not a scan and not empty."""
    whole = made_pdfs.one_page(b"BT /F1 12 Tf 72 720 Td (lost) Tj ET" * 50)
    (tmp_path / "cut.pdf").write_bytes(whole[: whole.index(b"stream") + 30])
    with pytest.raises(DocumentRefusedError) as refusal:
        await read(workers, tmp_path / "cut.pdf")
    assert refusal.value.state == "damaged"


@pytest.mark.parametrize("stored", [1, 2, 3])
async def test_stored_pages_are_not_read_again(workers, stored):
    """After a kill only the pages that are missing are read, and everything else is as if read at once."""
    fresh = await read(workers, SAMPLES / "PMC7068164.pdf")
    pages = [event for event in fresh if isinstance(event, Page)]
    again = await read(workers, SAMPLES / "PMC7068164.pdf", tuple(pages[:stored]))
    assert again == [fresh[0], *fresh[1 + stored :]]


async def test_stored_pages_are_believed(workers):
    """The stored page is what counts, even for the title."""
    path = SAMPLES / "pdflatex-4-pages.pdf"
    page = Page(1, Verdict.TEXT, "A Title\nand a text.", 595, 842, 0, (Heading(0, 1, "A Title"),))
    facts, second, *_ = await read(workers, path, (page,))
    assert facts.title == "A Title"
    assert second.number == 2


async def test_only_so_many_pages(workers, long_pdf):
    """Of a document with too many pages the first ones are read, and it is said."""
    events = await read(workers, long_pdf, max_pages=10)
    assert sum(isinstance(event, Page) for event in events) == 10
    assert "first 10 of 3000 pages" in events[-1].partial


async def test_a_page_of_a_million_letters(workers, tmp_path):
    """A page as long as allowed arrives whole, in pieces that the loop can take."""
    (tmp_path / "big.pdf").write_bytes(
        made_pdfs.one_page(
            b"".join(b"BT /F1 1 Tf 10 %d Td (%s) Tj ET\n" % (780 - i % 760, b"word%04d " % i * 10) for i in range(3000))
        )
    )
    _, page, *chunks, _ = await read(workers, tmp_path / "big.pdf", chunk_tokens=4000)
    assert len(page.text) > 200_000
    assert all(chunk.text == page.text[chunk.start : chunk.end] for chunk, _ in chunks)


# --- what goes wrong --------------------------------------------------------------------


async def test_a_process_killed_while_it_starts_is_started_again(workers, monkeypatch):
    """Kill -9 of a process that has not begun to read costs no document its turn, and blames no installation."""
    begin, killed = reader.Reader.begin, []

    async def killed_once(self) -> None:
        if not killed:
            killed.append(self._process.pid)
            self._process.kill()
        await begin(self)

    monkeypatch.setattr(reader.Reader, "begin", killed_once)
    assert isinstance((await read(workers, SAMPLES / "habibi.pdf"))[-1], ReadSummary)
    assert len(killed) == 1
    assert workers.deaths == 0


async def test_a_killed_process_is_replaced(workers, long_pdf):
    """Kill -9 in mid-document is an error of that document; the next one is read."""
    with job(long_pdf) as it, pytest.raises(WorkerDiedError, match=r"long\.pdf.*SIGKILL"):
        async for event in workers.read(it):
            if isinstance(event, Page) and event.number == 5:
                os.kill(children()[0], signal.SIGKILL)
    assert workers.deaths == 1
    assert isinstance((await read(workers, SAMPLES / "habibi.pdf"))[-1], ReadSummary)
    assert workers.busy == 0


async def test_a_silent_process_is_ended(workers, long_pdf):
    """A process that says nothing for too long is killed, even when it is stopped."""
    with job(long_pdf, page_seconds=0.5) as it, pytest.raises(WorkerTimeoutError, match=r"no page .* in 0\.5 s"):
        async for event in workers.read(it):
            if isinstance(event, Page) and event.number == 5:
                os.kill(children()[0], signal.SIGSTOP)
    assert children() == []
    assert workers.deaths == 1


async def test_a_process_that_does_not_listen_is_ended(workers):
    """A process that stands still while it is told the stored pages is ended, too."""
    await read(workers, SAMPLES / "habibi.pdf")
    os.kill(children()[0], signal.SIGSTOP)
    stored = tuple(Page(n, Verdict.TEXT, "x" * 100_000, 1, 1, 0) for n in range(1, 30))
    with pytest.raises(WorkerTimeoutError, match=r"in 0\.5 s"):
        await read(workers, SAMPLES / "habibi.pdf", stored, page_seconds=0.5)
    assert children() == []


async def test_stored_pages_are_taken_when_they_are_wanted(workers, monkeypatch):
    """The pages of an earlier attempt are not held in the daemon all at once, and a slow store costs no one's time."""
    held = set()
    most = 0
    asked = []

    class Clock(reader.Clock):
        runs = False

        @contextlib.asynccontextmanager
        async def running(self):
            Clock.runs = True
            try:
                async with super().running():
                    yield
            finally:
                Clock.runs = False

    class Text(str):
        __slots__ = ("__weakref__",)

    class Slow(Ledger):
        __slots__ = ()

        async def __aiter__(self):
            nonlocal most
            for number in range(1, 5):
                asked.append(Clock.runs)
                text = Text("x" * 100_000)
                held.add(number)
                weakref.finalize(text, held.discard, number)
                most = max(most, len(held))
                yield Page(number, Verdict.TEXT, text, 1, 1, 0)

    monkeypatch.setattr(reader, "Clock", Clock)
    pages = Slow([Page(1, Verdict.TEXT, "", 1, 1, 0)] * 4)
    fd = os.open(SAMPLES / "pdflatex-4-pages.pdf", os.O_RDONLY)
    try:
        events = [event async for event in workers.read(ReadJob(fd, "x.pdf", LIMITS, pages))]
    finally:
        os.close(fd)
    assert events[-1].pages == 4
    assert asked == [False] * 4
    assert most <= 2


async def test_an_endless_page_is_ended(workers, tmp_path):
    """A page that would take years to draw ends the reading; what was read before it has arrived."""
    path = tmp_path / "endless.pdf"
    path.write_bytes(made_pdfs.endless_page())
    seen = []
    with job(path, page_seconds=3.0) as it, pytest.raises(WorkerTimeoutError):
        async for event in workers.read(it):
            seen.append(event)  # noqa: PERF401
    assert [event.text for event in seen if isinstance(event, Page)] == ["a good page"]
    assert children() == []


async def test_a_document_has_its_time(workers, long_pdf):
    """Steady progress is not enough when the whole takes too long."""
    with pytest.raises(WorkerTimeoutError, match=r"longer than 0\.2 s"):
        await read(workers, long_pdf, document_seconds=0.2)


async def test_trying_passwords_has_a_time_of_its_own():
    """While a file is opened with hundreds of passwords, the time for a page has not begun."""
    clock = reader.Clock(limits(page_seconds=0.0), 60.0)
    async with clock.running():
        await asyncio.sleep(0.01)
    clock.opened()
    with pytest.raises(TimeoutError):
        async with clock.running():
            await asyncio.sleep(60.0)


async def test_a_slow_taker_is_waited_for(workers, long_pdf):
    """While the daemon is busy elsewhere the process waits, and its time stands still."""
    count = 0
    with job(long_pdf, page_seconds=2.0, document_seconds=600.0) as it:
        async for _ in workers.read(it):
            count += 1
            if count == 5:
                await asyncio.sleep(2.5)
    assert count > 3000


async def test_a_memory_bomb_stays_in_its_process(workers, tmp_path):
    """A file that wants gigabytes gets an error, and the daemon does not grow."""
    (tmp_path / "bomb.pdf").write_bytes(made_pdfs.memory_bomb())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        events = await read(workers, tmp_path / "bomb.pdf", memory_mb=300)
        assert events[-2].verdict is Verdict.FAILED
    except (WorkerDiedError, DocumentRefusedError) as error:
        assert "memory" in error.message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    assert isinstance((await read(workers, SAMPLES / "habibi.pdf"))[-1], ReadSummary)


async def test_a_file_that_shrinks_is_read_again_later(workers, long_pdf):
    """A file that is cut while it is read is no fault of the file."""
    with job(long_pdf) as it, pytest.raises(FileChangedError):
        async for event in workers.read(it):
            if isinstance(event, Page) and event.number == 3:
                os.truncate(long_pdf, 0)


async def test_closing_early_frees_the_place(workers, long_pdf):
    """Who stops listening ends the process; others find a free place."""
    for _ in range(2):
        with job(long_pdf) as it:
            async with aclosing(workers.read(it)) as events:
                async for _ in events:
                    break
    assert (workers.busy, workers.deaths, children()) == (0, 0, [])
    assert isinstance((await read(workers, SAMPLES / "habibi.pdf"))[-1], ReadSummary)


async def test_a_cancelled_reader_leaves_nothing(workers, long_pdf):
    """Cancelling the task that reads ends the process."""

    async def one() -> None:
        await read(workers, long_pdf)

    task = asyncio.create_task(one(), name="read")
    await until(lambda: workers.busy and children())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (workers.busy, children()) == (0, [])


async def test_as_many_at_once_as_there_are_places(workers, long_pdf):
    """Two places are two documents at once; the third waits and comes after."""
    seen = []

    async def one() -> None:
        with job(long_pdf, max_pages=300) as it:
            async for _ in workers.read(it):
                seen.append(workers.busy)  # noqa: PERF401

    await asyncio.gather(*(one() for _ in range(3)))
    assert max(seen) == 2
    assert len(children()) == 2


async def test_nothing_is_left_behind(long_pdf):
    """After the pool is closed its processes are gone."""
    async with Workers(1) as pool:
        await read(pool, SAMPLES / "habibi.pdf")
        (pid,) = children()
    assert not alive(pid)


@pytest.mark.parametrize("how", ["busy", "stopped"])
async def test_processes_die_with_the_daemon(tmp_path, how):
    """Kill -9 of the daemon takes its readers with it, even one that draws a page for ever or was stopped."""
    path = tmp_path / "endless.pdf"
    path.write_bytes(made_pdfs.endless_page())
    script = f"""
import asyncio, os, sys
sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parent), str(Path(PACKAGE).parent)]!r}
import test_workers as t
async def main():
    async with t.Workers(1) as pool:
        with t.job(t.Path({str(path)!r}), page_seconds=600.0) as it:
            async for event in pool.read(it):
                if isinstance(event, t.Page):
                    print("pid=%d" % t.children()[0], flush=True)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    try:
        while not (line := await parent.stdout.readline()).startswith(b"pid="):
            assert line
        if how == "stopped":
            os.kill(int(line[4:]), signal.SIGSTOP)
    finally:
        parent.kill()
        await parent.wait()
    pid = int(line[4:])
    try:
        # Sooner than the page could end by itself, for want of memory.
        await until(lambda: not alive(pid), seconds=5)
    finally:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


async def test_an_idle_process_that_died_leaves_nothing_open(workers):
    """Killed while it has nothing to do, a process is missed at once: its files do not wait for the next document."""
    before = set(os.listdir("/proc/self/fd"))
    await read(workers, SAMPLES / "habibi.pdf")
    (pid,) = children()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not set(os.listdir("/proc/self/fd")) - before)
    assert not children()


async def test_idle_processes_that_die_while_others_are_ended_are_nobodys_trouble():
    """Of two processes that are let go, one dies by itself meanwhile: nothing is told of it, and nothing is left."""
    troubles = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    async with Workers(2) as pool:
        await asyncio.gather(*(read(pool, SAMPLES / "habibi.pdf") for _ in range(2)))
        first, second = (worker._process.pid for worker in pool._idle)
        os.kill(second, signal.SIGKILL)
        # Without a turn of the event loop, which would notice it before the first is ended.
        os.waitid(os.P_PID, second, os.WEXITED | os.WNOWAIT)
        await pool._end_idle()
    assert not troubles
    assert not {first, second}.intersection(children())


async def test_an_idle_process_that_died_is_no_ones_fault(workers):
    """When the kernel ends a process between two documents, the next one does not suffer."""
    await read(workers, SAMPLES / "habibi.pdf")
    (pid,) = children()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not alive(pid))
    assert isinstance((await read(workers, SAMPLES / "habibi.pdf"))[-1], ReadSummary)
    assert workers.deaths == 0


async def test_hundreds_of_files_leave_nothing_open(monkeypatch, tmp_path):
    """Over hundreds of files, good ones, bad ones and killed ones, no descriptor, process or zombie is left over."""
    monkeypatch.setattr(reader, "FILES_A_WORKER", 60)
    (tmp_path / "page.pdf").write_bytes(b"<html>not found</html>")
    pids = set()

    def openings() -> int:
        return len(os.listdir("/proc/self/fd"))

    async with Workers(1) as pool:
        await read(pool, SAMPLES / "habibi.pdf")
        before = openings()
        for number in range(300):
            if number % 100 == 50:
                os.kill(children()[0], signal.SIGKILL)
            with contextlib.suppress(DocumentRefusedError, WorkerDiedError):
                await read(pool, SAMPLES / "habibi.pdf" if number % 3 else tmp_path / "page.pdf")
            if number % 20 == 0:
                pids |= set(children())
                # One that was replaced is tidied up beside what comes next.
                await until(lambda: openings() == before)
        await until(lambda: openings() == before)
        assert len(pids) >= 5
        (last,) = children()
        # It closes the file after its last word.
        await until(lambda: len(os.listdir(f"/proc/{last}/fd")) == 4)

    def zombies() -> list[str]:
        family = subprocess.run(
            ["ps", "-o", "pid=,stat=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True
        )
        return [line for line in family.stdout.splitlines() if " Z" in line]

    await until(lambda: not zombies())


async def test_mutants_end_in_a_known_way(workers, tmp_path):
    """Whatever bits are flipped, a file is read, refused, or given up; there is no other way."""
    rng = random.Random(7)
    whole = (SAMPLES / "pdflatex-outline.pdf").read_bytes()
    ends = set()
    for number in range(60):
        mutant = bytearray(whole)
        for _ in range(rng.choice([1, 10, 100])):
            mutant[rng.randrange(len(mutant))] = rng.randrange(256)
        path = tmp_path / f"{number}.pdf"
        path.write_bytes(mutant[: rng.choice([len(mutant), len(mutant) // 2])])
        try:
            events = await read(workers, path, page_seconds=5)
            ends.add("read")
            assert isinstance(events[-1], ReadSummary)
        except DocumentRefusedError as refusal:
            ends.add(refusal.state)
        except WorkerDiedError:
            ends.add("died")
    assert "read" in ends
    assert ends <= {"read", "died", "damaged", "not_pdf", "unsupported", "needs_password", "empty"}


# --- a process that lies ----------------------------------------------------------------

READY = {"kind": "ready", "confinement": "nothing", "version": wire.VERSION}
FACTS = {"kind": "facts", "pages": 2, "title": None, "author": None, "created": None, "modified": None}
PAGE = {
    "kind": "page",
    "number": 1,
    "verdict": "text",
    "width": 1,
    "height": 1,
    "rotation": 0,
    "text": "a",
    "headings": [],
}
CHUNK = {
    "kind": "chunk", "ordinal": 0, "first": 1, "last": 1, "start": 0, "end": 1, "text": "a", "tokens": 1,
    "heading": None, "ids": [1], "weights": [0.5], "length": 1,
}  # fmt: skip
SUMMARY = {"kind": "summary", "pages": 2, "partial": None, "extractor": "1"}

LIES = {
    "nothing first": [PAGE],
    "facts twice": [FACTS, FACTS],
    "another page": [FACTS, PAGE | {"number": 2}],
    "a page too many": [FACTS, PAGE, PAGE | {"number": 2}, PAGE | {"number": 3}],
    "a page number that is none": [FACTS, PAGE | {"number": True}],
    "an endless page number": [FACTS, PAGE | {"number": 10**30}],
    "a verdict that is none": [FACTS, PAGE | {"verdict": "fine"}],
    "an endless width": b'{"kind":"page","number":1,"verdict":"text","width":1e999,"height":1,"rotation":0,"text":""}',
    "not a number": b'{"kind":"page","number":1,"verdict":"text","width":NaN,"height":1,"rotation":0,"text":""}',
    "a NUL": [FACTS, PAGE | {"text": "a\0b"}],
    "half a surrogate": [FACTS, PAGE | {"text": "\ud800"}],
    "a heading elsewhere": [FACTS, {"kind": "headings", "headings": [[5, 1, "x"]]}, PAGE],
    "a heading that is none": [FACTS, {"kind": "headings", "headings": [7]}],
    "a page after a chunk": [FACTS, PAGE, CHUNK, PAGE | {"number": 2}],
    "a chunk beyond the text": [FACTS, PAGE, CHUNK | {"start": 5, "end": 6}],
    "a chunk with another end": [FACTS, PAGE, CHUNK | {"end": 9}],
    "the same chunk twice": [FACTS, PAGE, CHUNK, CHUNK],
    "a chunk out of order": [FACTS, PAGE, CHUNK | {"ordinal": 1}],
    "a term that is none": [FACTS, PAGE, CHUNK | {"ids": [0]}],
    "more terms than text": [FACTS, PAGE, CHUNK | {"ids": [1, 2, 3], "weights": [1, 1, 1], "length": 3}],
    "a term twice": [FACTS, PAGE, CHUNK | {"ids": [1, 1], "weights": [1, 1], "length": 2}],
    "a weight too many": [FACTS, PAGE, CHUNK | {"weights": [1, 1]}],
    "an early summary": [FACTS, PAGE, SUMMARY],
    "a state of ours": [{"kind": "refused", "state": "ready", "reason": "x"}],
    "a state that is none": [{"kind": "refused", "state": "odd", "reason": "x"}],
    "a date that is none": [FACTS | {"created": "yesterday"}],
    "a date without a zone": [FACTS | {"created": "2020-01-01"}],
    "a kind that is none": [{"kind": "run"}],
    "no kind": [{}],
    "a list": b"[]",
    "nested without end": b"[" * 100_000,
    "no JSON": b"\x80\x04\x95",
    "a number without end": b"9" * 100_000,
    "a message without end": wire.MAX_FRAME + 1,
    "pieces without end": [FACTS, *[{"kind": "text", "text": "x" * 100}] * 30],
    "headings without end": [FACTS, *[{"kind": "headings", "headings": [[0, 1, "x"]] * 50}] * 100],
    "headings that are none": [FACTS, {"kind": "headings", "headings": {}}],
    "empty pieces": [FACTS, {"kind": "text", "text": ""}],
}  # fmt: skip


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize("lie", LIES, ids=lambda name: name.replace(" ", "-"))
async def test_a_process_that_lies_is_ended(workers, tmp_path, monkeypatch, lie):
    """Whatever a taken-over process sends, it is refused and ended, and raises nothing else."""
    said = LIES[lie]
    if isinstance(said, int):
        sent = said.to_bytes(4, "big")
    elif isinstance(said, bytes):
        sent = frame(said)
    else:
        sent = b"".join(frame(json.dumps(message).encode()) for message in said)
    (tmp_path / "sent").write_bytes(frame(json.dumps(READY).encode()) + sent)
    impostor = f"import socket,sys;s=socket.socket(fileno=int(sys.argv[1]));s.sendall(open({str(tmp_path / 'sent')!r},'rb').read());s.recv(9);s.recv(99999);input()"
    monkeypatch.setattr(reader, "COMMAND", (sys.executable, "-S", "-c", impostor))
    with pytest.raises(WorkerDiedError, match="misbehaved"):
        await read(workers, SAMPLES / "habibi.pdf", max_page_chars=2000, chunk_tokens=32)
    assert workers.deaths == 1


async def test_a_process_that_does_not_start_blames_no_document(workers, monkeypatch):
    """When reading can't even begin, the error says why, and it is not the document's."""
    monkeypatch.setattr(reader, "COMMAND", (sys.executable, "-c", "raise SystemExit('No module named pymupdf')"))
    with pytest.raises(FoliodError, match="No module named pymupdf") as error:
        await read(workers, SAMPLES / "habibi.pdf")
    assert not isinstance(error.value, WorkerDiedError)
    assert workers.busy == 0


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
HEADINGS = st.lists(st.builds(Heading, st.just(0), st.integers(1, 9), TEXTS), max_size=50).map(tuple)
PAGES = st.builds(
    Page, st.integers(1, 10**6), st.sampled_from(Verdict), TEXTS, st.floats(0, 1e6), st.floats(0, 1e6),
    st.sampled_from([0, 90, 180, 270]), HEADINGS,
)  # fmt: skip


@given(PAGES, st.integers(0, 60_000))
@settings(deadline=None)
def test_pages_arrive_as_they_were_sent(page, more):
    """What is read is what arrives, in messages that are never too large."""
    page = Page(page.number, page.verdict, page.text + "€" * more, *(getattr(page, n) for n in Page.__slots__[3:]))
    assert through_the_wire(page) == page


@given(st.lists(st.integers(1, 999_999_999), unique=True, max_size=50), st.integers(0, 8000), TEXTS)
@settings(deadline=None, max_examples=30)
def test_chunks_arrive_as_they_were_sent(ids, more, text):
    """Chunks and their terms arrive whole, however many terms there are."""
    ids = list(dict.fromkeys([*ids, *range(1, more)]))
    chunk = Chunk(0, 1, 2, 7, 8 + len(text), f"{text}x", 5, "heading")
    event = chunk, Terms(tuple(ids), tuple(1 / i for i in ids), len(ids) + 3)
    assert through_the_wire(event) == event


def through_the_wire(event):
    decoder = Decoder(200_000)
    out = None
    for sent in wire.frames(event):
        assert len(sent) <= wire.MAX_FRAME + wire.HEADER_BYTES
        assert out is None
        out = decoder.decode(sent[wire.HEADER_BYTES :])
    return out


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
KINDS = [
    FACTS,
    PAGE,
    CHUNK,
    SUMMARY,
    READY,
    {"kind": "text", "text": "a"},
    {"kind": "terms", "ids": [1], "weights": [1]},
]


@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.dictionaries(st.sampled_from([*PAGE, *CHUNK, *FACTS]), JSON)), max_size=5
    )
)
@settings(deadline=None)
def test_nothing_but_malformed(messages):
    """Any JSON makes an event or the one error that is expected."""
    decoder, transcript = Decoder(1000), Transcript(LIMITS)
    with contextlib.suppress(MalformedError):
        for message, changes in messages:
            event = decoder.decode(json.dumps(message | changes).encode())
            if event is not None:
                transcript.admit(event)


async def session(path: Path) -> list[bytes]:
    """Return what a reader really says about a document, in frames."""
    async with Workers(1) as pool:
        return [part for event in await read(pool, path) for part in wire.frames(event)]


async def test_mutated_sessions_are_refused_or_taken():
    """However what a reader says is garbled, it is taken or refused as malformed, in bounded memory."""
    rng = random.Random(11)
    whole = await session(SAMPLES / "PMC7068164.pdf")
    words = [
        b"0",
        b"-1",
        b"1e999",
        b"null",
        b"[]",
        b'""',
        b"{}",
        b"true",
        b'"\\u0000"',
        b'"\\ud800"',
        b"9" * 400,
        b"NaN",
    ]
    ends = set()
    tracemalloc.start()
    try:
        for _ in range(400):
            parts = list(whole)
            for _ in range(rng.choice([1, 1, 2, 5])):
                at = rng.randrange(len(parts))
                part = bytearray(parts[at])
                match rng.randrange(7):
                    case 0:
                        part[rng.randrange(len(part))] = rng.randrange(256)
                    case 1:
                        del part[rng.randrange(len(part)) :]
                    case 2:
                        part = bytearray(rng.randbytes(rng.randrange(1, 200)))
                    case 3:
                        parts.insert(rng.randrange(len(parts)), bytes(part))
                    case 4:
                        parts[at], parts[0] = parts[0], parts[at]
                        continue
                    case 5:
                        part = bytearray(re.sub(rb"(?<=:)\d+", lambda _: rng.choice(words), bytes(part), count=2))
                        part[:4] = (len(part) - 4).to_bytes(4, "big")
                    case _:
                        fields = json.loads(part[4:]) if part[4:].endswith(b"}") else {}
                        for name in rng.sample([*fields], min(2, len(fields))):
                            fields[name] = rng.choice([None, -1, [], {}, "\0", 10**30, "x" * 5000, [[[]]], True])
                        part = bytearray(frame(json.dumps(fields).encode()))
                parts[at] = bytes(part)
            ends.add(await listen(b"".join(parts)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ends == {"taken", "malformed", "cut short"}
    assert peak < 16_000_000


async def listen(said: bytes) -> str:
    """Take what a process said as the daemon does, without the process."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    it = Reader.__new__(Reader)
    it._socket, it._buffer, it._decoder = ours, bytearray(), Decoder(LIMITS.max_page_chars)
    transcript = Transcript(LIMITS)
    with ours, theirs:

        async def say() -> None:
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().sock_sendall(theirs, said)
                theirs.shutdown(socket.SHUT_WR)

        talk = asyncio.create_task(say(), name="talk")
        try:
            while True:
                event = transcript.admit(await it._receive())
                if isinstance(event, ReadSummary):
                    return "taken"
                if isinstance(event, wire.Refused):
                    return "refused"
        except MalformedError:
            return "malformed"
        except EOFError:
            return "cut short"
        finally:
            talk.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await talk


def least(work) -> float:
    """Return the least processor time that something takes, in seconds."""
    times = []
    for _ in range(7):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return min(times)


def test_the_largest_message_is_parsed_quickly():
    """The event loop is not held up by one message, however it is made."""
    numbers = b",".join([b"1"] * 24_000)
    for body in (
        json.dumps({"kind": "text", "text": "é" * 48_000}, ensure_ascii=False).encode(),
        b'{"kind":"terms","ids":[%s],"weights":[%s]}' % (numbers, numbers),
    ):
        assert 0.95 * wire.MAX_FRAME < len(body) <= wire.MAX_FRAME
        took = least(lambda body=body: Decoder(10**6).decode(body))
        # On a machine on which all is slow, measured by what Python's own parser takes.
        assert took < max(0.01, 8 * least(lambda body=body: json.loads(body)))


# --- the sandbox ------------------------------------------------------------------------


def test_the_sandbox():
    """A process that reads can open no file and no connection, write nothing, and gain nothing."""
    script = """
import os, resource, socket, sys
from foliod.reading import sandbox
r, w = os.pipe()
sandbox.begin(keep=w)
sandbox.limit_memory(512, 0)
out = {"nice": os.nice(0)}
has_landlock = sandbox.confine().landlock
def attempt(name, do):
    try:
        do()
        out[name] = "done"
    except (OSError, MemoryError) as error:
        out[name] = type(error).__name__
attempt("other descriptor", lambda: os.fstat(r))
attempt("kept descriptor", lambda: os.fstat(w))
attempt("memory", lambda: bytearray(600 << 20))
if has_landlock:
    attempt("secret", lambda: open("/etc/passwd"))
    attempt("folder", lambda: os.listdir("/tmp"))
    attempt("write", lambda: open("/tmp/foliod-sandbox-test", "w"))
    attempt("library", lambda: __import__("colorsys"))
out["core"] = resource.getrlimit(resource.RLIMIT_CORE)[1]
out["file size"] = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
out["privileges"] = [l.split()[1] for l in open("/proc/self/status") if l.startswith("NoNewPrivs")] if not has_landlock else ["1"]
print(out)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    out = eval(done.stdout)
    expected = {
        "other descriptor": "OSError", "kept descriptor": "done", "memory": "MemoryError", "secret": "PermissionError",
        "folder": "PermissionError", "write": "PermissionError", "library": "done", "core": 0, "file size": 0,
        "privileges": ["1"],
    }  # fmt: skip
    assert {name: out[name] for name in expected if name in out} == {n: v for n, v in expected.items() if n in out}
    assert out["nice"] >= 10


def test_a_chunk_is_no_larger_than_its_budget():
    """A process can't make the daemon hold chunks of the size of pages."""
    transcript = Transcript(limits(chunk_tokens=32))
    transcript.admit(DocumentFacts(pages=1))
    transcript.admit(Page(1, Verdict.TEXT, "a" * 5000, 1, 1, 0))
    with pytest.raises(MalformedError, match="size of the chunk"):
        transcript.admit((Chunk(0, 1, 1, 0, 3000, "a" * 3000, 1), Terms((), (), 0)))


def test_states_that_a_process_may_give():
    """A process can refuse a document, never declare it ready."""
    transcript = Transcript(LIMITS)
    with pytest.raises(MalformedError):
        transcript.admit(wire.Refused(DocumentState.READY, "no"))


async def test_an_update_under_a_running_daemon_blames_no_document(monkeypatch):
    """When another version was installed meanwhile, documents wait until the daemon is restarted, and it says so."""
    monkeypatch.setattr(wire, "VERSION", "0.0.1 older")
    async with Workers(1) as pool:
        with job(SAMPLES / "multicolumn.pdf") as it, pytest.raises(FoliodError, match="restart foliod") as told:
            async for _ in pool.read(it):
                pass
        assert not isinstance(told.value, WorkerDiedError)
