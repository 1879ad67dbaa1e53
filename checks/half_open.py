"""`tcp-half-open`: the server answers a SYN with a SYN-ACK, and no connection comes of it."""

import functools
from dataclasses import dataclass
from typing import ClassVar

from checks import CarrierName, Check, Conversation, Step, Target, Verdict
from checks.options import Choice, option
from checks.wire.segment import craft_syn

_syn = functools.cache(craft_syn)


@dataclass(frozen=True, slots=True)
class TcpHalfOpen(Check):
    """Send a SYN; the server is well if it answers SYN-ACK, which the kernel resets: nothing is accepted or logged.

    It is the server's kernel that answers: somebody listens, but that he accepts, as `tcp` finds out, is not said.
    """

    type: ClassVar[str] = "tcp-half-open"

    fallback: str = option(
        Choice(("connect", "refuse")),
        "Without CAP_NET_RAW: connect fully, reset at once and warn of it, or do not probe.",
        "connect",
    )

    @property
    def carrier(self) -> CarrierName:
        """Return who carries this check out."""
        return "half-open"

    def prepare(self) -> str | None:
        """Craft the packets, for which scapy has to be imported."""
        self.syn(4)
        self.syn(6)
        return None

    def syn(self, version: int) -> bytes:
        """Return a SYN as it was crafted, for IP version 4 with its IP header; addresses and ports are zero."""
        return _syn(version)

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  a connection is all that is asked of it
        """Stand in where crafted packets may not be sent: be connected, and say what that took."""
        yield Step(at_least=0)
        return Verdict(True, "connected", "full connection, which the server accepts: CAP_NET_RAW is missing")
