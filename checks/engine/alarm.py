"""One timer of the loop for a wheel of deadlines."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` at the earliest time that was asked for; it must ask again."""

    __slots__ = ("_due", "_loop", "_ring", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def by(self, due: float) -> None:
        """Ring at `due`, in the loop's seconds, unless that is to happen sooner anyway."""
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._wake)

    def cancel(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        self._ring()
