"""Prometheus's text exposition format 0.0.4: families, labels and numbers as lines.

https://prometheus.io/docs/instrumenting/exposition_formats/ is the rule for the escaping and the order: HELP and TYPE
once before a family's samples, and all samples of a family together.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from healthlb.model.snapshot import Distribution

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_VALUE = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})

Number = int | float | None
Sample = tuple[str, Number]
"""The labels as text (`""`, or `{name="value"}`) and the number; None leaves the sample out."""
Kind = Literal["counter", "gauge", "histogram"]
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric's name, kind and explanation, and the names of its series' labels."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


Measure = tuple[Family, Callable[[Thing], Number]]
"""A family, and how the number of one thing is read off it."""


def measures(
    prefix: str, label_names: tuple[str, ...], *rows: tuple[str, Kind, str, Callable[[Thing], Number]]
) -> tuple[Measure[Thing], ...]:
    """Return families that share the beginning of their names and their labels: a name's rest, kind, help, a number."""
    return tuple((Family(prefix + name, kind, text, label_names), number) for name, kind, text, number in rows)


def labels(**pairs: str) -> str:
    """Return `{name="value",…}` with the values escaped."""
    return "{" + ",".join(f'{name}="{value.translate(_VALUE)}"' for name, value in pairs.items()) + "}"


def lines(family: Family, samples: Iterable[Sample]) -> Iterator[str]:
    """Yield a family's header, then a line a sample."""
    name = family.name
    yield f"# HELP {name} {family.help.translate(_HELP)}\n# TYPE {name} {family.kind}\n"
    for text, value in samples:
        # An empty fragment still lets the renderer look at the clock.
        yield "" if value is None else f"{name}{text} {+value!r}\n"


def columns(table: Iterable[Measure[Thing]], texts: list[str], things: list[Thing]) -> Iterator[str]:
    """Yield a whole table of families: of each, its header and a line a thing, labelled with the text beside it."""
    for family, number in table:
        yield from lines(family, zip(texts, map(number, things), strict=True))


def buckets(distribution: Distribution, **pairs: str) -> Iterator[Sample]:
    """Yield the samples of one series of a histogram: its cumulative buckets, its sum and its count."""
    below = 0
    for bound, count in zip((*distribution.bounds, "+Inf"), distribution.counts, strict=True):
        below += count
        yield "_bucket" + labels(**pairs, le=str(bound)), below
    rest = labels(**pairs) if pairs else ""
    yield "_sum" + rest, distribution.sum
    yield "_count" + rest, below
