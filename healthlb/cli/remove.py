"""`healthlb remove`: removes a real server from a running director's pool until it is added again."""

import argparse
import json

from healthlb.cli.changing import add_change, body_of, change, target_of
from healthlb.cli.reaching import admin_way
from healthlb.cli.times import duration
from healthlb.cli.waiting import PATIENCE, document, listed, waited
from healthlb.cli.words import UsageError, complain, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_change(parser, "VS RS", host=False)
    parser.add_argument("--wait", action="store_true", help="drain it first, and remove it once no connection is left")
    parser.add_argument(
        "--deadline",
        type=duration,
        metavar="TIME",
        help="with --wait: wait for so long, and leave it if not (default 10m)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Remove it; 0 when it is out of the pool, 1 when it is not, as with --wait where connections are left."""
    target, _ = target_of(arguments)
    if arguments.deadline is not None and not arguments.wait:
        raise UsageError("--deadline says how long to --wait; give both")
    way = admin_way(arguments)
    if arguments.wait:
        status, _ = change(way, arguments, "POST", f"{target.path}/drain", body_of(arguments), quiet=True)
        if status:
            return status
        ended = waited(way, target, arguments.deadline or PATIENCE)
        if ended is None:
            return 130
        if not ended.safe:
            sentence = f"not removed, the drain stays: {listed(ended.open)}"
            if arguments.json:
                say(json.dumps(document(ended, sentence), indent=2))
            else:
                complain(sentence)
            return 1
    return change(way, arguments, "DELETE", target.path, body_of(arguments))[0]
