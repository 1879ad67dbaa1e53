"""When to probe: one wheel of due times and one timer for them all.

First probes are spread at random, later ones are jittered around their interval, start to start. What is due within
one tick (`pace`) is started together, at its end. At most `limit` probes are under way; those due beyond it wait in
line and are counted late, never lost. The engine carries them out.

A hint (`hurry`) asks for a probe out of turn, and can do no more than that: one under way is followed by another, and
however many hints there are, one target is not probed more often than once in the shortest tick. It does not wait for
the end of a longer one.
"""

import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from checks import Check, ProbeResult, Target
from healthlb.core.health import JITTER
from healthlb.daemon.pace import LEAST, Pace
from healthlb.daemon.records import ProbeRecord
from healthlb.daemon.target import check_of, target_of
from healthlb.daemon.wheel import GRAINS, Wheel

FEW = 64
"""Removed probes that may stay in the schedule until their time, beside as many as there are others."""
LATE = 0.100
"""Seconds after its due time from which a start counts as late."""
EARLIEST = 1 - JITTER
BREADTH = 2 * JITTER
STRETCH = 0.002
"""Seconds for which starts may hold the loop; what is due beyond them follows at its next turn."""
NEVER = float("inf")
SPREAD = 2.0
"""Seconds over which first probes are spread at most, so that a long interval does not delay the first verdict."""


SPELL = 60.0
"""Seconds without a probe that had to wait after which the next one is told of again."""


class Timer(Protocol):
    """A one-shot timer."""

    def cancel(self) -> None:
        """Do not fire."""


class Clock(Protocol):
    """The part of an event loop that a prober needs: monotonic seconds and one-shot timers."""

    def time(self) -> float:
        """Return monotonic seconds."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        """Call back at a time."""


class Carrier(Protocol):
    """What carries out a probe; `done` is called exactly once, later, on the loop."""

    def plan(
        self, check: Check, target: Target, done: Callable[[ProbeResult], None], *, keep_evidence: bool = False
    ) -> Callable[[float, float], None]:
        """Return what starts a probe of this check, again and again: it takes its deadline and the clock's present.

        `keep_evidence` also of a pass.
        """


class Slot:
    """One probe's place in the schedule."""

    __slots__ = (
        "_prober",
        "begin",
        "check",
        "due",
        "hurried",
        "interval",
        "queued",
        "record",
        "removed",
        "started",
        "target",
        "timeout",
        "under_way",
    )

    def __init__(self, prober: "Prober", record: ProbeRecord, due: float) -> None:
        self._prober = prober
        self.record = record
        self.check = check_of(record.probe)
        self.target = target_of(record.probe)
        configured = record.probe.check
        self.timeout = configured.schedule.timeout
        self.interval = configured.schedule.interval
        self.begin = prober.plan(self.check, self.target, self.done, keep_evidence=configured.log == "all")
        self.due = due
        self.started = 0.0
        self.removed = self.queued = self.under_way = self.hurried = False

    def done(self, result: ProbeResult) -> None:
        """Take the result from the carrier."""
        self._prober.ended(self, result)


