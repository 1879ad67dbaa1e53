"""One pass over the table, from verdicts to operations carried out. Runs in a worker thread: it blocks on the table.

Everything that goes in and comes out is immutable, so that the loop and the worker share nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from healthlb.core.plan import applied, plan, scope, service_of
from healthlb.core.policy import Decision, Level, Looked, decide, weight_when_up
from healthlb.core.pool import pool_state
from healthlb.daemon.fault import describe
from healthlb.linux.table import Table
from healthlb.model.counters import TableReading
from healthlb.model.health import Health
from healthlb.model.operations import AddService, DeleteDestination, Operation, OperationFailure
from healthlb.model.pool_state import PoolState
from healthlb.model.table import IpvsTable, ServiceKey, ServiceRow, Timeouts


@dataclass(frozen=True, slots=True)
class Job:
    """What one pass is to do.

    `pools` are what is known of those to decide on, at `now` (steady UNIX seconds). `known` is the table as it is
    believed to be; `read` asks for a fresh look first. `ours` are the services of the configuration, `former` those of
    an earlier one that are still to be deleted. `held` operations failed lately and wait for their retry.
    `templates_pin` is asked whether persistence templates outlive a weight of 0.
    """

    pools: tuple[Level, ...]
    known: IpvsTable | None
    read: bool
    ours: frozenset[ServiceKey]
    now: float = 0.0
    former: frozenset[ServiceKey] = frozenset()
    remove_foreign: bool = False
    timeouts: Timeouts | None = None
    held: frozenset[Operation] = frozenset()
    templates_pin: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Worth:
    """What became of a pool: what was decided, and its state by the rows that the table has now.

    `judged`: every real server had its first verdict, and there are some.
    Reckoned off the loop, which ten thousand servers would hold too long.
    """

    decision: Decision
    state: PoolState
    judged: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one pass did: the reading if there was one, the table as it is now, and what was done and refused.

    `worth` is that of the job's pools, by their service; `faults` says of those that could not be decided on why not.
    Nothing was done to their rows.
    """

    reading: TableReading | None
    table: IpvsTable
    wanted: dict[ServiceKey, ServiceRow]
    done: tuple[Operation, ...]
    drift: frozenset[Operation]
    failures: tuple[OperationFailure, ...]
    foreign: tuple[ServiceKey, ...]
    worth: dict[ServiceKey, Worth] = field(default_factory=dict)
    faults: dict[ServiceKey, str] = field(default_factory=dict)


def reconcile(table: Table, job: Job) -> Outcome:
    """Make the table right for the job's pools; raise TableUnavailableError if it cannot be reached.

    An operation that is refused although the table was only believed, not read, says that somebody else changed it:
    the pass is then done once more from a fresh look, and only what is refused then is a failure. What that look shows
    of other pools is no part of the outcome's table, so that the pass that repairs them knows it for drift.
    """
    first = _attempt(table, job)
    if not first.failures or first.reading is not None:
        return first
    second = _attempt(table, replace(job, read=True))
    believed = job.known or IpvsTable()
    services = {key: row for key, row in believed.services.items() if key not in second.wanted.keys() | job.former}
    services |= scope(second.table, second.wanted.keys() | job.former).services
    return replace(second, done=first.done + second.done, table=IpvsTable(services, believed.timeouts))


def _attempt(table: Table, job: Job) -> Outcome:
    reading = table.read() if job.read or job.known is None else None
    actual = reading.table if reading is not None else job.known or IpvsTable()
    decisions, faults = _decisions(job, actual, reading)
    wanted = {key: decision.row for key, decision in decisions.items()}
    foreign = tuple(key for key in actual.services if key not in job.ours and key not in job.former)
    touched = wanted.keys() | job.former | (frozenset(foreign) if job.remove_foreign else frozenset())
    here = scope(actual, touched)
    operations = plan(here, IpvsTable(wanted, job.timeouts))
    drift: frozenset[Operation] = frozenset()
    if reading is not None and job.known is not None and operations:
        drift = frozenset(plan(here, scope(job.known, touched))) & frozenset(operations)
    done, failures = _carry_out(table, actual, operations, job.held)
    table_now = applied(actual, done)
    levels = {level.server.service.key: level for level in job.pools}
    worth = {key: _worth(levels[key], decision, table_now) for key, decision in decisions.items()}
    return Outcome(reading, table_now, wanted, done, drift, failures, foreign, worth, faults)


