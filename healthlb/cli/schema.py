"""`healthlb schema`: the JSON Schema of the configuration file, for editors."""

import argparse

from healthlb.cli.words import complain, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""


def run(_arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from healthlb.config import plugins, prepared  # noqa: PLC0415  the check types are asked only by those who need them

    for sentence in plugins.broken():
        complain(sentence)
    say(prepared.schema_text().rstrip("\n"))
    return 0
