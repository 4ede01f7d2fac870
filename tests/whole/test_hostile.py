"""Hostile files against the real daemon: each ends in its state, and neither it nor its neighbours are hurt.

`FOLIOD_TEST_MUTANTS` sets how many damaged copies of the samples are dropped in at once (60).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from foliod.base.paths import display
from foliod.reading.wire import MAPPED_BYTES
from live import Daemon, running, wait_for
from made_pdfs import many_pages
from nasty_pdfs import NAMES, OTHER_NAMES, PDFS, good, mutant, said
from places import temporary_dir
from stilled import command
from watcher import MIB, Watcher, children_of, documents, settled

pytestmark = pytest.mark.timeout(600)
SAMPLES = Path(__file__).parents[1] / "samples"
MUTANTS = int(os.environ.get("FOLIOD_TEST_MUTANTS", "60"))
DAEMON_MB = 250
"""What the daemon may need, whatever is dropped in."""
WORKER_MB = 256

LIMITS = f"""
[ingest]
sweep_seconds = 2
grace_seconds = 0.2
max_file_mb = 64
max_pages = 1000
page_seconds = 20
max_attempts = 2
worker_memory_mb = {WORKER_MB}
ocr = false
"""
HASTY = LIMITS.replace("page_seconds = 20", "page_seconds = 5").replace("max_attempts = 2", "max_attempts = 1")
"""For files that would take for ever: nothing is tried twice."""
TOO_LATE = "was finished in"
"""What the reason says of a page that was given up because of the time that it took."""


def found_paths(daemon: Daemon, words: str) -> set[str]:
    """Return the places of the documents that a search finds with the first of the words in the passage."""
    hits = daemon.search(words, limit=20, mode="keyword")["hits"]
    first, *_ = words.split()
    return {path for hit in hits if first in hit["text"] for path in hit["document"]["paths"]}


def verdicts(daemon: Daemon, number: int) -> str:
    counts: dict[str, int] = {}
    for run in daemon.get(f"/v1/documents/{number}")["page_verdicts"]:
        counts[run["verdict"]] = counts.get(run["verdict"], 0) + run["last"] - run["first"] + 1
    return ", ".join(f"{verdict} {count}" for verdict, count in sorted(counts.items()))


def test_each_hostile_file_ends_in_its_state():
    """All kinds of hostile files at once: each ends in its state with a reason, good ones are found, questions go on."""
    with running(HASTY) as daemon, Watcher(daemon) as watcher:
        for name, nasty in PDFS.items():
            (daemon.inbox / f"{name}.pdf").write_bytes(nasty.make())
        neighbours = [daemon.drop(path) for path in sorted(SAMPLES.glob("PMC*.pdf"))]
        expected = len(PDFS) + len(neighbours)
        wait_for(lambda: settled(daemon, expected), seconds=300, why="every file to come to its end")
        endless = {
            str(daemon.inbox / f"{name}.pdf")
            for name, nasty in PDFS.items()
            if "failed" in nasty.state + nasty.verdicts
        }
        for _ in range(5):
            # On a machine that is busy with others, tenths of a second may take longer than was allowed.
            late = {path for path, document in documents(daemon).items() if TOO_LATE in (document["reason"] or "")}
            for path in late - endless:
                daemon.post("/v1/retry", path=path)
            wait_for(lambda: settled(daemon, expected), seconds=300, why="what was late to come to its end")
        ended = documents(daemon)
        wrong = {}
        for name, nasty in PDFS.items():
            path = str(daemon.inbox / f"{name}.pdf")
            document = ended[path]
            seen = document["state"], document["partial"]
            if document["state"] not in nasty.state.split(" or ") or document["partial"] != nasty.partial:
                wrong[name] = *seen, document["reason"]
            elif nasty.verdicts and (came_to := verdicts(daemon, document["id"])) != nasty.verdicts:
                wrong[name] = *seen, came_to
            elif nasty.finds and found_paths(daemon, nasty.finds) != {path}:
                wrong[name] = *seen, f"{nasty.finds} found in {found_paths(daemon, nasty.finds)}"
            elif (document["state"] != "stored" or nasty.partial) and not document["reason"]:
                wrong[name] = *seen, "no reason"
        assert wrong == {}
        assert all(ended[str(path)]["state"] == "stored" for path in neighbours)
        assert found_paths(daemon, "nucleotides bovine coronavirus") <= {str(path) for path in neighbours}
        assert daemon.process.poll() is None
    print(f"{len(watcher.took)} searches meanwhile, p95 {watcher.p95_ms():.0f} ms, daemon {watcher.daemon_bytes / MIB:.0f} MiB, "
          f"a reader {watcher.worker_bytes / MIB:.0f} MiB at most")  # fmt: skip
    assert watcher.troubles == []
    assert 0 < watcher.daemon_bytes < DAEMON_MB * MIB
    # Mapped files come on top of what a reader may have.
    assert 0 < watcher.worker_bytes < WORKER_MB * MIB + MAPPED_BYTES


def test_odd_names_are_taken_and_odd_files_are_not():
    """A good file is found under every odd name; what is no file is left alone and named once, whatever comes later."""
    with running(LIMITS) as daemon, contextlib.ExitStack() as stack:
        inbox = daemon.inbox
        for name in (*NAMES, *OTHER_NAMES):
            with open(os.path.join(os.fsencode(inbox), name), "wb") as file:
                file.write(good())
        (inbox / "folder.pdf").mkdir()
        (inbox / "folder.pdf" / "inside.pdf").write_bytes(good())
        os.link(inbox / "UPPER.PDF", inbox / "hardlink.pdf")
        (inbox / "link.pdf").symlink_to("UPPER.PDF")
        (inbox / "circle").mkdir()
        (inbox / "circle" / "up").symlink_to("..")
        ignored = {
            "loop_a.pdf": "circle", "loop_b.pdf": "circle", "dangling.pdf": "link to nothing",
            "zero.pdf": "out of the watched folder", "outside.pdf": "out of the watched folder",
            "pipe.pdf": "named pipe", "socket.pdf": "socket",
        }  # fmt: skip
        (inbox / "loop_a.pdf").symlink_to("loop_b.pdf")
        (inbox / "loop_b.pdf").symlink_to("loop_a.pdf")
        (inbox / "dangling.pdf").symlink_to("nowhere.pdf")
        (inbox / "zero.pdf").symlink_to("/dev/zero")
        (inbox / "outside.pdf").symlink_to("/etc/passwd")
        os.mkfifo(inbox / "pipe.pdf")
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(inbox / "socket.pdf"))
        for name, head in ("sparse_zeros.pdf", b""), ("sparse_good.pdf", good()):
            with (inbox / name).open("wb") as file:
                file.write(head)
                file.truncate(5 << 30)
        below_path_max(inbox)
        taken = {display(os.path.join(os.fsencode(inbox), name)) for name in NAMES}
        taken |= {str(inbox / name) for name in ("folder.pdf/inside.pdf", "hardlink.pdf", "link.pdf")}

        def named() -> dict[str, str]:
            # What was said last: links came before what they lead to.
            told = {Path(e["path"]).name: e["reason"] for e in daemon.log_events("file_ignored")}
            return {name: words for name, words in ignored.items() if words in told.get(name, "")}

        def unread() -> dict[str, str]:
            return {Path(e["file"]).name: e["reason"] for e in daemon.log_events("file_unread")}

        wait_for(lambda: len(documents(daemon)) >= len(taken), why="all names")
        wait_for(lambda: settled(daemon, len(taken) + 2), why="the two that are too large")
        wait_for(lambda: named() == ignored, why="what is no file to be named")
        wait_for(
            lambda: len(unread()) == 2 and daemon.log_events("folder_unreadable"), why="what can't be read to be named"
        )
        ended = documents(daemon)
        assert set(ended) == taken
        [document] = {document["id"]: document for document in ended.values()}.values()
        assert document["state"] == "stored"
        assert set(unread()) == {"sparse_zeros.pdf", "sparse_good.pdf"}
        assert all("max_file_mb" in reason for reason in unread().values())
        [deep] = daemon.log_events("folder_unreadable")
        assert "name too long" in deep["reason"].lower()
        # Some sweeps later nothing of it has been said again.
        before = [daemon.log_events(event) for event in ("file_ignored", "file_unread", "folder_unreadable")]
        swept = daemon.status()["roots"][0]["swept_at"]
        for _ in range(2):
            swept = wait_for(lambda last=swept: (at := daemon.status()["roots"][0]["swept_at"]) != last and at)
        assert [daemon.log_events(event) for event in ("file_ignored", "file_unread", "folder_unreadable")] == before


def below_path_max(folder: Path) -> None:
    """Put a good PDF so deep that its path is longer than the system takes."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=at)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    with os.fdopen(os.open("deep.pdf", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=at), "wb") as file:
        file.write(good())
    os.close(at)


