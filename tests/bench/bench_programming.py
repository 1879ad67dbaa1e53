"""How long it takes to program a table, beside `ipvsadm -R` of the same table; run as root where IPVS is.

    .venv/bin/python tests/lab/boot.py -- .venv/bin/python tests/bench/bench_programming.py

Rounds of the two alternate, so that a disturbance meets both; medians are compared. Every table is programmed in a
fresh network namespace, because a kernel looks through the destinations that were lately removed, for minutes, when
one is added. What is timed is from the operations, or the lines, to the kernel's last answer; ipvsadm's process is part
of what it costs. Planning and reading are printed beside it.
"""

import ctypes
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from healthlb.core.plan import applied, plan
from healthlb.linux.ipvs import KernelTable
from healthlb.model.endpoint import Endpoint
from healthlb.model.operations import AddDestination, AddService, EditDestination, Operation
from healthlb.model.table import Destination, IpvsTable, Method, Service, ServiceKey

SERVICES = 1000
DESTINATIONS = 10
ROUNDS = 7
CLONE_NEWNET = 0x40000000
NAT = Method("nat")


def wanted_table(heavy: bool) -> IpvsTable:
    """Return the table; when `heavy`, the first destination of each service weighs 2 instead of 1."""
    operations: list[Operation] = []
    for place in range(SERVICES):
        key = ServiceKey.at("tcp", Endpoint(f"198.18.{place // 250}.{place % 250 + 1}", 80))
        operations.append(AddService(Service(key, "rr")))
        for server in range(DESTINATIONS):
            address = Endpoint(f"198.19.{server}.{place % 250 + 1}", 8000 + place // 250)
            operations.append(AddDestination(key, Destination(address, NAT, 2 if heavy and not server else 1)))
    return applied(IpvsTable(), operations)


def ipvsadm_lines(operations: list[Operation]) -> str:
    """Return the operations as input for `ipvsadm -R`."""
    lines = []
    for operation in operations:
        match operation:
            case AddService(service):
                lines.append(f"-A -t {Endpoint(service.key.address, service.key.port)} -s {service.scheduler}")
            case AddDestination(key, server) | EditDestination(key, server):
                letter = "a" if isinstance(operation, AddDestination) else "e"
                service_ = Endpoint(key.address, key.port)
                lines.append(f"-{letter} -t {service_} -r {server.address} -m -w {server.weight}")
    return "\n".join(lines) + "\n"


def seconds(work: Callable[[], object]) -> float:
    """Return how long it took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def restore(lines: str) -> None:
    """Have ipvsadm do it."""
    subprocess.run(["ipvsadm", "-R"], input=lines, text=True, check=True, timeout=600)


def report(what: str, ours: list[float], theirs: list[float], target: float) -> None:
    """Print the medians and their ratio."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(
        f"{what}: healthlb {mine * 1000:.1f} ms, ipvsadm -R {other * 1000:.1f} ms, "
        f"ratio {mine / other:.3f} (target {target})"
    )


def fresh_namespace() -> object:
    """Move to a network namespace of its own, and return what keeps it until the end: taking it down costs, too."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise SystemExit("bench_programming: no new network namespace (run it as root, in the lab's guest)")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=60)
    return Path("/proc/self/ns/net").open("rb")


def main() -> int:
    """Measure both and print one line for each."""
    light, heavy = wanted_table(heavy=False), wanted_table(heavy=True)
    build_lines, edit_lines = ipvsadm_lines(plan(IpvsTable(), light)), ipvsadm_lines(plan(light, heavy))
    times: dict[str, list[float]] = {name: [] for name in ("build", "edit", "build -R", "edit -R", "read", "plan")}
    namespaces = []
    for round_ in range(ROUNDS):
        for side in ("", " -R") if round_ % 2 else (" -R", ""):
            namespaces.append(fresh_namespace())
            table = KernelTable()
            actual = table.read().table
            for name, wanted, lines in (("build", light, build_lines), ("edit", heavy, edit_lines)):
                times["plan"].append(seconds(partial(plan, actual, wanted)))
                operations = plan(actual, wanted)
                work = partial(restore, lines) if side else partial(table.apply, operations)
                times[name + side].append(seconds(work))
                times["read"].append(seconds(table.read))
                actual = table.read().table
                if actual.services != wanted.services:
                    raise SystemExit("bench_programming: the table is not what was asked for")
            table.close()
    report(f"program {SERVICES} services x {DESTINATIONS} destinations", times["build"], times["build -R"], 0.15)
    report(f"change {SERVICES} weights", times["edit"], times["edit -R"], 0.07)
    plan_it, read_it = (statistics.median(times[name]) * 1000 for name in ("plan", "read"))
    print(f"plan it: {plan_it:.1f} ms; read it back: {read_it:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
