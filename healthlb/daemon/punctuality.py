"""Whether the loop is on time, by a timer of its own: a director that is held up must say so, not blame the servers."""

from collections.abc import Callable

from healthlb.daemon.histogram import LATENESS, Histogram
from healthlb.daemon.prober import Clock, Timer
from healthlb.model.events import LoopHeld

BEAT = 0.100
"""Seconds between looks at the clock."""
HELD = 0.250
"""Seconds of lateness from which it is told."""
GATHER = 1.0
"""Seconds for which what comes of it is gathered before it is told: probes that turn out to be void, further delays."""
REST = 10.0
"""Seconds between two such lines at least."""


class Punctuality:
    """Measures the loop's lateness. `voids` returns how many probes were void so far, `told` is given the event."""

    def __init__(self, clock: Clock, voids: Callable[[], int], told: Callable[[LoopHeld], None]) -> None:
        self._clock = clock
        self._voids = voids
        self._told = told
        self._due = 0.0
        self._timer: Timer | None = None
        self._telling: Timer | None = None
        self._told_at = float("-inf")
        self._worst = 0.0
        self._voids_told = 0
        self.lags = Histogram(LATENESS)

    def start(self) -> None:
        """Begin to look."""
        self._next(self._clock.time())

    def close(self) -> None:
        """Look no more."""
        for timer in (self._timer, self._telling):
            if timer is not None:
                timer.cancel()
        self._timer = self._telling = None

    def _next(self, now: float) -> None:
        self._due = now + BEAT
        self._timer = self._clock.call_at(self._due, self._beat)

    def _beat(self) -> None:
        now = self._clock.time()
        lag = max(0.0, now - self._due)
        self.lags.observe(lag)
        self._worst = max(self._worst, lag)
        if self._telling is None and (lag > HELD or self._voids() > self._voids_told):
            self._telling = self._clock.call_at(max(now + GATHER, self._told_at + REST), self._tell)
        elif self._telling is None:
            self._worst = 0.0
        self._next(now)

    def _tell(self) -> None:
        self._telling = None
        self._told_at = self._clock.time()
        voids = self._voids()
        event = LoopHeld(self._worst, voids - self._voids_told)
        self._worst, self._voids_told = 0.0, voids
        self._told(event)
