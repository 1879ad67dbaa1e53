"""When probes start, on a clock that the test turns."""

import heapq
import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Check, ProbeResult, Target, Way
from checks.tcp import Tcp
from healthlb.daemon.pace import LEAST
from healthlb.daemon.prober import JITTER, LATE, SPELL, SPREAD, STRETCH, Prober
from healthlb.daemon.records import ProbeRecord
from healthlb.daemon.tallies import Tally
from healthlb.daemon.target import check_of, target_of
from healthlb.model import config
from tests.daemon.clock import Carrier, Clock, record


@pytest.fixture
def clock() -> Clock:
    return Clock()


def prober(clock: Clock, carrier: Carrier, limit: int = 1000, interval: float = 1.0) -> Prober:
    return Prober(clock, carrier, lambda _record, _result: interval, limit, random.Random(7))


def test_first_probes_are_spread_over_their_interval(clock: Clock) -> None:
    carrier = Carrier(clock)
    probing = prober(clock, carrier)
    for number in range(200):
        probing.add(record(number))
    clock.run(1.01)
    firsts = {address: when - 100.0 for when, address in reversed(carrier.starts)}
    assert len(firsts) == 200
    assert len([when for when in firsts.values() if when < 0.5]) > 60
    assert len([when for when in firsts.values() if when >= 0.5]) > 60


def test_a_probe_goes_its_way_with_what_it_is_to_know_and_keeps_evidence_of_passes_where_all_is_logged(
    clock: Clock,
) -> None:
    carrier = Carrier(clock)
    probing = prober(clock, carrier)
    plain = record(1).probe
    way = Way(source="127.0.0.9", mark=3)
    probing.add(ProbeRecord(plain))
    aside = replace(plain.check, way=way, log="all")
    probing.add(ProbeRecord(config.Probe(aside, plain.target, (("real_server", "web1"),))))
    clock.run(1.0)
    assert (Target("127.0.0.1", 80), False) in carrier.targets
    assert (Target("127.0.0.1", 80, way, (("real_server", "web1"),)), True) in carrier.targets


def test_a_long_interval_does_not_delay_the_first_verdict(clock: Clock) -> None:
    carrier = Carrier(clock)
    probing = prober(clock, carrier, interval=600.0)
    probing.add(record(1, interval=600.0))
    clock.run(SPREAD + 0.1)
    assert len(carrier.starts) == 1


def test_later_probes_start_an_interval_apart_give_or_take_the_jitter(clock: Clock) -> None:
    carrier = Carrier(clock, seconds=0.3)
    probing = prober(clock, carrier)
    probing.add(record(1))
    clock.run(50)
    times = [when for when, _ in carrier.starts]
    gaps = [after - before for before, after in pairwise(times)]
    assert len(gaps) > 40
    assert all(1 - JITTER - 0.02 <= gap <= 1 + JITTER + 0.02 for gap in gaps)
    assert max(gaps) - min(gaps) > JITTER / 2


def test_when_a_probe_is_due_is_known_while_it_waits_and_while_it_is_under_way(clock: Clock) -> None:
    carrier = Carrier(clock, seconds=0.3)
    probing = prober(clock, carrier, interval=10.0)
    one = record(1)
    assert probing.due_in(one) is None
    probing.add(one)
    first = probing.due_in(one)
    assert first is not None
    clock.run(first + 0.02)
    under_way = probing.due_in(one)
    assert carrier.under_way == 1
    assert under_way is not None
    assert under_way == pytest.approx(-0.02)
    clock.run(1.0)
    after = probing.due_in(one)
    assert after is not None
    assert 8.4 < after < 9.6
    probing.remove(one)
    assert probing.due_in(one) is None


def test_each_probe_has_one_deadline_its_timeout_after_its_start(clock: Clock) -> None:
    carrier = Carrier(clock)
    prober(clock, carrier).add(record(1))
    clock.run(5)
    assert [deadline - when for deadline, (when, _) in zip(carrier.deadlines, carrier.starts, strict=True)] == [
        pytest.approx(0.5)
    ] * len(carrier.starts)


def test_a_probe_that_outlasts_its_interval_is_never_run_twice_at_once(clock: Clock) -> None:
    carrier = Carrier(clock, seconds=2.5)
    prober(clock, carrier).add(record(1))
    clock.run(20)
    assert carrier.most == 1
    assert len(carrier.starts) > 5


