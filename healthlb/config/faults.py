"""What is wrong with a file, and where: every fault at once, in the file's order."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

KEPT = 1000
LISTED = 100
LONGEST = 1000
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `line` and `column` count characters from 1; both are 0 when the file as a whole is meant.

    `key` is the path of the key (`virtual_servers.shop.real_servers[1].weight`), empty where no key is concerned.
    """

    path: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        """`file:line:column: key.path: sentence`."""
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(Exception):
    """The file cannot be used. `faults` holds up to 1,000 faults in the file's order, `more` counts those beyond."""

    def __init__(self, faults: Iterable[Fault], more: int = 0) -> None:
        self.faults = tuple(faults)
        self.more = more
        super().__init__(self.faults, more)

    def __str__(self) -> str:
        """One line a fault, up to 100 of them."""
        lines = [str(fault) for fault in self.faults[:LISTED]]
        unlisted = len(self.faults) - len(lines) + self.more
        if unlisted:
            lines.append(f"... and {unlisted} more faults")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is being read; `order` is its turn, which orders the faults of several files."""

    path: str
    order: int


@dataclass(frozen=True, slots=True)
class Keys:
    """A key's path, from the file's root down."""

    parent: "Keys | None"
    name: str | int

    def __truediv__(self, name: str | int) -> "Keys":
        return Keys(self, name)

    def __str__(self) -> str:
        steps: list[str | int] = []
        at: Keys | None = self
        while at is not None:
            steps.append(at.name)
            at = at.parent
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(steps))
        return text.lstrip(".")


ROOT = Keys(None, "")


class Faults:
    """Collects faults; bounded, so that a file of nothing but mistakes costs no more memory than the file."""

    def __init__(self) -> None:
        self._found: dict[Fault, int] = {}
        self.more = 0

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def count(self) -> int:
        """How many faults were told so far."""
        return len(self._found) + self.more

    @property
    def full(self) -> bool:
        """Whether further faults are only counted."""
        return len(self._found) >= KEPT

    def add(self, source: Source, line: int, column: int, keys: Keys, message: str) -> None:
        """Add a fault at a place (line and column from 0); the same one again, through an alias, counts once."""
        fault = Fault(source.path, line + 1, column + 1, _one_line(str(keys)), _one_line(message))
        if self.full and fault not in self._found:
            self.more += 1
        else:
            self._found[fault] = source.order

    def add_file(self, source: Source, message: str) -> None:
        """Add a fault of a file as a whole."""
        self._found[Fault(source.path, 0, 0, "", _one_line(message))] = source.order

    def error(self) -> ConfigError:
        """Return the exception that tells them all."""
        in_order = sorted(self._found.items(), key=lambda item: (item[1], item[0].line, item[0].column, item[0].key))
        return ConfigError((fault for fault, _ in in_order), self.more)


def _one_line(text: str) -> str:
    """Return what quotes the file in a form that keeps a fault to one line, not too long, and steers no terminal."""
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
