"""The steps of a slow start."""

import math

from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.slow_start import STEPS, Recovered, part
from healthlb.model.endpoint import Endpoint
from tests.strategies import real_server

SPANS = st.floats(0.001, 1e6)
TIMES = st.floats(0, 2e9)


def recovered(at: float, slow_start: float) -> Recovered:
    return Recovered(real_server(Endpoint("192.0.2.1", 80), slow_start=slow_start), at, 100, 100)


@given(TIMES, SPANS, TIMES)
def test_a_step_lasts_until_the_next_begins(at: float, slow_start: float, now: float) -> None:
    one = recovered(at, slow_start)
    step = one.step(now)
    assert step == 1 or one.begins(step) <= now
    assert step == STEPS or now < one.begins(step + 1)


@given(TIMES, SPANS, st.integers(1, STEPS))
def test_a_step_begins_when_it_says(at: float, slow_start: float, step: int) -> None:
    one = recovered(at, slow_start)
    assert one.step(one.begins(step)) >= step


def test_a_division_that_falls_on_the_wrong_side_of_a_beginning_makes_no_difference() -> None:
    one = recovered(0.0, 0.1)
    assert int(0.005 / 0.1 * STEPS) == 0, "a hair too little"
    assert one.begins(2) == 0.005
    assert one.step(0.005) == 2
    early = math.nextafter(one.begins(4), 0.0)
    assert int(early / 0.1 * STEPS) == 3, "a hair too much"
    assert one.step(early) == 3


@given(st.integers(0, 65535), st.integers(1, STEPS))
def test_a_part_is_never_more_than_the_whole_and_never_nothing(weight: int, step: int) -> None:
    assert min(weight, 1) <= part(weight, step) <= weight
    assert part(weight, STEPS) == weight
