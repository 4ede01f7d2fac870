"""Folders as their users have them, with the daemon stopped, frozen or blind meanwhile: in the end the store equals them."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

import plain_http
from live import Daemon, running, wait_for
from made_pdfs import one_page
from ollama_process import ollama_at

pytestmark = pytest.mark.timeout(300)
ROOM = """
[ingest]
sweep_seconds = {sweep}
grace_seconds = {grace}
[ollama]
url = "{ollama}"
embed_model = "all-minilm"
chat_model = "scripted"
"""
NEVER = 3600
"""No sweep by the clock: what is noticed was noticed by an event, or by what tells that events got lost."""


ANOTHER = '[[watch]]\npath = "{inbox}-2"\nsettle_seconds = 0.1\n'
"""A second watched folder."""


def room(*, sweep: float = NEVER, grace: float = 60, ollama: str = "http://127.0.0.1:9", settle: float = 0.1) -> str:
    return (
        ROOM.format(sweep=sweep, grace=grace, ollama=ollama)
        + f'[[watch]]\npath = "{{inbox}}"\nsettle_seconds = {settle}\n'
    )


@contextlib.contextmanager
def watching(config: str, *, wrap: list[str] | None = None) -> Iterator[Daemon]:
    """A daemon on its inbox with such a configuration; `wrap` is put before its command."""
    # In a namespace of its own it may be another user than the one that was given a store.
    with running(config, start=False, fresh=wrap is not None) as daemon:
        daemon.config.write_text(daemon.config.read_text().replace("{inbox}", str(daemon.inbox)))
        if ANOTHER in config:
            put(Path(f"{daemon.inbox}-2") / "stays.pdf", "stays")
        if wrap is not None:
            plain = daemon.command
            daemon.command = lambda *args: [*wrap, *plain(*args)]  # type: ignore[method-assign]
        yield daemon.start()


@pytest.fixture(scope="module")
def ollama() -> Iterator[str]:
    """The stand-in for Ollama, in a process of its own; yields its address."""
    with ollama_at() as address:
        yield address


def pdf(word: str, *, pages: int = 40) -> bytes:
    """A small PDF that says one word; a comment makes it longer than a pipe's or a disk's block."""
    text = b"BT /F1 12 Tf 72 720 Td (This page is about %s and about nothing else) Tj ET" % word.encode()
    return one_page(text).replace(b"%PDF-1.7\n", b"%PDF-1.7\n%" + b"-" * 9000 + b"\n", 1)


def put(path: Path, word: str) -> Path:
    """Put a PDF in place at once, as a careful program does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name("." + path.name[:40] + ".part")
    part.write_bytes(pdf(word))
    part.rename(path)
    return path


def there(folder: Path) -> dict[str, str]:
    """What really lies in a folder: path to SHA-256."""
    found = {}
    for at, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            path = os.path.join(at, name)
            if name.lower().endswith(b".pdf") and os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path.decode("utf-8", "replace")] = hashlib.sha256(file.read()).hexdigest()
    return found


def stored(daemon: Daemon) -> dict[str, str]:
    """What the store says lies where, of documents that were read."""
    documents = daemon.get("/v1/documents", limit=500)["documents"]
    return {path: d["sha256"] for d in documents if d["state"] in ("stored", "ready") for path in d["paths"]}


def wait_alike(daemon: Daemon, folder: Path | None = None, seconds: float = 90) -> None:
    """Wait until the store holds exactly what lies in the folder."""
    folder = folder or daemon.inbox
    try:
        wait_for(lambda: stored(daemon) == there(folder), seconds=seconds)
    except TimeoutError:
        raise AssertionError(f"{stored(daemon)}\nis not\n{there(folder)}\n{daemon.log_text()[-3000:]}") from None


def counter(daemon: Daemon, name: str) -> int:
    return daemon.status()["counters"].get(name, 0)


