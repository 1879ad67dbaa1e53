"""What the file may say of a pair of directors: `vrrp`."""

import ipaddress
from dataclasses import dataclass
from typing import Any

from checks.options import Boolean, Choice, Duration, Either, Integer, ListOf, Matching, Record, name_of, option
from healthlb.config.kinds import Address, FilePath, Interface, Name, Place, parse_address, parse_port, refuse_unusable
from healthlb.config.walk import NamedTable

HEAVIEST = 253
"""The largest weight: from priority 1 to 254 (RFC 9568 section 5.2.4)."""
LONGEST_INTERVAL = 40.95
"""Seconds: the 12 bits of centiseconds that an advert has (RFC 9568 section 5.2.7)."""


@dataclass(frozen=True, slots=True)
class WithPrefix:
    """An address with a prefix length, `192.0.2.1/24`; becomes (address, prefix). Without one, all bits count.

    `network`: a network, whose other bits are 0, or `default` where a route may lead everywhere.
    """

    network: bool = False
    default: bool = False

    def parse(self, value: Any) -> tuple[str, int]:
        """Take an address, or a network."""
        if not isinstance(value, str):
            raise ValueError(f"expected an address such as 192.0.2.1/24, found {name_of(value)}")
        if self.default and value == "default":
            return "default", 0
        text, slash, bits = value.partition("/")
        address = parse_address(text, "addresses are numbers")
        longest = 128 if ":" in address else 32
        prefix = parse_port(bits, zero=True) if slash and bits.isdecimal() else longest
        if (slash and not bits.isdecimal()) or prefix > longest:
            raise ValueError(f"{name_of(value)} has no prefix length of 0 to {longest} after the /")
        if self.network:
            return self._network(address, prefix)
        refuse_unusable(address)
        if prefix == 0:
            raise ValueError(f"{name_of(value)} has a prefix length of 0: then every address would be its neighbour")
        return address, prefix

    def _network(self, address: str, prefix: int) -> tuple[str, int]:
        network = ipaddress.ip_network((address, prefix), strict=False)
        if str(network.network_address) != address:
            raise ValueError(f"{address}/{prefix} has bits beyond its prefix; write {network}")
        return address, prefix

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        pattern = {"type": "string", "pattern": r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$"}
        return {"anyOf": [pattern, {"const": "default"}]} if self.default else pattern


@dataclass(frozen=True, slots=True)
class Group:
    """A multicast address."""

    def parse(self, value: Any) -> str:
        """Take an IPv4 or IPv6 multicast address."""
        if not isinstance(value, str):
            raise ValueError(f"expected a multicast address, found {name_of(value)}")
        address = parse_address(value, "groups are addresses")
        if not ipaddress.ip_address(address).is_multicast:
            raise ValueError(f"{address} is no multicast address, such as 224.0.0.81 or ff02::81")
        return address

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "pattern": r"^[0-9A-Fa-f.:]+$"}


PLACE = Place(port=False)
WEIGHT = Integer(-HEAVIEST, HEAVIEST)
WEIGHT_DOC = "Added to the priority: a negative one while down, a positive one while up; default: FAULT while down."


@dataclass(frozen=True, slots=True)
class VirtualAddressSection:
    """A mapping under `addresses` or `addresses_excluded`."""

    address: Any = option(WithPrefix(), "The address, with its prefix length.")
    device: str | None = option(Interface(), "The interface that it is put on; default: the instance's.", None)
    label: Any = option(
        Matching(r"[!-.0-~]{1,15}", "a label of up to 15 characters without spaces and /"),
        "The label that old tools know it by, as eth0:1; default: none.",
        None,
    )


@dataclass(frozen=True, slots=True)
class RouteSection:
    """A mapping under `routes`: a route that the master has (ip-route(8))."""

    destination: Any = option(WithPrefix(network=True, default=True), "The network that it leads to, or default.")
    via: str | None = option(Address(), "The next router; default: the network is on the link.", None)
    device: str | None = option(Interface(), "The interface that it leaves by; default: the instance's.", None)
    source: str | None = option(Address(), "The source address of what takes it; default: the kernel's choice.", None)
    metric: int = option(Integer(0, 2**31 - 1), "The metric; of several routes the lowest is taken.", 0)
    table: int = option(Integer(0, 2**31 - 1), "The routing table, by its number; 0: the main one.", 0)


