"""The rise and fall machine, by its table and by a dumb second implementation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.health import combine, next_interval, observe
from healthlb.model.health import CheckState, Health, Schedule
from tests.strategies import schedules

SCHEDULE = Schedule(interval=2.0, timeout=1.0, rise=2, fall=3, fast_interval=0.5, down_interval=5.0)
UNKNOWN, UP, DOWN = Health.UNKNOWN, Health.UP, Health.DOWN


def after(results: str, schedule: Schedule = SCHEDULE, state: CheckState | None = None) -> CheckState:
    state = state or CheckState()
    for result in results:
        state = observe(state, result == "+", schedule)
    return state


@pytest.mark.parametrize(
    ("results", "health", "interval"),
    [
        ("", UNKNOWN, 0.5),
        ("+", UNKNOWN, 0.5),
        ("++", UP, 2.0),
        ("-", UNKNOWN, 0.5),
        ("--", UNKNOWN, 0.5),
        ("---", DOWN, 5.0),
        ("+-+-+-", UNKNOWN, 0.5),
        ("+++++", UP, 2.0),
        ("++-", UP, 0.5),
        ("++--", UP, 0.5),
        ("++--+", UP, 2.0),
        ("++---", DOWN, 5.0),
        ("----", DOWN, 5.0),
        ("---+", DOWN, 0.5),
        ("---+-", DOWN, 5.0),
        ("---++", UP, 2.0),
    ],
)
def test_each_row_of_the_transition_table(results: str, health: Health, interval: float) -> None:
    state = after(results)
    assert state.health is health
    assert next_interval(state, SCHEDULE) == interval


@given(schedules, st.text("+-", max_size=30))
def test_the_verdict_is_that_of_the_last_run_long_enough(schedule: Schedule, results: str) -> None:
    expected = UNKNOWN
    for end in range(1, len(results) + 1):
        seen = results[:end]
        if seen.endswith("+" * schedule.rise):
            expected = UP
        elif seen.endswith("-" * schedule.fall):
            expected = DOWN
    assert after(results, schedule).health is expected


@given(schedules, st.text("+-", min_size=1, max_size=30))
def test_the_streak_counts_the_latest_equal_results(schedule: Schedule, results: str) -> None:
    state = after(results, schedule)
    assert state.streak == len(results) - len(results.rstrip(results[-1]))
    assert state.passing == (results[-1] == "+")


@pytest.mark.parametrize(
    ("require", "verdicts", "combined"),
    [
        ("all", [], UP),
        ("any", [], UP),
        ("all", [UP, UP], UP),
        ("all", [UP, UNKNOWN], UNKNOWN),
        ("all", [UP, DOWN], DOWN),
        ("all", [UNKNOWN, DOWN], DOWN),
        ("any", [DOWN, DOWN], DOWN),
        ("any", [DOWN, UNKNOWN], UNKNOWN),
        ("any", [DOWN, UP], UP),
        ("any", [UNKNOWN, UP], UP),
    ],
)
def test_all_needs_every_check_and_any_needs_one(require: str, verdicts: list[Health], combined: Health) -> None:
    assert combine(require, verdicts) is combined


@given(st.lists(st.sampled_from(Health), min_size=1))
def test_all_and_any_mirror_each_other(verdicts: list[Health]) -> None:
    mirror = {UP: DOWN, DOWN: UP, UNKNOWN: UNKNOWN}
    assert combine("any", verdicts) is mirror[combine("all", [mirror[each] for each in verdicts])]
