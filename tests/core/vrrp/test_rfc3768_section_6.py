"""RFC 3768 sections 6.1 and 6.4: what a machine of version 2 must do, a test for every sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.vrrp.machine import Machine
from healthlb.core.vrrp.outputs import Announce, Became, GiveAddresses, NewMaster, SendAdvert, TakeAddresses
from healthlb.core.vrrp.packet import Advert
from tests.core.vrrp import machines
from tests.core.vrrp.machines import HIGHER_ADDRESS, LIST, LOWER_ADDRESS, only

priorities = st.integers(1, 254)
intervals = st.integers(1, 255).map(float)


def backup(**options: float) -> Machine:
    return machines.backup(version=2, **options)


def master(**options: float) -> Machine:
    """Return a machine that becomes MASTER at 0.0."""
    return machines.master(version=2, **options)


def advert(priority: int, interval: float = 1.0) -> Advert:
    return Advert(2, 51, priority, interval, LIST)


# Section 6.1, parameters.


@given(priorities, intervals)
def test_3768_6_1_the_skew_is_256_less_the_priority_over_256_seconds_whatever_the_interval(
    priority: int, interval: float
) -> None:
    assert backup(priority=priority, interval=interval).skew == (256 - priority) / 256


@given(priorities, intervals)
def test_3768_6_1_the_down_interval_is_three_of_our_own_intervals_and_the_skew(priority: int, interval: float) -> None:
    machine = backup(priority=priority, interval=interval)
    assert machine.next_timer() == pytest.approx(3 * interval + machine.skew)


def test_3768_6_1_unless_told_otherwise_the_priority_is_100_the_interval_a_second_and_it_preempts() -> None:
    machine = machines.initial(version=2)
    assert (machine.priority, machine.interval, machine.settings.preempt) == (100, 1.0, True)


def test_3768_6_1_the_owner_preempts_whatever_preempt_mode_says() -> None:
    machine = backup(priority=200, preempt=False)
    machine.set_priority(0.0, 255)
    before = machine.next_timer()
    machine.received(1.0, advert(254), HIGHER_ADDRESS)
    assert machine.next_timer() == before


# Section 6.4.1, Initialize.


def test_3768_6_4_1_an_owner_adverts_announces_and_is_master_at_once() -> None:
    machine = machines.initial(version=2, priority=255, interval=2.0)
    assert machine.start(7.0)[:3] == [SendAdvert(255), TakeAddresses(), Announce(5)]
    assert machine.state == "MASTER"
    assert machine.next_timer() == 9.0


def test_3768_6_4_1_anybody_else_is_backup_with_the_down_timer_set() -> None:
    machine = machines.initial(version=2, interval=2.0)
    assert machine.start(7.0) == [Became("BACKUP", "it starts")]
    assert machine.next_timer() == pytest.approx(7.0 + 6.0 + 156 / 256)


# Section 6.4.2, Backup.


def test_3768_6_4_2_on_shutdown_the_timer_is_cancelled_and_nothing_is_sent() -> None:
    machine = backup()
    assert machine.stop(1.0) == [Became("INIT", "it stops")]
    assert machine.next_timer() is None


def test_3768_6_4_2_when_the_down_timer_fires_it_adverts_announces_and_is_master() -> None:
    machine = backup(interval=2.0)
    due = machine.next_timer()
    assert due is not None
    assert machine.timer(due)[:3] == [SendAdvert(100), TakeAddresses(), Announce(5)]
    assert machine.state == "MASTER"
    assert machine.next_timer() == due + 2.0


@given(priorities, intervals)
def test_3768_6_4_2_priority_zero_sets_the_down_timer_to_the_skew(priority: int, interval: float) -> None:
    machine = backup(priority=priority, interval=interval)
    machine.received(1.0, advert(0, interval), HIGHER_ADDRESS)
    assert machine.next_timer() == 1.0 + (256 - priority) / 256


@given(st.integers(100, 255), intervals)
def test_3768_6_4_2_a_priority_not_below_ours_sets_the_down_timer_again(priority: int, interval: float) -> None:
    machine = backup(interval=interval)
    machine.received(0.5, advert(priority, interval), LOWER_ADDRESS)
    assert machine.next_timer() == 0.5 + machine.down_interval


@given(priorities)
def test_3768_6_4_2_without_preempt_any_priority_sets_the_down_timer_again(priority: int) -> None:
    machine = backup(priority=254, preempt=False)
    machine.received(0.5, advert(priority), LOWER_ADDRESS)
    assert machine.next_timer() == 0.5 + machine.down_interval


@given(st.integers(1, 99))
def test_3768_6_4_2_with_preempt_a_lower_priority_is_discarded(priority: int) -> None:
    machine = backup()
    before = machine.next_timer()
    machine.received(0.5, advert(priority), HIGHER_ADDRESS)
    assert machine.next_timer() == before


# Section 6.4.3, Master.


def test_3768_6_4_3_on_shutdown_it_sends_priority_zero() -> None:
    machine = master()
    assert machine.stop(1.5) == [SendAdvert(0), GiveAddresses(), Became("INIT", "it stops")]
    assert machine.next_timer() is None


def test_3768_6_4_3_when_the_advert_timer_fires_it_adverts_and_sets_it_again() -> None:
    machine = master(interval=2.0)
    assert machine.timer(2.0) == [SendAdvert(100)]
    assert machine.next_timer() == 4.0


@pytest.mark.parametrize("source", [LOWER_ADDRESS, HIGHER_ADDRESS])
def test_3768_6_4_3_priority_zero_is_answered_at_once_and_sets_the_timer_again(source: bytes) -> None:
    machine = master()
    assert machine.received(0.6, advert(0), source)[0] == SendAdvert(100)
    assert machine.state == "MASTER"
    assert machine.next_timer() == 1.6


def gives_way(priority: int, source: bytes) -> bool:
    machine = master(interval=2.0)
    outputs = machine.received(0.5, advert(priority, 2.0), source)
    if machine.state == "MASTER":
        assert not only(GiveAddresses, outputs)
        assert machine.next_timer() == 2.0
        return False
    assert only(GiveAddresses, outputs)
    assert only(NewMaster, outputs)
    assert machine.next_timer() == 0.5 + machine.down_interval
    return True


@given(st.integers(101, 255))
def test_3768_6_4_3_it_gives_way_to_a_higher_priority(priority: int) -> None:
    assert gives_way(priority, LOWER_ADDRESS)


def test_3768_6_4_3_among_equals_it_gives_way_to_the_greater_address() -> None:
    assert gives_way(100, HIGHER_ADDRESS)
    assert not gives_way(100, LOWER_ADDRESS)


@given(st.integers(1, 99))
def test_3768_6_4_3_a_lower_priority_changes_nothing_and_is_answered_although_it_need_not_be(priority: int) -> None:
    """RFC 3768 has it discarded without a word; RFC 9568 section 6.4.3 and keepalived answer."""
    assert not gives_way(priority, HIGHER_ADDRESS)
    assert master().received(0.6, advert(priority), HIGHER_ADDRESS)[0] == SendAdvert(100)


# Section 7.1, the owner.


@given(st.integers(1, 255), st.sampled_from([LOWER_ADDRESS, HIGHER_ADDRESS]))
def test_3768_7_1_an_owner_never_gives_way(priority: int, source: bytes) -> None:
    machine = machines.initial(version=2, priority=255)
    machine.start(0.0)
    machine.received(5.0, advert(priority), source)
    assert machine.state == "MASTER"
