"""`healthlb events`: what has happened, and with `--follow` what happens.

The running director is asked. When none answers, its journal is read from the disk.
"""

import argparse
import json
import select
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from healthlb.cli.client import UnreachableError, Way, WrongUrlError, fetch_object, stream
from healthlb.cli.reaching import add_director, file_or_none, reading_way
from healthlb.cli.table import Colour, paint, printable
from healthlb.cli.times import local, since
from healthlb.cli.words import UsageError, complain, wants_colour, write

if TYPE_CHECKING:
    from healthlb.model.occurrence import Occurrence

PATH = "/api/v1/events"
SHOWN = 100
"""Events that are shown where neither a number nor a moment is given; before those to come it is a tenth."""
PAGE = 1000
DEFAULT_STATE = "/var/lib/healthlb"
SILENCE = 60.0
"""Seconds without a byte after which a stream is lost: the director sends at least a comment every 15 s."""
_COLOURS: dict[str, Colour] = {"error": "red", "warning": "yellow"}

Event = dict[str, Any]
Page = Callable[[dict[str, Any]], tuple[list[Event], int]]
"""Takes a query's `after`, `before`, `since` (UNIX seconds) and `limit`; returns events and the newest event's id."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--since", type=since, metavar="TIME", help="from then on: 1h (ago), or 2026-11-22T10:00:00Z")
    parser.add_argument("--vs", metavar="NAME", help="of this virtual server only")
    parser.add_argument("--rs", metavar="NAME", help="of this real server only")
    parser.add_argument(
        "--name", action="append", default=[], metavar="EVENT", help="only these, real_server_down say; may be repeated"
    )
    parser.add_argument(
        "--limit",
        type=_limit,
        metavar="N",
        help=f"the newest N (default {SHOWN}, all with --since, {SHOWN // 10} with --follow)",
    )
    parser.add_argument("--follow", action="store_true", help="go on with those to come until interrupted")
    add_director(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Print events, the oldest first; 0, or 1 when neither a director nor its journal can be read, or 2: wrong use."""
    way = reading_way(arguments)
    show = _Printer(as_json=arguments.json, colour=wants_colour(sys.stdout))
    try:
        try:
            last = _so_far(_asking(way, arguments), arguments, show)
        except UnreachableError as error:
            if error.status is not None:
                raise
            path = _journal(arguments)
            complain(f"{error} Reading what it left in {path}.")
            last = _so_far(_reading(path, arguments), arguments, show)
        show.tell_of_silence(arguments)
        if arguments.follow:
            _follow(way, arguments, last, show, time.sleep)
    except WrongUrlError as error:
        raise UsageError(str(error)) from error
    except BrokenPipeError:
        return 0  # the reader, `head` say, has what it wanted
    except UnreachableError as error:
        complain(str(error))
        return 2 if error.status == 400 else 1
    except OSError as error:
        complain(f"no events: {error.filename}: {error.strerror}" if error.strerror else f"no events: {error}")
        return 1
    except (KeyError, TypeError, ValueError):
        complain(f"What answers at {way.url} is no healthlb director that this version understands.")
        return 1
    except KeyboardInterrupt:
        return 0 if arguments.follow else 130
    return 0


def _asking(way: Way, arguments: argparse.Namespace) -> Page:
    """Return pages from the director."""

    def page(query: dict[str, Any]) -> tuple[list[Event], int]:
        if "since" in query:
            query = query | {"since": datetime.fromtimestamp(query["since"], UTC).isoformat()}
        _, answer = fetch_object(way, f"{PATH}?{urlencode([*query.items(), *_filters(arguments)])}")
        return answer["events"], answer["last_id"]

    return page


def _journal(arguments: argparse.Namespace) -> str:
    """Return where the director keeps its events."""
    from healthlb.store.events_file import NAME  # noqa: PLC0415  only without a director

    config = file_or_none(arguments)
    return f"{DEFAULT_STATE if config is None else config.director.state_dir}/{NAME}"


def _reading(path: str, arguments: argparse.Namespace) -> Page:
    """Return pages from the journal on the disk; they raise OSError where that cannot be read."""
    from healthlb.model.occurrence import EventQuery  # noqa: PLC0415
    from healthlb.store.events_file import read_file  # noqa: PLC0415

    def page(query: dict[str, Any]) -> tuple[list[Event], int]:
        newest = read_file(path, EventQuery(limit=1))
        names = frozenset(arguments.name)
        wanted = EventQuery(**query, virtual_server=arguments.vs, real_server=arguments.rs, names=names)
        return [_document(each) for each in read_file(path, wanted)], newest[-1].id if newest else 0

    return page


