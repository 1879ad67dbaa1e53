"""Pairs and triples of directors on a network that loses, delays, reorders, duplicates and parts.

The bound: a loser hears the winner within one of the winner's intervals and the longest delay; who has to wait until a
worse master is dead to him waits Active_Down_Interval, three intervals of the slowest and a skew of at most one
(RFC 9568 section 6.1).
"""

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.vrrp.outputs import Announce, SendAdvert, SplitBrain
from tests.core.vrrp.network import ONE, Director, Network, director

LONGEST_DELAY = 0.3
"""Of the least interval: how long a packet may be under way."""
intervals = st.sampled_from([0.02, 0.05, 0.1, 0.5, 1.0, 3.0])


@st.composite
def some_directors(draw: st.DrawFn, *, preempt: bool | None = None) -> list[Director]:
    version = draw(st.sampled_from([2, 3]))
    same = draw(intervals) if version == 3 else float(draw(st.integers(1, 3)))
    return [
        director(
            number,
            version=version,
            priority=draw(st.integers(1, 254)),
            interval=draw(st.sampled_from([same, same, same * 2])) if version == 3 else same,
            preempt=draw(st.booleans()) if preempt is None else preempt,
        )
        for number in range(1, draw(st.integers(3, 4)))
    ]


def slowest(directors: list[Director]) -> float:
    return max(one.machine.settings.interval for one in directors)


def fastest(directors: list[Director]) -> float:
    return min(one.machine.settings.interval for one in directors)


def bound(directors: list[Director]) -> float:
    return (5 + LONGEST_DELAY) * slowest(directors) + (1 if directors[0].machine.settings.version == 2 else 0)


class Weather:
    """What the network does to a packet, drawn: until `heals_at` anything, then only delay."""

    def __init__(self, data: st.DataObject, directors: list[Director], heals_at: float) -> None:
        self.now = lambda: 0.0
        self.longest = LONGEST_DELAY * fastest(directors)
        self.heals_at = heals_at
        self.parts = data.draw(
            st.lists(st.tuples(st.floats(0, heals_at), st.floats(0, heals_at), st.integers(0, 7)), max_size=3)
        )
        self.seed = data.draw(st.randoms(use_true_random=False))

    def __call__(self, name: str, sender: Director, receiver: Director) -> list[float]:
        now = self.now()
        if now >= self.heals_at:
            return [self.seed.uniform(0, self.longest)]
        for begin, end, side in self.parts:
            if begin <= now < end and _apart(sender, receiver, side):
                return []
        copies = self.seed.choice([0, 1, 1, 1, 1, 2])
        return [self.seed.uniform(0, self.longest) for _ in range(copies)]


def _apart(sender: Director, receiver: Director, side: int) -> bool:
    """Whether a partition parts these two: it puts each director whose bit is set on one side."""
    return bool(side >> int(sender.name[-1]) & 1) != bool(side >> int(receiver.name[-1]) & 1)


def after_the_storm(data: st.DataObject, directors: list[Director], *, happenings: bool = False) -> Network:
    heals_at = 20 * slowest(directors)
    weather = Weather(data, directors, heals_at)
    network = Network(directors, weather)
    weather.now = lambda: network.now
    network.start()
    if happenings:
        for at in sorted(data.draw(st.lists(st.floats(0, heals_at), max_size=6))):
            network.run(at)
            happen(network, data.draw(st.sampled_from(directors)), data)
    network.run(heals_at + bound(directors))
    return network


def happen(network: Network, one: Director, data: st.DataObject) -> None:
    group, now = one.group, network.now
    match data.draw(st.sampled_from(["priority", "fault", "mend", "restart", "hand over", "take back"])):
        case "priority":
            network.do(one, group.set_priority(now, ONE, data.draw(st.integers(1, 254))))
        case "fault":
            network.do(one, group.fault(now, ONE, ("down",)))
        case "mend":
            network.do(one, group.mend(now, ONE))
        case "restart":
            network.do(one, group.stop(now))
            network.do(one, group.start(now))
        case "hand over":
            network.do(one, group.hand_over(now))
        case "take back":
            network.do(one, group.take_back(now))


