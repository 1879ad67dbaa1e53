"""One message: the events that are told together, in one sentence and as JSON."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from healthlb.model.occurrence import Level, Occurrence

MOST_EVENTS = 1_000
"""Events in one message; those beyond are the next one's."""
FEW = 3
"""Up to so many events are told in their own sentences."""
NAMED = 5
"""Servers that a sentence of many events names at most."""
LEVELS: tuple[Level, ...] = ("info", "warning", "error")
SERVERS = {
    "real_server_down": "down",
    "real_server_up": "up",
    "real_server_drained": "drained",
    "real_server_undrained": "drained no longer",
    "real_server_held": "held down for flapping",
    "real_server_released": "held down no longer",
    "real_server_emptied": "without connections",
    "real_server_added": "added at run time",
    "real_server_removed": "removed at run time",
}
"""What real servers are after an event."""
POOLS = {
    "quorum_lost": "quorum lost",
    "quorum_regained": "quorum regained",
    "panic_began": "panic",
    "panic_ended": "panic over",
    "sorry_server_activated": "the sorry server takes the traffic",
    "sorry_server_stood_down": "the sorry server takes no more traffic",
}
"""What happened in virtual servers."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one notifier is told at once, oldest first. `dry_run`: by a director that leaves the kernel alone."""

    director: str
    events: tuple[Occurrence, ...]
    dry_run: bool = False

    @property
    def level(self) -> Level:
        """The worst of its events' levels."""
        return max((each.level for each in self.events), key=LEVELS.index)


def sentence(message: Message) -> str:
    """Return the gist on one line; of many events it counts what is alike and names the first few."""
    events = message.events
    if len(events) <= FEW:
        return plain("; ".join(each.sentence for each in events))
    alike: dict[str, list[Occurrence]] = {}
    for each in events:
        key = f"{each.name} {each.details.get('after')}" if each.name == "virtual_server_changed" else each.name
        alike.setdefault(key, []).append(each)
    return plain("; ".join(_counted(group) for group in alike.values()))


def _counted(events: list[Occurrence]) -> str:
    name = events[0].name
    pools = list(dict.fromkeys(each.virtual_server for each in events if each.virtual_server is not None))
    if len(events) == 1:
        return events[0].sentence
    if name in SERVERS:
        return _servers(SERVERS[name], events, pools)
    if name in POOLS:
        return f"{POOLS[name]} in {_virtual(len(pools))}: {few(pools)}"
    if name == "virtual_server_changed":
        return f"{_virtual(len(pools))} turned {events[0].details.get('after')}: {few(pools)}"
    return f"{events[0].sentence} (and {len(events) - 1} more {name})"


def _servers(state: str, events: list[Occurrence], pools: list[str]) -> str:
    servers = list(dict.fromkeys((each.virtual_server, each.real_server) for each in events))
    count = "1 real server is" if len(servers) == 1 else f"{len(servers)} real servers are"
    if len(pools) == 1:
        return f"{count} {state} in {pools[0]}: {few([str(server) for _, server in servers])}"
    return f"{count} {state} in {_virtual(len(pools))}: {few([f'{pool} {server}' for pool, server in servers])}"


def _virtual(number: int) -> str:
    return "1 virtual server" if number == 1 else f"{number} virtual servers"


def few(names: Iterable[str]) -> str:
    """Return the first few names, each once, and how many more there are."""
    once = list(dict.fromkeys(names))
    more = f" and {len(once) - NAMED} more" if len(once) > NAMED else ""
    return ", ".join(once[:NAMED]) + more


def plain(text: str) -> str:
    """Return text on one line, with what is not printable escaped: it may go to a terminal, a header or a chat."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def moment(at: float) -> str:
    """Return UNIX seconds as RFC 3339, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json(message: Message) -> dict[str, Any]:
    """Return a message as what is sent as JSON: its gist, and all of its events."""
    return {
        "director": message.director,
        **({"dry_run": True} if message.dry_run else {}),
        "level": message.level,
        "message": sentence(message),
        "count": len(message.events),
        "events": [_event(each) for each in message.events],
    }


def _event(event: Occurrence) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": moment(event.at),
        "name": event.name,
        "level": event.level,
        "message": event.sentence,
        "virtual_server": event.virtual_server,
        "real_server": event.real_server,
        "service": None if event.service is None else str(event.service),
        "address": None if event.address is None else str(event.address),
        "details": dict(event.details),
    }
