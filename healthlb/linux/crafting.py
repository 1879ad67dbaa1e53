"""Crafts, with scapy, what the process that speaks VRRP sends: adverts and announcements. Call it in a thread.

A packet is crafted when something changes and resent as it is. Whole packets are built, for a checksum reaches into
the IP header; kept is of them what a socket wants.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from healthlb.core.vrrp.packet import AUTHENTICATION_LENGTH, PROTOCOL
from healthlb.linux.announcer import Frame
from healthlb.linux.links import Link
from healthlb.linux.vrrp_sockets import GROUPS, HOP_LIMIT, INTERNETWORK_CONTROL, Outgoing
from healthlb.model.vrrp import VirtualAddress, VrrpInstance

if TYPE_CHECKING:
    from scapy.packet import Packet

BROADCAST: Final = "ff:ff:ff:ff:ff:ff"
UNKNOWN: Final = "00:00:00:00:00:00"
ALL_NODES: Final = "ff02::1"
SIMPLE_TEXT: Final = 1
IP_HEADERS: Final = {4: 20, 6: 40}
IPV4, IPV6 = 0x0800, 0x86DD


def craft_adverts(instance: VrrpInstance, source: str) -> tuple[Outgoing, ...]:
    """Return the advert for each destination, with the configured priority; `source` is where it will come from.

    RFC 9568 section 5.2, RFC 3768 section 5.3; but version 3 over IPv4 has a pseudo-header in the checksum, as RFC
    5798 section 5.2.8 had it and keepalived wants it.
    """
    _load_scapy()
    destinations = tuple(peer.address for peer in instance.peers) or (GROUPS[instance.family],)
    return tuple(_craft_advert(instance, source, destination) for destination in destinations)


def craft_announcements(instance: VrrpInstance, links: Mapping[str, Link]) -> tuple[Frame, ...]:
    """Return the frames that say where the addresses are now, the excluded ones too.

    Gratuitous ARP as request and as reply (RFC 5227 section 3), unsolicited neighbour advertisements (RFC 4861 section
    7.2.6), as RFC 9568 sections 6.4.1 and 6.4.2 ask for. An address whose interface is not among `links` or has no
    hardware address has none.
    """
    _load_scapy()
    return tuple(
        frame for address in (*instance.addresses, *instance.excluded) for frame in _announce(instance, address, links)
    )


def virtual_mac(instance: VrrpInstance) -> str:
    """Return the virtual router's hardware address (RFC 9568 section 7.3)."""
    return f"00:00:5e:00:{1 if instance.family == 4 else 2:02x}:{instance.router_id:02x}"


def _load_scapy() -> None:
    """Load scapy without the kernel's routes, which takes minutes where BGP has many."""
    from scapy.config import conf  # noqa: PLC0415  scapy takes its time

    conf.route_autoload = conf.route6_autoload = False


def _craft_advert(instance: VrrpInstance, source: str, destination: str) -> Outgoing:
    from scapy.layers.l2 import Ether  # noqa: PLC0415  scapy takes its time

    packet = bytes(_ip_header(instance, source, destination) / _message(instance))
    header, message = packet[: IP_HEADERS[instance.family]], packet[IP_HEADERS[instance.family] :]
    envelope = b""
    if instance.mac and not instance.peers:
        kind = IPV4 if instance.family == 4 else IPV6
        envelope = bytes(Ether(src=virtual_mac(instance), dst=_multicast_mac(destination), type=kind)) + header
    return Outgoing(destination, message, envelope)


def _ip_header(instance: VrrpInstance, source: str, destination: str) -> "Packet":
    from scapy.layers.inet import IP  # noqa: PLC0415
    from scapy.layers.inet6 import IPv6  # noqa: PLC0415

    if instance.family == 6:
        return IPv6(src=source, dst=destination, hlim=HOP_LIMIT, tc=INTERNETWORK_CONTROL, nh=PROTOCOL)
    return IP(src=source, dst=destination, ttl=HOP_LIMIT, tos=INTERNETWORK_CONTROL, proto=PROTOCOL)


def _message(instance: VrrpInstance) -> "Packet":
    from scapy.layers.vrrp import VRRP as Version2  # noqa: PLC0415, N811
    from scapy.layers.vrrp import VRRPv3 as Version3  # noqa: PLC0415

    addresses = [address.address for address in instance.addresses]
    if instance.version == 3:
        return Version3(
            type=1,
            vrid=instance.router_id,
            priority=instance.priority,
            ipcount=len(addresses),
            adv=round(instance.interval * 100),
            addrlist=addresses,
        )
    password = instance.password.encode().ljust(AUTHENTICATION_LENGTH, b"\0")
    return Version2(
        type=1,
        vrid=instance.router_id,
        priority=instance.priority,
        ipcount=len(addresses),
        authtype=SIMPLE_TEXT if instance.password else 0,
        adv=round(instance.interval),
        addrlist=addresses,
        auth1=int.from_bytes(password[:4], "big"),
        auth2=int.from_bytes(password[4:], "big"),
    )


def _announce(instance: VrrpInstance, address: VirtualAddress, links: Mapping[str, Link]) -> Iterator[Frame]:
    from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6  # noqa: PLC0415
    from scapy.layers.l2 import ARP, Ether  # noqa: PLC0415

    link = links.get(address.device or instance.interface)
    if link is None or not link.hardware_address:
        return
    own = virtual_mac(instance) if instance.mac and not address.device else link.hardware_address
    if ip_address(address.address).version == 6:
        # The router flag is set, the solicited flag clear, the override flag set (RFC 9568 sections 6.4.1 and 6.4.2).
        told = ICMPv6ND_NA(tgt=address.address, R=1, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=own)
        header = IPv6(src=address.address, dst=ALL_NODES, hlim=HOP_LIMIT)
        frame = Ether(src=own, dst=_multicast_mac(ALL_NODES)) / header / told
        yield Frame(link.index, bytes(frame), f"the neighbour advertisement of {address.address} on {link.name}")
        return
    for operation, target in ((1, UNKNOWN), (2, own)):
        arp = ARP(op=operation, hwsrc=own, psrc=address.address, hwdst=target, pdst=address.address)
        frame = Ether(src=own, dst=BROADCAST) / arp
        yield Frame(link.index, bytes(frame), f"the gratuitous ARP of {address.address} on {link.name}")


def _multicast_mac(group: str) -> str:
    """Return the Ethernet address of a multicast group (RFC 1112 section 6.4, RFC 2464 section 7)."""
    packed = ip_address(group).packed
    if len(packed) == 4:
        return f"01:00:5e:{packed[1] & 0x7F:02x}:{packed[2]:02x}:{packed[3]:02x}"
    return f"33:33:{packed[12]:02x}:{packed[13]:02x}:{packed[14]:02x}:{packed[15]:02x}"
