"""Which packets are heeded: RFC 9568 section 7.1, RFC 3768 section 7.1, and unicast peers."""

from typing import Final, NamedTuple

from healthlb.core.vrrp.packet import Advert, Drop, read
from healthlb.core.vrrp.settings import Settings
from healthlb.model.vrrp import OWNER

DROPS: Final = (
    "hop_limit",
    "version",
    "type",
    "length",
    "count",
    "checksum",
    "router_id",
    "authentication",
    "interval",
    "own_source",
    "destination",
    "not_a_peer",
    "address_list",
)
"""Every reason for which a packet is dropped, in the order of the checks."""
SIGNS: Final = {
    "hop_limit": "its adverts arrive with a lower TTL or hop limit than its minimum_ttl",
    "version": "it adverts in another version of VRRP",
    "address_list": "it adverts another list of addresses",
    "authentication": "it adverts with another password",
    "interval": "it adverts with another interval",
    "destination": "one of us adverts by unicast, the other by multicast",
    "not_a_peer": "it adverts to us and is not among our peers",
}
"""Drops that show another master of our virtual router whom we do not heed, with the clause for `Machine.suspect`."""
HOP_LIMIT: Final = 255
"""What a packet that crossed no router arrives with (RFC 9568 sections 5.1.1.3 and 5.1.2.3)."""
SIMPLE_TEXT: Final = 1
"""The Auth Type of a simple text password (RFC 2338 section 5.3.6)."""


class Datagram(NamedTuple):
    """A packet as it arrived: the VRRP message without an IP header, packed addresses, TTL or hop limit."""

    message: bytes
    source: bytes
    destination: bytes
    hop_limit: int


def check(datagram: Datagram, settings: Settings) -> Advert | Drop:
    """Return the advert in a packet, or why it is dropped; nothing is raised, whatever the bytes.

    Whether we own the addresses (RFC 9568 section 7.1) is the machine's to say: its priority changes.
    """
    message, source, destination, hop_limit = datagram
    if hop_limit < (_least_hop_limit(settings, source) if settings.peers else HOP_LIMIT):
        return Drop("hop_limit")
    if message and message[0] >> 4 != settings.version:
        return Drop("version")
    advert = read(message, family=settings.family, source=source, destination=destination)
    if isinstance(advert, Drop):
        return advert
    reason = _foreign(message, advert, settings) or _misplaced(source, destination, settings)
    if not reason and not _lists_match(advert, settings):
        reason = "address_list"
    return Drop(reason) if reason else advert


def sign_of(drop: Drop, source: bytes, settings: Settings) -> str:
    """Return the clause for `Machine.suspect` where a drop shows another master, empty where it does not.

    A packet that came through a router shows that only from a peer: anybody can send us those.
    """
    foreign = drop.reason == "hop_limit" and source not in settings.peers
    return "" if foreign else SIGNS.get(drop.reason, "")


def _least_hop_limit(settings: Settings, source: bytes) -> int:
    """Return a peer's own minimum; a stranger's is the least of all, so that it is told as a stranger."""
    return settings.peers.get(source, min(settings.peers.values()))


def _foreign(message: bytes, advert: Advert, settings: Settings) -> str:
    """Return why an advert is not one of our virtual router's, empty if it is."""
    if advert.router_id != settings.router_id:
        return "router_id"
    if settings.version == 3:
        # An interval of nothing would have us declare its sender dead at once (RFC 9568 section 7.1, erratum 8301).
        return "" if advert.interval else "interval"
    if not _authentic(message, advert, settings):
        return "authentication"
    return "" if advert.interval == settings.interval else "interval"


def _misplaced(source: bytes, destination: bytes, settings: Settings) -> str:
    """Return why nobody who may speak to us sent it, empty if somebody did."""
    if source == settings.source:
        return "own_source"
    if _is_multicast(destination) == bool(settings.peers):
        return "destination"
    if settings.peers and settings.check_source and source not in settings.peers:
        return "not_a_peer"
    return ""


def _authentic(message: bytes, advert: Advert, settings: Settings) -> bool:
    if not settings.password:
        return advert.authentication == 0
    return advert.authentication == SIMPLE_TEXT and message[-len(settings.password) :] == settings.password


def _is_multicast(address: bytes) -> bool:
    return address[:1] >= b"\xe0" if len(address) == 4 else address[:1] == b"\xff"


def _lists_match(advert: Advert, settings: Settings) -> bool:
    """RFC 3768 section 7.1 excepts what the owner sends; RFC 9568 leaves the check to us, and keepalived drops."""
    if settings.version == 2 and advert.priority == OWNER:
        return True
    return advert.addresses == settings.addresses or sorted(advert.addresses) == sorted(settings.addresses)
