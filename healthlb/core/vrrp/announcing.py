"""When the neighbours are told again where the addresses are."""

from healthlb.model.vrrp import Announcing


def following(due: float, interval: float, now: float) -> float:
    """Return when something periodic is due after `due`: by the plan, so that lateness adds up to nothing.

    After so long a sleep that the next one is past as well it is an interval from now: no burst makes up for it.
    """
    return due + interval if due + interval > now else now + interval


class Repeats:
    """The announcements of one mastership: at once, once more after a delay, then by refresh."""

    def __init__(self, announcing: Announcing) -> None:
        self.announcing = announcing
        self._again: float | None = None
        self._refresh: float | None = None

    def start(self, now: float) -> int:
        """Begin to count; return how many announcements are due at once."""
        self._again = now + self.announcing.delay if self.announcing.delay > 0 else None
        self._refresh = now + self.announcing.refresh if self.announcing.refresh > 0 else None
        return self.announcing.repeat

    def due(self, now: float) -> int:
        """Return how many announcements are due now, and count on from there."""
        repeat = 0
        if self._again is not None and now >= self._again:
            self._again = None
            repeat = self.announcing.repeat
        if self._refresh is not None and now >= self._refresh:
            self._refresh = following(self._refresh, self.announcing.refresh, now)
            repeat = max(repeat, self.announcing.refresh_repeat)
        return repeat

    def next_timer(self) -> float | None:
        """Return when something is due next."""
        return min((at for at in (self._again, self._refresh) if at is not None), default=None)
