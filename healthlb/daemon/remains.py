"""Lets go of snapshots that nobody reads any more in short stretches: one of 10,000 servers at once takes 15 ms."""

from weakref import finalize

from healthlb.daemon.breath import Breath
from healthlb.model.snapshot import Snapshot

PIECE = 100
"""Parts that are let go before a look at the clock: a tenth of a millisecond."""


class Remains:
    """Holds the parts of each snapshot until it is gone, and then until there is time for them."""

    def __init__(self) -> None:
        self._left: list[list[object]] = []

    def follow(self, snapshot: Snapshot, parts: list[object]) -> None:
        """Take over a snapshot's parts, to outlive it. Whichever thread is the last to know the snapshot may end it."""
        finalize(snapshot, self._left.append, parts).atexit = False

    async def clear(self, breath: Breath) -> None:
        """Let go of what is left of snapshots that are gone."""
        while self._left:
            parts = self._left.pop()
            while parts:
                del parts[-PIECE:]
                await breath()
