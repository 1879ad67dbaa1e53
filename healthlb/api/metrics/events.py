"""The family of events, by name."""

from collections.abc import Iterator
from typing import get_args

from healthlb.api.exposition import Family, labels, lines
from healthlb.model.events import Event
from healthlb.model.occurrence import name_of
from healthlb.model.snapshot import Snapshot

NAMES = tuple(name_of(kind) for kind in get_args(Event))

_EVENTS = Family("healthlb_events_total", "counter", "Events of this director since it started, by name.", ("event",))

FAMILIES = (_EVENTS,)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield how many events there were of each name that there can be; one that never came is 0, not absent."""
    known = dict(snapshot.director.events)
    yield from lines(_EVENTS, ((labels(event=name), known.get(name, 0)) for name in NAMES))
