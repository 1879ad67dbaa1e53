"""A loop's clock that a test turns, a carrier that ends probes on it, and records to probe."""

import heapq
from collections.abc import Callable, Iterator
from itertools import count

from checks import Check, ProbeResult, Target
from healthlb.daemon.records import ProbeRecord
from healthlb.model import check as declared
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

    def plan(
        self, check: Check, target: Target, done: Callable[[ProbeResult], None], *, keep_evidence: bool = False
    ) -> Callable[[float, float], None]:
        return lambda deadline, _now: self.start(check, target, deadline, done, keep_evidence=keep_evidence)

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
    configured = declared.Check("web", "tcp", schedule, "settings")
    return ProbeRecord(declared.Probe(configured, Endpoint(f"127.0.0.{number}", 80)))
