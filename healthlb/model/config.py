"""What the operator declared, after every default and name is resolved. Durations are float seconds."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from healthlb.model.check import Probe
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Require
from healthlb.model.notifiers import Notifier
from healthlb.model.table import Method, Service, Timeouts
from healthlb.model.vrrp import Vrrp

OnFailure = Literal["quiesce", "remove"]
Initial = Literal["wait", "trust"]
Origin = Literal["file", "runtime"]


@dataclass(frozen=True, slots=True)
class FlapDamping:
    """A server that turns more than `changes` times within `window` seconds is held down for `hold` seconds.

    Each time that it happens again it is held for twice as long, for `longest` seconds at most.
    """

    changes: int
    window: float = 600.0
    hold: float = 60.0
    longest: float = 1800.0


@dataclass(frozen=True, slots=True)
class RealServer:
    """One server of a pool, with everything that it inherits from its virtual server filled in.

    `slow_start` is how many seconds a recovered server takes to climb to its weight. `drain_timeout` is how long the
    row of a server that leaves the pool stays with weight 0, for its connections. `origin` says who listed it.
    """

    name: str
    address: Endpoint
    method: Method
    probes: tuple[Probe, ...]
    weight: int = 1
    upper_threshold: int = 0
    lower_threshold: int = 0
    require: Require = "all"
    on_failure: OnFailure = "quiesce"
    initial: Initial = "wait"
    slow_start: float = 0.0
    drain_timeout: float = 0.0
    flap_damping: FlapDamping | None = None
    origin: Origin = "file"


@dataclass(frozen=True, slots=True)
class Quorum:
    """Live weight that a pool wants, and by how much it must be passed to be gained or missed to be lost."""

    up: int = 1
    hysteresis: int = 0


@dataclass(frozen=True, slots=True)
class VirtualServer:
    """One virtual server: the kernel's service, and the real servers behind it in the file's order.

    `panic` is the share of configured weight, in percent, below which nothing is taken out. `sorry_servers` stand in
    for the pool while it is below its quorum; one without probes is believed to be up. `on_quorum_lost` names
    notifiers. `pattern` is what real servers added at run time inherit, for whoever reads configurations.
    """

    name: str
    service: Service
    method: Method
    real_servers: tuple[RealServer, ...]
    quorum: Quorum = Quorum()
    panic: float = 0.0
    sorry_servers: tuple[RealServer, ...] = ()
    on_quorum_lost: tuple[str, ...] = ()
    pattern: Hashable = None


@dataclass(frozen=True, slots=True)
class Director:
    """The settings of the director itself.

    `state_max_age` is for how many seconds saved verdicts are worth taking up. `max_reload_change` is the share of
    live weight, in percent, that a reload may take out. `watch`: reload by itself when a file changes. `keep_events` is
    how many events the journal holds.
    """

    name: str
    foreign_services: Literal["keep", "remove"] = "keep"
    on_stop: Literal["keep", "drain", "remove"] = "keep"
    resync: float = 10.0
    state_dir: str = "/var/lib/healthlb"
    ipvs_timeouts: Timeouts | None = None
    sysctl: Literal["ignore", "check", "set"] = "check"
    state_max_age: float = 300.0
    max_reload_change: float = 100.0
    watch: bool = False
    keep_events: int = 100_000


@dataclass(frozen=True, slots=True)
class Listener:
    """Where HTTP is served: a TCP endpoint, or a UNIX socket when `path` is set."""

    endpoint: Endpoint | None = None
    path: str | None = None

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path is not None else str(self.endpoint)


@dataclass(frozen=True, slots=True)
class Api:
    """The read-only listener and the one that changes things; on TCP, `admin` has a token, and TLS off loopback.

    `metrics_per_real_server`: the metrics have series of single real servers.
    """

    listen: Listener
    admin: Listener | None
    token_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    metrics_per_real_server: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """A whole file, its includes merged. `sha256` is of the text that was read, all files together.

    `named` are the checks of its `checks` section, for real servers that are added at run time.
    """

    director: Director
    api: Api
    virtual_servers: Mapping[str, VirtualServer]
    path: str = ""
    sha256: str = ""
    notifiers: Mapping[str, Notifier] = field(default_factory=dict)
    named: Mapping[str, Hashable] = field(default_factory=dict)
    vrrp: Vrrp | None = None

    def summary(self) -> str:
        """Return how much there is, `1 virtual server, 2 real servers`."""
        servers = sum(len(pool.real_servers) for pool in self.virtual_servers.values())
        return f"{_counted(len(self.virtual_servers), 'virtual server')}, {_counted(servers, 'real server')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
