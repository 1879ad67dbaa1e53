"""Crafts, with scapy, what the process that speaks VRRP sends: adverts and announcements. Call it in a thread.

A packet is crafted when something changes and resent as it is.
"""

from collections.abc import Mapping

from healthlb.linux.announcer import Frame
from healthlb.linux.links import Link
from healthlb.linux.vrrp_sockets import Outgoing
from healthlb.model.vrrp import VrrpInstance


def craft_adverts(instance: VrrpInstance, source: str) -> tuple[Outgoing, ...]:
    """Return the advert for each destination, with the configured priority; `source` is where it will come from.

    RFC 9568 section 5.2, RFC 3768 section 5.3.
    """
    raise NotImplementedError


def craft_announcements(instance: VrrpInstance, links: Mapping[str, Link]) -> tuple[Frame, ...]:
    """Return the frames that say where the addresses are now, the excluded ones too.

    Gratuitous ARP as request and as reply (RFC 5227 section 3, RFC 9568 section 6.4.1), unsolicited neighbour
    advertisements (RFC 4861 section 7.2.6). An address whose interface is not among `links` or has no hardware
    address has none.
    """
    raise NotImplementedError
