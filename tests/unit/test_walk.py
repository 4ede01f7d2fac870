"""A folder compared with what is known of it, without opening a file."""

import errno
import os
import socket
import threading

import pytest

from foliod.base.paths import Wanted, signature
from foliod.watch import walk
from privileges import hand_over, unprivileged

STOP = threading.Event()


def wanted(root, **options) -> Wanted:
    options = {"include": ("*.pdf",), "exclude": (), "recursive": True} | options
    return Wanted(os.fsencode(root), options.pop("include"), options.pop("exclude"), **options)


def compare(root, known=None, scopes=None, **options) -> walk.Findings:
    scopes = [os.fsencode(root)] if scopes is None else [os.fsencode(scope) for scope in scopes]
    return walk.compare(wanted(root, **options), scopes, dict(known or {}), STOP)


def known_of(found: walk.Findings, flag: bytes = walk.STILL) -> dict[bytes, bytes]:
    """What the store knows after it wrote down all candidates."""
    return {path: seen + flag for path, seen in found.candidates.items()}


def put(path, content: bytes = b"%PDF") -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return os.fsencode(path)


def unchanged(found: walk.Findings) -> bool:
    return not (found.candidates or found.gone or found.back or found.renumbered or found.unmounted or found.hidden)


def test_new_files_are_candidates_and_known_ones_are_not(tmp_path):
    """A second look at an unchanged folder finds nothing to do."""
    paths = {put(tmp_path / "a.pdf"), put(tmp_path / "deep/er/B.PDF")}
    put(tmp_path / "notes.txt")
    found = compare(tmp_path)
    assert found.candidates.keys() == paths and found.files == 2 and found.others
    again = compare(tmp_path, known_of(found))
    assert unchanged(again) and again.files == 2


