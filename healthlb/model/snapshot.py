"""The exported view: what the director knows at one moment, immutable, for every reader. Times are UNIX seconds."""

from dataclasses import dataclass, field
from typing import Literal

from healthlb.model.config import FlapDamping, Initial, OnFailure, Origin, Quorum
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.evidence import SeenProbe
from healthlb.model.health import Feedback, Health, Require, Schedule
from healthlb.model.overrides import Addition, Override, Removal
from healthlb.model.pool_state import PoolState
from healthlb.model.table import Method, Service
from healthlb.model.vrrp_status import PairStatus

Admin = Literal["enabled", "draining", "drained", "disabled"]


@dataclass(frozen=True, slots=True)
class LastProbe:
    """The latest run of a check: when it ended, what it said, and how long it took in seconds."""

    at: float
    passed: bool
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CheckStatus:
    """One check on one real server. `unsent_total` counts probes that the director itself could not send.

    `unsent_reason` says why the latest one could not be, and is empty where it was sent.

    `feedback` is what the server said of itself so far, None where it never did. `warning` is what the latest pass
    warned of. `last_failure` stays after a recovery; `last_pass` is kept where the check's `log` is `all`.

    `recent` are the latest results, at most 60, the newest last: `1` passed, `0` failed.

    `target` is where it is probed, in words. `passing`: the results of the streak passed. `next_at` is when the next
    probe is due, or was where it is under way.
    """

    name: str
    type: str
    health: Health
    last: LastProbe | None
    streak: int
    passed_total: int = 0
    failed_total: int = 0
    unsent_total: int = 0
    feedback: Feedback | None = None
    warning: str = ""
    last_failure: SeenProbe | None = None
    last_pass: SeenProbe | None = None
    unsent_reason: str = ""
    schedule: Schedule | None = None
    recent: str = ""
    target: str = ""
    passing: bool = False
    next_at: float | None = None


