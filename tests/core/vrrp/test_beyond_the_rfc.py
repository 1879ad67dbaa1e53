"""What a machine does that no RFC names: FAULT, delays, handing over, other settings."""

import dataclasses
from typing import Literal

import pytest

from healthlb.core.vrrp.machine import Machine
from healthlb.core.vrrp.outputs import Announce, Became, GiveAddresses, NewMaster, SendAdvert, TakeAddresses
from healthlb.model.vrrp import Announcing
from tests.core.vrrp.machines import HIGHER_ADDRESS, LOWER_ADDRESS, OURS, advert, backup, initial, master, only


def becomes(machine: Machine, now: float) -> str:
    machine.timer(now)
    return machine.state


# FAULT.


def test_a_master_in_fault_says_so_with_priority_zero_and_gives_the_addresses() -> None:
    machine = master()
    assert machine.fault(0.5, ("interface eth1 is down", "check web is down")) == [
        SendAdvert(0),
        GiveAddresses(),
        Became("FAULT", "interface eth1 is down, check web is down"),
    ]
    assert machine.next_timer() is None


def test_a_backup_in_fault_hears_nothing_and_never_takes_over() -> None:
    machine = backup()
    assert machine.fault(0.5, ("down",)) == [Became("FAULT", "down")]
    assert machine.received(1.0, advert(0), HIGHER_ADDRESS) == []
    assert becomes(machine, 100.0) == "FAULT"


def test_reasons_may_change_in_fault() -> None:
    machine = backup()
    machine.fault(0.5, ("one",))
    assert machine.fault(0.6, ("two",)) == []
    assert machine.faults == ("two",)


def test_mended_it_begins_anew() -> None:
    machine = backup(start_delay=60.0)
    machine.fault(0.5, ("down",))
    assert machine.mend(10.0) == [Became("BACKUP", "what was down is up again")]
    assert machine.next_timer() == 10.0 + machine.down_interval
    assert machine.mend(11.0) == []


def test_a_mended_owner_is_master_at_once() -> None:
    machine = master(priority=255)
    machine.fault(0.5, ("down",))
    assert only(TakeAddresses, machine.mend(10.0))
    assert machine.state == "MASTER"


def test_what_is_faulty_at_the_start_starts_in_fault() -> None:
    machine = initial()
    assert machine.fault(0.0, ("down",)) == []
    assert machine.state == "INIT"
    assert machine.start(1.0) == [Became("FAULT", "down")]
    assert machine.stop(2.0) == [Became("INIT", "it stops")]


# Delays.


def test_a_start_delay_comes_before_the_first_takeover() -> None:
    machine = backup(start_delay=60.0)
    assert machine.next_timer() == 60.0 + machine.down_interval


def test_an_owner_waits_for_its_start_delay_as_well() -> None:
    machine = backup(start_delay=60.0, priority=255)
    assert machine.next_timer() == 60.0 + machine.down_interval


def test_a_master_heard_ends_the_start_delay() -> None:
    machine = backup(start_delay=60.0)
    machine.received(1.0, advert(200), HIGHER_ADDRESS)
    assert machine.next_timer() == 1.0 + machine.down_interval


def test_a_lower_master_does_not_end_the_start_delay() -> None:
    machine = backup(start_delay=60.0)
    machine.received(1.0, advert(50), HIGHER_ADDRESS)
    assert machine.next_timer() == 60.0 + machine.down_interval


def test_a_lower_master_stays_for_the_preempt_delay_from_its_first_advert() -> None:
    machine = backup(preempt_delay=10.0)
    for second in range(1, 11):
        machine.received(float(second), advert(50), HIGHER_ADDRESS)
        assert machine.next_timer() == second + machine.down_interval
    machine.received(11.0, advert(50), HIGHER_ADDRESS)
    assert machine.next_timer() == 10.0 + machine.down_interval


def test_a_lower_master_that_dies_is_succeeded_without_the_preempt_delay() -> None:
    machine = backup(preempt_delay=1000.0)
    machine.received(1.0, advert(50), HIGHER_ADDRESS)
    assert machine.next_timer() == 1.0 + machine.down_interval
    assert becomes(machine, 5.0) == "MASTER"


def test_a_lower_master_that_is_preempted_is_the_reason() -> None:
    machine = backup()
    for tenth in range(1, 37):
        machine.received(tenth / 10, advert(50), HIGHER_ADDRESS)
    assert only(Became, machine.timer(4.0)) == [Became("MASTER", "192.0.2.3 has a lower priority (50)")]


def test_a_lower_master_that_was_let_be_and_died_was_not_heard() -> None:
    machine = backup(preempt_delay=1000.0)
    machine.received(1.0, advert(50), HIGHER_ADDRESS)
    assert only(Became, machine.timer(5.0)) == [Became("MASTER", "no master was heard for 3.61 s")]


