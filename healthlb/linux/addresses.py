"""Makes, with pyroute2, what puts the addresses, routes and rules of a master into the kernel. Call it in a thread."""

import socket
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

from healthlb.linux.crafting import virtual_mac
from healthlb.linux.links import Link
from healthlb.linux.netlink import NLM_F_ACK, NLM_F_REQUEST
from healthlb.linux.rtnetlink import Change, Placement
from healthlb.linux.sysctl import PROC_SYS, Setting
from healthlb.model.vrrp import VirtualAddress, VirtualRoute, VirtualRule, VrrpInstance

NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400
RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR = 16, 17, 20, 21
RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE = 24, 25, 32, 33
IFA_F_NODAD: Final = 0x02
FOREVER: Final = 0xFFFFFFFF
IFF_UP: Final = 0x1
MACVLAN_PRIVATE: Final = 1
FAMILIES: Final[Mapping[int, int]] = {4: socket.AF_INET, 6: socket.AF_INET6}
MAIN_TABLE: Final = 254
STATIC: Final = 4
"""RTPROT_STATIC: set by whoever administers the machine (rtnetlink(7))."""
UNIVERSE, LINK_SCOPE, NOWHERE = 0, 253, 255
UNICAST: Final = 1
TO_TABLE: Final = 1
MACVLAN_INDEX: Final = 0x40000000
"""Indices of our interfaces begin here, far from those that the kernel gives by itself."""
MOST_PARENTS: Final = 0xFFFFF
"""The bits of the parent's index that are in ours."""


class NoInterfaceError(Exception):
    """An interface that is needed is not there; the text is a clause that names it."""


def place(instance: VrrpInstance, links: Mapping[str, Link]) -> Placement:
    """Return what an instance puts into the kernel; raise NoInterfaceError.

    IPv6 addresses come without duplicate address detection (RFC 4862 section 5.4), which would hold them back for a
    second. With `mac` the addresses are on a macvlan of their own, which gets the virtual router's hardware address
    (RFC 9568 section 7.3) and is up only while the instance is MASTER, so that nothing else ever sends from it.
    """
    indices = {name: link.index for name, link in links.items()}
    parent = _index(instance.interface, indices)
    own, made, taken = instance.interface, [], []
    if instance.mac:
        own = macvlan_name(instance, links)
        indices[own] = MACVLAN_INDEX | (instance.family == 6) << 28 | instance.router_id << 20 | parent & MOST_PARENTS
        made.append(_macvlan(instance, own, indices[own], parent))
        taken.append(_up(own, indices[own]))
    listed = (*instance.addresses, *instance.excluded)
    taken += [_address(address, address.device or own, indices) for address in listed]
    taken += [_route(route, route.device, indices) for route in instance.routes]
    taken += [_rule(rule) for rule in instance.rules]
    return Placement(tuple(made), tuple(taken))


def macvlan_name(instance: VrrpInstance, links: Mapping[str, Link]) -> str:
    """Return the name of the interface that has the virtual router's hardware address; raise NoInterfaceError.

    It says family, router id and the parent's index in hexadecimal, as in vrrp4-51-2; Linux takes 15 characters.
    """
    parent = _index(instance.interface, {name: link.index for name, link in links.items()})
    return f"vrrp{instance.family}-{instance.router_id}-{parent & MOST_PARENTS:x}"


def settings(instance: VrrpInstance, links: Mapping[str, Link], root: Path = PROC_SYS) -> list[Setting]:
    """Return the kernel settings that an instance with the virtual router's own hardware address rests on.

    Its macvlan has to be there and is best not yet up. Raise NoInterfaceError.
    """
    if not instance.mac:
        return []
    parent, own = instance.interface.replace(".", "/"), macvlan_name(instance, links)
    wanted = []
    if (root / "net/ipv6").exists():
        own_addresses = "the virtual router's interface has addresses that no file lists"
        wanted += [
            Setting(f"net.ipv6.conf.{own}.addr_gen_mode", "1", own_addresses),
            Setting(f"net.ipv6.conf.{own}.accept_ra", "0", own_addresses),
        ]
    if instance.family == 4:
        two_answers = "neighbours hear two hardware addresses for one address"
        wanted += [
            Setting(f"net.ipv4.conf.{parent}.arp_ignore", "1", two_answers),
            # Else the parent asks for its neighbours in the name of the virtual address, which they believe.
            Setting(f"net.ipv4.conf.{parent}.arp_announce", "2", two_answers),
            Setting(f"net.ipv4.conf.{own}.arp_ignore", "1", two_answers),
            Setting(f"net.ipv4.conf.{own}.rp_filter", "2", "packets to the virtual addresses are dropped as misrouted"),
        ]
    return wanted


def _index(name: str, indices: Mapping[str, int]) -> int:
    if name not in indices:
        raise NoInterfaceError(f"there is no interface {name}")
    return indices[name]


