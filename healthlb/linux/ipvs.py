"""The kernel's IPVS table over generic netlink."""

import errno
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from healthlb.linux import ipvs_numbers as nr
from healthlb.linux.ipvs_decode import Decoder, decode_info, decode_timeouts
from healthlb.linux.ipvs_encode import encode, key_attributes
from healthlb.linux.netlink import (
    AnswersLostError,
    GenericNetlink,
    InterruptedDumpError,
    NetlinkError,
    RefusedError,
    UnknownFamilyError,
)
from healthlb.linux.refusals import NO_IPV6, missing_engine, missing_scheduler, refusal, unanswered
from healthlb.linux.table import TableUnavailableError
from healthlb.model.counters import TableReading, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.operations import AddService, Operation, OperationFailure
from healthlb.model.table import Destination, IpvsTable, Persistence, Service, ServiceKey, ServiceRow

NO_MODULE = "the kernel has no IPVS: load the module with 'modprobe ip_vs', or install a kernel that has it"
NO_PRIVILEGE = "the kernel refuses access to the IPVS table: run as root or with CAP_NET_ADMIN"
READ_ATTEMPTS = 3
MODPROBE_DEADLINE = 10.0
PROBE_KEY = ServiceKey.marked(0xFFFFFFFF, "inet6")