@dataclass(frozen=True, slots=True)
class Weight:
    """The configured weight, the one that the policy wants (None: not in the table), and the one in the kernel.

    `chain` tells how the configured one became the one that is wanted, a step each (`core.weight`).
    """

    configured: int
    effective: int | None
    kernel: int | None
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides over a real server beside its checks, as `model.config.RealServer` has it. Times are seconds."""

    require: Require = "all"
    on_failure: OnFailure = "quiesce"
    initial: Initial = "wait"
    slow_start: float = 0.0
    flap_damping: FlapDamping | None = None


NO_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Turns:
    """What policy remembers of a real server: when its verdict turned (0: not yet), and when it recovered, if it did.

    `recent`, `level` and `held_until` are those of `core.flapping.Flaps`.
    """

    turned_at: float = 0.0
    recovered_at: float | None = None
    recent: tuple[float, ...] = ()
    level: int = 0
    held_until: float | None = None


NO_TURNS = Turns()


@dataclass(frozen=True, slots=True)
class RealServerStatus:
    """One real server of one virtual server, with its kernel row's usage (None: no row).

    `admin`: a drained server is meant to have no new connections; while it is draining it still has some open. A
    disabled one is out of the table by an operator's word. `overrides` are the operators' that cover it.
    `pooled_but_down`: the panic floor keeps it. `held_until`: it is held down for flapping. `ramp`: the share of its
    weight that slow start lets it have, above 0 and below 1, else None. With `policy` and `turns` a reader can reckon
    what becomes of it, as `core.policy` does.
    """

    name: str
    address: Endpoint
    method: Method
    health: Health
    admin: Admin
    since: float
    weight: Weight
    usage: Usage | None
    checks: tuple[CheckStatus, ...]
    origin: Origin = "file"
    overrides: tuple[Override, ...] = ()
    pooled_but_down: bool = False
    held_until: float | None = None
    ramp: float | None = None
    policy: Policy = NO_POLICY
    turns: Turns = NO_TURNS


@dataclass(frozen=True, slots=True)
class LeavingStatus:
    """A server that is no longer in the pool and whose row stays with weight 0, `until` at the latest.

    `method` and `weight` are the row's, None where there is no row.
    """

    address: Endpoint
    until: float
    usage: Usage | None
    method: Method | None = None
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class QuorumStatus:
    """The quorum that is wanted, the live weight that there is, and whether it is met."""

    wanted: Quorum
    live_weight: int
    met: bool


@dataclass(frozen=True, slots=True)
class VirtualServerStatus:
    """One virtual server with its pool; `usage` sums connections over the pool and takes traffic from the service.

    It is None where the table has no such service. `since` is when it came into its state.
    """

    name: str
    service: Service
    method: Method
    state: PoolState
    quorum: QuorumStatus
    sorry_server_active: bool
    usage: Usage | None
    real_servers: tuple[RealServerStatus, ...]
    panic: float = 0.0
    sorry_servers: tuple[RealServerStatus, ...] = ()
    leaving: tuple[LeavingStatus, ...] = ()
    removed: tuple[Removal, ...] = ()
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many values were at most each of `bounds`, and above the one before; the last of `counts` is of the rest."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


NO_VALUES = Distribution((), (0,), 0.0)


@dataclass(frozen=True, slots=True)
class TableStatus:
    """How true the table is: the operations that fail now are listed with the kernel's reason.

    `done` and `refused` count the operations of each kind (`model.operations.KINDS`), and `passes` are how long the
    passes over the table took, in seconds.

    `version` is that of the kernel's IPVS, and `slots` the size of its table of connections; empty and 0 before the
    first look at it.
    """

    backend: str
    in_sync: bool
    last_resync_at: float | None
    drift_repaired_total: int
    operations_total: int
    failed_operations_total: int
    failing: tuple[str, ...] = ()
    done: tuple[tuple[str, int], ...] = ()
    refused: tuple[tuple[str, int], ...] = ()
    passes: Distribution = NO_VALUES
    version: str = ""
    slots: int = 0


@dataclass(frozen=True, slots=True)
class ConfigStatus:
    """The configuration in force, and why the newest reload was refused if it was.

    `max_reload_change` is the share of the live weight, in percent, that the next reload may take out.
    `metrics_per_real_server`: the metrics have series of single real servers.
    """

    path: str
    sha256: str
    loaded_at: float
    refused: str | None = None
    max_reload_change: float = 100.0
    metrics_per_real_server: bool = True


@dataclass(frozen=True, slots=True)
class SocketCounts:
    """The sockets of probes: those that are open, those among them that are kept for the next, and what was done.

    `waits_total` counts probes that had to wait for a socket or a local port.
    """

    open: int = 0
    kept: int = 0
    opened_total: int = 0
    reset_total: int = 0
    waits_total: int = 0


@dataclass(frozen=True, slots=True)
class CheckTotals:
    """All probes of the checks of one name and type, each counted once however many virtual servers rest on it.

    `lateness` is that of starts and `durations` are those of whole probes that were sent, both in seconds.
    """

    name: str
    type: str
    passed_total: int
    failed_total: int
    unsent_total: int
    void_total: int
    lateness: Distribution = NO_VALUES
    durations: Distribution = NO_VALUES


@dataclass(frozen=True, slots=True)
class ProbingStatus:
    """The prober's own account: targets, probes under way, and starts that came late by more than the tick.

    `waiting` probes are due and wait because as many as may be are under way, or for a socket or a local port.
    `void_total` counts probes that ended without a verdict because the director was late. `loop_lag` is the lateness of
    the loop in seconds, and `checks` are the checks of each name and type.
    """

    probes: int
    in_flight: int
    late_total: int
    unsent_total: int
    void_total: int = 0
    waiting: int = 0
    loop_lag: Distribution = NO_VALUES
    checks: tuple[CheckTotals, ...] = ()
    sockets: SocketCounts = SocketCounts()


@dataclass(frozen=True, slots=True)
class StateStatus:
    """What outlives a restart: where it is kept (empty: nowhere), when it was saved, and why it cannot be."""

    path: str = ""
    saved_at: float | None = None
    failing: str = ""


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """The event journal: events so far, those that could not be kept, and why it cannot be written."""

    path: str = ""
    events_total: int = 0
    dropped_total: int = 0
    failing: str = ""


@dataclass(frozen=True, slots=True)
class NotifierStatus:
    """One notifier: messages that wait, were delivered, failed for good, and were dropped for want of room."""

    name: str
    type: str
    waiting: int
    sent_total: int
    failed_total: int
    dropped_total: int
    failing: str = ""


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """One listener of HTTP, by its key in the `api` section: connections and streams open, answers by status code.

    `refused_total` counts connections that came when there was no room, and `cut_total` those that took too long.
    """

    name: str
    connections: int = 0
    streams: int = 0
    refused_total: int = 0
    cut_total: int = 0
    answers: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """The process as the kernel accounts for it; sizes in bytes, times in seconds, `started_at` in UNIX seconds.

    `collections` are the runs of Python's garbage collector, by generation.
    """

    cpu_seconds: float = 0.0
    resident_bytes: int = 0
    virtual_bytes: int = 0
    open_descriptors: int = 0
    most_descriptors: int = 0
    threads: int = 0
    started_at: float = 0.0
    python: str = ""
    collections: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DirectorStatus:
    """The director itself.

    `overrides` are all that are in force, also those that cover no server now, and `additions` all servers that were
    added at run time, also those that find no place in the configuration now. `events` counts those that there were,
    by name.
    """

    name: str
    version: str
    started_at: float
    config: ConfigStatus
    table: TableStatus
    probing: ProbingStatus
    warnings: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    state: StateStatus = StateStatus()
    journal: JournalStatus = JournalStatus()
    notifiers: tuple[NotifierStatus, ...] = ()
    additions: tuple[Addition, ...] = ()
    events: tuple[tuple[str, int], ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()
    process: ProcessStatus = ProcessStatus()


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Snapshot:
    """Everything at once. `ready`: every check has its first verdict and the table is in sync.

    `work` is the seconds that making it took of whoever made it. `pair` is None where the file has no `vrrp`.
    """

    taken_at: float
    ready: bool
    director: DirectorStatus
    virtual_servers: tuple[VirtualServerStatus, ...]
    work: float = field(default=0.0, compare=False)
    pair: PairStatus | None = None
