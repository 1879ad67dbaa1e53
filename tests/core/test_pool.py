"""Quorum with keepalived's hysteresis, and the state of a pool."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.pool import live_weight, pool_state, quorum_met
from healthlb.model.config import Quorum
from healthlb.model.table import Destination
from tests.strategies import destinations


@pytest.mark.parametrize(
    ("before", "live", "met"),
    [
        (False, 5, False),
        (False, 6, True),
        (True, 5, True),
        (True, 4, True),
        (True, 3, False),
        (True, 0, False),
    ],
)
def test_a_quorum_of_5_with_hysteresis_1_is_gained_at_6_and_lost_below_4(before: bool, live: int, met: bool) -> None:
    assert quorum_met(before, live, Quorum(5, 1)) is met


def test_an_empty_pool_never_meets_its_quorum_however_wide_the_hysteresis() -> None:
    assert quorum_met(True, 0, Quorum(1, 1)) is False


@given(st.booleans(), st.integers(0, 9), st.integers(1, 9), st.integers(0, 8))
def test_a_quorum_that_is_met_at_one_weight_is_met_at_a_greater_one(
    before: bool, live: int, up: int, hysteresis: int
) -> None:
    quorum = Quorum(up, hysteresis)
    assert quorum_met(before, live, quorum) <= quorum_met(before, live + 1, quorum)


@pytest.mark.parametrize(
    ("configured", "kernel", "met", "state"),
    [
        ([1, 1], [1, 1], True, "up"),
        ([1, 1], [1, 0], True, "degraded"),
        ([1, 1], [1, 1], False, "degraded"),
        ([1, 1], [0, 0], False, "down"),
        ([], [], False, "down"),
        ([1, 0], [1, 0], True, "up"),
        ([0, 0], [0, 0], False, "down"),
    ],
)
def test_each_row_of_the_state_table(configured: list[int], kernel: list[int], met: bool, state: str) -> None:
    assert pool_state(configured, kernel, met) == state


def test_panic_is_told_as_long_as_anything_takes_traffic() -> None:
    assert pool_state([1, 1], [1, 0], False, panic=True) == "panic"
    assert pool_state([1, 1], [0, 0], False, panic=True) == "down"


@given(st.lists(destinations))
def test_live_weight_is_the_sum_of_weights(found: list[Destination]) -> None:
    assert live_weight(found) == sum(each.weight for each in found)