# --- live inputs ------------------------------------------------------------------------


def test_files_that_change_while_they_are_seen():
    """Growing, preallocated, replaced, rewritten and churned files: at the end the store holds what the folder holds."""
    with running(LIMITS) as daemon:
        inbox = daemon.inbox
        growing, filled = many_pages(300, "Page %d of the growing one."), many_pages(300, "Page %d of the filled one.")
        with (inbox / "growing.pdf").open("wb", 0) as grow, (inbox / "filled.pdf").open("wb", 0) as fill:
            fill.truncate(len(filled))
            for i in range(10):
                part = slice(len(growing) * i // 10, len(growing) * (i + 1) // 10)
                grow.write(growing[part])
                fill.seek(len(filled) * i // 10)
                fill.write(filled[len(filled) * i // 10 : len(filled) * (i + 1) // 10])
                (inbox / ".replaced.tmp").write_bytes(said(f"edition {'abcdefghij'[i]}{i} of the replaced one"))
                (inbox / ".replaced.tmp").rename(inbox / "replaced.pdf")
                rewrite(inbox / "rewritten.pdf", said(f"edition {'abcdefghij'[i]}{i} of the rewritten one"))
                churn(inbox / "churn", random.Random(i))
                # Longer than a file has to be still, so that half of it is taken for whole.
                time.sleep(0.3)
        expected = {
            "growing.pdf": ("growing", 300), "filled.pdf": ("filled", 300),
            "replaced.pdf": ("replaced", 1), "rewritten.pdf": ("rewritten", 1),
        }  # fmt: skip
        held = {str(inbox / name): hashlib.sha256((inbox / name).read_bytes()).hexdigest() for name in expected}

        def as_it_is() -> bool:
            """Whether all is stored as it lies there now, and what lay there before has left the store."""
            found = daemon.get("/v1/documents", limit=500)["documents"]
            whole = [document for document in found if document["state"] == "stored" and not document["partial"]]
            places = {path: document["sha256"] for document in whole for path in document["paths"]}
            return len(found) == 4 and places == held

        wait_for(as_it_is, seconds=120, why="what the folder holds, and nothing else")
        ended = documents(daemon)
        for name, (word, pages) in expected.items():
            assert ended[str(inbox / name)]["pages"] == pages
            assert found_paths(daemon, f"{word} one") == {str(inbox / name)}
        for word in ("replaced", "rewritten"):
            [hit] = [hit for hit in daemon.search(f"{word} edition", limit=20)["hits"] if word in hit["text"]]
            assert f"edition j9 of the {word} one" in hit["text"]


def rewrite(path: Path, content: bytes) -> None:
    """Write other content of the same length over a file, and put its time back."""
    before = path.stat() if path.exists() else None
    path.write_bytes(content)
    if before is not None:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def churn(folder: Path, chance: random.Random) -> None:
    """Make, cut, rename and remove files and their folder in a moment."""
    folder.mkdir()
    for i in range(20):
        content = said(f"churned {i}")
        (folder / f"{i}.pdf").write_bytes(content[: chance.randrange(1, len(content))] if i % 3 else content)
    for i in range(10):
        (folder / f"{i}.pdf").rename(folder / f"m{i}.pdf")
    other = folder.with_name("churn2")
    folder.rename(other)
    time.sleep(chance.random() * 0.2)
    shutil.rmtree(other)


# --- permissions ------------------------------------------------------------------------


class Unprivileged(Daemon):
    """The daemon without the right to read everything, also where the tests run as root."""

    def command(self, *args: str) -> list[str]:
        command = super().command(*args)
        return [sys.executable, "-c", WITHOUT_RIGHTS, *command] if os.geteuid() == 0 else command


# CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH leave the bounding set (PR_CAPBSET_DROP), and so every program started.
WITHOUT_RIGHTS = """
import ctypes, os, sys
for capability in 1, 2:
    assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
async def ordinary(dsn) -> AsyncIterator[Unprivileged]:
    with temporary_dir() as base:
        # PostgreSQL runs as another user than root, and root without rights may not enter that one's folder.
        daemon = Unprivileged(base, config=f'{LIMITS}\n[database]\nurl = "{dsn}"\n')
        probe = [*daemon.command()[:-2], "-c", "import foliod.start.supervise"]
        if os.geteuid() == 0 and (folder := parse_qs(urlsplit(dsn).query).get("host")):
            socket_folder = Path(folder[0])
            socket_folder.parent.chmod(0o711)
            socket_folder.chmod(0o711)
            for path in socket_folder.glob(".s.PGSQL.*"):
                path.chmod(0o777)
        if subprocess.run(probe, capture_output=True, check=False, cwd="/").returncode:
            pytest.skip("the Python that runs the tests can't be used without root's rights")
        try:
            yield daemon
        finally:
            daemon.end()


async def test_what_may_not_be_read_is_said_and_taken_later(ordinary):
    """A file and a folder that the daemon may not read are named once; they are read when they may be."""
    inbox = ordinary.inbox
    (inbox / "locked").mkdir()
    (inbox / "locked" / "inside.pdf").write_bytes(said("inside the locked folder"))
    (inbox / "forbidden.pdf").write_bytes(said("forbidden words"))
    (inbox / "allowed.pdf").write_bytes(said("allowed words"))
    (inbox / "forbidden.pdf").chmod(0)
    (inbox / "locked").chmod(0)
    try:
        ordinary.start()
        ordinary.wait_states(stored=1)
        wait_for(lambda: ordinary.log_events("file_unread") and ordinary.log_events("folder_unreadable"))
        [file], [folder] = ordinary.log_events("file_unread"), ordinary.log_events("folder_unreadable")
        assert (file["file"], folder["path"]) == (str(inbox / "forbidden.pdf"), str(inbox / "locked"))
        assert "ermission denied" in file["reason"]
        assert "ermission denied" in folder["reason"]
        assert found_paths(ordinary, "allowed") == {str(inbox / "allowed.pdf")}
        wait_for(lambda: ordinary.status()["roots"][0]["unreadable"] == 2, why="both to be counted")
        # So is what comes while the daemon runs, without a wait for the next sweep, which is minutes away.
        late = inbox / "late.part"
        late.write_bytes(said("late words"))
        late.chmod(0)
        late.rename(inbox / "late.pdf")
        wait_for(lambda: ordinary.status()["roots"][0]["unreadable"] == 3, why="the late one to be counted")
        (inbox / "closed").mkdir(mode=0)
        wait_for(lambda: ordinary.status()["roots"][0]["unreadable"] == 4, why="the late folder to be counted")
        assert "4 unreadable" in " ".join(ordinary.cli("status").stdout.split())
        assert f"{inbox / 'closed'} can't be looked into by the user" in ordinary.status()["roots"][0]["problem"]
        for path in (inbox / "locked", inbox / "locked" / "inside.pdf"):
            told = ordinary.cli("explain", str(path)).stdout
            assert "can't be looked into by the user" in told and "the right to list and enter it" in told, told
        checks = json.loads(ordinary.cli("doctor", "--json").stdout)["checks"]
        assert [check["fix"] for check in checks if "can't be looked into" in check["message"]], checks
        (inbox / "forbidden.pdf").chmod(0o644)
        (inbox / "late.pdf").chmod(0o644)
        (inbox / "closed").rmdir()
        (inbox / "locked").chmod(0o755)
        wait_for(lambda: ordinary.states() == {"stored": 4}, why="what may be read now")
        assert found_paths(ordinary, "forbidden") == {str(inbox / "forbidden.pdf")}
        assert found_paths(ordinary, "inside") == {str(inbox / "locked" / "inside.pdf")}
        wait_for(lambda: ordinary.status()["roots"][0]["unreadable"] == 0, why="nothing to be unreadable")
    finally:
        (inbox / "locked").chmod(0o755)


# --- many at once, and kills ------------------------------------------------------------


def test_many_damaged_copies_at_once_with_kills_in_between():
    """Damaged copies of real files at once, daemon and readers killed meanwhile: all end, and the good ones are found."""
    chance = random.Random(20261125)
    originals = [path.read_bytes() for path in sorted(SAMPLES.glob("*.pdf")) if path.stat().st_size < 400_000]
    large = (SAMPLES / "GeoTopo-komprimiert.pdf").read_bytes()
    with running(f"{LIMITS}workers = 1\n") as daemon:
        first, *others = sorted(SAMPLES.glob("PMC*.pdf"))
        neighbours = [*(daemon.inbox / f"large_{number}.pdf" for number in range(3)), daemon.drop(first)]
        daemon.wait_states(stored=1)
        # The only reader, which is there now, stands still when a large one comes, until it is killed for that.
        assert signal_reader(daemon, signal.SIGSTOP)
        neighbours[0].write_bytes(large)
        wait_for(lambda: is_read(daemon, "large_0.pdf"))
        for number in range(MUTANTS):
            (daemon.inbox / f"mutant_{number}.pdf").write_bytes(mutant(chance.choice(originals), chance))
        # Next come the mutants, at which readers are killed; all others come behind them.
        wait_for(lambda: len(documents(daemon)) == 2 + MUTANTS)
        for number in (1, 2):
            neighbours[number].write_bytes(large + b"%% %d\n" % number)
        neighbours += [daemon.drop(path) for path in others]
        wait_for(lambda: daemon.log_events("attempt_failed"))
        for share in (0.2, 0.4):
            wait_for(lambda share=share: ended_so_far(daemon) > share * MUTANTS)
            wait_for(lambda: signal_reader(daemon, signal.SIGKILL))
        daemon.kill()
        wait_for(lambda: not daemon.children())
        daemon.start()
        everything = MUTANTS + len(neighbours)
        wait_for(lambda: settled(daemon, everything), seconds=200, why="every file to come to its end")
        ended = documents(daemon)
        assert len(ended) == everything
        # One kill costs nothing: what was being read is read on a while later.
        assert {(ended[str(path)]["state"], ended[str(path)]["partial"]) for path in neighbours} == {("stored", False)}
        assert [event for event in daemon.log_events("attempt_failed") if "large_0" in event["reason"]]
        assert all(d["reason"] for d in ended.values() if d["state"] != "stored" or d["partial"])
        assert not [event for event in daemon.log_events() if event.get("level") in ("error", "critical")]
        assert "Traceback" not in daemon.log_text()


def is_read(daemon: Daemon, name: str) -> bool:
    """Whether a document is being read this moment."""
    return any(document["state"] == "reading" for document in daemon.get("/v1/documents", q=name)["documents"])


def ended_so_far(daemon: Daemon) -> int:
    """How many documents have come to their end."""
    return sum(document["state"] not in ("queued", "reading") for document in documents(daemon).values())


def signal_reader(daemon: Daemon, number: signal.Signals) -> bool:
    """Send a signal to a process that reads; False when there is none."""
    for child in children_of(daemon.process.pid):
        with contextlib.suppress(OSError):
            if b"worker_main" in command(child):
                os.kill(child, number)
                return True
    return False
