"""A check and its probe, as configured."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal

from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Schedule

Log = Literal["verdicts", "failures", "all"]


@dataclass(frozen=True, slots=True)
class Check:
    """A configured check; names do not make checks differ.

    `conversation` is the type's own settings and `way` how its probes leave the director (None: as the kernel routes
    them), both opaque here. `log` says which probes leave a line of their own in the log.
    """

    name: str = field(compare=False)
    type: str
    schedule: Schedule
    conversation: Hashable
    way: Hashable = None
    log: Log = "verdicts"


@dataclass(frozen=True, slots=True)
class Probe:
    """A check on a target. Equal probes are run once, however many real servers rest on them.

    `context` names the virtual and the real server, as (name, value) pairs, for a check that is to know them.
    """

    check: Check
    target: Endpoint
    context: tuple[tuple[str, str], ...] = ()

    @property
    def where(self) -> str:
        """The target in words: its address and port, or the address alone where the check needs no port."""
        if self.target.port:
            return str(self.target)
        return self.target.address
