"""What the speaker does with what its director tells it, turn by turn."""

import time
from dataclasses import replace

from healthlb.model.vrrp_events import BecameBackup, BecameMaster, EnteredFault, SpeakerFailed
from healthlb.model.vrrp_status import TrackStatus
from healthlb.speaker.wire import HandOver
from tests.speaker.stage import Stage, change, spoken

ADDRESS, ROUTE = "address 192.0.2.10", "route"


def test_a_director_that_reads_nothing_costs_no_processor_time() -> None:
    """In real time, computing without a pause for 2 s is the death of a process, and its addresses stay."""
    with Stage() as stage:
        stage.set_up(spoken(interval=40.0))
        while stage.speaker._channel.idle:
            stage.speaker._happened(EnteredFault("VI_1", "nobody reads this"))
        stage.speaker._instances.changed = True
        for _ in range(2):
            stage.turn()
        assert stage.speaker._next() > time.monotonic()
        stage.listen()
        seen = len(stage.states)
        stage.until(lambda: len(stage.states) > seen)


def test_a_group_that_is_in_fault_stays_so_whatever_the_director_says_anew() -> None:
    down = TrackStatus("check", "gateway", up=False, weight=None, reason="no answer")
    groups = {"both": ("VI_1", "VI_2")}
    with Stage() as stage:
        sound, faulty = spoken(priority=255), spoken("VI_2", router_id=52, address="192.0.2.11", priority=255)
        faulty = replace(faulty, tracked=(down,))
        stage.set_up(sound, faulty, groups=groups)
        stage.becomes("FAULT")
        events = len(stage.told(object))
        stage.set_up(sound, faulty, groups=groups)
        assert stage.told(object)[events:] == []
        assert stage.instance().faults == ("VI_2 is in FAULT",)
        assert stage.instance("VI_2").faults == ("check gateway is down (no answer)",)


def test_a_backup_has_none_of_its_addresses_even_if_nobody_knows_who_put_them() -> None:
    with Stage(ADDRESS, ROUTE) as stage:
        stage.set_up(spoken(interval=40.0))
        assert stage.instance().state == "BACKUP"
        assert stage.kernel.has == [ROUTE]


def test_what_was_handed_over_before_begins_so_and_serves_again_only_where_nobody_else_does() -> None:
    with Stage() as stage:
        stage.set_up(spoken(priority=255), yielded=("VI_1", "gone"))
        (begun,) = stage.told(BecameBackup)
        assert (begun.instance, stage.told(BecameMaster)) == ("VI_1", [])  # the owner of the addresses begins as MASTER
        assert not stage.becomes("MASTER").yielded
        stage.set_up(spoken(priority=200), yielded=("VI_1",))
        assert (stage.instance().state, stage.instance().yielded) == ("MASTER", False)


def test_a_renamed_instance_goes_on_as_it_is() -> None:
    with Stage() as stage:
        stage.set_up(spoken(), spoken("VI_2", router_id=52, address="192.0.2.11"))
        stage.becomes("MASTER")
        stage.becomes("MASTER", "VI_2")
        events = len(stage.told(object))
        stage.set_up(spoken("VI_2"), spoken("VI_3", router_id=52, address="192.0.2.11"))
        assert [(each.name, each.state, each.router_id) for each in stage.state().instances] == [
            ("VI_2", "MASTER", 51),
            ("VI_3", "MASTER", 52),
        ]
        assert stage.told(object)[events:] == []
        assert sorted(stage.kernel.has) == [ADDRESS, "address 192.0.2.11", ROUTE]
        stage.set_up(spoken("VI_3"))
        assert [(each.name, each.state, each.router_id) for each in stage.state().instances] == [("VI_3", "MASTER", 51)]
        assert ADDRESS in stage.kernel.has
        assert "address 192.0.2.11" not in stage.kernel.has


LEFT = "VI_1: it is BACKUP and yet eth0 has 192.0.2.10/24, put there by others: remove that"


def test_an_address_that_others_gave_a_backup_is_told_until_it_is_gone() -> None:
    with Stage() as stage:
        stage.set_up(spoken(interval=40.0))
        stage.knows("192.0.2.2", "192.0.2.10")
        stage.until(lambda: stage.state().problems == (LEFT,))
        assert stage.told(SpeakerFailed) == [SpeakerFailed(LEFT)]
        stage.knows("192.0.2.2")
        stage.until(lambda: stage.state().problems == ())


def test_what_a_master_or_an_owner_has_is_no_leftover() -> None:
    with Stage() as stage:
        stage.set_up(spoken(), spoken("VI_2", router_id=52, address="192.0.2.11", priority=255))
        stage.knows("192.0.2.10", "192.0.2.11")
        stage.becomes("MASTER")
        for _ in range(3):
            stage.speaker._instances.heed_the_rest()
        assert stage.speaker._instances.problems() == ()


def test_an_instance_without_the_interface_of_its_own_is_in_fault_until_the_kernel_has_it() -> None:
    own = change("interface vrrp4-51-2", 16)
    with Stage() as stage:
        stage.kernel.refuses.add(own.what)
        one = spoken()
        stage.set_up(replace(one, placement=replace(one.placement, links=(own,))))
        assert stage.becomes("FAULT").faults == (own.what,)
        stage.set_up(one)
        stage.becomes("MASTER")
        stage.set_up(replace(one, placement=replace(one.placement, links=(own,))))
        stage.becomes("FAULT")
        stage.kernel.refuses.clear()
        stage.becomes("MASTER")
        assert own.what in stage.kernel.has


def test_who_ends_keeps_its_addresses_for_a_successor_and_takes_them_along_when_none_comes() -> None:
    with Stage() as stage:
        stage.set_up(spoken())
        stage.becomes("MASTER")
        stage.speaker._instances.part()
        assert stage.speaker._instances.parting
        assert stage.kernel.has == [ADDRESS, ROUTE]
    assert stage.kernel.has == []


def test_who_has_handed_over_and_is_told_anew_what_to_speak_has_its_addresses_as_long() -> None:
    with Stage() as stage:
        stage.set_up(spoken(interval=10.0, priority=255))
        stage.becomes("MASTER")
        stage.say(HandOver("VI_1"))
        stage.becomes("BACKUP")
        stage.set_up(spoken(interval=11.0, priority=255))
        stage.knows("192.0.2.10")
        for _ in range(2):
            stage.speaker._instances.heed_the_rest()
        assert stage.kernel.has == [ADDRESS, ROUTE]
        assert stage.instance().state == "BACKUP"
        assert stage.speaker._instances.problems() == ()
