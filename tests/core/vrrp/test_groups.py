"""Sync groups: all members change state together."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.vrrp.groups import Group, Said
from healthlb.core.vrrp.machine import Machine
from healthlb.core.vrrp.outputs import Became, GiveAddresses, SendAdvert, SplitBrain, TakeAddresses
from tests.core.vrrp.machines import HIGHER_ADDRESS, advert, backup, initial, master


def group(*, start: bool = True, **options: int) -> Group:
    """Return a group of two, the second of which takes the longer to be ready."""
    members = {"inside": initial(waits=True, **options), "outside": initial(waits=True, interval=2.0, **options)}
    made = Group(members, "pair")
    if start:
        made.start(0.0)
    return made


def masters(now: float = 10.0, **options: int) -> Group:
    made = group(**options)
    made.timer(now)
    assert states(made) == ["MASTER", "MASTER"]
    return made


def states(made: Group) -> list[str]:
    return [machine.state for machine in made.machines.values()]


def whose(kind: type, said: list[Said]) -> list[str]:
    return [name for name, output in said if isinstance(output, kind)]


def test_a_member_that_is_ready_waits_for_the_others() -> None:
    pair = group()
    assert pair.next_timer() == pair.machines["inside"].down_interval
    assert pair.timer(4.0) == []
    assert pair.machines["inside"].ready
    assert pair.next_timer() == pair.machines["outside"].down_interval
    said = pair.timer(10.0)
    assert whose(TakeAddresses, said) == ["inside", "outside"]
    assert ("outside", Became("MASTER", "no master was heard for 7.22 s")) in said


def test_one_that_hears_a_better_master_keeps_all_of_them_backup() -> None:
    pair = group()
    for second in range(100):
        pair.received(float(second), "outside", advert(200), HIGHER_ADDRESS)
        assert pair.timer(float(second)) == []
    assert states(pair) == ["BACKUP", "BACKUP"]


def test_a_ready_member_that_hears_a_better_master_is_ready_no_more() -> None:
    pair = group()
    pair.timer(4.0)
    pair.received(4.5, "inside", advert(200), HIGHER_ADDRESS)
    pair.timer(7.3)
    assert states(pair) == ["BACKUP", "BACKUP"]
    pair.timer(8.5)
    assert states(pair) == ["MASTER", "MASTER"]


def test_when_one_gives_way_all_of_them_do_and_say_so() -> None:
    pair = masters()
    said = pair.received(11.0, "inside", advert(200), HIGHER_ADDRESS)
    assert whose(GiveAddresses, said) == ["inside", "outside"]
    assert ("outside", SendAdvert(0)) in said
    assert ("outside", Became("BACKUP", "inside of its group is BACKUP")) in said
    assert states(pair) == ["BACKUP", "BACKUP"]


def test_a_fault_of_one_is_a_fault_of_all() -> None:
    pair = masters()
    said = pair.fault(11.0, "inside", ("interface eth1 is down",))
    assert ("inside", Became("FAULT", "interface eth1 is down")) in said
    assert ("outside", Became("FAULT", "inside is in FAULT")) in said
    assert whose(GiveAddresses, said) == ["inside", "outside"]


def test_only_the_last_fault_mended_mends_them_all() -> None:
    pair = masters()
    pair.fault(11.0, "inside", ("interface eth1 is down",))
    pair.fault(12.0, "outside", ("interface eth2 is down",))
    assert pair.machines["outside"].faults == ("interface eth2 is down", "inside is in FAULT")
    pair.mend(13.0, "inside")
    assert states(pair) == ["FAULT", "FAULT"]
    assert pair.machines["inside"].faults == ("outside is in FAULT",)
    pair.mend(14.0, "outside")
    assert states(pair) == ["BACKUP", "BACKUP"]


def test_a_fault_before_the_start_is_one_of_all() -> None:
    pair = group(start=False)
    pair.fault(0.0, "inside", ("down",))
    pair.start(1.0)
    assert states(pair) == ["FAULT", "FAULT"]


def test_all_are_handed_over_and_taken_back() -> None:
    pair = masters()
    assert whose(GiveAddresses, pair.hand_over(11.0)) == []
    assert pair.parting
    for name in pair.machines:
        assert whose(GiveAddresses, pair.received(12.0, name, advert(50), HIGHER_ADDRESS)) == [name]
    assert not pair.parting
    said = pair.take_back(13.0)
    assert ("outside", Became("MASTER", "an operator took it back")) in said
    assert states(pair) == ["MASTER", "MASTER"]


def test_a_ready_member_that_is_handed_over_is_ready_no_more() -> None:
    pair = group()
    pair.timer(4.0)
    pair.hand_over(4.1)
    assert not pair.machines["inside"].ready
    assert pair.next_timer() == pair.machines["outside"].down_interval


def test_owners_are_masters_at_once() -> None:
    pair = group(start=False, priority=255)
    assert whose(TakeAddresses, pair.start(0.0)) == ["inside", "outside"]


def test_stopped_they_all_say_so() -> None:
    pair = masters()
    assert [each for each in pair.stop(11.0) if each[1] == SendAdvert(0)] == [
        ("inside", SendAdvert(0)),
        ("outside", SendAdvert(0)),
    ]
    assert pair.next_timer() is None
    assert states(pair) == ["INIT", "INIT"]


def test_signs_and_priorities_are_those_of_one_member() -> None:
    pair = masters()
    assert whose(SplitBrain, pair.suspect(20.0, "inside", "it has our address", "192.0.2.9")) == ["inside"]
    assert whose(SplitBrain, pair.conflict(20.0, "outside", "it has our address", "02:00:00:00:00:09")) == ["outside"]
    pair.set_priority(20.0, "outside", 7)
    assert [machine.priority for machine in pair.machines.values()] == [100, 7]


def test_an_instance_alone_is_a_group_of_one() -> None:
    alone = Group({"VI_1": initial()})
    alone.start(0.0)
    assert whose(TakeAddresses, alone.timer(4.0)) == ["VI_1"]


@pytest.mark.parametrize("ready", [{"inside"}, {"outside"}])
def test_each_member_says_why_it_was_ready(ready: set[str]) -> None:
    pair = group()
    for name in ready:
        pair.received(1.0, name, advert(0), HIGHER_ADDRESS)
    said = pair.timer(10.0)
    assert {name for name, out in said if out == Became("MASTER", "the master gave up")} == ready


events = st.lists(
    st.tuples(
        st.floats(0.01, 3.0),
        st.sampled_from(["timer", "received", "fault", "mend", "hand_over", "take_back", "set_priority"]),
        st.sampled_from(["inside", "outside"]),
        st.integers(0, 255),
    ),
    max_size=60,
)


@given(events)
def test_whatever_happens_all_members_are_in_one_state(happenings: list[tuple[float, str, str, int]]) -> None:
    pair = group()
    now = 0.0
    for after, what, name, number in happenings:
        now += after
        show(pair, now, what, name, number)
        pair.timer(now)
        assert len(set(states(pair))) == 1


def show(pair: Group, now: float, what: str, name: str, number: int) -> None:
    match what:
        case "received":
            pair.received(now, name, advert(number), HIGHER_ADDRESS)
        case "fault":
            pair.fault(now, name, ("down",))
        case "mend":
            pair.mend(now, name)
        case "hand_over":
            pair.hand_over(now)
        case "take_back":
            pair.take_back(now)
        case "set_priority":
            pair.set_priority(now, name, max(number, 1))


def test_a_member_that_is_master_already_does_not_become_it_again() -> None:
    machine: Machine = masters().machines["inside"]
    assert machine.become_master(11.0, "") == []
    assert machine.became_master_total == 1


def test_a_member_that_leaves_its_group_becomes_master_if_it_is_ready() -> None:
    pair = group()
    pair.timer(4.0)
    inside = pair.machines["inside"]
    alone = Group({"inside": inside})
    said = alone.change(5.0, "inside", dataclasses.replace(inside.settings, waits=False))
    assert whose(TakeAddresses, said) == ["inside"]


def test_a_member_changed_while_it_waits_goes_on_waiting() -> None:
    pair = group()
    pair.timer(4.0)
    inside = pair.machines["inside"]
    assert pair.change(5.0, "inside", dataclasses.replace(inside.settings, preempt=False)) == []
    assert inside.ready


def test_machines_put_together_come_to_one_state_at_the_next_event() -> None:
    made = Group({"inside": master(waits=False), "outside": backup(waits=True)})
    made.timer(0.5)
    assert states(made) == ["BACKUP", "BACKUP"]


def test_faults_that_are_told_at_once_free_nobody_on_the_way() -> None:
    pair = group(priority=255, start=False)
    pair.judge(0.0, {"inside": (), "outside": ("no route",)})
    pair.start(0.0)
    assert states(pair) == ["FAULT", "FAULT"]
    assert pair.judge(1.0, {"inside": (), "outside": ("no route",)}) == []
    assert pair.machines["inside"].faults == ("outside is in FAULT",)
    assert whose(TakeAddresses, pair.judge(2.0, {"inside": (), "outside": ()})) == ["inside", "outside"]