@given(limit=st.integers(1, 20), servers=st.integers(1, 60))
def test_probes_beyond_the_limit_wait_and_none_is_lost(limit: int, servers: int) -> None:
    clock = Clock()
    carrier = Carrier(clock, seconds=0.2)
    probing = prober(clock, carrier, limit=limit)
    for number in range(servers):
        probing.add(record(number))
    clock.run(20)
    assert carrier.most <= limit
    assert {address for _, address in carrier.starts} == {f"127.0.0.{number}" for number in range(servers)}
    per_second = min(limit / 0.2, servers / (1 + JITTER))
    assert len(carrier.starts) >= int(per_second * 15)


def test_a_start_later_than_the_bound_is_counted(clock: Clock) -> None:
    carrier = Carrier(clock, seconds=0.4)
    probing = prober(clock, carrier, limit=1)
    for number in range(5):
        probing.add(record(number))
    clock.run(10)
    assert probing.late_total > 0
    assert probing.overdue() > LATE


def test_nothing_is_late_where_there_is_room(clock: Clock) -> None:
    probing = prober(clock, Carrier(clock))
    for number in range(50):
        probing.add(record(number))
    clock.run(30)
    assert probing.late_total == 0


def test_a_removed_probe_starts_no_more_and_ends_unheard(clock: Clock) -> None:
    heard: list[ProbeRecord] = []

    def finished(which: ProbeRecord, _result: ProbeResult) -> float:
        heard.append(which)
        return 1.0

    carrier = Carrier(clock, seconds=0.2)
    probing = Prober(clock, carrier, finished, 10, random.Random(7))
    leaving, staying = record(1), record(2)
    probing.add(leaving)
    probing.add(staying)
    while carrier.under_way == 0 or carrier.starts[-1][1] != "127.0.0.1":
        clock.run(0.01)
    heard.clear()
    probing.remove(leaving)
    before = len(carrier.starts)
    clock.run(10)
    assert leaving not in heard
    assert {address for _, address in carrier.starts[before:]} == {"127.0.0.2"}
    assert probing.in_flight == carrier.under_way
    assert len(probing) == 1


def test_after_close_nothing_starts(clock: Clock) -> None:
    carrier = Carrier(clock)
    probing = prober(clock, carrier, limit=1)
    for number in range(5):
        probing.add(record(number))
    clock.run(2)
    before = len(carrier.starts)
    probing.close()
    clock.run(10)
    assert len(carrier.starts) == before
    assert probing.overdue() == 0.0


def test_reloads_without_end_leave_nothing_behind_in_the_schedule(clock: Clock) -> None:
    probing = prober(clock, Carrier(clock), interval=3600.0)
    for number in range(1000):
        fresh = record(number % 250, interval=3600.0)
        probing.add(fresh)
        clock.run(SPREAD)
        probing.remove(fresh)
    assert len(probing._wheel) + len(probing._waiting) < 200


def test_a_receiver_that_raises_does_not_end_the_probing_of_its_server(clock: Clock) -> None:
    def finished(_: ProbeRecord, __: ProbeResult) -> float:
        raise RuntimeError("unforeseen")

    carrier = Carrier(clock)
    probing = Prober(clock, carrier, finished, 10, random.Random(7))
    probing.add(record(1))
    for _ in range(5):
        with pytest.raises(RuntimeError):
            clock.run(3)
    assert len(carrier.starts) == 5
    assert probing.in_flight == 0


def test_a_carrier_that_raises_costs_no_place_and_no_later_probe(clock: Clock) -> None:
    class Broken(Carrier):
        def start(self, check: Check, target: Target, *rest: Any, **options: Any) -> None:
            if target.address == "127.0.0.1":
                raise RuntimeError("unforeseen")
            super().start(check, target, *rest, **options)

    heard: list[ProbeResult] = []

    def finished(of: ProbeRecord, result: ProbeResult) -> float:
        if of.probe.target.address == "127.0.0.1":
            heard.append(result)
        return 1.0

    carrier = Broken(clock)
    probing = Prober(clock, carrier, finished, 2, random.Random(7))
    for number in (1, 2, 3):
        probing.add(record(number))
    clock.run(20)
    assert len(heard) > 15
    assert not any(result.sent for result in heard)
    assert "unforeseen" in heard[0].reason
    assert len(carrier.starts) > 30
    assert probing.in_flight == carrier.under_way


def test_a_crowd_that_is_due_at_once_is_started_in_short_stretches(clock: Clock) -> None:
    class Slow(Carrier):
        def start(self, check: Check, target: Target, *rest: Any, **options: Any) -> None:
            self.clock.now += 0.0001
            super().start(check, target, *rest, **options)

    carrier = Slow(clock)
    probing = prober(clock, carrier)
    for number in range(250):
        probing.add(record(number))
    clock.now += 5
    stretches = []
    while len(carrier.starts) < 250:
        _, _, timer, callback = heapq.heappop(clock.timers)
        began = clock.now
        if not timer.cancelled:
            callback()
        stretches.append(clock.now - began)
    assert max(stretches) < 2 * STRETCH


