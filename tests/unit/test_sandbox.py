"""A parser that was taken over can read its one document and talk to the daemon, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from test_workers import SAMPLES, children, job, limits, read

from foliod.base.assets import PACKAGE
from foliod.base.errors import FoliodError, WorkerDiedError, WorkerTimeoutError
from foliod.base.model import Page
from foliod.ingest import reader
from foliod.ingest.workers import Workers
from foliod.reading import sandbox, transcript

PARASITE = Path(__file__).parents[1] / "parasite.py"
OFFER = sandbox.offered()

needs_landlock = pytest.mark.skipif(not OFFER.landlock, reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(not OFFER.seccomp, reason="this kernel takes no seccomp filters")


@pytest.fixture
def places(tmp_path, short_dir):
    """What a taken-over parser would like: documents, the state folder, the token, sockets that listen."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "token").write_text("secret")
    (tmp_path / "other.pdf").write_bytes(b"%PDF-another one")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(short_dir / "s"))
        unix.listen()
        yield {
            "state": str(state), "token": str(state / "token"), "document": str(tmp_path / "other.pdf"),
            "new": str(tmp_path / "new"), "port": tcp.getsockname()[1], "socket": str(short_dir / "s"),
            "postgres": str(short_dir / "s"),
        }  # fmt: skip


@pytest.fixture
def taken_over(monkeypatch, places):
    """Make reading processes do an attempt by name instead of reading."""

    def take(name: str) -> None:
        monkeypatch.setattr(
            reader, "COMMAND", (sys.executable, "-P", str(PARASITE), "reader", name, json.dumps(places))
        )

    return take


@needs_landlock
@needs_seccomp
async def test_what_a_taken_over_parser_is_refused(taken_over, places, tmp_path):
    """It opens no other file, writes none, and changes nothing about itself or the daemon; each attempt by name."""
    taken_over("refused")
    document = tmp_path / "own.pdf"
    document.write_bytes((SAMPLES / "habibi.pdf").read_bytes())
    async with Workers(1) as pool:
        events = await read(pool, document)
    found = json.loads(next(event.text for event in events if isinstance(event, Page)))
    may = {name: found.pop(name) for name in list(found) if name.startswith("may: ")}
    assert len(found) > 45
    assert {name: end for name, end in found.items() if end not in {"PermissionError", "OSError"}} == {}
    assert set(may.values()) == {"done"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.pdf", "own.pdf", "state"]
    assert (tmp_path / "other.pdf").read_bytes() == b"%PDF-another one"
    assert document.read_bytes() == (SAMPLES / "habibi.pdf").read_bytes()


@needs_seccomp
def test_what_ends_a_taken_over_parser(places):
    """Whoever starts a program, reaches another process or the network is ended by the kernel at once."""
    done = subprocess.run(
        [sys.executable, "-P", str(PARASITE), "each", json.dumps(places)], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)}, start_new_session=True,
    )  # fmt: skip
    ends = json.loads(done.stdout)
    assert len(ends) > 40
    assert {name: end for name, end in ends.items() if end != f"confined, then {-signal.SIGSYS}"} == {}


@needs_seccomp
async def test_an_attack_is_told(taken_over, tmp_path):
    """A process that tries to start a program is no accident: the reason says so, and the daemon reads on."""
    taken_over("run a shell")
    async with Workers(1) as pool:
        with pytest.raises(WorkerDiedError, match=r"habibi\.pdf.*never needs.*may be an attack"):
            await read(pool, SAMPLES / "habibi.pdf")
        assert pool.deaths == 1
        assert children() == []


async def test_a_process_that_ignores_everything(taken_over):
    """A process that ignores all signals it can and spins is ended when its time is up; its page has arrived."""
    taken_over("deaf")
    seen = []
    async with Workers(1) as pool:
        with job(SAMPLES / "habibi.pdf", page_seconds=3.0) as it, pytest.raises(WorkerTimeoutError):
            async for event in pool.read(it):
                seen.append(event)  # noqa: PERF401
    assert [event.text for event in seen if isinstance(event, Page)] == ["one page"]
    assert children() == []


async def test_a_document_larger_than_memory(taken_over):
    """Of a text that does not fit into the memory allowed the first pages are read, and it is told."""
    taken_over("huge")
    async with Workers(1) as pool:
        events = await read(pool, SAMPLES / "habibi.pdf", memory_mb=10, max_page_chars=100_000, chunk_tokens=4000)
        assert pool.deaths == 0
    pages = [event for event in events if isinstance(event, Page)]
    assert 3 <= len(pages) <= 10
    assert events[-1].partial == (
        f"only the first {len(pages)} of 500 pages were read; its text is larger than foliod reads"
    )
    assert events[-2][0].last_page == len(pages)


