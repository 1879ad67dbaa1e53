"""What has happened, past tense: one event is one line of the log, with its evidence."""

from dataclasses import dataclass

from healthlb.model.evidence import Evidence
from healthlb.model.operations import Operation
from healthlb.model.pool_state import PoolState
from healthlb.model.vrrp_events import PairEvent


@dataclass(frozen=True, slots=True)
class RealServerUp:
    """A real server's verdict turned UP, with the check and the reason of the last of `streak` results in a row.

    `saw` is all that its probe saw, where that was kept.
    """

    virtual_server: str
    real_server: str
    check: str
    reason: str
    streak: int
    saw: Evidence | None = None


@dataclass(frozen=True, slots=True)
class RealServerDown:
    """A real server's verdict turned DOWN, told as in RealServerUp; `evidence` is what the last probe saw, in short."""

    virtual_server: str
    real_server: str
    check: str
    reason: str
    streak: int
    evidence: str = ""
    saw: Evidence | None = None


@dataclass(frozen=True, slots=True)
class RealServerWeightChanged:
    """What a check heard a server say changed its weight while up, with that check and the reason of its result."""

    virtual_server: str
    real_server: str
    check: str
    reason: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class RealServerDrained:
    """What a check heard a server say took new connections away from it, told as in RealServerWeightChanged."""

    virtual_server: str
    real_server: str
    check: str
    reason: str


@dataclass(frozen=True, slots=True)
class RealServerUndrained:
    """A drained server may have new connections again, with the weight that it has while up."""

    virtual_server: str
    real_server: str
    check: str
    reason: str
    weight: int


@dataclass(frozen=True, slots=True)
class CheckWarned:
    """A check of a real server passed and warned of something; told once, however long it lasts."""

    virtual_server: str
    real_server: str
    check: str
    warning: str


@dataclass(frozen=True, slots=True)
class CheckWarningEnded:
    """A check that had warned passed without a warning."""

    virtual_server: str
    real_server: str
    check: str


@dataclass(frozen=True, slots=True)
class ProbePassed:
    """A probe passed, for a check whose every result is to be told; `seconds` is how long it took."""

    check: str
    target: str
    reason: str
    seconds: float
    evidence: str


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """A probe failed, for a check whose failures are to be told, as in ProbePassed."""

    check: str
    target: str
    reason: str
    seconds: float
    evidence: str


@dataclass(frozen=True, slots=True)
class VirtualServerChanged:
    """A pool's state changed."""

    virtual_server: str
    before: PoolState
    after: PoolState
    live_weight: int


@dataclass(frozen=True, slots=True)
class QuorumLost:
    """The live weight fell below the quorum by more than the hysteresis allows, or to 0."""

    virtual_server: str
    live_weight: int


@dataclass(frozen=True, slots=True)
class QuorumRegained:
    """The live weight reached the quorum and its hysteresis."""

    virtual_server: str
    live_weight: int


@dataclass(frozen=True, slots=True)
class PanicBegan:
    """So many servers fail that the panic floor keeps some of them in the pool: `pooled`; they are no live weight."""

    virtual_server: str
    live_weight: int
    pooled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PanicEnded:
    """The servers that are up carry the panic floor by themselves again."""

    virtual_server: str
    live_weight: int


@dataclass(frozen=True, slots=True)
class SorryServerActivated:
    """The pool is below its quorum and the named servers stand in for it."""

    virtual_server: str
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SorryServerStoodDown:
    """The pool takes its traffic itself again."""

    virtual_server: str


@dataclass(frozen=True, slots=True)
class RealServerHeld:
    """A real server turned `changes` times in short, and is held down for `seconds`, whatever its checks say."""

    virtual_server: str
    real_server: str
    changes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RealServerReleased:
    """A real server is no longer held down for its flapping."""

    virtual_server: str
    real_server: str


@dataclass(frozen=True, slots=True)
class RealServerEmptied:
    """A real server that operators drain has no connections left: it is safe to take away."""

    virtual_server: str
    real_server: str
    seconds: float


@dataclass(frozen=True, slots=True)
class OverrideSet:
    """An operator overrode `what` (`drain`, `weight 5`) of the real servers of a scope, until `expires_at` if any.

    An override of one real server of one virtual server names both.
    """

    scope: str
    what: str
    who: str
    why: str
    expires_at: float | None = None
    virtual_server: str | None = None
    real_server: str | None = None


