"""What the file may say: every section as a record of options, from which both validation and JSON Schema come.

Those of checks are in `check_sections`, those of virtual servers and their pools in `server_sections`.
"""

from dataclasses import dataclass
from typing import Any

from checks.options import Boolean, Choice, Duration, Integer, ListOf, Record, Text, option
from healthlb.config.check_sections import InlineCheck
from healthlb.config.kinds import FilePath, Listen, Name, Percent, WholeSeconds
from healthlb.config.notifier_options import InlineNotifier
from healthlb.config.server_sections import VirtualServerSection
from healthlb.config.vrrp_sections import VrrpSection
from healthlb.config.walk import NamedTable
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint

LONGEST_TIMEOUT = 2**31 // 1000 - 1


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
    state_max_age: float = option(
        Duration(), "How old saved verdicts may be to be taken up by a start; older ones are forgotten.", 300.0
    )
    max_reload_change: float = option(
        Percent(), "The share of all live weight that a reload may take out unless it is forced.", 100.0
    )
    watch: bool = option(Boolean(), "Reloads by itself when this file or one that it includes changes.", default=False)
    keep_events: int = option(
        Integer(1_000, 10_000_000), "How many events the journal keeps; the oldest go first.", 100_000
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
    metrics_per_real_server: bool = option(
        Boolean(), "Whether /metrics has series of every real server and its checks, or of virtual servers only.", True
    )


@dataclass(frozen=True, slots=True)
class FileSection:
    """A whole file."""

    include: Any = option(ListOf(Text()), "Further files, by path or pattern, relative to this one.", ())
    director: Any = option(Record(DirectorSection), "The director itself.", DirectorSection())
    api: Any = option(Record(ApiSection), "Where HTTP is served.", ApiSection())
    checks: Any = option(NamedTable(InlineCheck(named=True)), "Checks that virtual and real servers name.", ())
    virtual_servers: Any = option(
        NamedTable(Record(VirtualServerSection)), "The virtual servers; the key is the name.", ()
    )
    notifiers: Any = option(NamedTable(InlineNotifier()), "Who is told of events; the key is the name.", ())
    vrrp: Any = option(Record(VrrpSection), "The pair of directors: VRRP and connection sync.", None)
