"""A master that gives way by order serves on until its successor is heard: no client is without in between.

RFC 9568 section 6.4.3 has the addresses go with the last advert, and nobody then serves for the Skew_Time of whoever
takes over. For how long at most they stay is bounded here: nobody keeps what somebody else may have.
"""

from typing import Final

from healthlb.core.vrrp.outputs import GiveAddresses, Output

MARGIN: Final = 1.1
"""The longest Skew_Time is hardly an interval; the successor has its own work to do besides."""
LONGEST: Final = 2.0
"""Seconds that a director's end waits for a successor at most, before the margin."""


class Parting:
    """What a machine still has though it is not MASTER any more. `until`: when that is over, None for nothing."""

    def __init__(self) -> None:
        self.until: float | None = None

    def begin(self, now: float, longest: float) -> None:
        """Keep the addresses for so many seconds at most; what has begun before does not become longer."""
        until = now + longest * MARGIN
        self.until = until if self.until is None else min(self.until, until)

    def end(self) -> list[Output]:
        """Give up what there still is."""
        if self.until is None:
            return []
        self.until = None
        return [GiveAddresses()]

    def due(self, now: float) -> list[Output]:
        """Give it up if it is time."""
        return self.end() if self.until is not None and now >= self.until else []
