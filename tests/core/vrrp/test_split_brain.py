"""Two masters: how it shows, when it is told, and that the neighbours hear who it is in the end."""

import pytest

from healthlb.core.vrrp.machine import ANSWER_PAUSE
from healthlb.core.vrrp.outputs import Announce, GiveAddresses, SendAdvert, SplitBrain, SplitBrainOver
from healthlb.model.vrrp import Announcing
from tests.core.vrrp.machines import HIGHER_ADDRESS, LOWER_ADDRESS, advert, backup, master, only


def test_a_lower_master_is_told_once_and_the_neighbours_hear_of_us_again() -> None:
    machine = master()
    sign = SplitBrain("it adverts with priority 50, ours is 100", "192.0.2.3")
    assert machine.received(5.0, advert(50), HIGHER_ADDRESS) == [sign, SendAdvert(100), Announce(5)]
    assert machine.split_brain == "192.0.2.3: it adverts with priority 50, ours is 100"
    assert not only(SplitBrain, machine.received(6.0, advert(50), HIGHER_ADDRESS))


def test_adverts_that_cross_at_a_takeover_are_no_sign_of_two_masters_but_are_answered() -> None:
    machine = master()
    assert machine.received(1.0, advert(50), HIGHER_ADDRESS) == [SendAdvert(100), Announce(5)]
    assert machine.split_brain == ""
    machine = master()
    assert not only(SplitBrain, machine.received(2.9, advert(50, 3.0), HIGHER_ADDRESS))


def test_quiet_ends_it_and_the_neighbours_hear_of_us_once_more() -> None:
    machine = master()
    machine.received(5.25, advert(50), HIGHER_ADDRESS)
    machine.received(6.25, advert(50), HIGHER_ADDRESS)
    ended = []
    for quarter in range(26, 60):
        ended += [(quarter / 4, out) for out in machine.timer(quarter / 4) if not isinstance(out, SendAdvert)]
    assert ended == [(9.25, SplitBrainOver(4.0)), (9.25, Announce(5)), (14.25, Announce(5))]
    assert machine.split_brain == ""


@pytest.mark.parametrize("interval", [0.01, 0.1])
def test_at_short_intervals_quiet_is_a_second(interval: float) -> None:
    machine = master(interval=interval)
    machine.received(5.0, advert(50, interval), HIGHER_ADDRESS)
    assert not only(SplitBrainOver, machine.timer(5.99))
    assert only(SplitBrainOver, machine.timer(6.0))


def test_the_timer_is_due_when_quiet_has_been_long_enough() -> None:
    machine = master(interval=30.0)
    machine.suspect(2.0, "it has our address", "02:00:00:00:00:09")
    machine.timer(60.0)
    assert machine.next_timer() == 90.0
    machine.timer(90.0)
    machine.suspect(91.0, "it has our address", "02:00:00:00:00:09")
    machine.timer(150.0)
    machine.timer(180.0)
    assert machine.next_timer() == 181.0


def test_giving_way_ends_it() -> None:
    machine = master()
    machine.suspect(5.0, "it adverts another list of addresses", "192.0.2.3")
    assert only(SplitBrainOver, machine.received(6.0, advert(200), HIGHER_ADDRESS)) == [SplitBrainOver(1.0)]
    assert machine.split_brain == ""


def test_other_signs_are_told_of_a_master_alone() -> None:
    assert backup().suspect(5.0, "it has our address", "02:00:00:00:00:09") == []
    machine = master()
    told = machine.suspect(0.1, "it has our address", "02:00:00:00:00:09")
    assert told == [SplitBrain("it has our address", "02:00:00:00:00:09")]
    assert machine.suspect(0.2, "it has our address", "02:00:00:00:00:09") == []


def test_who_gives_way_sends_a_last_advert_when_the_addresses_are_gone() -> None:
    """The winner, if it was master all the time, knows by it that there were two, and announces."""
    machine = master()
    assert machine.received(5.0, advert(200), HIGHER_ADDRESS)[:2] == [GiveAddresses(), SendAdvert(100)]
    winner = master(priority=200)
    assert only(Announce, winner.received(5.0, advert(100), LOWER_ADDRESS))


