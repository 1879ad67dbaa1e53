"""The time by which policy is reckoned: UNIX seconds that never jump, whatever is done to the wall clock meanwhile."""

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Returns seconds."""


def steady_clock(wall: Clock = time.time, monotonic: Clock = time.monotonic) -> Clock:
    """Return a clock that shows the wall clock's time of now, and runs on as clock_gettime(2)'s CLOCK_MONOTONIC does.

    Ramps, holds and deadlines must neither end early nor last for hours because somebody set the date. After a restart
    the times that were saved are compared with a wall clock again: that is as near as a clock can be that outlives a
    process.
    """
    offset = wall() - monotonic()
    return lambda: offset + monotonic()
