"""How guessing is slowed down and refusals are told, with a clock that the test moves."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.api.penalties import ADDRESSES, LONGEST, TOLD_EVERY, WINDOW, Penalties, Refusals, network

MINUTE = 60.0
pauses = st.floats(0, 90)


def failed_at_once(times: int, remote: str = "192.0.2.1", now: float = 0.0) -> Penalties:
    penalties = Penalties()
    for _ in range(times):
        penalties.failed(remote, now)
    return penalties


def test_four_wrong_tokens_within_a_minute_cost_nothing_and_the_fifth_costs_a_second() -> None:
    assert failed_at_once(4).left("192.0.2.1", 0.0) == 0
    penalties = failed_at_once(5)
    assert penalties.left("192.0.2.1", 0.0) == 1
    assert penalties.left("192.0.2.1", 1.0) == 0
    assert penalties.left("192.0.2.2", 0.0) == 0


def test_each_wrong_token_after_a_penalty_doubles_it_to_a_minute_at_most() -> None:
    penalties, now, lengths = failed_at_once(5), 0.0, []
    for _ in range(9):
        lengths.append(penalties.left("192.0.2.1", now))
        now += lengths[-1]
        penalties.failed("192.0.2.1", now)
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_quiet_minute_after_a_penalty_forgives_all() -> None:
    penalties = failed_at_once(5)
    penalties.failed("192.0.2.1", 1.0 + WINDOW)
    assert penalties.left("192.0.2.1", 1.0 + WINDOW) == 0


@given(st.lists(pauses, max_size=60))
def test_whatever_a_guesser_does_somebody_else_at_its_address_is_heard_within_a_minute(waits: list[float]) -> None:
    penalties, now = Penalties(), 0.0
    for wait in waits:
        now += wait
        if not penalties.left("192.0.2.1", now):
            penalties.failed("192.0.2.1", now)
        assert penalties.left("192.0.2.1", now) <= LONGEST
    assert penalties.left("192.0.2.1", now + MINUTE) == 0


@given(st.lists(pauses, max_size=200))
def test_no_guesser_has_more_than_ten_tokens_looked_at_in_a_minute(waits: list[float]) -> None:
    penalties, now, looked_at = Penalties(), 0.0, []
    for wait in waits:
        now += wait / 9
        if not penalties.left("192.0.2.1", now):
            looked_at.append(now)
            penalties.failed("192.0.2.1", now)
        assert sum(now - moment < MINUTE for moment in looked_at) <= 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("what", "what", True),
    ],
)
def test_an_ipv6_guesser_has_its_whole_network_against_it(one: str, other: str, same: bool) -> None:
    assert (network(one) == network(other)) is same
    assert bool(failed_at_once(5, one).left(other, 0.0)) is same


def test_a_crowd_of_addresses_takes_no_more_memory_than_a_thousand_and_the_latest_are_remembered() -> None:
    penalties, refusals = Penalties(), Refusals()
    for number in range(3 * ADDRESSES):
        for _ in range(5):
            penalties.failed(f"10.0.{number // 256}.{number % 256}", 0.0)
        refusals.more(number, 0.0)
    assert len(penalties) == len(refusals) == ADDRESSES
    last = 3 * ADDRESSES - 1
    assert penalties.left(f"10.0.{last // 256}.{last % 256}", 0.0) == 1
    assert penalties.left("10.0.0.0", 0.0) == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 30)), max_size=50))
def test_a_caller_is_told_of_once_in_ten_seconds_and_every_refusal_is_counted(steps: list[tuple[str, float]]) -> None:
    refusals, now = Refusals(), 0.0
    told: dict[str, list[tuple[float, int]]] = {"a": [], "b": []}
    made = {"a": 0, "b": 0}
    for caller, wait in steps:
        now += wait
        made[caller] += 1
        more = refusals.more(caller, now)
        if more is not None:
            told[caller].append((now, more))
            assert sum(1 + more for _, more in told[caller]) == made[caller]
    for moments in told.values():
        assert all(later[0] - earlier[0] >= TOLD_EVERY for earlier, later in pairwise(moments))
