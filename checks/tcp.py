"""`tcp`: the server accepts a connection, over TLS if asked."""

from dataclasses import dataclass
from typing import ClassVar

from checks import Check, Conversation, Step, Target, Tls, Verdict
from checks.options import Record, option


@dataclass(frozen=True, slots=True)
class Tcp(Check):
    """Connect; the server is well if it accepts (and, with `tls`, if its handshake and certificate are right)."""

    type: ClassVar[str] = "tcp"

    tls: Tls | None = option(Record(Tls), "Wrap the connection in TLS; {} for every default.", None)

    def converse(self, target: Target) -> Conversation:  # noqa: ARG002  a connection is all that is asked of it
        """Say nothing: being connected is the answer."""
        yield Step(at_least=0)
        return Verdict(True, "connected" if self.tls is None else "connected over TLS")