def test_a_priority_that_falls_below_the_master_s_ends_the_preemption() -> None:
    machine = backup()
    machine.received(3.0, advert(50), HIGHER_ADDRESS)
    machine.set_priority(3.1, 51)
    assert machine.next_timer() == machine.down_interval
    machine.set_priority(3.2, 50)
    assert machine.next_timer() == 3.0 + machine.down_interval
    machine.received(4.0, advert(50), HIGHER_ADDRESS)
    assert machine.next_timer() == 4.0 + machine.down_interval


def test_a_better_master_begins_the_preempt_delay_anew() -> None:
    machine = backup(preempt_delay=10.0)
    machine.received(1.0, advert(50), HIGHER_ADDRESS)
    machine.received(9.0, advert(200), HIGHER_ADDRESS)
    machine.received(12.0, advert(50), HIGHER_ADDRESS)
    assert machine.next_timer() == 12.0 + machine.down_interval


def test_a_master_that_stops_begins_the_preempt_delay_anew() -> None:
    machine = backup(preempt_delay=10.0)
    machine.received(1.0, advert(50), HIGHER_ADDRESS)
    machine.received(11.5, advert(0), HIGHER_ADDRESS)
    machine.received(12.0, advert(50), LOWER_ADDRESS)
    assert machine.next_timer() == 12.0 + machine.down_interval


def test_an_owner_has_no_preempt_delay() -> None:
    machine = backup(preempt_delay=10.0, start_delay=5.0, priority=255)
    before = machine.next_timer()
    machine.received(1.0, advert(50), HIGHER_ADDRESS)
    assert machine.next_timer() == before


# Priorities.


def test_a_changed_priority_moves_the_down_timer_by_its_skew() -> None:
    machine = backup(priority=100)
    machine.received(1.0, advert(200), HIGHER_ADDRESS)
    machine.set_priority(1.5, 228)
    assert machine.next_timer() == 1.0 + 3.0 + 28 / 256


def test_a_changed_priority_is_in_the_next_advert() -> None:
    machine = master(priority=100)
    assert machine.set_priority(0.5, 40) == []
    assert machine.timer(1.0) == [SendAdvert(40)]


@pytest.mark.parametrize("priority", [-1, 0, 256])
def test_no_router_has_a_priority_beyond_1_to_255(priority: int) -> None:
    with pytest.raises(ValueError, match=f"a priority is 1 to 255, not {priority}"):
        backup().set_priority(0.0, priority)


# Handing over and taking back.


def test_handing_over_sends_priority_zero_and_gives_the_addresses_when_the_next_master_is_heard() -> None:
    machine = master()
    assert machine.hand_over(0.5) == [SendAdvert(0), Became("BACKUP", "an operator handed it over")]
    assert machine.yielded
    assert machine.parting
    assert machine.next_timer() == 0.5 + machine.down_interval
    assert machine.received(1.0, advert(0), HIGHER_ADDRESS) == []
    assert machine.received(1.1, advert(50), HIGHER_ADDRESS)[0] == GiveAddresses()
    assert not machine.parting


def test_where_nobody_takes_what_was_handed_over_the_addresses_never_go() -> None:
    machine = master()
    machine.hand_over(0.5)
    outputs = machine.timer(0.5 + machine.down_interval)
    assert not only(GiveAddresses, outputs)
    assert machine.state == "MASTER"
    assert not machine.parting


def test_what_was_handed_over_goes_in_time_also_where_the_group_waits_for_another_member() -> None:
    machine = master()
    machine.change(0.1, dataclasses.replace(machine.settings, waits=True))
    machine.hand_over(0.5)
    assert machine.timer(0.5 + machine.down_interval) == []
    due = machine.next_timer()
    assert due is not None
    assert machine.timer(due) == [GiveAddresses()]
    assert machine.next_timer() is None


@pytest.mark.parametrize(
    ("version", "interval", "seconds"), [(3, 1.0, 1.1), (3, 0.02, 0.022), (3, 30.0, 2.2), (2, 5.0, 1.1)]
)
def test_a_gentle_end_has_the_addresses_for_as_long_as_a_successor_takes(
    version: Literal[2, 3], interval: float, seconds: float
) -> None:
    machine = master(version=version, interval=interval)
    assert machine.stop(5.0, gently=True) == [SendAdvert(0), Became("INIT", "it stops")]
    assert machine.next_timer() == pytest.approx(5.0 + seconds)
    assert machine.stop(5.01, gently=True) == []
    assert machine.timer(5.0 + seconds + 0.001) == [GiveAddresses()]
    assert machine.next_timer() is None


