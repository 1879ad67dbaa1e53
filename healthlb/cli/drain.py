"""`healthlb drain`: no new connections for a real server, or for a whole machine, and when it is safe to take away."""

import argparse
import json

from healthlb.cli.changing import Target, add_change, body_of, change, found_nobody, target_of, warn
from healthlb.cli.reaching import admin_way
from healthlb.cli.times import duration, shown
from healthlb.cli.waiting import PATIENCE, Ended, document, listed, waited
from healthlb.cli.words import UsageError, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_change(parser, "VS RS\n--host ADDRESS")
    parser.add_argument(
        "--wait", action="store_true", help="wait until no connection is left, and say whether it is safe"
    )
    parser.add_argument(
        "--remove", action="store_true", help="take the row out of the table once no connection is left"
    )
    parser.add_argument(
        "--deadline",
        type=duration,
        metavar="TIME",
        help="with --wait: wait for so long (default 10m); with --remove: take the row out by then, whatever is open",
    )
    parser.add_argument(
        "--for", dest="expires", type=duration, metavar="TIME", help="end the drain by itself after this"
    )


def run(arguments: argparse.Namespace) -> int:
    """Drain; 0 once it is in force, with --wait once no connection is left. 130: interrupted, the drain stays."""
    target, _ = target_of(arguments)
    if arguments.deadline is not None and not (arguments.wait or arguments.remove):
        raise UsageError("--deadline says how long to --wait, or when to --remove at the latest; give one of them")
    way = admin_way(arguments)
    deadline = arguments.deadline if arguments.remove else None
    body = body_of(arguments, remove=arguments.remove, deadline=deadline, expires=arguments.expires)
    status, answer = change(way, arguments, "POST", f"{target.path}/drain", body, quiet=arguments.wait)
    if status or found_nobody(target, answer):
        if not status and arguments.wait:
            say(json.dumps(answer, indent=2) if arguments.json else str(answer.get("message", "")))
            warn(answer)
        return status or 1
    if not arguments.wait:
        return 0
    warn(answer)
    ended = waited(way, target, arguments.deadline or PATIENCE, out=arguments.remove)
    if ended is None:
        return 130
    sentence = _sentence(target, ended)
    if arguments.json:
        say(json.dumps(document(ended, sentence), indent=2))
    else:
        say(sentence)
    return 0 if ended.safe else 1


def _sentence(target: Target, ended: Ended) -> str:
    if not ended.safe:
        return f"not safe: {listed(ended.open)}" + (f" (after {shown(ended.seconds)})" if ended.seconds >= 1 else "")
    if target.virtual_server is not None:
        return f"{target} is safe to take away: no connections left"
    verb = "reboot" if target.machine else "stop"
    pools = f"{ended.pools} virtual server" + ("" if ended.pools == 1 else "s")
    return f"{target} is safe to {verb}: no connections left in {pools}"