@given(st.data(), some_directors(preempt=True))
def test_after_the_network_heals_there_is_one_master_within_the_bound_and_it_is_the_best(
    data: st.DataObject, directors: list[Director]
) -> None:
    network = after_the_storm(data, directors)
    best = max(one.machine.priority for one in directors)
    assert len(network.masters) == 1
    assert [one.machine.priority for one in directors if one.machine.state == "MASTER"] == [best]


@given(st.data(), some_directors(preempt=True))
def test_that_master_stays_and_nobody_else_touches_the_addresses(
    data: st.DataObject, directors: list[Director]
) -> None:
    network = after_the_storm(data, directors)
    before = network.masters
    changes = [one.machine.became_master_total for one in directors]
    network.run(network.now + 20 * slowest(directors))
    assert network.masters == before
    assert [one.machine.became_master_total for one in directors] == changes


@given(st.data(), some_directors())
def test_where_not_everybody_preempts_there_is_one_master_and_nobody_who_preempts_ranks_above(
    data: st.DataObject, directors: list[Director]
) -> None:
    network = after_the_storm(data, directors)
    assert len(network.masters) == 1
    [master] = [one for one in directors if one.machine.state == "MASTER"]
    assert not [
        one for one in directors if one.machine.settings.preempt and one.machine.priority > master.machine.priority
    ]


@given(st.data(), some_directors())
def test_whatever_operators_and_faults_did_meanwhile_there_is_one_master_in_the_end(
    data: st.DataObject, directors: list[Director]
) -> None:
    network = after_the_storm(data, directors, happenings=True)
    fit = [one for one in directors if one.machine.state != "FAULT"]
    assert len(network.masters) == min(1, len(fit))
    for one in fit:
        assert one.machine.master == f"192.0.2.{network.masters[0][-1]}", "everybody knows the master"


@given(st.data(), some_directors(preempt=True))
def test_while_no_more_than_two_adverts_in_a_row_are_lost_nobody_takes_over(
    data: st.DataObject, directors: list[Director]
) -> None:
    """Three intervals without an advert and the skew: two losses and a packet late by less than that are nothing."""
    network = Network(directors, at_once)
    network.start()
    network.run(bound(directors) * 3)
    [master] = network.masters
    changes = [one.machine.became_master_total for one in directors]
    slack = 0.9 * min(one.skew for one in directors if one.name != master)
    seed = data.draw(st.randoms(use_true_random=False))
    lost = dict.fromkeys((one.name for one in directors), 0)

    def fate(name: str, sender: Director, receiver: Director) -> list[float]:
        if lost[receiver.name] < 2 and seed.random() < 0.6:
            lost[receiver.name] += 1
            return []
        lost[receiver.name] = 0
        return [seed.uniform(0, slack)]

    network.fate = fate
    network.run(network.now + 60 * slowest(directors))
    assert network.masters == [master]
    assert [one.machine.became_master_total for one in directors] == changes


def at_once(name: str, sender: Director, receiver: Director) -> list[float]:
    return [0.001]


def pair(**options: Any) -> tuple[Network, Director, Director]:
    high, low = director(2, priority=150, **options), director(1, priority=100, **options)
    network = Network([high, low], at_once)
    network.start()
    network.run(10.0)
    assert network.masters == [high.name]
    return network, high, low


def test_a_director_killed_is_succeeded_after_three_intervals_and_the_skew() -> None:
    network, high, low = pair()
    high.alive = False
    last = max(at for at, output in high.log if isinstance(output, SendAdvert))
    due = last + 0.001 + 3 + 156 / 256
    network.run(due - 0.001)
    assert network.masters == []
    network.run(due + 0.001)
    assert network.masters == [low.name]