@dataclass(frozen=True, slots=True)
class OverrideEnded:
    """An override was taken back by somebody, or expired (`who` is empty), told as in OverrideSet."""

    scope: str
    what: str
    who: str
    why: str
    virtual_server: str | None = None
    real_server: str | None = None


@dataclass(frozen=True, slots=True)
class RealServerAdded:
    """An operator added a real server at run time."""

    virtual_server: str
    real_server: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class RealServerRemoved:
    """An operator removed a real server at run time."""

    virtual_server: str
    real_server: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """A command was refused to somebody who may not give it; `more` like it were refused since the last was told."""

    command: str
    who: str
    reason: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class StateTakenUp:
    """The state of a director that ended `age` seconds ago was taken up: so many verdicts and operators' orders."""

    age: float
    verdicts: int
    orders: int


@dataclass(frozen=True, slots=True)
class StateSetAside:
    """A file of saved state cannot be used and was renamed to `kept_as`, where that could be done."""

    path: str
    reason: str
    kept_as: str


@dataclass(frozen=True, slots=True)
class StateUnsaved:
    """State cannot be saved: what was changed since would not survive a restart. Told once for each spell of it."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class StateSaved:
    """State that could not be saved is saved."""

    path: str


@dataclass(frozen=True, slots=True)
class NotifierFailed:
    """A notifier cannot deliver; told once for each spell of it. Never sent to notifiers."""

    notifier: str
    reason: str


@dataclass(frozen=True, slots=True)
class NotifierRecovered:
    """A notifier delivers again; `dropped` messages were lost meanwhile. Never sent to notifiers."""

    notifier: str
    dropped: int


@dataclass(frozen=True, slots=True)
class TableChanged:
    """An operation was carried out in the table."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class DriftRepaired:
    """A row differed from what was last written, by somebody else's hand, and was put right."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class OperationFailed:
    """The table refused an operation; it is tried again after `retry_in` seconds (None: not again)."""

    operation: Operation
    reason: str
    retry_in: float | None


@dataclass(frozen=True, slots=True)
class OperationRecovered:
    """An operation that had failed is no longer needed or has been carried out."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class TableLost:
    """The table cannot be reached."""

    reason: str


@dataclass(frozen=True, slots=True)
class TableRegained:
    """The table can be reached again."""


@dataclass(frozen=True, slots=True)
class ForeignServicesKept:
    """Services that the file does not list were found and left alone."""

    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigReloaded:
    """A new configuration is in force."""

    sha256: str
    changes: tuple[str, ...]
    who: str = ""


@dataclass(frozen=True, slots=True)
class ConfigRefused:
    """A reload was refused; the configuration before it stays in force."""

    reason: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class ProbesUnsent:
    """The director could not send probes; told once for each spell of it, with the first reason."""

    check: str
    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProbesWaited:
    """More probes were due than the `most` that may be under way; told once for each spell of it."""

    most: int


@dataclass(frozen=True, slots=True)
class LoopHeld:
    """The director itself was late, by `seconds` at the worst, and `void` probes have no verdict because of it."""

    seconds: float
    void: int


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about the director's surroundings is wrong, with what to do about it."""

    warning: str


Event = (
    RealServerUp
    | RealServerDown
    | RealServerWeightChanged
    | RealServerDrained
    | RealServerUndrained
    | CheckWarned
    | CheckWarningEnded
    | ProbePassed
    | ProbeFailed
    | VirtualServerChanged
    | QuorumLost
    | QuorumRegained
    | PanicBegan
    | PanicEnded
    | SorryServerActivated
    | SorryServerStoodDown
    | RealServerHeld
    | RealServerReleased
    | RealServerEmptied
    | OverrideSet
    | OverrideEnded
    | RealServerAdded
    | RealServerRemoved
    | CommandRefused
    | StateTakenUp
    | StateSetAside
    | StateUnsaved
    | StateSaved
    | NotifierFailed
    | NotifierRecovered
    | TableChanged
    | DriftRepaired
    | OperationFailed
    | OperationRecovered
    | TableLost
    | TableRegained
    | ForeignServicesKept
    | ConfigReloaded
    | ConfigRefused
    | ProbesUnsent
    | ProbesWaited
    | LoopHeld
    | Warned
    | PairEvent
)
