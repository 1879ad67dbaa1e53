"""The last hour of each virtual server, sampled into memory that is bounded by how many virtual servers there are.

A virtual server is known by its name: one that leaves drops its samples, one with a new name begins anew. A moment
without a sample, as where the machine slept, is a gap.
"""

import asyncio
import math
import time
from array import array
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from healthlb.daemon.breath import Breath

STEP = 30.0
"""Seconds between two samples."""
POINTS = 120
"""Samples that are kept of each series: an hour."""
SERIES = ("live_weight", "active", "connections_per_second", "in_bytes_per_second", "out_bytes_per_second")

_NONE = math.nan


class Sample(NamedTuple):
    """One virtual server at one moment; None where there is no row that is counted."""

    live_weight: int
    active: int | None
    connections_per_second: int | None
    in_bytes_per_second: int | None
    out_bytes_per_second: int | None


Look = Callable[[float], Awaitable[Iterable[tuple[str, Sample]]]]
"""Takes how many seconds old counters may be, and returns the virtual servers by name."""


class History:
    """Rings of samples, one place in all of them for the same moment.

    A ring holds its series one after the other, as 4-byte floats: 2,400 bytes a virtual server, exact up to 2**24.
    """

    def __init__(
        self, look: Look, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._look = look
        self._clock = clock
        self._wall = wall
        self._rings: dict[str, array[float]] = {}
        self._began: float | None = None
        self._newest = 0
        self.step = STEP
        self.end: float | None = None

    async def run(self) -> None:
        """Take a sample at every step, for ever."""
        while True:
            await self.take()
            began = self._began if self._began is not None else self._clock()
            await asyncio.sleep(max(STEP / 2, began + (self._newest + 1) * STEP - self._clock()))

    async def take(self) -> None:
        """Take a sample of all virtual servers now."""
        found = await self._look(STEP / 3)
        breath = Breath()
        place = await self._advance(breath)
        gone = set(self._rings)
        for name, sample in found:
            ring = self._rings.get(name)
            if ring is None:
                ring = self._rings[name] = array("f", [_NONE]) * (POINTS * len(SERIES))
            for offset, value in zip(range(place, len(ring), POINTS), sample, strict=True):
                ring[offset] = _NONE if value is None else value
            gone.discard(name)
            await breath()
        for name in gone:
            del self._rings[name]
        self.end = self._wall()

    def series(self, virtual_server: str) -> dict[str, list[int | None]] | None:
        """Return the samples of a virtual server by what they are of, oldest first; None where there was no sample."""
        ring = self._rings.get(virtual_server)
        if ring is None:
            return None
        places = [number % POINTS for number in range(max(0, self._newest - POINTS + 1), self._newest + 1)]
        return {
            name: [_plain(ring[first + place]) for place in places]
            for name, first in zip(SERIES, range(0, len(ring), POINTS), strict=True)
        }

    async def _advance(self, breath: Breath) -> int:
        """Return the place of this moment; what was missed since the last one is emptied."""
        now = self._clock()
        if self._began is None:
            self._began = now
            return 0
        number = max(self._newest + 1, round((now - self._began) / STEP))
        missed = range(max(self._newest + 1, number - POINTS + 1), number)
        for ring in self._rings.values() if missed else ():
            for place in missed:
                for offset in range(place % POINTS, len(ring), POINTS):
                    ring[offset] = _NONE
            await breath()
        self._newest = number
        return number % POINTS


def _plain(value: float) -> int | None:
    return None if math.isnan(value) else int(value)
