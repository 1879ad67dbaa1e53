"""`healthlb disable`: takes a real server out of the table at once, open connections or not."""

import argparse

from healthlb.cli.changing import add_change, body_of, change, found_nobody, target_of
from healthlb.cli.reaching import admin_way
from healthlb.cli.times import duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_change(parser, "VS RS\n--host ADDRESS")
    parser.add_argument("--for", dest="expires", type=duration, metavar="TIME", help="enable it by itself after this")


def run(arguments: argparse.Namespace) -> int:
    """Disable; 0 once it is out."""
    target, _ = target_of(arguments)
    body = body_of(arguments, expires=arguments.expires)
    status, answer = change(admin_way(arguments), arguments, "POST", f"{target.path}/disable", body)
    return status or int(found_nobody(target, answer))
