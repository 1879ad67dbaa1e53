"""How long the loop was held up, so that what it could not serve is told from what a server did not do."""

import asyncio

BEAT = 0.1
"""Seconds between looks at the clock."""
SHARE = 0.5
"""The share of its time that a probe must have had a loop for; with less, its timeout says nothing of the server."""


class Pulse:
    """Looks at the loop's clock now and then; `held` grows by the seconds that it came too late."""

    __slots__ = ("_due", "_held", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._held = 0.0
        self._due = loop.time() + BEAT
        self._timer = loop.call_at(self._due, self._beat)

    def held(self, now: float) -> float:
        """Return for how many seconds the loop has been held up so far, a delay that has just ended included."""
        return self._held + max(0.0, now - self._due)

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _beat(self) -> None:
        now = self._loop.time()
        self._held = self.held(now)
        self._due = now + BEAT
        self._timer = self._loop.call_at(self._due, self._beat)
