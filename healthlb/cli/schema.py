"""`healthlb schema`: the JSON Schema of the configuration file, for editors."""

import argparse
import json

from healthlb.cli.words import complain, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""


def run(_arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from healthlb.config import plugins  # noqa: PLC0415  YAML is read only where a file is
    from healthlb.config.json_schema import json_schema  # noqa: PLC0415

    for sentence in plugins.broken():
        complain(sentence)
    say(json.dumps(json_schema(), indent=2))
    return 0
