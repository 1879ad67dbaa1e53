"""Reading many like netlink messages fast: the order of their attributes is learned once, then unpacked in one go.

The kernel writes the attributes of a row in the same order every time. A layout is that order turned into one
`struct` format in which every attribute is two items, its header and its value. A message fits a layout when its
headers are the layout's, so nothing is taken on trust; one that fits none is walked attribute by attribute.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from healthlb.linux.netlink import ATTRIBUTE, MalformedError, attributes

Path = tuple[int, ...]
Values = tuple[Any, ...]

# Layouts differ by the padded length of a name and by what one kernel tells; a dozen is more than there are.
LAYOUTS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Shape:
    """What to take from one kind of message. A path is the attribute types from the outermost nest inwards.

    `formats` are `struct` letters, `s` for any number of bytes; attributes without one are skipped. `row` is what
    identifies the content, `required` what no message may lack, and of `numbers` the first group that is present
    counts. What is absent reads as 0.
    """

    formats: Mapping[Path, str]
    nests: frozenset[Path]
    row: tuple[Path, ...]
    required: frozenset[Path]
    numbers: tuple[tuple[Path, ...], ...]


class LayoutReader:
    """Takes the attributes of a shape out of messages."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._layouts: dict[int, list[_Layout]] = {}

    def read(self, message: memoryview) -> tuple[Values, Values]:
        """Return the row's values and the numbers of a message; raise MalformedError."""
        for layout in self._layouts.get(len(message), ()):
            values = layout.unpack(message)
            if values[::2] == layout.headers:
                return layout.row(values), layout.numbers(values)
        layout = _Layout(message, self._shape)
        if sum(map(len, self._layouts.values())) >= LAYOUTS_KEPT:
            self._layouts.clear()
        self._layouts.setdefault(len(message), []).append(layout)
        values = layout.unpack(message)
        return layout.row(values), layout.numbers(values)


class _Layout:
    """One order and size of attributes, as found in a message."""

    __slots__ = ("headers", "numbers", "row", "unpack")

    def __init__(self, message: memoryview, shape: Shape) -> None:
        pieces = ["="]
        places: dict[Path, int] = {}
        position = 0
        for count, (path, start, end) in enumerate(_walk(message, (), 0, len(message), shape.nests)):
            length = 0 if path in shape.nests else end - start
            form = shape.formats.get(path, "s")
            if form == "s":
                form = f"{length}s"
            elif struct.calcsize("=" + form) != length:
                raise MalformedError(f"attribute {path} has {length} bytes")
            pieces.append(f"{start - ATTRIBUTE.size - position}xI{form}")
            places[path] = 2 * count + 1
            position = start + length
        missing = shape.required - places.keys()
        if missing:
            raise MalformedError(f"attribute {min(missing)} is missing")
        pieces.append(f"{len(message) - position}x")
        self.unpack = struct.Struct("".join(pieces)).unpack
        self.headers = self.unpack(message)[::2]
        self.row = _picker(shape.row, places)
        groups = [group for group in shape.numbers if places.keys() >= set(group)]
        self.numbers = _picker(groups[0] if groups else shape.numbers[-1], places)


def _picker(paths: Sequence[Path], places: Mapping[Path, int]) -> Callable[[Values], Values]:
    """Return a function that takes the values of two or more paths out of unpacked ones."""
    if all(path in places for path in paths):
        return itemgetter(*(places[path] for path in paths))
    wanted = [places.get(path) for path in paths]
    return lambda values: tuple(0 if place is None else values[place] for place in wanted)


def _walk(
    message: memoryview, prefix: Path, start: int, end: int, nests: frozenset[Path]
) -> Iterator[tuple[Path, int, int]]:
    """Yield every attribute, those within a nest after the nest itself."""
    for kind, first, last in attributes(message, start, end):
        path = (*prefix, kind)
        yield path, first, last
        if path in nests:
            yield from _walk(message, path, first, last, nests)
