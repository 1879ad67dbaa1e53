"""What every IPVS table does, whichever it is: the suite that the kernel's table and the one in memory both pass."""

import errno
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlb.core.plan import applied, plan
from healthlb.linux.table import Table
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
from healthlb.model.table import Destination, Method, Persistence, Service, ServiceKey, Timeouts, Tunnel

# A table is emptied by the test itself before every example, and the guest is slow: nothing here is timed.
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
# Making two whole tables up costs more than writing them.
fewer = settings(relaxed, max_examples=40)

SCHEDULERS = ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"]
METHODS = [
    Method("nat"),
    Method("dr"),
    Method("tunnel", Tunnel()),
    Method("tunnel", Tunnel("ipip", 0, "csum")),
    Method("tunnel", Tunnel("gue", 6080)),
    Method("tunnel", Tunnel("gue", 6080, "csum")),
    Method("tunnel", Tunnel("gue", 65535, "remcsum")),
    Method("tunnel", Tunnel("gre", 0, "none")),
    Method("tunnel", Tunnel("gre", 0, "csum")),
]
HOSTS = ["192.0.2.1", "192.0.2.2", "127.0.0.1", "2001:db8::1", "2001:db8::2", "::1"]
NO_HOSTS = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "fe80::1", "::ffff:192.0.2.1"]

keys = st.sampled_from(
    [
        ServiceKey.at("tcp", Endpoint("192.0.2.100", 80)),
        ServiceKey.at("udp", Endpoint("192.0.2.100", 80)),
        ServiceKey.at("sctp", Endpoint("192.0.2.100", 0)),
        ServiceKey.at("tcp", Endpoint("2001:db8::100", 80)),
        ServiceKey.at("udp", Endpoint("2001:db8::100", 65535)),
        ServiceKey.marked(1, "inet"),
        ServiceKey.marked(1, "inet6"),
        ServiceKey.marked(0xFFFFFFFF, "inet"),
    ]
)


def persistences(key: ServiceKey, prefixes: st.SearchStrategy[int] | None = None) -> st.SearchStrategy[Persistence]:
    """Return strategies for the persistence of a service, by default one that its family can have."""
    possible = st.integers(1, 128) if key.family == "inet6" else st.integers(0, 32)
    return st.builds(
        Persistence, st.integers(1, 86400), possible if prefixes is None else prefixes, st.sampled_from(["", "sip"])
    )


def services_of(key: ServiceKey) -> st.SearchStrategy[Service]:
    """Return a strategy for services that every table takes."""
    return st.builds(
        Service,
        st.just(key),
        st.sampled_from(SCHEDULERS),
        st.frozensets(st.sampled_from(["flag-1", "flag-2", "flag-3"])),
        st.none() | persistences(key),
        one_packet=st.booleans(),
    )


@st.composite
def thresholds(draw: st.DrawFn) -> tuple[int, int]:
    """Return an upper and a lower threshold that go together."""
    upper = draw(st.sampled_from([0, 1, 1000, 0xFFFFFFFF]))
    return upper, draw(st.integers(0, upper))


@st.composite
def destinations_of(draw: st.DrawFn, key: ServiceKey) -> Destination:
    """Return a destination that a service of every table takes."""
    method = draw(st.sampled_from(METHODS))
    hosts = [host for host in HOSTS if method.kind == "tunnel" or Endpoint(host, 0).family == key.family]
    endpoint = Endpoint(draw(st.sampled_from(hosts)), draw(st.sampled_from([0, 80, 65535])))
    return Destination(endpoint, method, draw(st.sampled_from([0, 1, 100, 65535, 2**31 - 1])), *draw(thresholds()))


services = keys.flatmap(services_of)
tables = st.lists(services, unique_by=lambda service: service.key).flatmap(
    lambda found: st.tuples(
        *(
            st.tuples(
                st.just(service),
                st.lists(destinations_of(service.key), max_size=4, unique_by=lambda each: each.address),
            )
            for service in found
        )
    )
)
any_method = st.sampled_from([*METHODS, Method("tunnel", Tunnel("gue", 0))])
any_destination = st.builds(
    Destination,
    st.builds(Endpoint, st.sampled_from(HOSTS + NO_HOSTS), st.sampled_from([0, 80])),
    any_method,
    st.sampled_from([0, 1, 1, 1, -1]),
    st.sampled_from([0, 10]),
    st.sampled_from([0, 0, 5, 11]),
)
any_service = keys.flatmap(
    lambda key: st.builds(
        Service,
        st.just(key),
        st.sampled_from([*SCHEDULERS, "nosuch"]),
        persistence=st.none() | persistences(key, st.sampled_from([-1, 0, 24, 32, 33, 128, 129])),
    )
)
seconds = st.sampled_from([0, 1, 900, 86400])
any_operation: st.SearchStrategy[Operation] = st.one_of(
    st.builds(AddService, services),
    st.builds(AddService, any_service),
    st.builds(EditService, any_service),
    st.builds(DeleteService, keys),
    st.builds(AddDestination, keys, any_destination),
    st.builds(AddDestination, keys, any_destination),
    st.builds(EditDestination, keys, any_destination),
    st.builds(DeleteDestination, keys, st.builds(Endpoint, st.sampled_from(HOSTS), st.sampled_from([0, 80]))),
    st.builds(SetTimeouts, st.builds(Timeouts, seconds, seconds, seconds)),
)

