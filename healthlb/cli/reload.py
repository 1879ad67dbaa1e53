"""`healthlb reload`: has a running director read its configuration again, and says what came of it."""

import argparse

from healthlb.cli.changing import body_of, exit_status, signed, tell
from healthlb.cli.client import UnreachableError, WrongUrlError, ask
from healthlb.cli.reaching import add_director, admin_way
from healthlb.cli.table import printable
from healthlb.cli.times import duration
from healthlb.cli.words import UsageError, complain, say

PATIENCE = 120.0
"""Seconds that the outcome is waited for where no deadline is given; a reload of 10,000 servers takes a few."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--wait", action="store_true", help="wait for the outcome and print it; exit status 1: refused")
    parser.add_argument(
        "--force", action="store_true", help="also where it takes out more than max_reload_change allows"
    )
    parser.add_argument("--deadline", type=duration, metavar="TIME", help="with --wait: wait for so long (default 2m)")
    parser.add_argument("--why", metavar="TEXT", help="the reason, for those who look at it later")
    add_director(parser, changes=True)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Reload; 0 once it is asked for, with --wait once the configuration is in force; 1 when it was refused."""
    if arguments.deadline is not None and not arguments.wait:
        raise UsageError("--deadline says how long to --wait; give both")
    body = {"wait": arguments.wait} | body_of(arguments, force=arguments.force)
    try:
        way = admin_way(arguments)
        answer = ask(way, "POST", "/api/v1/reload", signed(way, body), arguments.deadline or PATIENCE)
    except WrongUrlError as error:
        raise UsageError(str(error)) from error
    except UnreachableError as error:
        complain(str(error))
        return 1
    tell(answer, as_json=arguments.json)
    if not arguments.json:
        for line in answer.value.get("changes") or ():
            say(f"  {printable(str(line))}")
    # A refused file is answered 422 here, which is no wrong use of this command.
    return 1 if answer.status == 422 else exit_status(answer)
