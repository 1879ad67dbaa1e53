"""When pools change by time alone: slow start climbs, holds and deadlines end, rows wait for their connections to end.

Times are steady UNIX seconds. Only pools that have such a time are in here.
"""

from collections.abc import Container

NEVER = float("inf")


class Appointments:
    """For each pool when it is to be decided again, and when a fresh look at the table is wanted for it."""

    def __init__(self) -> None:
        self._again: dict[str, float] = {}
        self._looks: dict[str, float] = {}

    def note(self, name: str, again_at: float | None, look_at: float | None) -> None:
        """Put a pool's times in the place of those that it had."""
        for times, at in ((self._again, again_at), (self._looks, look_at)):
            if at is None:
                times.pop(name, None)
            else:
                times[name] = at

    def keep_only(self, names: Container[str]) -> None:
        """Forget the pools that are no more."""
        for times in (self._again, self._looks):
            for name in [name for name in times if name not in names]:
                del times[name]

    def due(self, now: float) -> set[str]:
        """Return the pools that are to be decided again now."""
        return {name for name, at in self._again.items() if at <= now}

    def next(self) -> float:
        """Return when the first pool is to be decided again."""
        return min(self._again.values(), default=NEVER)

    def next_look(self) -> float:
        """Return when the first look is wanted."""
        return min(self._looks.values(), default=NEVER)
