"""What the verbs share: complaints, and the file that every one of them may be given."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from healthlb.config import Loader
    from healthlb.model.config import Config

DEFAULT_FILE = "/etc/healthlb/healthlb.yaml"


class UsageError(Exception):
    """The operator's mistake; the text is what to tell, and the exit status is 2."""


def complain(sentence: str) -> None:
    """Write a sentence to standard error."""
    sys.stderr.write(f"healthlb: {sentence}\n")


def say(line: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(f"{line}\n")


def add_file(parser: argparse.ArgumentParser) -> None:
    """Add `-c FILE`."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", default=DEFAULT_FILE, help=f"the configuration file (default {DEFAULT_FILE})"
    )


def load(path: str) -> "tuple[Loader, Config]":
    """Return the loader of a file and what it holds now; raise UsageError with every fault of it."""
    from healthlb.config import ConfigError, Loader  # noqa: PLC0415  YAML is read only where a file is

    loader = Loader(path)
    try:
        return loader, loader.load()
    except ConfigError as error:
        raise UsageError(f"the configuration cannot be used:\n{error}") from error
