"""Why the kernel refuses an operation, in operators' words (Linux net/netfilter/ipvs/ip_vs_ctl.c).

The kernel says only an error number, and the same one for different causes; the operation tells which it was.
"""

import errno
import os

from healthlb.model.operations import (
    AddDestination,
    AddService,
    DeleteDestination,
    EditDestination,
    EditService,
    Operation,
    OperationFailure,
)
from healthlb.model.table import Destination, Service, ServiceKey

NO_IPV6 = "the kernel's IPVS was built without IPv6"


def refusal(operation: Operation, number: int) -> OperationFailure:
    """Return the failure of an operation that the kernel answered with an errno."""
    return OperationFailure(operation, number, f"cannot {operation}: {_cause(operation, number)}")


def unanswered(operation: Operation, cause: str) -> OperationFailure:
    """Return the failure of an operation of which it is not known whether the kernel did it."""
    return OperationFailure(operation, 0, f"cannot tell whether this was done: {operation}: {cause}")


def missing_scheduler(name: str) -> str:
    """Return the sentence for a scheduler that the kernel lacks."""
    return f"the kernel has no scheduler {name!r} (module ip_vs_{name})"


def missing_engine(name: str) -> str:
    """Return the sentence for a persistence engine that the kernel lacks."""
    return f"the kernel has no persistence engine {name!r} (module ip_vs_pe_{name})"


def _cause(operation: Operation, number: int) -> str:
    match operation:
        case AddService(service) | EditService(service):
            known = _service_cause(service, number)
        case AddDestination(key, destination) | EditDestination(key, destination):
            known = _destination_cause(key, destination, number)
        case DeleteDestination():
            known = "the service has no such real server" if number == errno.ENOENT else None
        case _:
            known = None
    if known is None and number == errno.ESRCH:
        known = "there is no such service"
    return known or f"the kernel says {os.strerror(number)} (errno {number})"


def _service_cause(service: Service, number: int) -> str | None:
    if number == errno.EEXIST:
        return "the service exists already"
    if number == errno.ENOENT:
        if service.persistence is not None and service.persistence.engine:
            scheduler, engine = service.scheduler, service.persistence.engine
            return f"the kernel lacks the scheduler {scheduler!r} or the persistence engine {engine!r}"
        return missing_scheduler(service.scheduler)
    if number == errno.EAFNOSUPPORT:
        return NO_IPV6
    if number == errno.EINVAL and service.persistence is not None:
        return f"the kernel takes no persistence netmask of {service.persistence.prefix} bits here"
    return None


def _destination_cause(key: ServiceKey, destination: Destination, number: int) -> str | None:
    if number == errno.EEXIST:
        return "the service has that real server already"
    if number == errno.ENOENT:
        return "the service has no such real server"
    if number == errno.EAFNOSUPPORT:
        return NO_IPV6
    if number == errno.ERANGE and destination.weight < 0:
        return "the weight is negative"
    if number == errno.ERANGE:
        return f"the lower threshold {destination.lower_threshold} is above the upper one {destination.upper_threshold}"
    if number != errno.EINVAL:
        return None
    if destination.address.family != key.family and destination.method.kind != "tunnel":
        return f"a service of family {key.family} reaches a real server of the other one by tunnel only"
    tunnel = destination.method.tunnel
    if tunnel is not None and tunnel.type == "gue" and not tunnel.port:
        return "a gue tunnel needs a port"
    if destination.address.family != key.family:
        return "the kernel refuses mixed families while connections are synchronised"
    return "the kernel takes only the address of a host that it can reach (is its interface, or lo, up?)"
