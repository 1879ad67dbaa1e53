"""How long a tick is. Due probes are started together once a tick: a wake for many costs hardly more than for one.

Where there are few probes, or short intervals, a tick is short. It grows until there are enough probes in it.
"""

from collections import Counter

from healthlb.model.health import Schedule

LEAST = 0.010
"""Seconds that a tick takes at least: no hint and no short interval gets the loop to wake more often."""
MOST = 0.050
"""Seconds that a tick takes at most, however long the intervals are."""
SHARE = 0.05
"""The share of the shortest interval that a tick takes at most: no more than the jitter."""
BATCH = 100
"""Probes that are enough for one tick: with more of them in it, none of them gets cheaper."""
FEW = 8
"""Probes in the longest tick below which there is nothing to save, so that each may as well be in time."""


class Pace:
    """The tick that suits the probes that there are, in seconds."""

    def __init__(self) -> None:
        self._shortest: Counter[float] = Counter()
        self._rate = 0.0
        self.tick = LEAST

    def join(self, schedule: Schedule) -> None:
        """Take one more probe into account."""
        self._shortest[_shortest(schedule)] += 1
        self._rate += 1 / schedule.interval
        self._reckon()

    def leave(self, schedule: Schedule) -> None:
        """Leave a probe out of account again."""
        shortest = _shortest(schedule)
        self._shortest[shortest] -= 1
        if not self._shortest[shortest]:
            del self._shortest[shortest]
        self._rate -= 1 / schedule.interval
        self._reckon()

    def _reckon(self) -> None:
        if self._rate * MOST < FEW or not self._shortest:
            self.tick = LEAST
        else:
            self.tick = max(LEAST, min(MOST, SHARE * min(self._shortest), BATCH / self._rate))


def _shortest(schedule: Schedule) -> float:
    return min(schedule.interval, schedule.fast_interval, schedule.down_interval)
