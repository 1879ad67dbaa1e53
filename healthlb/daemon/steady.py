"""The time by which policy is reckoned: UNIX seconds that never jump, whatever is done to the wall clock meanwhile."""

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns seconds."""
LEAST_SET = 1.0
"""Seconds by which a wall clock is set at least; it goes wrong by less between two looks."""


def steady_clock(wall: Clock = time.time, monotonic: Clock = time.monotonic) -> Clock:
    """Return a clock that shows the wall clock's time of now, and runs on as clock_gettime(2)'s CLOCK_MONOTONIC does.

    Ramps, holds and deadlines must neither end early nor last for hours because somebody set the date. After a restart
    the times that were saved are compared with a wall clock again: that is as near as a clock can be that outlives a
    process. What was set before is made up for as they are saved (`drifted`).
    """
    offset = wall() - monotonic()
    return lambda: offset + monotonic()


def drifted(steady: Clock, wall: Clock) -> float:
    """Return by how many seconds the wall clock was set since a steady clock began; what is none of that is 0."""
    seconds = wall() - steady()
    return seconds if abs(seconds) >= LEAST_SET else 0.0
