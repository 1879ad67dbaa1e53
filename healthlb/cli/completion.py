"""`healthlb completion`: what a shell reads to complete healthlb's command line."""

import argparse
import importlib

from healthlb.cli.words import write

SHELLS = {"bash": "healthlb", "zsh": "_healthlb", "fish": "healthlb.fish"}
"""The shells, and the file's name by which each one finds it by itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads it")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    write(script(arguments.shell))
    return 0


def script(shell: str) -> str:
    """Return the script for a shell."""
    from healthlb.cli import grammar  # noqa: PLC0415  it asks every verb

    made: str = importlib.import_module(f"healthlb.cli.shells.{shell}").script(grammar.verbs())
    return made