def test_a_rewrite_of_the_same_size_with_its_old_time_is_noticed(tmp_path):
    """The change time can't be turned back."""
    path = put(tmp_path / "a.pdf", b"one")
    known, state = known_of(compare(tmp_path)), (tmp_path / "a.pdf").stat()
    (tmp_path / "a.pdf").write_bytes(b"two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert compare(tmp_path, known).candidates.keys() == {path}


def test_a_file_replaced_by_rename_is_noticed(tmp_path):
    """Another inode under the same name is another file."""
    path = put(tmp_path / "a.pdf", b"one")
    known = known_of(compare(tmp_path))
    os.replace(put(tmp_path / "a.tmp", b"two"), path)
    assert compare(tmp_path, known).candidates.keys() == {path}


def test_a_deleted_file_is_gone_and_comes_back(tmp_path):
    """What was missed and is there again as it was needs no reading."""
    path, other = put(tmp_path / "sub/a.pdf"), tmp_path / "aside"
    put(tmp_path / "b.pdf")
    known = known_of(compare(tmp_path))
    os.rename(tmp_path / "sub", other)
    assert compare(tmp_path, known).gone == [path]
    missed = known | {path: known[path][:-1] + walk.GONE}
    assert compare(tmp_path, missed).gone == []
    os.rename(other, tmp_path / "sub")
    found = compare(tmp_path, missed)
    assert found.back.keys() == {path} and not found.candidates


def test_what_had_a_reason_against_it_is_tried_again(tmp_path):
    """A file that could not be read is a candidate with every sweep."""
    path = put(tmp_path / "a.pdf")
    known = known_of(compare(tmp_path), walk.REASON)
    assert compare(tmp_path, known).candidates.keys() == {path}


def test_a_device_with_a_new_number_needs_no_reading(tmp_path):
    """After a restart of the machine a disk may have another number; its files are the same, and some may be gone."""
    here, gone = put(tmp_path / "a.pdf"), put(tmp_path / "b.pdf")
    known = {path: seen[:32] + b"\x01" * 16 + walk.STILL for path, seen in compare(tmp_path).candidates.items()}
    os.unlink(gone)
    found = compare(tmp_path, known)
    assert found.renumbered == {here: signature(os.stat(here), os.stat(tmp_path).st_dev)}
    assert found.gone == [gone] and not found.candidates and not found.unmounted


def test_files_of_a_file_system_that_is_not_mounted_are_not_gone(tmp_path):
    """A folder that was another disk's mount point and is empty now has lost nothing."""
    put(tmp_path / "a.pdf")
    known = known_of(compare(tmp_path))
    for name in ("disk/x.pdf", "disk/gone/y.pdf"):
        path = os.fsencode(tmp_path / name)
        known[path] = known[os.fsencode(tmp_path / "a.pdf")][:40] + b"\0\0\0\0\0\0\xff\xff" + walk.STILL
    (tmp_path / "disk").mkdir()
    found = compare(tmp_path, known)
    assert len(found.unmounted) == 2 and not found.gone


def test_special_files_are_named_with_a_reason(tmp_path):
    """Pipes, sockets, folders and links that lead nowhere, out, around or to a device are no files to read."""
    inside = tmp_path / "in"
    put(inside / "real.pdf")
    put(tmp_path / "outside.pdf")
    os.mkfifo(inside / "pipe.pdf")
    (inside / "folder.pdf").mkdir()
    links = {
        "dangling": "nowhere.pdf",
        "loop_a": "loop_b.pdf",
        "loop_b": "loop_a.pdf",
        "zero": "/dev/zero",
        "out": "../outside.pdf",
        "dir": ".",
    }
    for name, target in links.items():
        (inside / f"{name}.pdf").symlink_to(target)
    here = os.getcwd()
    os.chdir(inside)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("socket.pdf")
        os.chdir(here)
    found = compare(inside)
    assert found.candidates.keys() == {os.fsencode(inside / "real.pdf")}
    reasons = {os.path.basename(path)[:-4].decode(): reason for path, reason in found.ignored.items()}
    assert reasons.keys() == {"pipe", "socket", *links}
    assert "circle" in reasons["loop_a"] and "nothing" in reasons["dangling"] and "out of" in reasons["zero"]
    assert "pipe" in reasons["pipe"] and "socket" in reasons["socket"] and "out of" in reasons["out"]
    assert "folder" in reasons["dir"]


def test_a_link_to_a_file_inside_is_followed_and_loops_end(tmp_path):
    """A link looks like the file it leads to; a linked folder is not walked twice."""
    put(tmp_path / "sub/a.pdf")
    (tmp_path / "link.pdf").symlink_to("sub/a.pdf")
    (tmp_path / "sub/up").symlink_to("..")
    found = compare(tmp_path)
    assert found.candidates.keys() == {os.fsencode(tmp_path / name) for name in ("sub/a.pdf", "link.pdf")}
    assert len({seen for seen in found.candidates.values()}) == 1


def test_a_root_that_is_a_link_is_walked(tmp_path):
    """The watched folder itself may be reached through a link."""
    put(tmp_path / "real/a.pdf")
    (tmp_path / "root").symlink_to("real")
    (tmp_path / "real/link.pdf").symlink_to("a.pdf")
    assert len(compare(tmp_path / "root").candidates) == 2


def test_a_file_that_became_something_else_is_gone(tmp_path):
    """A pipe under the name of a known file is no file."""
    path = put(tmp_path / "a.pdf")
    known = known_of(compare(tmp_path))
    os.unlink(path)
    os.mkfifo(path)
    assert compare(tmp_path, known).gone == [path]


@pytest.mark.parametrize("options", [{"recursive": False}, {"exclude": ("sub",)}, {"include": ("b*",)}])
def test_what_is_not_wanted_any_more_is_gone(tmp_path, options):
    """A changed configuration takes files out, and only those."""
    kept, left = put(tmp_path / "b.pdf"), put(tmp_path / "sub/a.pdf")
    known = known_of(compare(tmp_path))
    found = compare(tmp_path, known, **options)
    assert found.gone == [left] and kept not in found.candidates


def test_odd_names_are_files_like_others(tmp_path):
    """Names with newlines, emoji, invalid UTF-8 or 255 bytes are compared like any other."""
    root = os.fsencode(tmp_path)
    for name in (b"line\nbreak", "📄".encode(), b"bad\xff\xfe", b"n" * 251, b" ", b"%s%n", b"-rf", b""):
        with open(os.path.join(root, name + b".pdf"), "wb") as file:
            file.write(b"%PDF")
    found = compare(tmp_path)
    assert len(found.candidates) == 8
    assert unchanged(compare(tmp_path, known_of(found)))


def test_a_path_that_is_too_long_stops_nothing(tmp_path):
    """What lies deeper than PATH_MAX is told, and the rest is found."""
    put(tmp_path / "a.pdf")
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=fd)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    found = compare(tmp_path)
    assert found.files == 1 and list(found.unreadable.values()) == [os.strerror(errno.ENAMETOOLONG)]


def test_files_below_an_unreadable_folder_are_kept(short_dir):
    """A folder that can't be entered, or only not listed, loses nothing; it is named with the reason."""
    short_dir.chmod(0o755)
    shut, dim, gone = put(short_dir / "shut/a.pdf"), put(short_dir / "dim/b.pdf"), put(short_dir / "dim/c.pdf")
    known = known_of(compare(short_dir))
    hand_over(short_dir / "shut", short_dir / "dim")
    os.unlink(gone)
    (short_dir / "shut").chmod(0)
    (short_dir / "dim").chmod(0o311)
    try:
        found = unprivileged(compare, short_dir, known)
    finally:
        (short_dir / "shut").chmod(0o755)
        (short_dir / "dim").chmod(0o755)
    assert found.hidden == [shut] and found.gone == [gone] and dim not in found.candidates
    assert found.unreadable.keys() == {os.fsencode(short_dir / "shut"), os.fsencode(short_dir / "dim")}
    assert set(found.unreadable.values()) == {"Permission denied"}


def test_a_root_that_vanishes_meanwhile_loses_nothing(tmp_path):
    """Between the look at the root and the walk it may be gone; its files are not."""
    root = tmp_path / "root"
    put(root / "a.pdf")
    known = known_of(compare(root))
    os.rename(root, tmp_path / "away")
    found = compare(root, known)
    assert found.gone == [] and len(found.unmounted) == 1


