"""A folder and the store are alike after a sweep, whatever happened to the folder."""

import asyncio
import contextlib
import hashlib
import os
import random
import shutil
import socket
from collections import Counter
from pathlib import Path

import asyncpg
import pytest
import structlog
from test_store import HOST

from foliod.base.config import Ingest, Watch
from foliod.base.errors import DatabaseUnavailableError, FileChangedError, NotFoundError
from foliod.base.paths import numbers, signature
from foliod.store.files import Files
from foliod.watch import agenda, judge, take
from foliod.watch import sweep as room
from foliod.watch.sweep import Sweeper
from privileges import drop_privileges, hand_over
from waiting import PATIENCE, until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Count often, so that tests need not wait."""
    monkeypatch.setattr(judge, "COUNT_SECONDS", 0.02)


class Counts(Counter):
    """Counters as the daemon's."""

    def add(self, name: str, n: int = 1) -> None:
        self[name] += n


class Swept:
    """A sweeper at work, and what it said."""

    def __init__(self, sweeper: Sweeper, files: Files, counts: Counts, logs: list) -> None:
        self.sweeper = sweeper
        self.files = files
        self.counts = counts
        self.logs = logs

    async def settle(self) -> None:
        """Sweep now, until everything is written down."""
        async with asyncio.timeout(PATIENCE):
            await self.sweeper.wait_settled()

    def events(self, name: str) -> list[dict]:
        return [log for log in self.logs if log["event"] == name]


@contextlib.asynccontextmanager
async def sweeping(db, root, *, live: bool = False, settle: float = 0, ingest: dict | None = None, **watch):
    """Run a sweeper on a folder; without `live` no event reaches it, so that only sweeps and hints count."""
    files, counts = Files(db, HOST), Counts()
    settings = Ingest(**({"sweep_seconds": 3600} | (ingest or {})))
    sweeper = Sweeper(Watch(path=root, settle_seconds=settle, **watch), settings, files, lambda: None, counts)
    with pytest.MonkeyPatch.context() as patch, structlog.testing.capture_logs() as logs:
        if not live:
            patch.setattr(room, "watch", lambda *_: asyncio.Event().wait())
        task = asyncio.create_task(sweeper.run())
        try:
            async with asyncio.timeout(PATIENCE):
                await sweeper.first_sweep_done.wait()
            yield Swept(sweeper, files, counts, logs)
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.wait([task])


async def rows(db, sql: str, *args) -> list[tuple]:
    async with db.transaction() as tx:
        return [tuple(row) for row in await tx.connection.fetch(sql, *args)]


async def stored(db) -> dict[bytes, bytes]:
    """What the store says lies where: path to SHA-256, of files that are there and readable."""
    return dict(
        await rows(
            db,
            "SELECT f.path, d.sha256 FROM foliod.files f JOIN foliod.documents d ON d.id = f.document_id"
            " WHERE f.gone_at IS NULL AND f.reason IS NULL",
        )
    )


def there(root) -> dict[bytes, bytes]:
    """What really lies where, as a person would list it."""
    found = {}
    for folder, _, names in os.walk(os.fsencode(root)):
        for name in names:
            path = os.path.join(folder, name)
            if name.lower().endswith(b".pdf"):
                with open(path, "rb") as file:
                    found[path] = hashlib.sha256(file.read()).digest()
    return found


async def gone(db) -> set[bytes]:
    return {path for (path,) in await rows(db, "SELECT path FROM foliod.files WHERE gone_at IS NOT NULL")}


def put(path: Path, content: str | bytes = b"%PDF") -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return os.fsencode(path)


# --- what happens to files --------------------------------------------------------------


async def test_new_files_become_documents(db, tmp_path):
    """Every PDF below the root is written down; other files are left alone."""
    put(tmp_path / "a.pdf", "a")
    put(tmp_path / "deep/er/B.PDF", "b")
    put(tmp_path / "notes.txt", "n")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        assert await stored(db) == there(tmp_path) and len(there(tmp_path)) == 2
        assert swept.counts == {"files_hashed": 2, "bytes_hashed": 2}
        await until(lambda: swept.sweeper.report()["files"] == 2)
        report = swept.sweeper.report()
        assert (report["state"], report["files"], report["settling"]) == ("ok", 2, 0)
        assert swept.sweeper.pending() == 0


async def test_a_second_start_reads_nothing(db, tmp_path):
    """Unchanged files are known by size, times and inode."""
    for n in range(20):
        put(tmp_path / f"{n}.pdf", str(n))
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        assert swept.counts["files_hashed"] == 0 and not swept.events("file_seen")
        assert await stored(db) == there(tmp_path)


