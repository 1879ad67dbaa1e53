"""`healthlb status`: what `ipvsadm -Ln --stats --rate` shows, with the health of each server and why."""

import argparse
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from healthlb.cli.client import UnreachableError, Way, WrongUrlError, fetch_object
from healthlb.cli.nagios import answer
from healthlb.cli.reaching import add_director, reading_way
from healthlb.cli.status_choice import named_only, wrong_only
from healthlb.cli.status_verdict import verdict
from healthlb.cli.status_view import view
from healthlb.cli.words import UsageError, complain, wants_colour, write

PATH = "/api/v1/status"
_ENDLESS = 1_000_000
"""Columns of what is no terminal: a row is one line there, whatever it says."""
_EXITS = {"fine": 0, "degraded": 1, "down": 1}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print the status as JSON, as /api/v1/status has it")
    forms.add_argument(
        "--ipvsadm", action="store_true", help="print the rows of the table exactly as `ipvsadm -Ln` prints them"
    )
    forms.add_argument("--nagios", action="store_true", help="print one line for Nagios, with performance data")
    counters = parser.add_mutually_exclusive_group()
    counters.add_argument("--stats", action="store_true", help="with --ipvsadm: the totals, as `ipvsadm -Ln --stats`")
    counters.add_argument("--rate", action="store_true", help="with --ipvsadm: the rates, as `ipvsadm -Ln --rate`")
    parser.add_argument("--problems", action="store_true", help="show only what is wrong")
    parser.add_argument(
        "--vs", metavar="NAME", action="append", default=[], help="only this virtual server; may be given several times"
    )
    parser.add_argument(
        "--all", action="store_true", help="show each of many healthy servers on a terminal, too, not one row for them"
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        const=2.0,
        type=_seconds,
        metavar="SECONDS",
        help="show it again every 2 s, or SECONDS; q ends it on a terminal",
    )
    add_director(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the status; return 0, or 1 when something is wrong or nobody answers; with `--nagios` Nagios's exit status.

    Raise UsageError and OutputError.
    """
    try:
        return _run(arguments)
    except WrongUrlError as error:
        raise UsageError(str(error)) from error
    except UnreachableError as error:
        if arguments.nagios:
            write(answer("critical", str(error)), flush=True)
            return 2
        complain(str(error))
        return 1


def _run(arguments: argparse.Namespace) -> int:
    if (arguments.stats or arguments.rate) and not arguments.ipvsadm:
        raise UsageError("--stats and --rate go with --ipvsadm; without it the status shows both")
    if arguments.nagios and arguments.watch is not None:
        raise UsageError("--nagios is asked again by Nagios itself; leave out --watch")
    way = reading_way(arguments)
    if arguments.watch is None:
        text, status = _fetched(way, arguments)
        with contextlib.suppress(BrokenPipeError):  # the reader, `head` say, has what it wanted
            write(_shown(text, status, arguments, sys.stdout, _width(sys.stdout)), flush=True)
        return _exit(status, arguments)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        _watch(way, arguments, sys.stdout)
    return 0


def _exit(status: dict[str, Any], arguments: argparse.Namespace) -> int:
    found = verdict(status, whole=not arguments.vs)
    if arguments.nagios:
        return ("fine", "degraded", "down").index(found)
    return 0 if arguments.ipvsadm else _EXITS[found]


def _fetched(way: Way, arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Return what is to be shown, as text and decoded; raise UnreachableError for what is no status, and UsageError."""
    text, status = fetch_object(way, PATH)
    try:
        verdict(status, whole=True)
        some = named_only(status, arguments.vs) if arguments.vs else status
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _not_understood(way) from error
    return (text if some is status else json.dumps(some, ensure_ascii=False) + "\n"), some


def _not_understood(way: Way) -> UnreachableError:
    return UnreachableError(f"What answers at {way.url} is no healthlb director that this version understands.")


def _shown(text: str, status: dict[str, Any], arguments: argparse.Namespace, stream: TextIO, width: int) -> str:
    try:
        if arguments.problems and (arguments.json or arguments.ipvsadm):
            status = wrong_only(status)
            text = json.dumps(status, ensure_ascii=False) + "\n"
        if arguments.json:
            return json.dumps(status, indent=2) + "\n" if stream.isatty() else text
        if arguments.ipvsadm:
            from healthlb.cli.ipvsadm_view import listing  # noqa: PLC0415  only who asks for it waits for it

            return listing(status, "stats" if arguments.stats else "rate" if arguments.rate else "plain")
        if arguments.nagios:
            from healthlb.cli.nagios import report  # noqa: PLC0415

            return report(status, whole=not arguments.vs)
        return view(
            status,
            width=width,
            colour=wants_colour(stream),
            only_wrong=arguments.problems,
            brief=stream.isatty() and not arguments.all,
            whole=not arguments.vs,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _not_understood(reading_way(arguments)) from error


def _width(stream: TextIO) -> int:
    """Return how wide the text may be: a terminal's columns, or what COLUMNS says; what else is read has no end."""
    if not stream.isatty() and not os.environ.get("COLUMNS", "").isdecimal():
        return _ENDLESS
    return shutil.get_terminal_size((80, 24)).columns


def _watch(way: Way, arguments: argparse.Namespace, stream: TextIO) -> None:
    """Show the status until it is ended. Only the first failure ends it: a director that restarts comes back."""
    first = _fetched(way, arguments)
    if stream.isatty() and sys.stdin.isatty() and not arguments.json and os.environ.get("TERM") != "dumb":
        from healthlb.cli.watching import watch  # noqa: PLC0415  only who watches waits for it

        watch(
            first,
            lambda: _fetched(way, arguments),
            lambda found, width: _shown(*found, arguments, stream, width),
            period=arguments.watch,
            colour=wants_colour(stream),
        )
        return
    _repeat(first, way, arguments, stream, time.sleep)


def _repeat(
    first: tuple[str, dict[str, Any]],
    way: Way,
    arguments: argparse.Namespace,
    stream: TextIO,
    pause: Callable[[float], Any],
) -> None:
    """Write the status one below the other, for what is no terminal."""
    shown = _shown(*first, arguments, stream, _width(stream))
    while True:
        write(shown, flush=True)
        pause(arguments.watch)
        try:
            shown = _shown(*_fetched(way, arguments), arguments, stream, _width(stream))
        except UnreachableError as error:
            shown = f"healthlb: {error}\n" if not arguments.json else json.dumps({"error": str(error)}) + "\n"


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("give a number of seconds from 0.1 to 3600")
    return seconds