def test_trouble_with_a_root_is_named(short_dir):
    """A root that is missing, a file, or can't be listed says so."""
    short_dir.chmod(0o755)
    assert walk.trouble(os.fsencode(short_dir)) is None
    assert walk.trouble(os.fsencode(short_dir / "no"))[0] == "missing"
    assert walk.trouble(put(short_dir / "file"))[0] == "missing"
    shut = short_dir / "shut"
    shut.mkdir(mode=0o700)
    if os.geteuid() != 0:
        shut.chmod(0)
    assert unprivileged(walk.trouble, os.fsencode(shut))[0] == "unreadable"
    shut.chmod(0o700)


def test_hinted_paths_are_judged_alone(tmp_path):
    """Hints name files, folders and what is gone; each is judged once, nothing else is touched."""
    a, b, c = put(tmp_path / "a.pdf"), put(tmp_path / "sub/b.pdf"), put(tmp_path / "gone/c.pdf")
    put(tmp_path / "never.pdf")
    known = known_of(compare(tmp_path))
    os.rename(tmp_path / "gone", tmp_path / "moved")
    new = put(tmp_path / "sub/new.pdf")
    scopes = [a, b, new, tmp_path / "sub", tmp_path / "gone", tmp_path / "moved", tmp_path / "no.txt"]
    found = compare(tmp_path, {path: known[path] for path in (a, b, c)}, scopes)
    assert found.candidates.keys() == {new, os.fsencode(tmp_path / "moved/c.pdf")} and found.gone == [c]
    assert {os.path.basename(folder) for folder in found.folders} == {b"sub", b"moved"}


def test_a_populated_root_is_told_from_an_empty_one(tmp_path):
    """Folders and hidden files, which synchronisers leave behind, are no content; any other file is, and every PDF."""
    (tmp_path / "a/b").mkdir(parents=True)
    put(tmp_path / "a/b/.stfolder")
    assert not walk.populated(wanted(tmp_path), STOP) and not compare(tmp_path).others
    for name in ("notes.txt", ".hidden.pdf"):
        put(tmp_path / "a/b" / name)
        assert walk.populated(wanted(tmp_path), STOP)
        assert compare(tmp_path).others or compare(tmp_path).files
        (tmp_path / "a/b" / name).unlink()
    assert not walk.populated(wanted(tmp_path / "no"), STOP)


def test_a_walk_can_be_stopped(tmp_path):
    """A leaving daemon does not wait for a large folder."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(walk.Stopped):
        walk.compare(wanted(tmp_path), [os.fsencode(tmp_path)], {}, stop)


def test_a_path_that_the_store_can_not_hold_is_ignored(tmp_path):
    """Too long a path is named with the reason; one that is known already is judged as any other."""
    folder = os.fsencode(tmp_path)
    while len(folder) < 2400:
        folder += b"/" + b"d" * min(200, 2400 - len(folder) - 1)
    os.makedirs(folder)
    fits, long = folder + b"/" + b"a" * 95 + b".pdf", folder + b"/" + b"b" * 96 + b".pdf"
    for path in (fits, long):
        with open(path, "wb"):
            pass
    found = compare(tmp_path)
    assert (len(fits), len(long)) == (2500, 2501) and found.candidates.keys() == {fits}
    assert found.ignored.keys() == {long} and "longer than 2500 bytes" in found.ignored[long]
    known = {long: signature(os.stat(long), os.stat(folder).st_dev) + walk.STILL}
    again = compare(tmp_path, known | known_of(found))
    assert unchanged(again) and not again.ignored and again.files == 2


@pytest.mark.parametrize("scope", ["l/a.pdf", "l/deep", "l/none.pdf"])
def test_no_hint_leads_through_a_link_to_a_folder(tmp_path, scope):
    """What is hinted at behind a link to a folder is ignored, there or not; what was known there is missed."""
    root = tmp_path / "root"
    put(root / "keep.pdf")
    put(tmp_path / "out/a.pdf"), put(tmp_path / "out/deep/b.pdf")
    (root / "l").symlink_to("../out")
    found = compare(root, scopes=[root / scope])
    assert unchanged(found) and not found.folders
    assert found.ignored == ({os.fsencode(root / scope): walk.LINKED} if scope.endswith(".pdf") else {})
    path = os.fsencode(root / "l/a.pdf")
    known = {path: signature(os.stat(path), os.stat(root).st_dev) + walk.STILL}
    assert compare(root, known).gone == [path]


def test_a_link_out_does_not_tell_whether_something_is_there(tmp_path):
    """Links that lead out of the folder are told alike, whether their targets exist or not."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "there.pdf").write_bytes(b"x")
    (root / "a.pdf").symlink_to(tmp_path / "there.pdf")
    (root / "b.pdf").symlink_to(tmp_path / "absent.pdf")
    (root / "c.pdf").symlink_to(root / "absent.pdf")
    found = compare(root)
    told = {path.rsplit(b"/", 1)[1]: why for path, why in found.ignored.items()}
    assert told[b"a.pdf"] == told[b"b.pdf"] == "it is a link that leads out of the watched folder"
    assert told[b"c.pdf"] == "it is a link to nothing"
