"""What can be known of a path without opening the file."""

import os

import pytest

from foliod.base.paths import (
    FOLDER_DEVICE,
    IDENTITY,
    Wanted,
    below,
    bounds,
    display,
    numbers,
    signature,
    size_of,
    without_paths,
)


def wanted(include=("*.pdf",), exclude=(), *, recursive=True, root=b"/in") -> Wanted:
    return Wanted(root, include, exclude, recursive=recursive)


def test_a_name_that_is_not_utf8_can_be_shown():
    """A name in another encoding is shown with replacement characters, never as an error."""
    assert display(b"/in/bad_\xff.pdf") == "/in/bad_\ufffd.pdf"
    assert display("/in/📄.pdf".encode()) == "/in/📄.pdf"
    display(b"/in/\xed\xa0\x80.pdf").encode()


@pytest.mark.parametrize("name", [b"a.pdf", b"A.PDF", b".pdf", b"line\nbreak.pdf", b"bad_\xff.Pdf", b"a.pdf.pdf"])
def test_patterns_ignore_case_and_odd_characters(name):
    """`*.pdf` means every PDF, however its name is written."""
    assert wanted().file(b"/in/" + name)


@pytest.mark.parametrize("name", [b"a.pdf.part", b"a.pdf.", b"a.txt", b"pdf"])
def test_other_names_are_not_wanted(name):
    """A half-downloaded file and other kinds of files are left alone."""
    assert not wanted().file(b"/in/" + name)


def test_an_excluded_folder_excludes_what_lies_below():
    """`exclude` takes names and paths below the root, of files and of folders."""
    some = wanted(exclude=("Drafts", "private/*", "*-old.pdf"))
    assert some.file(b"/in/a/b.pdf")
    assert not some.file(b"/in/a/drafts/deep/b.pdf")
    assert not some.file(b"/in/private/b.pdf")
    assert not some.file(b"/in/a/b-OLD.pdf")
    assert some.folder(b"/in/private") and not some.folder(b"/in/drafts/x")


def test_a_folder_that_is_not_recursive_has_no_subfolders():
    """Without `recursive` only the files of the root itself are wanted."""
    flat = wanted(recursive=False)
    assert flat.file(b"/in/a.pdf") and flat.folder(b"/in")
    assert not flat.file(b"/in/sub/a.pdf") and not flat.folder(b"/in/sub")


@pytest.mark.parametrize("root", [b"/in", b"/"])
def test_what_lies_below_a_folder(root):
    """Names that only begin alike lie elsewhere; the root of all is a folder too."""
    low, high = bounds(root)
    inside = os.path.join(root, b"x/a.pdf")
    assert below(inside, root) and low < inside < high
    assert wanted(root=root).file(inside) and wanted(root=root).folder(root)
    assert not below(b"/input/a.pdf", b"/in") and not bounds(b"/in")[0] < b"/input/a.pdf" < bounds(b"/in")[1]
    assert not wanted(root=b"/in").file(b"/input/a.pdf")


def test_a_signature_tells_versions_apart(tmp_path):
    """Size, times and inode are in a signature, and fit PostgreSQL's bigint even for times far away."""
    file = tmp_path / "a.pdf"
    file.write_bytes(b"12345")
    first = signature(file.stat(), 7)
    assert size_of(first) == 5 and numbers(first)[5] == 7 and first[FOLDER_DEVICE] == (7).to_bytes(8, "big")
    os.utime(file, ns=(0, -5))
    assert numbers(signature(file.stat(), 7))[1] == -5
    assert signature(file.stat(), 7)[IDENTITY] != first[IDENTITY]

    class Far:
        st_size, st_ino, st_dev, st_ctime_ns = 1, 2**64 - 1, 2**63, 0
        st_mtime_ns = 10**19

    assert all(-(2**63) <= n < 2**63 for n in numbers(signature(Far(), 0)))


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("PostgreSQL at /var/lib/foliod/pg can't be reached", "PostgreSQL at (a path) can't be reached"),
        ("the file '/etc/foliod/x y' is no file: /a.", "the file '(a path) y' is no file: (a path)."),
        (
            "Ollama at http://127.0.0.1:11434/x is away; 5/6 of it",
            "Ollama at http://127.0.0.1:11434/x is away; 5/6 of it",
        ),
        ("[ollama] or and/or", "[ollama] or and/or"),
    ],
)
def test_what_went_wrong_can_be_told_without_paths(told, kept):
    """Who has no business in the daemon's folders is told what is wrong, and not where they are."""
    assert without_paths(told) == kept
