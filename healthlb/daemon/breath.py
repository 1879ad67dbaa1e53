"""Long work in short stretches, so that one loop can probe and think."""

import asyncio
from time import perf_counter

STRETCH = 0.002
"""Seconds that one piece of work may hold the loop before it lets the others run."""


class Breath:
    """Await `breath()` between items of a long run: it yields to the loop once a stretch is used up."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = perf_counter()

    async def __call__(self) -> None:
        """Let the loop run if this stretch is used up."""
        if perf_counter() - self._since > STRETCH:
            await asyncio.sleep(0)
            self._since = perf_counter()
