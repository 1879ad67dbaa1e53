"""The invariants of the plan, each as its sentence."""

from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.plan import applied, merge_timeouts, plan, scope, service_of
from healthlb.model.operations import AddDestination, AddService, Operation, SetTimeouts
from healthlb.model.table import IpvsTable, ServiceKey, Timeouts
from tests.strategies import service_keys, tables


def wanted(actual: IpvsTable, desired: IpvsTable) -> IpvsTable:
    """Return the table that a plan must reach: the desired rows, and timeouts where 0 leaves the present one."""
    times = actual.timeouts
    if desired.timeouts is not None and merge_timeouts(times, desired.timeouts) != times:
        times = merge_timeouts(times, desired.timeouts)
    return IpvsTable(desired.services, times)


def live(table: IpvsTable, key: ServiceKey) -> int:
    row = table.services.get(key)
    return sum(1 for each in row.destinations.values() if each.weight) if row else 0


@given(tables, tables)
def test_applying_the_plan_yields_the_desired_table(actual: IpvsTable, desired: IpvsTable) -> None:
    assert applied(actual, plan(actual, desired)) == wanted(actual, desired)


@given(tables)
def test_a_table_that_is_right_needs_no_operation(table: IpvsTable) -> None:
    assert plan(table, table) == []
    assert plan(table, IpvsTable(dict(table.services), table.timeouts)) == []


@given(tables, tables, st.integers(0, 40))
def test_stopping_after_any_step_and_planning_again_converges(
    actual: IpvsTable, desired: IpvsTable, steps: int
) -> None:
    stopped = applied(actual, plan(actual, desired)[:steps])
    assert applied(stopped, plan(stopped, desired)) == wanted(actual, desired)


@given(tables, tables)
def test_a_service_precedes_its_destinations(actual: IpvsTable, desired: IpvsTable) -> None:
    present = set(actual.services)
    for operation in plan(actual, desired):
        if isinstance(operation, AddService):
            present.add(operation.service.key)
        elif (key := service_of(operation)) is not None:
            assert key in present


@given(tables, tables)
def test_no_step_leaves_fewer_live_destinations_than_both_ends(actual: IpvsTable, desired: IpvsTable) -> None:
    table = actual
    for operation in plan(actual, desired):
        table = applied(table, [operation])
        for key in desired.services:
            assert live(table, key) >= min(live(actual, key), live(desired, key))


@given(tables, st.sets(service_keys))
def test_a_scope_holds_nothing_but_the_services_asked_for(table: IpvsTable, keys: set[ServiceKey]) -> None:
    assert set(scope(table, keys).services) == set(table.services) & keys


@given(tables, tables)
def test_applying_leaves_the_table_before_it_untouched(actual: IpvsTable, desired: IpvsTable) -> None:
    before = {key: dict(row.destinations) for key, row in actual.services.items()}
    applied(actual, plan(actual, desired))
    assert {key: dict(row.destinations) for key, row in actual.services.items()} == before


def test_timeouts_of_zero_leave_the_kernels_own() -> None:
    actual = IpvsTable({}, Timeouts(900, 120, 300))
    assert plan(actual, IpvsTable({}, Timeouts(900, 0, 0))) == []
    assert plan(actual, IpvsTable({}, Timeouts(0, 60, 0))) == [SetTimeouts(Timeouts(0, 60, 0))]


@given(tables)
def test_every_operation_is_told_in_words(desired: IpvsTable) -> None:
    operations: list[Operation] = [*plan(IpvsTable(), desired), *plan(desired, IpvsTable())]
    for operation in operations:
        key = service_of(operation)
        assert key is None or str(key) in str(operation)
        if isinstance(operation, AddDestination):
            assert str(operation.destination.address) in str(operation)
