"""When probes start, on a clock that the test turns."""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Check, ProbeResult, Target, Way
from healthlb.daemon.prober import JITTER, LATE, SPREAD, STRETCH, Prober
from healthlb.daemon.records import ProbeRecord
from healthlb.model import config
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Schedule

PASSED = ProbeResult(True, "ok", 0.001)


class Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """A loop's clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, int, Timer, Callable[[], None]]] = []
        self.numbers: Iterator[int] = count()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        timer = Timer()
        heapq.heappush(self.timers, (when, next(self.numbers), timer, callback))
        return timer

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.timers and self.timers[0][0] <= end:
            when, _, timer, callback = heapq.heappop(self.timers)
            self.now = max(self.now, when)
            if not timer.cancelled:
                callback()
        self.now = end


class Carrier:
    """Ends each probe after a set time."""

    def __init__(self, clock: Clock, seconds: float = 0.001) -> None:
        self.clock = clock
        self.seconds = seconds
        self.starts: list[tuple[float, str]] = []
        self.deadlines: list[float] = []
        self.targets: list[tuple[Target, bool]] = []
        self.under_way = 0
        self.most = 0

    def start(
        self,
        check: Check,
        target: Target,
        deadline: float,
        done: Callable[[ProbeResult], None],
        *,
        keep_evidence: bool = False,
    ) -> None:
        self.starts.append((self.clock.now, target.address))
        self.targets.append((target, keep_evidence))
        self.deadlines.append(deadline)
        self.under_way += 1
        self.most = max(self.most, self.under_way)

        def end() -> None:
            self.under_way -= 1
            done(PASSED)

        self.clock.call_at(self.clock.now + self.seconds, end)


def record(number: int, interval: float = 1.0) -> ProbeRecord:
    schedule = Schedule(interval, 0.5, 1, 1, interval, interval)
    check = config.Check("web", "tcp", schedule, "settings")
    return ProbeRecord(config.Probe(check, Endpoint(f"127.0.0.{number}", 80)))


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
    assert len(probing._heap) + len(probing._waiting) < 200


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
