"""Models that go in circles, and texts that only look like it."""

import pytest

from foliod.answer.loops import LoopGuard


def stopped_at(text: str, step: int = 7) -> int | None:
    guard = LoopGuard()
    return next((at for at in range(0, len(text), step) if guard.feed(text[at : at + step])), None)


@pytest.mark.parametrize(
    "part",
    [
        "again and ", "The virus spreads fast. ", "|\n", "好的。", "\n\n",
        "It is so. Then the virus came, and the people went home, and nobody knew why, until the doctor said what it was. ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 7, 500])
def test_a_part_again_and_again_is_a_loop(part, step):
    """What is said again and again is stopped soon, after good text as well, whatever the pieces are that it comes in."""
    good = "The incubation period is 5 to 6 days, and 14 days at most [1]. " * 1
    at = stopped_at(good + part * 5000, step)
    assert at is not None
    assert at < 4000


def test_a_list_without_end_is_a_loop():
    """Where only the numbers go up, it is a loop too, later."""
    at = stopped_at("".join(f"{n}. The virus spreads in the air.\n" for n in range(1000)))
    assert at is not None
    assert at < 8000


NAMES = (
    "Ada Bob Cyd Dan Eve Fay Gus Hal Ida Joe Kim Lee Moe Ned Ora Pat Quin Ray Sue Tom Uma Vic Wes Xia Yan Zoe".split()
)
GOOD = {
    "table of numbers": "| Region | Sales | Profit |\n|---|---|---|\n" + "".join(f"| Region {n} | {n * 31 % 97} | {n * 17 % 89}.5 % |\n" for n in range(90)),
    "table of yes and no": "".join(f"| Patient {name} | yes | no | yes | yes | no |\n" for name in NAMES),
    "list": "".join(f"- {name} signed the contract on the first of March and left [1].\n" for name in NAMES),
    "rules": "Results\n" + "-" * 400 + "\n" + "=" * 300 + "\nThe end.",
    "genes": "ATGGCGTACGCTTAG" + "ACGTTGCA" * 40 + "TTGACC",
    "a clause in five contracts": ("The tenant has to " + " and to ".join(NAMES) + ", as agreed upon by all parties. ") * 5,
    "code": "".join(f"    x[{n}] = 0\n" for n in range(60)),
    "contents": "".join(f"{n}. Chapter about {name} {'.' * 60} {n * 7}\n" for n, name in enumerate(NAMES)),
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_lists_and_tables_are_no_loops(kind):
    """Tables, lists, rules, code and sequences repeat much and are let through."""
    for step in (1, 11, 300):
        assert stopped_at(GOOD[kind], step) is None
