"""What has happened, past tense: one event is one line of the log, with its evidence."""

from dataclasses import dataclass

from healthlb.model.operations import Operation
from healthlb.model.snapshot import PoolState


@dataclass(frozen=True, slots=True)
class RealServerUp:
    """A real server's verdict turned UP, with the check and the reason of the last of `streak` results in a row."""

    virtual_server: str
    real_server: str
    check: str
    reason: str
    streak: int


@dataclass(frozen=True, slots=True)
class RealServerDown:
    """A real server's verdict turned DOWN, told as in RealServerUp; `evidence` is what the last probe saw, in short."""

    virtual_server: str
    real_server: str
    check: str
    reason: str
    streak: int
    evidence: str = ""


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


@dataclass(frozen=True, slots=True)
class ConfigRefused:
    """A reload was refused; the configuration before it stays in force."""

    reason: str


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
)
