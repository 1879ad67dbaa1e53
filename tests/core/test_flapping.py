"""Flap damping, as its table tells."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.flapping import STEADY, Flaps, is_held, length, turned
from healthlb.model.config import FlapDamping

SETTINGS = FlapDamping(changes=2, window=100.0, hold=10.0, longest=35.0)
GAPS = st.lists(st.integers(0, 150), max_size=40)


def after(moments: list[float], settings: FlapDamping = SETTINGS, flaps: Flaps = STEADY) -> Flaps:
    for now in moments:
        flaps = turned(flaps, settings, now)
    return flaps


def moments(gaps: list[int]) -> list[float]:
    return [float(1000 + sum(gaps[: each + 1])) for each in range(len(gaps))]


def test_a_server_that_turns_as_often_as_it_may_is_left_alone() -> None:
    assert not is_held(after([1000, 1001]), 1001)


def test_one_turn_more_holds_it_down_until_the_hold_ends() -> None:
    flaps = after([1000, 1001, 1002])
    assert flaps.held_until == 1012
    assert is_held(flaps, 1011.9)
    assert not is_held(flaps, 1012)


def test_turns_that_are_older_than_the_window_count_no_more() -> None:
    assert not is_held(after([1000, 1001, 1101.5]), 1101.5)


def test_each_hold_is_twice_as_long_as_the_one_before_up_to_the_longest() -> None:
    flaps, held = STEADY, []
    now = 1000.0
    for _ in range(4):
        flaps = after([now, now, now], flaps=flaps)
        assert flaps.held_until is not None
        held.append(flaps.held_until - now)
        now = flaps.held_until
    assert held == [10, 20, 35, 35]


def test_a_window_without_a_turn_after_the_last_hold_makes_up_for_all_of_them() -> None:
    flaps = after([1000, 1000, 1000])
    assert after([1050, 1050, 1050], flaps=flaps).level == 2
    assert after([1110.5, 1110.5, 1110.5], flaps=flaps).level == 1


def test_turns_during_a_hold_do_not_make_it_longer() -> None:
    flaps = after([1000, 1001, 1002])
    assert after([1003, 1004, 1005, 1006], flaps=flaps) == flaps


def test_a_server_may_be_held_a_thousand_times() -> None:
    assert length(5000, replace(SETTINGS, longest=1e300)) == 1e300
    assert length(5000, replace(SETTINGS, hold=0.0)) == 0.0


@given(GAPS, st.integers(1, 4))
def test_no_more_turns_are_remembered_than_may_be(gaps: list[int], changes: int) -> None:
    assert len(after(moments(gaps), replace(SETTINGS, changes=changes)).turns) <= changes


@given(GAPS)
def test_a_hold_is_never_longer_than_the_longest_and_never_shorter_than_the_first(gaps: list[int]) -> None:
    flaps = STEADY
    for now in moments(gaps):
        before, flaps = flaps, turned(flaps, SETTINGS, now)
        if flaps.held_until not in {before.held_until, None}:
            assert SETTINGS.hold <= (flaps.held_until or 0.0) - now <= SETTINGS.longest


@given(GAPS)
def test_a_server_that_turns_slowly_enough_is_never_held(gaps: list[int]) -> None:
    slow = [gap + 51 for gap in gaps]
    assert after(moments(slow)).held_until is None
