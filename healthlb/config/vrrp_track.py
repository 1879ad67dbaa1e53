"""What the priority of an instance follows: `track`, resolved."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from healthlb.config.faults import Keys
from healthlb.config.nodes import Node
from healthlb.config.real_servers import at
from healthlb.config.vrrp_sections import TrackedCheckSection, TrackSection
from healthlb.config.walk import Walk
from healthlb.config.walk_checks import Configured, same_family
from healthlb.model.check import Probe
from healthlb.model.endpoint import Endpoint
from healthlb.model.vrrp import Track, Tracked, TrackedCheck


@dataclass(frozen=True, slots=True)
class Trackable:
    """What the file has that can be tracked: its checks, unreadable ones too, and the names of its virtual servers."""

    checks: Mapping[str, Any]
    virtual_servers: Collection[str]


def read_track(walk: Walk, section: TrackSection, node: Node, keys: Keys, trackable: Trackable) -> Track:
    """Return what is tracked after telling its faults."""
    for key in ("interfaces", "virtual_servers", "checks"):
        for name, weight in _weights(getattr(section, key)):
            if weight == 0:
                place = at(at(node, key), name)
                walk.fault(place, keys / key / name / "weight", "is 0, which changes nothing; leave it out for FAULT")
    for name, _ in _weights(section.virtual_servers):
        if name not in trackable.virtual_servers:
            guess = walk.guess(name, trackable.virtual_servers)
            message = f"there is no virtual server named '{name}'{guess}"
            walk.fault(at(node, "virtual_servers"), keys / "virtual_servers", message)
    checks = [
        _check(walk, given, at(at(node, "checks"), name), keys / "checks" / name, trackable)
        for name, given in section.checks
    ]
    return Track(
        tuple(Tracked(name, weight) for name, weight in _weights(section.interfaces)),
        tuple(Tracked(name, weight) for name, weight in _weights(section.virtual_servers)),
        tuple(each for each in checks if each is not None),
    )


def _weights(listed: tuple[Any, ...]) -> list[tuple[str, int | None]]:
    """Return names with their weights, of a list or of a mapping."""
    return [(each, None) if isinstance(each, str) else (each[0], each[1].weight) for each in listed]


def _check(walk: Walk, given: TrackedCheckSection, node: Node, keys: Keys, trackable: Trackable) -> TrackedCheck | None:
    name = str(keys.name)
    if name not in trackable.checks:
        guess = walk.guess(name, trackable.checks)
        walk.fault(node, keys, f"there is no check named '{name}' under checks{guess}")
        return None
    configured = trackable.checks[name]
    if not isinstance(configured, Configured):
        return None
    address, port = given.target or (None, None)
    aim, to = configured.address or address, configured.port or port or 0
    if aim is None:
        walk.fault(node, keys / "target", "is missing: the address that is probed; or give the check an address")
        return None
    if configured.has_port and not to:
        walk.fault(node, keys / "target", f"lacks a port, and the check {name} has none: write {aim}:PORT")
        return None
    source = configured.way.source
    if source is not None and not same_family(source, aim):
        walk.fault(node, keys / "target", f"{aim} cannot be reached from {source}, the source of the check {name}")
        return None
    probe = Probe(configured.check, Endpoint(aim, to if configured.has_port else 0))
    return TrackedCheck(Tracked(name, given.weight), probe)
