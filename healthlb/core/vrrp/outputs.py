"""What a machine wants done, or tells, in the order in which it is to happen."""

from dataclasses import dataclass

from healthlb.model.vrrp import VrrpState


@dataclass(frozen=True, slots=True)
class SendAdvert:
    """Send one advert, to the group or to every peer; priority 0 says that we are no longer master."""

    priority: int


@dataclass(frozen=True, slots=True)
class TakeAddresses:
    """Put the addresses, routes and rules into the kernel."""


@dataclass(frozen=True, slots=True)
class GiveAddresses:
    """Take the addresses, routes and rules out of the kernel."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the neighbours `repeat` times where the addresses are now (gratuitous ARP, unsolicited NA)."""

    repeat: int


@dataclass(frozen=True, slots=True)
class Became:
    """The state changed; `why` is a clause for the log."""

    state: VrrpState
    why: str


@dataclass(frozen=True, slots=True)
class NewMaster:
    """A BACKUP heard another master than before; `address` is text."""

    address: str
    priority: int


@dataclass(frozen=True, slots=True)
class SplitBrain:
    """We are MASTER and `other` (an address, text) acts as one as well; `sign` is a clause that says how it showed."""

    sign: str
    other: str


@dataclass(frozen=True, slots=True)
class SplitBrainOver:
    """No sign of another master any more, or we are no master any more; there were two for `seconds`."""

    seconds: float


Output = SendAdvert | TakeAddresses | GiveAddresses | Announce | Became | NewMaster | SplitBrain | SplitBrainOver