def test_a_gentle_end_is_over_when_the_next_master_is_heard_or_when_there_is_no_time() -> None:
    heard, hurried = master(), master()
    heard.stop(5.0, gently=True)
    assert heard.received(5.1, advert(50), HIGHER_ADDRESS) == [GiveAddresses()]
    hurried.stop(5.0, gently=True)
    assert hurried.stop(5.1) == [GiveAddresses()]
    assert hurried.stop(5.2) == []


def test_a_backup_ends_gently_as_otherwise() -> None:
    assert backup().stop(1.0, gently=True) == [Became("INIT", "it stops")]


def test_one_that_has_handed_over_and_ends_at_once_gives_up_what_it_has() -> None:
    gentle, hurried = master(), master()
    gentle.hand_over(0.5)
    assert gentle.stop(0.6, gently=True) == [Became("INIT", "it stops")]
    assert gentle.next_timer() == pytest.approx(0.6 + 1.1)
    hurried.hand_over(0.5)
    assert hurried.stop(0.6) == [GiveAddresses(), Became("INIT", "it stops")]


def test_a_fault_leaves_nothing_of_what_was_handed_over() -> None:
    machine = master()
    machine.hand_over(0.5)
    assert machine.fault(0.6, ("down",)) == [GiveAddresses(), Became("FAULT", "down")]


def test_handing_over_waits_for_a_successor_by_our_own_interval_not_one_learned_before() -> None:
    machine = backup()
    machine.received(1.0, advert(200, 30.0), HIGHER_ADDRESS)
    machine.timer(1000.0)
    machine.hand_over(1001.0)
    assert machine.next_timer() == 1001.0 + 3.0 + 156 / 256


@pytest.mark.parametrize("priority", [200, 255])
def test_what_was_handed_over_stays_with_a_lower_master(priority: int) -> None:
    machine = master(priority=priority)
    machine.hand_over(0.5)
    for second in range(1, 100):
        machine.received(float(second), advert(1), LOWER_ADDRESS)
        assert becomes(machine, second + 0.9) == "BACKUP"
    assert machine.yielded


def test_what_nobody_took_comes_back_and_is_handed_over_no_more() -> None:
    machine = master()
    machine.hand_over(0.5)
    assert becomes(machine, 0.5 + machine.down_interval) == "MASTER"
    assert not machine.yielded


def test_taken_back_it_is_master_at_once() -> None:
    machine = master(preempt=False, preempt_delay=60.0)
    machine.hand_over(0.5)
    machine.received(1.0, advert(99), HIGHER_ADDRESS)
    outputs = machine.take_back(1.5)
    assert outputs == [TakeAddresses(), Announce(5), SendAdvert(100), Became("MASTER", "an operator took it back")]


def test_from_a_master_who_serves_it_takes_over_with_the_addresses_first_and_the_advert_last() -> None:
    machine = backup()
    for tenth in range(40):
        machine.received(tenth / 10, advert(99), HIGHER_ADDRESS)
    outputs = machine.timer(4.0)
    assert outputs[:3] == [TakeAddresses(), Announce(5), SendAdvert(100)]


def test_from_a_master_who_is_silent_it_takes_over_with_the_advert_first_lest_a_third_does_as_well() -> None:
    machine = backup()
    machine.received(0.0, advert(200), HIGHER_ADDRESS)
    assert machine.timer(machine.down_interval)[:3] == [SendAdvert(100), TakeAddresses(), Announce(5)]


@pytest.mark.parametrize(("priority", "source"), [(101, LOWER_ADDRESS), (100, HIGHER_ADDRESS)])
def test_nothing_is_taken_back_from_a_master_that_ranks_above_us(priority: int, source: bytes) -> None:
    machine = master()
    machine.hand_over(0.5)
    machine.received(1.0, advert(priority), source)
    assert machine.take_back(1.5) == []
    assert not machine.yielded


def test_before_anybody_was_heard_taking_back_waits_for_the_timer() -> None:
    machine = master()
    machine.hand_over(0.5)
    assert machine.take_back(0.6) == []
    assert machine.next_timer() == 0.5 + machine.down_interval


def test_an_owner_that_was_handed_over_before_its_start_is_backup() -> None:
    machine = initial(priority=255)
    assert machine.hand_over(0.0) == []
    machine.start(1.0)
    assert machine.state == "BACKUP"


# Who is master.


def test_a_backup_tells_of_a_new_master_once() -> None:
    machine = backup()
    assert machine.received(1.0, advert(200), HIGHER_ADDRESS) == [NewMaster("192.0.2.3", 200)]
    assert machine.received(2.0, advert(150), HIGHER_ADDRESS) == []
    assert (machine.master, machine.master_priority) == ("192.0.2.3", 150)


