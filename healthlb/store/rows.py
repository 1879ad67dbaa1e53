"""Events as rows of the journal's table, and what is asked of them in SQL and of those in memory alike."""

import json
from typing import Any, cast, get_args

from healthlb.model.endpoint import Endpoint, Family
from healthlb.model.occurrence import EventQuery, Level, Occurrence
from healthlb.model.table import Protocol, ServiceKey

COLUMNS = "id, at, name, level, message, virtual_server, real_server, service, address, details"
SCHEMA = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, name TEXT NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL,
    virtual_server TEXT, real_server TEXT, service TEXT, address TEXT, details TEXT NOT NULL
);
CREATE INDEX events_at ON events (at);
CREATE INDEX events_virtual_server ON events (virtual_server, id);
"""
Row = tuple[int, float, str, str, str, str | None, str | None, str | None, str | None, str]

LONGEST_MESSAGE = 4_096
LONGEST_DETAILS = 16_384
"""Characters of an event that are kept: the journal is bounded in events, and so by these in bytes."""
_LONGEST_TEXT = 1_000
_LONGEST_LIST = 100


def row_of(event: Occurrence) -> Row:
    """Return an event's row; raise ValueError or TypeError where its details are no JSON values."""
    return (
        event.id,
        event.at,
        event.name,
        event.level,
        _text(event.sentence[:LONGEST_MESSAGE]),
        _text(event.virtual_server),
        _text(event.real_server),
        None if event.service is None else str(event.service),
        None if event.address is None else str(event.address),
        _details(dict(event.details)),
    )


def event_of(row: Row) -> Occurrence:
    """Return the event of a row; raise ValueError where somebody else wrote it."""
    number, at, name, level, message, virtual_server, real_server, service, address, details = row
    if level not in get_args(Level):
        raise ValueError(f"no level of an event: {level}")
    found = json.loads(details)
    return Occurrence(
        number,
        at,
        name,
        cast("Level", level),
        message,
        virtual_server,
        real_server,
        None if service is None else service_key(service),
        None if address is None else endpoint(address),
        found if isinstance(found, dict) else {},
    )


def service_key(text: str) -> ServiceKey:
    """Return the key that `str()` made a text of; raise ValueError."""
    kind, _, rest = text.partition(" ")
    if kind == "fwmark":
        mark, _, family = rest.partition(" ")
        if family not in {"", "inet6"}:
            raise ValueError(f"no service: {text}")
        return ServiceKey.marked(int(mark), cast("Family", family or "inet"))
    if kind not in get_args(Protocol):
        raise ValueError(f"no service: {text}")
    return ServiceKey.at(cast("Protocol", kind), endpoint(rest))


def endpoint(text: str) -> Endpoint:
    """Return the address and port that `str()` made a text of; raise ValueError."""
    address, _, port = text.rpartition(":")
    return Endpoint(address.removeprefix("[").removesuffix("]"), int(port))


def asked(query: EventQuery) -> tuple[str, list[Any]]:
    """Return a query as SQL and its parameters; the rows come in the order in which `limit` counts them."""
    parts = {
        "id > ?": query.after,
        "id < ?": query.before,
        "at >= ?": query.since,
        "virtual_server = ?": query.virtual_server,
        "real_server = ?": query.real_server,
    }
    conditions = [part for part, value in parts.items() if value is not None]
    values: list[Any] = [value for value in parts.values() if value is not None]
    if query.names:
        conditions.append(f"name IN ({', '.join('?' * len(query.names))})")
        values += sorted(query.names)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "DESC" if query.after is None else "ASC"
    return f"SELECT {COLUMNS} FROM events{where} ORDER BY id {order} LIMIT ?", [*values, max(0, query.limit)]  # noqa: S608


def wanted(query: EventQuery, event: Occurrence) -> bool:
    """Return whether a query asks for an event, its limit aside."""
    return (
        (query.after is None or event.id > query.after)
        and (query.before is None or event.id < query.before)
        and (query.since is None or event.at >= query.since)
        and query.virtual_server in {None, event.virtual_server}
        and query.real_server in {None, event.real_server}
        and (not query.names or event.name in query.names)
    )


def limited(query: EventQuery, events: list[Occurrence]) -> list[Occurrence]:
    """Return as many of some events, sorted by id, as a query asks for."""
    if query.limit <= 0:
        return []
    return events[-query.limit :] if query.after is None else events[: query.limit]


def _text(text: str | None) -> Any:
    """Return a text that UTF-8 can write."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


def _details(details: dict[str, Any]) -> str:
    text = json.dumps(details, separators=(",", ":"))
    if len(text) > LONGEST_DETAILS:
        text = json.dumps(_shortened(details), separators=(",", ":"))
    return text if len(text) <= LONGEST_DETAILS else json.dumps({"left_out": f"{len(text)} characters"})


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT]}…"
    if isinstance(value, list):
        more = [f"and {len(value) - _LONGEST_LIST} more"] if len(value) > _LONGEST_LIST else []
        return [_shortened(each) for each in value[:_LONGEST_LIST]] + more
    if isinstance(value, dict):
        return {key: _shortened(each) for key, each in value.items()}
    return value