def wait_read(daemon: Daemon, documents: int) -> None:
    """Wait until exactly so many documents were read, besides those that were forgotten and came again.

    Counted and told a moment after the store has it.
    """

    def counted() -> tuple[int, int]:
        return counter(daemon, "documents_read"), documents + len(daemon.log_events("document_forgotten"))

    try:
        wait_for(lambda: len(set(counted())) == 1)
    except TimeoutError:
        raise AssertionError(f"(read, to be read) are {counted()}") from None


def root_of(daemon: Daemon) -> dict:
    return daemon.status()["roots"][0]


def a_round_of_forgetting(daemon: Daemon) -> None:
    """Wait until the grace period is over and it was looked for what to forget: what should stay can be told then."""
    mark = put(Path(f"{daemon.inbox}-2") / "mark.pdf", "mark")
    wait_for(lambda: found(daemon, "mark"))
    mark.unlink()
    wait_for(lambda: not found(daemon, "mark"))


def found(daemon: Daemon, word: str) -> list[str]:
    """The places of what a search for a word finds."""
    return [hit["document"]["path"] for hit in daemon.search(word, mode="keyword")["hits"]]


def test_what_happened_while_it_was_stopped():
    """Added, changed, moved, copied and deleted while nobody looked: only new content is read, and documents stay themselves."""
    with watching(room(grace=2)) as daemon:
        for word in ("alpha", "beta", "gamma", "delta", "epsilon"):
            put(daemon.inbox / f"in/{word}.pdf", word)
        wait_alike(daemon)
        numbers = {d["sha256"]: d["id"] for d in daemon.get("/v1/documents")["documents"]}
        assert daemon.stop() == 0
        put(daemon.inbox / "new.pdf", "zeta")
        put(daemon.inbox / "in/alpha.pdf", "alphabet")
        (daemon.inbox / "in").rename(daemon.inbox / "moved")
        (daemon.inbox / "moved/beta.pdf").rename(daemon.inbox / "beta, renamed.pdf")
        shutil.copyfile(daemon.inbox / "moved/gamma.pdf", daemon.inbox / "copy.pdf")
        (daemon.inbox / "moved/delta.pdf").unlink()
        daemon.start()
        wait_alike(daemon)
        wait_for(lambda: counter(daemon, "documents_read") >= 2)
        assert counter(daemon, "documents_read") == 2
        now = {d["sha256"]: d["id"] for d in daemon.get("/v1/documents")["documents"]}
        assert {sha256: now[sha256] for sha256 in numbers.keys() & now.keys()} == {
            sha256: number for sha256, number in numbers.items() if sha256 in now
        }
        assert len(numbers.keys() & now.keys()) == 3
        assert found(daemon, "delta") == []


def test_frozen_while_more_happens_than_the_kernel_remembers():
    """Stopped by SIGSTOP, the event queue overflows: all is found afterwards, and folders made meanwhile are watched."""
    with watching(room(grace=1)) as daemon:
        for word in ("one", "two", "three"):
            put(daemon.inbox / f"{word}.pdf", word)
        wait_alike(daemon)
        daemon.process.send_signal(signal.SIGSTOP)
        churn = daemon.inbox / "churn"
        churn.mkdir()
        limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        for n in range(min(limit, 20_000)):
            os.close(os.open(daemon.inbox / f"{n % 50}.tmp", os.O_CREAT | os.O_WRONLY))
            os.unlink(daemon.inbox / f"{n % 50}.tmp")
        put(daemon.inbox / "late/deep/four.pdf", "four")
        (daemon.inbox / "one.pdf").rename(daemon.inbox / "late/one.pdf")
        (daemon.inbox / "two.pdf").unlink()
        put(daemon.inbox / "three.pdf", "thirty")
        daemon.process.send_signal(signal.SIGCONT)
        wait_alike(daemon)
        wait_for(lambda: counter(daemon, "documents_read") >= 5)
        assert counter(daemon, "documents_read") == 5
        wait_for(lambda: daemon.log_events("watch_renewed"))
        put(daemon.inbox / "late/deep/five.pdf", "five")
        wait_alike(daemon)


