"""What the file may say: every section as a record of options, from which both validation and JSON Schema come."""

from dataclasses import dataclass
from typing import Any, ClassVar

from checks.options import Boolean, Choice, Duration, Either, Integer, ListOf, Record, Text, option
from healthlb.config.kinds import Address, FilePath, Interface, Listen, Name, Namespace, Netmask, Place, WholeSeconds
from healthlb.config.walk import NamedTable
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos")
SCHEDULER_FLAGS = ("sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3")
LONGEST_TIMEOUT = 2**31 // 1000 - 1
LONGEST_PERSISTENCE = 31 * 86400
MOST_WEIGHT = 65535
MOST_CONNECTIONS = 2**31 - 1
LATER = ("panic", "slow_start", "drain_timeout", "sorry_server", "on_quorum_lost")


@dataclass(frozen=True, slots=True)
class InlineCheck:
    """A check in its own mapping: the common options and those of its type. `named`: the table's key is its name."""

    named: bool = False


@dataclass(frozen=True, slots=True)
class CheckName(Name):
    """The name of a check in `checks`."""


@dataclass(frozen=True, slots=True)
class TimeoutsSection:
    """`director.ipvs_timeouts`. The kernel refuses more than INT_MAX / HZ seconds (ip_vs_ctl.c, ip_vs_set_timeout)."""

    tcp: int | None = option(WholeSeconds(LONGEST_TIMEOUT), "Established TCP; default: the kernel's own.", None)
    tcp_fin: int | None = option(WholeSeconds(LONGEST_TIMEOUT), "TCP after a FIN; default: the kernel's own.", None)
    udp: int | None = option(WholeSeconds(LONGEST_TIMEOUT), "UDP; default: the kernel's own.", None)


@dataclass(frozen=True, slots=True)
class DirectorSection:
    """`director`."""

    name: str | None = option(Name(), "How this director calls itself; default: the host's name.", None)
    foreign_services: Any = option(
        Choice(("keep", "remove")), "What happens to IPVS services that this file does not list.", "keep"
    )
    on_stop: Any = option(
        Choice(("keep", "drain", "remove")),
        "What a stop leaves in the kernel: all as it is, weights of 0, or nothing.",
        "keep",
    )
    resync: float = option(
        Duration(0.1, 86400.0), "How often the kernel's table is read again, to repair what differs.", 10.0
    )
    state_dir: str | None = option(
        FilePath(),
        "Where state is kept over restarts; default: $STATE_DIRECTORY (systemd), or /var/lib/healthlb.",
        None,
    )
    ipvs_timeouts: Any = option(Record(TimeoutsSection), "Connection timeouts of the whole table.", None)
    sysctl: Any = option(
        Choice(("ignore", "check", "set")), "What is done about sysctls that the file needs, as ip_forward.", "check"
    )


@dataclass(frozen=True, slots=True)
class ApiSection:
    """`api`."""

    listen: Any = option(
        Listen(),
        "Where the page, the status and the metrics are read: an address and port, or unix:/path.",
        Listener(endpoint=Endpoint("127.0.0.1", 9480)),
    )
    admin: Any = option(
        Listen(none=True),
        "Where changes are made: unix:/path, an address and port (with token_file), or none.",
        Listener(path="/run/healthlb/admin.sock"),
    )
    token_file: str | None = option(FilePath(), "The file that holds the token for an admin address on TCP.", None)
    certificate_file: str | None = option(FilePath(), "The certificate chain (PEM) of an admin address on TCP.", None)
    key_file: str | None = option(FilePath(), "The certificate's private key (PEM).", None)


