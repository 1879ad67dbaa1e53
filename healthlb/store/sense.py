"""What saved words have to be beside their types, so that whoever acts on them or shows them never stumbles.

A checksum tells what was changed by accident. It does not tell what somebody wrote with a checksum of its own, nor what
another version of this program got wrong.
"""

from collections.abc import Hashable, Iterable
from ipaddress import ip_address

from healthlb.core.overrides import kind
from healthlb.core.weight import MOST_WEIGHT
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Orders
from healthlb.model.remembered import Remembered

LATEST = 253_402_300_799.0
"""The last second of the year 9999: no calendar shows one after it (Python's `datetime.MAXYEAR`)."""
MOST_PORT = 65_535


def see_orders(orders: Orders) -> None:
    """Raise ValueError, with a sentence, where orders are none that anybody could have given."""
    for override in orders.overrides:
        _see_place(override.scope.address, override.scope.port or 0)
        _see_times(override.at, override.expires_at, override.deadline)
        if (override.admin is None) is (override.weight is None):
            raise ValueError("an override is of the admin state or of the weight")
        if override.weight is not None and not 0 <= override.weight <= MOST_WEIGHT:
            raise ValueError(f"no weight is {override.weight}")
    _see_differ((each.scope, kind(each)) for each in orders.overrides)
    for these in (orders.additions, orders.removals):
        for each in these:
            _see_endpoint(each.address)
            _see_times(each.at)
        _see_differ((each.virtual_server, each.address) for each in these)
    for one in orders.handed_over:
        _see_times(one.at)
    _see_differ(one.instance for one in orders.handed_over)


def see_health(health: Remembered) -> None:
    """Raise ValueError, with a sentence, where health is none that anything could have had."""
    for probe in health.probes:
        if probe.state.streak < 0:
            raise ValueError(f"no streak is {probe.state.streak}")
        if probe.failure is not None:
            _see_times(probe.failure.at)
        if probe.feedback is not None and (probe.feedback.weight or 0) < 0:
            raise ValueError(f"no weight is {probe.feedback.weight}")
    for server in health.servers:
        _see_times(server.since, server.turned_at, server.recovered_at, server.held_until, server.drain_timeout)
        _see_times(*server.turns)
    for pool in health.pools:
        _see_times(pool.since)
        for address, at in (*pool.leaving, *((address, since) for address, since, _ in pool.ending)):
            _see_endpoint(address)
            _see_times(at)


def _see_times(*times: float | None) -> None:
    for each in times:
        if each is not None and not 0 <= each <= LATEST:
            raise ValueError(f"no time is {each}")


def _see_endpoint(endpoint: Endpoint) -> None:
    _see_place(endpoint.address, endpoint.port)


def _see_place(address: str, port: int) -> None:
    ip_address(address)
    if not 0 <= port <= MOST_PORT:
        raise ValueError(f"no port is {port}")


def _see_differ(places: Iterable[Hashable]) -> None:
    found = list(places)
    if len(set(found)) < len(found):
        raise ValueError("the same order is there twice")
