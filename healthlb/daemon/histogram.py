"""Counts of durations by how long they were: cheap enough for every probe."""

from bisect import bisect_left

from healthlb.model.snapshot import Distribution

LATENESS = (
    *(0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1),
    *(0.15, 0.25, 0.5, 1.0, 2.5, 10.0),
)
"""Upper bounds in seconds, close enough together that a median and a 99.9th percentile can be read between them."""
DURATION = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds for whole probes."""

PASS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
"""Upper bounds in seconds for passes over the table, of a handful of rows or of 10,000."""


class Histogram:
    """Counts values in seconds by upper bounds; the last count is of what is beyond them all."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one value; what is below 0 counts as 0."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        if seconds > 0:
            self._sum += seconds

    def distribution(self) -> Distribution:
        """Return what was counted so far."""
        return Distribution(self._bounds, tuple(self._counts), self._sum)