@pytest.mark.parametrize("change", ["append", "same_size", "same_size_and_time", "replace"])
async def test_a_changed_file_is_read_again(db, tmp_path, change):
    """However a file is changed, the store holds what it holds now."""
    file = tmp_path / "a.pdf"
    put(file, "one")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        state = file.stat()
        if change == "replace":
            put(tmp_path / "a.tmp", "two")
            os.replace(tmp_path / "a.tmp", file)
        else:
            put(file, "one more" if change == "append" else "two")
        if change == "same_size_and_time":
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        await swept.settle()
        assert await stored(db) == there(tmp_path) and swept.counts["files_hashed"] == 2


async def test_a_file_that_changes_while_it_is_read_waits_though_its_hint_got_lost(db, tmp_path, monkeypatch):
    """In a flood of hints all are thrown away; the file is tried again all the same, and the daemon goes on."""
    monkeypatch.setattr(agenda, "MANY_HINTS", 0)
    monkeypatch.setattr(agenda, "REST", 1e9)
    changes, honest = [FileChangedError("a.pdf")] * 3, take.digest

    def digest(*args, **options):
        if changes:
            raise changes.pop()
        return honest(*args, **options)

    monkeypatch.setattr(take, "digest", digest)
    put(tmp_path / "a.pdf", "a")
    async with sweeping(db, tmp_path, settle=0.1) as swept:

        async def alike() -> bool:
            return await stored(db) == there(tmp_path)

        await until(alike)
        assert not changes and len(swept.events("swept")) == 1, "no sweep came to help"


