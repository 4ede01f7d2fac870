"""Highlights are few rectangles, and never cover what is not meant."""

from foliod.retrieve.merge import MOST_TESTS, merged


def column(x0, x1, count=5, top=100.0):
    """Lines of a column: ten points high, twelve apart."""
    return [(x0, top + 12 * n, x1, top + 12 * n + 10) for n in range(count)]


def test_a_paragraph_is_one_rectangle():
    """Lines below each other are one rectangle, the last of which is short."""
    lines = [*column(50, 300), (50.0, 160.0, 120.0, 170.0)]
    assert merged(lines, column(320, 570)) == [(50, 100, 300, 170)]


def test_two_columns_are_two_rectangles():
    """A passage that goes on at the top of the next column never covers the space of both."""
    assert merged([*column(50, 300)[2:], *column(320, 570)[:2]], [*column(50, 300)[:2], *column(320, 570)[2:]]) == [
        (50, 124, 300, 158),
        (320, 100, 570, 122),
    ]


def test_a_passage_that_begins_in_a_line_leaves_its_beginning_alone():
    """The first and the last line stand alone, where the rectangle of all would cover what is not meant."""
    lines = column(50, 300)
    inside = [(200.0, 100.0, 300.0, 110.0), *lines[1:4], (50.0, 148.0, 90.0, 158.0)]
    outside = [(50.0, 100.0, 200.0, 110.0), (90.0, 148.0, 300.0, 158.0)]
    assert merged(inside, outside) == [inside[0], (50, 112, 300, 146), inside[-1]]


def test_the_rows_of_a_table_are_one_rectangle():
    """Cells side by side and below each other are joined; a column of the table that is not meant is spared."""
    cells = [(x, y, x + 40.0, y + 10.0) for y in (100.0, 115.0, 130.0) for x in (50.0, 150.0, 250.0)]
    assert merged(cells, []) == [(50, 100, 290, 140)]
    first_and_last = [cell for cell in cells if cell[0] != 150]
    middle = [cell for cell in cells if cell[0] == 150]
    assert all(box[2] < 150 or box[0] > 190 for box in merged(first_and_last, middle))


def test_what_is_far_apart_stays_apart():
    """A picture between two lines is not covered."""
    assert len(merged([(50.0, 100.0, 300.0, 110.0), (50.0, 300.0, 300.0, 310.0)], [])) == 2


def test_lines_that_run_up_the_page_are_joined_too():
    """On a page shown sideways, lines stand beside each other."""
    lines = [(100.0 + 12 * n, 50.0, 110.0 + 12 * n, 300.0) for n in range(5)]
    assert merged(lines, [], upright=False) == [(100, 50, 158, 300)]


def test_a_page_of_specks_is_not_joined_for_ever():
    """Four thousand boxes among thousands of others come back as they are."""
    specks = [(float(n), 0.0, n + 1.0, 1.0) for n in range(4000)]
    assert len(specks) ** 2 > MOST_TESTS
    assert merged(specks, specks) == specks