def _carry_out(
    table: Table, actual: IpvsTable, planned: Sequence[Operation], held: frozenset[Operation]
) -> tuple[tuple[Operation, ...], tuple[OperationFailure, ...]]:
    """Carry out what is not held back; return what was done and what was refused.

    Rows leave last, and only from pools that live without them or where nothing was refused or held: a server whose
    successor the kernel does not take stays until it does.
    """
    operations = _without_held(planned, held)
    leaving = [each for each in operations if isinstance(each, DeleteDestination)]
    done, failures = _apply(table, [each for each in operations if not isinstance(each, DeleteDestination)])
    if leaving and (failures or len(operations) < len(planned)):
        short = {service_of(failure.operation) for failure in failures}
        short |= {service_of(each) for each in planned if each in held}
        after = applied(actual, [*done, *leaving])
        emptied = {key for key, row in after.services.items() if key in short and not _lives(row)}
        leaving = [each for each in leaving if each.key not in emptied]
    left, stuck = _apply(table, leaving)
    return done + left, failures + stuck


def _apply(table: Table, operations: Sequence[Operation]) -> tuple[tuple[Operation, ...], tuple[OperationFailure, ...]]:
    failures = _root_causes(table.apply(operations)) if operations else []
    if not failures:
        return tuple(operations), ()
    refused = {failure.operation for failure in failures}
    lost = {service_of(each) for each in refused if isinstance(each, AddService)}
    done = tuple(each for each in operations if each not in refused and service_of(each) not in lost)
    return done, tuple(failures)


def _lives(row: ServiceRow) -> bool:
    return any(each.weight for each in row.destinations.values())


def _worth(level: Level, decision: Decision, table: IpvsTable) -> Worth:
    servers = level.server.real_servers
    row = table.services.get(level.server.service.key)
    rows = row.destinations if row is not None else {}
    weights = (rows[each.address].weight if each.address in rows else 0 for each in servers)
    meant = (weight_when_up(each, standing) for each, standing in zip(servers, level.standings, strict=True))
    state = pool_state(meant, weights, decision.quorum_met, panic=bool(decision.pooled))
    healths = {standing.health for standing in level.standings}
    return Worth(decision, state, judged=bool(healths) and Health.UNKNOWN not in healths)


def _decisions(
    job: Job, actual: IpvsTable, reading: TableReading | None
) -> tuple[dict[ServiceKey, Decision], dict[ServiceKey, str]]:
    """Return what was decided; a fault of ours in the decision on one pool leaves that pool alone, and no other."""
    persistent = any(level.server.service.persistence is not None for level in job.pools)
    pin = reading is not None and persistent and job.templates_pin()
    decisions, faults = {}, {}
    for level in job.pools:
        key = level.server.service.key
        present = actual.services.get(key)
        usage = reading.destinations.get(key, {}) if reading is not None else None
        looked = Looked(present.destinations if present is not None else {}, usage, pin)
        try:
            decisions[key] = decide(level, looked, job.now)
        except Exception as error:  # noqa: BLE001  all other pools are to go on
            faults[key] = f"{level.server.name}: {describe(error)}"
    return decisions, faults


def _without_held(operations: Sequence[Operation], held: frozenset[Operation]) -> Sequence[Operation]:
    """Leave out what waits for its retry, and all that needs a service which waits."""
    if not held:
        return operations
    waiting = {each.service.key for each in held if isinstance(each, AddService)}
    return [each for each in operations if each not in held and service_of(each) not in waiting]


def _root_causes(failures: list[OperationFailure]) -> list[OperationFailure]:
    """Leave out the failures that only follow from a service that could not be added."""
    absent = {each.operation.service.key for each in failures if isinstance(each.operation, AddService)}
    return [
        each for each in failures if isinstance(each.operation, AddService) or service_of(each.operation) not in absent
    ]


def withdraw(table: Table, ours: frozenset[ServiceKey], mode: Literal["drain", "remove"]) -> Outcome:
    """Empty the weights of our services, or delete them; raise TableUnavailableError if the table cannot be reached."""
    reading = table.read()
    here = scope(reading.table, ours)
    wanted = {key: _emptied(row) for key, row in here.services.items()} if mode == "drain" else {}
    operations = plan(here, IpvsTable(wanted))
    done, failures = _apply(table, operations)
    return Outcome(reading, applied(here, done), wanted, done, frozenset(), failures, ())


def _emptied(row: ServiceRow) -> ServiceRow:
    return ServiceRow(row.service, {address: replace(each, weight=0) for address, each in row.destinations.items()})
