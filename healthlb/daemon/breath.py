"""Long work in short stretches, so that one loop can probe and think."""

import asyncio
from time import perf_counter

STRETCH = 0.002
"""Seconds that one piece of work may hold the loop before it lets the others run."""


class Breath:
    """Await `breath()` between items of a long run: it yields to the loop once a stretch is used up."""

    __slots__ = ("_before", "_since", "_stretch")

    def __init__(self, stretch: float | None = None) -> None:
        self._stretch = STRETCH if stretch is None else stretch
        self._before = 0.0
        self._since = perf_counter()

    @property
    def work(self) -> float:
        """The seconds that the run has taken so far, those in which others had the loop not counted."""
        return self._before + perf_counter() - self._since

    async def __call__(self) -> None:
        """Let the loop run if this stretch is used up."""
        spent = perf_counter() - self._since
        if spent > self._stretch:
            self._before += spent
            await asyncio.sleep(0)
            self._since = perf_counter()