@dataclass(frozen=True, slots=True)
class RuleSection:
    """A mapping under `rules`: a routing rule that the master has (ip-rule(8))."""

    table: int = option(Integer(1, 2**31 - 1), "The routing table that is asked, by its number.")
    priority: int = option(Integer(1, 2**31 - 1), "Its turn among all rules.")
    source: Any = option(WithPrefix(network=True), "Packets from here; default: from anywhere.", None)
    destination: Any = option(WithPrefix(network=True), "Packets to there; default: to anywhere.", None)


@dataclass(frozen=True, slots=True)
class PeerSection:
    """A mapping under `peers`."""

    address: str = option(Address(), "The peer's address.")
    minimum_ttl: int = option(
        Integer(1, 255), "The least TTL (hop limit) that its adverts may arrive with; 255: none may be routed.", 255
    )


@dataclass(frozen=True, slots=True)
class PreemptSection:
    """A mapping under `preempt`."""

    delay: float = option(Duration(0.0, 1000.0), "How long a lower master is left alone before it is taken over from.")


@dataclass(frozen=True, slots=True)
class AnnounceSection:
    """`announce`: how neighbours are told where the addresses are, by gratuitous ARP and unsolicited NA."""

    repeat: int = option(Integer(1, 100), "How often on becoming MASTER, at once and again after delay.", 5)
    delay: float = option(Duration(0.0, 255.0), "When it is said again; 0: never.", 5.0)
    refresh: float = option(Duration(0.0, 86400.0), "How often a MASTER says it for ever; 0: never.", 0.0)
    refresh_repeat: int = option(Integer(1, 100), "How often in a row each of those times.", 1)


@dataclass(frozen=True, slots=True)
class WeightSection:
    """What becomes of the priority: a weight, or FAULT."""

    weight: int | None = option(
        WEIGHT,
        WEIGHT_DOC,
        None,
    )


@dataclass(frozen=True, slots=True)
class TrackedCheckSection:
    """A mapping under `track.checks`."""

    target: Any = option(PLACE, "The address that is probed, with a port where the check has none of its own.", None)
    weight: int | None = option(
        WEIGHT,
        WEIGHT_DOC,
        None,
    )


@dataclass(frozen=True, slots=True)
class TrackSection:
    """`track`: what the priority follows. A list means FAULT while any of it is down; a mapping has weights."""

    interfaces: Any = option(
        Either((ListOf(Interface()), NamedTable(Record(WeightSection)))),
        "Interfaces beside the instance's own, whose loss is always FAULT.",
        (),
    )
    virtual_servers: Any = option(
        Either((ListOf(Name()), NamedTable(Record(WeightSection)))),
        "Virtual servers; one is down while its pool misses its quorum.",
        (),
    )
    checks: Any = option(
        NamedTable(Record(TrackedCheckSection)), "Checks of this file, each with a target; the key is the check.", ()
    )


ADDRESSES = ListOf(Either((WithPrefix(), Record(VirtualAddressSection))))


