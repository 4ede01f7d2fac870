"""What a client may see, as ranges of paths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foliod.base.access import Access, Root, columns
from foliod.base.contract import SearchRequest, parse

HERE = "here"


def access(*roots: tuple[str, bool], host: str = HERE) -> Access:
    return Access.of(HERE, [Root(host, path.encode(), readable) for path, readable in roots])


def test_only_what_lies_in_a_readable_folder_is_seen():
    """A folder is read as far as it goes, and no neighbour whose name begins alike."""
    seen = access(("/docs", True), ("/secret", False))
    assert seen.reads(b"/docs/a.pdf")
    assert seen.reads(b"/docs")
    for path in (b"/docs2/a.pdf", b"/docs.pdf", b"/doc", b"/secret/a.pdf", b"/secret", b"/", b"/elsewhere/a.pdf"):
        assert not seen.reads(path), path
    assert seen.root("/docs")
    assert not seen.root("/secret")


def test_of_folders_inside_each_other_the_inner_one_decides():
    """A folder that was watched as a whole before does not open, or close, what is watched now inside it."""
    seen = access(("/docs", True), ("/docs/a", False), ("/docs/a/b", True))
    assert seen.reads(b"/docs/x.pdf")
    assert not seen.reads(b"/docs/a/x.pdf")
    assert not seen.reads(b"/docs/a"), "not even that it is there"
    assert seen.reads(b"/docs/a/b/x.pdf")
    assert seen.reads(b"/docs/a/b")
    assert seen.reads(b"/docs/a0.pdf")
    assert seen.reads(b"/docs/b/x.pdf")
    assert not access(("/docs", False), ("/docs/a", True)).reads(b"/docs/x.pdf")


def test_other_hosts_are_seen_by_queries_only():
    """The same path on another host is another place: nothing there can be opened here."""
    seen = access(("/docs", True), host="there")
    assert not seen.reads(b"/docs/a.pdf")
    assert not seen.root("/docs")
    assert seen.columns == (["there"], [b"/docs/"], [b"/docs0"])
    assert columns(None) == (None, None, None)


NAMES = st.lists(st.sampled_from(["a", "b", "a0", "a.", "-"]), max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.dictionaries(NAMES, st.booleans(), max_size=6), NAMES)
def test_the_longest_folder_always_decides(roots, folder):
    """However folders lie in each other, the ranges say what looking for the longest one says, and never overlap."""
    seen = access(*roots.items())
    path = folder.rstrip("/") + "/file.pdf"
    around = [root for root in roots if path.startswith(root.rstrip("/") + "/")]
    assert seen.reads(path.encode()) is bool(around and roots[max(around, key=len)])
    _, lows, highs = seen.columns
    assert all(high <= low for high, low in zip(highs, lows[1:], strict=False))


def test_a_path_is_what_it_comes_to():
    """What is waited for is known by where it lies in the end, not by how the path begins."""
    asked = parse(SearchRequest, b'{"query": "x", "wait": "/in/../etc//passwd"}')
    assert asked.wait == "/etc/passwd"