@pytest.mark.parametrize("priority", [0, 50])
def test_a_flood_of_adverts_is_answered_at_a_bounded_rate(priority: int) -> None:
    machine = master()
    outputs = []
    machine.timer(5.9)
    for packet in range(10_000):
        now = 6.0 + packet / 10_000
        outputs += [*machine.timer(now), *machine.received(now, advert(priority), HIGHER_ADDRESS)]
    assert len(only(SendAdvert, outputs)) <= 1 / ANSWER_PAUSE + 2  # with the one that is due anyway
    assert len(only(Announce, outputs)) == 1


def test_a_new_mastership_answers_at_once_however_lately_the_one_before_did() -> None:
    machine = master()
    machine.received(5.0, advert(50), HIGHER_ADDRESS)
    machine.hand_over(5.1)
    machine.received(5.2, advert(50), HIGHER_ADDRESS)
    machine.take_back(5.3)
    assert machine.received(5.301, advert(50), HIGHER_ADDRESS) == [SendAdvert(100), Announce(5)]


def test_a_quick_sign_does_not_hasten_the_end_of_what_a_slow_one_showed() -> None:
    machine = master()
    machine.received(20.0, advert(50, 10.0), HIGHER_ADDRESS)
    machine.received(21.0, advert(50, 1.0), LOWER_ADDRESS)
    assert not only(SplitBrainOver, machine.timer(49.9))
    assert only(SplitBrainOver, machine.timer(50.0))


# Addresses of ours that somebody else has (RFC 5227 section 2.4).

CLAIM = ("it says by ARP that it has 192.0.2.100", "02:00:00:00:00:09")


def test_somebody_else_who_has_our_address_is_told_once_and_the_address_is_defended() -> None:
    machine = master()
    assert machine.conflict(7.0, *CLAIM) == [SplitBrain(*CLAIM), Announce(5)]
    assert machine.split_brain == "02:00:00:00:00:09: it says by ARP that it has 192.0.2.100"
    assert machine.conflict(7.1, *CLAIM) == []


@pytest.mark.parametrize("interval", [0.1, 1.0])
def test_our_predecessor_may_still_say_that_he_has_the_addresses(interval: float) -> None:
    machine = master(interval=interval)
    assert machine.conflict(2.0, *CLAIM) == []
    assert only(SplitBrain, machine.conflict(2.1, *CLAIM))
    assert not only(SplitBrain, master(interval=5.0).conflict(5.0, *CLAIM))


def test_what_a_backup_hears_of_the_addresses_says_nothing() -> None:
    assert backup().conflict(10.0, *CLAIM) == []


def test_5227_2_4_an_address_is_defended_once_in_ten_seconds_however_often_somebody_claims_it() -> None:
    machine = master(announcing=Announcing(delay=0.0))
    announced = []
    for tenth in range(30, 400):
        outputs = [*machine.timer(tenth / 10), *machine.conflict(tenth / 10, *CLAIM)]
        announced += [tenth / 10 for _ in only(Announce, outputs)]
    assert announced == [3.0, 13.0, 23.0, 33.0]


def test_the_timer_is_due_when_an_address_is_to_be_defended_again() -> None:
    machine = master(interval=60.0, announcing=Announcing(delay=0.0))
    machine.conflict(61.0, *CLAIM)
    machine.conflict(62.0, *CLAIM)
    machine.timer(62.0)
    assert machine.next_timer() == 71.0
    assert machine.timer(71.0) == [Announce(5)]
    assert machine.next_timer() == 92.0
    assert machine.timer(92.0)[0] == SplitBrainOver(31.0)


def test_two_masters_who_hear_only_each_other_s_announcements_are_one_split_brain() -> None:
    one, other = master(), master()
    told = [*one.conflict(7.0, *CLAIM)]
    for tenth in range(70, 1000):
        now = tenth / 10
        for speaker, hearer in ((one, other), (other, one)):
            outputs = speaker.timer(now)
            told += outputs
            if only(Announce, outputs):
                told += hearer.conflict(now, *CLAIM)
    assert len(only(SplitBrain, told)) == 2
    assert not only(SplitBrainOver, told)


def test_nobody_defends_an_address_that_he_gave_away() -> None:
    machine = master()
    machine.conflict(7.0, *CLAIM)
    machine.conflict(8.0, *CLAIM)
    machine.hand_over(9.0)
    assert only(SplitBrainOver, machine.timer(30.0)) == []
    assert machine.state == "MASTER"
    assert machine.next_timer() == 31.0
    assert only(Announce, machine.timer(34.9)) == []
