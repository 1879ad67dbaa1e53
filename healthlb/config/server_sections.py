"""What the file may say of virtual servers and their pools."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from checks.options import Boolean, Choice, Duration, Either, Integer, ListOf, Record, option
from healthlb.config.check_sections import CHECKS
from healthlb.config.kinds import Name, Netmask, Percent, Place, WholeSeconds

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos")
SCHEDULER_FLAGS = ("sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3")
LONGEST_PERSISTENCE = 31 * 86400
MOST_WEIGHT = 65535
MOST_CONNECTIONS = 2**31 - 1
LONGEST_DRAIN = 7 * 86400.0
OF_THE_SERVICE = "protocol", "fwmark", "family", "scheduler", "scheduler_flags", "persistence", "one_packet"
OF_THE_POOL = "quorum", "panic", "sorry_server", "on_quorum_lost"
MISPLACED = dict.fromkeys((*OF_THE_SERVICE, *OF_THE_POOL), "is of the whole pool; set it on the virtual server")


class NotifierName(Name):
    """The name of a notifier in `notifiers`."""


@dataclass(frozen=True, slots=True)
class TunnelSection:
    """`tunnel`: how the packets of method tunnel are wrapped (ipvsadm(8), --tun-type)."""

    type: Any = option(Choice(("ipip", "gue", "gre")), "The wrapping.", "ipip")
    port: int | None = option(Integer(1, 65535), "The UDP port that gue packets are sent to.", None)
    checksum: Any = option(
        Choice(("none", "csum", "remcsum")),
        "The checksum of the wrapping: csum for gue and gre, remcsum for gue.",
        "none",
    )


@dataclass(frozen=True, slots=True)
class PersistenceSection:
    """`persistence`: one client stays with one real server (ipvsadm(8), -p, -M and --pe)."""

    timeout: int = option(
        WholeSeconds(LONGEST_PERSISTENCE), "How long a client without connections is remembered.", 300
    )
    netmask: Any = option(
        Netmask(), "Clients within one netmask (or prefix length) count as one; default: each address.", None
    )
    engine: Any = option(Choice(("sip",)), "Tells clients apart by SIP Call-ID; UDP only.", None)


@dataclass(frozen=True, slots=True)
class QuorumSection:
    """`quorum`, in live weight, as keepalived means it: gained at up + hysteresis, lost below up - hysteresis."""

    up: int = option(Integer(1), "The live weight that the pool wants.", 1)
    hysteresis: int = option(Integer(0), "By how much it must be passed or missed; less than up.", 0)


@dataclass(frozen=True, slots=True)
class FlapDampingSection:
    """`flap_damping`: a server that changes its mind too often is held down for a while, longer each time."""

    changes: int = option(Integer(1, 1000), "How often it may turn within the window before it is held down.", 6)
    window: float = option(Duration(1.0, 86400.0), "The window in which it is counted.", 600.0)
    hold: float = option(
        Duration(1.0, 86400.0), "How long it is held down the first time, twice as long the next.", 60.0
    )
    longest: float = option(Duration(1.0, 7 * 86400.0), "How long it is held down at most.", 1800.0)


METHOD = Choice(("nat", "dr", "tunnel"))
REQUIRE = Choice(("all", "any"))
ON_FAILURE = Choice(("quiesce", "remove"))
INITIAL = Choice(("wait", "trust"))
SLOW_START = Duration(0.0, 86400.0)
DRAIN_TIMEOUT = Duration(0.0, LONGEST_DRAIN)
FLAP_DAMPING = Either((Choice(("none",)), Record(FlapDampingSection)))
INHERITED = "default: the virtual server's"


@dataclass(frozen=True, slots=True)
class RealServerSection:
    """A mapping under `real_servers`; what is None is inherited."""

    refused: ClassVar[Mapping[str, str]] = MISPLACED

    address: Any = option(Place(port=False), "The address, with a port unless it is the virtual server's.")
    name: str | None = option(Name(), "The name, unique in the pool; default: address:port.", None)
    weight: int | None = option(Integer(0, MOST_WEIGHT), f"The weight; {INHERITED}.", None)
    method: Any = option(METHOD, f"The forwarding method; {INHERITED}.", None)
    tunnel: Any = option(Record(TunnelSection), f"How tunnelled packets are wrapped; {INHERITED}.", None)
    check: Any = option(CHECKS, f"A check's name, a check, or a list of both; {INHERITED}.", None)
    require: Any = option(REQUIRE, f"Whether all checks must pass or any; {INHERITED}.", None)
    on_failure: Any = option(ON_FAILURE, f"What a failure does to the kernel's row; {INHERITED}.", None)
    initial: Any = option(INITIAL, f"Whether it waits for its first verdict; {INHERITED}.", None)
    upper_threshold: int | None = option(
        Integer(0, MOST_CONNECTIONS), f"Connections from which it gets no new ones, 0 for no limit; {INHERITED}.", None
    )
    lower_threshold: int | None = option(
        Integer(0, MOST_CONNECTIONS), f"Connections below which it gets new ones again; {INHERITED}.", None
    )
    slow_start: float | None = option(
        SLOW_START, f"How long it climbs to its weight once recovered; {INHERITED}.", None
    )
    drain_timeout: float | None = option(
        DRAIN_TIMEOUT, f"How long its row stays for its connections when it leaves the pool; {INHERITED}.", None
    )
    flap_damping: Any = option(FLAP_DAMPING, f"When its flapping has it held down, or none; {INHERITED}.", None)


@dataclass(frozen=True, slots=True)
class SorryServerSection:
    """A mapping under `sorry_server`: a real server of a pool that stands in for the pool."""

    refused: ClassVar[Mapping[str, str]] = {
        **MISPLACED,
        "slow_start": "is for real servers; a sorry server has its weight at once",
        "flap_damping": "is for real servers; a sorry server is never held down",
        "sorry_server": "is for real servers; a sorry server has none of its own",
    }
    slow_start: ClassVar[None] = None
    flap_damping: ClassVar[None] = None

    address: Any = option(Place(port=False), "The address, with a port unless it is the virtual server's.")
    name: str | None = option(Name(), "The name, unique in the pool; default: address:port.", None)
    weight: int | None = option(Integer(0, MOST_WEIGHT), "The weight among the sorry servers; default: 1.", None)
    method: Any = option(METHOD, f"The forwarding method; {INHERITED}.", None)
    tunnel: Any = option(Record(TunnelSection), f"How tunnelled packets are wrapped; {INHERITED}.", None)
    check: Any = option(CHECKS, "A check's name, a check, or a list of both; default: none, it is believed up.", None)
    require: Any = option(REQUIRE, "Whether all checks of a list must pass or any; default: all.", None)
    on_failure: Any = option(ON_FAILURE, f"What a failure does to the kernel's row; {INHERITED}.", None)
    initial: Any = option(INITIAL, "Whether it waits for its first verdict; default: wait.", None)
    upper_threshold: int | None = option(
        Integer(0, MOST_CONNECTIONS), "Connections from which it gets no new ones; default: no limit.", None
    )
    lower_threshold: int | None = option(
        Integer(0, MOST_CONNECTIONS), "Connections below which it gets new ones again; default: 0.", None
    )
    drain_timeout: float | None = option(
        DRAIN_TIMEOUT, f"How long its row stays for its connections when it stands down; {INHERITED}.", None
    )


POOLED = Either((Place(port=False), Record(RealServerSection)))
STANDING_IN = ListOf(Either((Place(port=False), Record(SorryServerSection))), single=True, minimum=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServerSection:
    """A mapping under `virtual_servers`."""

    address: Any = option(Place(), "The address and port that clients use; port 0 for all, with persistence.", None)
    fwmark: int | None = option(Integer(1, 2**32 - 1), "The firewall mark, in the place of an address.", None)
    family: Any = option(Choice(("inet", "inet6")), "The address family of a firewall mark; default: inet.", None)
    protocol: Any = option(
        Choice(("tcp", "udp", "sctp")), "The protocol; default: tcp. A firewall mark has none.", None
    )
    scheduler: Any = option(Choice(SCHEDULERS), "How the kernel chooses a real server (ipvsadm(8), -s).", "wlc")
    scheduler_flags: Any = option(ListOf(Choice(SCHEDULER_FLAGS)), "The scheduler's flags (ipvsadm(8), -b).", ())
    method: Any = option(METHOD, "The forwarding method.", "nat")
    tunnel: Any = option(Record(TunnelSection), "How the packets of method tunnel are wrapped; default: ipip.", None)
    persistence: Any = option(Record(PersistenceSection), "Keeps a client with its real server; default: off.", None)
    one_packet: bool = option(Boolean(), "Schedules each UDP packet by itself.", default=False)
    check: Any = option(
        CHECKS, "A check's name, a check, or a list of both; default: a TCP connection to the real server's port.", None
    )
    require: Any = option(REQUIRE, "Whether all checks of a list must pass or any.", "all")
    on_failure: Any = option(
        ON_FAILURE, "What a failure does: quiesce sets weight 0, remove deletes the row.", "quiesce"
    )
    initial: Any = option(INITIAL, "Whether a real server waits for `rise` passes or is trusted at once.", "wait")
    weight: int = option(Integer(0, MOST_WEIGHT), "The weight of real servers that give none.", 1)
    upper_threshold: int = option(Integer(0, MOST_CONNECTIONS), "Connections a real server may hold; 0: no limit.", 0)
    lower_threshold: int = option(
        Integer(0, MOST_CONNECTIONS), "Connections below which an overloaded real server gets new ones.", 0
    )
    quorum: Any = option(Record(QuorumSection), "The live weight that the pool wants.", QuorumSection())
    panic: float = option(Percent(), "The share of configured weight below which failing servers stay pooled.", 0.0)
    slow_start: float = option(
        SLOW_START, "How long a recovered real server climbs to its weight; 0s: not at all.", 0.0
    )
    drain_timeout: float = option(
        DRAIN_TIMEOUT, "How long the row of a server that leaves the pool stays, with weight 0; 0s: not at all.", 0.0
    )
    flap_damping: Any = option(
        FLAP_DAMPING, "When a real server is held down for changing too often; default: none.", "none"
    )
    sorry_server: Any = option(
        STANDING_IN, "What stands in while the quorum is lost: a server, or a list of them.", None
    )
    on_quorum_lost: Any = option(
        ListOf(NotifierName(), single=True), "Notifiers that are told when the quorum is lost and regained.", ()
    )
    real_servers: Any = option(ListOf(POOLED), "The pool: addresses, or mappings with options.")
