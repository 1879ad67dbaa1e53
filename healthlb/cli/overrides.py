"""`healthlb overrides`: what operators changed at run time, by whom, why and until when."""

import argparse
import json
import time
from typing import Any

from healthlb.cli.client import UnreachableError, WrongUrlError, fetch_object
from healthlb.cli.reaching import add_director, reading_way
from healthlb.cli.table import printable
from healthlb.cli.times import local, moment, shown
from healthlb.cli.words import UsageError, complain, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_director(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, as /api/v1/overrides has it")


def run(arguments: argparse.Namespace) -> int:
    """List them; 0, also when there are none, or 1 when the director can't be reached."""
    way = reading_way(arguments)
    try:
        _, orders = fetch_object(way, "/api/v1/overrides")
        lines = [*map(_override, orders["overrides"]), *map(_added, orders["added"]), *map(_removed, orders["removed"])]
    except WrongUrlError as error:
        raise UsageError(str(error)) from error
    except UnreachableError as error:
        complain(str(error))
        return 1
    except (KeyError, TypeError, ValueError):
        complain(f"What answers at {way.url} is no healthlb director that this version understands.")
        return 1
    if arguments.json:
        say(json.dumps(orders, indent=2))
        return 0
    for line in lines or ["nothing was changed at run time"]:
        say(printable(line))
    return 0


def _override(override: dict[str, Any]) -> str:
    """`192.0.2.11 everywhere: drain, by …, 5m ago: new disks; until 2026-11-22 14:00:00`."""
    scope = override["scope"] if override["virtual_server"] is not None else f"{override['scope']} everywhere"
    what = override["what"] + (", then remove" if override["remove"] else "")
    if override["remove"] and override["deadline"] is not None:
        what += f" by {local(override['deadline'])}"
    until = "" if override["expires_at"] is None else f"; until {local(override['expires_at'])}"
    return f"{scope}: {what}, {_by(override)}{until}"


def _added(addition: dict[str, Any]) -> str:
    return f"{addition['address']} in {addition['virtual_server']}: added, {_by(addition)}"


def _removed(removal: dict[str, Any]) -> str:
    return f"{removal['address']} in {removal['virtual_server']}: removed, {_by(removal)}"


def _by(order: dict[str, Any]) -> str:
    """Return who did it, when, and why."""
    age = shown(time.time() - moment(order["at"]))
    return f"by {order['who'] or 'somebody'}, {age} ago" + (f": {order['why']}" if order["why"] else "")