async def test_a_path_of_any_length_harms_nobody(db, tmp_path):
    """A path that no index entry can hold is named in the log, and the files beside it are read."""
    put(tmp_path / "a.pdf", "a")
    rng, folder = random.Random(1), os.fsencode(tmp_path)
    while len(folder) < 3500:
        folder += b"/" + bytes(
            rng.choice(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for _ in range(250)
        )
        os.mkdir(folder)
        with open(folder + b"/x.pdf", "wb") as file:
            file.write(folder)
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        assert await stored(db) == {path: sha for path, sha in there(tmp_path).items() if len(path) <= 2500}
        ignored = {event["path"]: event["reason"] for event in swept.events("file_ignored")}
        assert set(map(os.fsencode, ignored)) == there(tmp_path).keys() - (await stored(db)).keys() != set()


@pytest.mark.parametrize("where", ["digest", "store"])
async def test_a_file_that_foliod_fails_on_ends_nothing(db, tmp_path, monkeypatch, where):
    """A fault of our own costs one file: log and store say so once, all others are read, and it is tried again."""
    paths = [put(tmp_path / f"{n}.pdf", str(n)) for n in range(4)]
    odd, honest, record = paths[1], take.digest, Files.record
    tries = []

    def digest(path, *args, **options):
        if where == "digest" and path == odd and len(tries) < 2:
            tries.append(path)
            raise ZeroDivisionError
        return honest(path, *args, **options)

    async def failing(self, path, *args):
        if where == "store" and path == odd and len(tries) < 2:
            tries.append(path)
            raise asyncpg.ProgramLimitExceededError
        return await record(self, path, *args)

    monkeypatch.setattr(take, "digest", digest)
    monkeypatch.setattr(Files, "record", failing)
    async with sweeping(db, tmp_path) as swept:
        for _ in range(2):
            await swept.settle()
            expected = there(tmp_path)
            del expected[odd]
            assert await stored(db) == expected
            [(reason,)] = await rows(db, "SELECT reason FROM foliod.files WHERE path = $1", odd)
            assert "foliod failed on it" in reason
            assert len(swept.events("file_failed")) == 1
            if len(tries) == 2:
                break
        await swept.settle()
        assert await stored(db) == there(tmp_path) and not swept.sweeper.pending()


async def test_a_file_that_the_store_refuses_in_every_way_ends_nothing(db, tmp_path, monkeypatch):
    """When not even the reason can be written down, the log has it, and the other files are read."""
    put(tmp_path / "a.pdf", "a")
    odd, record, refuse = put(tmp_path / "odd.pdf", "o"), Files.record, Files.refuse

    def failing(honest):
        async def fail(self, path, *args):
            if path == odd:
                raise asyncpg.ProgramLimitExceededError
            return await honest(self, path, *args)

        return fail

    monkeypatch.setattr(Files, "record", failing(record))
    monkeypatch.setattr(Files, "refuse", failing(refuse))
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        put(tmp_path / "b.pdf", "b")
        await swept.settle()
        assert await stored(db) == {path: sha for path, sha in there(tmp_path).items() if path != odd}
        assert len(swept.events("file_failed")) == 1 and swept.events("file_unread")[0]["file"] == os.fsdecode(odd)


async def test_a_touched_file_is_the_same_document(db, tmp_path):
    """New times and the same content: no new document, and the store knows the new times."""
    put(tmp_path / "a.pdf", "one")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        os.utime(tmp_path / "a.pdf", ns=(5, 5))
        await swept.settle()
        await swept.settle()
        assert await rows(db, "SELECT mtime_ns FROM foliod.files") == [(5,)]
        assert await rows(db, "SELECT count(*) FROM foliod.documents") == [(1,)]
        assert swept.counts["files_hashed"] == 2 and not swept.events("file_duplicate")


async def test_a_copy_is_a_duplicate_and_said_to_be(db, tmp_path):
    """The same bytes in two places are one document; the log names both."""
    put(tmp_path / "a.pdf", "same")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        put(tmp_path / "copy.pdf", "same")
        os.link(tmp_path / "a.pdf", tmp_path / "hard.pdf")
        await swept.settle()
        assert await rows(db, "SELECT count(*) FROM foliod.documents") == [(1,)]
        assert await stored(db) == there(tmp_path)
        told = {(log["file"], log["same_as"]) for log in swept.events("file_duplicate")}
        a = str(tmp_path / "a.pdf")
        assert told == {(str(tmp_path / "copy.pdf"), a), (str(tmp_path / "hard.pdf"), a)}
        assert swept.counts["duplicates"] == 2 and len(swept.events("file_seen")) == 1


async def test_a_moved_file_is_the_same_document(db, tmp_path):
    """A rename costs no document, and the file does not lie in its old place any more."""
    put(tmp_path / "a.pdf", "a")
    async with sweeping(db, tmp_path, ingest={"grace_seconds": 0}) as swept:
        await swept.settle()
        document = await rows(db, "SELECT id FROM foliod.documents")
        (tmp_path / "sub").mkdir()
        (tmp_path / "a.pdf").rename(tmp_path / "sub/b.pdf")
        await swept.settle()
        await swept.files.forget_gone(0)
        assert await rows(db, "SELECT id FROM foliod.documents") == document
        assert await rows(db, "SELECT path FROM foliod.files") == [(os.fsencode(tmp_path / "sub/b.pdf"),)]
        [moved] = swept.events("file_moved")
        assert moved["moved_from"] == str(tmp_path / "a.pdf")


async def test_two_files_that_swap_names_stay_two_documents(db, tmp_path):
    """Each name holds what the other held; nothing is read into a new document."""
    put(tmp_path / "a.pdf", "a")
    put(tmp_path / "b.pdf", "b")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        for old, new in (("a", "c"), ("b", "a"), ("c", "b")):
            (tmp_path / f"{old}.pdf").rename(tmp_path / f"{new}.pdf")
        await swept.settle()
        await swept.files.forget_gone(60)
        assert await stored(db) == there(tmp_path)
        assert await rows(db, "SELECT count(*) FROM foliod.documents") == [(2,)]


async def test_a_deleted_file_is_gone_and_loses_nothing_when_it_is_back(db, tmp_path):
    """Gone files wait for the grace period; one that is back in time is not even read."""
    a = put(tmp_path / "a.pdf", "a")
    put(tmp_path / "b.pdf", "b")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        os.rename(a, tmp_path / "a.aside")
        await swept.settle()
        assert await gone(db) == {a} and swept.events("file_gone")[0]["file"] == os.fsdecode(a)
        assert await swept.files.forget_gone(60) == 0
        os.rename(tmp_path / "a.aside", a)
        await swept.settle()
        assert await gone(db) == set() and await stored(db) == there(tmp_path)
        os.unlink(a)
        await swept.settle()
        assert await swept.files.forget_gone(0) == 1
        assert await stored(db) == there(tmp_path) and await gone(db) == set()


async def test_folders_move_in_within_and_out(db, tmp_path):
    """A folder of PDFs is many files, wherever it goes."""
    root, aside = tmp_path / "root", tmp_path / "aside"
    put(root / "stays.pdf", "s")
    for n in range(5):
        put(aside / f"deep/{n}.pdf", str(n))
    async with sweeping(db, root) as swept:
        await swept.settle()
        aside.rename(root / "in")
        swept.sweeper.hint(os.fsencode(root / "in"))
        await swept.sweeper.wait_settled(os.fsencode(root / "in"))
        assert await stored(db) == there(root) and len(there(root)) == 6
        (root / "in").rename(root / "renamed")
        await swept.settle()
        assert await stored(db) == there(root) and swept.counts["files_hashed"] == 11
        assert await rows(db, "SELECT count(*) FROM foliod.documents") == [(6,)]
        (root / "renamed").rename(aside)
        swept.sweeper.hint(os.fsencode(root / "renamed"))
        await swept.sweeper.wait_settled(os.fsencode(root / "renamed"))
        assert await stored(db) == there(root) and len(await gone(db)) == 5


async def test_a_download_is_taken_when_it_has_its_name(db, tmp_path):
    """`x.pdf.part` is nobody's business until it is renamed."""
    put(tmp_path / "x.pdf.part", "half")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        assert await stored(db) == {}
        put(tmp_path / "x.pdf.part", "whole")
        (tmp_path / "x.pdf.part").rename(tmp_path / "x.pdf")
        await swept.settle()
        assert await stored(db) == there(tmp_path) and swept.counts["files_hashed"] == 1


async def test_a_file_that_vanishes_before_it_is_still_is_waited_for_no_more(db, tmp_path):
    """A temporary file that is gone again leaves nothing pending."""
    path = put(tmp_path / "a.pdf", "a")
    async with sweeping(db, tmp_path, settle=3600) as swept:
        assert swept.sweeper.pending() == 1
        hinted = put(tmp_path / "b.pdf", "b")
        swept.sweeper.hint(hinted)
        await until(lambda: hinted in swept.sweeper._settling)
        os.unlink(hinted)
        await swept.sweeper.wait_settled(hinted)
        assert swept.sweeper.pending() == 1
        os.unlink(path)
        await swept.settle()
        assert swept.sweeper.pending() == 0 and await stored(db) == {}


@pytest.mark.parametrize("preallocated", [False, True])
async def test_a_file_that_is_being_written_is_left_alone(db, tmp_path, preallocated):
    """Growing, or filled in at its final size: it is read when it is still, once."""
    file = tmp_path / "a.pdf"
    path = put(file, b"\0" * 100 if preallocated else b"")
    async with sweeping(db, tmp_path, settle=3600) as swept:
        settling = swept.sweeper._settling
        with file.open("r+b", buffering=0) as writer:
            for n in range(10):
                writer.write(b"%010d" % n)
                swept.sweeper.hint(path)
                now = signature(file.stat(), tmp_path.stat().st_dev)
                await until(lambda now=now: settling._files.get(path, (None,))[0] == now)
                began = settling._files[path][1]
                assert began == max(began, asyncio.get_running_loop().time() - 3600)
        assert swept.counts["files_hashed"] == 0 and swept.sweeper.pending() == 1
        settling._seconds = 0
        await swept.settle()
        assert await stored(db) == there(tmp_path) and swept.counts["files_hashed"] == 1


async def test_a_file_that_changes_while_it_is_read_is_never_stored_half(db, tmp_path, monkeypatch):
    """What was read of the older version is thrown away."""
    file = tmp_path / "a.pdf"
    put(file, "old content")
    real, changes = take.digest, ["newer content", "newest content"]

    def digest(*args, **options):
        if changes:
            file.write_text(changes.pop(0))
        return real(*args, **options)

    monkeypatch.setattr(take, "digest", digest)
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        assert await stored(db) == there(tmp_path)
        assert await rows(db, "SELECT count(*) FROM foliod.documents") == [(1,)]
        assert swept.counts["files_hashed"] == 1


# --- files as they really come ----------------------------------------------------------


async def test_odd_names_are_stored_and_found_again(db, tmp_path):
    """Newlines, emoji, invalid UTF-8, 255 bytes: each is a place of the document, and known at the next start."""
    root = os.fsencode(tmp_path)
    for name in (
        b"line\nbreak",
        "📄🔥".encode(),
        b"bad\xff\xfe\x80",
        b"n" * 251,
        b" ",
        b"%s%n%00",
        b"-rf",
        b"",
        b"a\x1b",
    ):
        with open(os.path.join(root, name + b".pdf"), "wb") as file:
            file.write(b"same")
    for _ in range(2):
        async with sweeping(db, tmp_path) as swept:
            await swept.settle()
            assert await stored(db) == there(tmp_path) and len(there(tmp_path)) == 9
    assert swept.counts["files_hashed"] == 0


async def test_times_far_away_do_no_harm(db, tmp_path):
    """A file from the year 2400 or from before 1970 is a file."""
    put(tmp_path / "a.pdf", "a")
    put(tmp_path / "b.pdf", "b")
    os.utime(tmp_path / "a.pdf", (13_569_465_600, 13_569_465_600))
    os.utime(tmp_path / "b.pdf", (-86_400, -86_400))
    for _ in range(2):
        async with sweeping(db, tmp_path) as swept:
            await swept.settle()
            assert await stored(db) == there(tmp_path)
    assert swept.counts["files_hashed"] == 0


async def test_what_is_no_file_is_told_once_and_ignored(db, tmp_path):
    """Pipes, sockets, folders and links that lead nowhere or out hold up nothing; links inside are followed."""
    root = tmp_path / "root"
    put(root / "real.pdf", "r")
    put(root / "folder.pdf/inside.pdf", "i")
    os.mkfifo(root / "pipe.pdf")
    for name, target in {"loop": "loop.pdf", "zero": "/dev/zero", "out": "/etc/passwd", "none": "x"}.items():
        (root / f"{name}.pdf").symlink_to(target)
    (root / "link.pdf").symlink_to("folder.pdf/inside.pdf")
    (root / "folder.pdf/up").symlink_to("..")
    here = os.getcwd()
    os.chdir(root)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("socket.pdf")
    os.chdir(here)
    async with sweeping(db, root) as swept:
        await swept.settle()
        await swept.settle()
        names = {os.path.relpath(os.fsdecode(path), root) for path in await stored(db)}
        assert names == {"real.pdf", "folder.pdf/inside.pdf", "link.pdf"}
        told = [os.path.basename(log["path"]) for log in swept.events("file_ignored")]
        assert sorted(told) == ["loop.pdf", "none.pdf", "out.pdf", "pipe.pdf", "socket.pdf", "zero.pdf"]
        (root / "folder.pdf/inside.pdf").unlink()
        await swept.settle()
        assert len(await gone(db)) == 2, "a link to nothing is gone with its file"


async def test_a_file_over_the_limit_is_written_down_with_the_reason(db, tmp_path):
    """A huge file is not read; the store says why, and it is taken when it has shrunk."""
    path = put(tmp_path / "big.pdf")
    os.truncate(path, 3 * 2**20)
    async with sweeping(db, tmp_path, ingest={"max_file_mb": 2}) as swept:
        await swept.settle()
        assert swept.counts["files_hashed"] == 0
        assert await rows(db, "SELECT document_id, reason FROM foliod.files") == [
            (None, "it is larger than max_file_mb = 2 allows")
        ]
        await swept.settle()
        assert len(swept.events("file_unread")) == 1
        os.truncate(path, 100)
        await swept.settle()
        assert await stored(db) == there(tmp_path)


async def test_unreadable_files_and_folders_are_told_kept_and_tried_again(db, short_dir):
    """Without permission nothing is lost; with it again all is as before."""
    short_dir.chmod(0o755)
    root = short_dir / "root"
    known, below = put(root / "known.pdf", "k"), put(root / "shut/below.pdf", "b")
    async with sweeping(db, root) as swept:
        await swept.settle()
        new = put(root / "new.pdf", "n")
        hand_over(known, new, root / "shut")
        os.chmod(known, 0)
        os.chmod(new, 0)
        (root / "shut").chmod(0)
        await swept.sweeper._in_thread(drop_privileges)
        await swept.settle()
        await swept.settle()
        reasons = dict(await rows(db, "SELECT path, reason FROM foliod.files"))
        assert "Permission denied" in reasons[known] and "Permission denied" in reasons[new]
        assert reasons[below] is None and await gone(db) == set()
        assert await swept.files.document_at(known) and await swept.files.document_at(new) is None
        assert len(swept.events("file_unread")) == 2
        assert [log["path"] for log in swept.events("folder_unreadable")] == [str(root / "shut")]
        assert swept.sweeper.report()["unreadable"] == 4
        os.chmod(known, 0o644)
        os.chmod(new, 0o644)
        (root / "shut").chmod(0o755)
        await swept.settle()
        assert await stored(db) == there(root) and len(there(root)) == 3
        assert await swept.files.forget_gone(0) == 0


# --- roots ------------------------------------------------------------------------------


async def test_a_root_that_vanishes_loses_nothing_and_returns(db, tmp_path):
    """An unplugged disk is reported; when it is back nothing is read again."""
    root = tmp_path / "root"
    for n in range(3):
        put(root / f"{n}.pdf", str(n))
    async with sweeping(db, root, live=True) as swept:
        await swept.settle()
        root.rename(tmp_path / "away")
        await until(lambda: swept.sweeper.state == "missing")
        await swept.settle()
        assert "not there" in swept.sweeper.report()["reason"]
        assert await swept.files.forget_gone(0) == 0 and await gone(db) == set()
        (tmp_path / "away").rename(root)
        await until(lambda: swept.sweeper.state == "ok")
        assert await stored(db) == there(root) and swept.counts["files_hashed"] == 3
    async with sweeping(db, tmp_path / "never") as swept:
        assert swept.sweeper.state == "missing"


async def test_a_root_that_turns_empty_loses_nothing(db, tmp_path):
    """Emptied at once: reported, and nothing is removed, not even what was gone before; until something is there."""
    root = tmp_path / "root"
    first = put(root / "0.pdf", "0")
    for n in range(1, 4):
        put(root / f"sub/{n}.pdf", str(n))
    async with sweeping(db, root) as swept:
        await swept.settle()
        os.unlink(first)
        await swept.settle()
        assert await gone(db) == {first}
        shutil.rmtree(root / "sub")
        swept.sweeper.hint(os.fsencode(root / "sub"))
        await swept.sweeper.wait_settled(os.fsencode(root / "sub"))
        await until(lambda: swept.sweeper.state == "empty")
        assert await swept.files.forget_gone(0) == 0 and await gone(db) == {first}
    async with sweeping(db, root) as swept:
        assert swept.sweeper.state == "empty", "also after a restart"
        assert await swept.files.forget_gone(0) == 0 and len(await stored(db)) == 3
        put(root / "new.pdf", "new")
        await swept.settle()
        assert swept.sweeper.state == "ok" and len(await gone(db)) == 4
        assert await swept.files.forget_gone(0) == 4 and await stored(db) == there(root)


async def test_nothing_is_forgotten_before_the_first_sweep(db, tmp_path):
    """What came back while the daemon was stopped must not be forgotten because it had been gone."""
    a = put(tmp_path / "a.pdf", "a")
    put(tmp_path / "b.pdf", "b")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        os.rename(a, tmp_path / "aside")
        await swept.settle()
        assert await gone(db) == {a}
    os.rename(tmp_path / "aside", a)
    files = Files(db, HOST)
    Sweeper(Watch(path=tmp_path), Ingest(), files, lambda: None, Counts())
    assert await files.forget_gone(0) == 0
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        assert await swept.files.forget_gone(0) == 0 and await stored(db) == there(tmp_path)


async def test_a_disk_that_is_not_mounted_inside_the_root_loses_nothing(db, tmp_path):
    """Files of a file system below the root that is not there are kept and reported; others may go."""
    put(tmp_path / "a.pdf", "a")
    b, c = put(tmp_path / "b.pdf", "b"), put(tmp_path / "disk/c.pdf", "c")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        await rows(db, "UPDATE foliod.files SET folder_device = 1 + folder_device WHERE path = $1 RETURNING 1", c)
        os.unlink(b)
        os.unlink(c)
        await swept.settle()
        assert await gone(db) == {b}
        assert swept.sweeper.state == "changed" and "one file" in swept.sweeper.report()["reason"]
        put(tmp_path / "disk/c.pdf", "c")
        await swept.settle()
        assert swept.sweeper.state == "ok" and await stored(db) == there(tmp_path)


# --- outages, waiting, events -----------------------------------------------------------


async def test_an_outage_of_the_database_loses_nothing(db, tmp_path, monkeypatch):
    """Whatever was interrupted is judged again."""
    monkeypatch.setattr(room, "FIRST_WAIT", 0.01)
    for n in range(5):
        put(tmp_path / f"{n}.pdf", str(n))
    outages = {name: 2 for name in ("fetch", "fetchrow", "execute", "retrying")}
    real = {name: getattr(db, name) for name in outages}

    def failing(name):
        async def call(*args, **kwargs):
            if outages[name]:
                outages[name] -= 1
                raise DatabaseUnavailableError
            return await real[name](*args, **kwargs)

        return call

    for name in outages:
        monkeypatch.setattr(db, name, failing(name))
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        assert await stored(db) == there(tmp_path)
        (tmp_path / "1.pdf").unlink()
        outages["fetch"] = outages["execute"] = 1
        await swept.settle()
        assert await stored(db) == there(tmp_path) and len(await gone(db)) == 1
        assert outages["retrying"] == outages["execute"] == outages["fetch"] == 0
        assert len(swept.events("waiting")) >= 4


async def test_who_waits_for_a_path_gets_its_document(db, tmp_path):
    """A script drops a file and waits for it, without any event and long before the next sweep."""
    root = tmp_path / "root"
    root.mkdir()
    async with sweeping(db, root) as swept:
        path = put(root / "a.pdf", "a")
        async with asyncio.timeout(PATIENCE):
            document = await swept.sweeper.wait_settled(path)
            assert [(document,)] == await rows(db, "SELECT id FROM foliod.documents")
            assert await swept.sweeper.wait_settled(os.fsencode(root / "no.pdf")) is None
            assert await swept.sweeper.wait_settled(os.fsencode(root)) is None
        with pytest.raises(NotFoundError):
            await swept.sweeper.wait_settled(os.fsencode(tmp_path / "b.pdf"))
        assert swept.sweeper._waiters.unseen(None) == []


async def test_waiting_for_all_does_not_end_before_they_are_written_down(db, tmp_path):
    """Files that are not still yet are waited for."""
    async with sweeping(db, tmp_path, settle=3600) as swept:
        path = put(tmp_path / "a.pdf", "a")
        waiting = asyncio.create_task(swept.sweeper.wait_settled())
        await until(lambda: path in swept.sweeper._settling)
        await asyncio.sleep(0)
        assert not waiting.done()
        swept.sweeper._settling._seconds = 0
        swept.sweeper.hint()
        await waiting
        assert await stored(db) == there(tmp_path)


async def test_events_alone_are_enough(db, tmp_path):
    """With events, changes are noticed without a sweep: files, folders and what is deleted."""
    (tmp_path / "root").mkdir()
    root = tmp_path / "root"
    put(root / "keep.pdf", "k")
    async with sweeping(db, root, live=True) as swept:
        await until(lambda: swept.events("swept") and not swept.sweeper._agenda.sweep_hinted)

        async def alike() -> bool:
            return await stored(db) == there(root)

        put(root / "a.pdf", "a")
        put(root / "new/deep/b.pdf", "b")
        await until(alike)
        put(root / "a.pdf", "changed")
        (root / "new").rename(root / "moved")
        await until(alike)
        (root / "a.pdf").unlink()
        await until(alike)
        for _ in range(5):
            put(root / "brief.pdf", os.urandom(9))
            await until(alike)
            (root / "brief.pdf").unlink()
            await until(alike)
        await until(lambda: not swept.sweeper.pending())
        await until(lambda: swept.sweeper.report()["files"] == len(there(root)) == 2)


async def test_a_new_folder_is_looked_at_twice(db, tmp_path, monkeypatch):
    """What came into a new folder before events of it were told is found without a sweep."""
    monkeypatch.setattr(judge, "LOOK_AGAIN_SECONDS", 0.05)
    put(tmp_path / "keep.pdf", "k")
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        sweeps = len(swept.events("swept"))
        put(tmp_path / "new/a.pdf", "a")

        class Second(dict[bytes, float]):
            """When the second look at which folder is due; the other file comes just after the first."""

            def __setitem__(self, folder: bytes, at: float) -> None:
                put(tmp_path / "new/b.pdf", "b")
                super().__setitem__(folder, at)

        swept.sweeper._agenda.again = again = Second()
        swept.sweeper.hint(os.fsencode(tmp_path / "new"))
        await until(lambda: swept.counts["files_hashed"] == 3)
        assert not again and len(swept.events("swept")) == sweeps


async def test_a_cancelled_sweep_ends_at_once(db, tmp_path):
    """A hint in the same moment does not make the task forget that it has to end."""
    put(tmp_path / "a.pdf", "a")
    files = Files(db, HOST)
    for _ in range(20):
        sweeper = Sweeper(Watch(path=tmp_path, settle_seconds=0), Ingest(), files, lambda: None, Counts())
        task = asyncio.create_task(sweeper._work())
        await sweeper.first_sweep_done.wait()
        await until(lambda sweeper=sweeper: not sweeper.pending() and not sweeper._awake.is_set())
        sweeper.hint()
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE)
        assert task.cancelled()
        sweeper._thread.shutdown()


