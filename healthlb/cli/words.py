"""What the verbs share: what they say and complain of, and the file that every one of them may be given."""

import argparse
import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from healthlb.config.loader import Loader
    from healthlb.model.config import Config

DEFAULT_FILE = "/etc/healthlb/healthlb.yaml"


class UsageError(Exception):
    """The operator's mistake; the text is what to tell, and the exit status is 2."""


class OutputError(Exception):
    """What the verb says cannot be written; the text is one sentence."""


def open_streams() -> None:
    """See to it that there are three standard streams, and that each can write every text.

    A stream that the caller closed is /dev/null, so that no socket takes its number; what a locale cannot spell, or a
    file name that is no text, is written with backslashes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    sys.stdout = sys.stdout or _null()
    sys.stderr = sys.stderr or _null()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def complain(sentence: str) -> None:
    """Write a sentence to standard error; when nobody listens there, the exit status alone tells."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"healthlb: {sentence}\n")
        sys.stderr.flush()


def say(line: str) -> None:
    """Write a line to standard output; a reader that has gone, `head` say, has what it wanted. Raise OutputError."""
    with contextlib.suppress(BrokenPipeError):
        write(f"{line}\n")


def write(text: str, *, flush: bool = False) -> None:
    """Write to standard output; raise OutputError, and BrokenPipeError once where the reader has gone."""
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except OSError as error:
        # Python writes what is left once more when it ends, and must not complain of it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputError(f"the answer cannot be written: {error.strerror}") from error


def finish_output() -> None:
    """Write what still waits to be written; raise OutputError."""
    with contextlib.suppress(BrokenPipeError):
        write("", flush=True)


def wants_colour(stream: TextIO) -> bool:
    """Say whether to colour: on a terminal only, and not when NO_COLOR is set to anything (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_size(stream: TextIO) -> tuple[int, int]:
    """Return columns and rows of a terminal; 80 and 24 of one that says 0, as consoles and new containers do."""
    size = os.get_terminal_size(stream.fileno())
    return size.columns or 80, size.lines or 24


def _null() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  it stays open as long as the process


def add_file(parser: argparse.ArgumentParser) -> None:
    """Add `-c FILE`."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", default=DEFAULT_FILE, help=f"the configuration file (default {DEFAULT_FILE})"
    )


def load(path: str) -> "tuple[Loader, Config]":
    """Return the loader of a file and what it holds now; raise UsageError with every fault of it."""
    from healthlb.config.faults import ConfigError  # noqa: PLC0415  YAML is read only where a file is
    from healthlb.config.loader import Loader  # noqa: PLC0415

    if not path:
        raise UsageError("-c has no file name; name the configuration file")
    loader = Loader(path)
    try:
        return loader, loader.load()
    except ConfigError as error:
        raise UsageError(f"the configuration cannot be used:\n{error}") from error
