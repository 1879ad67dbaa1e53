"""Tables of text for a terminal: aligned by what is seen, harmless whatever a server said."""

import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

Colour = Literal["", "red", "yellow", "green", "bold", "dim"]

_CODES = {"red": "31;1", "yellow": "33", "green": "32", "bold": "1", "dim": "2"}


class Cell(NamedTuple):
    """One cell: its text, and the colour that it has where colour is wanted."""

    text: str
    colour: Colour = ""


class Column(NamedTuple):
    """One column's heading; numbers are aligned to the right."""

    heading: str
    right: bool = False


def printable(text: str) -> str:
    """Return text without control characters, so that a reason that a server sent can't drive the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def seen_width(text: str) -> int:
    """Return how many columns a terminal gives a text (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def paint(text: str, colour: Colour, enabled: bool) -> str:
    """Return text in a colour (ECMA-48 SGR) where that is enabled."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if enabled and colour else text


def scaled(number: int) -> str:
    """Return a count in at most five characters from 100,000 on, in powers of a thousand as ipvsadm(8) has them."""
    if number < 100_000:
        return str(number)
    value, power = number / 1000, 0
    while value >= 999.5:
        value, power = value / 1000, power + 1
    unit = "KMGTPEZY"[power]
    return f"{value:.0f}{unit}" if value >= 99.95 else f"{value:.1f}{unit}"


def widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int]:
    """Return the width that each column needs."""
    return [
        max([seen_width(column.heading), *(seen_width(row[place].text) for row in rows)])
        for place, column in enumerate(columns)
    ]


def natural_width(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    """Return the width of the whole table with one space between its columns."""
    return sum(widths(columns, rows)) + len(columns) - 1


def lines(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    *,
    colour: bool,
    width: int,
    indent: int = 5,
) -> list[str]:
    """Return the lines of a table whose last column may be prose: it takes what is left, or the next lines.

    Nothing is cut: prose that does not fit in the `width` left of its row follows on lines of its own, and where a
    row's first cell is too long for all the others to fit, these follow on a line of their own, too.
    """
    needed = widths(columns, rows)
    numbers = columns if columns[-1].right else columns[:-1]
    room = width - sum(needed[1 : len(numbers)]) - len(numbers) + 1
    if needed[0] > room:
        fitting = [seen_width(row[0].text) for row in rows if seen_width(row[0].text) <= room]
        needed[0] = max([seen_width(columns[0].heading), *fitting])
    used = sum(needed[:-1]) + len(columns) - 1
    headings = [Cell(column.heading) for column in columns]
    if not columns[-1].right and used + seen_width(columns[-1].heading) > width:
        headings[-1] = Cell("")
    made = [paint(_row(headings, columns, needed, False), "bold", colour)]
    for whole in rows:
        row, prose = list(whole), whole[-1]
        if seen_width(row[0].text) > needed[0]:
            made.append(paint(row[0].text, row[0].colour, colour))
            row[0] = Cell("")
        if columns[-1].right or seen_width(prose.text) <= max(width - used, 0):
            made.append(_row(row, columns, needed, colour))
        else:
            made.append(_row([*row[:-1], Cell("")], columns, needed, colour))
            made += [" " * indent + paint(line, prose.colour, colour) for line in wrapped(prose.text, width - indent)]
    return made


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines that are at most `width` wide, broken between words, and within those that are wider."""
    if seen_width(text) <= width:
        return [text]
    made = [""]
    for word in text.split(" "):
        left = word
        if seen_width(f"{made[-1]} {left}") <= width and made[-1]:
            made[-1] += f" {left}"
            continue
        made += [""] if made[-1] else []
        for character in left:
            if made[-1] and seen_width(made[-1] + character) > width:
                made.append("")
            made[-1] += character
    return made


def _row(row: Sequence[Cell], columns: Sequence[Column], needed: Sequence[int], colour: bool) -> str:
    parts = []
    for cell, column, wide in zip(row, columns, needed, strict=True):
        space = " " * (wide - seen_width(cell.text))
        text = paint(cell.text, cell.colour if cell.text else "", colour)
        parts.append(space + text if column.right else text + space)
    return " ".join(parts).rstrip()
