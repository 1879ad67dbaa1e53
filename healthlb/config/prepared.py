"""What is told of the file and the check types, prepared: to make it means to import every check type there is.

It stands in schema.json and checks.json beside this module, for the types that are built in; where packages may offer
more, it is made anew. `python -m healthlb.config.prepared` writes the files, and a test keeps them true.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from checks.offers import may_be_offered
from checks.plugins import GROUP

SCHEMA = "schema.json"
CHECKS = "checks.json"


class OptionReference(NamedTuple):
    """One option as a reader sees it. `key` is `tls.ca_file` within a mapping; `of_tls` says that it is that of TLS."""

    key: str
    takes: str
    default: str
    doc: str
    known_as: dict[str, str]
    of_tls: bool


class CheckReference(NamedTuple):
    """One check type, or the options that all types have. `doc` has its paragraphs apart, each on one line."""

    type: str
    doc: str
    known_as: dict[str, str]
    options: tuple[OptionReference, ...]

    @property
    def without_tls(self) -> Iterator[OptionReference]:
        """Yield the options but those of TLS, which are told once for all types."""
        return (each for each in self.options if not each.of_tls)

    @property
    def summary(self) -> str:
        """Return the first sentence of `doc`, without its full stop."""
        return self.doc.split("\n", maxsplit=1)[0].split(". ", maxsplit=1)[0].rstrip(".")


def schema_text() -> str:
    """Return the JSON Schema of the file as JSON."""
    return _schema() if may_be_offered(GROUP) else _file(SCHEMA).read_text(encoding="utf-8")


def check_references() -> tuple[CheckReference, ...]:
    """Return what every check has, as a type without a name, and then the types in the order of their names."""
    if may_be_offered(GROUP):
        return _references()
    return tuple(map(_reference, json.loads(_file(CHECKS).read_text(encoding="utf-8"))))


def made() -> dict[str, str]:
    """Return what the files must hold, by name."""
    return {SCHEMA: _schema(), CHECKS: json.dumps(_references(), indent=1) + "\n"}


def _schema() -> str:
    from healthlb.config.json_schema import json_schema  # noqa: PLC0415  it imports every check type

    return json.dumps(json_schema(), indent=2) + "\n"


def _references() -> tuple[CheckReference, ...]:
    from healthlb.config import reference  # noqa: PLC0415  it imports every check type

    return (reference.common_reference(), *reference.check_references())


def _reference(read: list[Any]) -> CheckReference:
    type_, doc, known_as, options = read
    return CheckReference(type_, doc, known_as, tuple(OptionReference(*each) for each in options))


def _file(name: str) -> Path:
    return Path(__file__).with_name(name)


if __name__ == "__main__":
    for name, text in made().items():
        sys.stdout.write(f"{_file(name)}\n")
        _file(name).write_text(text, encoding="utf-8")
