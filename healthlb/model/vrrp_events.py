"""What happened in the pair of directors, past tense; each is one line of the log."""

from dataclasses import dataclass

from healthlb.model.vrrp import SyncRole


@dataclass(frozen=True, slots=True)
class BecameMaster:
    """An instance became MASTER and has the addresses; `why` is a clause."""

    instance: str
    priority: int
    why: str


@dataclass(frozen=True, slots=True)
class BecameBackup:
    """An instance became BACKUP; `master` is empty while none was heard."""

    instance: str
    priority: int
    master: str
    why: str


@dataclass(frozen=True, slots=True)
class EnteredFault:
    """An instance may not be master; `why` names what is down."""

    instance: str
    why: str


@dataclass(frozen=True, slots=True)
class StoppedAsMaster:
    """An instance that was MASTER ended, with this process or because the file no longer has it as it was."""

    instance: str
    priority: int


@dataclass(frozen=True, slots=True)
class VrrpPriorityChanged:
    """The effective priority changed, with what changed it."""

    instance: str
    before: int
    after: int
    why: str


@dataclass(frozen=True, slots=True)
class MasterChanged:
    """A BACKUP heard another master than before."""

    instance: str
    before: str
    master: str
    priority: int


@dataclass(frozen=True, slots=True)
class SplitBrainSeen:
    """We are MASTER and somebody else is as well, or has our address; `sign` is a clause that says how it showed."""

    instance: str
    other: str
    sign: str


@dataclass(frozen=True, slots=True)
class SplitBrainEnded:
    """One master again; `seconds` is how long there were two."""

    instance: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SpeakerFailed:
    """The process that speaks VRRP ended or could not do something; `reason` is a clause."""

    reason: str


@dataclass(frozen=True, slots=True)
class SpeakerStarted:
    """The process that speaks VRRP is up."""

    pid: int


@dataclass(frozen=True, slots=True)
class FailoverOrdered:
    """An operator handed an instance over, or took it back (`back`); `why` by their own words, which may be none."""

    actor: str
    instance: str
    back: bool
    forced: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class SyncStarted:
    """A connection sync daemon was started in the kernel."""

    role: SyncRole
    interface: str
    id: int


@dataclass(frozen=True, slots=True)
class SyncFailed:
    """A connection sync daemon could not be started or stopped."""

    role: SyncRole
    reason: str


@dataclass(frozen=True, slots=True)
class SyncPeerHeard:
    """Packets of the peer's sync daemon are seen, for the first time."""

    id: int
    source: str


PairEvent = (
    BecameMaster
    | BecameBackup
    | EnteredFault
    | StoppedAsMaster
    | VrrpPriorityChanged
    | MasterChanged
    | SplitBrainSeen
    | SplitBrainEnded
    | SpeakerFailed
    | SpeakerStarted
    | FailoverOrdered
    | SyncStarted
    | SyncFailed
    | SyncPeerHeard
)