@dataclass(frozen=True, slots=True)
class CommonCheck:
    """The options that every check has, whatever its type."""

    type: Any = option(Name(), "The protocol of the check.", keepalived="the checker's own block", ldirectord="service")
    name: str | None = option(Name(), "The name in the status; default: the type.", None)
    interval: float = option(
        Duration(0.01, 86400.0),
        "From the start of one probe to the start of the next.",
        2.0,
        keepalived="delay_loop",
        ldirectord="checkinterval",
        haproxy="inter",
    )
    timeout: float = option(
        Duration(0.001, 3600.0),
        "How long a whole probe may take. While it lasts no further one starts, so it may exceed the interval.",
        1.0,
        keepalived="connect_timeout",
        ldirectord="checktimeout, negotiatetimeout",
        haproxy="timeout check",
    )
    rise: int = option(Integer(1, 1000), "Passes in a row before the check is up.", 2, haproxy="rise")
    fall: int = option(
        Integer(1, 1000),
        "Failures in a row before the check is down.",
        3,
        keepalived="retry",
        ldirectord="failurecount, checkcount",
        haproxy="fall",
    )
    fast_interval: float | None = option(
        Duration(0.01, 86400.0),
        "The interval while the verdict is turning; default: interval.",
        None,
        keepalived="delay_before_retry",
        haproxy="fastinter",
    )
    down_interval: float | None = option(
        Duration(0.01, 86400.0), "The interval while the check is down; default: interval.", None, haproxy="downinter"
    )
    address: str | None = option(
        Address(),
        "The address that is probed; default: the real server's.",
        None,
        keepalived="connect_ip",
        haproxy="addr",
    )
    port: int | None = option(
        Integer(1, 65535),
        "The port that is probed, where the check has one; default: the real server's.",
        None,
        keepalived="connect_port",
        ldirectord="checkport",
        haproxy="port",
    )
    source: str | None = option(
        Address(),
        "The director's address that probes come from; default: as the kernel routes them.",
        None,
        keepalived="bindto",
        haproxy="source",
    )
    source_port: int | None = option(
        Integer(1, 65535), "The port that probes come from; default: any.", None, keepalived="bind_port"
    )
    interface: str | None = option(
        Interface(),
        "The interface that probes leave by; default: as the kernel routes them.",
        None,
        keepalived="bind_if",
        haproxy="source ... interface",
    )
    fwmark: int | None = option(
        Integer(1, 2**32 - 1), "The firewall mark of a probe's packets; default: none.", None, keepalived="fwmark"
    )
    namespace: str | None = option(
        Namespace(),
        "The network namespace that is probed from: a name (ip-netns(8)) or a path; default: the director's own.",
        None,
        haproxy="namespace",
    )
    log: Any = option(
        Choice(("verdicts", "failures", "all")),
        "Which results are logged: those that turn a verdict, failures too, or all; all keeps what passes saw as well.",
        "verdicts",
        keepalived="log_all_failures",
        haproxy="option log-health-checks",
    )


CHECKS = ListOf(Either((CheckName(), InlineCheck())), single=True, minimum=1)


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


METHOD = Choice(("nat", "dr", "tunnel"))
REQUIRE = Choice(("all", "any"))
ON_FAILURE = Choice(("quiesce", "remove"))
INITIAL = Choice(("wait", "trust"))
INHERITED = "default: the virtual server's"


@dataclass(frozen=True, slots=True)
class RealServerSection:
    """A mapping under `real_servers`; what is None is inherited."""

    later: ClassVar[tuple[str, ...]] = LATER

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


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServerSection:
    """A mapping under `virtual_servers`."""

    later: ClassVar[tuple[str, ...]] = LATER

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
    real_servers: Any = option(
        ListOf(Either((Place(port=False), Record(RealServerSection)))), "The pool: addresses, or mappings with options."
    )


@dataclass(frozen=True, slots=True)
class FileSection:
    """A whole file."""

    later: ClassVar[tuple[str, ...]] = ("vrrp", "notifiers")

    include: Any = option(ListOf(Text()), "Further files, by path or pattern, relative to this one.", ())
    director: Any = option(Record(DirectorSection), "The director itself.", DirectorSection())
    api: Any = option(Record(ApiSection), "Where HTTP is served.", ApiSection())
    checks: Any = option(NamedTable(InlineCheck(named=True)), "Checks that virtual and real servers name.", ())
    virtual_servers: Any = option(
        NamedTable(Record(VirtualServerSection)), "The virtual servers; the key is the name.", ()
    )