def _macvlan(instance: VrrpInstance, name: str, index: int, parent: int) -> Change:
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg  # noqa: PLC0415  pyroute2 takes its time

    put: Any = ifinfmsg()
    put["index"] = index
    put["attrs"] = [
        ("IFLA_IFNAME", name),
        ("IFLA_LINK", parent),
        ("IFLA_ADDRESS", virtual_mac(instance)),
        (
            "IFLA_LINKINFO",
            {
                "attrs": [
                    ("IFLA_INFO_KIND", "macvlan"),
                    ("IFLA_INFO_DATA", {"attrs": [("IFLA_MACVLAN_MODE", MACVLAN_PRIVATE)]}),
                ]
            },
        ),
    ]
    withdraw: Any = ifinfmsg()
    withdraw["index"] = index
    return Change(
        f"interface {name}",
        _packed(put, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL),
        _packed(withdraw, RTM_DELLINK),
    )


def _up(name: str, index: int) -> Change:
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg  # noqa: PLC0415

    messages = []
    for flags in (IFF_UP, 0):
        message: Any = ifinfmsg()
        message["index"] = index
        message["flags"] = flags
        message["change"] = IFF_UP
        messages.append(_packed(message, RTM_NEWLINK))
    return Change(f"state up of {name}", *messages)


def _address(address: VirtualAddress, device: str, indices: Mapping[str, int]) -> Change:
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # noqa: PLC0415

    parsed = ip_address(address.address)
    message: Any = ifaddrmsg()
    message["family"] = FAMILIES[parsed.version]
    message["prefixlen"] = address.prefix
    message["index"] = _index(device, indices)
    message["scope"] = LINK_SCOPE if parsed.version == 6 and parsed.is_link_local else UNIVERSE
    attributes: list[tuple[str, Any]] = [("IFA_ADDRESS", address.address), ("IFA_LOCAL", address.address)]
    if address.label and parsed.version == 4:
        attributes.append(("IFA_LABEL", address.label))
    if parsed.version == 6:
        attributes.append(("IFA_FLAGS", IFA_F_NODAD))
        if address.prefix == parsed.max_prefixlen:
            # No source of our own connections: those would break with the failover (RFC 6724 section 5, rule 3).
            attributes.append(("IFA_CACHEINFO", {"ifa_preferred": 0, "ifa_valid": FOREVER}))
    message["attrs"] = attributes
    return Change(
        f"address {address.address}/{address.prefix} on {device}",
        _packed(message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL),
        _packed(message, RTM_DELADDR),
    )


def _route(route: VirtualRoute, device: str, indices: Mapping[str, int]) -> Change:
    from pyroute2.netlink.rtnl.rtmsg import rtmsg  # noqa: PLC0415

    network = None if route.destination == "default" else ip_network(route.destination, strict=False)
    text = route.via or route.source
    version = network.version if network is not None else ip_address(text).version if text else 4
    message: Any = rtmsg()
    message["family"] = FAMILIES[version]
    message["dst_len"] = network.prefixlen if network is not None else 0
    message["table"] = route.table if 0 < route.table < 256 else MAIN_TABLE if not route.table else 0
    message["proto"] = STATIC
    message["scope"] = UNIVERSE if route.via or version == 6 else LINK_SCOPE
    message["type"] = UNICAST
    attributes: list[tuple[str, Any]] = [("RTA_TABLE", route.table or MAIN_TABLE)]
    if network is not None:
        attributes.append(("RTA_DST", str(network.network_address)))
    if route.via:
        attributes.append(("RTA_GATEWAY", route.via))
    if device:
        attributes.append(("RTA_OIF", _index(device, indices)))
    if route.source:
        attributes.append(("RTA_PREFSRC", route.source))
    if route.metric:
        attributes.append(("RTA_PRIORITY", route.metric))
    message["attrs"] = attributes
    # Without NLM_F_EXCL and NLM_F_REPLACE it comes before another route to the same place, which stays.
    put = _packed(message, RTM_NEWROUTE, NLM_F_CREATE)
    ways = [f"via {route.via}"] * bool(route.via) + [f"on {device}"] * bool(device)
    return Change(" ".join(["route to", route.destination, *ways]), put, _packed(message, RTM_DELROUTE))


def _rule(rule: VirtualRule) -> Change:
    from pyroute2.netlink.rtnl.fibmsg import fibmsg  # noqa: PLC0415

    message: Any = fibmsg()
    message["family"] = FAMILIES[rule.family]
    message["action"] = TO_TABLE
    attributes: list[tuple[str, Any]] = [("FRA_TABLE", rule.table), ("FRA_PRIORITY", rule.priority)]
    for key, attribute, prefix in (("src_len", "FRA_SRC", rule.source), ("dst_len", "FRA_DST", rule.destination)):
        if prefix:
            network = ip_network(prefix, strict=False)
            message[key] = network.prefixlen
            attributes.append((attribute, str(network.network_address)))
    message["attrs"] = attributes
    return Change(
        " ".join(_words(rule)),
        _packed(message, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL),
        _packed(message, RTM_DELRULE),
    )


def _words(rule: VirtualRule) -> Iterable[str]:
    yield f"rule {rule.priority} for table {rule.table}"
    if rule.source:
        yield f"from {rule.source}"
    if rule.destination:
        yield f"to {rule.destination}"


def _packed(message: Any, kind: int, flags: int = 0) -> bytes:
    """Return the message's bytes, to be sent as often as one likes."""
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | flags
    message.encode()
    # What an earlier encoding left behind the message is cut off.
    length = message["header"]["length"]
    return bytes(message.data[:length]) + bytes(-length % 4)
