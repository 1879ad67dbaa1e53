"""Pairs of directors: what the operator declared of VRRP and of connection sync, every default filled in.

Durations are float seconds, addresses normalised text without a prefix length unless `prefix` stands beside them.
Words are those of keepalived and RFC 9568, whose "Active" is MASTER here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from healthlb.model.check import Probe

VrrpState = Literal["INIT", "BACKUP", "MASTER", "FAULT"]
Family = Literal[4, 6]
SyncRole = Literal["master", "backup"]
OWNER = 255
"""The priority of the router that owns the addresses (RFC 9568 section 5.2.4)."""


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """An address that the master has. `device` is empty for the instance's own interface, `label` for none."""

    address: str
    prefix: int
    device: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class VirtualRoute:
    """A route that the master has; `destination` with a prefix length, or `default`. `table` 0: the main one."""

    destination: str
    via: str = ""
    device: str = ""
    source: str = ""
    metric: int = 0
    table: int = 0


@dataclass(frozen=True, slots=True)
class VirtualRule:
    """A routing rule that the master has; `source` and `destination` with prefix lengths, empty for any."""

    table: int
    priority: int
    source: str = ""
    destination: str = ""
    family: Family = 4


@dataclass(frozen=True, slots=True)
class Peer:
    """A director that adverts are sent to by unicast, and the least TTL or hop limit that its own may arrive with."""

    address: str
    minimum_ttl: int = 255


@dataclass(frozen=True, slots=True)
class Announcing:
    """How the neighbours are told where an address is now, by gratuitous ARP and unsolicited NA.

    `repeat` announcements at once on becoming MASTER and `repeat` more after `delay`; then `refresh_repeat` every
    `refresh` (0: never).
    """

    repeat: int = 5
    delay: float = 5.0
    refresh: float = 0.0
    refresh_repeat: int = 1


@dataclass(frozen=True, slots=True)
class Tracked:
    """Something that the priority follows: `weight` is added while it is down if negative, while it is up if positive.

    None: the instance is in FAULT while it is down.
    """

    name: str
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class TrackedCheck:
    """A check of the file on a target of its own, tracked as `tracked` says."""

    tracked: Tracked
    probe: Probe


@dataclass(frozen=True, slots=True)
class Track:
    """What the priority of an instance follows; `virtual_servers` are down while their pool misses its quorum."""

    interfaces: tuple[Tracked, ...] = ()
    virtual_servers: tuple[Tracked, ...] = ()
    checks: tuple[TrackedCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class VrrpInstance:
    """One virtual router. `family` is that of `addresses`, which adverts list; `excluded` ones they do not.

    `interval` is the Advertisement_Interval, `source` the address adverts come from (empty: the interface's primary
    one), `peers` empty for multicast. `preempt_delay` counts from a lower master's first advert, `start_delay` from
    start. `password` is VRRPv2's simple text, at most 8 bytes. `mac`: the addresses are on a macvlan with the virtual
    router's own MAC. `accept`: the master accepts packets to addresses that it does not own.
    """

    name: str
    interface: str
    router_id: int
    family: Family
    addresses: tuple[VirtualAddress, ...]
    version: Literal[2, 3] = 3
    priority: int = 100
    interval: float = 1.0
    preempt: bool = True
    preempt_delay: float = 0.0
    start_delay: float = 0.0
    accept: bool = True
    source: str = ""
    peers: tuple[Peer, ...] = ()
    check_source: bool = True
    excluded: tuple[VirtualAddress, ...] = ()
    routes: tuple[VirtualRoute, ...] = ()
    rules: tuple[VirtualRule, ...] = ()
    password: str = field(default="", repr=False)
    password_file: str = ""
    mac: bool = False
    announcing: Announcing = Announcing()
    track: Track = Track()


@dataclass(frozen=True, slots=True)
class ConnectionSync:
    """IPVS's own sync daemons (ipvsadm(8), --start-daemon). `instance` is empty where roles follow no instance.

    `by_role`: only the role that the instance is in; else both at once, always. `maximum_length` 0: the kernel's own.
    """

    interface: str
    id: int
    instance: str = ""
    by_role: bool = False
    group: str = "224.0.0.81"
    port: int = 8848
    ttl: int = 1
    maximum_length: int = 0


@dataclass(frozen=True, slots=True)
class SyncDaemon:
    """One of IPVS's sync daemons, as the kernel is told and tells (ip_vs.h, struct ipvs_sync_daemon_cfg)."""

    role: SyncRole
    interface: str
    id: int
    group: str = "224.0.0.81"
    port: int = 8848
    ttl: int = 1
    maximum_length: int = 0


@dataclass(frozen=True, slots=True)
class Vrrp:
    """Everything of `vrrp`. `groups` name instances that change state together.

    `checks_deadline`: when the director's process has proved no work for so long, every priority falls to 1 until it
    does again. `peer_url` is the other director's status endpoint (its `api.listen`), empty for none; with https
    `peer_ca_file` is trusted instead of the system's authorities, and `peer_token_file` holds a token to send.
    """

    instances: Mapping[str, VrrpInstance] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sync: ConnectionSync | None = None
    checks_deadline: float = 30.0
    peer_url: str = ""
    peer_ca_file: str = ""
    peer_token_file: str = ""
