"""A watch that misses changes is found out."""

import os
import time

import pytest

from foliod.base.paths import signature
from foliod.watch.sight import Sight
from foliod.watch.walk import Findings


def changed(path, ago: float) -> Findings:
    """What a sweep finds of one file that changed so many seconds ago."""
    path.write_bytes(b"x")
    state = path.stat()

    class Then:
        st_size, st_ino, st_dev, st_mtime_ns = state.st_size, state.st_ino, state.st_dev, state.st_mtime_ns
        st_ctime_ns = int((time.time() - ago) * 1e9)

    return Findings(candidates={os.fsencode(path): signature(Then(), 0)})


@pytest.mark.parametrize(
    ("ago", "told", "by", "doubted"),
    [
        (60, False, "events", True),
        (60, True, "events", False),
        (60, False, "polling", False),
        (1, False, "events", False),
        (3600, False, "events", False),
    ],
)
def test_a_change_that_no_event_told_of_is_doubtful(tmp_path, ago, told, by, doubted):
    """One that is too fresh to be told, or older than the watch, says nothing."""
    sight, found = Sight(), changed(tmp_path / "a.pdf", ago)
    sight.now(by)
    sight.since -= 600
    sight.check(found, set(found.candidates) if told else set())
    assert sight.doubt.is_set() is doubted


def test_a_file_that_vanished_unseen_is_doubtful():
    """A deletion that no event told of means that others may have been missed as well."""
    sight = Sight()
    sight.now("events")
    sight.check(Findings(gone=[b"/in/a.pdf"]), {b"/in/a.pdf"})
    assert not sight.doubt.is_set()
    sight.check(Findings(gone=[b"/in/a.pdf"]), ())
    assert sight.doubt.is_set()
