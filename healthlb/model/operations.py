"""The single steps that change an IPVS table, each one netlink request (Linux `net/netfilter/ipvs/ip_vs_ctl.c`).

`str()` of an operation is how a log line or a plan says it.
"""

from dataclasses import dataclass

from healthlb.model.endpoint import Endpoint
from healthlb.model.table import Destination, Service, ServiceKey, Timeouts


@dataclass(frozen=True, slots=True)
class AddService:
    """Create a service that is absent."""

    service: Service

    def __str__(self) -> str:
        return f"add service {self.service.key} scheduler {self.service.scheduler}"


@dataclass(frozen=True, slots=True)
class EditService:
    """Replace the attributes of a service that is present."""

    service: Service

    def __str__(self) -> str:
        return f"edit service {self.service.key} scheduler {self.service.scheduler}"


@dataclass(frozen=True, slots=True)
class DeleteService:
    """Remove a service and its destinations."""

    key: ServiceKey

    def __str__(self) -> str:
        return f"delete service {self.key}"


@dataclass(frozen=True, slots=True)
class AddDestination:
    """Create a destination that is absent."""

    key: ServiceKey
    destination: Destination

    def __str__(self) -> str:
        return f"add {self.destination.address} weight {self.destination.weight} to {self.key}"


@dataclass(frozen=True, slots=True)
class EditDestination:
    """Replace the attributes of a destination that is present; the kernel replaces the whole row."""

    key: ServiceKey
    destination: Destination

    def __str__(self) -> str:
        return f"edit {self.destination.address} weight {self.destination.weight} in {self.key}"


@dataclass(frozen=True, slots=True)
class DeleteDestination:
    """Remove a destination."""

    key: ServiceKey
    address: Endpoint

    def __str__(self) -> str:
        return f"delete {self.address} from {self.key}"


@dataclass(frozen=True, slots=True)
class SetTimeouts:
    """Set the connection timeouts of the whole table."""

    timeouts: Timeouts

    def __str__(self) -> str:
        times = self.timeouts
        return f"set timeouts tcp {times.tcp} tcp_fin {times.tcp_fin} udp {times.udp}"


Operation = (
    AddService | EditService | DeleteService | AddDestination | EditDestination | DeleteDestination | SetTimeouts
)


KINDS: dict[type[Operation], str] = {
    AddService: "add_service",
    EditService: "edit_service",
    DeleteService: "delete_service",
    AddDestination: "add_destination",
    EditDestination: "edit_destination",
    DeleteDestination: "delete_destination",
    SetTimeouts: "set_timeouts",
}
"""How counters call each kind of operation."""


@dataclass(frozen=True, slots=True)
class OperationFailure:
    """A step that the kernel refused: `errno` as it answered (0: no answer in time), `reason` one clear sentence."""

    operation: Operation
    errno: int
    reason: str
