"""An event that happened at a moment: what the journal keeps, the API shows and notifiers send."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from healthlb.model.endpoint import Endpoint
from healthlb.model.events import Event
from healthlb.model.evidence import Evidence, escaped
from healthlb.model.table import ServiceKey

Level = Literal["info", "warning", "error"]
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event. `id` grows by 1 an event, also over restarts; `at` is UNIX seconds; `name` is `real_server_down`.

    `service` and `address` are what the named virtual and real server were at that moment, where they were there.
    `details` are the event's own fields as JSON values.
    """

    id: int
    at: float
    name: str
    level: Level
    sentence: str
    virtual_server: str | None = None
    real_server: str | None = None
    service: ServiceKey | None = None
    address: Endpoint | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events: ids above `after` and below `before`, from `since` (UNIX seconds) on, of a server, of some names.

    At most `limit`: the newest, or with `after` the first that follow it.
    """

    after: int | None = None
    before: int | None = None
    since: float | None = None
    virtual_server: str | None = None
    real_server: str | None = None
    names: frozenset[str] = frozenset()
    limit: int = 100


def name_of(kind: type[Event]) -> str:
    """Return an event's name as operators write it: `real_server_down`."""
    return _WORD.sub("_", kind.__name__).lower()


def details_of(event: Event) -> dict[str, Any]:
    """Return an event's fields as JSON values."""
    return {each.name: _plain(getattr(event, each.name)) for each in fields(event)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Evidence):
        return {
            "sent": escaped(value.sent),
            "received": escaped(value.received),
            "peer": value.peer,
            "certificate": value.certificate,
        }
    return str(value)
