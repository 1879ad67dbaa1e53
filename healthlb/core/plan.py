"""From the table that is to the table that should be: the ordered operations between them.

Invariants, each a property in the tests:
- applying plan(a, b) to a yields b, and plan(b, b) is empty;
- stopping after any prefix and planning again yields b too;
- a service precedes its destinations;
- no step leaves a service with fewer live destinations than both a and b have: what raises goes first, what lowers
  last.

Both tables hold only services that are ours to change; see `scope`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from healthlb.model.endpoint import Endpoint
from healthlb.model.operations import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    Operation,
    SetTimeouts,
)
from healthlb.model.table import Destination, IpvsTable, ServiceKey, ServiceRow, Timeouts


def scope(table: IpvsTable, keys: Collection[ServiceKey]) -> IpvsTable:
    """Return the part of a table that holds the given services."""
    return IpvsTable({key: row for key, row in table.services.items() if key in keys}, table.timeouts)


def plan(actual: IpvsTable, desired: IpvsTable) -> list[Operation]:
    """Return the operations that turn `actual` into `desired`, in an order that keeps the invariants."""
    operations: list[Operation] = []
    if desired.timeouts is not None and merge_timeouts(actual.timeouts, desired.timeouts) != actual.timeouts:
        operations.append(SetTimeouts(desired.timeouts))
    for key, row in desired.services.items():
        operations += _plan_service(key, actual.services.get(key), row)
    operations += [DeleteService(key) for key in actual.services if key not in desired.services]
    return operations


def applied(table: IpvsTable, operations: Iterable[Operation]) -> IpvsTable:
    """Return the table after operations that all succeeded; services that they do not name are shared, not copied."""
    services = dict(table.services)
    copied: dict[ServiceKey, dict[Endpoint, Destination]] = {}
    timeouts = table.timeouts

    def destinations(key: ServiceKey) -> dict[Endpoint, Destination]:
        if key not in copied:
            copied[key] = dict(services[key].destinations)
            services[key] = ServiceRow(services[key].service, copied[key])
        return copied[key]

    for operation in operations:
        match operation:
            case AddService(service):
                services[service.key] = ServiceRow(service)
            case EditService(service):
                services[service.key] = ServiceRow(service, destinations(service.key))
            case DeleteService(key):
                del services[key]
                copied.pop(key, None)
            case AddDestination(key, destination) | EditDestination(key, destination):
                destinations(key)[destination.address] = destination
            case DeleteDestination(key, address):
                del destinations(key)[address]
            case _:
                timeouts = merge_timeouts(timeouts, operation.timeouts)
    return IpvsTable(services, timeouts)


def service_of(operation: Operation) -> ServiceKey | None:
    """Return the service that an operation is about; None for the table as a whole."""
    match operation:
        case AddService(service) | EditService(service):
            return service.key
        case SetTimeouts():
            return None
        case _:
            return operation.key


def merge_timeouts(present: Timeouts | None, wanted: Timeouts) -> Timeouts:
    """Return the timeouts after setting: a wanted 0 leaves the present one."""
    before = present or Timeouts()
    return Timeouts(wanted.tcp or before.tcp, wanted.tcp_fin or before.tcp_fin, wanted.udp or before.udp)


def _plan_service(key: ServiceKey, actual: ServiceRow | None, desired: ServiceRow) -> Iterator[Operation]:
    if actual is desired:
        return
    if actual is None:
        yield AddService(desired.service)
    elif actual.service != desired.service:
        yield EditService(desired.service)
    before = actual.destinations if actual is not None else {}
    after = desired.destinations
    yield from _raising(key, before, after)
    yield from _lowering(key, before, after)


def _raising(
    key: ServiceKey, before: Mapping[Endpoint, Destination], after: Mapping[Endpoint, Destination]
) -> Iterator[Operation]:
    """Yield the steps that lose no live destination."""
    for address, row in after.items():
        present = before.get(address)
        if present is None:
            yield AddDestination(key, row)
        elif present is not row and present != row and (row.weight or not present.weight):
            yield EditDestination(key, row)


def _lowering(
    key: ServiceKey, before: Mapping[Endpoint, Destination], after: Mapping[Endpoint, Destination]
) -> Iterator[Operation]:
    """Yield the steps that take a live destination out."""
    for address, present in before.items():
        row = after.get(address)
        if row is None:
            yield DeleteDestination(key, address)
        elif present.weight and not row.weight:
            yield EditDestination(key, row)
