"""The numbers of passages in what models write."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foliod.answer.markers import find_markers, settle, unnumbered


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("[1]", [1]), ("[1, 2]", [1, 2]), ("[1][2]", [1, 2]), ("【1】", [1]), ("【1†source】", [1]), ("[^1]", [1]), ("[1-3]", [1, 2, 3]),
        ("[1–2]", [1, 2]), ("[1; 3]", [1, 3]), ("[1 and 3]", [1, 3]), ("(source 1)", [1]), ("(Sources 1, 2)", [1, 2]), ("[passage 1]", [1]),
        ("[Passage 1, Passage 3]", [1, 3]), ("(see passage 2)", [2]), ("(Quelle 1 und 2)", [1, 2]), ("[Source: 2]", [2]), ("[#2]", [2]), ("（来源1）", [1]),
    ],
)  # fmt: skip
def test_numbers_are_known_however_they_are_written(written, numbers):
    """Brackets of all kinds, lists, ranges, and with a word before them: all are numbers of passages."""
    found = settle(f"It rose{written}. It fell {written}.", 4)
    plain = "".join(f"[{n}]" for n in numbers)
    assert found.text == f"It rose{plain}. It fell {plain}."
    assert [n for m in found.markers for n in m.named] == numbers * 2
    assert found.invented == ()
    for marker in found.markers:
        assert found.text[marker.start : marker.end].startswith("[")


@pytest.mark.parametrize(
    "text",
    [
        "in [2019]", "a[1] = 2", "x[2]", "row.cells[3]", "my_list[1]", "`[1]` is a list", "```\nv = [1]\n```", "95% CI [1, 4]", "95 % CI: [1-3]",
        "the range [1, 3]", "the interval [0, 1]", "[0]", "[Fig. 1]", "[a]", "[1.2]", "(1)", "(12)", "[Smith 1]", "[]", "[1", "f = [1, 2]",
    ],
)  # fmt: skip
def test_other_brackets_are_left_alone(text):
    """Years, indexes, code, intervals, figures and plain lists in round brackets are no numbers of passages."""
    assert settle(text, 4).text == text
    assert find_markers(text, 4) == []


def test_invented_numbers_are_taken_out_and_told():
    """A number that no passage has is taken out of the answer, and listed once."""
    found = settle("It rose [9]. It fell [1, 7]. It stayed [9][2].", 3)
    assert found.text == "It rose. It fell [1]. It stayed[2]."
    assert found.invented == (9, 7)


def test_references_of_a_document_do_not_look_like_numbers_of_passages():
    """What a model is shown of a paper has its references in round brackets, so that it can't take them over as its own."""
    assert unnumbered("as shown [3, 4] by others【1】[passage 2]") == "as shown (3, 4) by others(1)(2)"
    assert find_markers(unnumbered("as shown [3, 4] by others【1】"), 9) == []


@settings(deadline=None)
@given(st.text(alphabet="[]【】()^12390,- a.passage`\n", max_size=80))
def test_any_text_is_settled_once(text):
    """Settling what is settled changes nothing, and all numbers that are left are those of passages."""
    once = settle(text, 3)
    assert all(1 <= n <= 3 for m in once.markers for n in m.named)
    again = settle(once.text, 3)
    assert [m.named for m in again.markers if m.named] or not once.markers
