"""Files are read when they have been still for long enough."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foliod.watch.settle import Settling, Waiters


def due(settling: Settling, now: float) -> list[tuple[bytes, bytes]]:
    return [(path, waiting.signature) for path, waiting in settling.due(now, 9)]


def test_a_still_file_is_due_after_the_time_and_not_before():
    """A file is read `settle_seconds` after it was seen to be as it is."""
    settling = Settling(2)
    settling.observe(b"a", b"one", 10)
    assert settling.next_due() == 12
    assert settling.due(11.9, 9) == [] and due(settling, 12) == [(b"a", b"one")]
    settling.observe(b"a", b"one", 11)
    assert due(settling, 12) == [(b"a", b"one")], "seeing it again as it was is no change"


def test_a_growing_file_is_not_due():
    """Every change begins the time anew, also one that leaves the size as it was."""
    settling = Settling(2)
    for now in range(20):
        settling.observe(b"a", b"%d" % now, now)
        assert settling.due(now, 9) == []
    assert due(settling, 21) == [(b"a", b"19")]


def test_a_file_that_changed_while_it_was_read_begins_anew():
    """Its time starts again with the signature that is known; a file of which nothing is known stays unknown."""
    settling = Settling(2)
    settling.observe(b"a", b"\0\0\0\0\0\0\0\7one", 10)
    settling.observe(b"b", b"\0\0\0\0\0\0\0\10two", 11)
    settling.renew(b"a", 12)
    settling.renew(b"never seen", 12)
    assert due(settling, 13.9) == [(b"b", b"\0\0\0\0\0\0\0\10two")] and settling.next_due() == 13
    assert settling.look(b"a").signature == b"\0\0\0\0\0\0\0\7one" and settling.look(b"a").due == 14
    assert settling.sizes() == {7, 8} and len(settling) == 2
    settling.postpone(b"b", 99, "somebody is still writing it")
    settling.renew(b"b", 15)
    assert settling.look(b"b").due == 17 and settling.look(b"b").reason is None and settling.postponed() == 0


def test_a_file_that_was_read_or_vanished_is_not_due():
    """What was written down is no longer waited for."""
    settling = Settling(0)
    settling.observe(b"a", b"one", 1)
    settling.forget(b"a")
    settling.forget(b"a")
    assert len(settling) == 0 and settling.next_due() is None and settling.due(5, 9) == []


def test_a_file_that_is_put_off_waits_with_the_reason_and_begins_anew_when_it_changes():
    """What is still but not finished is due later; how long it has been still is not forgotten."""
    settling = Settling(2)
    settling.observe(b"a", b"one", 10)
    settling.postpone(b"a", 15, "somebody is still writing it")
    settling.postpone(b"never seen", 15, "x")
    assert due(settling, 14) == [] and settling.next_due() == 15 and settling.postponed() == len(settling) == 1
    settling.observe(b"a", b"one", 14)
    [(path, waiting)] = settling.due(15, 9)
    assert (path, waiting.since, waiting.reason) == (b"a", 10, "somebody is still writing it")
    settling.observe(b"a", b"two", 15)
    assert settling.look(b"a").since == 15 and settling.look(b"a").reason is None and settling.postponed() == 0
    settling.observe(b"b", b"\0\0\0\0\0\0\0\7rest", 15)
    settling.postpone(b"b", 99, "x")
    assert settling.sizes() >= {7} and b"b" in settling and list(settling) == [b"a", b"b"]
    assert settling.due(100, 1) == settling.due(17, 9)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 3), st.integers(0, 3)), max_size=40))
def test_exactly_the_still_files_are_due(steps):
    """Whatever happens in whatever order: due is what has looked the same for the whole time."""
    settling, since, now = Settling(4), {}, 0
    for path, look, pause in steps:
        now += pause
        settling.observe(path, b"%d" % look, now)
        if since.get(path, (None,))[0] != look:
            since[path] = (look, now)
        assert {path for path, _ in settling.due(now, 99)} == {path for path, (_, at) in since.items() if at + 4 <= now}


async def test_who_waits_is_told_when_all_is_written_down():
    """Waiting for a folder ends when its files are written down, whatever else goes on."""
    waiters = Waiters()
    everything, folder, nothing = (
        asyncio.create_task(waiters.wait(path)) for path in (None, b"/in/sub", b"/in/gone.pdf")
    )
    await asyncio.sleep(0)
    assert len(waiters.unseen(None)) == 3 and len(waiters.unseen({b"/in/sub"})) == 1
    waiters.looked(waiters.unseen(None), [b"/in/sub/a.pdf", b"/in/b.pdf"])
    await nothing
    waiters.written(b"/in/sub/a.pdf")
    await folder
    assert not everything.done()
    waiters.written(b"/in/b.pdf")
    await everything
    assert waiters.unseen(None) == []


async def test_who_gives_up_waiting_leaves_nothing_behind():
    """A client that hangs up is forgotten."""
    waiters = Waiters()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiters.wait(None), 0.01)
    assert waiters.unseen(None) == []