def load_module() -> None:
    """Ask modprobe(8) for ip_vs; that it failed shows in the kernel still having no IPVS."""
    try:
        subprocess.run(
            ["modprobe", "--quiet", "ip_vs"],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=MODPROBE_DEADLINE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return


class KernelTable:
    """The table of the network namespace that the process is in; `deadline` in seconds for each netlink request.

    Opening it raises TableUnavailableError without the module or without CAP_NET_ADMIN.
    """

    backend = "ipvs"

    def __init__(
        self,
        *,
        deadline: float = 5.0,
        netlink: GenericNetlink | None = None,
    ) -> None:
        self._netlink = netlink or GenericNetlink(nr.FAMILY_NAME, deadline=deadline, loader=load_module)
        self._decoder = Decoder()
        self._rows: Mapping[ServiceKey, ServiceRow] = {}
        self._supported: set[tuple[str, str]] = set()
        try:
            with self._available():
                self._netlink.ask((nr.GET_CONFIG, b""))
        except TableUnavailableError:
            self._netlink.close()
            raise

    def close(self) -> None:
        """Let go of the table; its rows stay."""
        self._netlink.close()

    def read(self) -> TableReading:
        """Return every row with its usage; raise TableUnavailableError."""
        with self._available():
            for _ in range(READ_ATTEMPTS):
                try:
                    return self._read()
                except InterruptedDumpError as interrupted:
                    problem = interrupted
            raise problem

    def apply(self, operations: Sequence[Operation]) -> list[OperationFailure]:
        """Attempt every operation in order and return the refused ones; raise TableUnavailableError.

        When the kernel stops answering, the operations whose fate is unknown and those not yet sent are reported
        with errno 0; the next reading shows what became of them.
        """
        requests = []
        sent = []
        failures: dict[int, OperationFailure] = {}
        for place, operation in enumerate(operations):
            try:
                requests.append(encode(operation))
                sent.append(place)
            except (ValueError, OverflowError, OSError, struct.error):
                failures[place] = refusal(operation, errno.EINVAL)
        with self._available():
            try:
                refused = self._netlink.batch(requests)
                cause = ""
            except AnswersLostError as lost:
                refused = lost.refused
                cause = str(lost)
            if errno.EPERM in refused.values():
                raise RefusedError(errno.EPERM)
        for position, number in refused.items():
            operation = operations[sent[position]]
            failures[sent[position]] = refusal(operation, number) if number else unanswered(operation, cause)
        return [failures[place] for place in sorted(failures)]

    def unsupported(self, service: Service) -> str | None:
        """Return one sentence if the kernel lacks the service's scheduler, engine or family, else None.

        Raise TableUnavailableError. The kernel is asked to make a service that it is bound to refuse. It looks for
        the scheduler, then for the engine (ENOENT), loading their modules, and only then finds that the prefix
        length is no good (EINVAL), so nothing is ever made (ip_vs_ctl.c, ip_vs_add_service). Whether SCTP was built
        in, it does not tell.
        """
        engine = service.persistence.engine if service.persistence is not None else ""
        if len(service.scheduler.encode()) > nr.NAME_LENGTH or self._probe(service.scheduler, "") == errno.ENOENT:
            return missing_scheduler(service.scheduler)
        if engine and (len(engine.encode()) > nr.NAME_LENGTH or self._probe(service.scheduler, engine) == errno.ENOENT):
            return missing_engine(engine)
        if service.key.family == "inet6" and self._probe(service.scheduler, "") == errno.EAFNOSUPPORT:
            return NO_IPV6
        return None

    def _probe(self, scheduler: str, engine: str) -> int:
        """Return the errno for a service that cannot be: EINVAL when the kernel has what it asks for."""
        wanted = (scheduler, engine)
        if wanted in self._supported:
            return errno.EINVAL
        probe = Service(PROBE_KEY, scheduler, persistence=Persistence(1, 0, engine))
        with self._available():
            refused = self._netlink.batch([encode(AddService(probe))])
            number = refused.get(0, 0)
            if number == errno.EPERM:
                raise RefusedError(number)
        if number == errno.EINVAL:
            self._supported.add(wanted)
        return number

    def _read(self) -> TableReading:
        decoder = self._decoder
        decoder.next_round()
        found: dict[Service, Usage] = {}
        for message in self._netlink.dump((nr.GET_SERVICE, b"")):
            service, usage = decoder.service(message)
            if service is not None:
                found[service] = usage
        rows: dict[ServiceKey, ServiceRow] = {}
        services: dict[ServiceKey, Usage] = {}
        destinations: dict[ServiceKey, Mapping[Endpoint, Usage]] = {}
        for service, usage in found.items():
            key = service.key
            pool: dict[Endpoint, Destination] = {}
            used: dict[Endpoint, Usage] = {}
            family = nr.FAMILIES[key.family]
            for message in self._netlink.dump((nr.GET_DEST, key_attributes(key))):
                destination, destination_usage = decoder.destination(message, family)
                pool[destination.address] = destination
                used[destination.address] = destination_usage
            rows[key] = self._row(service, pool)
            services[key] = usage
            destinations[key] = used
        self._rows = rows
        timeouts = decode_timeouts(b"".join(self._netlink.ask((nr.GET_CONFIG, b""))))
        version, slots = decode_info(b"".join(self._netlink.ask((nr.GET_INFO, b""))))
        return TableReading(IpvsTable(rows, timeouts), services, destinations, version, slots)

    def _row(self, service: Service, pool: Mapping[Endpoint, Destination]) -> ServiceRow:
        """Return the row of the reading before if nothing in it changed, so that it need not be kept twice."""
        before = self._rows.get(service.key)
        if before is not None and before.service is service and before.destinations == pool:
            return before
        return ServiceRow(service, pool)

    @contextmanager
    def _available(self) -> Iterator[None]:
        """Turn every way in which the table can be out of reach into TableUnavailableError."""
        try:
            yield
        except UnknownFamilyError as missing:
            raise TableUnavailableError(NO_MODULE) from missing
        except RefusedError as refused:
            text = (
                NO_PRIVILEGE
                if refused.errno == errno.EPERM
                else f"the kernel refuses to tell the IPVS table: {refused}"
            )
            raise TableUnavailableError(text) from refused
        except NetlinkError as problem:
            raise TableUnavailableError(f"the IPVS table cannot be reached: {problem}") from problem
        except OSError as problem:
            raise TableUnavailableError(f"the IPVS table cannot be reached: {problem.strerror}") from problem
