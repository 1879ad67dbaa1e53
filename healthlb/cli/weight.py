"""`healthlb weight`: puts another weight in the place of the configured one, or takes that back."""

import argparse

from healthlb.cli.changing import VS_RS, VS_RS_HELP, add_change, body_of, change, found_nobody, target_of
from healthlb.cli.reaching import admin_way
from healthlb.cli.times import duration
from healthlb.cli.words import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    forms = "VS RS WEIGHT\n--host ADDRESS WEIGHT\nVS RS --reset\n--host ADDRESS --reset"
    add_change(parser, forms, words=(f"{VS_RS} WEIGHT", f"{VS_RS_HELP}, and a weight, 0 to 65535"))
    parser.add_argument("--reset", action="store_true", help="back to the configured weight")
    parser.add_argument("--for", dest="expires", type=duration, metavar="TIME", help="reset it by itself after this")


def run(arguments: argparse.Namespace) -> int:
    """Set the weight or reset it; 0 when it is so."""
    given = len(arguments.words) - (0 if arguments.host is not None else 2)
    if given == 0 and not arguments.reset:
        raise UsageError("say which weight, 0 to 65535, or --reset")
    if given == 1 and arguments.reset:
        raise UsageError("--reset goes back to the configured weight; give it or a weight, not both")
    target, rest = target_of(arguments, more=0 if arguments.reset else 1)
    if arguments.reset:
        if arguments.expires is not None:
            raise UsageError("--for says when a weight is reset; --reset does so now")
        return change(admin_way(arguments), arguments, "DELETE", f"{target.path}/weight", body_of(arguments))[0]
    weight = _weight(rest[0])
    body = {"weight": weight} | body_of(arguments, expires=arguments.expires)
    status, answer = change(admin_way(arguments), arguments, "PUT", f"{target.path}/weight", body)
    return status or int(found_nobody(target, answer))


def _weight(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise UsageError(f"'{text}' is no weight; write a whole number from 0 to 65535")
    return int(text)
