"""How long a tick is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.daemon.pace import BATCH, LEAST, MOST, SHARE, Pace
from healthlb.model.health import Schedule

SECOND = Schedule(1.0, 0.5, 1, 1, 1.0, 1.0)


def pace(probes: int, schedule: Schedule = SECOND) -> Pace:
    made = Pace()
    for _ in range(probes):
        made.join(schedule)
    return made


def test_a_tick_is_short_where_there_is_little_to_start_together() -> None:
    assert pace(0).tick == pace(100).tick == LEAST


def test_a_tick_grows_with_what_can_be_started_together_and_shrinks_where_that_is_plenty() -> None:
    assert pace(1000).tick == MOST
    assert pace(5000).tick == pytest.approx(BATCH / 5000)
    assert pace(50_000).tick == LEAST


def test_a_short_interval_of_any_kind_keeps_the_tick_short() -> None:
    shared = pace(1000)
    quick = replace(SECOND, fast_interval=0.4)
    shared.join(quick)
    assert shared.tick == pytest.approx(0.02)
    shared.leave(quick)
    assert shared.tick == MOST
    assert pace(1000, replace(SECOND, down_interval=0.1)).tick == LEAST


@given(st.lists(st.tuples(st.floats(0.1, 600), st.floats(0.1, 600), st.floats(0.1, 600)), min_size=1, max_size=300))
def test_a_tick_is_never_longer_than_a_share_of_the_shortest_interval_allows(times: list[tuple[float, ...]]) -> None:
    schedules = [Schedule(interval, 0.5, 1, 1, fast, down) for interval, fast, down in times]
    made = Pace()
    for schedule in schedules:
        made.join(schedule)
    assert LEAST <= made.tick <= MOST
    assert made.tick <= max(LEAST, SHARE * min(min(each) for each in times))
    for schedule in schedules:
        made.leave(schedule)
    assert made.tick == LEAST