def _filters(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    given = [
        ("virtual_server", arguments.vs),
        ("real_server", arguments.rs),
        *(("name", each) for each in arguments.name),
    ]
    return [(key, value) for key, value in given if value is not None]


def _so_far(page: Page, arguments: argparse.Namespace, show: Callable[[Event], None]) -> int:
    """Show what has happened; return the id after which what is to come begins."""
    query = {} if arguments.since is None else {"since": arguments.since}
    if arguments.since is not None and arguments.limit is None:
        return _from_then_on(page, query, show)
    wanted = (SHOWN // 10 if arguments.follow else SHOWN) if arguments.limit is None else arguments.limit
    _, last = page({"limit": 1})
    found: list[Event] = []
    while len(found) < wanted:
        most = min(PAGE, wanted - len(found))
        events, _ = page(query | {"limit": most} | ({"before": found[0]["id"]} if found else {}))
        found = events + found
        if len(events) < most:
            break
    for event in found:
        show(event)
    return max([last, *(int(event["id"]) for event in found[-1:])])


def _from_then_on(page: Page, query: dict[str, Any], show: Callable[[Event], None]) -> int:
    _, last = page({"limit": 1})
    after = 0
    while True:
        events, _ = page(query | {"after": after, "limit": PAGE})
        for event in events:
            show(event)
            after = int(event["id"])
        if len(events) < PAGE:
            return max(last, after)


def _follow(
    way: Way, arguments: argparse.Namespace, last: int, show: Callable[[Event], None], pause: Callable[[float], None]
) -> None:
    """Show what happens, for ever. A director that restarts is asked again, for what came after the last one shown."""
    path = f"{PATH}?{urlencode(_filters(arguments))}".removesuffix("?")
    lost = False
    while True:
        try:
            if lost:
                _, newest = _asking(way, arguments)({"limit": 1})
                last = last if last <= newest else 0  # its journal was begun anew
                complain("the director answers again")
                lost = False
            headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
            with stream(way, path, headers, SILENCE) as lines:
                for event in _streamed(lines):
                    if "id" not in event:  # a gap
                        complain(f"events after {event['after']} are missing here: the director no longer keeps them")
                        continue
                    show(event)
                    last = int(event["id"])
        except UnreachableError as error:
            if error.status is not None and error.status not in {429, 500, 502, 503, 504}:
                raise
            if not lost:
                complain(f"{error} Trying again until it answers.")
            lost = True
            pause(1.0)


def _streamed(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of a stream (HTML Living Standard, section 9.2.6): all that is needed is in their data."""
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield json.loads("\n".join(data))
            data = []
        elif not name:  # a comment, at least every 15 s
            _see_reader()


def _see_reader() -> None:
    """Raise BrokenPipeError when whoever read our output has gone: nothing else would tell until something happens."""
    watch = select.poll()
    try:
        watch.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):
        return
    if any(events & select.POLLERR for _, events in watch.poll(0)):
        raise BrokenPipeError


class _Printer:
    """Prints each event on a line of its own."""

    def __init__(self, *, as_json: bool, colour: bool) -> None:
        self._as_json = as_json
        self._colour = colour
        self.shown = 0

    def __call__(self, event: Event) -> None:
        self.shown += 1
        if self._as_json:
            write(json.dumps(event) + "\n", flush=True)
            return
        text = printable(f"{local(event['at'])} {event['level']:7} {event['message']}")
        write(paint(text, _COLOURS.get(event["level"], ""), self._colour) + "\n", flush=True)

    def tell_of_silence(self, arguments: argparse.Namespace) -> None:
        """Say that there is nothing to show, where somebody may believe that it has not come yet."""
        if not (self.shown or arguments.follow or self._as_json or arguments.limit == 0):
            complain("there are no events that fit")


def _document(event: "Occurrence") -> Event:
    """Return an event of the journal as the director shows it."""
    return {
        "id": event.id,
        "at": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z",
        "name": event.name,
        "level": event.level,
        "message": event.sentence,
        "virtual_server": event.virtual_server,
        "real_server": event.real_server,
        "details": dict(event.details),
    }


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 8):
        raise argparse.ArgumentTypeError("give a whole number")
    return int(text)
