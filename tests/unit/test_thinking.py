"""Thinking that stands in the text itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foliod.answer.thinking import ThinkingSplitter, without_thinking


def split(*pieces: str) -> tuple[str, str]:
    """Return thinking and answer of a stream."""
    splitter = ThinkingSplitter()
    parts = [part for piece in pieces for part in splitter.feed(piece)] + splitter.feed("", last=True)
    return tuple("".join(part.text for part in parts if part.kind == kind) for kind in ("thinking", "token"))


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("It is 5.", "", "It is 5."),
        ("<think>hm\nhm</think>\n\nIt is 5.", "hm\nhm", "It is 5."),
        ("\n <think></think> It is 5. ", "", "It is 5. "),
        ("<think>never done </thi", "never done </thi", ""),
        ("<thin ice> is thin", "", "<thin ice> is thin"),
        ("The tag <think> opens, </think> closes.", "", "The tag <think> opens, </think> closes."),
        ("<", "", "<"),
        ("", "", ""),
    ],
)
def test_thinking_and_answer_come_apart(text, thinking, answer):
    """What stands between the tags at the beginning is thinking, the rest the answer, in one piece or letter by letter."""
    assert split(text) == (thinking, answer)
    assert split(*text) == (thinking, answer)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("<think>/ a\n"), max_size=30), st.data())
def test_where_the_stream_is_cut_makes_no_difference(body, data):
    """However a text is cut into pieces, the same thinking and the same answer come out."""
    text = data.draw(st.sampled_from(["", "<think>", " <think>a</think> "])) + body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(*pieces) == split(text)


def test_an_answer_is_never_held_back():
    """Once the answer has begun, each piece is passed on as it comes."""
    splitter = ThinkingSplitter()
    splitter.feed("It ")
    assert [part.text for part in splitter.feed("is <")] == ["is <"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("It is 5.", "It is 5."),
        ("<think>hm\nhm</think>\n\nIt is 5.", "It is 5."),
        ("hm, hm</think>It is 5.", "It is 5."),
        ("<think>never done", ""),
        ("The tag <think> opens, </think> closes.", "The tag <think> opens, </think> closes."),
        ("", ""),
    ],
)
def test_thinking_is_no_part_of_a_finished_message(text, answer):
    """Whatever form thinking takes in a message, the answer is what follows it."""
    assert without_thinking(text) == answer
