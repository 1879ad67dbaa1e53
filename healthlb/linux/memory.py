"""A table in memory that keeps the kernel's rules, for `--dry-run` and for tests. Its traffic is always zero."""

import errno
from collections.abc import Collection, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from healthlb.core.plan import merge_timeouts
from healthlb.linux.refusals import missing_engine, missing_scheduler, refusal
from healthlb.model.counters import TableReading, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.operations import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    Operation,
    OperationFailure,
    SetTimeouts,
)
from healthlb.model.table import Destination, IpvsTable, Method, Service, ServiceKey, ServiceRow, Timeouts, Tunnel

# Every ip_vs_*.ko of Linux; "none" is the kernel's own word for a service without a scheduler.
SCHEDULERS = frozenset(
    {"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos", "none"}
)
ENGINES = frozenset({"", "sip"})
# net/netfilter/ipvs/ip_vs_proto_tcp.c and ip_vs_proto_udp.c
KERNEL_TIMEOUTS = Timeouts(tcp=15 * 60, tcp_fin=2 * 60, udp=5 * 60)
# IP_VS_VERSION_CODE and CONFIG_IP_VS_TAB_BITS
KERNEL_VERSION, KERNEL_SLOTS = "1.2.1", 4096
UNUSED = Usage()


class MemoryTable:
    """A table that nothing forwards by. `schedulers` and `engines` are what its kernel would have."""

    backend = "memory"

    def __init__(self, *, schedulers: Collection[str] = SCHEDULERS, engines: Collection[str] = ENGINES) -> None:
        self._schedulers = schedulers
        self._engines = engines
        self._services: dict[ServiceKey, Service] = {}
        self._pools: dict[ServiceKey, dict[Endpoint, Destination]] = {}
        self._rows: dict[ServiceKey, ServiceRow] = {}
        self._timeouts = KERNEL_TIMEOUTS

    def close(self) -> None:
        """Do nothing; there is nothing to let go of."""

    def read(self) -> TableReading:
        """Return every row, with no usage."""
        for key, service in self._services.items():
            if key not in self._rows:
                self._rows[key] = ServiceRow(service, dict(self._pools[key]))
        rows = {key: self._rows[key] for key in self._services}
        return TableReading(
            IpvsTable(rows, self._timeouts),
            dict.fromkeys(rows, UNUSED),
            {key: dict.fromkeys(row.destinations, UNUSED) for key, row in rows.items()},
            KERNEL_VERSION,
            KERNEL_SLOTS,
        )

    def apply(self, operations: Sequence[Operation]) -> list[OperationFailure]:
        """Attempt every operation in order and return those that the kernel would refuse."""
        failures = []
        for operation in operations:
            number = self._attempt(operation)
            if number:
                failures.append(refusal(operation, number))
        return failures

    def unsupported(self, service: Service) -> str | None:
        """Return one sentence if the scheduler or the persistence engine is none that this table has, else None."""
        if service.scheduler not in self._schedulers:
            return missing_scheduler(service.scheduler)
        if self._engine(service) not in self._engines:
            return missing_engine(self._engine(service))
        return None

    def _attempt(self, operation: Operation) -> int:
        """Carry an operation out and return 0, or leave all as it is and return an errno."""
        match operation:
            case AddService(service):
                return self._put_service(service, errno.EEXIST if service.key in self._services else 0)
            case EditService(service):
                return self._put_service(service, 0 if service.key in self._services else errno.ESRCH)
            case SetTimeouts(timeouts):
                self._timeouts = merge_timeouts(self._timeouts, timeouts)
                return 0
            case DeleteService(key) | AddDestination(key) | EditDestination(key) | DeleteDestination(key):
                if key not in self._services:
                    return errno.ESRCH
                number = self._change_pool(key, operation)
                if not number:
                    self._rows.pop(key, None)
                return number

    def _put_service(self, service: Service, number: int) -> int:
        """Keep a service unless `number` or a rule forbids it, in the order in which the kernel looks."""
        prefix = service.persistence.prefix if service.persistence is not None else 32
        if service.key.family == "inet" and not 0 <= prefix <= 32:
            return errno.EINVAL
        if number:
            return number
        if self.unsupported(service) is not None:
            return errno.ENOENT
        if not (service.key.family == "inet" or 1 <= prefix <= 128):
            return errno.EINVAL
        self._services[service.key] = service
        self._pools.setdefault(service.key, {})
        self._rows.pop(service.key, None)
        return 0

    @staticmethod
    def _engine(service: Service) -> str:
        return service.persistence.engine if service.persistence is not None else ""

    def _change_pool(
        self, key: ServiceKey, operation: DeleteService | AddDestination | EditDestination | DeleteDestination
    ) -> int:
        pool = self._pools[key]
        match operation:
            case DeleteService():
                del self._services[key], self._pools[key]
                return 0
            case DeleteDestination(_, address):
                return 0 if pool.pop(address, None) else errno.ENOENT
            case AddDestination(_, destination):
                number = _fault(key, destination)
                if not number and destination.address in pool:
                    number = errno.EEXIST
                if not number and not _is_host(destination.address):
                    number = errno.EINVAL
            case EditDestination(_, destination):
                number = _fault(key, destination)
                if not number and destination.address not in pool:
                    number = errno.ENOENT
        if not number:
            pool[destination.address] = _as_kept(destination)
        return number


def _fault(key: ServiceKey, destination: Destination) -> int:
    """Return the errno that a destination earns by itself (ip_vs_ctl.c, ip_vs_genl_set_cmd and ip_vs_add_dest)."""
    tunnel = destination.method.tunnel
    if destination.address.family != key.family and destination.method.kind != "tunnel":
        return errno.EINVAL
    if destination.weight < 0 or destination.lower_threshold > destination.upper_threshold:
        return errno.ERANGE
    if tunnel is not None and tunnel.type == "gue" and not tunnel.port:
        return errno.EINVAL
    return 0


def _is_host(endpoint: Endpoint) -> bool:
    """Tell whether an address can be a destination's (ip_vs_new_dest); every interface counts as up."""
    address = ip_address(endpoint.address)
    if address.is_multicast or address.is_unspecified:
        return False
    match address:
        case IPv4Address():
            return address != IPv4Address("255.255.255.255")
        case IPv6Address():
            return not address.is_link_local and address.ipv4_mapped is None


def _as_kept(destination: Destination) -> Destination:
    """Return the row as it reads afterwards: a tunnel always has its kind, and nothing else has one."""
    tunnel = (destination.method.tunnel or Tunnel()) if destination.method.kind == "tunnel" else None
    if tunnel == destination.method.tunnel:
        return destination
    return replace(destination, method=Method(destination.method.kind, tunnel))
