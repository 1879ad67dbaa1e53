"""`healthlb failover`: hands a VRRP instance over to the other director, or takes it back."""

import argparse

from healthlb.cli.changing import CHANGE_DEADLINE, body_of, exit_status, quoted, signed, tell
from healthlb.cli.client import UnreachableError, WrongUrlError, ask
from healthlb.cli.reaching import add_director, admin_way
from healthlb.cli.table import printable
from healthlb.cli.words import UsageError, complain, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("instance", metavar="INSTANCE", help="the VRRP instance's name")
    parser.add_argument("--back", action="store_true", help="take back what was handed over")
    parser.add_argument(
        "--force", action="store_true", help="also where the director that is to be master would serve clients worse"
    )
    parser.add_argument("--why", metavar="TEXT", help="the reason, for those who look at it later")
    add_director(parser, changes=True)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Hand over or take back; 0 once it is so, 1 when it was refused, 2 where there is no such instance."""
    if not arguments.instance:
        raise UsageError("say which VRRP instance; `healthlb status` lists them")
    body = body_of(arguments, back=arguments.back, force=arguments.force)
    try:
        way = admin_way(arguments)
        path = f"/api/v1/vrrp/{quoted(arguments.instance)}/failover"
        answer = ask(way, "POST", path, signed(way, body), CHANGE_DEADLINE)
    except WrongUrlError as error:
        raise UsageError(str(error)) from error
    except UnreachableError as error:
        complain(str(error))
        return 1
    tell(answer, as_json=arguments.json)
    if not arguments.json:
        _tell_rest(answer.value.get("differences"), answer.value.get("notes"))
    return exit_status(answer)


def _tell_rest(differences: object, notes: object) -> None:
    """Print by what clients would fare worse, and what else there is to know, a line each."""
    for lead, told in (("worse", differences), ("note", notes)):
        for each in told if isinstance(told, list) else ():
            say(f"  {lead}: {printable(str(each))}")
