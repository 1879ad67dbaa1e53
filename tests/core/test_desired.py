"""From verdicts to rows, where no policy has its say."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.desired import Standing, configured_row, weight_before, weight_when_up
from healthlb.core.policy import Level, Looked, decide
from healthlb.model.config import VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Health
from healthlb.model.overrides import Applied
from healthlb.model.table import Destination, Method
from tests.strategies import destinations, feedbacks, real_server, virtual_servers

WEB1 = Endpoint("192.0.2.1", 80)
STANDINGS = st.builds(Standing, st.sampled_from(Health), st.booleans(), st.lists(feedbacks, max_size=2).map(tuple))
THREE = st.lists(STANDINGS, min_size=3, max_size=3)


def rows(server: VirtualServer, standings: list[Standing], *present: Destination) -> dict[Endpoint, Destination]:
    found = {row.address: row for row in present}
    return dict(decide(Level(server, standings), Looked(found), 0.0).row.destinations)


@given(virtual_servers, st.integers(0, 2), destinations)
def test_unknown_never_changes_a_row_that_is_present(server: VirtualServer, index: int, row: Destination) -> None:
    present = replace(row, address=server.real_servers[index].address)
    assert rows(server, [Standing()] * 3, present)[present.address] is present


@given(virtual_servers, THREE, st.lists(destinations))
def test_a_verdict_decides_a_row_whatever_the_table_holds(
    server: VirtualServer, standings: list[Standing], found: list[Destination]
) -> None:
    with_rows, without = rows(server, standings, *found), rows(server, standings)
    for real, standing in zip(server.real_servers, standings, strict=True):
        if standing.health is not Health.UNKNOWN:
            assert with_rows.get(real.address) == without.get(real.address)


@given(destinations, destinations)
def test_a_configured_row_is_the_present_one_exactly_where_that_is_right(one: Destination, two: Destination) -> None:
    server = replace(
        real_server(one.address),
        method=one.method,
        upper_threshold=one.upper_threshold,
        lower_threshold=one.lower_threshold,
    )
    present = replace(two, address=one.address)
    row = configured_row(server, one.weight, present)
    assert row == one == configured_row(server, one.weight)
    assert (row is present) is (present == one)
    assert configured_row(replace(server, method=replace(one.method)), one.weight, one) is one


def test_an_operators_weight_stands_in_for_the_configured_one_and_an_order_leaves_none() -> None:
    server, half = real_server(WEB1, weight=2), (Feedback(50, percent=True),)
    assert weight_before(server, Standing()) == 2
    assert weight_before(server, Standing(applied=Applied("drain", weight=8))) == 8
    assert weight_when_up(server, Standing(Health.DOWN, feedback=half)) == 1
    assert weight_when_up(server, Standing(Health.DOWN, feedback=half, applied=Applied(weight=8))) == 4
    assert weight_when_up(server, Standing(Health.UP, applied=Applied("drain", weight=8))) == 0


def test_methods_that_are_equal_and_not_the_same_make_no_new_row() -> None:
    present = Destination(WEB1, Method("nat"), 1)
    assert configured_row(real_server(WEB1), 1, present) is present