def test_the_root_goes_away_and_comes_back():
    """Moved away, replaced by a file, emptied, deleted and made again: nothing is lost, status says so, and it is watched again."""
    # Longer than it takes to remove three files: what is missing from a folder that holds others still is gone.
    with watching(room(grace=4) + ANOTHER) as daemon:
        inbox, aside = daemon.inbox, daemon.base / "aside"
        for word in ("apple", "pear", "plum"):
            put(inbox / f"{word}.pdf", word)
        wait_for(lambda: len(stored(daemon)) == 4)
        before = stored(daemon)

        inbox.rename(aside)
        wait_for(lambda: root_of(daemon)["state"] == "missing")
        inbox.write_text("in its place")
        daemon.search("x", wait="settled")
        assert root_of(daemon)["state"] == "missing"
        a_round_of_forgetting(daemon)
        assert stored(daemon) == before and found(daemon, "plum")
        inbox.unlink()
        aside.rename(inbox)
        wait_for(lambda: root_of(daemon)["state"] == "ok")

        shutil.copytree(inbox, aside)
        shutil.rmtree(inbox)
        inbox.mkdir()  # some file systems give it the old one's inode
        (inbox / ".stfolder").mkdir()
        (inbox / ".stignore").touch()
        wait_for(lambda: root_of(daemon)["state"] == "empty")
        assert "foliod forget" in root_of(daemon)["reason"]
        a_round_of_forgetting(daemon)
        assert stored(daemon) == before
        for file in aside.iterdir():
            shutil.copyfile(file, inbox / (file.name + ".part"))
            (inbox / (file.name + ".part")).rename(inbox / file.name)
        wait_for(lambda: root_of(daemon)["state"] == "ok")
        put(inbox / "later/cherry.pdf", "cherry")
        wait_for(lambda: stored(daemon) == there(inbox) | there(Path(f"{inbox}-2")))
        assert len(stored(daemon)) == 5
        wait_read(daemon, 5)


def told_unfinished(daemon: Daemon) -> dict[str, str]:
    """The files that wait although they are still, and why."""
    return {Path(log["file"]).name: log["reason"] for log in daemon.log_events("file_unfinished")}


