"""The words with which a check (and the rest of the configuration file) declares its options.

A *kind* turns one YAML scalar into a Python value, or raises ValueError with one clear sentence that names no place:
the place is the configuration loader's to add. `schema` gives the kind's JSON Schema (draft 2020-12) fragment.
Container kinds (`ListOf`, `TableOf`, `Record`, `Either`) only describe; the loader walks them and keeps each place.
Every value is hashable, because equal checks of one target are one probe: `ListOf` gives a tuple, `TableOf` a tuple of
(name, value) pairs in the file's order, `Record` its frozen dataclass.
"""

import re
from dataclasses import MISSING, dataclass, field
from typing import Any, Protocol

DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d)?", re.ASCII)
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


class Kind(Protocol):
    """A scalar's type. A `show` method, where it has one, spells a value as the file does, for documents."""

    def parse(self, value: Any) -> Any:
        """Return the value, converted; raise ValueError with what is wrong and what would be right."""

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string, non-empty unless `empty` is allowed."""

    empty: bool = False

    def parse(self, value: Any) -> str:
        """Take a string; numbers and booleans are refused, because YAML would have changed their spelling."""
        if not isinstance(value, str):
            raise ValueError(f"expected text, found {name_of(value)}; put it in quotes")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("expected text, found half of a surrogate pair, which UTF-8 cannot carry")
        if not value and not self.empty:
            raise ValueError("expected text, found nothing")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string"} if self.empty else {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True)
class Matching:
    """A non-empty string that a regular expression matches as a whole; `expected` says in words what that is."""

    pattern: str
    expected: str

    def parse(self, value: Any) -> str:
        """Take a string of this form; the message shows line breaks and other control characters escaped."""
        text = Text().parse(value)
        if re.fullmatch(self.pattern, text) is None:
            escaped = text.encode("unicode_escape").decode("ascii")
            raise ValueError(f"expected {self.expected}, found {name_of(escaped)}")
        return text

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "minLength": 1, "pattern": f"^(?:{self.pattern})$"}


class Boolean:
    """`true` or `false`."""

    def parse(self, value: Any) -> bool:
        """Take a boolean and nothing that merely looks like one."""
        if not isinstance(value, bool):
            raise ValueError(f"expected true or false, found {name_of(value)}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds, both inclusive; `unit` is for documents."""

    minimum: int = 0
    maximum: int = 2**31 - 1
    unit: str = ""

    def parse(self, value: Any) -> int:
        """Take a whole number within the bounds."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"expected a whole number, found {name_of(value)}")
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is out of range: {self.minimum} to {self.maximum}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, `500ms`, `2s`, `1m`, or a bare number of seconds; float seconds within inclusive bounds."""

    minimum: float = 0.0
    maximum: float = 365 * 86400.0

    def parse(self, value: Any) -> float:
        """Return float seconds."""
        seconds = self._seconds(value)
        if not self.minimum <= seconds <= self.maximum:
            raise ValueError(f"{value} is out of range: {show_seconds(self.minimum)} to {show_seconds(self.maximum)}")
        return seconds

    def _seconds(self, value: Any) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        match = DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f"expected a duration such as 500ms, 2s or 1m, found {name_of(value)}")
        return float(match["number"]) * UNIT_SECONDS[match["unit"]]

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {
            "anyOf": [
                {"type": "number", "minimum": self.minimum, "maximum": self.maximum},
                {
                    "type": "string",
                    "pattern": f"^{DURATION.pattern.replace('?P<number>', '').replace('?P<unit>', '')}$",
                },
            ]
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """One word of a fixed few."""

    words: tuple[str, ...]

    def parse(self, value: Any) -> str:
        """Take one of the words."""
        if value not in self.words:
            raise ValueError(f"expected {one_of(self.words)}, found {name_of(value)}")
        return str(value)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Regex:
    """A Python regular expression, parsed to its compiled pattern; `.` matches line ends only with `(?s)`.

    Search with `checks.wire.searching`: a pattern that backtracks without end would hold up every other probe in `re`.
    """

    def parse(self, value: Any) -> re.Pattern[str]:
        """Take text that compiles."""
        try:
            return re.compile(Text().parse(value))
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"expected a regular expression, found {name_of(value)}: {error}") from error

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "minLength": 1, "format": "regex"}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one kind, as a tuple; with `single`, one value alone stands for a list of one."""

    kind: Any
    single: bool = False
    minimum: int = 0


@dataclass(frozen=True, slots=True)
class TableOf:
    """A mapping from free names to one kind, as a tuple of (name, value) pairs."""

    kind: Any


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with fixed keys: the `option` fields of a dataclass, which is what it becomes."""

    of: type


@dataclass(frozen=True, slots=True)
class Either:
    """One kind or another, told apart by what the YAML node is: a mapping, a list or a scalar."""

    kinds: tuple[Any, ...]


def option(kind: Any, doc: str, default: Any = MISSING, **known_as: str) -> Any:
    """Declare a dataclass field as an option; without a default it must be given. `doc` is one sentence for users.

    `known_as` is what the option is called elsewhere, by program: `keepalived="connect_port"`.
    """
    return field(default=default, metadata={"kind": kind, "doc": doc, "known_as": known_as})


def name_of(value: Any) -> str:
    """Return how a YAML value is named in a sentence: `the text 'x'`, `the number 3`, `a list`, `nothing`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f"'{value}'" if len(value) <= 40 else f"'{value[:37]}...'"
        case list() | tuple():
            return "a list"
        case _:
            return "a mapping"


def one_of(words: tuple[str, ...]) -> str:
    """Return `a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def show_seconds(seconds: float) -> str:
    """Return a duration the way that the file spells it."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= UNIT_SECONDS[unit] and seconds % UNIT_SECONDS[unit] == 0:
            return f"{seconds / UNIT_SECONDS[unit]:g}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0s"
