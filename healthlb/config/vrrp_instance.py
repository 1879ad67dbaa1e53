"""One VRRP instance, resolved, and what its keys have to do with one another (RFC 9568, and RFC 3768 for version 2)."""

from collections.abc import Iterator
from typing import Any

from healthlb.config.faults import Keys
from healthlb.config.nodes import Node
from healthlb.config.real_servers import at
from healthlb.config.vrrp_sections import LONGEST_INTERVAL, InstanceSection, PeerSection, PreemptSection
from healthlb.config.vrrp_track import Trackable, read_track
from healthlb.config.walk import Walk
from healthlb.model.vrrp import (
    OWNER,
    Announcing,
    Family,
    Peer,
    VirtualAddress,
    VirtualRoute,
    VirtualRule,
    VrrpInstance,
)

MOST_ADDRESSES = 255
STEP = 100


def read_instance(walk: Walk, section: InstanceSection, node: Node, keys: Keys, trackable: Trackable) -> VrrpInstance:
    """Return the instance that the last of `keys` names, of use only where there were no faults; those are told."""
    addresses = tuple(map(_address, section.addresses))
    family: Family = 6 if addresses and ":" in addresses[0].address else 4
    peers = tuple(map(_peer, section.peers))
    for key, sentence in _faults(section, addresses, family, peers):
        walk.fault(at(node, key), keys / key, sentence)
    preempt = section.preempt
    announce = section.announce
    return VrrpInstance(
        name=str(keys.name),
        interface=section.interface,
        router_id=section.router_id,
        family=family,
        addresses=addresses,
        version=3 if section.version == 3 else 2,
        priority=section.priority,
        interval=section.interval,
        preempt=preempt is not False,
        preempt_delay=preempt.delay if isinstance(preempt, PreemptSection) else 0.0,
        start_delay=section.start_delay,
        accept=section.accept,
        source=section.source or "",
        peers=peers,
        check_source=section.check_source,
        excluded=tuple(map(_address, section.addresses_excluded)),
        routes=tuple(map(_route, section.routes)),
        rules=tuple(map(_rule, section.rules)),
        password=section.password or "",
        password_file=section.password_file or "",
        mac=section.virtual_mac,
        announcing=Announcing(announce.repeat, announce.delay, announce.refresh, announce.refresh_repeat),
        track=read_track(walk, section.track, at(node, "track"), keys / "track", trackable),
    )


def _address(given: Any) -> VirtualAddress:
    if isinstance(given, tuple):
        return VirtualAddress(*given)
    address, prefix = given.address
    return VirtualAddress(address, prefix, given.device or "", given.label or "")


def _peer(given: Any) -> Peer:
    return Peer(given.address, given.minimum_ttl) if isinstance(given, PeerSection) else Peer(given)


def _route(given: Any) -> VirtualRoute:
    address, prefix = given.destination
    destination = address if address == "default" else f"{address}/{prefix}"
    return VirtualRoute(destination, given.via or "", given.device or "", given.source or "", given.metric, given.table)


def _rule(given: Any) -> VirtualRule:
    source, destination = ("" if part is None else f"{part[0]}/{part[1]}" for part in (given.source, given.destination))
    return VirtualRule(given.table, given.priority, source, destination, 6 if ":" in source + destination else 4)


def _faults(
    section: InstanceSection, addresses: tuple[VirtualAddress, ...], family: Family, peers: tuple[Peer, ...]
) -> Iterator[tuple[str, str]]:
    """Yield (key, sentence) for what does not fit together."""
    if not 1 <= len(addresses) <= MOST_ADDRESSES:
        yield "addresses", f"an advert lists 1 to {MOST_ADDRESSES} addresses, and here are {len(addresses)}"
    if any((":" in each.address) is (family == 4) for each in addresses):
        yield "addresses", "an instance is for IPv4 or for IPv6; put the others in addresses_excluded, or an instance"
    yield from _faults_of_version(section, family)
    if section.priority == OWNER and section.preempt is not True:
        yield "preempt", "the owner of the addresses (priority 255) always takes over; leave it out"
    yield from _faults_of_peers(section, family, peers)
    for route in section.routes:
        if route.via is None and route.destination[0] == "default" and route.device is None:
            yield "routes", "a default route needs via or device"


def _faults_of_peers(section: InstanceSection, family: Family, peers: tuple[Peer, ...]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with whom adverts come from and go to."""
    others = [("source", section.source), *(("peers", peer.address) for peer in peers)]
    for key, address in others:
        if address is not None and (":" in address) is (family == 4):
            yield key, f"{address} is not of the addresses' family, which is IPv{family}"
    listed = [peer.address for peer in peers]
    if section.source in listed:
        yield "peers", f"{section.source} is this director's own source; list the others"
    if len(set(listed)) < len(listed):
        yield "peers", "a peer is here twice"
    if section.virtual_mac and peers:
        yield "virtual_mac", "works with multicast only: leave out peers or virtual_mac"


def _faults_of_version(section: InstanceSection, family: Family) -> Iterator[tuple[str, str]]:
    """Yield what a version of the protocol cannot carry (RFC 9568 section 5.2.7, RFC 3768 section 5.3)."""
    if section.version == 3:
        hundredths = section.interval * STEP
        if section.interval > LONGEST_INTERVAL:
            yield "interval", f"is out of range for version 3: 10ms to {LONGEST_INTERVAL}s"
        elif abs(hundredths - round(hundredths)) > 1e-6:
            yield "interval", "is not in steps of 10ms, which is what version 3 counts in"
        for key in ("password", "password_file"):
            if getattr(section, key) is not None:
                yield key, "is for version 2; version 3 has no authentication (RFC 9568 section 9)"
        return
    if family == 6:
        yield "version", "2 is for IPv4 only; IPv6 needs version 3"
    if section.interval != int(section.interval) or section.interval < 1:
        yield "interval", "is not in whole seconds, which is what version 2 counts in"
    if section.password is not None and section.password_file is not None:
        yield "password_file", "takes the place of password; leave one of them out"
