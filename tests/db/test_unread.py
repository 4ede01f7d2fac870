"""What can't be read is counted and named as soon as it is known: files, and folders that nobody can look into."""

import contextlib
import os
from datetime import datetime
from types import SimpleNamespace

import pytest
from test_store import HOST
from test_sweep import put, stored, sweeping, there

from canned import status
from foliod.base.config import Watch
from foliod.serve.explain import explain
from foliod.start.dashboard import rows
from foliod.start.doctor_folders import folders
from foliod.watch import judge
from foliod.watch.unread import reader
from privileges import drop_privileges, hand_over, unprivileged
from waiting import until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Count often, so that tests need not wait."""
    monkeypatch.setattr(judge, "COUNT_SECONDS", 0.02)


@pytest.fixture
def root(short_dir):
    """A folder that also an ordinary user may enter."""
    short_dir.chmod(0o755)
    folder = short_dir / "root"
    put(folder / "a.pdf", "a")
    yield folder
    for name in ("shut", "listed"):
        with contextlib.suppress(FileNotFoundError):
            (folder / name).chmod(0o755)


def shut(folder, mode: int = 0) -> None:
    hand_over(folder)
    os.chmod(folder, mode)


async def test_what_becomes_unreadable_is_counted_before_the_next_sweep(db, root):
    """One event about a file or folder is enough: the status tells of it at once, and that it is mended."""
    below = put(root / "shut/below.pdf", "b")
    async with sweeping(db, root) as swept:
        await swept.settle()
        await swept.sweeper._in_thread(drop_privileges)
        sweeps = len(swept.events("swept")), swept.sweeper.report()["swept_at"]
        assert swept.sweeper.report()["unreadable"] == 0 and swept.sweeper.report()["problem"] is None
        file = put(root / "zu.pdf", "z")
        shut(file)
        swept.sweeper.hint(file)
        await until(lambda: swept.sweeper.report()["unreadable"] == 1)
        assert swept.sweeper.report()["files"] == 2 + 1 and swept.sweeper.report()["problem"] is None
        shut(root / "shut")
        swept.sweeper.hint(os.fsencode(root / "shut"))
        # The folder, and the file in it that was known.
        await until(lambda: swept.sweeper.report()["unreadable"] == 3)
        report = swept.sweeper.report()
        assert report["state"] == "ok" and str(root / "shut") in report["problem"] and reader() in report["problem"]
        assert reader() in report["fix"] and "list and enter" in report["fix"]
        assert (len(swept.events("swept")), report["swept_at"]) == sweeps
        os.chmod(file, 0o644)
        (root / "shut").chmod(0o755)
        for path in (file, os.fsencode(root / "shut")):
            swept.sweeper.hint(path)
        await until(lambda: swept.sweeper.report()["unreadable"] == 0)
        assert swept.sweeper.report()["problem"] is None and swept.sweeper.report()["swept_at"] == sweeps[1]
        assert await stored(db) == there(root) and below in there(root)


async def test_a_file_is_counted_once(db, root):
    """A file that can't be read, in a folder that is shut then, is one file; and all is the same after a sweep."""
    file = put(root / "shut/zu.pdf", "z")
    shut(file)
    async with sweeping(db, root) as swept:
        await swept.sweeper._in_thread(drop_privileges)
        await swept.settle()
        os.chmod(file, 0o600)
        shut(file)
        await swept.settle()
        await until(lambda: swept.sweeper.report()["unreadable"] == 1)
        shut(root / "shut")
        await swept.settle()
        await until(lambda: swept.sweeper.report()["unreadable"] == 2)
        assert swept.sweeper.report()["state"] == "ok"


async def test_a_folder_that_holds_only_what_is_shut_is_not_called_empty(db, short_dir):
    """Nobody knows whether the files are gone, and nothing is said of that."""
    short_dir.chmod(0o755)
    root = short_dir / "root"
    put(root / "shut/a.pdf", "a")
    async with sweeping(db, root) as swept:
        await swept.settle()
        await swept.sweeper._in_thread(drop_privileges)
        shut(root / "shut")
        await swept.settle()
        assert swept.sweeper.state == "ok" and "shut" in swept.sweeper.report()["problem"]
        (root / "shut").chmod(0o755)
        await swept.settle()
        assert swept.sweeper.report()["problem"] is None and await stored(db) == there(root)


async def test_a_folder_that_can_only_be_listed_is_named_as_one_that_cant_be_read(db, root):
    """Without the right to enter nothing in it can be looked at; that is the folder's fault, not each file's."""
    for name in "xyz":
        put(root / f"listed/{name}.pdf", name)
    async with sweeping(db, root) as swept:
        await swept.sweeper._in_thread(drop_privileges)
        shut(root / "listed", 0o444)
        await swept.settle()
        assert [log["path"] for log in swept.events("folder_unreadable")] == [str(root / "listed")]
        assert not swept.events("file_ignored")
        assert "can't be looked into" in (await swept.sweeper.explain(os.fsencode(root / "listed/x.pdf")))["reason"]
        os.chmod(root / "listed", 0o755)
        shut(root, 0o444)
        await swept.settle()
        assert swept.sweeper.state == "unreadable"
        root.chmod(0o755)