async def test_a_flood_of_hints_is_one_sweep(db, tmp_path):
    """Thousands of hints cost one look at the folder, not thousands."""
    for n in range(50):
        put(tmp_path / f"{n}.pdf", str(n))
    async with sweeping(db, tmp_path) as swept:
        await swept.settle()
        for n in range(agenda.MANY_HINTS * 4):
            swept.sweeper.hint(os.fsencode(tmp_path / f"{n}.pdf"))
        put(tmp_path / "new.pdf", "new")
        await until(lambda: swept.counts["files_hashed"] == 51 and swept.sweeper.pending() == 0)
        assert await stored(db) == there(tmp_path)


async def test_many_known_files_are_swept_without_reading_one(db, tmp_path):
    """20,000 known files: none is opened, one that is new is found."""
    count = 20_000
    for n in range(count):
        if n % 500 == 0:
            folder = tmp_path / f"{n}"
            folder.mkdir()
        (folder / f"{n}.pdf").touch()
    known = []
    for entry in os.scandir(os.fsencode(tmp_path)):
        device = entry.stat().st_dev
        known += [(file.path, *numbers(signature(file.stat(), device))) for file in os.scandir(entry.path)]
    async with db.transaction() as tx:
        document = await tx.connection.fetchval(
            "INSERT INTO foliod.documents (sha256, size) VALUES ($1, 0) RETURNING id", hashlib.sha256(b"").digest()
        )
        await tx.copy(
            "files",
            ("path", "size", "mtime_ns", "ctime_ns", "inode", "device", "folder_device", "host", "root", "display", "document_id"),
            [(*row, HOST, str(tmp_path), "", document) for row in known],
        )  # fmt: skip
    async with sweeping(db, tmp_path) as swept:
        assert swept.sweeper.report()["files"] == count and swept.counts["files_hashed"] == 0
        put(tmp_path / "new.pdf", "new")
        await swept.settle()
        assert swept.counts["files_hashed"] == 1 and len(await stored(db)) == count + 1


