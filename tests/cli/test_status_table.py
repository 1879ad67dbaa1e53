"""Tables of text: nothing is lost, everything lines up, nothing drives the terminal."""

from hypothesis import given
from hypothesis import strategies as st

from healthlb.cli.table import Cell, Column, lines, printable, scaled, seen_width, wrapped

texts = st.text(st.characters(), max_size=20)
COLUMNS = (Column("Name"), Column("Count", right=True), Column("Why"))


@given(st.lists(st.tuples(texts, st.integers(0, 2**63), texts), min_size=1, max_size=8), st.integers(40, 200))
def test_no_text_is_cut_and_no_line_is_wider_than_the_terminal(rows: list[tuple[str, int, str]], width: int) -> None:
    cells = [[Cell(printable(a)), Cell(str(b)), Cell(printable(c))] for a, b, c in rows]
    made = lines(COLUMNS, cells, colour=False, width=width)
    together = bare("".join(made))
    for row in cells:
        for cell in row:
            assert bare(cell.text) in together
    assert max(map(seen_width, made)) <= width


@given(st.lists(st.tuples(texts, st.integers(0, 2**63), texts), min_size=1, max_size=8))
def test_the_columns_line_up(rows: list[tuple[str, int, str]]) -> None:
    cells = [[Cell(printable(a)), Cell(str(b)), Cell("why")] for a, b, _ in rows]
    made = lines(COLUMNS, cells, colour=False, width=200)
    assert len({seen_width(line) for line in made[1:]}) == 1


def bare(text: str) -> str:
    """Return a text without what lines are broken at and padded with."""
    return text.replace(" ", "")


@given(st.lists(texts.map(printable)).map(" ".join), st.integers(2, 60))
def test_a_text_is_broken_between_words_where_it_can_be(text: str, width: int) -> None:
    made = wrapped(text, width)
    assert bare("".join(made)) == bare(text)
    assert max(map(seen_width, made)) <= width


def test_a_row_whose_name_is_too_long_has_its_numbers_in_the_next_line() -> None:
    long, short = "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:443", "192.0.2.1:443"
    rows = [[Cell(long), Cell("17"), Cell("well")], [Cell(short), Cell("4"), Cell("well")]]
    assert lines(COLUMNS, rows, colour=False, width=30) == [
        "Name          Count Why",
        long,
        "                 17 well",
        "192.0.2.1:443     4 well",
    ]


@given(texts)
def test_what_is_printed_holds_no_control_character(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)


@given(st.integers(0, 2**64))
def test_a_scaled_number_is_short_and_within_a_twentieth(number: int) -> None:
    text = scaled(number)
    assert len(text) <= 5
    unit = text[-1]
    value = int(text) if unit.isdigit() else float(text[:-1]) * 1000.0 ** ("KMGTPE".index(unit) + 1)
    assert abs(value - number) <= number / 20


@given(st.integers(0, 2**63), st.integers(0, 2**20))
def test_a_larger_number_never_reads_as_a_smaller_one(number: int, more: int) -> None:
    def value(text: str) -> float:
        return int(text) if text[-1].isdigit() else float(text[:-1]) * 1000.0 ** ("KMGTPE".index(text[-1]) + 1)

    assert value(scaled(number)) <= value(scaled(number + more))