class Prober:
    """Starts every probe when it is due and hands each result to `finished`, which returns the next interval.

    `crowded` is called when probes have to wait for others to end, once for each spell of it.
    """

    def __init__(
        self,
        clock: Clock,
        carrier: Carrier,
        finished: Callable[[ProbeRecord, ProbeResult], float],
        limit: int,
        chance: random.Random,
        *,
        crowded: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self.plan = carrier.plan
        self._finished = finished
        self._limit = limit
        self._random = chance.random
        self._uniform = chance.uniform
        self._wheel: Wheel[Slot] = Wheel()
        self._due: deque[Slot] = deque()
        self._waiting: deque[Slot] = deque()
        self._slots: dict[ProbeRecord, Slot] = {}
        self._timer: Timer | None = None
        self._timer_at = NEVER
        self._removed = 0
        self._crowded = crowded
        self._crowded_at = float("-inf")
        self._aimed: dict[Target, list[Slot]] | None = None
        self._pace = Pace()
        self._woke = float("-inf")
        self.in_flight = 0
        self.late_total = 0

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, record: ProbeRecord) -> None:
        """Begin to probe; the first probe starts at a random moment within its fast interval."""
        schedule = record.probe.check.schedule
        slot = Slot(self, record, self._clock.time() + self._uniform(0, min(schedule.fast_interval, SPREAD)))
        self._slots[record] = slot
        self._pace.join(schedule)
        if self._aimed is not None:
            self._aimed.setdefault(slot.target, []).append(slot)
        self._push(slot)

    def remove(self, record: ProbeRecord) -> None:
        """Stop probing; a probe under way ends unheard."""
        slot = self._slots.pop(record)
        self._pace.leave(record.probe.check.schedule)
        self._forget_aim(slot)
        self._retire(slot)

    @property
    def waiting(self) -> int:
        """Return how many probes are due and wait because too many are under way."""
        return len(self._waiting)

    @property
    def limit(self) -> int:
        """Return how many probes may be under way."""
        return self._limit

    def crowded(self) -> bool:
        """Whether a probe had to wait lately."""
        return self._clock.time() - self._crowded_at < SPELL

    def hurry(self, check: Check, target: Target) -> None:
        """Probe this check of this target at once, or once the probe that is under way has ended."""
        if self._aimed is None:
            # Made at the first hint: most directors are never given one.
            self._aimed = {}
            for slot in self._slots.values():
                self._aimed.setdefault(slot.target, []).append(slot)
        for slot in list(self._aimed.get(target, ())):
            if slot.check != check:
                continue
            due = max(self._clock.time(), slot.started + LEAST)
            if slot.under_way:
                slot.hurried = True
            elif not slot.queued and due < slot.due:
                self._bring_forward(slot, due)

    def _bring_forward(self, slot: Slot, due: float) -> None:
        """Give a record another slot: the wheel keeps the old one, which is dead, until its time."""
        fresh = Slot(self, slot.record, due)
        fresh.started = slot.started
        self._slots[slot.record] = fresh
        self._forget_aim(slot)
        if self._aimed is not None:
            self._aimed.setdefault(fresh.target, []).append(fresh)
        self._retire(slot)
        self._push(fresh)
        self._wake_by(due)

    def _forget_aim(self, slot: Slot) -> None:
        if self._aimed is not None:
            others = [each for each in self._aimed.pop(slot.target, ()) if each is not slot]
            if others:
                self._aimed[slot.target] = others

    def _retire(self, slot: Slot) -> None:
        slot.removed = True
        self._removed += 1
        if self._removed > len(self._slots) + FEW:
            # A reload that is an hour before their time must not leave them waiting for it.
            self._wheel.keep(lambda each: not each.removed)
            self._due = deque(each for each in self._due if not each.removed)
            self._waiting = deque(each for each in self._waiting if not each.removed)
            self._removed = 0

    def due_in(self, record: ProbeRecord) -> float | None:
        """Return in how many seconds a probe is due, below 0 where it is under way; None: there is none."""
        slot = self._slots.get(record)
        return None if slot is None else slot.due - self._clock.time()

    def overdue(self) -> float:
        """Return the seconds by which the most overdue probe is late; 0 when all is on time."""
        heads = [queue[0].due for queue in (self._due, self._waiting) if queue]
        return max(0.0, self._clock.time() - min((self._wheel.earliest, *heads)))

    def close(self) -> None:
        """Start nothing more."""
        for slot in self._slots.values():
            slot.removed = True
        self._slots.clear()
        self._wheel = Wheel()
        self._due.clear()
        self._waiting.clear()
        self._cancel()

    def ended(self, slot: Slot, result: ProbeResult) -> None:
        """Take a result, and start whoever waits in line for the place."""
        self.in_flight -= 1
        slot.under_way = False
        interval = slot.interval
        try:
            if not slot.removed:
                interval = self._finished(slot.record, result)
        finally:
            # Whatever became of this result, the next one must come.
            if not slot.removed:
                self._schedule(slot, interval)
            while self._waiting and self.in_flight < self._limit:
                self._start(self._waiting.popleft(), self._clock.time())

    def _schedule(self, slot: Slot, interval: float) -> None:
        now = self._clock.time()
        if slot.hurried:
            slot.hurried = False
            slot.due = max(slot.started + LEAST, now)
            self._push(slot)
            self._wake_by(slot.due)
            return
        # From when it was due: the ticks that starts wait for must not add up. Only what came later than that stays so.
        start = slot.started - self._pace.tick
        start = max(start, slot.due)
        due = start + interval * (EARLIEST + BREADTH * self._random())
        slot.due = max(now, due)
        self._push(slot)

    def _push(self, slot: Slot) -> None:
        wheel = self._wheel
        wheel.add(slot, slot.due)
        if wheel.earliest < self._timer_at - self._pace.tick:
            self._arm(wheel.earliest)

    def _wake_by(self, due: float) -> None:
        """Do not wait for the end of a longer tick."""
        soon = max(due + 1 / GRAINS, self._woke + LEAST)
        if soon < self._timer_at:
            self._arm(soon)

    def _arm(self, when: float) -> None:
        self._cancel()
        self._timer_at = when
        self._timer = self._clock.call_at(when, self._wake)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._timer_at = NEVER

    def _wake(self) -> None:
        self._timer = None
        now = began = self._woke = max(self._clock.time(), self._timer_at)
        self._timer_at = NEVER
        due = self._due
        due += self._wheel.take_due(began)
        while due and now - began <= STRETCH:
            slot = due.popleft()
            if slot.removed:
                continue
            if self.in_flight < self._limit:
                self._start(slot, now)
            else:
                self._wait(slot, now)
            now = self._clock.time()
        if due:
            self._arm(now)
        elif self._wheel.earliest < NEVER:
            self._arm(max(self._wheel.earliest, began + self._pace.tick))

    def _wait(self, slot: Slot, now: float) -> None:
        slot.queued = True
        self._waiting.append(slot)
        crowded = self.crowded()
        self._crowded_at = now
        if not crowded:
            self._crowded()

    def _start(self, slot: Slot, now: float) -> None:
        slot.queued = False
        if slot.removed:
            return
        late = now - slot.due
        slot.record.tally.lateness.observe(late)
        if late > LATE:
            self.late_total += 1
        slot.started = now
        slot.under_way = True
        self.in_flight += 1
        try:
            slot.begin(now + slot.timeout, now)
        except Exception as error:  # noqa: BLE001  the other probes must still start, and this one again
            reason = f"not sent: {type(error).__name__}: {error}"
            self._clock.call_at(now, partial(slot.done, ProbeResult(False, reason, 0.0, sent=False)))
