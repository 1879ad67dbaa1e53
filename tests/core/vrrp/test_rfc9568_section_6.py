"""RFC 9568 sections 6.1, 6.4, 7.1 (the owner) and 8.3.2: a test for every sentence that says what a machine must do.

What it says of ARP, of neighbour discovery and of forwarding is done by the kernel, which answers for the addresses
that it has: a MASTER takes them, a BACKUP has given them. `sentences.py` has all the rules with their tests.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.vrrp.machine import ANSWER_PAUSE, Machine
from healthlb.core.vrrp.outputs import Announce, Became, GiveAddresses, NewMaster, SendAdvert, SplitBrain, TakeAddresses
from healthlb.model.vrrp import Announcing
from tests.core.vrrp.machines import HIGHER_ADDRESS, LOWER_ADDRESS, advert, backup, initial, master, only

priorities = st.integers(1, 254)
intervals = st.integers(1, 4095).map(lambda centiseconds: centiseconds / 100)


# Section 6.1, parameters.


def test_6_1_unless_told_otherwise_the_priority_is_100_the_interval_a_second_and_it_preempts() -> None:
    machine = initial()
    assert (machine.priority, machine.interval, machine.settings.preempt) == (100, 1.0, True)


@given(priorities, intervals)
def test_6_1_skew_time_is_256_less_the_priority_times_the_masters_interval_over_256(
    priority: int, interval: float
) -> None:
    machine = backup(priority=priority)
    machine.received(0.0, advert(255, interval), HIGHER_ADDRESS)
    assert machine.skew == pytest.approx((256 - priority) * interval / 256)


@given(priorities, intervals)
def test_6_1_the_down_interval_is_three_of_the_masters_and_the_skew(priority: int, interval: float) -> None:
    machine = backup(priority=priority)
    machine.received(0.0, advert(255, interval), HIGHER_ADDRESS)
    assert machine.next_timer() == pytest.approx(3 * interval + machine.skew)


def test_6_1_the_owner_preempts_whatever_preempt_mode_says() -> None:
    machine = backup(priority=200, preempt=False)
    machine.set_priority(0.0, 255)
    before = machine.next_timer()
    machine.received(1.0, advert(254), HIGHER_ADDRESS)
    assert machine.next_timer() == before


# Section 6.4.1, Initialize.


def test_6_4_1_nothing_happens_before_startup() -> None:
    machine = initial()
    assert machine.next_timer() is None
    assert machine.timer(100.0) == []
    assert machine.received(100.0, advert(0), HIGHER_ADDRESS) == []
    assert machine.stop(100.0) == []
    assert machine.state == "INIT"


def test_6_4_1_an_owner_adverts_announces_and_is_master_at_once() -> None:
    machine = initial(priority=255)
    outputs = machine.start(7.0)
    assert outputs[:3] == [SendAdvert(255), TakeAddresses(), Announce(5)]
    assert machine.state == "MASTER"
    assert machine.next_timer() == 8.0


def test_6_4_1_anybody_else_is_backup_with_the_down_timer_set() -> None:
    machine = initial(priority=100, interval=2.0)
    assert machine.start(7.0) == [Became("BACKUP", "it starts")]
    assert machine.interval == 2.0
    assert machine.next_timer() == pytest.approx(7.0 + 6.0 + 156 * 2.0 / 256)


def test_6_4_1_a_second_startup_is_none() -> None:
    assert backup().start(1.0) == []
    assert master().start(1.0) == []


# Section 6.4.2, Backup.


def test_6_4_2_on_shutdown_the_timer_is_cancelled_and_nothing_is_sent() -> None:
    machine = backup()
    assert machine.stop(1.0) == [Became("INIT", "it stops")]
    assert machine.next_timer() is None


def test_6_4_2_when_the_down_timer_fires_it_adverts_announces_and_is_master() -> None:
    machine = backup(interval=2.0)
    due = machine.next_timer()
    assert due is not None
    assert machine.timer(due - 0.001) == []
    outputs = machine.timer(due)
    assert outputs == [
        SendAdvert(100),
        TakeAddresses(),
        Announce(5),
        Became("MASTER", "no master was heard for 7.22 s"),
    ]
    assert machine.next_timer() == due + 2.0


@given(st.integers(0, 1000), intervals)
def test_6_4_2_priority_zero_sets_the_down_timer_to_the_skew(at: int, interval: float) -> None:
    machine = backup()
    machine.received(0.0, advert(200, interval), HIGHER_ADDRESS)
    machine.received(float(at), advert(0, interval), HIGHER_ADDRESS)
    assert machine.next_timer() == at + machine.skew
    assert machine.skew == pytest.approx(156 * interval / 256)
    assert Became("MASTER", "the master gave up") in machine.timer(at + machine.skew)


@given(st.integers(100, 255), intervals)
def test_6_4_2_a_priority_not_below_ours_is_the_master_and_its_interval_is_learned(
    priority: int, interval: float
) -> None:
    machine = backup(priority=100)
    machine.received(3.0, advert(priority, interval), LOWER_ADDRESS)
    assert machine.interval == interval
    assert machine.next_timer() == 3.0 + machine.down_interval


@given(priorities, intervals)
def test_6_4_2_without_preempt_any_priority_is_the_master(priority: int, interval: float) -> None:
    machine = backup(priority=254, preempt=False)
    machine.received(3.0, advert(priority, interval), LOWER_ADDRESS)
    assert machine.interval == interval
    assert machine.next_timer() == 3.0 + machine.down_interval


@given(st.integers(1, 99), intervals)
def test_6_4_2_with_preempt_a_lower_priority_is_discarded(priority: int, interval: float) -> None:
    machine = backup(priority=100)
    before = machine.next_timer()
    machine.received(3.0, advert(priority, interval), HIGHER_ADDRESS)
    assert machine.interval == 1.0
    assert machine.next_timer() == before


# Section 6.4.3, Active.


def test_6_4_3_on_shutdown_it_sends_priority_zero() -> None:
    machine = master()
    assert machine.stop(1.5) == [SendAdvert(0), GiveAddresses(), Became("INIT", "it stops")]
    assert machine.next_timer() is None


def test_6_4_3_when_the_advert_timer_fires_it_adverts_and_sets_it_again() -> None:
    machine = master(interval=0.1)
    assert machine.next_timer() == 0.1
    assert machine.timer(0.1) == [SendAdvert(100)]
    assert machine.next_timer() == 0.2
    assert machine.timer(0.15) == []


@given(st.lists(st.floats(0.0, 0.9), min_size=1, max_size=50))
def test_6_4_3_lateness_of_adverts_adds_up_to_nothing(lateness: list[float]) -> None:
    machine = master(announcing=Announcing(delay=0.0))
    for late in lateness:
        due = machine.next_timer()
        assert due is not None
        assert machine.timer(due + late) == [SendAdvert(100)]
    assert machine.next_timer() == pytest.approx(1.0 + len(lateness))


def test_6_4_3_after_a_long_sleep_one_advert_is_sent_not_all_that_are_missing() -> None:
    machine = master()
    machine.timer(5.0)
    assert machine.timer(100.5) == [SendAdvert(100)]
    assert machine.next_timer() == 101.5


@pytest.mark.parametrize("source", [LOWER_ADDRESS, HIGHER_ADDRESS])
def test_6_4_3_priority_zero_is_answered_at_once_and_sets_the_timer_again(source: bytes) -> None:
    machine = master()
    assert machine.received(0.6, advert(0), source)[0] == SendAdvert(100)
    assert machine.state == "MASTER"
    assert machine.next_timer() == 1.6


def test_6_4_3_priority_zero_is_answered_although_something_else_was_a_moment_ago() -> None:
    """A third director sets its timer to Skew_Time by it: it has to hear us before that is over."""
    machine = master()
    machine.timer(5.0)
    machine.received(5.5, advert(50), HIGHER_ADDRESS)
    assert machine.received(5.505, advert(0), HIGHER_ADDRESS) == []
    assert machine.received(5.506, advert(0), HIGHER_ADDRESS) == []
    assert machine.next_timer() == 5.5 + ANSWER_PAUSE
    assert machine.timer(5.5 + ANSWER_PAUSE) == [SendAdvert(100)]
    assert machine.next_timer() == 6.5 + ANSWER_PAUSE


def gives_way(machine: Machine, priority: int, source: bytes, interval: float = 3.0) -> bool:
    outputs = machine.received(0.5, advert(priority, interval), source)
    if machine.state == "MASTER":
        assert not only(GiveAddresses, outputs)
        return False
    assert machine.interval == interval
    assert machine.next_timer() == 0.5 + machine.down_interval
    assert only(GiveAddresses, outputs)
    assert only(NewMaster, outputs)
    return True


@given(st.integers(101, 255))
def test_6_4_3_it_gives_way_to_a_higher_priority_and_learns_its_interval(priority: int) -> None:
    assert gives_way(master(), priority, LOWER_ADDRESS)


def test_6_4_3_among_equals_it_gives_way_to_the_greater_address() -> None:
    assert gives_way(master(), 100, HIGHER_ADDRESS)
    assert not gives_way(master(), 100, LOWER_ADDRESS)


def test_6_4_3_addresses_compare_as_unsigned_numbers_in_network_byte_order() -> None:
    assert gives_way(master(), 100, bytes((192, 0, 3, 0)))
    assert gives_way(master(), 100, bytes((203, 0, 0, 0)))
    assert not gives_way(master(), 100, bytes((10, 255, 255, 255)))


@given(st.integers(1, 99))
def test_6_4_3_a_lower_priority_is_answered_at_once(priority: int) -> None:
    machine = master()
    assert machine.received(0.6, advert(priority), HIGHER_ADDRESS)[0] == SendAdvert(100)
    assert machine.state == "MASTER"
    assert machine.next_timer() == 1.0


# Section 7.1, the owner.


@given(st.integers(1, 255), st.sampled_from([LOWER_ADDRESS, HIGHER_ADDRESS]))
def test_7_1_an_owner_never_gives_way(priority: int, source: bytes) -> None:
    machine = initial(priority=255)
    machine.start(0.0)
    assert not gives_way(machine, priority, source)


# Section 8.3.2, priorities.


def test_8_3_2_a_second_router_with_priority_255_is_told() -> None:
    machine = initial(priority=255)
    machine.start(0.0)
    [told] = only(SplitBrain, machine.received(5.0, advert(255), HIGHER_ADDRESS))
    assert told == SplitBrain("it adverts with priority 255, ours is 255", "192.0.2.3")


def test_8_3_2_a_second_master_of_our_own_priority_is_told() -> None:
    assert only(SplitBrain, master().received(5.0, advert(100), LOWER_ADDRESS))


@given(st.integers(1, 253), st.integers(1, 10), intervals)
def test_8_3_2_a_lower_backup_hears_the_advert_of_a_higher_one_before_it_becomes_master(
    priority: int, step: int, interval: float
) -> None:
    """That is how much their Skew_Times differ: an advert that travels for less than that comes in time."""
    higher, lower = backup(priority=min(priority + step, 254)), backup(priority=priority)
    for machine in (higher, lower):
        machine.received(0.0, advert(255, interval), HIGHER_ADDRESS)
    first = higher.next_timer()
    assert first is not None
    assert only(SendAdvert, higher.timer(first))
    last = lower.next_timer()
    assert last is not None
    travelled = (last - first) * 0.99
    assert travelled == pytest.approx(0.99 * (higher.priority - priority) * interval / 256)
    lower.received(first + travelled, advert(higher.priority, interval), HIGHER_ADDRESS)
    assert lower.timer(last) == []