def test_a_director_stopped_is_succeeded_after_the_skew() -> None:
    network, high, low = pair()
    network.do(high, high.group.stop(network.now))
    network.run(network.now + 0.001 + 156 / 256 + 0.001)
    assert network.masters == [low.name]


def test_a_planned_failover_there_and_back_never_has_two_masters_for_longer_than_a_packet_travels() -> None:
    network, high, low = pair()
    network.do(high, high.group.hand_over(network.now))
    network.run(network.now + 30.0)
    assert network.masters == [low.name]
    network.do(high, high.group.take_back(network.now))
    assert network.masters == [high.name, low.name]
    network.run(network.now + 0.002)
    assert network.masters == [high.name]
    network.run(network.now + 30.0)
    assert not network.told(SplitBrain, high)
    assert not network.told(SplitBrain, low)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("way", ["handed over", "stopped", "taken back", "preempted"])
def test_when_mastership_moves_by_plan_somebody_has_the_addresses_at_every_moment(
    way: str, version: Literal[2, 3]
) -> None:
    network, high, low = pair(version=version)
    match way:
        case "handed over":
            network.do(high, high.group.hand_over(network.now))
        case "stopped":
            network.do(high, high.group.stop(network.now, gently=True))
        case "taken back":
            network.do(high, high.group.hand_over(network.now))
            network.run(network.now + 5.0)
            network.do(high, high.group.take_back(network.now))
        case _:
            network.do(low, low.group.set_priority(network.now, ONE, 200))
    since = network.now
    while network.now < since + 10.0:
        network.run(network.now + 0.001)
        assert high.has_addresses or low.has_addresses
    assert high.has_addresses == ({ONE} if way == "taken back" else set())
    assert low.has_addresses == (set() if way == "taken back" else {ONE})


def test_a_preemption_is_no_split_brain() -> None:
    network, high, low = pair()
    network.do(high, high.group.fault(network.now, ONE, ("down",)))
    network.run(network.now + 5.0)
    network.do(high, high.group.mend(network.now, ONE))
    network.run(network.now + 30.0)
    assert network.masters == [high.name]
    assert not network.told(SplitBrain, high)
    assert not network.told(SplitBrain, low)


@given(st.floats(0.0, 1.0))
def test_after_a_partition_the_winner_tells_of_it_and_announces_again_whoever_is_heard_first(phase: float) -> None:
    network, high, low = pair()
    network.fate = lambda *_: []
    network.run(network.now + 20.0 + phase)
    assert network.masters == [high.name, low.name]
    healed = network.now
    network.fate = at_once
    network.run(healed + 1.1)
    assert network.masters == [high.name]
    assert network.told(SplitBrain, high) == 1
    assert network.told(Announce, high, healed)


def test_of_three_directors_the_next_best_succeeds_and_gives_back() -> None:
    directors = [director(3, priority=150), director(2, priority=100), director(1, priority=50)]
    network = Network(directors, at_once)
    network.start()
    for expected, gone in (("lb3", 0), ("lb2", 1), ("lb1", None)):
        network.run(network.now + 10.0)
        assert network.masters == [expected]
        if gone is not None:
            network.do(directors[gone], directors[gone].group.stop(network.now))
    network.do(directors[1], directors[1].group.start(network.now))
    network.run(network.now + 10.0)
    assert network.masters == ["lb2"]
    network.do(directors[0], directors[0].group.start(network.now))
    network.run(network.now + 10.0)
    assert network.masters == ["lb3"]


def test_different_intervals_are_learned_and_no_reason_to_take_over() -> None:
    slow, fast = director(2, priority=150, interval=3.0), director(1, priority=100, interval=0.1)
    network = Network([slow, fast], at_once)
    network.start()
    network.run(200.0)
    assert network.masters == [slow.name]
    assert fast.machine.interval == 3.0
    assert fast.machine.became_master_total == 1