@dataclass(frozen=True, slots=True)
class InstanceSection:
    """A mapping under `vrrp.instances`: one virtual router (RFC 9568)."""

    interface: str = option(Interface(), "The interface that it is on.")
    router_id: int = option(Integer(1, 255), "The virtual router's number, the same on both directors.")
    addresses: Any = option(ADDRESSES, "The addresses that the master has; adverts list them.")
    version: int = option(Integer(2, 3), "Of the protocol: 3 (RFC 9568), or 2 (RFC 3768) to meet older peers.", 3)
    priority: int = option(Integer(1, 255), "Who is master: the highest; 255 owns the addresses.", 100)
    interval: float = option(
        Duration(0.01, 255.0), "Between adverts; version 3: 10ms steps up to 40.95s, version 2: whole seconds.", 1.0
    )
    preempt: Any = option(
        Either((Boolean(), Record(PreemptSection))), "Whether it takes over from a master of lower priority.", True
    )
    start_delay: float = option(
        Duration(0.0, 3600.0), "How long after its start it leaves being master to others.", 0.0
    )
    accept: bool = option(
        Boolean(), "Whether packets to the addresses reach programs of this machine, beside IPVS.", True
    )
    source: str | None = option(
        Address(), "The address that adverts come from; default: the interface's primary one.", None
    )
    peers: Any = option(
        ListOf(Either((Address(), Record(PeerSection)))), "Directors that adverts go to; none: multicast.", ()
    )
    check_source: bool = option(Boolean(), "Whether adverts from others than the peers are dropped (unicast).", True)
    addresses_excluded: Any = option(ADDRESSES, "Further addresses of the master that adverts do not list.", ())
    routes: Any = option(ListOf(Record(RouteSection)), "Routes that the master has.", ())
    rules: Any = option(ListOf(Record(RuleSection)), "Routing rules that the master has.", ())
    password: Any = option(
        Matching(r"[!-~]{1,8}", "a password of 1 to 8 ASCII characters"),
        "Version 2's simple-text password, which everybody on the link can read.",
        None,
    )
    password_file: str | None = option(FilePath(), "The file that holds it, instead of password.", None)
    virtual_mac: bool = option(
        Boolean(), "Whether the addresses are on a macvlan of its own with the virtual router's MAC.", False
    )
    announce: Any = option(Record(AnnounceSection), "How neighbours are told of a new master.", AnnounceSection())
    track: Any = option(Record(TrackSection), "What the priority follows.", TrackSection())


@dataclass(frozen=True, slots=True)
class SyncSection:
    """`vrrp.sync`: IPVS's connection sync daemons, by which the peer knows our connections (ipvsadm(8))."""

    interface: str | None = option(Interface(), "The interface that it goes over; default: the instance's.", None)
    instance: str | None = option(Name(), "The instance whose interface and router_id are the defaults.", None)
    id: int | None = option(
        Integer(0, 255), "The sync id, the same on both directors; default: the instance's router_id.", None
    )
    roles: Any = option(
        Choice(("both", "by-state")), "Both at once, or master while MASTER and backup otherwise.", "both"
    )
    group: str = option(Group(), "The multicast group, IPv4 or IPv6.", "224.0.0.81")
    port: int = option(Integer(1, 65535), "The UDP port.", 8848)
    ttl: int = option(Integer(1, 255), "The TTL (hop limit) of sync packets.", 1)
    maximum_length: int | None = option(
        Integer(60, 65507), "Bytes of a sync packet at most; default: as the interface's MTU has room.", None
    )


PEER_URL = Matching(r"https?://[!-~]+", "a URL such as http://192.0.2.3:9480")


@dataclass(frozen=True, slots=True)
class OtherDirectorSection:
    """The mapping `vrrp.peer`."""

    url: str = option(PEER_URL, "Where the other director's status is.")
    ca_file: str | None = option(FilePath(), "The authorities to trust with https (PEM); default: the system's.", None)
    token_file: str | None = option(
        FilePath(), "The file that holds a token to send, for a proxy that asks for one; default: none is sent.", None
    )


@dataclass(frozen=True, slots=True)
class VrrpSection:
    """`vrrp`."""

    instances: Any = option(NamedTable(Record(InstanceSection)), "The virtual routers; the key is the name.", ())
    groups: Any = option(
        NamedTable(ListOf(Name(), minimum=1)), "Instances that change state together, by the name of their group.", ()
    )
    sync: Any = option(Record(SyncSection), "Connection sync.", None)
    checks_deadline: float = option(
        Duration(1.0, 3600.0),
        "How long the director may prove no work before its priorities fall to 1: who cannot see should not be master.",
        30.0,
    )
    peer: Any = option(
        Either((PEER_URL, Record(OtherDirectorSection))),
        "The other director's status (its api.listen), asked before a planned failover; default: none.",
        None,
    )