def test_the_last_advert_of_one_that_gave_way_makes_no_new_master() -> None:
    machine = backup(priority=1)
    machine.received(1.0, advert(100), LOWER_ADDRESS)
    assert machine.received(1.1, advert(200), HIGHER_ADDRESS) == [NewMaster("192.0.2.3", 200)]
    assert machine.received(1.2, advert(100), LOWER_ADDRESS) == []
    assert machine.master == "192.0.2.3"


def test_a_lower_master_is_the_master_when_the_higher_one_is_silent_or_has_stopped() -> None:
    machine = backup(priority=1)
    machine.received(1.0, advert(200), HIGHER_ADDRESS)
    assert machine.received(4.5, advert(100), LOWER_ADDRESS) == [NewMaster("192.0.2.1", 100)]
    machine.received(5.0, advert(200), HIGHER_ADDRESS)
    machine.received(5.1, advert(0), LOWER_ADDRESS)
    assert machine.master == "192.0.2.3"
    machine.received(5.2, advert(0), HIGHER_ADDRESS)
    assert (machine.master, machine.master_priority) == ("", 0)
    assert machine.received(5.3, advert(100), LOWER_ADDRESS) == [NewMaster("192.0.2.1", 100)]


def test_a_master_is_its_own_master_and_one_that_starts_knows_none() -> None:
    assert master().master == OURS
    assert backup().master == ""


# Announcements.


def test_announcements_are_made_at_once_after_a_delay_and_by_refresh() -> None:
    machine = master(announcing=Announcing(repeat=3, delay=2.5, refresh=4.0, refresh_repeat=2))
    announced = []
    for tenth in range(1, 130):
        announced += [(tenth / 10, each.repeat) for each in only(Announce, machine.timer(tenth / 10))]
    assert announced == [(2.5, 3), (4.0, 2), (8.0, 2), (12.0, 2)]


def test_the_timer_is_due_when_an_announcement_is() -> None:
    machine = master(interval=10.0, announcing=Announcing(delay=2.5))
    assert machine.next_timer() == 2.5
    assert machine.timer(2.5) == [Announce(5)]
    assert machine.next_timer() == 10.0


def test_nothing_is_announced_where_nothing_is_to_be() -> None:
    machine = backup(announcing=Announcing(repeat=0, delay=0.0))
    assert not only(Announce, machine.timer(100.0))
    assert machine.next_timer() == 101.0


def test_a_backup_announces_nothing_any_more() -> None:
    machine = master(announcing=Announcing(refresh=1.0))
    machine.received(0.5, advert(200), HIGHER_ADDRESS)
    assert machine.timer(1.5) == []


# Other settings.


def test_a_master_with_another_interval_adverts_at_once_and_stays() -> None:
    machine = master()
    settings = dataclasses.replace(machine.settings, interval=0.2)
    assert machine.change(0.5, settings) == [SendAdvert(100)]
    assert machine.next_timer() == 0.7


def test_a_backup_keeps_the_interval_that_it_learned() -> None:
    machine = backup()
    machine.received(0.5, advert(200, 3.0), HIGHER_ADDRESS)
    assert machine.change(1.0, dataclasses.replace(machine.settings, interval=0.2)) == []
    assert machine.interval == 3.0


def test_a_backup_that_knows_no_master_takes_the_interval_of_the_file() -> None:
    machine = backup()
    machine.change(1.0, dataclasses.replace(machine.settings, interval=0.2))
    assert machine.interval == 0.2


def test_version_2_has_the_interval_of_the_file() -> None:
    machine = backup(version=2)
    machine.received(0.5, advert(200), HIGHER_ADDRESS)
    machine.change(1.0, dataclasses.replace(machine.settings, interval=2.0))
    assert machine.interval == 2.0


@pytest.mark.parametrize("other", [{"version": 2}, {"family": 6}, {"router_id": 52}])
def test_another_virtual_router_needs_another_machine(other: dict[str, int]) -> None:
    machine = backup()
    with pytest.raises(ValueError, match="another virtual router"):
        machine.change(1.0, dataclasses.replace(machine.settings, **other))  # type: ignore[arg-type]


def test_the_masters_priority_is_ours_while_we_are_it() -> None:
    assert master(priority=120).master_priority == 120
    assert backup().master_priority == 0


def test_a_master_tells_the_interval_of_its_own_adverts_whatever_it_learned_as_a_backup() -> None:
    machine = backup()
    machine.received(0.0, advert(200, 5.0), HIGHER_ADDRESS)
    assert machine.interval == 5.0
    machine.timer(100.0)
    assert (machine.state, machine.interval) == ("MASTER", 1.0)
    machine.change(100.0, dataclasses.replace(machine.settings, interval=2.0))
    assert machine.interval == 2.0