async def test_explain_tells_of_a_folder_that_cant_be_read_and_of_what_may_lie_below_it(db, root):
    """Not that there is no such file, for that can't be known; but as whom it was tried, and which permission is missing."""
    async with sweeping(db, root, exclude=("Drafts",)) as swept:
        put(root / "shut/deep/b.pdf", "b")
        shut(root / "shut")
        await swept.sweeper._in_thread(drop_privileges)
        await swept.settle()
        for name in ("shut", "shut/b.pdf", "shut/deep/b.pdf", "shut/deep", "shut/none/c.pdf"):
            told = await swept.sweeper.explain(os.fsencode(root / name))
            assert told["verdict"] == "unreadable" and str(root / "shut") in told["reason"] + str(root / name), told
            assert f"can't be looked into by {reader()}: Permission denied" in told["reason"]
            assert "can't be known" in told["reason"]
            assert f"give {reader()} the right to list and enter it" in told["next"] and "sweep" in told["next"]
            assert datetime.fromisoformat(told["at"])
        assert (await swept.sweeper.explain(os.fsencode(root / "shut/Drafts/c.pdf")))["verdict"] == "excluded"
        assert (await swept.sweeper.explain(os.fsencode(root / "none/c.pdf")))["verdict"] == "not_there"
        whole = await swept.sweeper.explain(os.fsencode(root))
        assert whole["verdict"] == "folder" and f"{root / 'shut'} can't be looked into" in whole["reason"]
        assert reader() in whole["next"]
        (root / "shut").chmod(0o755)


async def test_explain_of_a_folder_tells_of_its_unread_files(db, root):
    """They are in no list of documents, and that is said, with how they can be found."""
    shut(put(root / "zu.pdf", "z"))
    async with sweeping(db, root) as swept:
        await swept.sweeper._in_thread(drop_privileges)
        os.utime(root / "zu.pdf")
        await swept.settle()
        await until(lambda: swept.sweeper.report()["unreadable"] == 1)
        pipeline = SimpleNamespace(host=HOST, inspect=swept.sweeper.explain)
        told = await explain(db, pipeline, os.fsencode(root), None)
        assert told["state"] == "folder" and told["holds"] == {"queued": 1, "unread": 1}
        assert "documents --folder" in told["next"] and "1 unread" in told["next"] and "explain FILE" in told["next"]
        file = await explain(db, pipeline, os.fsencode(root / "zu.pdf"), None)
        assert file["state"] == "unreadable" and f"give {reader()} the right to read it" in file["next"]
        os.unlink(root / "zu.pdf")
        await swept.settle()
        await swept.files.forget_gone(0)
        told = await explain(db, pipeline, os.fsencode(root), None)
        assert told["holds"] == {"queued": 1} and "unread" not in told["next"]


def test_doctor_names_a_folder_inside_that_cant_be_read(root):
    """By what the daemon tells, which may be another user; without a daemon by its own look."""
    put(root / "shut/b.pdf", "b")
    watch = Watch(path=root)
    assert [check.status for check in folders([watch], None, None, {})] == ["ok"]
    shut(root / "shut")
    _, check = unprivileged(lambda: list(folders([watch], None, None, {})))
    assert check.status == "warn" and f"{root / 'shut'} can't be looked into by {reader()}" in check.message
    assert "list and enter" in check.fix
    hidden = Watch(path=root, exclude=("shut",))
    for other in (hidden, Watch(path=root, recursive=False)):
        assert len(unprivileged(lambda watch=other: list(folders([watch], None, None, {})))) == 1
    told = {"path": str(root), "swept_at": "2026-01-01T00:00:00+00:00", "problem": "x can't be looked into", "fix": "y"}
    _, check = folders([hidden], {"roots": [told]}, None, {})
    assert (check.status, check.message, check.fix) == ("warn", "x can't be looked into", "y")
    assert len(list(folders([watch], {"roots": [told | {"problem": None}]}, None, {}))) == 1


def test_status_shows_what_cant_be_looked_into():
    """With how many files and folders that are, and what to do."""
    report = status()
    report["roots"][0] |= {
        "unreadable": 2,
        "problem": "/in/shut can't be looked into",
        "fix": "give the user x the right",
    }
    (row,) = (row for row in rows(report) if row.label == "Watching")
    assert row.text.endswith("2 unreadable; /in/shut can't be looked into; give the user x the right")
    assert row.style == "yellow"