async def test_a_flood_of_pages_is_dammed(taken_over, monkeypatch):
    """Who sends more text than a document may have is ended, and the daemon holds none of it meanwhile."""
    taken_over("flood")
    monkeypatch.setattr(transcript, "DOCUMENT_CHARS", 20_000_000)
    count = 0
    tracemalloc.start()
    try:
        async with Workers(1) as pool:
            with job(SAMPLES / "habibi.pdf") as it, pytest.raises(WorkerDiedError, match="size of the document"):
                async for _ in pool.read(it):
                    count += 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 20 <= count <= 23
    assert peak < 8_000_000


@pytest.mark.parametrize(("how", "said"), [("busy", "processor time"), ("deaf", "SIGKILL")])
async def test_processor_time_is_limited(taken_over, monkeypatch, how, said):
    """The kernel ends a process that computes for ever, even when the daemon can't and the signal is ignored."""
    monkeypatch.setattr("foliod.ingest.job.PROCESSOR_SHARE", 0.005)
    taken_over(how)
    async with Workers(1) as pool:
        with job(SAMPLES / "habibi.pdf") as it, pytest.raises(WorkerDiedError, match=said):
            async for _ in pool.read(it):
                pass


@pytest.mark.parametrize("lacking", ["landlock", "seccomp", "both"])
async def test_a_kernel_that_lacks_something(lacking, monkeypatch, tmp_path):
    """Where the kernel has no Landlock or no seccomp, documents are read all the same."""
    offer = sandbox.Confinement(
        OFFER.landlock if lacking == "seccomp" else 0, OFFER.seccomp if lacking == "landlock" else False
    )
    script = (
        "import sys; from foliod.reading import sandbox, worker_main;"
        f"sandbox.offered = lambda: sandbox.{offer!r};"
        "worker_main.main(int(sys.argv[1]))"
    )
    monkeypatch.setattr(reader, "COMMAND", (sys.executable, "-P", "-c", script))
    async with Workers(1) as pool:
        for path in sorted(SAMPLES.glob("*.pdf"), key=lambda path: path.stat().st_size)[:9]:
            try:
                events = await read(pool, path)
            except FoliodError as error:
                assert "password" in error.message
            else:
                assert all(event.verdict != "failed" for event in events if isinstance(event, Page))
        assert (len(children()), pool.deaths) == (1, 0)


async def test_a_kernel_that_breaks_its_word_blames_no_document(monkeypatch):
    """When a process can't be confined though the kernel offers it, nothing is read, and it is not the document's fault."""
    script = (
        "import sys; from foliod.reading import sandbox, worker_main\n"
        "def refuse(*args): raise OSError(7, 'too many')\n"
        "sandbox._forbid_files = sandbox.syscalls.forbid_calls = refuse\n"
        "sandbox.offered = lambda: sandbox.Confinement(7, True)\n"
        "worker_main.main(int(sys.argv[1]))"
    )
    monkeypatch.setattr(reader, "COMMAND", (sys.executable, "-P", "-c", script))
    async with Workers(1) as pool:
        with pytest.raises(FoliodError, match=r"can't be confined.*too many") as error:
            await read(pool, SAMPLES / "habibi.pdf")
    assert not isinstance(error.value, WorkerDiedError)


async def test_what_holds_a_process(tmp_path):
    """A reading process holds no capabilities, is first to go when memory runs out, and last at the processor."""
    async with Workers(1) as pool:
        await read(pool, SAMPLES / "habibi.pdf")
        (pid,) = children()
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )
        assert {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == dict.fromkeys(
            ("CapEff", "CapPrm", "CapInh", "CapAmb"), 0
        )
        assert os.geteuid() != 0 or int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == ("2" if OFFER.seccomp else "0")
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"
        assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
        found = {}
        for line in Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]:
            name, *rest = (part for part in line.split("  ") if part.strip())
            found[name.strip()] = rest[0].strip()
        assert (found["Max core file size"], found["Max file size"], found["Max open files"]) == ("0", "0", "64")
        assert int(found["Max address space"]) == (limits().memory_mb + 256) << 20
        assert 2 * 60 <= int(found["Max cpu time"]) <= 2 * 60 + 30
