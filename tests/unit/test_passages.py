"""Which of the scored chunks are shown, and in what order."""

from foliod.retrieve.passages import choose
from foliod.retrieve.score import Scored


def scored(total: float, *, ordinal: int, page: int = 1, document: int = 1, words: bytes | None = None) -> Scored:
    chunk = document * 1000 + ordinal
    row = {
        "id": chunk, "document_id": document, "ordinal": ordinal, "first_page": page,
        "weights": words or chunk.to_bytes(4),
    }  # fmt: skip
    return Scored(row, total, total, 0.0, None)


def shown(passages) -> list[list[int]]:
    return [[chunk.row["ordinal"] for chunk in passage.chunks] for passage in passages]


def test_ten_hits_are_not_all_of_one_page():
    """A second passage of a page counts for less, so that other pages are seen."""
    page = [scored(1.0 - n / 100, ordinal=n * 5, page=1) for n in range(5)]
    others = [scored(0.75 - n / 100, ordinal=100 + n, page=10 + n) for n in range(3)]
    assert shown(choose([*page, *others], 4)) == [[0], [100], [101], [102]]


def test_a_second_passage_of_a_page_is_not_lost():
    """When it is far better than all other pages it is shown all the same, and so when there are no others."""
    assert shown(choose([scored(1.0, ordinal=0), scored(0.9, ordinal=7), scored(0.2, ordinal=9, page=3)], 3)) == [
        [0], [7], [9],
    ]  # fmt: skip


def test_neighbours_that_both_fit_are_one_passage():
    """What was cut in two is shown in one piece, up to three chunks."""
    chunks = [scored(1.0 - n / 100, ordinal=ordinal) for n, ordinal in enumerate((5, 6, 4, 7, 3))]
    assert shown(choose(chunks, 5)) == [[5, 6, 4], [7], [3]]


def test_a_neighbour_that_does_not_fit_stays_away():
    """A neighbour that was found for little does not lengthen the passage."""
    assert shown(choose([scored(1.0, ordinal=5), scored(0.5, ordinal=6)], 1)) == [[5]]


def test_neighbours_on_other_pages_and_in_other_documents_are_none():
    """Only what stands together is put together."""
    chunks = [scored(1.0, ordinal=5), scored(0.99, ordinal=6, page=2), scored(0.98, ordinal=6, document=2)]
    assert shown(choose(chunks, 3)) == [[5], [6], [6]]


def test_the_same_words_are_shown_once():
    """Boilerplate that a hundred documents hold takes one place, and says where else it stands."""
    chunks = [scored(1.0 - n / 1000, ordinal=3, document=n, words=b"same") for n in range(100)]
    passages = choose([*chunks, scored(0.1, ordinal=1, document=200)], 10)
    assert shown(passages) == [[3], [1]]
    assert [copy.row["document_id"] for copy in passages[0].copies] == [1, 2, 3, 4, 5]
