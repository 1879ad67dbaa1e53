"""From verdicts to rows."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.desired import Standing, configured_row, desired_row
from healthlb.model.config import VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
from healthlb.model.table import Destination, Method, Service, ServiceKey
from tests.strategies import destinations, feedbacks, real_server, virtual_servers

WEB1, WEB2, OLD = Endpoint("192.0.2.1", 80), Endpoint("192.0.2.2", 80), Endpoint("192.0.2.9", 80)
SERVICE = Service(ServiceKey.at("tcp", Endpoint("198.51.100.1", 80)), "rr")
SHOP = VirtualServer("shop", SERVICE, Method("nat"), (real_server(WEB1, weight=3),))
STANDINGS = st.builds(Standing, st.sampled_from(Health), st.booleans(), st.lists(feedbacks, max_size=2).map(tuple))
UP, DOWN, UNKNOWN = (Standing(health) for health in (Health.UP, Health.DOWN, Health.UNKNOWN))


def presence(*rows: Destination) -> dict[Endpoint, Destination]:
    return {row.address: row for row in rows}


def with_server(**changes: object) -> VirtualServer:
    return replace(SHOP, real_servers=(real_server(WEB1, **changes),))


def test_an_up_server_has_its_configured_weight() -> None:
    assert desired_row(SHOP, [UP], {}).destinations[WEB1].weight == 3


def test_a_down_server_is_quiesced_to_weight_0() -> None:
    assert desired_row(SHOP, [DOWN], {}).destinations[WEB1].weight == 0


def test_a_down_server_is_removed_where_on_failure_says_so() -> None:
    assert desired_row(with_server(on_failure="remove"), [DOWN], {}).destinations == {}


def test_an_unknown_server_waits() -> None:
    assert desired_row(SHOP, [UNKNOWN], {}).destinations == {}


def test_an_unknown_server_that_is_trusted_enters_at_once() -> None:
    assert desired_row(with_server(weight=2, initial="trust"), [UNKNOWN], {}).destinations[WEB1].weight == 2


@given(virtual_servers, st.integers(0, 3), destinations)
def test_unknown_never_changes_a_row_that_is_present(server: VirtualServer, index: int, row: Destination) -> None:
    real = server.real_servers[index % 3]
    present = presence(replace(row, address=real.address))
    assert desired_row(server, [UNKNOWN] * 3, present).destinations[real.address] is present[real.address]


@given(virtual_servers, st.lists(STANDINGS, min_size=3, max_size=3), st.lists(destinations))
def test_a_verdict_decides_a_row_whatever_the_table_holds(
    server: VirtualServer, standings: list[Standing], found: list[Destination]
) -> None:
    with_rows = desired_row(server, standings, presence(*found)).destinations
    without = desired_row(server, standings, {}).destinations
    for real, standing in zip(server.real_servers, standings, strict=True):
        if standing.health is not Health.UNKNOWN:
            assert with_rows.get(real.address) == without.get(real.address)


def test_a_row_that_the_file_no_longer_lists_leaves() -> None:
    present = presence(configured_row(real_server(OLD), 1))
    assert OLD not in desired_row(SHOP, [UP], present).destinations


def test_a_replaced_server_stays_until_its_successor_has_a_verdict() -> None:
    present = presence(configured_row(real_server(OLD), 1))
    assert set(desired_row(SHOP, [UNKNOWN], present).destinations) == {OLD}
    assert set(desired_row(SHOP, [UP], present).destinations) == {WEB1}


def test_a_successor_that_fails_holds_no_predecessor_back() -> None:
    present = presence(configured_row(real_server(OLD), 1))
    assert desired_row(SHOP, [Standing(Health.UNKNOWN, failing=True)], present).destinations == {}


@given(virtual_servers, st.lists(STANDINGS, min_size=3, max_size=3), st.lists(destinations))
def test_what_is_desired_stays_desired_once_it_is_in_the_table(
    server: VirtualServer, standings: list[Standing], found: list[Destination]
) -> None:
    first = desired_row(server, standings, presence(*found))
    assert desired_row(server, standings, first.destinations) == first
