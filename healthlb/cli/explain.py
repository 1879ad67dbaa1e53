"""`healthlb explain`: why a server or a VRRP instance is as it is, and what would bring it back, in sentences."""

import argparse
import json
import shutil
import sys
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote, urlencode

from healthlb.cli.client import UnreachableError, Way, WrongUrlError, fetch_object
from healthlb.cli.explain_words import Explanation
from healthlb.cli.reaching import add_director, reading_way
from healthlb.cli.table import Colour, paint, printable
from healthlb.cli.times import moment
from healthlb.cli.words import UsageError, complain, say, wants_colour

_OF_SERVERS = (
    "real_server_up",
    "real_server_down",
    "real_server_held",
    "real_server_released",
    "real_server_drained",
    "real_server_undrained",
    "real_server_weight_changed",
    "real_server_added",
    "override_set",
    "override_ended",
)
_OF_POOLS = (
    "virtual_server_changed",
    "quorum_lost",
    "quorum_regained",
    "panic_began",
    "panic_ended",
    "sorry_server_activated",
    "sorry_server_stood_down",
)
_NAMED = 10
_SEARCHED = 200
"""Events of all instances among which those of one are looked for."""
_NOT_FOUND = 404


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("virtual_server", metavar="VS", help="the virtual server's name, or a VRRP instance's")
    parser.add_argument("real_server", metavar="RS", nargs="?", help="the real server's name or address")
    add_director(parser)
    parser.add_argument("--json", action="store_true", help="print the sentences and the facts behind them as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Explain; return 0 where all is as the file wants it, else 1. Raise UsageError for who is not there."""
    way = reading_way(arguments)
    try:
        told = _explanation(way, arguments.virtual_server, arguments.real_server)
    except WrongUrlError as error:
        raise UsageError(str(error)) from error
    except UnreachableError as error:
        complain(str(error))
        return 1
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        complain(f"What answers at {way.url} is no healthlb director that this version understands.")
        return 1
    _show(told, as_json=arguments.json)
    return 0 if told.fine else 1


def _explanation(way: Way, virtual_server: str, real_server: str | None) -> Explanation:
    pool = _pool(way, virtual_server)
    if pool is None:
        return _of_instance(way, virtual_server, real_server)
    _, status = fetch_object(way, "/api/v1/status?fields=taken_at,director.table")
    # The core takes part of the time in which a command must start: only a director that answers is worth it.
    from healthlb.cli import explain_pool, explain_server  # noqa: PLC0415

    now = moment(status["taken_at"])
    if real_server is None:
        event = _event(way, _OF_POOLS, virtual_server=virtual_server)
        return explain_pool.explain(pool, status["director"], event, now)
    server = _server(pool, real_server)
    event = _event(way, _OF_SERVERS, virtual_server=virtual_server, real_server=server["name"])
    return explain_server.explain(pool, server, status["director"], event, now)


def _pool(way: Way, name: str) -> dict[str, Any] | None:
    """Return a virtual server, None where there is none of that name."""
    try:
        return fetch_object(way, f"/api/v1/virtual_servers/{quote(name, safe='')}")[1]
    except UnreachableError as error:
        if error.status != _NOT_FOUND:
            raise
    return None


def _of_instance(way: Way, name: str, real_server: str | None) -> Explanation:
    """Explain the VRRP instance that has the name; where none has it say who is there."""
    _, status = fetch_object(way, "/api/v1/status?fields=taken_at,virtual_servers.name,vrrp,speaker")
    # A director of an earlier version has none.
    instances = {each["name"]: each for each in status.get("vrrp", ())}
    if name not in instances:
        names = [*(each["name"] for each in status["virtual_servers"]), *instances]
        raise _unknown(f"there is no virtual server '{name}'; {_near(name, names)}")
    if real_server is not None:
        raise _unknown(f"{name} is a VRRP instance and has no real servers")
    from healthlb.cli import explain_instance  # noqa: PLC0415  as in `_explanation`

    events = _events(way, [*(("name", each) for each in explain_instance.OF_INSTANCES), ("limit", str(_SEARCHED))])
    own = [each for each in events if each["details"].get("instance") == name]
    return explain_instance.explain(instances[name], status.get("speaker"), own, moment(status["taken_at"]))


def _server(pool: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the real or sorry server of a name, an address and port, or an address that only one has."""
    servers: list[dict[str, Any]] = [*pool["real_servers"], *pool["sorry_servers"]]
    for key in ("name", "address"):
        for each in servers:
            if each[key] == name:
                return each
    there = [each for each in servers if each["address"].rpartition(":")[0].strip("[]") == name.strip("[]")]
    if len(there) == 1:
        return there[0]
    if there:
        names = ", ".join(each["address"] for each in there[:_NAMED])
        raise _unknown(f"several servers of {pool['name']} have the address {name}; name one of {names}")
    for each in (*pool["leaving"], *pool["removed"]):
        if name in {each["address"], each["address"].rpartition(":")[0].strip("[]")}:
            raise _unknown(f"{name} is no longer in {pool['name']}; `healthlb explain {pool['name']}` tells of it")
    known = [text for each in servers for text in dict.fromkeys((each["name"], each["address"]))]
    raise _unknown(f"there is no real server '{name}' in {pool['name']}; {_near(name, known)}")


def _unknown(sentence: str) -> UsageError:
    return UsageError(printable(sentence))


def _near(name: str, names: list[str]) -> str:
    near = get_close_matches(name[:64], names, 1)
    if near:
        return f"did you mean {near[0]}?"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"there is: {', '.join(names[:_NAMED]) or 'none'}{more}"


def _event(way: Way, names: tuple[str, ...], **about: str) -> dict[str, Any] | None:
    """Return the newest event of these names, None where there is none or the journal does not answer."""
    events = _events(way, [*about.items(), *(("name", each) for each in names), ("limit", "1")])
    return events[-1] if events else None


def _events(way: Way, query: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the events that are asked for, the newest last; none where the journal does not answer."""
    try:
        _, answer = fetch_object(way, f"/api/v1/events?{urlencode(query)}")
    except UnreachableError as error:
        if error.status is None:
            raise
        return []
    events: list[dict[str, Any]] = answer["events"]
    return events


def _show(told: Explanation, *, as_json: bool) -> None:
    if as_json:
        sections = [{"title": each.title, "sentences": each.sentences} for each in told.sections]
        document = {"fine": told.fine, "headline": told.headline, "sections": sections, "facts": told.facts}
        say(json.dumps(document, indent=2))
        return
    colour = wants_colour(sys.stdout)
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 0
    headline: Colour = "green" if told.fine else "red"
    say(paint(_filled(told.headline, width, "", ""), headline, colour))
    for section in told.sections:
        say("")
        say(paint(f"{printable(section.title)}:", "bold", colour))
        for sentence in section.sentences:
            say(_filled(sentence, width, "  ", "    "))


def _filled(text: str, width: int, first: str, other: str) -> str:
    """Return a sentence on lines of a terminal's width; what goes to a file or a pipe has one line each."""
    if not width:
        return first + printable(text)
    from textwrap import fill  # noqa: PLC0415  only on a terminal

    return fill(printable(text), max(width, 20), initial_indent=first, subsequent_indent=other, break_on_hyphens=False)
