"""What holds of a machine whatever happens to it, in whatever order."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.vrrp.machine import Machine
from healthlb.core.vrrp.outputs import (
    Became,
    GiveAddresses,
    Output,
    SendAdvert,
    SplitBrain,
    SplitBrainOver,
    TakeAddresses,
)
from healthlb.model.vrrp import Announcing
from tests.core.vrrp.machines import HIGHER_ADDRESS, LOWER_ADDRESS, advert, initial, only

delays = st.sampled_from([0.0, 0.5, 7.0])
machines = st.builds(
    initial,
    version=st.sampled_from([2, 3]),
    priority=st.sampled_from([1, 100, 254, 255]),
    interval=st.sampled_from([0.02, 1.0, 5.0]),
    preempt=st.booleans(),
    preempt_delay=delays,
    start_delay=delays,
    waits=st.booleans(),
    announcing=st.builds(Announcing, st.integers(0, 3), delays, delays, st.integers(0, 2)),
)
orders = [
    "start",
    "stop",
    "stop gently",
    "fault",
    "mend",
    "hand_over",
    "take_back",
    "set_priority",
    "suspect",
    "change",
]
events = st.sampled_from([*orders, "timer", "timer", "received", "received", "received"])
happenings = st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.3, 1.0, 4.0, 60.0]), events), max_size=50)


def happen(machine: Machine, now: float, event: str, data: st.DataObject) -> list[Output]:
    match event:
        case "received":
            source = data.draw(st.sampled_from([LOWER_ADDRESS, HIGHER_ADDRESS]))
            packet = advert(data.draw(st.sampled_from([0, 1, 100, 254, 255])), data.draw(st.sampled_from([0.01, 1.0])))
            return machine.received(now, packet, source)
        case "fault":
            return machine.fault(now, ("down",))
        case "set_priority":
            return machine.set_priority(now, data.draw(st.sampled_from([1, 100, 254, 255])))
        case "stop gently":
            return machine.stop(now, gently=True)
        case "suspect":
            return machine.suspect(now, "it has our address", "192.0.2.9")
        case "change":
            return machine.change(now, dataclasses.replace(machine.settings, interval=0.5, waits=False))
    return list(getattr(machine, event)(now))


class Watcher:
    """What the outputs so far come to."""

    def __init__(self) -> None:
        self.state = "INIT"
        self.has_addresses = False
        self.parting = False
        self.split = False

    def see(self, machine: Machine, outputs: list[Output]) -> None:
        was_master = self.state == "MASTER"
        for output in outputs:
            match output:
                case TakeAddresses():
                    assert not self.has_addresses or self.parting
                    self.has_addresses = True
                case GiveAddresses():
                    assert self.has_addresses
                    self.has_addresses = False
                case SplitBrain():
                    assert not self.split
                    self.split = True
                case SplitBrainOver():
                    assert self.split
                    self.split = False
                case Became(state):
                    assert state != self.state
                    self.state = state
                case SendAdvert(priority):
                    assert was_master or machine.state == "MASTER"
                    assert priority or machine.state != "MASTER"
        assert len(only(Became, outputs)) <= 1
        self.parting = machine.parting


@given(machines, happenings, st.data())
def test_states_addresses_and_signs_fit_whatever_happens(
    machine: Machine, what: list[tuple[float, str]], data: st.DataObject
) -> None:
    now, watcher = 0.0, Watcher()
    for after, event in what:
        now += after
        watcher.see(machine, happen(machine, now, event, data))
        assert machine.state == watcher.state
        assert watcher.has_addresses == (machine.state == "MASTER" or machine.parting)
        assert not machine.parting or machine.state in ("INIT", "BACKUP")
        assert watcher.split == bool(machine.split_brain)
        assert machine.state == "MASTER" or not watcher.split
        assert not machine.faults or machine.state in ("INIT", "FAULT")
        assert not machine.yielded or machine.state != "MASTER"
        assert not machine.ready or (machine.state == "BACKUP" and machine.settings.waits)
        assert 1 <= machine.priority <= 255


@given(machines, happenings, st.data())
def test_after_the_timer_nothing_is_due_and_who_may_become_master_always_has_one(
    machine: Machine, what: list[tuple[float, str]], data: st.DataObject
) -> None:
    now = 0.0
    for after, event in what:
        now += after
        happen(machine, now, event, data)
        machine.timer(now)
        due = machine.next_timer()
        assert due is None or due > now
        assert (due is None) == ((machine.state in ("INIT", "FAULT") or machine.ready) and not machine.parting)


@given(machines, happenings, st.data())
def test_left_alone_it_is_master_in_the_end_unless_it_may_not_be(
    machine: Machine, what: list[tuple[float, str]], data: st.DataObject
) -> None:
    now = 0.0
    for after, event in what:
        now += after
        happen(machine, now, event, data)
    now += 1000.0
    machine.timer(now)
    assert machine.state == "MASTER" or machine.ready or machine.state in ("INIT", "FAULT")


@given(machines, happenings, st.data())
def test_nothing_that_others_send_takes_an_owner_from_its_place(
    machine: Machine, what: list[tuple[float, str]], data: st.DataObject
) -> None:
    machine.start(0.0)
    machine.set_priority(0.0, 255)
    machine.become_master(0.0, "for the test")
    now = 0.0
    for after, event in what:
        now += after
        if event in ("received", "suspect", "timer"):
            happen(machine, now, event, data)
    assert machine.state == "MASTER"