def test_files_as_they_really_come():
    """Growing with pauses, preallocated, mapped, rewritten unseen, `.part`, odd names and links: each is read once, whole."""
    # A file without an end is taken for whole when it was still for ten times as long: until then, the test must have gone on.
    with watching(room(settle=3)) as daemon:
        inbox = daemon.inbox
        put(inbox / "rewritten.pdf", "before")
        put(inbox / "replaced.pdf", "older")
        put(inbox / "target.pdf", "target")
        (inbox / "link.pdf").symlink_to("target.pdf")
        (inbox / "up").symlink_to("..")
        os.mkfifo(inbox / "pipe.pdf")
        (inbox / "folder.pdf").mkdir()
        root = os.fsencode(inbox)
        for n, name in enumerate(
            (
                b"line\nbreak",
                "📄🔥".encode(),
                b"bad\xff\xfe",
                b"n" * 251,
                b"\x1b[2J",
                "\u00e9".encode(),
                "e\u0301".encode(),
                b"A",
                b"a",
            )
        ):
            with open(os.path.join(root, b".part"), "wb") as file:
                file.write(pdf(f"name{n}"))
            os.rename(os.path.join(root, b".part"), os.path.join(root, name + b".pdf"))
        whole = {name: pdf(name) for name in ("slow", "appended", "allocated", "mapped")}
        half = len(whole["slow"]) // 2
        allocated, mapped = inbox / "allocated.pdf", inbox / "mapped.pdf"
        with (inbox / "slow.pdf").open("wb", buffering=0) as slow, mapped.open("wb+") as to_map:
            slow.write(whole["slow"][:half])
            (inbox / "appended.pdf").write_bytes(whole["appended"][:half])
            allocated.write_bytes(bytes(len(whole["allocated"])))
            to_map.truncate(len(whole["mapped"]))
            with mmap.mmap(to_map.fileno(), 0) as memory:
                to_map.close()  # what is written through the map changes no time that could be seen
                memory[:half] = whole["mapped"][:half]
                names = {"slow.pdf", "appended.pdf", "allocated.pdf", "mapped.pdf"}
                wait_for(lambda: told_unfinished(daemon).keys() == names)
                memory[half:] = whole["mapped"][half:]
                reasons = told_unfinished(daemon)
                assert "still writing" in reasons["slow.pdf"] and "still writing" in reasons["mapped.pdf"]
                wait_for(lambda: root_of(daemon)["unfinished"] == 4)
                seen = daemon.get("/v1/explain", path=str(inbox / "slow.pdf"))
                assert seen["state"] == "settling" and "still writing" in seen["reason"]
            slow.write(whole["slow"][half:])
            with (inbox / "appended.pdf").open("ab") as file:
                file.write(whole["appended"][half:])
            with allocated.open("r+b") as file:
                file.write(whole["allocated"])
        part = inbox / "download.pdf.part"
        part.write_bytes(pdf("download")[:half])
        wait_alike(daemon)
        assert {there(inbox)[str(inbox / f"{name}.pdf")] for name in whole} == {
            hashlib.sha256(content).hexdigest() for content in whole.values()
        }
        wait_for(lambda: counter(daemon, "documents_read") >= 3 + 9 + len(whole))
        assert counter(daemon, "documents_read") == 3 + 9 + len(whole)

        state = (inbox / "rewritten.pdf").stat()
        (inbox / "rewritten.pdf").write_bytes(pdf("bef0re"))
        os.utime(inbox / "rewritten.pdf", ns=(state.st_atime_ns, state.st_mtime_ns))
        put(inbox / "replaced.pdf", "newer")
        (inbox / "target.pdf").write_bytes(pdf("changed"))
        part.write_bytes(pdf("download"))
        part.rename(inbox / "download.pdf")
        (inbox / "target.pdf").chmod(0o600)
        now = there(inbox)
        # Of what was there before, the store knows the places until the grace period is over.
        wait_for(lambda: {path: sha256 for path, sha256 in stored(daemon).items() if sha256 in now.values()} == now)
        wait_for(lambda: counter(daemon, "documents_read") >= 3 + 9 + len(whole) + 4)
        assert counter(daemon, "documents_read") == 3 + 9 + len(whole) + 4
        [hit] = daemon.search("name2", mode="keyword", limit=1)["hits"]
        assert hit["document"]["path"] == str(inbox / "bad\ufffd\ufffd.pdf")


def test_moves_cost_nothing_and_deleted_files_leave_the_answers(ollama):
    """A folder that is renamed, moved to another watched folder, or copied and deleted, is neither read nor embedded again."""
    # Longer than it takes to notice a move, and to ask in the meantime.
    grace = 10
    with watching(room(grace=grace, ollama=ollama) + ANOTHER) as daemon:
        first, second = daemon.inbox, Path(f"{daemon.inbox}-2")
        put(first / "stays too.pdf", "staystoo")
        for n in range(20):
            put(first / f"box/{n % 3}/{n}.pdf", f"number{n}")

        def ended() -> bool:
            return daemon.states() == {"ready": 22} and stored(daemon) == there(first) | there(second)

        wait_for(ended)
        numbers = {d["sha256"]: d["id"] for d in daemon.get("/v1/documents", limit=500)["documents"]}
        asked = plain_http.get(f"{ollama}/_counts").json()["embedded_texts"]
        (first / "box").rename(first / "renamed")
        wait_for(ended)
        (first / "renamed").rename(second / "moved")
        wait_for(ended)
        shutil.copytree(second / "moved", first / "copied")
        shutil.rmtree(second / "moved")
        wait_for(ended)
        assert counter(daemon, "documents_read") == 22
        assert plain_http.get(f"{ollama}/_counts").json()["embedded_texts"] == asked
        assert {d["sha256"]: d["id"] for d in daemon.get("/v1/documents", limit=500)["documents"]} == numbers

        (first / "copied/0/0.pdf").unlink()
        wait_for(lambda: any(gone["file"].endswith("/copied/0/0.pdf") for gone in daemon.log_events("file_gone")))
        assert found(daemon, "number0") == [str(first / "copied/0/0.pdf")], "until the grace period is over"
        wait_for(lambda: found(daemon, "number0") == [] and daemon.log_events("document_forgotten"))
        gone, forgotten = (
            datetime.fromisoformat(daemon.log_events(event)[-1]["timestamp"])
            for event in ("file_gone", "document_forgotten")
        )
        assert (forgotten - gone).total_seconds() > grace - 1, "not before the grace period is over"
        assert stored(daemon) == there(first) | there(second)