def hurried(clock: Clock, carrier: Carrier, number: int = 1) -> tuple[Prober, Check, Target]:
    """Return a prober with one record a long way from its next probe, and what a hint would name it by."""
    probing = prober(clock, carrier, interval=60.0)
    of = record(number, interval=60.0)
    probing.add(of)
    clock.run(10)
    assert len(carrier.starts) == 1
    return probing, check_of(of.probe), target_of(of.probe)


def test_a_hint_brings_the_next_probe_forward_and_leaves_the_schedule_after_it(clock: Clock) -> None:
    carrier = Carrier(clock)
    probing, check, target = hurried(clock, carrier)
    probing.hurry(check, target)
    clock.run(1)
    assert len(carrier.starts) == 2
    clock.run(120)
    assert len(carrier.starts) == 4
    assert len(probing) == 1


def test_a_hint_about_a_probe_under_way_has_it_followed_by_another(clock: Clock) -> None:
    carrier = Carrier(clock, seconds=0.3)
    probing, check, target = hurried(clock, carrier)
    probing.hurry(check, target)
    clock.run(0.1)
    assert carrier.under_way == 1
    probing.hurry(check, target)
    probing.hurry(check, target)
    clock.run(5)
    assert len(carrier.starts) == 3
    assert carrier.most == 1


def test_a_storm_of_hints_probes_no_more_often_than_once_in_the_shortest_tick(clock: Clock) -> None:
    carrier = Carrier(clock, seconds=0.0)
    probing, check, target = hurried(clock, carrier)
    carrier.starts.clear()
    for _ in range(1000):
        probing.hurry(check, target)
        clock.run(0.001)
    times = [when for when, _ in carrier.starts]
    assert 50 <= len(times) <= 101
    assert min(after - before for before, after in pairwise(times)) >= LEAST - 1e-9


def test_a_hint_about_what_is_not_probed_or_no_longer_does_nothing(clock: Clock) -> None:
    carrier = Carrier(clock)
    probing, check, target = hurried(clock, carrier)
    probing.hurry(check, Target("127.0.0.99", 80))
    probing.hurry(Tcp(), target)
    gone = next(iter(probing._slots))
    probing.remove(gone)
    probing.hurry(check, target)
    clock.run(120)
    assert len(carrier.starts) == 1
    probing.add(gone)
    clock.run(3)
    probing.hurry(check, target)
    clock.run(1)
    assert len(carrier.starts) == 3


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 4)), max_size=30))
def test_whatever_the_hints_each_probe_is_alone_and_none_is_lost(hints: list[tuple[float, int]]) -> None:
    clock = Clock()
    carrier = Carrier(clock, seconds=0.05)
    probing = prober(clock, carrier, limit=2)
    records = [record(number) for number in range(1, 5)]
    for each in records:
        probing.add(each)
    for pause, number in hints:
        probe = records[number - 1].probe
        probing.hurry(check_of(probe), target_of(probe))
        clock.run(pause)
    carrier.starts.clear()
    clock.run(1.2)
    assert {address for _, address in carrier.starts} == {f"127.0.0.{number}" for number in range(1, 5)}
    assert carrier.most <= 2
    assert len(probing) == 4


def test_probes_that_wait_for_others_are_told_once_a_spell_and_counted_late(clock: Clock) -> None:
    told: list[float] = []
    carrier = Carrier(clock, seconds=0.4)
    probing = Prober(clock, carrier, lambda _r, _s: 1.0, 2, random.Random(7), crowded=lambda: told.append(clock.now))
    for number in range(9):
        probing.add(record(number))
    clock.run(20)
    assert len(told) == 1
    assert probing.crowded()
    assert probing.late_total > 0
    assert probing.waiting > 0
    for each in list(probing._slots)[1:]:
        probing.remove(each)
    clock.run(SPELL + 5)
    assert not probing.crowded()
    assert probing.waiting == 0


def test_the_lateness_of_every_start_is_counted(clock: Clock) -> None:
    carrier = Carrier(clock)
    probing = prober(clock, carrier)
    tally = Tally("web", "http")
    for number in range(50):
        probing.add(replace(record(number), tally=tally))
    clock.run(10)
    lateness = tally.totals().lateness
    assert sum(lateness.counts) == len(carrier.starts)
    on_time = sum(number for bound, number in zip(lateness.bounds, lateness.counts, strict=False) if bound <= 0.015)
    assert on_time == len(carrier.starts)
    assert 0 < lateness.sum < 0.02 * len(carrier.starts)
