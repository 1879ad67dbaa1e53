"""Tables of text: nothing is lost, everything lines up, nothing drives the terminal."""

from hypothesis import given
from hypothesis import strategies as st

from healthlb.cli.table import Cell, Column, lines, printable, scaled, seen_width

texts = st.text(st.characters(), max_size=20)
COLUMNS = (Column("Name"), Column("Count", right=True), Column("Why"))


@given(st.lists(st.tuples(texts, st.integers(0, 2**63), texts), min_size=1, max_size=8), st.integers(1, 200))
def test_no_text_is_cut_and_the_columns_line_up(rows: list[tuple[str, int, str]], width: int) -> None:
    cells = [[Cell(printable(a)), Cell(str(b)), Cell(printable(c))] for a, b, c in rows]
    made = lines(COLUMNS, cells, colour=False, width=width)
    text = "\n".join(made)
    name_width = max([4, *(seen_width(row[0].text) for row in cells)])
    count_width = max([5, *(len(row[1].text) for row in cells)])
    ends = [line for line in made[1:] if not line.startswith("     ")]
    for name, count, why in cells:
        assert name.text.rstrip() in text
        assert count.text in text
        assert why.text.rstrip() in text
        row = next(line for line in [*ends, *made] if line.startswith(name.text.rstrip()) and count.text in line)
        assert seen_width(row) >= name_width + 1 + count_width


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