LIMITED = "echo 4 > /proc/sys/user/max_inotify_watches && exec unshare -U --map-user=1000 --map-group=1000 "


def can(*command: str) -> bool:
    """Whether this machine lets us do that."""
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(
    not can("unshare", "-U", "-r", "sh", "-c", LIMITED + "true"),
    reason="no user namespaces with limits of their own here",
)
def test_a_watcher_that_is_blind():
    """When the kernel gives no more watches, sweeps find the changes, and status says why and what to do."""
    wrap = ["unshare", "-U", "-r", "sh", "-c", LIMITED + '"$@"', "sh"]
    with watching(room(sweep=1), wrap=wrap) as daemon:
        put(daemon.inbox / "seen.pdf", "seen")
        wait_alike(daemon)
        wait_for(lambda: root_of(daemon)["noticed_by"] == "events")
        for n in range(8):
            (daemon.inbox / f"{n}").mkdir()
        time.sleep(0.5)  # until events of the new folders, as far as they are watched, have come
        for n in range(8):
            put(daemon.inbox / f"{n}/{n}.pdf", f"blind{n}")
        wait_alike(daemon)

        def told() -> bool:
            (daemon.inbox / "7/7.pdf").rename(daemon.inbox / "7/moved.pdf")
            time.sleep(0.5)
            (daemon.inbox / "7/moved.pdf").rename(daemon.inbox / "7/7.pdf")
            root = root_of(daemon)
            return root["noticed_by"] == "sweeps" and "max_user_watches" in root["noticed_reason"]

        wait_for(told)
        put(daemon.inbox / "6/late.pdf", "late")
        wait_alike(daemon)


@pytest.mark.skipif(not can("unshare", "-m", "true"), reason="only root may mount")
def test_a_disk_that_comes_and_goes_inside_the_folder():
    """A disk that is mounted in the folder is noticed without an event; one that is not there any more loses nothing."""
    with watching(room(grace=0.5) + ANOTHER, wrap=["unshare", "-m", "--propagation", "private"]) as daemon:
        (daemon.inbox / "disk").mkdir()
        put(daemon.inbox / "here.pdf", "here")
        inside = Path(f"/proc/{daemon.process.pid}/root") / daemon.inbox.relative_to("/")

        def mount(*command: str) -> None:
            # A disk on which the daemon looks around at this moment is busy.
            command = ("nsenter", "-t", str(daemon.process.pid), "-m", *command)
            wait_for(lambda: subprocess.run(command, check=False, timeout=60).returncode == 0, why=" ".join(command))

        mount("mount", "-t", "tmpfs", "none", str(daemon.inbox / "disk"))
        put(inside / "disk/one.pdf", "one")
        put(inside / "disk/two.pdf", "two")
        wait_for(lambda: len(stored(daemon)) == 4)
        mount("umount", str(daemon.inbox / "disk"))
        wait_for(lambda: root_of(daemon)["state"] == "changed")
        assert "not mounted" in root_of(daemon)["reason"]
        a_round_of_forgetting(daemon)
        assert len(stored(daemon)) == 4 and found(daemon, "two")
        mount("mount", "-t", "tmpfs", "none", str(daemon.inbox / "disk"))
        put(inside / "disk/one.pdf", "one")
        put(inside / "disk/two.pdf", "two")
        wait_for(lambda: root_of(daemon)["state"] == "ok")
        put(inside / "disk/three.pdf", "three")
        wait_for(lambda: len(stored(daemon)) == 5)
        wait_read(daemon, 5)