KEY = ServiceKey.at("tcp", Endpoint("192.0.2.100", 80))
SERVICE = Service(KEY, "rr")
SERVER = Destination(Endpoint("192.0.2.1", 80), Method("nat"))


def emptied(table: Table) -> Table:
    """Return the table without a single service, and with the timeouts that kernels start with."""
    rows = table.read().table.services
    assert not table.apply([*(DeleteService(key) for key in rows), SetTimeouts(Timeouts(900, 120, 300))])
    return table


def refusals(table: Table, *operations: Operation) -> list[tuple[Operation, int]]:
    """Apply operations and return those that were refused, with the errno of each."""
    return [(failure.operation, failure.errno) for failure in table.apply(operations)]


def build(found: Sequence[tuple[Service, Sequence[Destination]]]) -> list[Operation]:
    """Return the operations that make a table out of nothing."""
    operations: list[Operation] = []
    for service, pool in found:
        operations.append(AddService(service))
        operations += [AddDestination(service.key, each) for each in pool]
    return operations


class TableContract:
    """The suite. A subclass provides the fixture `table`, and gets each promise as a test of its own."""

    @pytest.fixture
    def table(self) -> Iterator[Table]:
        raise NotImplementedError

    @fewer
    @given(tables)
    def test_what_is_written_is_what_is_read(self, table: Table, found: object) -> None:
        operations = build(found)  # type: ignore[arg-type]
        before = emptied(table).read().table
        assert not table.apply(operations)
        assert table.read().table == applied(before, operations)

    @fewer
    @given(tables, tables)
    def test_a_plan_carried_out_turns_one_table_into_another(self, table: Table, first: object, second: object) -> None:
        empty = emptied(table).read().table
        wanted = applied(empty, build(second))  # type: ignore[arg-type]
        assert not table.apply(build(first))  # type: ignore[arg-type]
        assert not table.apply(plan(table.read().table, wanted))
        assert table.read().table == wanted

    @relaxed
    @given(st.lists(any_operation, max_size=12))
    def test_a_refused_operation_changes_nothing_and_the_others_are_done(
        self, table: Table, operations: list[Operation]
    ) -> None:
        expected = emptied(table).read().table
        for operation in operations:
            if not table.apply([operation]):
                expected = applied(expected, [operation])
        assert table.read().table == expected

    def test_every_row_has_its_usage(self, table: Table) -> None:
        emptied(table).apply([AddService(SERVICE), AddDestination(KEY, SERVER)])
        reading = table.read()
        assert reading.services[KEY].stats.connections == 0
        assert reading.destinations[KEY][SERVER.address].active == 0

    def test_rows_that_did_not_change_are_the_same_objects_in_every_reading(self, table: Table) -> None:
        other = Service(ServiceKey.marked(7, "inet"), "wlc")
        emptied(table).apply([AddService(SERVICE), AddDestination(KEY, SERVER), AddService(other)])
        first = table.read().table.services
        table.apply([AddDestination(other.key, SERVER)])
        second = table.read().table.services
        assert second[KEY] is first[KEY]
        assert first[other.key].destinations == {}
        assert second[other.key].destinations == {SERVER.address: SERVER}

    def test_a_tunnel_without_particulars_reads_as_ipip(self, table: Table) -> None:
        bare = Destination(SERVER.address, Method("tunnel"))
        emptied(table).apply([AddService(SERVICE), AddDestination(KEY, bare)])
        assert table.read().table.services[KEY].destinations[bare.address].method == Method("tunnel", Tunnel())

    def test_a_timeout_of_0_leaves_the_one_that_there_is(self, table: Table) -> None:
        emptied(table).apply([SetTimeouts(Timeouts(tcp=10, udp=20)), SetTimeouts(Timeouts(tcp_fin=30))])
        assert table.read().table.timeouts == Timeouts(10, 30, 20)

    def test_refusals_come_in_order_with_the_operation_and_the_rest_is_done(self, table: Table) -> None:
        other = Destination(Endpoint("192.0.2.2", 80), Method("dr"))
        assert refusals(
            emptied(table),
            AddService(SERVICE),
            AddService(SERVICE),
            AddDestination(KEY, SERVER),
            AddDestination(KEY, SERVER),
            EditDestination(KEY, other),
            AddDestination(KEY, other),
        ) == [
            (AddService(SERVICE), errno.EEXIST),
            (AddDestination(KEY, SERVER), errno.EEXIST),
            (EditDestination(KEY, other), errno.ENOENT),
        ]
        assert table.read().table.services[KEY].destinations == {SERVER.address: SERVER, other.address: other}

    @pytest.mark.parametrize(
        "operation",
        [
            EditService(SERVICE),
            DeleteService(KEY),
            AddDestination(KEY, SERVER),
            EditDestination(KEY, SERVER),
            DeleteDestination(KEY, SERVER.address),
        ],
        ids=lambda operation: type(operation).__name__,
    )
    def test_what_is_done_to_an_absent_service_is_refused(self, table: Table, operation: Operation) -> None:
        (failure,) = emptied(table).apply([operation])
        assert failure.errno == errno.ESRCH
        assert failure.reason == f"cannot {operation}: there is no such service"

    @pytest.mark.parametrize(
        ("destination", "number", "cause"),
        [
            (Destination(Endpoint("192.0.2.1", 80), Method("nat"), -1), errno.ERANGE, "the weight is negative"),
            (
                Destination(Endpoint("192.0.2.1", 80), Method("nat"), 1, 5, 6),
                errno.ERANGE,
                "the lower threshold 6 is above the upper one 5",
            ),
            (
                Destination(Endpoint("2001:db8::1", 80), Method("nat")),
                errno.EINVAL,
                "a service of family inet reaches a real server of the other one by tunnel only",
            ),
            (
                Destination(Endpoint("192.0.2.1", 80), Method("tunnel", Tunnel("gue"))),
                errno.EINVAL,
                "a gue tunnel needs a port",
            ),
            *(
                (
                    Destination(Endpoint(address, 80), Method("tunnel", Tunnel())),
                    errno.EINVAL,
                    "the kernel takes only the address of a host that it can reach (is its interface, or lo, up?)",
                )
                for address in NO_HOSTS[:3]
            ),
        ],
    )
    def test_an_impossible_destination_is_refused_in_operators_words(
        self, table: Table, destination: Destination, number: int, cause: str
    ) -> None:
        (failure,) = emptied(table).apply([AddService(SERVICE), AddDestination(KEY, destination)])
        assert failure.errno == number
        assert failure.reason == f"cannot {AddDestination(KEY, destination)}: {cause}"

    @pytest.mark.parametrize("engine", ["", "sip"])
    def test_an_unknown_scheduler_is_refused_and_known_to_be_unsupported(self, table: Table, engine: str) -> None:
        service = Service(KEY, "nosuch", persistence=Persistence(300, 32, engine))
        assert table.unsupported(service) == "the kernel has no scheduler 'nosuch' (module ip_vs_nosuch)"
        assert refusals(emptied(table), AddService(service)) == [(AddService(service), errno.ENOENT)]

    def test_an_unknown_engine_is_refused_and_known_to_be_unsupported(self, table: Table) -> None:
        service = Service(KEY, "rr", persistence=Persistence(300, 32, "nosuch"))
        assert table.unsupported(service) == "the kernel has no persistence engine 'nosuch' (module ip_vs_pe_nosuch)"
        assert refusals(emptied(table), AddService(service)) == [(AddService(service), errno.ENOENT)]

    def test_a_name_that_no_kernel_could_hold_is_unsupported(self, table: Table) -> None:
        assert table.unsupported(Service(KEY, "x" * 16)) == (
            f"the kernel has no scheduler {'x' * 16!r} (module ip_vs_{'x' * 16})"
        )

    @relaxed
    @given(services)
    def test_asking_what_is_supported_changes_nothing(self, table: Table, service: Service) -> None:
        emptied(table).apply([AddService(SERVICE), AddDestination(KEY, SERVER)])
        before = table.read().table
        assert table.unsupported(service) is None
        assert table.read().table == before

    def test_an_empty_batch_is_no_work(self, table: Table) -> None:
        assert table.apply([]) == []
