"""`healthlb status`: what `ipvsadm -Ln --stats --rate` shows, with the health of each server and why."""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from healthlb.cli.client import DEFAULT_URL, UnreachableError, WrongUrlError, fetch_object, url_of
from healthlb.cli.reaching import named
from healthlb.cli.status_view import view
from healthlb.cli.words import complain, wants_colour, write

PATH = "/api/v1/status"
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--json", action="store_true", help="print the status as JSON, as /api/v1/status has it")
    parser.add_argument(
        "--watch", nargs="?", const=2.0, type=_seconds, metavar="SECONDS", help="show it again every 2 s, or SECONDS"
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="find the director where this file's api.listen says")
    parser.add_argument("--url", help=f"http://HOST:PORT or unix:/PATH of the director (default: {DEFAULT_URL})")


def run(arguments: argparse.Namespace) -> int:
    """Print the status; return 0, or 1 when the director can't be reached, or 2 for a wrong URL."""
    url = arguments.url or (_url_of_file(arguments.config) if arguments.config is not None else DEFAULT_URL)
    try:
        if arguments.watch is None:
            _print(_shown(url, arguments.json, sys.stdout))
        else:
            _watch(url, arguments.json, arguments.watch, sys.stdout, time.sleep)
    except WrongUrlError as error:
        complain(f"status: {error}")
        return 2
    except UnreachableError as error:
        complain(f"status: {error}")
        return 1
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        return 0  # the reader, `head` say, has what it wanted
    return 0


def _url_of_file(path: str) -> str:
    return url_of(named(path).api.listen)


def _shown(url: str, as_json: bool, stream: TextIO) -> str:
    text, status = fetch_object(url, PATH)
    if as_json:
        return json.dumps(status, indent=2) + "\n" if stream.isatty() else text
    try:
        return view(status, width=shutil.get_terminal_size((80, 24)).columns, colour=wants_colour(stream))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreachableError(
            f"What answers at {url} is no healthlb director that this version understands."
        ) from error


def _watch(url: str, as_json: bool, period: float, stream: TextIO, pause: Callable[[float], Any]) -> None:
    """Show the status until interrupted. Only the first failure ends it: a director that restarts comes back."""
    shown = _shown(url, as_json, stream)
    while True:
        _print((_CLEAR if stream.isatty() and not as_json else "") + shown)
        pause(period)
        try:
            shown = _shown(url, as_json, stream)
        except UnreachableError as error:
            shown = f"healthlb status: {error}\n" if not as_json else json.dumps({"error": str(error)}) + "\n"


def _print(text: str) -> None:
    write(text, flush=True)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("give a number of seconds from 0.1 to 3600")
    return seconds
