"""How late adverts went out in the last minute, in bounded room however many they are."""

from bisect import bisect_left
from typing import Final

SLOT: Final = 10.0
SLOTS: Final = 6
"""Seconds that are counted together, and how many times so many are remembered: together one minute."""
BOUNDS: Final = tuple(1e-5 * 1.25**step for step in range(70))
"""Upper bounds in seconds, from 10 microseconds to about a minute, each a quarter above the one before."""


class Lateness:
    """Counts by bounds; a quantile is the upper bound of where it lies, the worst is exact."""

    def __init__(self) -> None:
        self._slots: list[tuple[int, list[int], list[float]]] = []

    def note(self, now: float, late: float) -> None:
        """Count an advert that went out so many seconds late."""
        number = int(now // SLOT)
        if not self._slots or self._slots[-1][0] != number:
            self._slots = [*self._slots[-SLOTS + 1 :], (number, [0] * (len(BOUNDS) + 1), [0.0])]
        _, counts, worst = self._slots[-1]
        counts[bisect_left(BOUNDS, late)] += 1
        worst[0] = max(worst[0], late)

    def summary(self, now: float) -> tuple[float, float, float]:
        """Return the median, the 99th percentile and the worst of the last minute, zeros if there was none."""
        recent = [slot for slot in self._slots if slot[0] > now // SLOT - SLOTS]
        counts = [sum(column) for column in zip(*(slot[1] for slot in recent), strict=True)]
        worst = max((slot[2][0] for slot in recent), default=0.0)
        return min(_quantile(counts, 0.5), worst), min(_quantile(counts, 0.99), worst), worst


def _quantile(counts: list[int], share: float) -> float:
    wanted, seen = sum(counts) * share, 0
    for bound, count in zip((*BOUNDS, float("inf")), counts, strict=False):
        seen += count
        if count and seen >= wanted:
            return bound
    return 0.0
