"""Two masters: since when, and how it showed."""

from dataclasses import dataclass
from typing import Final

from healthlb.core.vrrp.outputs import Output, SplitBrain, SplitBrainOver

QUIET: Final = 3
"""Intervals without a sign of another master, and at least `QUIET_AT_LEAST` seconds, end a split brain."""
QUIET_AT_LEAST: Final = 1.0


@dataclass(slots=True)
class _Signs:
    since: float
    sign: str
    other: str
    quiet_at: float


class SplitWatch:
    """What was seen of another master while we are one. `now` and intervals are seconds."""

    def __init__(self) -> None:
        self._signs: _Signs | None = None

    def __str__(self) -> str:
        return f"{self._signs.other}: {self._signs.sign}" if self._signs else ""

    def see(self, now: float, sign: str, other: str, interval: float) -> list[Output]:
        """Take a sign; `interval` is the slower of both masters'. Only the first of one split brain is told."""
        quiet_at = now + max(QUIET * interval, QUIET_AT_LEAST)
        if self._signs:
            self._signs.quiet_at = max(self._signs.quiet_at, quiet_at)
            return []
        self._signs = _Signs(now, sign, other, quiet_at)
        return [SplitBrain(sign, other)]

    def due(self, now: float) -> list[Output]:
        """End it if it has been quiet for long enough."""
        return self.end(now) if self._signs and now >= self._signs.quiet_at else []

    def end(self, now: float) -> list[Output]:
        """End it, because one of the two is master no more."""
        if not self._signs:
            return []
        seconds = now - self._signs.since
        self._signs = None
        return [SplitBrainOver(seconds)]

    def next_timer(self) -> float | None:
        """Return when it will have been quiet for long enough."""
        return self._signs.quiet_at if self._signs else None
