"""What is known of the pair at one moment, for every reader. Times are UNIX seconds, durations seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from healthlb.model.vrrp import SyncRole, VrrpState


@dataclass(frozen=True, slots=True)
class TrackStatus:
    """Something tracked: `kind` is interface, virtual_server or check; `weight` None means FAULT while it is down."""

    kind: str
    name: str
    up: bool
    weight: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """One instance. `master` is the address of the current master, ours while MASTER, empty while nobody is known.

    `faults` say why it is in FAULT, `yielded` that it was handed over, `yielded_by` and `yielded_at` by whom
    (empty: not known) and when, which the director adds; `dropped` counts adverts by reason.
    `interval` is the master's, as learned. `split_brain` says what was seen of another master while we are one.
    """

    name: str
    state: VrrpState
    interface: str
    router_id: int
    version: int
    configured_priority: int
    effective_priority: int
    addresses: tuple[str, ...]
    since: float
    master: str = ""
    master_priority: int = 0
    interval: float = 1.0
    faults: tuple[str, ...] = ()
    tracked: tuple[TrackStatus, ...] = ()
    yielded: bool = False
    yielded_by: str = ""
    yielded_at: float = 0.0
    split_brain: str = ""
    group: str = ""
    became_master_total: int = 0
    adverts_sent_total: int = 0
    adverts_received_total: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """One of the kernel's sync daemons, as the kernel shows it.

    `last_packet_at`: when the peer's packets were last seen on the wire (None: never, and for the master's role).
    """

    role: SyncRole
    interface: str
    id: int
    running: bool
    wanted: bool = True
    last_packet_at: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SpeakerStatus:
    """The process that speaks VRRP.

    `lateness` are seconds that adverts went out late in the last minute: median, 99th percentile, worst.
    """

    running: bool
    pid: int = 0
    since: float = 0.0
    restarts_total: int = 0
    real_time: bool = False
    memory_locked: bool = False
    lateness: tuple[float, float, float] = (0.0, 0.0, 0.0)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PairStatus:
    """Everything of the pair: instances in the file's order, sync daemons, the speaker (None: nothing to speak)."""

    instances: tuple[InstanceStatus, ...] = ()
    sync: tuple[SyncStatus, ...] = ()
    speaker: SpeakerStatus | None = None
