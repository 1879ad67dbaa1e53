"""Status codes of three digits, as options: which of them pass."""

import re
from dataclasses import dataclass
from typing import Any

from checks.options import name_of

Statuses = tuple[tuple[int, int], ...]
"""Inclusive ranges."""


@dataclass(frozen=True, slots=True)
class StatusRange:
    """A status code, `200`, or an inclusive range of them, `200-299`; parsed to (first, last)."""

    def parse(self, value: Any) -> tuple[int, int]:
        """Take a number or text."""
        match = None
        if isinstance(value, int | str) and not isinstance(value, bool):
            match = re.fullmatch(r"([1-9][0-9]{2})(?:\s*-\s*([1-9][0-9]{2}))?", str(value))
        if match is None:
            raise ValueError(f"expected a status such as 200 or a range such as 200-299, found {name_of(value)}")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"the range {value} ends before it begins")
        return first, last

    def show(self, value: tuple[int, int]) -> str:
        """Return a range as the file spells it."""
        first, last = value
        return str(first) if first == last else f"{first}-{last}"

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 999},
                {"type": "string", "pattern": r"^[1-9][0-9]{2}(\s*-\s*[1-9][0-9]{2})?$"},
            ]
        }


def among(status: int, statuses: Statuses) -> bool:
    """Say whether a status is in one of the ranges."""
    return any(first <= status <= last for first, last in statuses)


def show_statuses(statuses: Statuses) -> str:
    """Return the ranges in a row."""
    return ", ".join(map(StatusRange().show, statuses))
