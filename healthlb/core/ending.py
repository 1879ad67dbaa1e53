"""Rows that have weight 0 for their connections' sake: since when, and when the last connection is gone.

A row is empty when a look that came at least `SETTLE` after its weight became 0 finds nothing that counts: a connection
that was being made as the weight changed is in the table by then.
"""

from collections.abc import Mapping
from dataclasses import replace

from healthlb.core.decision import Ending, Looked
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.table import Destination, Service

SETTLE = 1.0
"""Seconds from weight 0 to the first look that counts."""
RARELY = 5.0
"""Seconds between looks at a row that has had weight 0 for some minutes; before, there is about one a second."""


class Endings:
    """The rows that end at one moment; `after` holds them as the next decision is to find them."""

    __slots__ = ("_before", "_looked", "_now", "_service", "after", "look_at")

    def __init__(self, before: Mapping[Endpoint, Ending], looked: Looked, service: Service, now: float) -> None:
        self._before = before
        self._looked = looked
        self._service = service
        self._now = now
        self.after: dict[Endpoint, Ending] = {}
        self.look_at: float | None = None

    def watch(self, row: Destination) -> Ending:
        """Note that a row of the table ends, and return how far it is."""
        ending = self._before.get(row.address)
        if ending is None or row.weight:
            ending = Ending(self._now)
        elif not ending.empty:
            ending = self._seen(row.address, ending)
        self.after[row.address] = ending
        if not ending.empty:
            pause = min(max(SETTLE, (self._now - ending.since) / 60), RARELY)
            at = max(ending.since + SETTLE, ending.looked_at + pause, self._now)
            self.look_at = at if self.look_at is None else min(self.look_at, at)
        return ending

    def _seen(self, address: Endpoint, ending: Ending) -> Ending:
        if self._looked.usage is None or self._now < ending.since + SETTLE:
            return ending
        usage = self._looked.usage.get(address)
        empty = usage is not None and is_empty(self._service, usage, templates_pin=self._looked.templates_pin)
        return replace(ending, empty=empty, looked_at=self._now)


def is_empty(service: Service, usage: Usage, *, templates_pin: bool) -> bool:
    """Whether a row with weight 0 has no connection left that its server would be missed by.

    A closing TCP or SCTP connection is inactive and needs its server no more. Those of UDP are never active, and a
    firewall mark may be of any protocol: there every entry counts. A persistence template sends its client here even
    at weight 0 as long as `templates_pin`.
    """
    if templates_pin and service.persistence is not None and usage.persistent:
        return False
    if service.key.protocol in {"tcp", "sctp"}:
        return usage.active == 0
    return usage.active + usage.inactive == 0


def emptied(row: Destination) -> Destination:
    """Return a row with weight 0 and otherwise as it is."""
    return replace(row, weight=0) if row.weight else row
