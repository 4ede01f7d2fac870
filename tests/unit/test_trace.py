"""The caller's trace id is taken over when it is one, and ignored when it is not."""

import pytest

from foliod.base.trace import trace_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TAKEN = {"trace_id": TRACE, "span_id": SPAN}


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", True),
        (f" 00-{TRACE}-{SPAN}-01\t", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
        (f"cc-{TRACE}-{SPAN}-01.what", False),
        (f"00-{TRACE}-{SPAN}-01-more", False),
        (f"00-{TRACE}-{SPAN}-01-", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE[1:]}-{SPAN}-01", False),
        (f"00-{TRACE}-{SPAN}", False),
        (f"00-{TRACE}-{SPAN}-1", False),
        (f"0-{TRACE}-{SPAN}-01", False),
        (f"00-{TRACE[:-1]}g-{SPAN}-01", False),
        (f"00-{TRACE}-{SPAN}-01\n", False),
        ("", False),
        ("x" * 100_000, False),
    ],
)
def test_a_header_is_taken_when_the_standard_says_so(header, taken):
    """Versions, lengths, letters and zeros are as W3C Trace Context wants them; all else is ignored."""
    assert trace_of([header]) == (TAKEN if taken else {})


def test_no_header_and_two_headers_say_nothing():
    """Without the header there is no trace, and two contradict each other."""
    assert trace_of([]) == {}
    assert trace_of([f"00-{TRACE}-{SPAN}-01"] * 2) == {}
