"""When the collector of cycles runs: in small steps, so that none holds the loop long.

CPython starts it where 2,000 objects more have been made than let go. What probes make takes the place of what earlier
probes made, so that the difference stays about 0 while ever more objects are young; the step that comes at last looks
at all of them, tens of milliseconds long. So a step is made at every beat, too, however few there seem to be.
"""

import asyncio
import gc

BEAT = 0.1
"""Seconds between two steps: at 10,000 servers there are two thousand young objects by then, half a millisecond's."""
COLLECT = (2_000, 1, 50_000)
"""When the collector runs besides (`gc.set_threshold`): not for what the probes of one tick make, which is freed by
reference count when they end, as nearly everything is here, and never at so much that the loop is held long: a look at
10,000 objects takes a millisecond and more. One at all that a director of 10,000 servers has made since its start takes
50 ms and finds next to nothing, some objects for each connection that was closed: it comes once in an hour or two.
"""


class Tidying:
    """Makes the steps, from `start` on until `close`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, and make the next step in a beat."""
        self._timer = self._loop.call_later(BEAT, self._step)

    def close(self) -> None:
        """Make no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _step(self) -> None:
        # Both young generations: the second is never long then, either.
        gc.collect(1)
        self.start()