# --- everything together ----------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_after_any_history_the_store_equals_the_folder(db, tmp_path, seed):
    """Creating, changing, renaming, copying, deleting, moving folders, hinted or not, stopped or not: alike in the end."""
    chance, root, version = random.Random(seed), tmp_path / "root", iter(range(10**6))
    put(root / "keep.pdf", "keep")

    def some_path() -> Path:
        return root / chance.choice(["", "x", "y", "y/z"]) / f"{chance.randrange(6)}.pdf"

    def act() -> list[Path]:
        files = [path for path in root.rglob("*.pdf") if path.name != "keep.pdf" and path.is_file()]
        target = some_path()
        match chance.choice(["create", "create", "rewrite", "rename", "copy", "delete", "folder", "rmtree", "touch"]):
            case "create":
                put(target, f"version {next(version)}")
                return [target]
            case "rewrite" if files:
                file = chance.choice(files)
                state = file.stat()
                file.write_bytes(os.urandom(max(1, state.st_size)))
                os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
                return [file]
            case "rename" if files:
                file = chance.choice(files)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
                return [file, target]
            case "copy" if files:
                put(target, chance.choice(files).read_bytes())
                return [target]
            case "delete" if files:
                file = chance.choice(files)
                file.unlink()
                return [file]
            case "touch" if files:
                os.utime(chance.choice(files))
            case "folder" if (root / "y").is_dir() and not (root / "w").exists():
                (root / "y").rename(root / "w")
                return [root / "y", root / "w"]
            case "rmtree" if (root / "w").is_dir():
                shutil.rmtree(root / "w")
                return [root / "w"]
        return []

    for _ in range(3):
        async with sweeping(db, root) as swept:
            for _ in range(chance.randrange(4, 9)):
                for _ in range(chance.randrange(1, 6)):
                    for path in act():
                        if chance.random() < 0.6:
                            swept.sweeper.hint(os.fsencode(path))
                    await asyncio.sleep(0)
                if chance.random() < 0.3:
                    await swept.files.forget_gone(0)
                if chance.random() < 0.5:
                    await swept.settle()
                    assert await stored(db) == there(root)
        act()
    async with sweeping(db, root) as swept:
        await swept.settle()
        assert await stored(db) == there(root)
        await swept.files.forget_gone(0)
        swept.files._replaced = True
        await swept.files.forget_gone(0)
        orphans = (
            "SELECT 1 FROM foliod.documents d WHERE NOT EXISTS (SELECT 1 FROM foliod.files WHERE document_id = d.id)"
        )
        assert await rows(db, orphans) == [] and await gone(db) == set()
        assert await stored(db) == there(root)
        before = swept.counts["files_hashed"]
        await swept.settle()
        assert swept.counts["files_hashed"] == before
