"""`healthlb validate`: whether a file is good."""

import argparse

from healthlb.cli.words import add_file, load, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_file(parser)


def run(arguments: argparse.Namespace) -> int:
    """Say that the file is good, or raise UsageError with its faults."""
    _, config = load(arguments.config)
    say(f"{arguments.config}: good: {config.summary()}")
    return 0
