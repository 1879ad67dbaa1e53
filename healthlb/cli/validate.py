"""`healthlb validate`: whether a file is good."""

import argparse

from healthlb.cli.words import add_file, complain, load, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_file(parser)


def run(arguments: argparse.Namespace) -> int:
    """Say that the file is good, and what to think about in it, or raise UsageError with its faults."""
    from healthlb.config import plugins  # noqa: PLC0415  the other verbs need none of it
    from healthlb.config.advice import advice  # noqa: PLC0415

    _, config = load(arguments.config)
    for sentence in (*plugins.conflicts(), *(f"warning: {each}" for each in advice(config))):
        complain(sentence)
    say(f"{arguments.config}: good: {config.summary()}")
    return 0
